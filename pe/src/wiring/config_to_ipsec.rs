//! Crypto maps on interfaces become policies: one for each entry on each interface. An entry that names a
//! dynamic map stands for that map's entries.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{Family, PolicyId, Prefix, VrfId};
use config::Config;
use config::model::{CryptoMap, Ikev2Profile, Interface, MapEntry, Profile, Tunnel, TunnelSource};
use ike::config::{Peer, Version};
use ipsec::{Policy, Rule, Selector};

use crate::ids::{EntryName, Ids, PortName};

/// A crypto-map entry with everything around it that decides what it means.
pub(crate) struct Placed<'a> {
    pub(crate) id: PolicyId,
    pub(crate) name: EntryName,
    pub(crate) interface: &'a Interface,
    pub(crate) entry: &'a MapEntry,
    /// In order; of a tunnel interface its destination.
    pub(crate) peers: &'a [Peer],
    /// A tunnel interface with an IPsec profile: it protects everything that is routed into it.
    pub(crate) is_tunnel: bool,
    pub(crate) family: Family,
    /// Where its tunnels end: on the interface, or where the map says.
    pub(crate) local: Option<IpAddr>,
    /// The entry's own profile, else the map's (VRF-18).
    pub(crate) profile: Option<AnyProfile<'a>>,
    pub(crate) front: VrfId,
    /// The profile's VRF, else the front VRF (VRF-08).
    pub(crate) inside: VrfId,
}

/// A profile of either version of IKE.
#[derive(Clone, Copy)]
pub(crate) enum AnyProfile<'a> {
    V1(&'a Profile),
    V2(&'a Ikev2Profile),
}

impl<'a> AnyProfile<'a> {
    pub(crate) const fn name(self) -> &'a str {
        match self {
            Self::V1(profile) => profile.name.as_str(),
            Self::V2(profile) => profile.name.as_str(),
        }
    }

    fn inside(self) -> Option<&'a str> {
        match self {
            Self::V1(profile) => profile.vrf.as_deref(),
            Self::V2(profile) => profile.vrf.as_deref(),
        }
    }
}

impl Placed<'_> {
    /// Its end, by front VRF, if that is an address of another interface than its own.
    pub(crate) fn end_elsewhere(&self) -> Option<(VrfId, IpAddr)> {
        let own = local_address(self.interface, self.family).filter(|_| !self.is_tunnel);
        self.local.filter(|local| Some(*local) != own).map(|local| (self.front, local))
    }

    /// Which version it negotiates.
    pub(crate) const fn version(&self) -> Version {
        if self.entry.ikev2_profile.is_some() { Version::V2 } else { Version::V1 }
    }

    pub(crate) fn profile_name(&self) -> Option<&str> {
        self.profile.map(AnyProfile::name)
    }

    pub(crate) const fn is_dynamic(&self) -> bool {
        self.name.dynamic.is_some()
    }

    /// The peers that are named by address.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.peers.iter().filter_map(|peer| match peer {
            Peer::Address(address) => Some(*address),
            Peer::Host(_) => None,
        })
    }
}

/// Every entry on every interface, by interface and sequence number, those of a dynamic map by theirs; then
/// every tunnel interface.
pub(crate) fn placed<'a>(config: &'a Config, ids: &mut Ids) -> Vec<Placed<'a>> {
    let profiles = Profiles::of(config);
    let mut all = Vec::new();
    for (name, interface) in &config.interfaces {
        for map_name in [&interface.crypto_map, &interface.crypto_map_ipv6].into_iter().flatten() {
            let Some(map) = config.crypto_maps.get(map_name) else { continue };
            let stand = Stand { config, profiles: &profiles, interface, map };
            for (sequence, written) in &map.entries {
                let place = EntryName {
                    interface: name.clone(),
                    map: map_name.clone(),
                    sequence: *sequence,
                    dynamic: None,
                };
                stand.place(ids, place, written, &mut all);
            }
        }
    }
    all.extend(tunnels(config, &profiles, ids));
    all
}

/// An entry without an access list has no rules: it matches nothing.
pub(crate) fn policy(config: &Config, ids: &mut Ids, placed: &Placed<'_>) -> Policy {
    let defaults = &config.ipsec;
    Policy {
        id: placed.id,
        port: ids.port(PortName::Interface(placed.name.interface.clone())),
        sequence: place(&placed.name),
        front: placed.front,
        inside: placed.inside,
        rules: rules(config, placed),
        bundles: Vec::new(),
        df: placed.interface.df.unwrap_or(defaults.df),
        fragmentation: placed.interface.fragmentation.unwrap_or(defaults.fragmentation),
        interface: placed.is_tunnel.then(|| placed.name.interface.clone()),
    }
}

/// One number for the place in the map and the place in the dynamic map. What comes of an entry of a
/// dynamic map stands right before it, at one less.
pub(crate) fn place(name: &EntryName) -> u32 {
    name.sequence << 16 | name.dynamic.unwrap_or(0)
}

