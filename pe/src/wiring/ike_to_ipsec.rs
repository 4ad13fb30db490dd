//! Negotiated children become pairs of SAs, and the outbound ones bundles of their policy.

use std::collections::BTreeMap;

use base::{PolicyId, SaId, Spi};
use ike::{Child, ChildId, Endpoints};
use ipsec::{Bundle, Direction, Sa, Sad, Selector};

/// Every tunnel that is up, and the SPI space behind them.
#[derive(Default)]
pub(crate) struct Tunnels {
    sad: Sad,
    pairs: BTreeMap<ChildId, Pair>,
    children: BTreeMap<SaId, ChildId>,
    /// By the policy that sends through them, newest first.
    bundles: BTreeMap<PolicyId, Vec<Bundle>>,
    /// Policies that stand for what was negotiated under a dynamic entry, while it is up.
    leaves: BTreeMap<PolicyId, BTreeMap<Selector, PolicyId>>,
    entries: BTreeMap<PolicyId, (PolicyId, Selector)>,
    /// Never reused, so that a late event about an SA cannot hit its successor.
    last: u32,
}

/// Both directions of one child.
#[derive(Clone)]
pub(crate) struct Pair {
    /// The crypto-map entry.
    pub(crate) policy: PolicyId,
    /// The policy that sends through it: the entry's own, or a leaf.
    pub(crate) carrier: PolicyId,
    pub(crate) inbound: Sa,
    pub(crate) outbound: Sa,
    /// Whether it is up; until then only the inbound SA is in force.
    pub(crate) up: bool,
}

impl Pair {
    /// The SAs in force.
    pub(crate) fn sas(&self) -> impl Iterator<Item = &Sa> {
        [Some(&self.inbound), self.up.then_some(&self.outbound)].into_iter().flatten()
    }
}

impl Tunnels {
    /// An SPI for a negotiation; `None` when the space is full.
    pub(crate) fn reserve(&mut self, random: u32) -> Option<Spi> {
        self.sad.reserve(random)
    }

    /// An SPI whose negotiation came to nothing.
    pub(crate) fn release(&mut self, spi: Spi) {
        self.sad.release(spi);
    }

    /// A pair that may receive already; nothing if it is known.
    pub(crate) fn ready(&mut self, child: &Child) {
        if self.pairs.contains_key(&child.id) {
            return;
        }
        let (inbound, outbound) = (self.number(child.id), self.number(child.id));
        let pair = Pair {
            policy: child.policy,
            carrier: child.policy,
            inbound: sa(child, inbound, Direction::In),
            outbound: sa(child, outbound, Direction::Out),
            up: false,
        };
        self.pairs.insert(child.id, pair);
    }

    /// The pair carries outbound traffic, ahead of older ones. `leaf` is `Some` under a dynamic entry: a
    /// policy for its selector alone, made anew unless there is one.
    pub(crate) fn up(&mut self, child: &Child, leaf: Option<&mut dyn FnMut() -> PolicyId>) {
        self.ready(child);
        let carrier = leaf.map_or(child.policy, |fresh| self.leaf(child.policy, child.selector, fresh));
        let Some(pair) = self.pairs.get_mut(&child.id) else { return };
        (pair.up, pair.carrier) = (true, carrier);
        let bundle = Bundle { selector: child.selector, outbound: pair.outbound.id };
        let bundles = self.bundles.entry(carrier).or_default();
        bundles.retain(|older| older.outbound != bundle.outbound);
        bundles.insert(0, bundle);
    }

    /// The pair sends no more, but receives until it goes down.
    pub(crate) fn silence(&mut self, id: ChildId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        let Some(bundles) = self.bundles.get_mut(&pair.carrier) else { return };
        bundles.retain(|bundle| bundle.outbound != pair.outbound.id);
        if bundles.is_empty() {
            self.bundles.remove(&pair.carrier);
            if let Some((entry, selector)) = self.entries.remove(&pair.carrier)
                && let Some(leaves) = self.leaves.get_mut(&entry)
            {
                leaves.remove(&selector);
            }
        }
    }

    /// The peer is somewhere else now.
    pub(crate) fn moved(&mut self, id: ChildId, to: Endpoints) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        for sa in [&mut pair.inbound, &mut pair.outbound] {
            (sa.local, sa.remote, sa.encap) = (to.local, to.remote, to.encap);
        }
    }

    /// Forgets a pair and frees its SPI.
    pub(crate) fn down(&mut self, id: ChildId) -> Option<Pair> {
        self.silence(id);
        let pair = self.pairs.remove(&id)?;
        self.children.remove(&pair.inbound.id);
        self.children.remove(&pair.outbound.id);
        self.sad.release(pair.inbound.spi);
        Some(pair)
    }

    /// Of one policy, newest first.
    pub(crate) fn bundles(&self, carrier: PolicyId) -> &[Bundle] {
        self.bundles.get(&carrier).map_or(&[], Vec::as_slice)
    }

    /// The dynamic entry that a leaf belongs to, and what the leaf permits.
    pub(crate) fn entry_of(&self, leaf: PolicyId) -> Option<(PolicyId, Selector)> {
        self.entries.get(&leaf).copied()
    }

    pub(crate) fn leaves(&self) -> impl Iterator<Item = PolicyId> {
        self.entries.keys().copied()
    }

    /// Those of one dynamic entry.
    pub(crate) fn leaves_of(&self, entry: PolicyId) -> impl Iterator<Item = PolicyId> {
        self.leaves.get(&entry).into_iter().flat_map(BTreeMap::values).copied()
    }

    /// Whether anything is up for exactly this under an entry.
    pub(crate) fn carries(&self, entry: PolicyId, selector: &Selector) -> bool {
        let leaf = self.leaves.get(&entry).and_then(|leaves| leaves.get(selector));
        self.bundles(*leaf.unwrap_or(&entry)).iter().any(|bundle| bundle.selector == *selector)
    }

    pub(crate) fn child_of(&self, sa: SaId) -> Option<ChildId> {
        self.children.get(&sa).copied()
    }

    pub(crate) fn pair(&self, id: ChildId) -> Option<&Pair> {
        self.pairs.get(&id)
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.values()
    }

    fn number(&mut self, child: ChildId) -> SaId {
        self.last += 1;
        self.children.insert(SaId(self.last), child);
        SaId(self.last)
    }

    fn leaf(
        &mut self,
        entry: PolicyId,
        selector: Selector,
        fresh: &mut dyn FnMut() -> PolicyId,
    ) -> PolicyId {
        let leaf = *self.leaves.entry(entry).or_default().entry(selector).or_insert_with(fresh);
        self.entries.insert(leaf, (entry, selector));
        leaf
    }
}

fn sa(child: &Child, id: SaId, direction: Direction) -> Sa {
    let (spi, keys) = match direction {
        Direction::In => (child.spi_in, &child.keys_in),
        Direction::Out => (child.spi_out, &child.keys_out),
    };
    Sa {
        id,
        direction,
        spi,
        front: child.front,
        inside: child.inside,
        local: child.local,
        remote: child.remote,
        encap: child.encap,
        suite: child.suite,
        mode: child.mode,
        keys: keys.clone(),
        replay: child.replay,
        selector: child.selector,
        kilobytes: child.lifetime.kilobytes,
    }
}
