//! Where the kernel cannot do the same, and why: everything else must be equal.

use std::collections::{BTreeMap, BTreeSet};

use base::{Family, PolicyId};
use dataplane::TtlModel;
use wire::{ip, mpls};

use crate::boxes::Outcome;
use crate::cases::Case;
use crate::config::{POPPED, Setup};
use crate::verdict::{Inner, Left, Opener};

/// What became of a packet, made comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) left: Vec<Left>,
    pub(crate) drops: BTreeMap<&'static str, u64>,
    pub(crate) asked: BTreeSet<(PolicyId, usize)>,
}

impl Seen {
    pub(crate) fn of(outcome: &Outcome, opener: &mut Opener) -> Self {
        Self { left: opener.read(&outcome.frames), drops: outcome.drops.clone(), asked: outcome.asked.clone() }
    }

    fn dropped(&self, name: &str) -> bool {
        self.drops.contains_key(name)
    }

    fn counts_as(&mut self, name: &str, other: &'static str) {
        if let Some(count) = self.drops.remove(name) {
            *self.drops.entry(other).or_default() += count;
        }
    }

    /// Errors told to the sender.
    fn errors(&self) -> bool {
        self.left.iter().any(|left| matches!(left.inner, Inner::Error { .. }))
    }

    fn tells_nobody(&mut self) {
        self.left.retain(|left| !matches!(left.inner, Inner::Error { .. }));
    }
}

/// One difference: turns what the userspace dataplane did into what the kernel must have done, if it applies.
struct Difference {
    name: &'static str,
    #[allow(dead_code, reason = "for the reader")]
    because: &'static str,
    applies: fn(&Context<'_>, &mut Seen),
}

struct Context<'a> {
    setup: &'a Setup,
    case: &'a Case,
    linux: &'a Seen,
    labels: Vec<mpls::Entry>,
    v6: bool,
    /// Of the IP packet as it came.
    ttl: u8,
}

impl Context<'_> {
    fn labelled(&self) -> bool {
        !self.labels.is_empty()
    }
}

