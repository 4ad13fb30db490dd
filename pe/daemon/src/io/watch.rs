//! Devices and neighbours: what the kernel says of them, turned into inputs for the box.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::PortId;
use config::model::Backend;
use pe::{Device, Host, Input};

use super::Work;
use super::netlink::{Known, Link, Present};
use super::reconcile::Links;
use crate::host::{AddressOn, Thing, Wanted};

/// What we know of the kernel's devices and of the neighbours that the dataplane asked for.
#[derive(Default)]
pub(crate) struct Watch {
    links: BTreeMap<u32, Link>,
    /// Wire ports by device name; none where the kernel forwards.
    ports: BTreeMap<String, PortId>,
    owned: BTreeSet<String>,
    /// What the kernel is to hold of ours.
    wanted: Wanted,
    asked: BTreeSet<(PortId, IpAddr)>,
    /// What the box was told and holds.
    told: BTreeMap<(PortId, IpAddr), [u8; 6]>,
    /// Devices that were brought up since the ports last changed.
    prepared: BTreeSet<u32>,
}

/// More next hops than any port has; what goes beyond is not refreshed.
const ASKED: usize = 4096;

impl Watch {
    /// What the kernel is to hold from now on.
    pub(crate) fn want(&mut self, host: &Host) {
        self.wanted = match host.backend {
            Backend::User => Wanted::of(host),
            Backend::Linux => Wanted::default(),
        };
    }

    /// The ports changed. Neighbours of ports that went are forgotten, the others told again.
    pub(crate) fn host(&mut self, host: &Host) {
        self.owned = host.ports.iter().map(|port| port.device.clone()).collect();
        // The kernel's neighbours are its own where it forwards.
        let wires = host.ports.iter().filter(|port| !port.host && host.backend == Backend::User);
        self.ports = wires.map(|port| (port.device.clone(), port.port)).collect();
        let ports: BTreeSet<_> = self.ports.values().copied().collect();
        self.asked.retain(|(port, _)| ports.contains(port));
        self.told.clear();
        self.prepared.clear();
    }

    /// Whether a device must be brought up, or down if it is shut: once after each change of the ports and each time it
    /// appears. An operator who does otherwise by hand has his way.
    pub(crate) fn prepare(&mut self, index: u32) -> bool {
        self.prepared.insert(index)
    }

    /// What is new about a device, and what that makes to do on the kernel side if it is one of ours.
    pub(crate) fn link(&mut self, link: Link) -> (Vec<Input>, Option<Work>) {
        let before = self.links.insert(link.index, link.clone());
        if before.as_ref() == Some(&link) {
            return (Vec::new(), None);
        }
        let mut work = self.owned.contains(&link.name).then_some(Work::Again);
        let mut inputs = Vec::new();
        if let Some(before) = before
            && before.name != link.name
        {
            // What is ours goes on under the new name.
            work = if self.owned.contains(&before.name) { Some(Work::Lost) } else { work };
            inputs.push(Input::DeviceGone(before.name));
        }
        inputs.extend(device(&link).map(Input::Device));
        (inputs, work)
    }

    /// All devices, by name.
    pub(crate) fn links(&self) -> Links {
        self.links.values().map(|link| (link.name.clone(), link.clone())).collect()
    }

    /// Whether a port's device is one that we have not seen.
    pub(crate) fn misses(&self, host: &Host) -> bool {
        let seen: BTreeSet<&str> = self.links.values().map(|link| &*link.name).collect();
        host.ports.iter().any(|port| !seen.contains(&*port.device))
    }

    pub(crate) fn gone(&mut self, index: u32) -> Option<Input> {
        self.prepared.remove(&index);
        self.links.remove(&index).map(|link| Input::DeviceGone(link.name))
    }

    /// Devices that a fresh list does not have any more.
    pub(crate) fn missing(&self, present: &[Link]) -> Vec<u32> {
        let present: BTreeSet<u32> = present.iter().map(|link| link.index).collect();
        self.links.keys().copied().filter(|index| !present.contains(index)).collect()
    }

    /// One of ours that has gone, or that somebody else has put in its place.
    pub(crate) fn address(
        &self,
        Present { index, address, length, ours }: Present,
        gone: bool,
    ) -> Option<Work> {
        let on = AddressOn { device: self.links.get(&index)?.name.clone(), address, length };
        self.missed(Thing::Address(on)).filter(|_| gone || !ours)
    }