/// The access list's lines in order; of a tunnel everything. IKE and the dataplane name a line by its index
/// here.
pub(crate) fn rules(config: &Config, placed: &Placed<'_>) -> Vec<Rule> {
    if placed.is_tunnel {
        let any = Prefix::any(placed.family);
        return vec![Rule { permit: true, selector: Selector::between(any, any) }];
    }
    let list = placed.entry.access_list.as_ref().and_then(|name| config.access_lists.get(name));
    list.map(|list| list.rules.iter().flat_map(|line| line.rules.iter().copied()).collect())
        .unwrap_or_default()
}

/// The interface's first address of a family: where its tunnels end.
pub(crate) fn local_address(interface: &Interface, family: Family) -> Option<IpAddr> {
    interface.addresses.iter().map(|address| address.address).find(|address| Family::of(*address) == family)
}

/// Profiles by name.
pub(crate) struct Profiles<'a> {
    v1: BTreeMap<&'a str, &'a Profile>,
    v2: BTreeMap<&'a str, &'a Ikev2Profile>,
}

impl<'a> Profiles<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        let v1 = config.profiles.iter().map(|profile| (profile.name.as_str(), profile));
        let v2 = config.ikev2.profiles.iter().map(|profile| (profile.name.as_str(), profile));
        Self { v1: v1.collect(), v2: v2.collect() }
    }

    /// The entry's own, else `default`, which is one of version 1.
    pub(crate) fn chosen(&self, entry: &MapEntry, default: Option<&String>) -> Option<AnyProfile<'a>> {
        if let Some(name) = &entry.ikev2_profile {
            return self.v2.get(name.as_str()).copied().map(AnyProfile::V2);
        }
        let name = entry.profile.as_ref().or(default)?;
        self.v1.get(name.as_str()).copied().map(AnyProfile::V1)
    }
}

/// A map on an interface.
struct Stand<'a, 's> {
    config: &'a Config,
    profiles: &'s Profiles<'a>,
    interface: &'a Interface,
    map: &'a CryptoMap,
}

impl<'a> Stand<'a, '_> {
    fn place(&self, ids: &mut Ids, name: EntryName, written: &'a MapEntry, all: &mut Vec<Placed<'a>>) {
        let Some(dynamic) = &written.dynamic else {
            return all.push(self.placed(ids, name, written));
        };
        for (sequence, entry) in self.config.dynamic_maps.get(dynamic).into_iter().flatten() {
            let name = EntryName { dynamic: Some(*sequence), ..name.clone() };
            all.push(self.placed(ids, name, entry));
        }
    }

    fn placed(&self, ids: &mut Ids, name: EntryName, entry: &'a MapEntry) -> Placed<'a> {
        let profile = self.profiles.chosen(entry, self.map.profile.as_ref());
        let front = ids.vrf(self.interface.vrf.as_deref());
        let inside = profile.and_then(AnyProfile::inside).map_or(front, |vrf| ids.vrf(Some(vrf)));
        let family = if self.map.ipv6 { Family::V6 } else { Family::V4 };
        let ends_on = match &self.map.local {
            None => Some(self.interface),
            Some(other) => self.config.interfaces.get(other),
        };
        Placed {
            id: ids.policy(name.clone()),
            name,
            interface: self.interface,
            entry,
            peers: &entry.peers,
            is_tunnel: false,
            family,
            local: ends_on.and_then(|interface| local_address(interface, family)),
            profile,
            front,
            inside,
        }
    }
}

/// Tunnel interfaces that have mode and profile and are not shut: the others are down.
fn tunnels<'a>(config: &'a Config, profiles: &Profiles<'a>, ids: &mut Ids) -> Vec<Placed<'a>> {
    let tunnels = config.interfaces.iter().filter(|(_, interface)| !interface.shutdown);
    let placed = tunnels.filter_map(|(name, interface)| {
        let tunnel = interface.tunnel.as_ref()?;
        let entry = config.ipsec_profiles.get(tunnel.profile.as_ref()?)?;
        let family = tunnel.ipsec()?;
        let name =
            EntryName { interface: name.clone(), map: format!("{name}-head-0"), sequence: 0, dynamic: None };
        Some(Placed {
            id: ids.policy(name.clone()),
            name,
            interface,
            entry,
            peers: tunnel.destination.as_slice(),
            is_tunnel: true,
            family,
            local: source(config, tunnel, family),
            profile: profiles.chosen(entry, None),
            front: ids.vrf(tunnel.vrf.as_deref()),
            inside: ids.vrf(interface.vrf.as_deref()),
        })
    });
    placed.collect()
}

/// Where a tunnel's outer packets come from.
pub(crate) fn source(config: &Config, tunnel: &Tunnel, family: Family) -> Option<IpAddr> {
    match tunnel.source.as_ref()? {
        TunnelSource::Address(address) => Some(*address),
        TunnelSource::Interface(name) => local_address(config.interfaces.get(name)?, family),
    }
}
