//! `debug bgp`, `debug mpls ldp`: what sessions do and which routes and labels come and go, as lines of the log.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base::{Instant, Label, Prefix};
use bgp::{Exit, PeerId};
use ldp::LdpId;

use super::neighbors;
use crate::{Notice, Pe};

/// What is on, and what was last seen of sessions.
#[derive(Default)]
pub(crate) struct Debug {
    pub(crate) ipsec: bool,
    pub(crate) bgp: Option<BTreeMap<PeerId, Seen>>,
    pub(crate) ldp: Option<BTreeMap<LdpId, Seen>>,
}

/// State, and messages received and sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    state: String,
    received: u64,
    sent: u64,
}

/// Lines about one batch of routes; more would wash everything else out of the log.
const ROUTES: usize = 20;

impl Pe {
    pub(crate) fn debug_bgp(&mut self, on: bool) {
        self.debug.bgp = on.then(|| bgp_seen(self));
    }

    pub(crate) fn debug_ldp(&mut self, now: Instant, on: bool) {
        self.debug.ldp = on.then(|| ldp_seen(self, now));
    }

    /// What became of sessions since last asked.
    pub(crate) fn debug_sessions(&mut self, now: Instant) {
        let mut lines = Vec::new();
        if let Some(before) = self.debug.bgp.take() {
            let seen = bgp_seen(self);
            let name = |peer: &PeerId| match self.vrf_name(peer.vrf) {
                Some(vrf) => format!("BGP: {} vrf {vrf}", peer.address),
                None => format!("BGP: {}", peer.address),
            };
            lines.extend(changes(&before, &seen, name));
            self.debug.bgp = Some(seen);
        }
        if let Some(before) = self.debug.ldp.take() {
            let seen = ldp_seen(self, now);
            lines.extend(changes(&before, &seen, |peer| format!("ldp: {peer}")));
            self.debug.ldp = Some(seen);
        }
        lines.into_iter().for_each(|text| self.notice(now, Notice::Debug { text }));
    }

    pub(crate) fn debug_routes(&mut self, now: Instant, changes: &[bgp::Change]) {
        if self.debug.bgp.is_none() {
            return;
        }
        let line = |change: &bgp::Change| {
            let vrf = self.vrf_name(change.vrf).unwrap_or("global");
            let prefix = change.prefix;
            match change.route {
                None => format!("BGP: vrf {vrf}: {prefix} withdrawn"),
                Some(route) => format!(
                    "BGP: vrf {vrf}: {prefix} [{}/{}] {}",
                    route.distance,
                    route.metric,
                    self.exit(route.to)
                ),
            }
        };
        let mut lines: Vec<_> = changes.iter().take(ROUTES).map(line).collect();
        if let Some(more) = changes.len().checked_sub(ROUTES).filter(|more| *more > 0) {
            lines.push(format!("BGP: and {more} routes more"));
        }
        lines.into_iter().for_each(|text| self.notice(now, Notice::Debug { text }));
    }

    pub(crate) fn debug_lsp(&mut self, now: Instant, prefix: Prefix, lsp: Option<ldp::Lsp>) {
        if self.debug.ldp.is_none() {
            return;
        }
        let text = match lsp {
            None => format!("ldp: {prefix}: no label-switched path any more"),
            Some(lsp) => format!("ldp: {prefix}: {} via {} of {}", label(lsp.label), lsp.next_hop, lsp.peer),
        };
        self.notice(now, Notice::Debug { text });
    }

    fn exit(&self, to: Exit) -> String {
        match to {
            Exit::Gateway(gateway) => format!("via {gateway}"),
            Exit::Labelled { next_hop, label } => format!("via {next_hop} label {label}"),
            Exit::Vrf(vrf) => format!("in vrf {}", self.vrf_name(vrf).unwrap_or("global")),
        }
    }
}

fn bgp_seen(pe: &Pe) -> BTreeMap<PeerId, Seen> {
    let seen = |view: bgp::NeighborView| {
        let (received, sent) = (view.status.received.messages, view.status.sent.messages);
        (view.status.peer, Seen { state: neighbors::word(view.status.state).to_owned(), received, sent })
    };
    pe.bgp.neighbors().into_iter().map(seen).collect()
}

fn ldp_seen(pe: &Pe, now: Instant) -> BTreeMap<LdpId, Seen> {
    let seen = |of: ldp::Neighbour| {
        let (received, sent) =
            of.connection.map_or((0, 0), |connection| (connection.received, connection.sent));
        (of.peer, Seen { state: of.state.to_string(), received, sent })
    };
    pe.ldp.neighbours(now).into_iter().map(seen).collect()
}

fn changes<K: Ord>(
    before: &BTreeMap<K, Seen>,
    now: &BTreeMap<K, Seen>,
    name: impl Fn(&K) -> String,
) -> Vec<String> {
    let gone = before.iter().filter(|(peer, _)| !now.contains_key(peer));
    let gone = gone.map(|(peer, _)| format!("{} is gone", name(peer)));
    let changed = now
        .iter()
        .filter_map(|(peer, of)| Some(format!("{}{}", name(peer), difference(before.get(peer), of)?)));
    gone.chain(changed).collect()
}

/// `None`: nothing happened.
fn difference(before: Option<&Seen>, now: &Seen) -> Option<String> {
    let nothing = Seen { state: "nothing".to_owned(), received: 0, sent: 0 };
    let before = before.unwrap_or(&nothing);
    let mut text = String::new();
    if before.state != now.state {
        // Writing to a String cannot fail.
        let _ = write!(text, " went from {} to {}", before.state, now.state);
    }
    let counts = [("rcv", before.received, now.received), ("send", before.sent, now.sent)];
    for (way, before, now) in counts.into_iter().filter(|(_, before, now)| before < now) {
        let _ = write!(text, "{} {way} {} messages", if text.is_empty() { "" } else { "," }, now - before);
    }
    (!text.is_empty()).then_some(text)
}

fn label(label: Label) -> String {
    if label == Label::IMPLICIT_NULL { "implicit null".to_owned() } else { format!("label {label}") }
}
