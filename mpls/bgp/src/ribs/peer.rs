//! What the tables know of a neighbour, and what happens to all its routes of a family at once.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::Instant;
use vrf::RouteTarget;

use super::Ribs;
use crate::config::Neighbor;
use crate::io::{AddressFamily, PeerId};
use crate::rib_out::{Key, Walk};
use crate::session::Negotiated;
use crate::table::{Kind, OURSELVES, Path};
use crate::update::Membership;

/// What the tables know of a neighbour.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) neighbor: Neighbor,
    /// The session, or the one whose routes are kept.
    pub(crate) terms: Option<Arc<Negotiated>>,
    pub(crate) up: bool,
    pub(crate) families: BTreeMap<AddressFamily, PerFamily>,
    /// When stale routes go.
    pub(crate) stale_until: Option<Instant>,
    /// RFC 4684; `None` in it: everything.
    pub(crate) wants: BTreeSet<Option<RouteTarget>>,
    /// Memberships that it was told.
    pub(crate) told: BTreeSet<Membership>,
}

/// How near a peer's routes are to `maximum-prefix`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fill {
    #[default]
    Below,
    Near,
    Beyond,
}

#[derive(Default)]
pub(crate) struct PerFamily {
    /// Paths in the tables.
    pub(crate) accepted: u32,
    /// Routes that policy, a loop or a target nobody wants kept out, ever.
    pub(crate) denied: u64,
    /// Routes that the peer was told and that stand.
    pub(crate) sent: u32,
    /// What was told of `maximum-prefix`.
    pub(crate) fill: Fill,
    /// The peer's `EndOfRib` came.
    pub(crate) complete: bool,
    pub(crate) group: Option<usize>,
    pub(crate) walk: Option<Walk>,
    /// The walk begins at the latest then: targets are waited for.
    pub(crate) hold: Option<Instant>,
    /// What the peer could not be told yet; whether it knew something of it.
    pub(crate) pending: BTreeMap<Key, bool>,
}

impl Peer {
    pub(crate) fn new(id: PeerId, neighbor: Neighbor) -> Self {
        Self {
            id,
            neighbor,
            terms: None,
            up: false,
            families: BTreeMap::new(),
            stale_until: None,
            wants: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    pub(crate) fn external(&self) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.external)
    }

    pub(crate) fn router_id(&self) -> Ipv4Addr {
        self.terms.as_ref().map_or(Ipv4Addr::UNSPECIFIED, |terms| terms.router_id)
    }

    pub(crate) fn is_client(&self, family: AddressFamily) -> bool {
        self.neighbor.families.get(&family).is_some_and(|family| family.route_reflector_client)
    }
}

impl Ribs {
    pub(crate) fn peer(&self, number: u32) -> Option<&Peer> {
        self.peers.get(number as usize)?.as_ref()
    }

    pub(crate) fn peer_mut(&mut self, number: u32) -> Option<&mut Peer> {
        self.peers.get_mut(number as usize)?.as_mut()
    }

    pub(crate) fn per_family(&mut self, peer: u32, family: AddressFamily) -> Option<&mut PerFamily> {
        self.peer_mut(peer)?.families.get_mut(&family)
    }

    /// Takes out the paths of a peer's family, all or the stale ones, but no more than `most`; how many that were.
    pub(crate) fn sweep(&mut self, peer: u32, family: AddressFamily, stale_only: bool, most: usize) -> usize {
        let (Some(afi), kind, mut swept) = (family.family(), Kind::of(family), 0) else { return 0 };
        for number in 0..u32::try_from(self.tables.len()).unwrap_or(u32::MAX) {
            let Some(table) = self.table(number).filter(|table| table.peers.contains_key(&peer)) else {
                continue;
            };
            let its = |path: Path| path.peer == peer && path.kind() == kind && (path.stale() || !stale_only);
            let paths = table
                .paths
                .iter(afi)
                .flat_map(|(prefix, paths)| paths.iter().map(move |path| (prefix, path)));
            let gone = paths.filter(|(_, (path, _))| its(*path)).map(|(prefix, (_, id))| (prefix, id));
            let gone: Vec<_> = gone.take(most - swept).collect();
            swept += gone.len();
            for (prefix, id) in gone {
                let taken = self.unlearn(number, prefix, peer, kind, id);
                self.accept(peer, family, -i64::from(taken));
            }
            self.tidy(number);
            if swept == most {
                break;
            }
        }
        swept
    }

    /// Marks the paths of a peer's family as stale.
    pub(crate) fn age(&mut self, peer: u32, family: AddressFamily) {
        let Some(afi) = family.family() else { return };
        let tables = self.tables.iter_mut().filter(|table| table.peers.contains_key(&peer));
        tables.for_each(|table| table.age(afi, peer, Kind::of(family)));
    }

    pub(crate) fn accept(&mut self, peer: u32, family: AddressFamily, more: i64) {
        if peer != OURSELVES
            && let Some(its) = self.per_family(peer, family)
        {
            its.accepted = u32::try_from(i64::from(its.accepted) + more).unwrap_or(0);
        }
    }
}
