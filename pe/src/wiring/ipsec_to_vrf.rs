//! Reverse route injection: the networks behind tunnels become routes of the inside VRF, and go with the last SA that
//! protects them (RRI-01 to RRI-08, VRF-27).

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{Family, PolicyId, PortId, Prefix, VrfId};
use config::Config;
use config::model::{RemotePeer, ReverseRoute};
use ike::ChildId;
use vrf::{Candidate, Source};

use super::config_to_ipsec::{self, Placed};
use super::ike_to_ipsec::Pair;
use crate::ids::{Ids, PortName};
use crate::routing::{NextHop, Routing, Target};

/// What a crypto-map entry or a tunnel interface says of reverse routes.
pub(crate) struct Reverse {
    policy: PolicyId,
    route: ReverseRoute,
    rank: Rank,
    port: PortId,
    is_tunnel: bool,
    front: VrfId,
    /// `static`: what the access list permits, by the first peer, SA or not.
    permanent: Vec<RouteKey>,
}

/// Administrative distance and tag.
pub(crate) type Rank = (u8, u32);

pub(crate) type RouteKey = (VrfId, Prefix, Target);

/// The routes that tunnels hold up.
#[derive(Default)]
pub(crate) struct ReverseRoutes {
    held: BTreeMap<RouteKey, Held>,
    of_child: BTreeMap<ChildId, Vec<RouteKey>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) rank: Rank,
    /// How many children, and entries with `static`, hold it up.
    pub(crate) users: u32,
}

/// Of each entry that has any.
pub(crate) fn reverse(config: &Config, ids: &mut Ids, placed: &[Placed<'_>]) -> BTreeMap<PolicyId, Reverse> {
    placed.iter().filter_map(|entry| Some((entry.id, of_entry(config, ids, entry)?))).collect()
}

fn of_entry(config: &Config, ids: &mut Ids, placed: &Placed<'_>) -> Option<Reverse> {
    let route = placed.entry.reverse_route?;
    let mut reverse = Reverse {
        policy: placed.id,
        route,
        rank: (placed.entry.reverse_distance.unwrap_or(1), placed.entry.reverse_tag),
        port: ids.port(PortName::Interface(placed.name.interface.clone())),
        is_tunnel: placed.is_tunnel,
        front: placed.front,
        permanent: Vec::new(),
    };
    if let Some(peer) = placed.addresses().next().filter(|_| route.permanent && !placed.is_dynamic()) {
        let rules = config_to_ipsec::rules(config, placed);
        let networks = rules.iter().filter(|rule| rule.permit).map(|rule| rule.selector.remote);
        reverse.permanent =
            networks.flat_map(|network| reverse.routes(placed.inside, peer, network)).collect();
    }
    Some(reverse)
}

impl Reverse {
    /// Those that stand without any SA.
    pub(crate) fn permanent(&self) -> &[RouteKey] {
        &self.permanent
    }

    /// The routes to a network behind a peer. Of "everything" there is none: it would catch the tunnel itself.
    fn routes(&self, inside: VrfId, peer: IpAddr, network: Prefix) -> Vec<RouteKey> {
        if network.length() == 0 {
            return Vec::new();
        }
        if self.is_tunnel {
            return vec![(inside, network, Target::Tunnel(self.policy))];
        }
        let host = Prefix::host(peer);
        match self.route.remote_peer {
            None => vec![(inside, network, self.by(network, peer))],
            Some(RemotePeer::Hop(hop)) => vec![(inside, network, self.by(network, hop))],
            Some(RemotePeer::Interface) => {
                vec![(inside, network, self.by(network, peer)), (self.front, host, Target::Port(self.port))]
            }
            Some(RemotePeer::Gateway(gateway)) => {
                vec![(inside, network, self.by(network, peer)), (self.front, host, self.by(host, gateway))]
            }
        }
    }

    /// Always by the port with the crypto map: by no other way is anything protected.
    fn by(&self, network: Prefix, hop: IpAddr) -> Target {
        if network.family() == Family::of(hop) {
            Target::Through(NextHop::On(self.port, hop))
        } else {
            Target::Port(self.port)
        }
    }

    fn of_pair(&self, pair: &Pair) -> Vec<RouteKey> {
        let sa = &pair.outbound;
        self.routes(sa.inside, sa.remote, sa.selector.remote)
    }
}

impl ReverseRoutes {
    /// A pair came up, or its peer moved.
    pub(crate) fn up(
        &mut self,
        child: ChildId,
        pair: &Pair,
        entries: &BTreeMap<PolicyId, Reverse>,
        routing: &mut Routing,
    ) {
        let Some(reverse) = entries.get(&pair.policy) else { return };
        let routes = reverse.of_pair(pair);
        // New ones first: what stays is never away.
        routes.iter().for_each(|route| self.hold(*route, reverse.rank, routing));
        self.down(child, routing);
        self.of_child.insert(child, routes);
    }

    pub(crate) fn down(&mut self, child: ChildId, routing: &mut Routing) {
        for route in self.of_child.remove(&child).unwrap_or_default() {
            let Some(held) = self.held.get_mut(&route) else { continue };
            held.users -= 1;
            if held.users == 0 {
                self.held.remove(&route);
                withdraw(route, routing);
            }
        }
    }

    /// The configuration changed: what of it all should be, of the pairs that are up and of itself.
    pub(crate) fn rebuild<'a>(
        &mut self,
        pairs: impl Iterator<Item = (ChildId, &'a Pair)>,
        entries: &BTreeMap<PolicyId, Reverse>,
        vrfs: impl Fn(VrfId) -> bool,
        routing: &mut Routing,
    ) {
        let before = std::mem::take(self);
        let mut hold = |route: RouteKey, rank| {
            self.held.entry(route).or_insert(Held { rank, users: 0 }).users += 1;
        };
        for (child, pair) in pairs.filter(|(_, pair)| pair.up) {
            let Some(reverse) = entries.get(&pair.policy) else { continue };
            let mut routes = reverse.of_pair(pair);
            routes.retain(|(vrf, ..)| vrfs(*vrf));
            routes.iter().for_each(|route| hold(*route, reverse.rank));
            self.of_child.insert(child, routes);
        }
        for reverse in entries.values() {
            let routes = reverse.permanent.iter().filter(|(vrf, ..)| vrfs(*vrf));
            routes.for_each(|route| hold(*route, reverse.rank));
        }
        for (route, held) in &self.held {
            if before.held.get(route).is_none_or(|before| before.rank != held.rank) {
                announce(*route, held.rank, routing);
            }
        }
        let gone = before.held.keys().filter(|route| !self.held.contains_key(route));
        gone.for_each(|route| withdraw(*route, routing));
    }

    /// All there are: `show crypto route`.
    pub(crate) fn all(&self) -> impl Iterator<Item = (RouteKey, Held)> {
        self.held.iter().map(|(route, held)| (*route, *held))
    }

    fn hold(&mut self, route: RouteKey, rank: Rank, routing: &mut Routing) {
        let held = self.held.entry(route).or_insert(Held { rank, users: 0 });
        if held.users == 0 || held.rank != rank {
            announce(route, rank, routing);
        }
        (held.rank, held.users) = (rank, held.users + 1);
    }
}

fn announce((vrf, prefix, to): RouteKey, (distance, tag): Rank, routing: &mut Routing) {
    routing.add(vrf, prefix, Candidate { distance, metric: 0, source: Source::Reverse, to, tag });
}

fn withdraw((vrf, prefix, to): RouteKey, routing: &mut Routing) {
    routing.remove(vrf, prefix, Source::Reverse, to);
}