    /// It has gone: is it one of ours?
    pub(crate) fn missed(&self, thing: Thing) -> Option<Work> {
        self.wanted.contains(&thing).then_some(Work::Missing(thing))
    }

    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        Some(&self.links.get(&index)?.name)
    }

    pub(crate) fn neighbour(&mut self, known: Known) -> Option<Input> {
        let port = *self.ports.get(&self.links.get(&known.index)?.name)?;
        let key = (port, known.address);
        let news = match known.mac {
            Some(mac) => self.told.insert(key, mac) != Some(mac),
            None => {
                self.asked.remove(&key);
                self.told.remove(&key).is_some()
            }
        };
        news.then_some(Input::Neighbour { port, address: known.address, mac: known.mac })
    }

    /// The device to ask on; remembered, so that the answer is kept fresh.
    pub(crate) fn ask(&mut self, port: PortId, address: IpAddr) -> Option<u32> {
        let index = self.index(port)?;
        if self.asked.len() < ASKED {
            self.asked.insert((port, address));
        }
        Some(index)
    }

    /// Devices and addresses to confirm.
    pub(crate) fn asked(&self) -> Vec<(u32, IpAddr)> {
        self.asked.iter().filter_map(|(port, address)| Some((self.index(*port)?, *address))).collect()
    }

    fn index(&self, port: PortId) -> Option<u32> {
        let (name, _) = self.ports.iter().find(|(_, id)| **id == port)?;
        self.links.values().find(|link| link.name == *name).map(|link| link.index)
    }
}

pub(crate) fn device(link: &Link) -> Option<Device> {
    Some(Device {
        name: link.name.clone(),
        mac: link.mac?,
        mtu: u16::try_from(link.mtu).unwrap_or(u16::MAX),
        up: link.running,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::port;

    fn link(index: u32, name: &str, running: bool) -> Link {
        Link { index, name: name.into(), mtu: 70_000, enabled: true, running, mac: Some([2; 6]) }
    }

    fn watch() -> Watch {
        let mut watch = Watch::default();
        let host = Host { ports: vec![port(7, "wan", 0, "192.0.2.1")], ..Host::default() };
        watch.host(&host);
        watch.want(&host);
        watch.link(link(3, "wan", true));
        watch
    }

    fn answered(mac: Option<[u8; 6]>) -> Known {
        Known { index: 3, address: [192, 0, 2, 9].into(), mac }
    }

    #[test]
    fn a_device_is_told_once_until_it_changes() {
        let mut watch = watch();
        assert!(watch.link(link(3, "wan", true)).0.is_empty());
        let (inputs, work) = watch.link(link(3, "wan", false));
        let [Input::Device(device)] = &inputs[..] else { panic!("not one device") };
        assert!(work == Some(Work::Again) && !device.up);
        assert_eq!(device.mtu, u16::MAX, "as much as an IP packet can have");
    }

    #[test]
    fn a_renamed_device_is_gone_under_its_old_name() {
        let (inputs, work) = watch().link(link(3, "lan", true));
        assert!(matches!(&inputs[..], [Input::DeviceGone(old), Input::Device(_)] if old == "wan"));
        assert_eq!(work, Some(Work::Lost), "it has what was of ours");
    }

    #[test]
    fn an_address_of_ours_that_goes_or_becomes_anothers_is_missed() {
        let watch = watch();
        let at = |ours| Present { index: 3, address: [192, 0, 2, 1].into(), length: 24, ours };
        let missing = |work| matches!(work, Some(Work::Missing(Thing::Address(on))) if on.length == 24);
        assert_eq!(watch.address(at(true), false), None, "we put it there");
        assert!(missing(watch.address(at(true), true)));
        assert!(missing(watch.address(at(false), false)));
        for other in [Present { length: 25, ..at(true) }, Present { index: 4, ..at(true) }] {
            assert_eq!(watch.address(other, true), None);
        }
    }

    #[test]
    fn a_port_whose_device_was_never_seen_is_missed() {
        let of = |device| Host { ports: vec![port(7, device, 0, "192.0.2.1")], ..Host::default() };
        assert!(!watch().misses(&of("wan")) && watch().misses(&of("lan")));
    }

    #[test]
    fn a_neighbour_is_kept_fresh_from_when_it_is_asked_for_until_it_stops_answering() {
        let mut watch = watch();
        assert_eq!(watch.ask(PortId(7), [192, 0, 2, 9].into()), Some(3));
        assert!(watch.neighbour(answered(Some([1; 6]))).is_some());
        assert!(watch.neighbour(answered(Some([1; 6]))).is_none(), "nothing new");
        assert_eq!(watch.asked().len(), 1);
        let Some(Input::Neighbour { mac: None, port: PortId(7), .. }) = watch.neighbour(answered(None))
        else {
            panic!("silence must be told")
        };
        assert!(watch.asked().is_empty());
    }

    #[test]
    fn a_device_is_brought_up_once_until_the_ports_change_or_it_comes_back() {
        let mut watch = watch();
        assert!(watch.prepare(3));
        assert!(!watch.prepare(3));
        watch.gone(3);
        assert!(watch.prepare(3));
    }

    #[test]
    fn neighbours_of_other_devices_are_nobodys_business() {
        let mut watch = watch();
        assert!(watch.neighbour(Known { index: 4, ..answered(None) }).is_none());
        assert_eq!(watch.ask(PortId(8), [192, 0, 2, 9].into()), None);
    }
}
