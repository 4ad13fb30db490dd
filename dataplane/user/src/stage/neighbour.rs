//! The next station's link address; packets wait for it, a few and not long.

use core::time::Duration;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::IpAddr;

use base::{Instant, PortId, VrfId};
use dataplane::{Event, Link, Port};
use wire::mpls;

use crate::graph::{Next, Walk};
use crate::header::Header;
use crate::tables::Out;
use crate::{Drop, Frame};

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, out: Out<'t>) -> Next<'t> {
    match &out.port.link {
        Link::Host => return Next::Send(out.port),
        Link::Tunnel(tunnel) => return Next::TunnelEncap(out.port, tunnel),
        Link::Ethernet { .. } | Link::Vlan { .. } => {}
    }
    let Some(address) = out.gateway().or_else(|| destination(frame, out)) else {
        return Drop::Malformed.into();
    };
    match walk.tables.neighbour(out.port.id, address) {
        Some(mac) => Next::EthernetOut(out.port, mac),
        None => wait(walk, frame, out.port, address),
    }
}

/// Without a gateway the destination itself is the next station; our labels are in front of it.
fn destination(frame: &Frame, out: Out<'_>) -> Option<IpAddr> {
    let labels = out.push().len().saturating_mul(mpls::ENTRY);
    Header::of(frame.bytes().get(labels..)?).map(|header| header.dst)
}

fn wait<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, port: &Port, address: IpAddr) -> Next<'t> {
    if is_broadcast(port, address) {
        return Drop::Multicast.into();
    }
    if walk.state.limits.resolve.allows((port.id, address), walk.now) {
        walk.state.tell(Event::Resolve(port.id, address));
    }
    let station = (port.id, port.vrf, address);
    if !walk.state.waiting.has_room(station) {
        return Drop::NoNeighbour.into();
    }
    let spare = walk.state.batch.buffer();
    let waiting = core::mem::replace(frame, spare);
    walk.state.waiting.hold(station, waiting, walk.now);
    Next::Held
}

/// Whether every station of a connected network is meant (RFC 2644), in the old form with zeros too.
fn is_broadcast(port: &Port, address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    port.addresses.iter().any(|own| {
        let IpAddr::V4(ours) = own.address else { return false };
        let hosts = u32::MAX.checked_shr(own.length.into()).unwrap_or(0);
        let differ = ours.to_bits() ^ address.to_bits();
        let host = address.to_bits() & hosts;
        own.length <= 30 && differ & !hosts == 0 && (host == 0 || host == hosts)
    })
}

/// A next hop that is being asked for: its port, and the VRF of that port. In another VRF the same
/// address on the same port is another station.
type Station = (PortId, VrfId, IpAddr);

/// Packets whose next hop is being asked for.
#[derive(Default)]
pub(crate) struct Waiting(BTreeMap<Station, VecDeque<(Instant, Frame)>>);

impl Waiting {
    const EACH: usize = 16;
    /// On each port, so that a scan of one network leaves the others alone.
    const STATIONS: usize = 64;
    const PATIENCE: Duration = Duration::from_secs(3);

    fn has_room(&self, station: Station) -> bool {
        match self.0.get(&station) {
            Some(queue) => queue.len() < Self::EACH,
            None => self.0.keys().filter(|other| other.0 == station.0).count() < Self::STATIONS,
        }
    }

    fn hold(&mut self, station: Station, frame: Frame, now: Instant) {
        self.0.entry(station).or_default().push_back((now, frame));
    }

    /// The packets that a newly known station frees, oldest first.
    pub(crate) fn release(&mut self, port: &Port, address: IpAddr) -> impl Iterator<Item = Frame> + use<> {
        self.0.remove(&(port.id, port.vrf, address)).into_iter().flatten().map(|(_, frame)| frame)
    }

    /// The packets that waited long enough.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Frame> {
        let mut dead = Vec::new();
        for queue in self.0.values_mut() {
            while queue.front().is_some_and(|(since, _)| now.since(*since) >= Self::PATIENCE) {
                dead.extend(queue.pop_front().map(|(_, frame)| frame));
            }
        }
        self.0.retain(|_, queue| !queue.is_empty());
        dead
    }
}
