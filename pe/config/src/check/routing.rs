//! BGP, LDP, BFD and reverse routes: what is not complete, and what contradicts itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ::bgp::AddressFamily;
use base::Prefix;

use super::Report;
use crate::ios::{Level, Place};
use crate::model::bgp::{self, Bgp, NeighborName, Session, Ttl};
use crate::model::{AclAddress, Config, MapEntry, RouterIdSource, Targets};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    if let Some(bgp) = &config.bgp {
        if bgp.router_id.or_else(|| config.router_id()).is_none() {
            report.error(&Place::at(Level::Bgp, ""), "", "BGP has no router id", ROUTER_ID);
        }
        neighbors(bgp, &Place::at(Level::Bgp, ""), &bgp.neighbors, report);
        for (key, family) in &bgp.families {
            self::family(config, bgp, key, family, report);
        }
        bgp.sessions().iter().for_each(|session| self::session(config, bgp, session, report));
    }
    leaks(config, report);
    ldp(config, report);
    templates(config, report);
    reverse_routes(config, report);
}

/// They are leaked between tables of BGP.
fn leaks(config: &Config, report: &mut Report<'_>) {
    for (name, vrf) in config.vrfs.iter().filter(|_| config.bgp.is_none()) {
        let family = |number| Place::numbered(Level::Family, name, number);
        let whole = (Place::at(Level::Vrf, name), Some(&vrf.targets));
        for (place, targets) in [whole, (family(4), vrf.ipv4.as_ref()), (family(6), vrf.ipv6.as_ref())] {
            let leaks = |it: &Targets| {
                [("import", it.global_import.is_some()), ("export", it.global_export.is_some())]
            };
            for (line, _) in targets.into_iter().flat_map(leaks).filter(|(_, written)| *written) {
                report.warning(&place, line, "without BGP it leaks nothing", "write `router bgp`");
            }
        }
    }
}

const ROUTER_ID: &str = "write `bgp router-id A`, or give a loopback an IPv4 address";

/// The place of a family, or of what is said under `router bgp` itself.
fn place(key: &(AddressFamily, Option<String>)) -> Place {
    let number = match key.0 {
        AddressFamily::Ipv4Unicast | AddressFamily::Ipv4Labeled | AddressFamily::Vpnv4 => 4,
        AddressFamily::Ipv6Unicast | AddressFamily::Ipv6Labeled | AddressFamily::Vpnv6 => 6,
        AddressFamily::RouteTarget => 0,
    };
    match (&key.1, key.0) {
        (Some(vrf), _) => Place::numbered(Level::BgpVrf, vrf, number),
        (None, AddressFamily::Vpnv4 | AddressFamily::Vpnv6 | AddressFamily::RouteTarget) => {
            Place::numbered(Level::BgpVpn, "", number)
        }
        (
            None,
            AddressFamily::Ipv4Unicast
            | AddressFamily::Ipv6Unicast
            | AddressFamily::Ipv4Labeled
            | AddressFamily::Ipv6Labeled,
        ) => Place::numbered(Level::BgpUnicast, "", number),
    }
}

type Neighbors = BTreeMap<NeighborName, bgp::Neighbor>;

/// The last line that is of a neighbour.
fn line(name: &NeighborName) -> String {
    match name {
        NeighborName::Address(address) => format!("neighbor {address}"),
        NeighborName::Group(_) => "neighbor".to_owned(),
    }
}

fn neighbors(bgp: &Bgp, place: &Place, all: &Neighbors, report: &mut Report<'_>) {
    for (name, neighbor) in all.iter().filter(|(name, _)| matches!(name, NeighborName::Address(_))) {
        let group = neighbor.group.clone().map(NeighborName::Group);
        let of_group = group.as_ref().and_then(|group| all.get(group));
        if let Some(group) = group.as_ref().filter(|_| of_group.is_none()) {
            // One that is nowhere is told of where it is named.
            if !bgp.tables().any(|table| table.contains_key(group)) {
                continue;
            }
            let help = "write `neighbor NAME peer-group` beside it: each table has peer groups of its own";
            report.error(place, &line(name), "the peer group is not of this table", help);
        } else if neighbor.remote_as.or_else(|| of_group?.remote_as).is_none() {
            let help = "write `neighbor A remote-as ASN`, first of all";
            report.error(place, &line(name), "the neighbour has no AS", help);
        }
    }
}

