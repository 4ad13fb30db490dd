//! The policies of one port and inside VRF as packets see them: which entry's permit line a flow hits
//! first (RFC 4301 section 4.4.1), found by longest match on the remote address.

use std::collections::BTreeMap;

use base::{PolicyId, Prefix};
use ipsec::{Flow, Policy, Selector};
use vrf::Fib;

#[derive(Default)]
pub(crate) struct Spd {
    /// Every line of every entry, in the order they are tried.
    lines: Vec<Line>,
    /// For each remote prefix that a line names, the lines whose remote prefix covers it, in order.
    by_remote: Fib<Candidates>,
}

/// Mostly there is one: it is at hand with the lookup.
struct Candidates {
    first: Line,
    /// The numbers of the others.
    rest: Box<[u32]>,
}

#[derive(Clone, Copy)]
struct Line {
    policy: PolicyId,
    rule: usize,
    permit: bool,
    selector: Selector,
}

impl Spd {
    /// `entries` in the order they are tried.
    pub(crate) fn new(entries: &[&Policy]) -> Self {
        let lines: Vec<Line> = entries.iter().flat_map(|policy| lines(policy)).collect();
        let mut at: BTreeMap<Prefix, Vec<u32>> = BTreeMap::new();
        for (number, line) in (0_u32..).zip(&lines) {
            at.entry(line.selector.remote).or_default().push(number);
        }
        let candidates = |prefix: &Prefix| {
            let numbers = covering(&at, *prefix);
            let (first, rest) = numbers.split_first()?;
            Some((*prefix, Candidates { first: *lines.get(*first as usize)?, rest: rest.into() }))
        };
        let by_remote = at.keys().filter_map(candidates).collect();
        Self { lines, by_remote }
    }

    /// The first entry whose first matching line permits `flow`, and that line's index in it.
    pub(crate) fn permitting(&self, flow: &Flow) -> Option<(PolicyId, usize)> {
        let mut denied = None;
        let Candidates { first, rest } = self.by_remote.lookup(flow.remote)?;
        let rest = rest.iter().filter_map(|number| self.lines.get(*number as usize));
        for line in core::iter::once(first).chain(rest) {
            if denied == Some(line.policy) || !line.selector.matches(flow) {
                continue;
            }
            if line.permit {
                return Some((line.policy, line.rule));
            }
            denied = Some(line.policy);
        }
        None
    }
}

fn lines(policy: &Policy) -> impl Iterator<Item = Line> {
    policy.rules.iter().enumerate().map(|(rule, line)| Line {
        policy: policy.id,
        rule,
        permit: line.permit,
        selector: line.selector,
    })
}

/// The lines of `prefix` and of every shorter prefix around it, in order.
fn covering(at: &BTreeMap<Prefix, Vec<u32>>, prefix: Prefix) -> Vec<u32> {
    let around = (0..=prefix.length()).filter_map(|length| Prefix::new(prefix.address(), length).ok());
    let mut numbers: Vec<u32> = around.filter_map(|wide| at.get(&wide)).flatten().copied().collect();
    numbers.sort_unstable();
    numbers
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
        /// The quick answer is the slow one: each entry in order, its lines in order.
        #[test]
        fn the_index_finds_what_a_walk_through_the_map_finds(
            lists in prop::collection::vec(prop::collection::vec(rule(), 0..6), 0..6),
            flows in prop::collection::vec(flow(), 20),
        ) {
            let policies: Vec<Policy> = (0..).zip(lists).map(|(id, rules)| policy(id, rules)).collect();
            let spd = Spd::new(&policies.iter().collect::<Vec<_>>());
            for flow in flows {
                let slow = policies.iter().find_map(|entry| Some((entry.id, entry.permitting(&flow)?)));
                prop_assert_eq!(spd.permitting(&flow), slow);
            }
        }
    }
}
