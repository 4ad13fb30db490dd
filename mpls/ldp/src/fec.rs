//! Prefixes: where each goes, its label of ours, and what stands in the tables for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Label, Prefix};

use crate::{Lsp, Route, Swap};

/// All prefixes, and which go to a next hop.
#[derive(Default)]
pub(crate) struct Fecs {
    entries: BTreeMap<Prefix, Entry>,
    by_next_hop: BTreeSet<(IpAddr, Prefix)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) route: Option<Route>,
    pub(crate) bound: Bound,
    /// What the peers know of.
    pub(crate) announced: Option<Label>,
    /// Peers that have not released a withdrawn label yet: it must not mean anything else before.
    pub(crate) owing: usize,
    /// The path in force, as it was put out.
    pub(crate) lsp: Option<Lsp>,
    /// What our label does, as it was put out.
    pub(crate) swap: Option<Swap>,
}

/// The label of the platform's space for a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bound {
    #[default]
    No,
    Asked,
    Label(Label),
    /// There was none left.
    Refused,
}

/// What label of ours a prefix shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Nothing,
    /// The path ends here: implicit or explicit null.
    Null(Label),
    /// One of the platform's space.
    Bound,
}

impl Entry {
    pub(crate) fn label(&self) -> Option<Label> {
        match self.bound {
            Bound::Label(label) => Some(label),
            Bound::No | Bound::Asked | Bound::Refused => None,
        }
    }

    fn is_idle(&self) -> bool {
        let forgotten = matches!(self.bound, Bound::No | Bound::Refused);
        forgotten && (self.route, self.announced, self.lsp) == (None, None, None)
    }

    fn next_hop(&self) -> Option<IpAddr> {
        match self.route? {
            Route::Here => None,
            Route::Via { next_hop, .. } => Some(next_hop),
        }
    }
}

impl Fecs {
    /// Takes an entry out to work on it; [`put`](Self::put) files it again.
    pub(crate) fn take(&mut self, prefix: Prefix) -> Option<Entry> {
        self.entries.remove(&prefix)
    }

    pub(crate) fn put(&mut self, prefix: Prefix, entry: Entry) {
        if !entry.is_idle() {
            self.entries.insert(prefix, entry);
        }
    }

    pub(crate) fn find(&self, prefix: Prefix) -> Option<&Entry> {
        self.entries.get(&prefix)
    }

    pub(crate) fn change(&mut self, prefix: Prefix, change: impl FnOnce(&mut Entry)) {
        change(self.entries.entry(prefix).or_default());
    }

    pub(crate) fn set_route(&mut self, prefix: Prefix, route: Option<Route>) {
        let entry = self.entries.entry(prefix).or_default();
        let old = entry.next_hop();
        entry.route = route;
        let new = entry.next_hop();
        if let Some(old) = old {
            self.by_next_hop.remove(&(old, prefix));
        }
        self.by_next_hop.extend(new.map(|new| (new, prefix)));
    }

    /// The prefixes that go to a next hop.
    pub(crate) fn via(&self, next_hop: IpAddr) -> Vec<Prefix> {
        let lowest = Prefix::any(base::Family::V4);
        let from = self.by_next_hop.range((next_hop, lowest)..);
        from.take_while(|(address, _)| *address == next_hop).map(|(_, prefix)| *prefix).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Prefix, &Entry)> {
        self.entries.iter().map(|(prefix, entry)| (*prefix, entry))
    }

    pub(crate) fn prefixes(&self) -> Vec<Prefix> {
        self.entries.keys().copied().collect()
    }
}