fn family(
    config: &Config,
    bgp: &Bgp,
    key: &(AddressFamily, Option<String>),
    family: &bgp::Family,
    report: &mut Report<'_>,
) {
    let place = place(key);
    let known = if key.1.is_some() { &family.neighbors } else { &bgp.neighbors };
    for name in family.settings.keys().filter(|name| !known.contains_key(*name)) {
        // Under `router bgp` itself the lines of IPv4 may stand, too.
        let outside = Place::at(Level::Bgp, "");
        let at = if report.is_written(&place, &line(name)) { &place } else { &outside };
        report.error(
            at,
            &line(name),
            "there is no such neighbour",
            "write `neighbor A remote-as ASN` before it",
        );
    }
    let Some(vrf) = key.1.as_ref() else { return };
    neighbors(bgp, &place, &family.neighbors, report);
    let six = key.0 == AddressFamily::Ipv6Unicast;
    for name in family.neighbors.keys() {
        if matches!(name, NeighborName::Address(address) if address.is_ipv6() != six) {
            let help = "write it under the `address-family` of its own";
            report.error(&place, &line(name), "the neighbour is of the other address family", help);
        }
    }
    let Some(table) = config.vrfs.get(vrf) else { return };
    if if six { table.ipv6.is_none() } else { table.ipv4.is_none() } {
        let help = "write `address-family` under `vrf definition`";
        report.error(&place, "", "the VRF does not have this address family", help);
    } else if table.rd.is_none() {
        let help = "write `rd ASN:NN` under the VRF";
        report.warning(
            &place,
            "",
            "the VRF has no route distinguisher: its routes do not become VPN routes",
            help,
        );
    }
}

fn session(config: &Config, bgp: &Bgp, session: &Session, report: &mut Report<'_>) {
    let place = match (&session.vrf, session.address) {
        (None, _) => Place::at(Level::Bgp, ""),
        (Some(vrf), IpAddr::V4(_)) => Place::numbered(Level::BgpVrf, vrf, 4),
        (Some(vrf), IpAddr::V6(_)) => Place::numbered(Level::BgpVrf, vrf, 6),
    };
    let line = format!("neighbor {}", session.address);
    let source = session.update_source.as_ref().and_then(|name| config.interfaces.get(name));
    if source.is_some_and(|source| source.vrf != session.vrf) {
        let help = "the source of a session is an interface of the neighbour's own VRF";
        report.error(&place, &line, "`update-source` names an interface of another VRF", help);
    } else if source.is_some_and(|source| {
        !source.addresses.iter().any(|own| own.address.is_ipv6() == session.address.is_ipv6())
    }) {
        let help = "give it one, or name another interface";
        report.error(&place, &line, "the interface of `update-source` has no address of the family", help);
    }
    let neighbor = &session.neighbor;
    let internal = neighbor.remote_as == bgp.asn;
    if internal && neighbor.local_as.is_some() {
        let help = "neighbours of our own AS see our own AS";
        report.error(&place, &line, "`local-as` is for neighbours of other ASes", help);
    }
    if neighbor.local_as.is_some_and(|shown| shown.asn == neighbor.remote_as) {
        let help = "an AS of a neighbour's own is no other AS: name another";
        report.error(&place, &line, "`local-as` is the neighbour's own AS", help);
    }
    if internal && neighbor.families.values().any(|of| of.as_override || of.remove_private_as) {
        let help = "paths change on their way to another AS alone: leave the line out";
        report.error(
            &place,
            &line,
            "`as-override` and `remove-private-as` are for neighbours of other ASes",
            help,
        );
    }
    if !internal && neighbor.families.values().any(|of| of.route_reflector_client) {
        let help = "routes are reflected between neighbours of our own AS";
        report.error(&place, &line, "a neighbour of another AS is no route-reflector client", help);
    }
    if neighbor.bfd {
        watched(config, &place, session, !internal && neighbor.ttl == Ttl::Default, report);
    }
}

