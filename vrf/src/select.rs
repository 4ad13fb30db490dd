//! Which candidate is used: the most preferred one whose next hop is, in the end, on a wire.

use core::net::IpAddr;

use base::{Prefix, VrfId};

use crate::rib::{Candidate, Rib};

/// A resolution looks at no more routes than this.
const MAX_ROUTES: usize = 64;

/// What a candidate says of its next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// It names the way out by itself: an interface, the box, nowhere.
    Direct,
    /// Through whoever holds `gateway`, looked up in the table of `vrf`.
    Gateway { vrf: VrfId, gateway: IpAddr },
}

/// Where following the gateways ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved<'r, T> {
    /// The candidate that names the way out by itself.
    pub direct: &'r Candidate<T>,
    /// Its prefix, and the table where it stands if a gateway was followed.
    pub found: Option<(VrfId, Prefix)>,
    /// The last gateway followed: it lies in the direct candidate's prefix. `None`: the route was direct.
    pub gateway: Option<IpAddr>,
}

/// The tables to look in, and how to read a candidate.
struct Resolver<'r, 'f, T> {
    table: &'f dyn Fn(VrfId) -> Option<&'r Rib<T>>,
    via: &'f dyn Fn(&T) -> Via,
    seen: Vec<(VrfId, Prefix)>,
}

/// The most preferred candidate of `prefix` in the table of `vrf` that resolves.
pub fn select<'r, T>(
    table: &dyn Fn(VrfId) -> Option<&'r Rib<T>>,
    via: &dyn Fn(&T) -> Via,
    vrf: VrfId,
    prefix: Prefix,
) -> Option<(&'r Candidate<T>, Resolved<'r, T>)> {
    table(vrf)?
        .candidates(prefix)
        .iter()
        .filter(|candidate| candidate.is_usable())
        .find_map(|candidate| Some((candidate, resolve(table, via, (vrf, prefix), candidate)?)))
}

/// Follows a candidate's gateways by longest match until one lies on a direct route. `route` is where the
/// candidate stands. A gateway whose match is a route that was passed already is a loop and resolves to
/// nothing; one whose match leads nowhere falls back to the next shorter match.
pub fn resolve<'r, T>(
    table: &dyn Fn(VrfId) -> Option<&'r Rib<T>>,
    via: &dyn Fn(&T) -> Via,
    route: (VrfId, Prefix),
    candidate: &'r Candidate<T>,
) -> Option<Resolved<'r, T>> {
    Resolver { table, via, seen: vec![route] }.follow(candidate)
}

