//! A label switching router next to us: how we heard of it, its session, and what it told us.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Family, Instant, Label, Prefix};

use crate::discovery::Source;
use crate::fsm::State;
use crate::session::Session;

/// What one peer may make us remember. Beyond it bindings are released and addresses passed over.
pub(crate) const MOST_BINDINGS: usize = 1 << 18;
pub(crate) const MOST_ADDRESSES: usize = 1 << 12;

#[derive(Default)]
pub(crate) struct Peer {
    pub(crate) adjacencies: BTreeSet<Source>,
    /// Where its sessions end, as its hellos say; connections from there are its.
    pub(crate) transport: Option<IpAddr>,
    pub(crate) session: Option<Session>,
    /// Sessions refused in a row.
    pub(crate) failures: u32,
    /// What the operator heard last, so as not to hear it again and again.
    pub(crate) complaint: Option<String>,
    pub(crate) bindings: BTreeMap<Prefix, Binding>,
    /// With the session in which each was last told.
    pub(crate) addresses: BTreeMap<IpAddr, u32>,
    /// Counts sessions: what was told in an older one is stale, RFC 3478 section 3.3.
    pub(crate) epoch: u32,
    pub(crate) stale_until: Option<Instant>,
    /// There was a session since we started.
    pub(crate) known: bool,
    /// Prefixes whose withdrawn label it has not released yet.
    pub(crate) owes: BTreeSet<Prefix>,
    /// The operator knows that it announces too much.
    pub(crate) overflowed: bool,
}

/// A label that a peer announced for a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) label: Label,
    pub(crate) epoch: u32,
}

impl Peer {
    pub(crate) fn operational(&self) -> Option<&Session> {
        self.session.as_ref().filter(|session| session.state == State::Operational)
    }

    /// Whether it wants to hear of a family.
    pub(crate) fn speaks(&self, family: Family) -> bool {
        self.operational().is_some_and(|session| session.families.contains(&family))
    }

    /// Remembers a binding; `false`: there is no room.
    pub(crate) fn bind(&mut self, prefix: Prefix, label: Label) -> bool {
        if self.bindings.len() >= MOST_BINDINGS && !self.bindings.contains_key(&prefix) {
            return false;
        }
        self.bindings.insert(prefix, Binding { label, epoch: self.epoch });
        true
    }

    /// Takes out what was not told again in this session: bindings of one family, or (`None`) everything.
    pub(crate) fn take_stale(&mut self, family: Option<Family>) -> (Vec<Prefix>, Vec<IpAddr>) {
        let epoch = self.epoch;
        let meant = |prefix: &Prefix| family.is_none_or(|family| family == prefix.family());
        let stale = self.bindings.extract_if(.., |prefix, binding| binding.epoch != epoch && meant(prefix));
        let prefixes = stale.map(|(prefix, _)| prefix).collect();
        let stale = self.addresses.extract_if(.., |_, told| *told != epoch && family.is_none());
        (prefixes, stale.map(|(address, _)| address).collect())
    }

    /// Nothing is left that would have to be remembered.
    pub(crate) fn is_idle(&self) -> bool {
        self.adjacencies.is_empty() && self.session.is_none() && self.stale_until.is_none()
    }
}
