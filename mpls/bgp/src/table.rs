//! The paths of one route distinguisher, or of one VRF without any: by prefix, as they were learned.

use std::collections::BTreeMap;

use base::{Family, Label, Prefix, VrfId};
use vrf::Rd;

use crate::io::AddressFamily;
use crate::net::PrefixMap;

/// The number of the speaker itself among peers: paths of routes of ours.
pub(crate) const OURSELVES: u32 = 0;

/// How a path was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Also a route of ours.
    Unicast,
    Labeled,
    Vpn,
    /// Leaked from the global table into a VRF, or the other way.
    Leaked,
}

/// One path in twelve bytes: whose it is, the slot of what it shares with others, its label, how it was learned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) peer: u32,
    pub(crate) slot: u32,
    bits: u32,
}

const LABEL: u32 = 0xF_FFFF;
const LABELLED: u32 = 1 << 20;
const STALE: u32 = 1 << 21;
const KIND_LABELED: u32 = 1 << 22;
const KIND_VPN: u32 = 1 << 23;

/// The paths of a prefix, with path identifiers. Most prefixes have one path, and that has none.
pub(crate) enum Paths {
    One(Path),
    #[expect(clippy::box_collection, reason = "a vector alone would make every prefix eight bytes larger")]
    Many(Box<Vec<(Path, u32)>>),
}

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rd: Option<Rd>,
    /// Whose own table it is.
    pub(crate) vrf: Option<VrfId>,
    pub(crate) paths: PrefixMap<Paths>,
    /// How many paths each peer has here, and each slot.
    pub(crate) peers: BTreeMap<u32, u32>,
    pub(crate) slots: BTreeMap<u32, u32>,
}

impl Path {
    pub(crate) fn new(peer: u32, slot: u32, kind: Kind, label: Option<Label>) -> Self {
        let kind = match kind {
            Kind::Unicast => 0,
            Kind::Labeled => KIND_LABELED,
            Kind::Vpn => KIND_VPN,
            Kind::Leaked => KIND_LABELED | KIND_VPN,
        };
        Self { peer, slot, bits: kind | label.map_or(0, |label| label.value() | LABELLED) }
    }

    pub(crate) fn label(self) -> Option<Label> {
        if self.bits & LABELLED == 0 { None } else { Label::new(self.bits & LABEL) }
    }

    pub(crate) fn kind(self) -> Kind {
        match (self.bits & KIND_VPN, self.bits & KIND_LABELED) {
            (0, 0) => Kind::Unicast,
            (0, _) => Kind::Labeled,
            (_, 0) => Kind::Vpn,
            _ => Kind::Leaked,
        }
    }

    pub(crate) fn stale(self) -> bool {
        self.bits & STALE != 0
    }

    pub(crate) fn age(&mut self) {
        self.bits |= STALE;
    }
}

/// Whether it is the same path with the same contents; growing stale changes neither.
impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        (self.peer, self.slot, self.bits & !STALE) == (other.peer, other.slot, other.bits & !STALE)
    }
}

impl Eq for Path {}

impl Kind {
    pub(crate) fn of(family: AddressFamily) -> Self {
        match family {
            AddressFamily::Ipv4Unicast | AddressFamily::Ipv6Unicast | AddressFamily::RouteTarget => {
                Self::Unicast
            }
            AddressFamily::Ipv4Labeled | AddressFamily::Ipv6Labeled => Self::Labeled,
            AddressFamily::Vpnv4 | AddressFamily::Vpnv6 => Self::Vpn,
        }
    }

    pub(crate) fn address_family(self, family: Family) -> AddressFamily {
        match (self, family) {
            (Self::Unicast | Self::Leaked, Family::V4) => AddressFamily::Ipv4Unicast,
            (Self::Unicast | Self::Leaked, Family::V6) => AddressFamily::Ipv6Unicast,
            (Self::Labeled, Family::V4) => AddressFamily::Ipv4Labeled,
            (Self::Labeled, Family::V6) => AddressFamily::Ipv6Labeled,
            (Self::Vpn, Family::V4) => AddressFamily::Vpnv4,
            (Self::Vpn, Family::V6) => AddressFamily::Vpnv6,
        }
    }
}

