//! Devices and carriers decide which interfaces are ports, and which of those are up.

use std::collections::{BTreeMap, BTreeSet};

use base::{Family, PortId, VrfId};
use config::Config;
use config::model::{Binding, Interface, TunnelMode};
use dataplane::{Address, Encapsulation, Link, Port, Tunnel};
use ike::config::Peer;

use super::config_to_ipsec;
use crate::ids::{Ids, PortName};
use crate::{Device, Notice};

/// What the kernel and the dataplane say of the wires.
#[derive(Default)]
pub(crate) struct Links {
    devices: BTreeMap<String, Device>,
    /// The MTU that each device had of itself, not by our `mtu`.
    own_mtu: BTreeMap<String, u16>,
    /// Ports whose carrier the dataplane saw going.
    dark: BTreeSet<PortId>,
}

/// The ports that can exist now.
#[derive(Default)]
pub(crate) struct Ports {
    pub(crate) ports: BTreeMap<PortId, Port>,
    /// Those that carry packets now; host ports always do.
    pub(crate) up: BTreeSet<PortId>,
    /// The devices of interfaces, also of those that are shut.
    pub(crate) wires: BTreeMap<PortId, Wire>,
    pub(crate) problems: Vec<Notice>,
}

/// What the kernel is to make of an interface's device.
pub(crate) struct Wire {
    pub(crate) device: String,
    pub(crate) vrf: VrfId,
    /// In bytes.
    pub(crate) mtu: u16,
    /// Administratively down: no port, but still ours to guard.
    pub(crate) shutdown: bool,
}

/// Bytes of a device's name at most.
const LONGEST: usize = 15;

/// The TUN towards the kernel; the kernel cuts its own packets to this size.
const HOST_MTU: u16 = 1500;

impl Links {
    /// Whether anything changed. `set` says that we set its MTU: a change of that is not the device's own.
    pub(crate) fn device(&mut self, device: Device, set: bool) -> bool {
        let before = self.devices.insert(device.name.clone(), device.clone());
        if before.as_ref().is_none_or(|before| before.mtu != device.mtu && !set) {
            self.own_mtu.insert(device.name.clone(), device.mtu);
        }
        before != Some(device)
    }

    pub(crate) fn gone(&mut self, name: &str) -> bool {
        self.own_mtu.remove(name);
        self.devices.remove(name).is_some()
    }

    pub(crate) fn carrier(&mut self, port: PortId, up: bool) -> bool {
        if up { self.dark.remove(&port) } else { self.dark.insert(port) }
    }

    pub(crate) fn known(&self, name: &str) -> Option<&Device> {
        self.devices.get(name)
    }
}

/// A port for each interface with a device, and one host port for each VRF in use.
pub(crate) fn ports(config: &Config, ids: &mut Ids, links: &Links) -> Result<Ports, String> {
    devices_are_distinct(config)?;
    let mut ports = Ports::default();
    for (name, interface) in devices(config) {
        match ports.place(name, interface, ids, links) {
            Ok(problem) => ports.problems.extend(problem),
            Err(problem) => {
                ports.problems.push(Notice::PortUnusable { interface: name.clone(), problem });
            }
        }
    }
    for (name, interface) in made(config) {
        if let Err(problem) = ports.make(config, (name, interface), ids, links) {
            ports.problems.push(Notice::PortUnusable { interface: name.clone(), problem });
        }
    }
    for vrf in vrfs_in_use(config, ids) {
        ports.add(host(vrf, ids), true);
    }
    Ok(ports)
}

/// The Linux device of an interface.
pub(crate) fn device_name<'a>(name: &'a str, interface: &'a Interface) -> &'a str {
    interface.device.as_deref().unwrap_or(name)
}

/// The interfaces that stand on a device of their own.
fn devices(config: &Config) -> impl Iterator<Item = (&String, &Interface)> {
    config.interfaces.iter().filter(|(_, interface)| interface.is_device())
}

/// The interfaces whose devices the dataplane makes, if it needs any: VLANs and tunnels without protection.
fn made(config: &Config) -> impl Iterator<Item = (&String, &Interface)> {
    config.interfaces.iter().filter(|(_, of)| of.vlan.is_some() || is_bare(of))
}

pub(crate) fn is_bare(interface: &Interface) -> bool {
    interface.tunnel.as_ref().is_some_and(|tunnel| tunnel.bare().is_some())
}

/// The device of a VLAN: its parent's and the tag, where the kernel allows that as a name.
fn vlan_device(parent: &str, vlan: u16, carrier: PortId) -> String {
    let device = format!("{parent}.{vlan}");
    if device.len() <= LONGEST { device } else { format!("onr{}.{vlan}", carrier.0) }
}

