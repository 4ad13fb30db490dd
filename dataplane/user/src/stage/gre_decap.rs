//! GRE for one of our addresses: its tunnel by (front VRF, both addresses, key), then what is inside (RFC 2784, RFC 2890,
//! RFC 4023, RFC 6040).

use dataplane::Gre;
use wire::ip::Packet;
use wire::{Malformed, ethernet, gre};

use crate::graph::{Next, Walk};
use crate::stage::ecn;
use crate::{Drop, Frame, Origin};

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    match open(walk, frame) {
        Ok(next) => next,
        Err(drop) => drop.into(),
    }
}

fn open<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Result<Next<'t>, Drop> {
    let outer = Packet::new_checked(frame.bytes()).map_err(|_| Drop::Malformed)?;
    // Who has sealed it for this box may mean a tunnel of the kernel's own.
    if frame.origin == Origin::Opened && !walk.tables.has_tunnel(frame.vrf, outer.dst, outer.src) {
        return Ok(Next::Local);
    }
    let (header, inner) = gre::Header::parse(outer.payload()).map_err(refusal)?;
    let tunnel = Gre { front: frame.vrf, local: outer.dst, remote: outer.src, key: header.key };
    let port = walk.tables.tunnel(&tunnel).ok_or(Drop::NoTunnel)?;
    let (congestion, end) = (outer.tos, outer.bytes.len());
    let start = end.saturating_sub(inner.len());
    frame.keep(start..end).then_some(()).ok_or(Drop::GreMalformed)?;
    walk.state.count_in(port.id, frame.len());
    (frame.port, frame.vrf, frame.origin) = (port.id, port.vrf, Origin::Opened);
    let version = match header.protocol {
        ethernet::IPV4 => 4,
        ethernet::IPV6 => 6,
        // Labels are never marked on their way in: there is nothing to carry over.
        ethernet::MPLS => return Ok(Next::MplsInput),
        _ => return Err(Drop::GreProtocol),
    };
    if frame.bytes().first().is_none_or(|first| first >> 4 != version) {
        return Err(Drop::GreMalformed);
    }
    ecn::carry(frame, congestion)?;
    Ok(Next::IpInput)
}

const fn refusal(refusal: Malformed) -> Drop {
    match refusal {
        Malformed::Version | Malformed::Flags => Drop::GreFlags,
        Malformed::Truncated | Malformed::Length | Malformed::Chain | Malformed::Checksum => {
            Drop::GreMalformed
        }
    }
}
