//! Negotiated children become pairs of SAs, and the outbound ones bundles of their policy.

use std::collections::BTreeMap;

use base::{PolicyId, SaId, Spi};
use ike::{Child, ChildId, Endpoints};
use ipsec::{Bundle, Direction, Sa, Sad};

/// Every tunnel that is up, and the SPI space behind them.
#[derive(Default)]
pub(crate) struct Tunnels {
    sad: Sad,
    pairs: BTreeMap<ChildId, Pair>,
    children: BTreeMap<SaId, ChildId>,
    /// Newest first.
    bundles: BTreeMap<PolicyId, Vec<Bundle>>,
    /// Never reused, so that a late event about an SA cannot hit its successor.
    last: u32,
}

/// Both directions of one child.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) policy: PolicyId,
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
            inbound: sa(child, inbound, Direction::In),
            outbound: sa(child, outbound, Direction::Out),
            up: false,
        };
        self.pairs.insert(child.id, pair);
    }

    /// The pair carries outbound traffic, ahead of older ones.
    pub(crate) fn up(&mut self, child: &Child) {
        self.ready(child);
        self.silence(child.id);
        let Some(pair) = self.pairs.get_mut(&child.id) else { return };
        pair.up = true;
        let bundle = Bundle { selector: child.selector, outbound: pair.outbound.id };
        self.bundles.entry(child.policy).or_default().insert(0, bundle);
    }

    /// As `up`; and the old pair sends no more, but receives until it goes down.
    pub(crate) fn replaced(&mut self, old: ChildId, new: &Child) {
        self.silence(old);
        self.up(new);
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

    pub(crate) fn bundles(&self, policy: PolicyId) -> Vec<Bundle> {
        self.bundles.get(&policy).cloned().unwrap_or_default()
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

    fn silence(&mut self, id: ChildId) {
        let Some(pair) = self.pairs.get(&id) else { return };
        let Some(bundles) = self.bundles.get_mut(&pair.policy) else { return };
        bundles.retain(|bundle| bundle.outbound != pair.outbound.id);
        if bundles.is_empty() {
            self.bundles.remove(&pair.policy);
        }
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
