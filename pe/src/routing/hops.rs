//! Next hops: each is found once, whoever uses it, and found anew when a route that may lead to it changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use base::{Label, PortId, Prefix, VrfId};
use dataplane::Labels;
use vrf::Candidate;

use super::Ground;
use super::way::{NextHop, Problem, Target, To, Way};

/// Its place among the next hops; given again once nobody uses it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HopId(u32);

/// Every next hop in use.
#[derive(Default)]
pub(super) struct Hops {
    numbers: BTreeMap<NextHop, HopId>,
    hops: Vec<Option<Hop>>,
    free: Vec<HopId>,
    /// Who was found by looking at whom: the one looked at first.
    seen: BTreeSet<(HopId, HopId)>,
}

struct Hop {
    next: NextHop,
    /// How many candidates go through it, by VRF.
    users: BTreeMap<VrfId, u32>,
    watchers: u32,
    /// `None` while it is being found anew.
    reach: Option<Reach>,
    /// Those that its own finding looked at.
    looked_at: Vec<HopId>,
}

/// How a next hop is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// For packets without a label of their route's own. Out of a port with a crypto map they have none at all.
    pub(crate) plain: Result<Way, Problem>,
    /// For labelled ones, for which the next hop must be label-switched to or on a link.
    pub(crate) switched: Result<Way, Problem>,
    /// Of the route that leads there.
    pub(crate) metric: u32,
    /// On a link of ours.
    pub(crate) connected: bool,
}

/// What a candidate says of a next hop that its prefix holds.
enum Found {
    Reach(Reach),
    /// Nothing: look at the next one.
    Nothing,
    /// It goes through one that is not found yet.
    Pending,
}

impl Hops {
    /// The stored form of a target that a candidate of `user` has from now on.
    pub(super) fn acquire(&mut self, target: Target, user: VrfId, ground: &Ground) -> To {
        let mut number = |next| {
            let id = self.number(next, ground);
            if let Some(hop) = self.hop_mut(id) {
                *hop.users.entry(user).or_default() += 1;
            }
            id
        };
        match target {
            Target::Labelled(next, label) => To::Labelled(number(next), label),
            Target::Through(next) => To::Through(number(next)),
            Target::Local => To::Local,
            Target::Discard => To::Discard,
            Target::Tunnel(policy) => To::Tunnel(policy),
            Target::Port(port) => To::Port(port),
            Target::Vrf(vrf) => To::Vrf(vrf),
        }
    }

    /// The stored form of a target that some candidate has already.
    pub(super) fn known(&self, target: Target) -> Option<To> {
        Some(match target {
            Target::Labelled(next, label) => To::Labelled(*self.numbers.get(&next)?, label),
            Target::Through(next) => To::Through(*self.numbers.get(&next)?),
            Target::Local => To::Local,
            Target::Discard => To::Discard,
            Target::Tunnel(policy) => To::Tunnel(policy),
            Target::Port(port) => To::Port(port),
            Target::Vrf(vrf) => To::Vrf(vrf),
        })
    }

    pub(super) fn target(&self, to: To) -> Target {
        let next = |id| self.hop(id).map_or(NextHop::On(PortId(0), Self::NOBODY), |hop| hop.next);
        match to {
            To::Labelled(hop, label) => Target::Labelled(next(hop), label),
            To::Through(hop) => Target::Through(next(hop)),
            To::Local => Target::Local,
            To::Discard => Target::Discard,
            To::Tunnel(policy) => Target::Tunnel(policy),
            To::Port(port) => Target::Port(port),
            To::Vrf(vrf) => Target::Vrf(vrf),
        }
    }

