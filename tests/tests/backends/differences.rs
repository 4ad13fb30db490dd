//! Where the kernel cannot do the same, and why: everything else must be equal.

use std::collections::{BTreeMap, BTreeSet};

use base::{Family, PolicyId};
use dataplane::TtlModel;
use ipsec::Flow;
use wire::{ip, mpls, udp};

use crate::boxes::{Counts, Outcome};
use crate::cases::Case;
use crate::config::{INTO, POPPED, Setup, VPN, WANS};
use crate::verdict::{Inner, Left, Opener};

/// What became of a packet, made comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) left: Vec<Left>,
    pub(crate) drops: Counts,
    pub(crate) asked: BTreeSet<(PolicyId, usize)>,
}

impl Seen {
    pub(crate) fn of(outcome: &Outcome, opener: &mut Opener) -> Self {
        Self {
            left: opener.read(&outcome.frames),
            drops: outcome.drops.clone(),
            asked: outcome.asked.clone(),
        }
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

    /// The TTL that the kernel writes into a packet whose last label goes.
    fn handed_down(&self) -> Option<u8> {
        let last = self.labels.last()?;
        if self.labels.iter().filter(|label| !label.label.is_reserved()).count() > 1 {
            return None;
        }
        let into =
            INTO.iter().any(|(label, _)| *label == last.label.value()) && self.setup.ttl == TtlModel::Uniform;
        (into || last.label.value() == POPPED || last.label.is_reserved()).then(|| last.ttl - 1)
    }

    /// The TTL that the labels have which the packet gets.
    fn hand_up(&self, ttl: u8, labels: &mut [(u32, u8, u8)]) {
        if self.setup.ttl == TtlModel::Uniform {
            labels.iter_mut().for_each(|label| label.2 = ttl);
        }
    }

    /// Whether what the kernel sent on is this packet, whatever its header became on the way.
    fn passes(&self) -> bool {
        let same = |left: &Left| match &left.inner {
            Inner::Packet(bytes) => bytes.get(40..) == self.case.inner.get(40..),
            Inner::Error { .. } => true,
            Inner::Unreadable(_) => false,
        };
        self.linux.left.iter().all(same)
    }

    /// By explicit null.
    fn ends_in_null(&self) -> bool {
        self.labels.last().is_some_and(|label| label.label.is_reserved())
    }

    fn by_ports(&self) -> bool {
        let mut rules = self.setup.tunnels.iter().flat_map(|tunnel| &tunnel.policy.rules);
        rules.any(|rule| !rule.selector.remote_ports.is_any())
    }

    /// Whether a deny line of the packet's own VRF denies it, and would not if it had other ports.
    fn passes_a_denial(&self) -> bool {
        let Ok(packet) = ip::Packet::new_checked(&self.case.inner) else { return false };
        let Ok(datagram) = udp::Packet::new_checked(packet.payload()) else { return false };
        let flow = Flow {
            local: packet.src,
            remote: packet.dst,
            protocol: packet.protocol,
            local_port: datagram.src_port(),
            remote_port: datagram.dst_port(),
        };
        let own = self.setup.tunnels.iter().filter(|tunnel| tunnel.policy.inside == tunnel.policy.front);
        let denials = own.flat_map(|tunnel| &tunnel.policy.rules).filter(|rule| !rule.permit);
        denials.map(|rule| rule.selector).any(|line| !line.remote_ports.is_any() && line.matches(&flow))
    }

    /// Whether the kernel sent it by a port with a crypto map as it is.
    fn leaves_clear(&self) -> bool {
        let bare = |left: &Left| {
            left.outer.is_none() && left.labels.is_empty() && matches!(left.inner, Inner::Packet(_))
        };
        self.linux.left.iter().any(|left| bare(left) && WANS.contains(&left.port))
    }

    fn inner_tos(&self) -> Option<u8> {
        ip::Packet::new_checked(&self.case.inner).ok().map(|packet| packet.tos)
    }
}

/// In this order.
const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "route-first",
        because: "The kernel looks for a route before it looks at the TTL: a packet may die of either.",
        applies: |of, user| {
            let unroutable = of.linux.left.iter().all(|left| matches!(left.inner, Inner::Error { .. }));
            if !of.labelled()
                && of.ttl <= 1
                && user.dropped("ttl-expired")
                && unroutable
                && !of.linux.dropped("bad-header")
            {
                *user = of.linux.clone();
            }
        },
    },
    Difference {
        name: "traffic-class",
        because: "The kernel writes class 0 into every label that it pushes or swaps.",
        applies: |of, user| {
            let came = of.labels.get(1).map(|inner| inner.label.value());
            let labels = user.left.iter_mut().flat_map(|left| &mut left.labels);
            labels.filter(|label| Some(label.0) != came).for_each(|label| label.1 = 0);
        },
    },
    Difference {
        name: "ttl-grows",
        because: "The kernel copies the last label's TTL into the packet even if the packet has less left; that of explicit \
                  null in the pipe model, too.",
        applies: |of, user| {
            let grows = |ttl: &u8| *ttl > 0 && (*ttl > of.ttl - 1 || of.ends_in_null());
            let Some(ttl) = of.handed_down().filter(grows) else { return };
            for left in &mut user.left {
                if let Inner::Packet(bytes) = &mut left.inner {
                    ip::set_ttl(bytes, ttl).unwrap();
                    of.hand_up(ttl, &mut left.labels);
                }
            }
        },
    },
    Difference {
        name: "label-saves",
        because: "Under a label with TTL left the kernel does not look at the packet's own.",
        applies: |of, user| {
            let lives = of.labels.iter().all(|label| label.ttl > 1);
            if lives && of.ttl <= 1 && user.dropped("ttl-expired") && of.passes() {
                *user = of.linux.clone();
            }
        },
    },
    Difference {
        name: "extra-hop",
        because: "Explicit null leads over the device lo, which is one more hop.",
        applies: |of, user| {
            if !of.ends_in_null() || of.ttl <= 1 {
                return;
            }
            for left in &mut user.left {
                if let Inner::Packet(bytes) = &mut left.inner {
                    let ttl = ip::Packet::new_checked(bytes).unwrap().ttl - 1;
                    ip::set_ttl(bytes, ttl).unwrap();
                    of.hand_up(ttl, &mut left.labels);
                }
            }
            if of.linux.dropped("bad-header") && of.labels.iter().any(|label| label.ttl <= 2) {
                *user = of.linux.clone();
            }
        },
    },
    Difference {
        name: "ecn-inward",
        because: "The kernel does not carry ECT(1) from the outer packet to the inner one (RFC 6040 section 4.2).",
        applies: |of, user| {
            let tos = of.inner_tos();
            for left in &mut user.left {
                if let (None, Inner::Packet(bytes), Some(tos), 2 | 1) =
                    (&left.outer, &mut left.inner, tos, tos.unwrap_or(0) & 3)
                    && ip::Packet::new_checked(bytes).is_ok_and(|packet| packet.tos & 3 == 1)
                {
                    ip::set_tos(bytes, tos).unwrap();
                }
            }
        },
    },
    Difference {
        name: "ecn-outward",
        because: "The kernel does not copy congestion experienced to the outer packet (RFC 3168 section 9.1.1).",
        applies: |_, user| {
            let outers = user.left.iter_mut().filter_map(|left| left.outer.as_mut());
            outers.filter(|outer| outer.tos & 3 == 3).for_each(|outer| outer.tos ^= 1);
        },
    },
    Difference {
        name: "size-first",
        because: "The kernel looks at a tunnel's MTU before it looks for a policy and an SA.",
        applies: |of, user| {
            let told = |left: &Left| {
                matches!(
                    left.inner,
                    Inner::Error { kind: 3, code: 4, .. } | Inner::Error { kind: 2, code: 0, .. }
                )
            };
            let silent = user.dropped("no-sa-yet") || user.dropped("outside-policy");
            if silent && of.linux.dropped("too-big") && of.linux.left.iter().all(told) {
                *user = of.linux.clone();
            }
        },
    },
    Difference {
        name: "label-errors",
        because: "A packet that dies under its labels, or has no route once they are off, dies silently; and the label is \
                  looked up before its TTL is looked at.",
        applies: |of, user| {
            if !of.labelled() {
                return;
            }
            if user.dropped("ttl-expired") || user.dropped("no-route") {
                user.tells_nobody();
            }
            if user.drops.remove("ttl-expired").is_some() {
                // What becomes of the error along the path counts, too.
                let name = if of.linux.dropped("no-label") { "no-label" } else { "label-error" };
                user.drops = BTreeMap::from([(name, 1)]);
            }
            for name in ["no-route", "discarded", "label-stack"] {
                if !of.ends_in_null() {
                    user.counts_as(name, "vrf-unsent");
                }
            }
        },
    },
    Difference {
        name: "label-too-big",
        because: "What does not fit under its labels dies silently; off its last one its sender is told, and it counts twice, \
                  where it would have been sealed under another name.",
        applies: |of, user| {
            if !of.labelled() || !user.dropped("too-big") {
                return;
            }
            if of.linux.dropped("seal-failed") {
                user.counts_as("too-big", "seal-failed");
            }
            if of.linux.dropped("label-unsent") {
                user.tells_nobody();
                user.drops = BTreeMap::from([("label-unsent", 1)]);
            } else if of.linux.dropped("vrf-unsent") {
                user.drops.insert("vrf-unsent", 1);
            }
        },
    },
    Difference {
        name: "inner-label",
        because: "When the outer label goes, the kernel leaves the inner one as it is.",
        applies: |of, user| {
            if let [outer, inner] = of.labels[..]
                && outer.label.value() == POPPED
            {
                let label = (inner.label.value(), inner.tc, inner.ttl);
                user.left.iter_mut().for_each(|left| left.labels = vec![label]);
            }
        },
    },
    Difference {
        name: "pieces-first",
        because: "What is longer than a tunnel's MTU is cut before policies see it, and they see no ports in pieces.",
        applies: |of, user| {
            let long = of.case.inner.len() > 1300 && !of.v6;
            if long && of.by_ports() && of.passes() && !of.leaves_clear() && user.left != of.linux.left {
                *user = of.linux.clone();
            }
        },
    },
    Difference {
        name: "nobodys",
        because: "Where a crypto map has no entry at all for a VRF the route is a black hole, which nobody counts.",
        applies: |of, user| {
            let known: BTreeSet<&str> = of.linux.drops.keys().copied().collect();
            if of.linux.left.is_empty() && known.is_empty() {
                user.drops.remove("outside-policy");
            } else if of.labelled() && known == BTreeSet::from(["vrf-unsent"]) {
                user.counts_as("outside-policy", "vrf-unsent");
            }
        },
    },
    Difference {
        name: "no-ports-popped",
        because: "A packet popped into the VRF of its crypto port shows policies no ports: lines that permit ports block \
                  it, and deny lines with ports let it go on to the lines behind them, which protect it.",
        applies: |of, user| {
            let blocked = of.linux.left.is_empty() && of.linux.dropped("outside-policy");
            let protected = !of.leaves_clear() && user.left.iter().all(|left| left.outer.is_none());
            if of.labelled() && (of.by_ports() && blocked || of.passes_a_denial() && protected) {
                *user = of.linux.clone();
            }
        },
    },
    Difference {
        name: "error-by-output",
        because: "IPv6 sends packet-too-big in the VRF of the port that the packet would have left by: the core's.",
        applies: |of, user| {
            if let ([left], [there]) = (&mut user.left[..], &of.linux.left[..])
                && matches!(left.inner, Inner::Error { kind: 2, .. })
                && (there.labels.first().is_some_and(|label| label.0 == VPN) || there.port == WANS[2])
            {
                (left.port, left.to, left.labels) = (there.port, there.to, there.labels.clone());
            }
        },
    },
    Difference {
        name: "tunnel-mtu",
        because: "A tunnel's MTU is that of the longest overhead of its SAs, and IPv6 counts twice what is too big.",
        applies: |of, user| {
            if let ([sealed], [Left { inner: Inner::Error { mtu, .. }, .. }]) =
                (&user.left[..], &of.linux.left[..])
                && sealed.outer.is_some()
                && (1360..of.case.inner.len()).contains(&usize::from(*mtu))
            {
                *user = of.linux.clone();
            }
            for (left, there) in user.left.iter_mut().zip(&of.linux.left) {
                if let (Inner::Error { mtu, .. }, Inner::Error { mtu: told, .. }) =
                    (&mut left.inner, &there.inner)
                    && (*told..*told + 64).contains(mtu)
                {
                    *mtu = *told;
                }
            }
            if let (Some(count), true) = (user.drops.get_mut("too-big"), of.v6) {
                *count = of.linux.drops.get("too-big").copied().unwrap_or(2);
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
            if user.dropped("congestion-lost") && of.passes() {
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
        name: "counted-twice",
        because: "Each piece of a packet, and the error about one popped from a label, looks for a policy and an SA.",
        applies: |of, user| {
            for name in ["no-sa-yet", "outside-policy"] {
                if let (Some(count), Some(2)) = (user.drops.get_mut(name), of.linux.drops.get(name)) {
                    *count = 2;
                }
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
            let refused = ["outside-selector", "clear-but-protected", "no-sa-yet"]
                .into_iter()
                .any(|name| user.dropped(name));
            if refused && of.linux.dropped("discarded-in") {
                user.drops.insert("discarded-in", 1);
            }
        },
    },
    Difference {
        name: "counters",
        because: "The kernel counts coarser, and blackholes not at all.",
        applies: |of, user| {
            user.counts_as("ttl-expired", "bad-header");
            user.counts_as("wrong-encap", "sa-mismatch");
            // Of the other family; outside a crypto map of the port's own VRF.
            let outside =
                ["clear-but-protected", "no-tunnel"].into_iter().find(|name| of.linux.dropped(name));
            user.counts_as("outside-selector", outside.unwrap_or("sa-mismatch"));
            user.counts_as("too-old", "replayed");
            // With another front VRF's key.
            let name = if of.linux.dropped("replayed") { "replayed" } else { "bad-icv" };
            user.counts_as("esp-malformed", name);
            user.counts_as("bad-icv", name);
            user.drops.remove("discarded");
        },
    },
];

/// What is said of a difference.
pub(crate) fn reason(name: &str) -> &'static str {
    DIFFERENCES.iter().find(|difference| difference.name == name).map_or("", |difference| difference.because)
}

/// The names of the differences that apply.
pub(crate) fn judge(
    setup: &Setup,
    case: &Case,
    user: &Seen,
    linux: &Seen,
) -> Result<Vec<&'static str>, String> {
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
    if expected == *linux { Ok(names) } else { Err(format!("expected: {expected:?}, by {names:?}")) }
}
