//! The list against the walk through the entries that it stands for.

use base::{PortId, VrfId};
use ipsec::{Bundle, DfBit, Flow, Fragmentation, Ports, Rule, Verdict};
use proptest::prelude::*;

use super::region::blocks;
use super::*;

/// Few addresses and ports, so that lines overlap and repeat.
fn prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![
        4 => (0..3_u8, 0..3_u8, 6..=16_u8)
            .prop_map(|(a, b, length)| Prefix::new([10 + a, b, 0, 0].into(), length).unwrap()),
        1 => Just(Prefix::any(Family::V4)),
    ]
}

fn ports() -> impl Strategy<Value = Ports> {
    prop_oneof![
        3 => Just(Ports::ANY),
        1 => Just(Ports::one(80)),
        1 => (70..90_u16, 0..20_u16).prop_map(|(first, more)| Ports { first, last: first + more }),
    ]
}

fn selector() -> impl Strategy<Value = Selector> {
    let six = (0..3_u16).prop_map(|group| {
        let prefix = Prefix::new(
            [0x2001, 0xdb8, group, 0, 0, 0, 0, 0]
                .map(u16::to_be_bytes)
                .concat()
                .as_slice()
                .try_into()
                .map(|octets: [u8; 16]| octets.into())
                .unwrap(),
            48,
        );
        Selector::between(Prefix::any(Family::V6), prefix.unwrap())
    });
    let four = (prefix(), prefix(), prop::option::of(Just(6)), ports(), ports()).prop_map(
        |(local, remote, protocol, local_ports, remote_ports)| Selector {
            local,
            remote,
            protocol,
            local_ports,
            remote_ports,
        },
    );
    prop_oneof![9 => four, 1 => six]
}

fn rules(deny: bool) -> impl Strategy<Value = Vec<Rule>> {
    let permit = if deny { prop_oneof![Just(true), Just(false)].boxed() } else { Just(true).boxed() };
    prop::collection::vec((permit, selector()).prop_map(|(permit, selector)| Rule { permit, selector }), 0..4)
}

fn policy() -> impl Strategy<Value = Policy> {
    let bundles = prop::collection::vec((selector(), 1..9_u32), 0..3);
    let rules = prop_oneof![2 => rules(false), 1 => rules(true)];
    (1..7_u32, 1..4_u32, rules, bundles).prop_map(|(id, sequence, rules, bundles)| Policy {
        id: PolicyId(id),
        port: PortId(1),
        sequence,
        front: VrfId(1),
        inside: VrfId(2),
        rules,
        bundles: bundles.into_iter().map(|(selector, sa)| Bundle { selector, outbound: SaId(sa) }).collect(),
        df: DfBit::Copy,
        fragmentation: Fragmentation::BeforeEncryption,
        interface: None,
    })
}

/// A policy comes, changes or goes.
fn steps() -> impl Strategy<Value = Vec<(bool, Policy)>> {
    prop::collection::vec((prop::bool::weighted(0.8), policy()), 1..12)
}

fn flow() -> impl Strategy<Value = Flow> {
    let address = || (0..4_u8, 0..4_u8).prop_map(|(a, b)| [10 + a, b, 0, 9].into());
    let port = || prop_oneof![Just(80), 60..100_u16];
    (address(), address(), prop_oneof![Just(6), Just(17)], port(), port()).prop_map(
        |(local, remote, protocol, local_port, remote_port)| Flow {
            local,
            remote,
            protocol,
            local_port,
            remote_port,
        },
    )
}

/// What an entry says, or the kernel's list.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Seal(SaId),
    Acquire(PolicyId, usize),
    Nothing,
}

fn walk(entries: &BTreeMap<PolicyId, Policy>, flow: &Flow) -> Said {
    let mut order: Vec<&Policy> = entries.values().collect();
    order.sort_by_key(|policy| (policy.sequence, policy.id));
    let said = order.into_iter().find_map(|policy| match policy.judge(flow) {
        Verdict::Seal(sa) => Some(Said::Seal(sa)),
        Verdict::Acquire(rule) => Some(Said::Acquire(policy.id, rule)),
        Verdict::Pass => None,
    });
    said.unwrap_or(Said::Nothing)
}

/// As the kernel looks a packet up in what it was told to hold.
fn look_up(spd: &Spd, kernel: &BTreeMap<Selector, Line>, flow: &Flow) -> Said {
    let matching = kernel.iter().filter(|(selector, _)| selector.matches(flow));
    match matching.min_by_key(|(_, line)| line.priority).map(|(_, line)| line.action) {
        Some(Action::Seal(sa)) => Said::Seal(sa),
        Some(Action::Acquire { ticket }) => {
            let (policy, rule) = spd.asked(ticket).unwrap();
            Said::Acquire(policy, rule)
        }
        Some(Action::Pass | Action::Block) | None => Said::Nothing,
    }
}

fn tell(kernel: &mut BTreeMap<Selector, Line>, changes: Vec<Change>) {
    for (selector, line) in changes {
        match line {
            Some(line) => kernel.insert(selector, line),
            None => kernel.remove(&selector),
        };
    }
}

