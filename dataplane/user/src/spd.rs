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
    by_remote: Fib<Box<[u32]>>,
}

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
        let mut by_remote = Fib::default();
        for prefix in at.keys() {
            by_remote.insert(*prefix, covering(&at, *prefix));
        }
        Self { lines, by_remote }
    }

    /// The first entry whose first matching line permits `flow`, and that line's index in it.
    pub(crate) fn permitting(&self, flow: &Flow) -> Option<(PolicyId, usize)> {
        let mut denied = None;
        for number in self.by_remote.lookup(flow.remote)? {
            let line = self.lines.get(usize::try_from(*number).ok()?)?;
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
fn covering(at: &BTreeMap<Prefix, Vec<u32>>, prefix: Prefix) -> Box<[u32]> {
    let around = (0..=prefix.length()).filter_map(|length| Prefix::new(prefix.address(), length).ok());
    let mut numbers: Vec<u32> = around.filter_map(|wide| at.get(&wide)).flatten().copied().collect();
    numbers.sort_unstable();
    numbers.into_boxed_slice()
}