impl AddressFamily {
    /// Of the prefixes; route targets have none.
    pub(crate) fn family(self) -> Option<Family> {
        match self {
            Self::Ipv4Unicast | Self::Ipv4Labeled | Self::Vpnv4 => Some(Family::V4),
            Self::Ipv6Unicast | Self::Ipv6Labeled | Self::Vpnv6 => Some(Family::V6),
            Self::RouteTarget => None,
        }
    }

    pub(crate) fn is_labeled_unicast(self) -> bool {
        matches!(self, Self::Ipv4Labeled | Self::Ipv6Labeled)
    }
}

impl Paths {
    fn nth(&self, at: usize) -> Option<(Path, u32)> {
        match self {
            Self::One(path) => (at == 0).then_some((*path, 0)),
            Self::Many(paths) => paths.get(at).copied(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Path, u32)> + '_ {
        (0..).map_while(|at| self.nth(at))
    }

    /// Puts a path in the place of what the same peer said before under this identifier.
    fn put(&mut self, path: Path, id: u32) -> Option<Path> {
        match self {
            Self::One(old) if id == 0 && same(*old, path) => Some(core::mem::replace(old, path)),
            Self::One(old) => {
                *self = Self::Many(Box::new(vec![(*old, 0), (path, id)]));
                None
            }
            Self::Many(paths) => {
                let old = paths.iter_mut().find(|(old, its)| *its == id && same(*old, path));
                match old {
                    Some(old) => Some(core::mem::replace(&mut old.0, path)),
                    None => {
                        paths.push((path, id));
                        None
                    }
                }
            }
        }
    }

    /// Takes a path out; whether any are left.
    fn take(&mut self, peer: u32, kind: Kind, id: u32) -> (Option<Path>, bool) {
        match self {
            Self::One(path) if id == 0 && path.peer == peer && path.kind() == kind => (Some(*path), false),
            Self::One(_) => (None, true),
            Self::Many(paths) => {
                let at =
                    paths.iter().position(|(path, its)| (path.peer, path.kind(), *its) == (peer, kind, id));
                let taken = at.map(|at| paths.remove(at).0);
                let left = !paths.is_empty();
                if let [(only, 0)] = paths.as_slice() {
                    *self = Self::One(*only);
                }
                (taken, left)
            }
        }
    }
}

fn same(a: Path, b: Path) -> bool {
    a.peer == b.peer && a.kind() == b.kind()
}

impl Table {
    pub(crate) fn paths(&self, prefix: Prefix) -> impl Iterator<Item = (Path, u32)> + '_ {
        self.paths.get(prefix).into_iter().flat_map(Paths::iter)
    }

    /// Puts a path; gives the one it replaces. Counts are the caller's.
    pub(crate) fn put(&mut self, prefix: Prefix, path: Path, id: u32) -> Option<Path> {
        let first = if id == 0 { Paths::One(path) } else { Paths::Many(Box::new(vec![(path, id)])) };
        self.paths.get_or_insert(prefix, first)?.put(path, id)
    }

    pub(crate) fn take(&mut self, prefix: Prefix, peer: u32, kind: Kind, id: u32) -> Option<Path> {
        let (taken, left) = self.paths.get_mut(prefix)?.take(peer, kind, id);
        if !left {
            self.paths.remove(prefix);
        }
        taken
    }

    /// Marks the paths of a peer and family as stale.
    pub(crate) fn age(&mut self, family: Family, peer: u32, kind: Kind) {
        for prefix in self.paths.behind(family, None, usize::MAX) {
            let Some(paths) = self.paths.get_mut(prefix) else { continue };
            let its = |path: &Path| path.peer == peer && path.kind() == kind;
            match paths {
                Paths::One(path) if its(path) => path.age(),
                Paths::One(_) => (),
                Paths::Many(paths) => {
                    paths.iter_mut().map(|(path, _)| path).filter(|path| its(path)).for_each(Path::age);
                }
            }
        }
    }

    pub(crate) fn count(&mut self, path: Path, number: u32) {
        *self.peers.entry(path.peer).or_insert(0) += number;
        *self.slots.entry(path.slot).or_insert(0) += number;
    }

    pub(crate) fn discount(&mut self, path: Path) {
        for (map, key) in [(&mut self.peers, path.peer), (&mut self.slots, path.slot)] {
            if let Some(count) = map.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    map.remove(&key);
                }
            }
        }
    }
}