    const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    /// A candidate of `user` is gone.
    pub(super) fn release(&mut self, to: To, user: VrfId) {
        let Some(id) = to.hop() else { return };
        let Some(hop) = self.hop_mut(id) else { return };
        if let Some(count) = hop.users.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                hop.users.remove(&user);
            }
        }
        self.drop_unused(id);
    }

    pub(super) fn watch(&mut self, next: NextHop, ground: &Ground) {
        let id = self.number(next, ground);
        if let Some(hop) = self.hop_mut(id) {
            hop.watchers += 1;
        }
    }

    pub(super) fn unwatch(&mut self, next: NextHop) {
        let Some(id) = self.numbers.get(&next).copied() else { return };
        if let Some(hop) = self.hop_mut(id) {
            hop.watchers = hop.watchers.saturating_sub(1);
        }
        self.drop_unused(id);
    }

    pub(super) fn reach_of(&self, next: NextHop) -> Option<Reach> {
        Some(self.reach(*self.numbers.get(&next)?))
    }

    pub(super) fn reach(&self, id: HopId) -> Reach {
        self.hop(id).and_then(|hop| hop.reach).unwrap_or(Reach::failed(Problem::NotReachable))
    }

    /// The next hops that a prefix of a VRF holds.
    pub(super) fn within(&self, vrf: VrfId, prefix: Prefix) -> impl Iterator<Item = HopId> {
        let range = NextHop::In(vrf, prefix.address())..=NextHop::In(vrf, prefix.last());
        self.numbers.range(range).map(|(_, id)| *id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = HopId> {
        self.numbers.values().copied()
    }

    /// Whose candidates go through it.
    pub(super) fn users(&self, id: HopId) -> impl Iterator<Item = VrfId> {
        self.hop(id).into_iter().flat_map(|hop| hop.users.keys().copied())
    }

    pub(super) fn watched(&self, id: HopId) -> Option<NextHop> {
        self.hop(id).filter(|hop| hop.watchers > 0).map(|hop| hop.next)
    }

    fn hop(&self, id: HopId) -> Option<&Hop> {
        self.hops.get(id.0 as usize)?.as_ref()
    }

    fn hop_mut(&mut self, id: HopId) -> Option<&mut Hop> {
        self.hops.get_mut(id.0 as usize)?.as_mut()
    }

    /// A new one is found at once: nobody depends on it yet.
    fn number(&mut self, next: NextHop, ground: &Ground) -> HopId {
        if let Some(id) = self.numbers.get(&next) {
            return *id;
        }
        let id = self.free.pop().unwrap_or(HopId(self.hops.len() as u32));
        let hop = Hop { next, users: BTreeMap::new(), watchers: 0, reach: None, looked_at: Vec::new() };
        match self.hops.get_mut(id.0 as usize) {
            Some(place) => *place = Some(hop),
            None => self.hops.push(Some(hop)),
        }
        self.numbers.insert(next, id);
        self.find_all([id].into_iter().collect(), ground);
        id
    }

    fn drop_unused(&mut self, id: HopId) {
        let Some(hop) = self.hop(id).filter(|hop| hop.users.is_empty() && hop.watchers == 0) else { return };
        let next = hop.next;
        self.looks_at(id, Vec::new());
        self.numbers.remove(&next);
        if let Some(place) = self.hops.get_mut(id.0 as usize) {
            *place = None;
        }
        self.free.push(id);
    }
}

/// Finding.
impl Hops {
    /// Finds these anew, and those that were found through them; what each was that is another now.
    pub(super) fn refind(&mut self, dirty: BTreeSet<HopId>, ground: &Ground) -> BTreeMap<HopId, Reach> {
        let stale = self.closure(dirty);
        let before: Vec<_> = stale.iter().map(|id| (*id, self.reach(*id))).collect();
        for id in &stale {
            if let Some(hop) = self.hop_mut(*id) {
                hop.reach = None;
            }
        }
        self.find_all(stale, ground);
        before.into_iter().filter(|(id, reach)| self.reach(*id) != *reach).collect()
    }

    fn closure(&self, dirty: BTreeSet<HopId>) -> BTreeSet<HopId> {
        let mut stale: BTreeSet<_> = dirty.into_iter().filter(|id| self.hop(*id).is_some()).collect();
        let mut queue: Vec<_> = stale.iter().copied().collect();
        while let Some(id) = queue.pop() {
            queue.extend(self.lookers(id).into_iter().filter(|looker| stale.insert(*looker)));
        }
        stale
    }

    fn lookers(&self, id: HopId) -> Vec<HopId> {
        self.seen.range((id, HopId(0))..=(id, HopId(u32::MAX))).map(|(_, looker)| *looker).collect()
    }

    /// Each is found as soon as those that it goes through are; what remains goes in circles.
    fn find_all(&mut self, wanted: BTreeSet<HopId>, ground: &Ground) {
        let mut queue: VecDeque<_> = wanted.iter().copied().collect();
        while let Some(id) = queue.pop_front() {
            let Some(next) = self.hop(id).filter(|hop| hop.reach.is_none()).map(|hop| hop.next) else {
                continue;
            };
            let mut looked_at = Vec::new();
            let reach = self.find(next, ground, &mut looked_at);
            self.looks_at(id, looked_at);
            if let Some(hop) = self.hop_mut(id) {
                hop.reach = reach;
            }
            if reach.is_some() {
                queue.extend(self.lookers(id));
            }
        }
        for id in wanted {
            if let Some(hop) = self.hop_mut(id) {
                hop.reach.get_or_insert(Reach::failed(Problem::Loop));
            }
        }
    }

    fn looks_at(&mut self, id: HopId, hops: Vec<HopId>) {
        let Some(hop) = self.hop_mut(id) else { return };
        let before = std::mem::replace(&mut hop.looked_at, hops.clone());
        for other in before {
            self.seen.remove(&(other, id));
        }
        self.seen.extend(hops.into_iter().map(|other| (other, id)));
    }

    /// By longest match; a match that leads nowhere gives way to the next shorter one. `None`: it waits for another.
    fn find(&self, next: NextHop, ground: &Ground, looked_at: &mut Vec<HopId>) -> Option<Reach> {
        let (vrf, address) = match next {
            NextHop::On(port, address) => return Some(ground.on_link(port, address)),
            NextHop::In(vrf, address) => (vrf, address),
        };
        let routes = ground.tables.get(&vrf).into_iter().flat_map(|table| table.rib.covering(address));
        for (prefix, candidates) in routes {
            for candidate in candidates.iter().filter(|candidate| candidate.is_usable()) {
                looked_at.extend(candidate.to.hop());
                match self.by(candidate, (vrf, prefix), address, ground) {
                    Found::Reach(reach) => return Some(reach),
                    Found::Nothing => {}
                    Found::Pending => return None,
                }
            }
        }
        Some(Reach::failed(Problem::NotReachable))
    }

    fn by(
        &self,
        candidate: &Candidate<To>,
        (vrf, prefix): (VrfId, Prefix),
        address: IpAddr,
        ground: &Ground,
    ) -> Found {
        let found = match candidate.to {
            To::Local => Reach::failed(Problem::BoxItself),
            To::Discard => Reach { switched: Ok(Way::Discard), ..Reach::plain(Way::Discard) },
            To::Tunnel(policy) => {
                Reach { switched: Err(Problem::IntoTunnel), ..Reach::plain(Way::Protect(policy)) }
            }
            To::Port(port) => ground.on_link(port, address),
            To::Vrf(_) => return Found::Nothing,
            To::Through(hop) | To::Labelled(hop, _) => {
                let Some(before) = self.hop(hop).and_then(|hop| hop.reach) else { return Found::Pending };
                match (before.of(candidate.to), vrf) {
                    (Err(Problem::Loop), _) => Reach::failed(Problem::Loop),
                    (Err(_), _) => return Found::Nothing,
                    (Ok(way), VrfId::GLOBAL) => ground.onward(candidate.to, prefix, way, before.switched),
                    (Ok(way), _) => ground.bare(Reach::plain(way)),
                }
            }
        };
        Found::Reach(Reach { metric: candidate.metric, ..found })
    }
}

impl Reach {
    const fn failed(problem: Problem) -> Self {
        Self { plain: Err(problem), switched: Err(problem), metric: 0, connected: false }
    }

    /// No label-switched path leads there.
    const fn plain(way: Way) -> Self {
        Self { plain: Ok(way), switched: Err(Problem::NoPath), metric: 0, connected: false }
    }

    /// Where a candidate leads that goes through the next hop.
    pub(super) fn of(&self, to: To) -> Result<Way, Problem> {
        match to {
            To::Labelled(_, Label::IMPLICIT_NULL) => self.plain,
            To::Labelled(_, label) => self.switched.and_then(|way| way.with_inner(label)),
            To::Through(_) | To::Local | To::Discard | To::Tunnel(_) | To::Port(_) | To::Vrf(_) => self.plain,
        }
    }
}

impl Ground {
    fn on_link(&self, port: PortId, address: IpAddr) -> Reach {
        let Some(exit) = self.exits.get(&port) else { return Reach::failed(Problem::Absent) };
        let way = Way::Out { port, gateway: Some(address), push: Labels::default() };
        let switched = if exit.mpls { Ok(way) } else { Err(Problem::NoMpls(port)) };
        Reach { switched, connected: true, ..Reach::plain(way) }
    }

    /// Beyond a route of the global table: label-switched if the route is a label's, or has a path of LDP. One that
    /// pushes nothing is label-switched as its own next hop is.
    fn onward(&self, to: To, prefix: Prefix, way: Way, before: Result<Way, Problem>) -> Reach {
        let switched = match (to, self.lsps.get(&prefix), way) {
            (To::Labelled(_, Label::IMPLICIT_NULL), _, _) => before,
            (To::Labelled(..), _, _) => Ok(way),
            (_, Some(lsp), Way::Out { port, gateway: Some(gateway), push })
                if push.is_empty() && (lsp.port, lsp.next_hop) == (port, gateway) =>
            {
                way.with_inner(lsp.label)
            }
            _ => Err(Problem::NoPath),
        };
        let switched = switched.and_then(|way| self.may_leave_labelled(way));
        self.bare(Reach { plain: Ok(switched.unwrap_or(way)), switched, metric: 0, connected: false })
    }

    fn may_leave_labelled(&self, way: Way) -> Result<Way, Problem> {
        match way {
            Way::Out { port, .. } if self.exits.get(&port).is_none_or(|exit| !exit.mpls) => {
                Err(Problem::NoMpls(port))
            }
            Way::Out { .. } | Way::Local | Way::Discard | Way::Protect(_) | Way::Lookup(_) => Ok(way),
        }
    }

    /// Transport labels would lead unlabelled packets past the crypto map of a port.
    fn bare(&self, reach: Reach) -> Reach {
        match reach.plain {
            Ok(way @ Way::Out { port, .. }) if self.exits.get(&port).is_some_and(|exit| exit.crypto) => {
                Reach { plain: Ok(way.without_labels()), ..reach }
            }
            Ok(_) | Err(_) => reach,
        }
    }
}
