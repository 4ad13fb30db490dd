//! What contradicts itself in VRFs, interfaces, labels, profiles and crypto maps.

use std::collections::BTreeMap;

use base::{Family, Prefix};

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{Binding, Config, CryptoMap, Interface, MapEntry, Mpls, RemotePeer, VrfStyle};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    distinguishers(config, report);
    families(config, report);
    overlaps(config, report);
    labels(config, report);
    profiles(config, report);
    for (name, map) in &config.crypto_maps {
        for (sequence, entry) in map.entries.iter().filter(|(_, entry)| entry.dynamic.is_none()) {
            let place = Place::numbered(Level::MapEntry, name, *sequence);
            complete(&place, entry, report);
            one_family(config, &place, map, entry, report);
        }
    }
    maps_on_interfaces(config, report);
}

/// Two VRFs with one route distinguisher would give two customers' routes one name.
fn distinguishers(config: &Config, report: &mut Report<'_>) {
    let mut seen = BTreeMap::new();
    for (name, vrf) in &config.vrfs {
        let Some(rd) = vrf.rd else { continue };
        if let Some(first) = seen.insert(rd, name) {
            let message = format!("route distinguisher {rd} is VRF {first}'s already");
            report.error(&Place::at(Level::Vrf, name), "rd", message, "give each VRF its own");
        }
    }
}

/// Addresses and routes of a family that their VRF does not have.
fn families(config: &Config, report: &mut Report<'_>) {
    let active = |vrf: &Option<String>, family| match vrf.as_ref().and_then(|name| config.vrfs.get(name)) {
        None => true,
        Some(vrf) => match family {
            Family::V4 => vrf.ipv4.is_some(),
            Family::V6 => vrf.ipv6.is_some(),
        },
    };
    let help = |name: &Option<String>| {
        let style = name.as_ref().and_then(|name| config.vrfs.get(name)).map(|vrf| vrf.style);
        match style {
            Some(VrfStyle::Ip) => "`ip vrf` is IPv4 only: make the VRF with `vrf definition`",
            Some(VrfStyle::Definition) | None => {
                "write `address-family ipv4` or `ipv6` under `vrf definition`"
            }
        }
    };
    const MESSAGE: &str = "the VRF does not have this address family";
    for (name, interface) in &config.interfaces {
        let found =
            interface.addresses.iter().map(|a| Family::of(a.address)).find(|f| !active(&interface.vrf, *f));
        if let Some(family) = found {
            let place = Place::at(Level::Interface, name);
            report.error(&place, address_command(family), MESSAGE, help(&interface.vrf));
        }
    }
    for route in config.routes.iter().filter(|route| !active(&route.vrf, route.prefix.family())) {
        let command = if route.prefix.family() == Family::V4 { "ip route" } else { "ipv6 route" };
        let message = format!("{MESSAGE}: {}", route.prefix);
        report.error(&Place::GLOBAL, command, message, help(&route.vrf));
    }
}

const fn address_command(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip address",
        Family::V6 => "ipv6 address",
    }
}

/// Two interfaces of one VRF on overlapping networks: a neighbour would be on both.
fn overlaps(config: &Config, report: &mut Report<'_>) {
    let networks = |interface: &Interface| -> Vec<Prefix> {
        interface.addresses.iter().filter_map(|a| Prefix::new(a.address, a.length).ok()).collect()
    };
    // By first address, so that an overlap is between neighbours in the order or a network that spans them.
    let mut all: Vec<_> = config
        .interfaces
        .iter()
        .flat_map(|(name, i)| networks(i).into_iter().map(move |network| (&i.vrf, network, name)))
        .filter(|(_, network, _)| !is_link_local(*network))
        .collect();
    all.sort_unstable();
    let mut widest: Option<(&Option<String>, Prefix, &String)> = None;
    for (vrf, network, name) in all {
        match widest {
            Some((other_vrf, other, first)) if other_vrf == vrf && other.covers(network) => {
                if first != name {
                    let place = Place::at(Level::Interface, name);
                    let message = format!("{network} overlaps with {first} ({other})");
                    let help = "in one VRF each interface has networks of its own";
                    report.error(&place, address_command(network.family()), message, help);
                }
            }
            _ => widest = Some((vrf, network, name)),
        }
    }
}

fn is_link_local(network: Prefix) -> bool {
    matches!(network.address(), std::net::IpAddr::V6(address) if address.is_unicast_link_local())
}

