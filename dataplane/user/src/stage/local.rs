//! A packet for the box itself.

use base::Family;
use wire::icmp;
use wire::ip::Packet;

use crate::graph::{Next, Walk};
use crate::{Drop, Frame, Origin};

const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;

/// What came plain from a wire has reached the kernel by itself. What was labelled or sealed goes there
/// through the VRF's own port, but pings are answered here.
pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    if frame.origin == Origin::Wire {
        return Next::Kernel;
    }
    if frame.origin != Origin::Own && is_ping(frame) {
        return Next::Echo;
    }
    let host = walk.tables.vrf(frame.vrf).and_then(|vrf| vrf.host);
    match host.and_then(|host| walk.tables.port(host)) {
        Some(host) => Next::Send(host),
        None => Drop::NoHost.into(),
    }
}

fn is_ping(frame: &Frame) -> bool {
    let Ok(packet) = Packet::new_checked(frame.bytes()) else { return false };
    let (protocol, kind) = match packet.family() {
        Family::V4 => (icmp::V4, ECHO_V4),
        Family::V6 => (icmp::V6, ECHO_V6),
    };
    packet.protocol == protocol
        && packet.fragment.is_none()
        && icmp::Message::parse(packet.payload()).is_ok_and(|message| message.kind == kind)
}
