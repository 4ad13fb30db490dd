//! What a setter may touch: a `Config`, seen from the place that is being configured.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ::bgp::policy::Entry;
use base::Secret;
use ike::config::{CertificateMap, PeerIdentity, Proposal, v2};

use super::args::Args;
pub(crate) use super::place::{Level, Noun, Place};
pub(crate) use super::view::View;
use crate::model::{
    AccessList, AggressivePeer, Bgp, Config, CryptoMap, Ikev2Keyring, Ikev2Peer, Ikev2Policy, Ikev2Profile,
    Interface, Keyring, MapEntry, NeighborName, Profile, Targets, Trustpoint, Vrf, VrfStyle, bgp,
    blank_proposal,
};
use crate::secrets::{Open, Unopened};

/// Why a command that the tree accepts cannot stand.
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: String,
    /// The argument to underline; `None`: the whole command.
    pub(crate) argument: Option<&'static str>,
}

pub(crate) type Done = Result<(), Fault>;

impl Fault {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), argument: None }
    }

    pub(crate) fn at(mut self, argument: &'static str) -> Self {
        self.argument = Some(argument);
        self
    }
}

/// Where in the text things were said, for the checks that look at the whole.
#[derive(Default)]
pub(crate) struct Index {
    /// The line that first entered a place.
    pub(crate) homes: BTreeMap<Place, Range<usize>>,
    /// The line that last gave a command in a place, by the command's leading words; for a peer also by
    /// these and the peer.
    pub(crate) marks: BTreeMap<(Place, String), Range<usize>>,
    /// Every mention of a name, in the order of the text.
    pub(crate) mentions: Vec<(Noun, String, Range<usize>)>,
    /// Every key, with the type before it where one is written, and whether it is of type 6.
    pub(crate) keys: Vec<(Range<usize>, String, bool)>,
}

/// What the text says beyond the `Config`, needed only while reading it.
#[derive(Default)]
pub(crate) struct Memory {
    /// Sequence numbers of each access list's rules.
    pub(crate) sequences: BTreeMap<String, Vec<u32>>,
    pub(crate) warnings: Vec<Fault>,
    /// Places whose things were made, be they there still or not.
    pub(crate) made: BTreeSet<Place>,
}

/// What a setter may touch. Objects come into being when their commands are given.
pub(crate) struct Scope<'a> {
    pub(crate) config: &'a mut Config,
    pub(crate) memory: &'a mut Memory,
    pub(crate) place: &'a Place,
    pub(crate) open: Open<'a>,
}