/// An input label leads to one place, and is none that protocols may hand out.
fn labels(config: &Config, report: &mut Report<'_>) {
    let mut seen = BTreeMap::new();
    let (first, last) = config.mpls.range;
    let is_kept = config.mpls.range != Mpls::default().range;
    for binding in &config.mpls.bindings {
        let Binding::Input(label) = binding.direction else { continue };
        let command = match binding.prefix.family() {
            Family::V4 => "mpls static binding ipv4",
            Family::V6 => "mpls static binding ipv6",
        };
        if let Some(first) = seen.insert(label, binding.prefix) {
            let message = format!("label {label} is bound to {first} and to {}", binding.prefix);
            report.error(&Place::GLOBAL, command, message, "give each binding its own label");
        }
        if is_kept && (first..=last).contains(&label) {
            let message = format!("label {label} lies in `mpls label range {first} {last}`");
            let hint = "the range is kept for protocols: bind a label outside it, or move the range";
            report.error(&Place::GLOBAL, command, message, hint);
        }
    }
}

fn profiles(config: &Config, report: &mut Report<'_>) {
    let mut seen = BTreeMap::new();
    for profile in &config.profiles {
        let place = Place::at(Level::Profile, &profile.name);
        if profile.matches.is_empty() && profile.certificate_maps.is_empty() {
            let help = "add `match identity address PEER`";
            report.warning(&place, "", "the profile matches no peer that opens a tunnel", help);
        }
        for found in &profile.matches {
            let key = format!("{found:?}");
            if let Some(first) = seen.insert(key, &profile.name) {
                let message = format!("profile {first} matches the same identity, and comes first");
                report.warning(&place, "match identity", message, "one peer belongs to one profile");
            }
        }
        for map in &profile.certificate_maps {
            if let Some(first) = seen.insert(format!("certificate {map}"), &profile.name) {
                let message = format!("profile {first} has the same certificate map, and comes first");
                report.warning(&place, "match certificate", message, "one peer belongs to one profile");
            }
        }
    }
}

/// An entry that says too little is accepted, as in IOS, but it should not be thought to protect.
fn complete(place: &Place, entry: &MapEntry, report: &mut Report<'_>) {
    let missing: Vec<_> = [
        (entry.peers.is_empty(), "`set peer`"),
        (entry.transform_sets.is_empty(), "`set transform-set`"),
        (entry.access_list.is_none(), "`match address`"),
    ]
    .into_iter()
    .filter_map(|(absent, command)| absent.then_some(command))
    .collect();
    if !missing.is_empty() {
        let help = "until then it protects nothing and lets nothing of its VRF out";
        report.warning(place, "", format!("the entry is incomplete: it needs {}", missing.join(", ")), help);
    }
}

/// Peers and access list are of the map's own family.
fn one_family(config: &Config, place: &Place, map: &CryptoMap, entry: &MapEntry, report: &mut Report<'_>) {
    let help = "`crypto map NAME` is for IPv4 and `crypto map ipv6 NAME` for IPv6";
    if let Some(peer) = entry.addresses().find(|peer| peer.is_ipv6() != map.ipv6) {
        report.error(
            place,
            &format!("set peer {peer}"),
            format!("peer {peer} is not of the crypto map's address family"),
            help,
        );
    }
    let list = entry.access_list.as_ref().and_then(|name| config.access_lists.get(name));
    if list.is_some_and(|list| list.ipv6 != map.ipv6) {
        let message = "the access list is not of the crypto map's address family";
        report.error(place, "match address", message, help);
    }
    let hop = entry.reverse_route.and_then(|route| match route.remote_peer? {
        RemotePeer::Hop(hop) | RemotePeer::Gateway(hop) => Some(hop),
        RemotePeer::Interface => None,
    });
    if hop.is_some_and(|hop| hop.is_ipv6() != map.ipv6) {
        let message = "the next hop of `remote-peer` is not of the crypto map's address family";
        report.error(place, "reverse-route", message, help);
    }
}

fn maps_on_interfaces(config: &Config, report: &mut Report<'_>) {
    for (name, interface) in &config.interfaces {
        let place = Place::at(Level::Interface, name);
        let uses = [
            ("crypto map", interface.crypto_map.as_ref(), false),
            ("ipv6 crypto map", interface.crypto_map_ipv6.as_ref(), true),
        ];
        for (command, map, ipv6) in uses {
            let Some(map) = map.and_then(|map| config.crypto_maps.get(map)) else { continue };
            if map.ipv6 != ipv6 {
                let help = "an IPv4 map goes on with `crypto map`, an IPv6 map with `ipv6 crypto map`";
                report.error(&place, command, "the crypto map is of the other address family", help);
            }
            let family = if ipv6 { Family::V6 } else { Family::V4 };
            let ends = map.local.as_ref().and_then(|name| config.interfaces.get(name)).unwrap_or(interface);
            if !ends.addresses.iter().any(|address| Family::of(address.address) == family) {
                let help = format!("add `{}`", address_command(family));
                report.warning(
                    &place,
                    command,
                    "the interface has no address for its tunnels to end at",
                    help,
                );
            }
        }
    }
}