impl<'r, T> Resolver<'r, '_, T> {
    fn follow(&mut self, candidate: &'r Candidate<T>) -> Option<Resolved<'r, T>> {
        let (vrf, gateway) = match (self.via)(&candidate.to) {
            Via::Direct => return Some(Resolved { direct: candidate, found: None, gateway: None }),
            Via::Gateway { vrf, gateway } => (vrf, gateway),
        };
        for (prefix, candidates) in (self.table)(vrf)?.covering(gateway) {
            if self.seen.contains(&(vrf, prefix)) || self.seen.len() >= MAX_ROUTES {
                return None;
            }
            self.seen.push((vrf, prefix));
            let usable = candidates.iter().filter(|candidate| candidate.is_usable());
            if let Some(mut end) = usable.into_iter().find_map(|candidate| self.follow(candidate)) {
                end.found = end.found.or(Some((vrf, prefix)));
                end.gateway = end.gateway.or(Some(gateway));
                return Some(end);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum To {
        Port(u8),
        Gateway(VrfId, IpAddr),
    }

    const RED: VrfId = VrfId(1);

    #[derive(Default)]
    struct World {
        global: Rib<To>,
        red: Rib<To>,
    }

    fn p(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn gateway(vrf: VrfId, text: &str) -> To {
        To::Gateway(vrf, text.parse().unwrap())
    }

    fn route(distance: u8, to: To) -> Candidate<To> {
        let source = if distance == 0 { Source::Connected } else { Source::Static };
        Candidate { distance, metric: 0, source, to, tag: 0 }
    }

    fn via(to: &To) -> Via {
        match *to {
            To::Port(_) => Via::Direct,
            To::Gateway(vrf, gateway) => Via::Gateway { vrf, gateway },
        }
    }

    impl World {
        /// The port and the last gateway of a route of the red table.
        fn way(&self, prefix: &str) -> Option<(To, Option<IpAddr>)> {
            let table = |vrf| Some(if vrf == RED { &self.red } else { &self.global });
            let (_, end) = select(&table, &via, RED, p(prefix))?;
            Some((end.direct.to, end.gateway))
        }
    }

    #[test]
    fn a_gateway_is_followed_over_several_routes_to_the_wire() {
        let mut world = World::default();
        world.red.insert(p("192.0.2.0/24"), route(0, To::Port(3)));
        world.red.insert(p("10.0.0.0/8"), route(1, gateway(RED, "192.0.2.1")));
        world.red.insert(p("172.16.0.0/12"), route(1, gateway(RED, "10.9.9.9")));
        let wire = Some((To::Port(3), Some("192.0.2.1".parse().unwrap())));
        assert_eq!(world.way("172.16.0.0/12"), wire);
        assert_eq!(world.way("10.0.0.0/8"), wire);
        assert_eq!(world.way("192.0.2.0/24"), Some((To::Port(3), None)));
    }

    #[test]
    fn a_global_gateway_is_looked_up_in_the_global_table_alone() {
        let mut world = World::default();
        world.red.insert(p("192.0.2.0/24"), route(0, To::Port(3)));
        world.red.insert(p("0.0.0.0/0"), route(1, gateway(VrfId::GLOBAL, "192.0.2.1")));
        assert_eq!(world.way("0.0.0.0/0"), None);
        world.global.insert(p("192.0.2.0/24"), route(0, To::Port(8)));
        assert_eq!(world.way("0.0.0.0/0"), Some((To::Port(8), Some("192.0.2.1".parse().unwrap()))));
    }

    #[test]
    fn an_unresolvable_candidate_gives_way_to_a_less_preferred_one() {
        let mut world = World::default();
        world.red.insert(p("192.0.2.0/24"), route(0, To::Port(3)));
        world.red.insert(p("10.0.0.0/8"), route(1, gateway(RED, "198.51.100.1")));
        assert_eq!(world.way("10.0.0.0/8"), None);
        world.red.insert(p("10.0.0.0/8"), route(200, gateway(RED, "192.0.2.9")));
        assert_eq!(world.way("10.0.0.0/8"), Some((To::Port(3), Some("192.0.2.9".parse().unwrap()))));
        world.red.insert(p("10.0.0.0/8"), route(255, gateway(RED, "192.0.2.1")));
        assert_eq!(world.way("10.0.0.0/8"), Some((To::Port(3), Some("192.0.2.9".parse().unwrap()))));
    }

    #[test]
    fn a_route_through_itself_is_a_loop_even_beside_a_default_route() {
        let mut world = World::default();
        world.red.insert(p("0.0.0.0/0"), route(1, To::Port(1)));
        world.red.insert(p("10.0.0.0/8"), route(1, gateway(RED, "10.1.1.1")));
        assert_eq!(world.way("10.0.0.0/8"), None);
        world.red.insert(p("10.1.1.0/24"), route(0, To::Port(2)));
        assert_eq!(world.way("10.0.0.0/8"), Some((To::Port(2), Some("10.1.1.1".parse().unwrap()))));
    }

    #[test]
    fn routes_through_each_other_end_and_long_chains_are_given_up() {
        let mut world = World::default();
        world.red.insert(p("10.0.0.0/8"), route(1, gateway(RED, "11.0.0.1")));
        world.red.insert(p("11.0.0.0/8"), route(1, gateway(RED, "10.0.0.1")));
        assert_eq!((world.way("10.0.0.0/8"), world.way("11.0.0.0/8")), (None, None));
        for i in 0..=99u8 {
            world
                .red
                .insert(p(&format!("20.0.{i}.0/24")), route(1, gateway(RED, &format!("20.0.{}.1", i + 1))));
        }
        world.red.insert(p("20.0.100.0/24"), route(0, To::Port(7)));
        assert_eq!(world.way("20.0.1.0/24"), None);
        assert!(world.way("20.0.90.0/24").is_some());
    }
}
