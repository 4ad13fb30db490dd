//! Negotiated children become pairs of SAs, and the outbound ones bundles of their policy.

use std::collections::BTreeMap;

use base::{PolicyId, SaId, Spi};
use ike::{Child, ChildId, Endpoints};
use ipsec::{Bundle, Direction, Sa, Sad, Selector};

/// Every tunnel that is up, and the SPI space behind them.
#[derive(Default)]
pub(crate) struct Tunnels {
    sad: Sad,
    /// Boxed: a map that grows at its end is half empty.
    pairs: BTreeMap<ChildId, Box<Pair>>,
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
        self.pairs.insert(child.id, Box::new(pair));
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
        bundles.reserve_exact(1);
        bundles.insert(0, bundle);
    }

    /// The pair sends no more, but receives until it goes down; whether it did send.
    pub(crate) fn silence(&mut self, id: ChildId) -> bool {
        let Some(pair) = self.pairs.get(&id) else { return false };
        let Some(bundles) = self.bundles.get_mut(&pair.carrier) else { return false };
        let before = bundles.len();
        bundles.retain(|bundle| bundle.outbound != pair.outbound.id);
        let sent = bundles.len() < before;
        if bundles.is_empty() {
            self.bundles.remove(&pair.carrier);
            if let Some((entry, selector)) = self.entries.remove(&pair.carrier)
                && let Some(leaves) = self.leaves.get_mut(&entry)
            {
                leaves.remove(&selector);
            }
        }
        sent
    }

    /// The peer is somewhere else now.
    pub(crate) fn moved(&mut self, id: ChildId, to: Endpoints) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        for sa in [&mut pair.inbound, &mut pair.outbound] {
            (sa.local, sa.remote, sa.encap) = (to.local, to.remote, to.encap);
        }
    }

    /// Forgets a pair and frees its SPI; whether it sent until now.
    pub(crate) fn down(&mut self, id: ChildId) -> Option<(Pair, bool)> {
        let sent = self.silence(id);
        let pair = self.pairs.remove(&id)?;
        self.children.remove(&pair.inbound.id);
        self.children.remove(&pair.outbound.id);
        self.sad.release(pair.inbound.spi);
        Some((*pair, sent))
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
        self.pairs.get(&id).map(AsRef::as_ref)
    }

    /// An SA in force.
    pub(crate) fn sa(&self, id: SaId) -> Option<&Sa> {
        self.pair(self.child_of(id)?)?.sas().find(|sa| sa.id == id)
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = (ChildId, &Pair)> {
        self.pairs.iter().map(|(id, pair)| (*id, pair.as_ref()))
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.values().map(AsRef::as_ref)
    }

    fn number(&mut self, child: ChildId) -> SaId {
        self.last += 1;
        self.children.insert(SaId(self.last), child);
        SaId(self.last)
    }

    fn leaf(&mut self, entry: PolicyId, selector: Selector, fresh: &mut dyn FnMut() -> PolicyId) -> PolicyId {
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
        policy: child.policy,
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use base::{Secret, VrfId};
    use ike::SessionId;
    use ipsec::{Cipher, Encap, Integrity, Keys, Lifetime, Mode, Replay, Suite};

    use super::*;

    const ENTRY: PolicyId = PolicyId(1);

    fn child(id: u32, remote: u8) -> Child {
        let keys = || Keys { cipher: Secret::from(vec![1; 36]), integrity: Secret::default() };
        let network = |octet| format!("10.{octet}.0.0/16").parse().unwrap();
        Child {
            id: ChildId(id),
            session: SessionId(1),
            policy: ENTRY,
            front: VrfId(1),
            inside: VrfId(2),
            local: IpAddr::from([192, 0, 2, 1]),
            remote: IpAddr::from([198, 51, 100, remote]),
            encap: Encap::Esp,
            suite: Suite { cipher: Cipher::AesGcm(256), integrity: Integrity::None },
            mode: Mode::Tunnel,
            spi_in: Spi(id << 12),
            spi_out: Spi(id),
            keys_in: keys(),
            keys_out: keys(),
            selector: Selector::between(network(1), network(remote)),
            lifetime: Lifetime::DEFAULT,
            replay: Replay::DEFAULT,
            initiator: false,
        }
    }

    /// Brings a child of the dynamic entry up; the policy that sends through it.
    fn up(tunnels: &mut Tunnels, child: &Child, next: &mut u32) -> PolicyId {
        let mut fresh = || {
            *next += 1;
            PolicyId(*next)
        };
        tunnels.up(child, Some(&mut fresh));
        tunnels.pair(child.id).unwrap().carrier
    }

    #[test]
    fn a_peer_that_moved_takes_both_sas_along_and_nothing_else_changes() {
        let mut tunnels = Tunnels::default();
        tunnels.up(&child(1, 2), None);
        tunnels.up(&child(2, 3), None);
        let (before, other) =
            (tunnels.pair(ChildId(1)).unwrap().clone(), tunnels.pair(ChildId(2)).unwrap().clone());
        let to = Endpoints {
            local: IpAddr::from([192, 0, 2, 9]),
            remote: IpAddr::from([203, 0, 113, 7]),
            encap: Encap::Udp { local: 4500, remote: 61_000 },
        };
        tunnels.moved(ChildId(1), to);
        let after = tunnels.pair(ChildId(1)).unwrap();
        for (sa, was) in [(&after.inbound, &before.inbound), (&after.outbound, &before.outbound)] {
            assert_eq!((sa.local, sa.remote, sa.encap), (to.local, to.remote, to.encap));
            assert!(*was == Sa { local: was.local, remote: was.remote, encap: was.encap, ..sa.clone() });
        }
        assert!(tunnels.pair(ChildId(2)).unwrap().outbound == other.outbound);
    }

    #[test]
    fn what_is_negotiated_for_the_same_under_a_dynamic_entry_shares_a_policy_newest_first() {
        let (mut tunnels, mut next) = (Tunnels::default(), 10);
        let first = up(&mut tunnels, &child(1, 2), &mut next);
        let again = up(&mut tunnels, &child(2, 2), &mut next);
        let other = up(&mut tunnels, &child(3, 3), &mut next);
        assert_eq!((first, first == other), (again, false));
        let newest = tunnels.pair(ChildId(2)).unwrap().outbound.id;
        assert_eq!(tunnels.bundles(first).first().map(|bundle| bundle.outbound), Some(newest));
        assert!(tunnels.bundles(ENTRY).is_empty());
        assert_eq!(tunnels.leaves_of(ENTRY).collect::<Vec<_>>(), [first, other]);
    }

    #[test]
    fn a_policy_under_a_dynamic_entry_goes_with_its_last_child_and_never_comes_back() {
        let (mut tunnels, mut next) = (Tunnels::default(), 10);
        let first = up(&mut tunnels, &child(1, 2), &mut next);
        up(&mut tunnels, &child(2, 2), &mut next);
        tunnels.down(ChildId(2));
        assert_eq!(tunnels.entry_of(first), Some((ENTRY, child(1, 2).selector)));
        tunnels.down(ChildId(1));
        assert_eq!((tunnels.entry_of(first), tunnels.leaves_of(ENTRY).count()), (None, 0));
        assert_ne!(up(&mut tunnels, &child(3, 2), &mut next), first);
    }
}