proptest! {
    /// Of packets of the port's own VRF: the same, but what no entry speaks of passes, unless its ports matter and
    /// cannot be seen.
    #[test]
    fn the_list_of_the_ports_own_vrf_lets_pass_what_no_entry_speaks_of(
        policies in prop::collection::vec(policy(), 0..5),
        flows in prop::collection::vec(flow(), 40),
    ) {
        let (mut spd, mut entries) = (Spd::own(), BTreeMap::new());
        for policy in policies {
            spd.set(&policy);
            entries.insert(policy.id, policy);
        }
        let kernel: BTreeMap<_, _> = spd.lines().collect();
        for flow in &flows {
            prop_assert_eq!(look_up(&spd, &kernel, flow), walk(&entries, flow));
            let unseen = Flow { local_port: 0, remote_port: 0, ..*flow };
            if look_up(&spd, &kernel, &unseen) == Said::Nothing && walk(&entries, flow) != Said::Nothing {
                let blocks = kernel.iter().filter(|(selector, _)| selector.matches(&unseen));
                let first = blocks.min_by_key(|(_, line)| line.priority);
                prop_assert_eq!(first.map(|(_, line)| line.action), Some(Action::Block));
            }
        }
    }

    /// Also after any sequence of sets and unsets, of which only the changes were told.
    #[test]
    fn the_list_says_of_every_flow_what_the_entries_say_in_their_order(
        steps in steps(),
        flows in prop::collection::vec(flow(), 40),
    ) {
        let (mut spd, mut entries) = (Spd::default(), BTreeMap::new());
        let mut kernel = BTreeMap::new();
        for (stays, policy) in steps {
            if stays {
                tell(&mut kernel, spd.set(&policy));
                entries.insert(policy.id, policy);
            } else {
                tell(&mut kernel, spd.unset(policy.id));
                entries.remove(&policy.id);
            }
            prop_assert!(kernel == spd.lines().collect::<BTreeMap<_, _>>());
            for flow in &flows {
                prop_assert_eq!(look_up(&spd, &kernel, flow), walk(&entries, flow));
            }
        }
        prop_assert!(kernel.keys().all(|selector| blocks(selector).eq([*selector])));
        prop_assert_eq!(spd.is_empty(), entries.is_empty());
        if entries.is_empty() {
            prop_assert!(kernel.is_empty() && spd.tickets.is_empty() && spd.asked.is_empty());
        }
    }

    #[test]
    fn what_is_set_again_changes_nothing(policies in prop::collection::vec(policy(), 1..6)) {
        let mut spd = Spd::default();
        let last: BTreeMap<_, _> = policies.iter().map(|policy| (policy.id, policy)).collect();
        policies.iter().for_each(|policy| drop(spd.set(policy)));
        for policy in last.values() {
            prop_assert_eq!(spd.set(policy), Vec::new());
        }
    }

    #[test]
    fn a_range_of_ports_is_made_up_of_blocks_that_do_not_overlap(first: u16, more: u16, port: u16) {
        let ports = Ports { first, last: first.saturating_add(more) };
        let any = Prefix::any(Family::V4);
        let selector = Selector { remote_ports: ports, ..Selector::between(any, any) };
        let holds = blocks(&selector).filter(|block| block.remote_ports.contains(port)).count();
        prop_assert_eq!(holds, usize::from(ports.contains(port)));
        for block in blocks(&selector) {
            let size = u32::from(block.remote_ports.last) - u32::from(block.remote_ports.first) + 1;
            prop_assert!(size.is_power_of_two() && u32::from(block.remote_ports.first) % size == 0);
        }
    }
}

/// As [`policy`], of one peer: what it is to be sent, and through which SA.
fn leaf(number: u32) -> Policy {
    let octets = number.to_be_bytes();
    let remote = Prefix::new([11, octets[2], octets[3], 0].into(), 24).unwrap();
    let selector = Selector::between(Prefix::any(Family::V4), remote);
    Policy {
        id: PolicyId(number),
        port: PortId(1),
        sequence: 65_534,
        front: VrfId(1),
        inside: VrfId(2),
        rules: vec![Rule { permit: true, selector }],
        bundles: vec![Bundle { selector, outbound: SaId(number) }],
        df: DfBit::Copy,
        fragmentation: Fragmentation::BeforeEncryption,
        interface: None,
    }
}

#[test]
fn ten_thousand_peers_under_one_entry_cost_each_its_own_lines() {
    let mut spd = Spd::default();
    let mut changes = 0;
    for number in 1..=10_000 {
        changes += spd.set(&leaf(number)).len();
    }
    assert_eq!(spd.lines().count(), 10_000 + 2);
    let lines = spd.lines().filter(|(_, line)| *line != BEHIND);
    let lines: BTreeMap<u32, Action> = lines.map(|(_, line)| (line.priority, line.action)).collect();
    assert!(lines.into_values().eq((1..=10_000).map(|number| Action::Seal(SaId(number)))));
    assert!(changes < 20_000, "priorities were spread too often: {changes}");
    for number in 1..=10_000 {
        assert_eq!(spd.unset(PolicyId(number)).len(), if number == 10_000 { 3 } else { 1 });
    }
    assert!(spd.is_empty() && spd.places.is_empty() && spd.rivals.is_empty() && spd.of_entry.is_empty());
}

#[test]
fn the_same_deny_line_in_every_entry_costs_each_entry_its_own_lines() {
    let deny = Rule { permit: false, selector: leaf(9_999).rules[0].selector };
    let mut spd = Spd::default();
    for number in 1..=200 {
        let mut policy = leaf(number);
        policy.sequence = number;
        policy.rules.insert(0, deny);
        spd.set(&policy);
    }
    assert_eq!(spd.lines().count(), 201 + 2);
    assert_eq!(spd.line(&deny.selector).map(|line| line.action), Some(Action::Block));
}
