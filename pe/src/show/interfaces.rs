//! `show interfaces`, `show drops`.

use api::{Drop, InterfaceState, Response};
use config::model::Interface;
use dataplane::{Link, Port};

use super::failed;
use crate::Pe;
use crate::trace::mac_text;
use crate::wiring::link_to_all::device_name;

/// Every interface of the configuration, also those that cannot be used; or the one named.
pub(super) fn interfaces(pe: &Pe, name: Option<String>) -> Result<Vec<InterfaceState>, Response> {
    let all = pe.config.interfaces.iter();
    let wanted = all.filter(|(of, _)| name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(of)));
    let states: Vec<_> = wanted.map(|(name, interface)| state(pe, name, interface)).collect();
    match name {
        Some(name) if states.is_empty() => Err(failed(format!("no interface {name}"), None)),
        Some(_) | None => Ok(states),
    }
}

/// The dataplane's reasons in its order, then those of IKE.
pub(super) fn drops(pe: &Pe) -> Vec<Drop> {
    let dataplane = pe.counters.drops.iter().map(|drop| Drop {
        name: drop.name.to_owned(),
        meaning: drop.meaning.to_owned(),
        packets: drop.packets,
    });
    let ike = pe.refusals.iter().map(|(what, times)| Drop {
        name: format!("ike-{what}"),
        meaning: "IKE refused the packet and changed nothing; `show log` says whose it was.".to_owned(),
        packets: *times,
    });
    dataplane.chain(ike).collect()
}

fn state(pe: &Pe, name: &str, interface: &Interface) -> InterfaceState {
    let id = pe.ids.known_port(name);
    let port = id.and_then(|id| pe.tables.ports.get(&id));
    let counted = id.and_then(|id| pe.counters.ports.get(&id)).copied().unwrap_or_default();
    let address = |of: &config::model::InterfaceAddress| format!("{}/{}", of.address, of.length);
    InterfaceState {
        name: name.to_owned(),
        device: device_name(name, interface).to_owned(),
        description: interface.description.clone(),
        up: id.is_some_and(|id| pe.tables.up.contains(&id)),
        vrf: interface.vrf.clone(),
        mac: port.and_then(mac),
        mtu: port.map(|port| port.mtu).or(interface.ip_mtu).or(interface.mtu).unwrap_or_default(),
        addresses: interface.addresses.iter().map(address).collect(),
        mpls: interface.mpls,
        crypto_maps: interface.crypto_map.iter().chain(&interface.crypto_map_ipv6).cloned().collect(),
        packets_in: counted.packets_in,
        bytes_in: counted.bytes_in,
        packets_out: counted.packets_out,
        bytes_out: counted.bytes_out,
        drops_out: counted.drops_out,
    }
}

fn mac(port: &Port) -> Option<String> {
    match port.link {
        Link::Ethernet { mac } | Link::Vlan { mac, .. } => Some(mac_text(mac)),
        Link::Tunnel(_) | Link::Host => None,
    }
}