fn of_tunnel(
    config: &Config,
    (name, interface): (&str, &Interface),
    tunnel: &config::model::Tunnel,
    ids: &mut Ids,
) -> Result<Port, String> {
    let (family, encapsulation) = match tunnel.mode {
        TunnelMode::Gre(family) => (family, Encapsulation::Gre(tunnel.key)),
        TunnelMode::MplsUdp(family) if interface.mpls => (family, Encapsulation::MplsUdp),
        TunnelMode::MplsUdp(_) => return Err("it carries labels alone, and has no `mpls ip`".to_owned()),
        TunnelMode::Ipsec(_) => return Err("it is no port, but a policy".to_owned()),
    };
    let local = config_to_ipsec::source(config, tunnel, family).ok_or("it has no tunnel source address")?;
    let Some(Peer::Address(remote)) = tunnel.destination else {
        return Err("it has no tunnel destination".to_owned());
    };
    let front = ids.vrf(tunnel.vrf.as_deref());
    let id = ids.port(PortName::Interface(name.to_owned()));
    let mtu = HOST_MTU - ip_header(family) - encapsulation.length();
    let known = Device { name: name.to_owned(), mac: [0; 6], mtu, up: true };
    let link = Link::Tunnel(Tunnel { front, local, remote, encapsulation });
    Ok(Port { link, ..port(id, name, interface, &known, ids) })
}

/// Bytes of the outer header.
const fn ip_header(family: Family) -> u16 {
    match family {
        Family::V4 => 20,
        Family::V6 => 40,
    }
}

/// The host port's number for a VRF.
pub(crate) fn host_port(vrf: VrfId, ids: &mut Ids) -> PortId {
    ids.port(PortName::Host(vrf))
}

impl Ports {
    /// `Ok` with a problem: it can be used, but not as it is written.
    fn place(
        &mut self,
        name: &str,
        interface: &Interface,
        ids: &mut Ids,
        links: &Links,
    ) -> Result<Option<Notice>, String> {
        let device = device_name(name, interface);
        let known = links.known(device);
        let known =
            known.ok_or_else(|| format!("no device {device} (name one by `device DEV` or --port)"))?;
        let id = ids.port(PortName::Interface(name.to_owned()));
        let wire = wire(interface, known, ids, links);
        let (mtu, shutdown) = (wire.mtu, wire.shutdown);
        self.wires.insert(id, wire);
        if shutdown {
            return Err("administratively down (shutdown)".to_owned());
        }
        self.add(port(id, name, interface, known, ids), known.up && !links.dark.contains(&id));
        let excess = interface.ip_mtu.filter(|wanted| *wanted > mtu);
        Ok(excess.map(|wanted| Notice::MtuTooLarge { interface: name.to_owned(), wanted, device: mtu }))
    }

    /// A VLAN's wire is its parent's; a tunnel has none, and is up.
    fn make(
        &mut self,
        config: &Config,
        (name, interface): (&str, &Interface),
        ids: &mut Ids,
        links: &Links,
    ) -> Result<(), String> {
        if interface.shutdown {
            return Err("administratively down (shutdown)".to_owned());
        }
        match (interface.vlan, &interface.tunnel) {
            (Some(vlan), _) => self.make_vlan(config, (name, interface), vlan, ids, links)?,
            (None, Some(tunnel)) => self.add(of_tunnel(config, (name, interface), tunnel, ids)?, true),
            (None, None) => {}
        }
        Ok(())
    }

    fn make_vlan(
        &mut self,
        config: &Config,
        (name, interface): (&str, &Interface),
        vlan: u16,
        ids: &mut Ids,
        links: &Links,
    ) -> Result<(), String> {
        let parent = config::model::parent(name).and_then(|parent| config.interfaces.get_key_value(parent));
        let (parent_name, parent) = parent.ok_or("the interface that carries it does not exist")?;
        let on = device_name(parent_name, parent);
        let known = links.known(on).ok_or_else(|| format!("no device {on}"))?;
        let wire = wire(parent, known, ids, links);
        if wire.shutdown {
            return Err(format!("{parent_name} is administratively down (shutdown)"));
        }
        let carrier = ids.port(PortName::Interface(parent_name.clone()));
        let id = ids.port(PortName::Interface(name.to_owned()));
        let device = vlan_device(on, vlan, carrier);
        let known = Device { name: device.clone(), mtu: known.mtu.min(wire.mtu), ..known.clone() };
        let link = Link::Vlan { parent: carrier, id: vlan, mac: known.mac };
        let port = Port { link, ..port(id, name, interface, &known, ids) };
        self.wires.insert(id, Wire { device, vrf: port.vrf, ..wire });
        self.add(port, known.up && !links.dark.contains(&carrier));
        Ok(())
    }