/// In this order.
const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "route-first",
        because: "The kernel looks for a route before it looks at the TTL: a packet may die of either.",
        applies: |of, user| {
            let unroutable = of.linux.left.iter().all(|left| matches!(left.inner, Inner::Error { .. }));
            if !of.labelled() && of.ttl <= 1 && user.dropped("ttl-expired") && unroutable && !of.linux.dropped("bad-header") {
                *user = of.linux.clone();
            }
        },
    },
    Difference {
        name: "traffic-class",
        because: "The kernel writes class 0 into every label that it pushes or swaps.",
        applies: |_, user| {
            let labels = user.left.iter_mut().flat_map(|left| &mut left.labels);
            labels.for_each(|label| label.1 = 0);
        },
    },
    Difference {
        name: "ttl-grows",
        because: "The kernel copies the last label's TTL into the packet even if the packet has less left.",
        applies: |of, user| {
            let Some(last) = of.labels.last() else { return };
            let propagates = of.setup.ttl == TtlModel::Uniform || last.label.value() == POPPED;
            if !propagates || of.ttl >= last.ttl {
                return;
            }
            for left in &mut user.left {
                let labelled = !left.labels.is_empty();
                if let Inner::Packet(bytes) = &mut left.inner && left.outer.is_none() | !labelled {
                    ip::set_ttl(bytes, last.ttl - 1).unwrap();
                    left.labels.iter_mut().for_each(|label| label.2 = last.ttl - 1);
                }
            }
        },
    },
    Difference {
        name: "label-errors",
        because: "A packet that dies under its labels, or has no route once they are off, dies silently.",
        applies: |of, user| {
            if of.labelled() && (user.dropped("ttl-expired") || user.dropped("no-route")) {
                user.tells_nobody();
                user.counts_as("ttl-expired", "label-error");
            }
        },
    },
    Difference {
        name: "host-unreachable",
        because: "What ends a VRF's table is a route; it says host, not network, and IPv4 does not count it.",
        applies: |of, user| {
            if !of.labelled() && !of.v6 && user.dropped("no-route") {
                for left in &mut user.left {
                    if let Inner::Error { kind: 3, code, .. } = &mut left.inner {
                        *code = 1;
                    }
                }
                user.drops.remove("no-route");
            }
        },
    },
    Difference {
        name: "tunnel-unreachable",
        because: "Whose packet finds no SA or no policy in a tunnel is told that the host is unreachable.",
        applies: |of, user| {
            let silent = user.dropped("no-sa-yet") || user.dropped("outside-policy");
            if silent && of.linux.errors() {
                let unreachable = if of.v6 { (1, 3) } else { (3, 1) };
                let right = |left: &Left| matches!(&left.inner, Inner::Error { kind, code, .. } if (*kind, *code) == unreachable);
                if of.linux.left.iter().all(right) {
                    user.left = of.linux.left.clone();
                }
            }
        },
    },
    Difference {
        name: "error-ttl",
        because: "Errors of the kernel have TTL 64.",
        applies: |of, user| {
            let ttl = if of.setup.ttl == TtlModel::Pipe { 255 } else { 64 };
            let errors = user.left.iter_mut().filter(|left| matches!(left.inner, Inner::Error { .. }));
            errors.flat_map(|left| &mut left.labels).for_each(|label| label.2 = ttl);
        },
    },
    Difference {
        name: "congestion-passes",
        because: "Congestion marked on the outer packet of a sender that knows no ECN: the kernel lets the packet pass.",
        applies: |of, user| {
            let passes = match &of.linux.left[..] {
                [Left { inner: Inner::Packet(bytes), .. }] => bytes.get(20..) == of.case.inner.get(20..),
                _ => false,
            };
            if user.dropped("congestion-lost") && passes {
                *user = of.linux.clone();
            }
        },
    },
    Difference {
        name: "asked-once",
        because: "The kernel asks IKE for a line once a second.",
        applies: |of, user| {
            if of.linux.asked.is_empty() {
                user.asked.clear();
            }
        },
    },
    Difference {
        name: "asked-twice",
        because: "A packet popped from a label looks for its SA once for itself and once for the error about it.",
        applies: |of, user| {
            if of.labelled() && of.linux.errors() {
                user.drops.iter_mut().for_each(|(_, count)| *count *= 2);
            }
        },
    },
    Difference {
        name: "wrong-null",
        because: "Under an explicit null of the other family the kernel sees a damaged header.",
        applies: |of, user| {
            if of.labels.first().is_some_and(|label| label.label.is_reserved()) {
                user.counts_as("label-stack", "bad-header");
            }
        },
    },
    Difference {
        name: "discarded-twice",
        because: "IPv6 counts what a policy refuses under two names.",
        applies: |of, user| {
            let refused = ["outside-selector", "clear-but-protected"].into_iter().any(|name| user.dropped(name));
            if refused && of.linux.dropped("discarded-in") {
                user.drops.insert("discarded-in", 1);
            }
        },
    },
    Difference {
        name: "counters",
        because: "The kernel counts coarser, and blackholes not at all.",
        applies: |_, user| {
            user.counts_as("ttl-expired", "bad-header");
            user.counts_as("wrong-encap", "sa-mismatch");
            user.counts_as("outside-selector", "sa-mismatch");
            user.counts_as("too-old", "replayed");
            user.drops.remove("discarded");
        },
    },
];

/// The names of the differences that apply.
pub(crate) fn judge(setup: &Setup, case: &Case, user: &Seen, linux: &Seen) -> Result<Vec<&'static str>, String> {
    let mut expected = user.clone();
    let mut names = Vec::new();
    let labels = case.labels();
    let packet = ip::Packet::new_checked(&case.packet[labels.len() * mpls::ENTRY..]).unwrap();
    let of = Context { setup, case, linux, labels, v6: packet.family() == Family::V6, ttl: packet.ttl };
    for difference in DIFFERENCES {
        let before = expected.clone();
        (difference.applies)(&of, &mut expected);
        if expected != before {
            names.push(difference.name);
        }
    }
    if expected == *linux { Ok(names) } else { Err(format!("expected: {expected:?}")) }
}
