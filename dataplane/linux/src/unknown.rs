//! ESP for one of our addresses whose SPI no SA holds. The kernel counts such packets, and shows them to nobody: when the
//! count rises, the ports are listened to until one is seen, for a second at most.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::time::Instant;

use base::{Spi, VrfId};
use dataplane::{Event, Link, Port};
use ipsec::Encap;
use sys::packet::{Inbox, PacketSocket};
use wire::esp::{Encapsulated, Header};
use wire::ethernet;
use wire::ip::Packet;
use wire::udp;

use crate::ground::Ground;

/// Between two looks at the count, two events of one peer, and as long as anything is listened to.
const PACE: Duration = Duration::from_secs(1);
/// After listening for nothing: it costs every packet of every port a copy.
const REST: Duration = Duration::from_secs(10);
/// Receives of one port at a time: others want their turn.
const BATCHES: usize = 8;
const ESP: u8 = 50;
const UDP: u8 = 17;
const NAT_T: u16 = 4500;

pub(crate) struct Unknown {
    /// As counted at the last look.
    count: u64,
    looked: Instant,
    listening: Option<Listening>,
    told: BTreeMap<(VrfId, IpAddr), Instant>,
    rests_until: Option<Instant>,
}

struct Listening {
    until: Instant,
    ports: Vec<(Port, PacketSocket)>,
    inbox: Inbox,
}

/// A packet of ESP as it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stray {
    local: IpAddr,
    remote: IpAddr,
    spi: Spi,
    encap: Encap,
}

impl Unknown {
    pub(crate) fn since(now: Instant) -> Self {
        Self { count: count(), looked: now, listening: None, told: BTreeMap::new(), rests_until: None }
    }

    /// `knows`: whether the kernel should have an SA of ours for this address and SPI in this front VRF.
    pub(crate) fn tick(
        &mut self,
        now: Instant,
        ground: &Ground,
        knows: impl Fn(VrfId, IpAddr, Spi) -> bool,
    ) -> Vec<Event> {
        if now.duration_since(self.looked) >= PACE {
            self.look(now, ground);
        }
        let Some(listening) = &mut self.listening else { return Vec::new() };
        let mut events = Vec::new();
        for (port, stray) in listening.receive() {
            let mut addresses = ground.ports.values().filter(|other| other.vrf == port.vrf);
            let is_ours = addresses.any(|other| other.addresses.iter().any(|own| own.address == stray.local));
            if is_ours && !knows(port.vrf, stray.local, stray.spi) && due(&mut self.told, &port, &stray, now)
            {
                events.push(stray.event(port.vrf));
            }
        }
        if !events.is_empty() {
            self.listening = None;
        } else if listening.until <= now {
            self.listening = None;
            self.rests_until = Some(now + REST);
        }
        events
    }

    fn look(&mut self, now: Instant, ground: &Ground) {
        self.looked = now;
        self.told.retain(|_, told| now.duration_since(*told) < PACE);
        let before = core::mem::replace(&mut self.count, count());
        if self.count > before && self.rests_until.is_none_or(|until| until <= now) {
            self.listening = Some(Listening::to(ground, now + PACE));
        }
    }
}

impl Listening {
    fn to(ground: &Ground, until: Instant) -> Self {
        let mut ports = Vec::new();
        for port in ground.ports.values().filter(|port| port.link != Link::Host) {
            let socket = PacketSocket::open(&port.device);
            match socket.and_then(|socket| socket.only_esp().map(|()| socket)) {
                Ok(socket) => ports.push((port.clone(), socket)),
                Err(error) => {
                    tracing::debug!("{} cannot be listened to for unknown SPIs: {error}", port.device)
                }
            }
        }
        Self { until, ports, inbox: Inbox::default() }
    }

    fn receive(&mut self) -> Vec<(Port, Stray)> {
        let mut strays = Vec::new();
        for (port, socket) in &self.ports {
            for _ in 0..BATCHES {
                let Ok(received) = socket.receive(&mut self.inbox) else { break };
                for at in 0..received {
                    let frame = self.inbox.frame(at).map(|(frame, _)| &*frame);
                    strays.extend(frame.and_then(stray).map(|stray| (port.clone(), stray)));
                }
            }
        }
        strays
    }
}

impl Stray {
    const fn event(self, front: VrfId) -> Event {
        let Self { local, remote, spi, encap } = self;
        Event::UnknownSpi { front, local, remote, spi, encap }
    }
}

/// At most one a second for each front VRF and remote.
fn due(told: &mut BTreeMap<(VrfId, IpAddr), Instant>, port: &Port, stray: &Stray, now: Instant) -> bool {
    let key = (port.vrf, stray.remote);
    let due = told.get(&key).is_none_or(|told| now.duration_since(*told) >= PACE);
    if due {
        told.insert(key, now);
    }
    due
}

/// The ESP in a frame, if it is one.
fn stray(frame: &[u8]) -> Option<Stray> {
    let (_, packet) = ethernet::Header::parse(frame).ok()?;
    let packet = Packet::new_checked(packet).ok()?;
    let flow = packet.flow().ok()?;
    if packet.is_later_fragment() {
        return None;
    }
    let (esp, encap) = match flow.protocol {
        ESP => (packet.payload(), Encap::Esp),
        UDP if flow.dst_port == NAT_T => {
            let datagram = udp::Packet::new_checked(packet.payload()).ok()?;
            let Ok(Encapsulated::Esp(esp)) = Encapsulated::parse(datagram.payload()) else { return None };
            (esp, Encap::Udp { local: flow.dst_port, remote: flow.src_port })
        }
        _ => return None,
    };
    let (Header { spi, .. }, _) = Header::parse(esp).ok()?;
    Some(Stray { local: flow.dst, remote: flow.src, spi, encap })
}

/// Packets of ESP that found no SA: `XfrmInNoStates`.
fn count() -> u64 {
    let counts = fs::read_to_string("/proc/net/xfrm_stat").unwrap_or_default();
    let line = counts.lines().find_map(|line| line.strip_prefix("XfrmInNoStates"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a peer sends it that has an SA we do not have.
    fn frame(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(20 + payload.len()).unwrap();
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0];
        frame.extend([0x45, 0, 0, length, 0, 0, 0, 0, 64, protocol, 0, 0, 198, 51, 100, 1, 172, 18, 1, 1]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn esp_is_recognised_bare_and_behind_a_nat() {
        let esp = [0, 0, 0x1A, 0xBC, 0, 0, 0, 7, 1, 2, 3, 4];
        let expected = |encap| Stray {
            local: [172, 18, 1, 1].into(),
            remote: [198, 51, 100, 1].into(),
            spi: Spi(0x1ABC),
            encap,
        };
        assert_eq!(stray(&frame(ESP, &esp)), Some(expected(Encap::Esp)));
        let datagram = [&[0xEE, 0x48, 0x11, 0x94, 0, 20, 0, 0][..], &esp].concat();
        let behind = Encap::Udp { local: NAT_T, remote: 61_000 };
        assert_eq!(stray(&frame(UDP, &datagram)), Some(expected(behind)));
    }

    #[test]
    fn what_is_no_esp_is_no_stray() {
        let ike = [0xEE, 0x48, 0x11, 0x94, 0, 20, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let keepalive = [0xEE, 0x48, 0x11, 0x94, 0, 9, 0, 0, 0xFF];
        for (protocol, payload) in [(UDP, &ike[..]), (UDP, &keepalive), (6, &ike), (ESP, &[1, 2])] {
            assert_eq!(stray(&frame(protocol, payload)), None);
        }
    }
}