    /// Gives each VRF's host port what the box has there on tunnel interfaces: the kernel has no TUN to set it on.
    pub(crate) fn stand_on_hosts(&mut self, inner: &BTreeMap<VrfId, Vec<Address>>) {
        for port in self.ports.values_mut().filter(|port| port.link == Link::Host) {
            port.addresses = inner.get(&port.vrf).cloned().unwrap_or_default();
        }
    }

    fn add(&mut self, port: Port, up: bool) {
        if up {
            self.up.insert(port.id);
        }
        self.ports.insert(port.id, port);
    }
}

fn devices_are_distinct(config: &Config) -> Result<(), String> {
    let mut users = BTreeMap::new();
    for (name, interface) in devices(config) {
        let device = device_name(name, interface);
        if let Some(other) = users.insert(device, name) {
            return Err(format!("interfaces {other} and {name} both want the device {device}"));
        }
    }
    Ok(())
}

fn wire(interface: &Interface, known: &Device, ids: &mut Ids, links: &Links) -> Wire {
    let own = links.own_mtu.get(&known.name).copied().unwrap_or(known.mtu);
    Wire {
        device: known.name.clone(),
        vrf: ids.vrf(interface.vrf.as_deref()),
        mtu: interface.mtu.unwrap_or(own),
        shutdown: interface.shutdown,
    }
}

/// A larger MTU holds from when the device has it, which the kernel may refuse; a smaller one at once.
fn port(id: PortId, name: &str, interface: &Interface, known: &Device, ids: &mut Ids) -> Port {
    let limits = [interface.mtu, interface.ip_mtu];
    Port {
        id,
        name: name.to_owned(),
        device: known.name.clone(),
        vrf: ids.vrf(interface.vrf.as_deref()),
        link: Link::Ethernet { mac: known.mac },
        mtu: limits.into_iter().flatten().fold(known.mtu, u16::min),
        addresses: addresses(interface),
        mpls: interface.mpls,
        crypto: interface.crypto_map.is_some() || interface.crypto_map_ipv6.is_some(),
        offload: interface.offload,
    }
}

fn host(vrf: VrfId, ids: &mut Ids) -> Port {
    let device = host_device(vrf, ids.vrf_name(vrf));
    Port {
        id: host_port(vrf, ids),
        name: device.clone(),
        device,
        vrf,
        link: Link::Host,
        mtu: HOST_MTU,
        addresses: Vec::new(),
        mpls: false,
        crypto: false,
        offload: None,
    }
}

/// `onr-NAME` where the kernel allows that as a device name, else `onr.NUMBER`.
fn host_device(vrf: VrfId, name: Option<&str>) -> String {
    let Some(name) = name else { return "onr-global".to_owned() };
    let device = format!("onr-{name}");
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if device.len() <= LONGEST && plain && name != "global" { device } else { format!("onr.{}", vrf.0) }
}

fn vrfs_in_use(config: &Config, ids: &mut Ids) -> BTreeSet<VrfId> {
    let interfaces = config.interfaces.values().map(|interface| &interface.vrf);
    let labelled =
        config.mpls.bindings.iter().filter(|binding| matches!(binding.direction, Binding::Input(_)));
    let names = interfaces.chain(labelled.map(|binding| &binding.vrf)).map(Option::as_deref);
    let exported = config.vrfs.iter().filter(|(_, vrf)| config.bgp.is_some() && vrf.rd.is_some());
    names.chain(exported.map(|(name, _)| Some(name.as_str()))).map(|name| ids.vrf(name)).collect()
}

pub(crate) fn addresses(interface: &Interface) -> Vec<Address> {
    let address = |of: &config::model::InterfaceAddress| Address { address: of.address, length: of.length };
    interface.addresses.iter().map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_device_fits_the_kernel_and_no_two_vrfs_share_one() {
        let names = ["red", "global", "a-name-far-too-long", "another-too-long", "sl/ash"];
        let devices: BTreeSet<_> =
            (1..).zip(names).map(|(id, name)| host_device(VrfId(id), Some(name))).collect();
        assert_eq!(devices.len(), names.len());
        assert!(devices.contains("onr-red"));
        assert!(devices.iter().all(|device| device.len() <= 15 && !device.contains('/')));
        assert!(!devices.contains(&host_device(VrfId::GLOBAL, None)));
    }
}