impl Scope<'_> {
    /// The same, standing in another place.
    pub(crate) fn enter<'b>(&'b mut self, place: &'b Place) -> Scope<'b> {
        Scope { config: self.config, memory: self.memory, place, open: self.open }
    }

    /// The argument `KEY`, opened if it is of type 6.
    pub(crate) fn key(&self, a: &Args) -> Result<Secret, Fault> {
        let text: String = a.get("KEY")?;
        if !a.has("6") {
            return Ok(Secret::from(text.into_bytes()));
        }
        (self.open)(&text).map_err(|why| unopened(why).at("KEY"))
    }

    pub(crate) fn vrf(&mut self) -> &mut Vrf {
        let blank = || Vrf::new(VrfStyle::Definition);
        self.config.vrfs.entry(self.place.name.clone()).or_insert_with(blank)
    }

    /// The route targets of the VRF or address family at hand.
    pub(crate) fn targets(&mut self) -> &mut Targets {
        let (level, number) = (self.place.level, self.place.number);
        let vrf = self.vrf();
        match (level, number) {
            (Level::Family, 4) => vrf.ipv4.get_or_insert_default(),
            (Level::Family, _) => vrf.ipv6.get_or_insert_default(),
            _ => &mut vrf.targets,
        }
    }

    pub(crate) fn interface(&mut self) -> &mut Interface {
        self.config.interfaces.entry(self.place.name.clone()).or_default()
    }

    pub(crate) fn access_list(&mut self, name: &str) -> &mut AccessList {
        self.config.access_lists.entry(name.to_owned()).or_default()
    }

    pub(crate) fn policy(&mut self) -> &mut Proposal {
        let priority = u16::try_from(self.place.number).unwrap_or(u16::MAX);
        self.config.proposals.entry(priority).or_insert_with(|| Proposal::new(priority))
    }

    pub(crate) fn keyring(&mut self) -> &mut Keyring {
        let name = &self.place.name;
        find_or_add(
            &mut self.memory.made,
            self.place,
            &mut self.config.keyrings,
            |ring| &ring.name == name,
            || Keyring::new(name.clone()),
        )
    }

    pub(crate) fn profile(&mut self) -> &mut Profile {
        let name = &self.place.name;
        find_or_add(
            &mut self.memory.made,
            self.place,
            &mut self.config.profiles,
            |profile| &profile.name == name,
            || Profile::new(name.clone()),
        )
    }

    pub(crate) fn map(&mut self, name: &str) -> &mut CryptoMap {
        self.config.crypto_maps.entry(name.to_owned()).or_default()
    }

    /// The entry of a crypto map or of a dynamic map, or the IPsec profile.
    pub(crate) fn entry(&mut self) -> &mut MapEntry {
        let Place { level, name, number } = self.place.clone();
        if level == Level::IpsecProfile {
            return self.config.ipsec_profiles.entry(name).or_default();
        }
        if level == Level::DynamicEntry {
            return self.config.dynamic_maps.entry(name).or_default().entry(number).or_default();
        }
        self.map(&name).entries.entry(number).or_default()
    }

    pub(crate) fn isakmp_peer(&mut self) -> Result<&mut AggressivePeer, Fault> {
        let (address, vrf) = self.place.names();
        let address = address.parse().map_err(|_| Fault::new("not an address", ""))?;
        let vrf = vrf.map(str::to_owned);
        let peers = &mut self.config.isakmp.peers;
        let is = |peer: &AggressivePeer| peer.address == address && peer.vrf == vrf;
        Ok(find_or_add(&mut self.memory.made, self.place, peers, is, || {
            AggressivePeer::new(vrf.clone(), address)
        }))
    }

    pub(crate) fn trustpoint(&mut self) -> &mut Trustpoint {
        let name = &self.place.name;
        find_or_add(
            &mut self.memory.made,
            self.place,
            &mut self.config.trustpoints,
            |it| &it.name == name,
            || Trustpoint::new(name.clone()),
        )
    }

    pub(crate) fn certificate_map(&mut self) -> &mut CertificateMap {
        self.config.certificate_maps.entry(self.place.name.clone()).or_default()
    }

    pub(crate) fn identities(&mut self) -> &mut Vec<PeerIdentity> {
        self.config.identities.entry(self.place.name.clone()).or_default()
    }

    pub(crate) fn ikev2_proposal(&mut self) -> &mut v2::Proposal {
        let name = &self.place.name;
        let list = &mut self.config.ikev2.proposals;
        find_or_add(
            &mut self.memory.made,
            self.place,
            list,
            |it| &it.name == name,
            || blank_proposal(name.clone()),
        )
    }

    pub(crate) fn ikev2_policy(&mut self) -> &mut Ikev2Policy {
        let name = &self.place.name;
        find_or_add(
            &mut self.memory.made,
            self.place,
            &mut self.config.ikev2.policies,
            |it| &it.name == name,
            || Ikev2Policy::new(name.clone()),
        )
    }

    pub(crate) fn ikev2_keyring(&mut self) -> &mut Ikev2Keyring {
        let place = Place::at(Level::Ikev2Keyring, self.place.names().0);
        let new = || Ikev2Keyring { name: place.name.clone(), peers: Vec::new() };
        let list = &mut self.config.ikev2.keyrings;
        find_or_add(&mut self.memory.made, &place, list, |it| it.name == place.name, new)
    }

    pub(crate) fn ikev2_peer(&mut self) -> &mut Ikev2Peer {
        let (ring, name) = self.place.names();
        let name = name.unwrap_or_default();
        let place = Place::at(Level::Ikev2Keyring, ring);
        let new = || Ikev2Keyring { name: place.name.clone(), peers: Vec::new() };
        let list = &mut self.config.ikev2.keyrings;
        let ring = find_or_add(&mut self.memory.made, &place, list, |it| it.name == place.name, new);
        let is = |it: &Ikev2Peer| it.peer.name == name;
        find_or_add(&mut self.memory.made, self.place, &mut ring.peers, is, || {
            Ikev2Peer::new(name.to_owned())
        })
    }

    pub(crate) fn bgp(&mut self) -> &mut Bgp {
        self.config.bgp.get_or_insert_with(|| Bgp::new(0))
    }

    /// The address family at hand; under `router bgp` itself IPv4.
    pub(crate) fn bgp_family(&mut self) -> &mut bgp::Family {
        let key = self.place.bgp_family();
        self.bgp().families.entry(key).or_default()
    }

    /// The same, if there is one: what a `no` form may touch.
    pub(crate) fn known_bgp_family(&mut self) -> Option<&mut bgp::Family> {
        let key = self.place.bgp_family();
        self.config.bgp.as_mut()?.families.get_mut(&key)
    }

    /// The neighbours of the table at hand.
    pub(crate) fn neighbors(&mut self) -> &mut BTreeMap<NeighborName, bgp::Neighbor> {
        match self.place.level == Level::BgpVrf {
            true => &mut self.bgp_family().neighbors,
            false => &mut self.bgp().neighbors,
        }
    }

    /// The entry of a route map.
    pub(crate) fn route_map(&mut self) -> &mut Entry {
        let Place { name, number, .. } = self.place.clone();
        let blank = || Entry { permit: true, matches: Vec::new(), sets: Vec::new(), next: None };
        self.config.policies.route_maps.entry(name).or_default().0.entry(number).or_insert_with(blank)
    }

    pub(crate) fn ikev2_profile(&mut self) -> &mut Ikev2Profile {
        let name = &self.place.name;
        find_or_add(
            &mut self.memory.made,
            self.place,
            &mut self.config.ikev2.profiles,
            |it| &it.name == name,
            || Ikev2Profile::new(name.clone()),
        )
    }
}

