//! What each object is in the kernel.

use dataplane::{Link, Object, Port, Vrf};
use ipsec::{Direction, Offload, Sa};

use super::Translator;
use super::needs::{carrier_of, is_own, needs};
use crate::address::OnDevice;
use crate::device::Device;
use crate::ground::{Ground, Place};
use crate::mark::{Hook, Mark};
use crate::port::Slave;
use crate::sa::{Home, KernelSa};
use crate::thing::{Key, Name, Thing, Unable};
use crate::xfrm::GUARDED;
use crate::{label, neighbour, route};

impl Translator {
    /// What an object is in the kernel; nothing while something it stands on is missing.
    pub(super) fn things(&self, object: &Object, ground: &Ground) -> Result<Vec<(Key, Thing)>, Unable> {
        if !needs(object).iter().all(|need| self.is_met(*need, ground)) {
            return Ok(Vec::new());
        }
        match object {
            Object::Vrf(vrf) => Ok(of_vrf(vrf, ground)),
            Object::Port(port) => of_port(port, ground),
            Object::Neighbour(neighbour) => neighbour::things(neighbour, ground),
            Object::Sa(sa) => self.of_sa(sa, ground),
            Object::Policy(_) => Ok(Vec::new()),
            Object::Label { label, action } => label::things(*label, action, ground),
            Object::Route(route) => route::things(route, ground),
        }
    }

    fn of_sa(&self, sa: &Sa, ground: &Ground) -> Result<Vec<(Key, Thing)>, Unable> {
        let Some(policy) = self.policy(sa.policy) else { return Ok(Vec::new()) };
        let mark = ground.vrfs.get(&sa.front).map_or(0, |place| place.mark);
        let (mark, if_id) = match (ground.tunnels.get(&carrier_of(policy)), sa.direction) {
            (Some(tunnel), _) => (mark, tunnel.if_id),
            (None, _) if !is_own(policy) => return Ok(Vec::new()),
            (None, Direction::In) => (mark, 0),
            // What the box itself sends by a port has no mark.
            (None, Direction::Out) => (0, 0),
        };
        let home = Home {
            mark,
            if_id,
            df: policy.df,
            offload: offload(sa, ground),
            told_direction: ground.told_direction,
        };
        let sa = KernelSa::of(sa, home)?;
        Ok(vec![(sa.key(), Thing::Sa(Box::new(sa)))])
    }
}

/// The network card of the port that an SA's outer packets go by.
fn offload(sa: &Sa, ground: &Ground) -> Option<(u32, Offload)> {
    let mut ports = ground.ports.values().filter(|port| port.vrf == sa.front);
    let port = ports.find(|port| port.addresses.iter().any(|own| own.address == sa.local))?;
    Some((ground.index(&port.device)?, port.offload?))
}

fn of_vrf(vrf: &Vrf, ground: &Ground) -> Vec<(Key, Thing)> {
    let Some(place) = ground.vrfs.get(&vrf.id) else { return Vec::new() };
    let Some(name) = &place.device else { return Vec::new() };
    let device = Device::of_vrf(place).map(|device| (Key::Device(name.clone()), Thing::Device(device)));
    device.into_iter().chain(route::end(place.table)).collect()
}

fn of_port(port: &Port, ground: &Ground) -> Result<Vec<(Key, Thing)>, Unable> {
    let Some(place) = ground.vrfs.get(&port.vrf) else { return Ok(Vec::new()) };
    let own = Name::from(port.device.as_str());
    let (device, mut things) = match port.link {
        Link::Host => (place.device.clone().unwrap_or_else(|| Name::from("lo")), Vec::new()),
        Link::Ethernet { .. } => {
            let slave = (Key::Port(own.clone()), Thing::Port(Slave(place.device.clone())));
            (own.clone(), vec![slave, mark(port, place)])
        }
        Link::Vlan { parent, id, .. } => {
            let Some(parent) = ground.ports.get(&parent) else { return Ok(Vec::new()) };
            let device = Device::of_vlan(port, parent, id, place);
            let device = (Key::Device(own.clone()), Thing::Device(device));
            (own.clone(), vec![device, mark(port, place)])
        }
        Link::Tunnel(_) => {
            return Err(Unable::Never("the kernel lets GRE and MPLS in UDP pass between VRFs".to_owned()));
        }
    };
    things.extend(port.addresses.iter().map(|address| {
        let host = if address.address.is_ipv4() { 32 } else { 128 };
        let length = if port.link == Link::Host { host } else { address.length };
        let on = OnDevice { length, ours: true, bare: false };
        (Key::Address(device.clone(), address.address), Thing::Address(on))
    }));
    Ok(things)
}

/// What arrives is known by the port's VRF from then on.
fn mark(port: &Port, place: &Place) -> (Key, Thing) {
    let guarded = if port.crypto { GUARDED } else { 0 };
    let mark = Mark { value: place.mark | guarded, hook: Hook::Ingress };
    (Key::Mark(Name::from(port.device.as_str())), Thing::Mark(mark))
}
