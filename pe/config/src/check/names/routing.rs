//! The names that BGP, LDP, BFD and route maps use, and those that they define.

use ::bgp::policy::{Match, RouteMap};
use base::Family;

use super::{Names, all, vrf};
use crate::ios::Noun;
use crate::model::bgp::{self, Bgp, NeighborName};
use crate::model::{Config, RouterIdSource};

pub(super) fn uses<'c>(config: &'c Config, uses: &mut Names<'c>) {
    for targets in config.vrfs.values().flat_map(|of| [Some(&of.targets), of.ipv4.as_ref(), of.ipv6.as_ref()])
    {
        let Some(targets) = targets else { continue };
        let leaks = targets.global_import.iter().chain(&targets.global_export).map(|leak| &leak.map);
        uses.extend(all(Noun::RouteMap, targets.import_map.iter().chain(&targets.export_map).chain(leaks)));
    }
    for RouteMap(entries) in config.policies.route_maps.values() {
        entries.values().flat_map(|entry| &entry.matches).for_each(|found| self::found(found, uses));
    }
    config.bgp.iter().for_each(|bgp| speaker(bgp, uses));
    if let Some(RouterIdSource::Interface(name)) = config.ldp.router_id.as_ref().map(|it| &it.from) {
        uses.insert((Noun::Interface, name));
    }
    uses.extend(config.mpls.label_modes.keys().filter_map(|(name, _)| vrf(name)));
    for map in &config.bfd.maps {
        uses.extend(vrf(&map.vrf));
        uses.insert((Noun::BfdTemplate, &map.template));
    }
    uses.extend(all(Noun::Interface, config.bfd.static_hops.iter().map(|hop| &hop.interface)));
}

fn found<'c>(found: &'c Match, uses: &mut Names<'c>) {
    match found {
        Match::Prefix(names) | Match::NextHop(names) => {
            uses.extend(all(Noun::PrefixList4, names));
            uses.extend(all(Noun::PrefixList6, names));
        }
        Match::Community { lists, .. } => uses.extend(all(Noun::CommunityList, lists)),
        Match::Extended(names) => uses.extend(all(Noun::ExtendedList, names)),
        Match::Tag(_) | Match::Metric(_) | Match::LocalPreference(_) | Match::Source(_) => {}
    }
}

fn speaker<'c>(bgp: &'c Bgp, uses: &mut Names<'c>) {
    neighbors(bgp.neighbors.iter(), uses);
    for ((_, name), family) in &bgp.families {
        uses.extend(vrf(name));
        neighbors(family.neighbors.iter(), uses);
        for (neighbor, setting) in &family.settings {
            group(neighbor, uses);
            let of = &setting.config;
            uses.extend(all(Noun::RouteMap, of.route_map_in.iter().chain(&of.route_map_out)));
            uses.extend(all(Noun::PrefixList, of.prefix_list_in.iter().chain(&of.prefix_list_out)));
        }
        let redistributed = family.redistribute.iter().filter_map(|line| line.route_map.as_ref());
        uses.extend(all(Noun::RouteMap, redistributed.chain(family.networks.values().flatten())));
    }
}

fn neighbors<'c>(all: impl Iterator<Item = (&'c NeighborName, &'c bgp::Neighbor)>, uses: &mut Names<'c>) {
    for (name, neighbor) in all {
        group(name, uses);
        uses.extend(super::all(Noun::PeerGroup, &neighbor.group));
        uses.extend(super::all(Noun::Interface, &neighbor.update_source));
    }
}

fn group<'c>(name: &'c NeighborName, uses: &mut Names<'c>) {
    if let NeighborName::Group(name) = name {
        uses.insert((Noun::PeerGroup, name));
    }
}

pub(super) fn definitions<'c>(config: &'c Config, names: &mut Names<'c>) {
    let policies = &config.policies;
    names.extend(all(Noun::RouteMap, policies.route_maps.keys()));
    for (name, list) in &policies.prefix_lists {
        let family = list.0.values().next().map(|rule| rule.prefix.family());
        let own = if family == Some(Family::V6) { Noun::PrefixList6 } else { Noun::PrefixList4 };
        names.extend([(Noun::PrefixList, name.as_str()), (own, name)]);
    }
    names.extend(all(Noun::CommunityList, policies.community_lists.keys()));
    names.extend(all(Noun::ExtendedList, policies.extended_lists.keys()));
    names.extend(all(Noun::BfdTemplate, config.bfd.templates.keys()));
    let Some(bgp) = &config.bgp else { return };
    let inside = bgp.families.values().flat_map(|family| family.neighbors.keys());
    names.extend(bgp.neighbors.keys().chain(inside).filter_map(|name| match name {
        NeighborName::Group(name) => Some((Noun::PeerGroup, name.as_str())),
        NeighborName::Address(_) => None,
    }));
}
