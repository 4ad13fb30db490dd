//! Where a line stands: the level and object being configured, and what the setters may touch.

use std::collections::BTreeMap;
use std::ops::Range;

use ike::config::Proposal;

use crate::model::{
    AccessList, Config, CryptoMap, Interface, Keyring, MapEntry, Profile, Targets, Vrf, VrfStyle,
};

/// A set of commands that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Global,
    Vrf,
    /// `address-family` under a VRF; the place's number is 4 or 6.
    Family,
    Interface,
    AccessList,
    AccessList6,
    Policy,
    Keyring,
    Profile,
    TransformSet,
    MapEntry,
}

impl Level {
    pub(crate) const ALL: [Self; 11] = [
        Self::Global,
        Self::Vrf,
        Self::Family,
        Self::Interface,
        Self::AccessList,
        Self::AccessList6,
        Self::Policy,
        Self::Keyring,
        Self::Profile,
        Self::TransformSet,
        Self::MapEntry,
    ];

    /// The command under which the level's commands stand.
    pub(crate) const fn head(self) -> &'static str {
        match self {
            Self::Global => "the top level",
            Self::Vrf => "`ip vrf NAME` or `vrf definition NAME`",
            Self::Family => "`address-family ipv4|ipv6`",
            Self::Interface => "`interface NAME`",
            Self::AccessList => "`ip access-list extended NAME`",
            Self::AccessList6 => "`ipv6 access-list NAME`",
            Self::Policy => "`crypto isakmp policy N`",
            Self::Keyring => "`crypto keyring NAME`",
            Self::Profile => "`crypto isakmp profile NAME`",
            Self::TransformSet => "`crypto ipsec transform-set NAME …`",
            Self::MapEntry => "`crypto map NAME SEQ ipsec-isakmp`",
        }
    }
}

/// A level and which object of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) level: Level,
    pub(crate) name: String,
    /// Priority, sequence number or address family, where the name is not all.
    pub(crate) number: u32,
}

impl Place {
    pub(crate) const GLOBAL: Self = Self { level: Level::Global, name: String::new(), number: 0 };

    pub(crate) fn at(level: Level, name: impl Into<String>) -> Self {
        Self { level, name: name.into(), number: 0 }
    }

    pub(crate) fn numbered(level: Level, name: impl Into<String>, number: u32) -> Self {
        Self { level, name: name.into(), number }
    }

    /// Where `exit` leads; `None` at the top.
    pub(crate) fn parent(&self) -> Option<Self> {
        match self.level {
            Level::Global => None,
            Level::Family => Some(Self::at(Level::Vrf, &self.name)),
            Level::Vrf
            | Level::Interface
            | Level::AccessList
            | Level::AccessList6
            | Level::Policy
            | Level::Keyring
            | Level::Profile
            | Level::TransformSet
            | Level::MapEntry => Some(Self::GLOBAL),
        }
    }
}

/// Kinds of things that commands refer to by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Noun {
    Vrf,
    Interface,
    AccessList,
    Keyring,
    Profile,
    TransformSet,
    CryptoMap,
}

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
}

/// What the text says beyond the `Config`, needed only while reading it.
#[derive(Default)]
pub(crate) struct Memory {
    /// Sequence numbers of each access list's rules.
    pub(crate) sequences: BTreeMap<String, Vec<u32>>,
    pub(crate) warnings: Vec<Fault>,
}

/// What a setter may touch. Objects come into being when their commands are given.
pub(crate) struct Scope<'a> {
    pub(crate) config: &'a mut Config,
    pub(crate) memory: &'a mut Memory,
    pub(crate) place: &'a Place,
}

impl Scope<'_> {
    /// The same, standing in another place.
    pub(crate) fn enter<'b>(&'b mut self, place: &'b Place) -> Scope<'b> {
        Scope { config: self.config, memory: self.memory, place }
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
            &mut self.config.keyrings,
            |ring| &ring.name == name,
            || Keyring { name: name.clone(), description: None, vrf: None, keys: Vec::new() },
        )
    }

    pub(crate) fn profile(&mut self) -> &mut Profile {
        let name = &self.place.name;
        find_or_add(&mut self.config.profiles, |profile| &profile.name == name, || Profile::new(name.clone()))
    }

    pub(crate) fn map(&mut self, name: &str) -> &mut CryptoMap {
        self.config.crypto_maps.entry(name.to_owned()).or_default()
    }

    pub(crate) fn entry(&mut self) -> &mut MapEntry {
        let number = self.place.number;
        self.map(&self.place.name.clone()).entries.entry(number).or_default()
    }
}

/// The last made is most often the one at hand.
fn find_or_add<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    let index = list.iter().rposition(is).unwrap_or_else(|| {
        list.push(new());
        list.len() - 1
    });
    &mut list[index]
}

/// The objects that a `Config` keeps in order, by name.
pub(crate) struct Names<'a> {
    keyrings: BTreeMap<&'a str, &'a Keyring>,
    profiles: BTreeMap<&'a str, &'a Profile>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        Self {
            keyrings: config.keyrings.iter().map(|ring| (ring.name.as_str(), ring)).collect(),
            profiles: config.profiles.iter().map(|profile| (profile.name.as_str(), profile)).collect(),
        }
    }
}

/// What a getter reads.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) config: &'a Config,
    pub(crate) names: &'a Names<'a>,
    pub(crate) place: &'a Place,
}

impl<'a> View<'a> {
    pub(crate) fn vrf(self) -> Option<&'a Vrf> {
        self.config.vrfs.get(&self.place.name)
    }

    pub(crate) fn targets(self) -> Option<&'a Targets> {
        let vrf = self.vrf()?;
        match (self.place.level, self.place.number) {
            (Level::Family, 4) => vrf.ipv4.as_ref(),
            (Level::Family, _) => vrf.ipv6.as_ref(),
            _ => Some(&vrf.targets),
        }
    }

    pub(crate) fn interface(self) -> Option<&'a Interface> {
        self.config.interfaces.get(&self.place.name)
    }

    pub(crate) fn access_list(self) -> Option<&'a AccessList> {
        self.config.access_lists.get(&self.place.name)
    }

    pub(crate) fn policy(self) -> Option<&'a Proposal> {
        self.config.proposals.get(&u16::try_from(self.place.number).ok()?)
    }

    pub(crate) fn keyring(self) -> Option<&'a Keyring> {
        self.names.keyrings.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn profile(self) -> Option<&'a Profile> {
        self.names.profiles.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn entry(self) -> Option<&'a MapEntry> {
        self.config.crypto_maps.get(&self.place.name)?.entries.get(&self.place.number)
    }
}
