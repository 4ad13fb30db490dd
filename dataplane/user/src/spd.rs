//! The policies of one port and inside VRF as packets see them: which entry's permit line a flow hits
//! first (RFC 4301 section 4.4.1), found by longest match on the remote address.

use std::net::IpAddr;

use base::{PolicyId, Prefix};
use ipsec::{Flow, Policy, Selector};
use vrf::Fib;

/// For each remote prefix that a line names, the lines whose remote prefix covers it, in the order they are tried. One
/// more peer costs what its own lines cost; a clone shares what does not change.
#[derive(Clone, Default)]
pub(crate) struct Spd(Fib<Lines>);

/// Those that speak of a remote address. Mostly there is one: it is at hand with the lookup.
#[derive(Clone, PartialEq)]
pub(crate) struct Lines {
    first: Line,
    rest: Box<[Line]>,
}

#[derive(Clone, Copy, PartialEq)]
struct Line {
    /// The entry's place in the map, the entry, and the line's place in it: the order in which lines are tried.
    place: (u32, PolicyId, usize),
    permit: bool,
    selector: Selector,
}

impl Spd {
    pub(crate) fn insert(&mut self, policy: &Policy) {
        for line in lines(policy) {
            let remote = line.selector.remote;
            let mut within = self.0.within(remote);
            if self.0.exact(remote).is_none() {
                within.push(remote);
            }
            for prefix in within {
                let mut lines = self.around(prefix);
                lines.insert(lines.partition_point(|other| other.place < line.place), line);
                self.put(prefix, &lines);
            }
        }
    }

    pub(crate) fn remove(&mut self, policy: &Policy) {
        for remote in policy.rules.iter().map(|line| line.selector.remote) {
            for prefix in self.0.within(remote) {
                let mut lines = self.around(prefix);
                lines.retain(|line| line.place.1 != policy.id || line.selector.remote != remote);
                let is_named = lines.iter().any(|line| line.selector.remote == prefix);
                self.put(prefix, if is_named { &lines } else { &[] });
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn toward(&self, remote: IpAddr) -> Option<&Lines> {
        self.0.lookup(remote)
    }

    /// The lines of `prefix` and of every shorter prefix around it.
    fn around(&self, prefix: Prefix) -> Vec<Line> {
        self.0.covering(prefix).into_iter().flat_map(Lines::all).copied().collect()
    }

    fn put(&mut self, prefix: Prefix, lines: &[Line]) {
        match lines.split_first() {
            Some((first, rest)) => self.0.insert(prefix, Lines { first: *first, rest: rest.into() }),
            None => self.0.remove(prefix),
        };
    }
}

impl Lines {
    /// The first entry whose first matching line permits `flow`, and that line's index in it.
    pub(crate) fn permitting(&self, flow: &Flow) -> Option<(PolicyId, usize)> {
        let mut denied = None;
        for line in self.all() {
            let (_, policy, rule) = line.place;
            if denied == Some(policy) || !line.selector.matches(flow) {
                continue;
            }
            if line.permit {
                return Some((policy, rule));
            }
            denied = Some(policy);
        }
        None
    }

    fn all(&self) -> impl Iterator<Item = &Line> {
        core::iter::once(&self.first).chain(&self.rest)
    }
}

fn lines(policy: &Policy) -> impl Iterator<Item = Line> {
    policy.rules.iter().enumerate().map(|(rule, line)| Line {
        place: (policy.sequence, policy.id, rule),
        permit: line.permit,
        selector: line.selector,
    })
}

#[cfg(test)]
mod tests {
    use base::{PortId, SaId, VrfId};
    use ipsec::{Bundle, DfBit, Fragmentation, Ports, Rule};
    use proptest::prelude::*;

    use super::*;

    /// Few addresses and short prefixes, so that lines overlap.
    fn prefix() -> impl Strategy<Value = Prefix> {
        (0..4_u8, 0..4_u8, 6..=16_u8)
            .prop_map(|(a, b, length)| Prefix::new([10 + a, b, 0, 0].into(), length).unwrap())
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let ports = prop_oneof![Just(Ports::ANY), Just(Ports::one(80))];
        (any::<bool>(), prefix(), prefix(), prop::option::of(Just(6)), ports).prop_map(
            |(permit, local, remote, protocol, remote_ports)| {
                let selector = Selector { protocol, remote_ports, ..Selector::between(local, remote) };
                Rule { permit, selector }
            },
        )
    }

    fn policy(id: u32, rules: Vec<Rule>) -> Policy {
        let selector = Selector::between(prefix_any(), prefix_any());
        Policy {
            id: PolicyId(id),
            port: PortId(1),
            sequence: id,
            front: VrfId(1),
            inside: VrfId(2),
            rules,
            bundles: vec![Bundle { selector, outbound: SaId(id) }],
            df: DfBit::Copy,
            fragmentation: Fragmentation::BeforeEncryption,
            interface: None,
        }
    }

    fn prefix_any() -> Prefix {
        Prefix::any(base::Family::V4)
    }

    fn flow() -> impl Strategy<Value = Flow> {
        let address = || (0..4_u8, 0..4_u8).prop_map(|(a, b)| [10 + a, b, 0, 9].into());
        (address(), address(), prop_oneof![Just(6), Just(17)], prop_oneof![Just(80), Just(81)]).prop_map(
            |(local, remote, protocol, remote_port)| Flow {
                local,
                remote,
                protocol,
                local_port: 1,
                remote_port,
            },
        )
    }

    proptest! {
        /// The quick answer is the slow one: each entry in order, its lines in order; also after some went.
        #[test]
        fn the_index_finds_what_a_walk_through_the_map_finds(
            lists in prop::collection::vec((any::<bool>(), prop::collection::vec(rule(), 0..6)), 0..6),
            flows in prop::collection::vec(flow(), 20),
        ) {
            let mut spd = Spd::default();
            let policies: Vec<(bool, Policy)> =
                (0..).zip(lists).map(|(id, (stays, rules))| (stays, policy(id, rules))).collect();
            policies.iter().for_each(|(_, policy)| spd.insert(policy));
            policies.iter().filter(|(stays, _)| !stays).for_each(|(_, policy)| spd.remove(policy));
            let left = || policies.iter().filter(|(stays, _)| *stays).map(|(_, policy)| policy);
            for flow in flows {
                let slow = left().find_map(|entry| Some((entry.id, entry.permitting(&flow)?)));
                prop_assert_eq!(spd.toward(flow.remote).and_then(|lines| lines.permitting(&flow)), slow);
            }
            prop_assert_eq!(spd.is_empty(), left().all(|policy| policy.rules.is_empty()));
        }
    }
}
