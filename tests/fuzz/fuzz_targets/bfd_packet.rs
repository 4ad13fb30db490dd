//! Any packets for a BFD engine with the same session in two VRFs, in one of them only: nothing that is not of the session
//! changes it, and nothing reaches into the other VRF.
#![no_main]

use core::net::IpAddr;
use core::time::Duration;

use base::{Engine, Instant, PortId, VrfId};
use bfd::{Bfd, Input, Output, Packet, SessionKey, State, Timers};
use libfuzzer_sys::fuzz_target;

const LOCAL: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
const REMOTE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2));

fuzz_target!(|data: &[u8]| {
    let mut bfd = Bfd::new(1);
    let timers =
        Timers { transmit: Duration::from_millis(50), receive: Duration::from_millis(50), multiplier: 3 };
    let wanted = [key(1), key(2)].map(|key| (key, timers)).into();
    let mut now = Instant::START;
    bfd.handle(now, Input::Configure(wanted));
    drain(&mut bfd);
    let mut rest = data;
    while let Some((&[flags, length], behind)) = rest.split_first_chunk::<2>() {
        let (bytes, behind) = behind.split_at(usize::from(length).min(behind.len()));
        let mut bytes = bytes.to_vec();
        let ours =
            bfd.sessions(now).find(|status| status.key == key(1)).map(|status| status.discriminators.0);
        if let (true, Some(ours), Some(place)) = (flags & 1 == 1, ours, bytes.get_mut(8..12)) {
            place.copy_from_slice(&ours.to_be_bytes());
        }
        let ttl = 255 - (flags >> 1 & 1);
        let (local, remote, port) = (LOCAL, REMOTE, PortId(1));
        bfd.handle(
            now,
            Input::Packet { vrf: VrfId(1), port, local, remote, multihop: flags & 4 == 4, ttl, bytes },
        );
        drain(&mut bfd);
        now = now + Duration::from_millis(u64::from(flags >> 3) * 10);
        bfd.tick(now);
        drain(&mut bfd);
        rest = behind;
    }
    let other = bfd.sessions(now).find(|status| status.key == key(2));
    assert!(other.is_some_and(|status| (status.state, status.received) == (State::Down, 0)));
});

fn key(vrf: u32) -> SessionKey {
    SessionKey { vrf: VrfId(vrf), local: LOCAL, remote: REMOTE, port: Some(PortId(1)) }
}

/// What leaves can be read, and only the session that is spoken to comes up.
fn drain(bfd: &mut Bfd) {
    while let Some(output) = bfd.poll() {
        match output {
            Output::Transmit { bytes, source_port, .. } => {
                assert!(source_port >= 49152);
                assert_eq!(Packet::decode(&bytes).map(|packet| packet.encode()), Ok(bytes));
            }
            Output::Changed { key: changed, .. } => assert_eq!(changed, key(1)),
        }
    }
}
