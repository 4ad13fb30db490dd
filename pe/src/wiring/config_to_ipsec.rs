//! Crypto maps on interfaces become policies: one for each entry on each interface.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{Family, PolicyId, VrfId};
use config::Config;
use config::model::{CryptoMap, Interface, MapEntry, Profile};
use ipsec::{Policy, Rule};

use crate::ids::{EntryName, Ids, PortName};

/// A crypto-map entry with everything around it that decides what it means.
pub(crate) struct Placed<'a> {
    pub(crate) id: PolicyId,
    pub(crate) name: EntryName,
    pub(crate) interface: &'a Interface,
    pub(crate) entry: &'a MapEntry,
    pub(crate) family: Family,
    /// The entry's own profile, else the map's (VRF-18).
    pub(crate) profile: Option<&'a Profile>,
    pub(crate) front: VrfId,
    /// The profile's VRF, else the front VRF (VRF-08).
    pub(crate) inside: VrfId,
}

/// Every entry on every interface, by interface and sequence number.
pub(crate) fn placed<'a>(config: &'a Config, ids: &mut Ids) -> Vec<Placed<'a>> {
    let profiles: Profiles<'_> =
        config.profiles.iter().map(|profile| (profile.name.as_str(), profile)).collect();
    let mut all = Vec::new();
    for (name, interface) in &config.interfaces {
        for map_name in [&interface.crypto_map, &interface.crypto_map_ipv6].into_iter().flatten() {
            let Some(map) = config.crypto_maps.get(map_name) else { continue };
            for sequence in map.entries.keys() {
                let place = EntryName { interface: name.clone(), map: map_name.clone(), sequence: *sequence };
                all.extend(place_entry(&profiles, ids, interface, map, place));
            }
        }
    }
    all
}

/// An entry without an access list has no rules: it matches nothing.
pub(crate) fn policy(config: &Config, ids: &mut Ids, placed: &Placed<'_>) -> Policy {
    let defaults = &config.ipsec;
    Policy {
        id: placed.id,
        port: ids.port(PortName::Interface(placed.name.interface.clone())),
        sequence: placed.name.sequence,
        front: placed.front,
        inside: placed.inside,
        rules: rules(config, placed.entry),
        bundles: Vec::new(),
        df: placed.interface.df.unwrap_or(defaults.df),
        fragmentation: placed.interface.fragmentation.unwrap_or(defaults.fragmentation),
    }
}

/// The access list's lines in order. IKE and the dataplane name a line by its index here.
pub(crate) fn rules(config: &Config, entry: &MapEntry) -> Vec<Rule> {
    let list = entry.access_list.as_ref().and_then(|name| config.access_lists.get(name));
    list.map(|list| list.rules.iter().flat_map(|line| line.rules.iter().copied()).collect())
        .unwrap_or_default()
}

/// The interface's first address of a family: where its tunnels end.
pub(crate) fn local_address(interface: &Interface, family: Family) -> Option<IpAddr> {
    interface.addresses.iter().map(|address| address.address).find(|address| Family::of(*address) == family)
}

type Profiles<'a> = BTreeMap<&'a str, &'a Profile>;

fn place_entry<'a>(
    profiles: &Profiles<'a>,
    ids: &mut Ids,
    interface: &'a Interface,
    map: &'a CryptoMap,
    name: EntryName,
) -> Option<Placed<'a>> {
    let entry = map.entries.get(&name.sequence)?;
    let profile = entry.profile.as_ref().or(map.profile.as_ref());
    let profile = profile.and_then(|name| profiles.get(name.as_str()).copied());
    let front = ids.vrf(interface.vrf.as_deref());
    let inside = profile.and_then(|profile| profile.vrf.as_deref());
    Some(Placed {
        id: ids.policy(name.clone()),
        name,
        interface,
        entry,
        family: if map.ipv6 { Family::V6 } else { Family::V4 },
        profile,
        front,
        inside: inside.map_or(front, |vrf| ids.vrf(Some(vrf))),
    })
}