/// `fall-over bfd` needs the timers of the interface, or of a map where the neighbour is several hops away.
fn watched(config: &Config, place: &Place, session: &Session, near: bool, report: &mut Report<'_>) {
    let here = config.interfaces.iter().find(|(_, it)| {
        let mut networks = it.addresses.iter().filter_map(|own| Prefix::new(own.address, own.length).ok());
        it.vrf == session.vrf && networks.any(|network| network.contains(session.address))
    });
    let line = format!("neighbor {}", session.address);
    const MESSAGE: &str = "`fall-over bfd` has no timers: the path is not watched";
    match here {
        Some((_, interface)) if interface.bfd.is_some() => {}
        Some((name, _)) => {
            let help = format!("write `bfd interval N min_rx N multiplier N` under `interface {name}`");
            report.warning(place, &line, MESSAGE, help);
        }
        None if near => {}
        None => {
            let fits = |map: &crate::model::BfdMap| {
                map.vrf == session.vrf && map.destination.contains(session.address)
            };
            if !config.bfd.maps.iter().any(fits) {
                report.warning(place, &line, MESSAGE, "write `bfd-template multi-hop` and `bfd map`");
            }
        }
    }
}

/// LDP's lines mean nothing without interfaces, and it must be somebody.
fn ldp(config: &Config, report: &mut Report<'_>) {
    if !config.speaks_ldp() {
        return;
    }
    let command = "mpls ldp router-id";
    let chosen = match config.ldp.router_id.as_ref().map(|it| &it.from) {
        Some(RouterIdSource::Address(address)) => Some(*address),
        Some(RouterIdSource::Interface(name)) => {
            let of = config.interfaces.get(name);
            if of.is_some_and(|it| it.vrf.is_some()) {
                let help = "LDP is of the global table: name a loopback of it";
                report.error(&Place::GLOBAL, command, "the interface is in a VRF", help);
            }
            let first = of.and_then(|it| {
                it.addresses.iter().find_map(|own| match own.address {
                    IpAddr::V4(address) => Some(address),
                    IpAddr::V6(_) => None,
                })
            });
            if of.is_some() && first.is_none() {
                report.error(&Place::GLOBAL, command, "the interface has no IPv4 address", "give it one");
            }
            return;
        }
        None => config.router_id(),
    };
    if chosen.is_none() {
        let help = "write `mpls ldp router-id A`, or give a loopback an IPv4 address";
        report.error(&Place::GLOBAL, "mpls label protocol ldp", "LDP has no router id", help);
    }
    if !config.interfaces.values().any(|it| it.mpls && it.vrf.is_none()) && config.ldp.targeted.is_empty() {
        let help = "write `mpls ip` under the interfaces to the core";
        report.warning(&Place::GLOBAL, command, "no interface speaks LDP", help);
    }
}

fn templates(config: &Config, report: &mut Report<'_>) {
    for (name, _) in config.bfd.templates.iter().filter(|(_, timers)| timers.is_none()) {
        let help = "write `interval min-tx N min-rx N multiplier N` under it";
        report.warning(
            &Place::at(Level::BfdTemplate, name),
            "",
            "the template has no timers: it serves nothing",
            help,
        );
    }
}

fn reverse_routes(config: &Config, report: &mut Report<'_>) {
    let maps = config.crypto_maps.iter().flat_map(|(name, map)| {
        map.entries.iter().map(move |(number, it)| (Place::numbered(Level::MapEntry, name, *number), it))
    });
    let dynamic = config.dynamic_maps.iter().flat_map(|(name, map)| {
        map.iter().map(move |(number, it)| (Place::numbered(Level::DynamicEntry, name, *number), it))
    });
    for (place, entry) in maps.chain(dynamic) {
        if entry.reverse_route.is_some() && takes_everything(config, entry) {
            let message =
                "the access list protects `any` destination: a reverse route to it would be a default route";
            report.error(
                &place,
                "reverse-route",
                message,
                "name the networks behind the peer, or write `ip route vrf`",
            );
        }
    }
}

/// RRI-10: lists with `any` are not for reverse routes.
fn takes_everything(config: &Config, entry: &MapEntry) -> bool {
    let list = entry.access_list.as_ref().and_then(|name| config.access_lists.get(name));
    list.is_some_and(|list| list.rules.iter().any(|rule| rule.permit && rule.destination == AclAddress::Any))
}