fn unopened(why: Unopened) -> Fault {
    let (message, help) = match why {
        Unopened::NoMasterKey => (
            "the key is encrypted, and there is no master key",
            "set it with `onramp key config-key password-encryption`, or write the key in clear",
        ),
        Unopened::WrongMasterKey => (
            "the key was encrypted under another master key",
            "set that master key, or write the key in clear: it is then encrypted again",
        ),
        Unopened::Damaged => (
            "the encrypted key is damaged: a character was lost or changed",
            "copy it again, or write the key in clear: it is then encrypted again",
        ),
        Unopened::Foreign => (
            "the encrypted key is none of ours",
            "type 6 strings of other products cannot be read: write the key in clear once, and it is encrypted here",
        ),
    };
    Fault::new(message, help)
}

/// The last made is most often the one at hand; one that was never made need not be looked for.
fn find_or_add<'l, T>(
    made: &mut BTreeSet<Place>,
    place: &Place,
    list: &'l mut Vec<T>,
    is: impl Fn(&T) -> bool,
    new: impl FnOnce() -> T,
) -> &'l mut T {
    let is_new = !made.contains(place);
    if is_new {
        made.insert(place.clone());
    }
    let found = if is_new { None } else { list.iter().rposition(is) };
    let index = found.unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    });
    &mut list[index]
}
