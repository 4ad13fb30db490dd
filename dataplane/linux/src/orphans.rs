//! What an earlier run left that still carries traffic: its SAs, their policies, and routes to them. The peers use
//! them until IKE has negotiated anew.
//!
//! Only what hangs on an XFRM interface that is wanted again is kept: it belongs to the same customer.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use dataplane::Event;
use ipsec::{Flow, Selector};

use crate::ground::{Ground, Tunnel};
use crate::policy::{Hook, Scope, Verdict};
use crate::state::State;
use crate::thing::{Key, Name, Thing};
use crate::tunnels::Tunnels;

/// A peer in a front VRF: its mark, and the peer's address.
type Peer = (u32, IpAddr);

#[derive(Default)]
pub(crate) struct Orphans {
    kept: BTreeMap<Peer, BTreeSet<Key>>,
    /// Routes: of no peer in particular.
    routes: Vec<Key>,
    /// Peers that have new SAs, and since when.
    done: VecDeque<(Instant, Peer)>,
    /// Entries that IKE is asked for, so that the orphans are replaced.
    asks: VecDeque<(u32, u32, Selector)>,
    end: Option<Instant>,
}

/// How long an orphan outlives its successor: the peer may still send by it.
const OVERLAP: Duration = Duration::from_secs(5);
/// How long a peer may take to come back.
const LIFE: Duration = Duration::from_secs(300);
/// Questions to IKE at once.
const ASKS: usize = 8;

impl Orphans {
    /// Keeps what carries traffic of everything that is held and not wanted.
    pub(crate) fn adopt(state: &mut State, ground: &Ground, now: Instant) -> Self {
        let mut orphans = Self { end: Some(now + LIFE), ..Self::default() };
        let same = |tunnel: &&Tunnel| {
            let key = Key::Device(tunnel.device.clone());
            matches!((state.held(&key), state.wanted(&key)), (Some(Thing::Device(held)), Some(Thing::Device(wanted)))
                if held.stands_where(wanted))
        };
        let same: Vec<&Tunnel> = ground.tunnels.values().filter(same).collect();
        let tunnels: BTreeSet<&Name> = same.iter().map(|tunnel| &tunnel.device).collect();
        let if_ids: BTreeSet<u32> = same.iter().map(|tunnel| tunnel.if_id).collect();
        let is_foreign = |key: &Key, thing: &Thing| state.wanted(key) != Some(thing);
        let mut keys = Vec::new();
        for (key, thing) in state.holdings().filter(|(key, thing)| is_foreign(key, thing)) {
            let Some(home) = home(key, thing, &if_ids, &tunnels) else { continue };
            if let (Key::Policy(Scope::Tunnel(if_id), _, selector), Some(ticket)) =
                (key, state.wanted(key).and_then(ticket))
            {
                orphans.asks.push_back((*if_id, ticket, *selector));
            }
            match home {
                Home::Peer(peer) => drop(orphans.kept.entry(peer).or_default().insert(key.clone())),
                Home::Route => orphans.routes.push(key.clone()),
            }
            keys.push(key.clone());
        }
        keys.into_iter().for_each(|key| state.keep(key));
        orphans
    }

    /// A new SA to a peer is up.
    pub(crate) fn succeeded(&mut self, mark: u32, remote: IpAddr, now: Instant) {
        if self.kept.contains_key(&(mark, remote)) {
            self.done.push_back((now + OVERLAP, (mark, remote)));
        }
    }

    /// An SA is gone: what leads to it is of no use.
    pub(crate) fn gone(&mut self, key: &Key, state: &mut State) {
        let peers = self.kept.iter().filter(|(_, keys)| keys.contains(key)).map(|(peer, _)| *peer);
        for peer in peers.collect::<Vec<_>>() {
            self.release(peer, state);
        }
    }

    /// Lets go of what has been replaced, or is too old; asks IKE for successors, a few at a time.
    pub(crate) fn tick(
        &mut self,
        now: Instant,
        state: &mut State,
        tunnels: &Tunnels,
        ground: &Ground,
    ) -> Vec<Event> {
        while let Some((_, peer)) = self.done.pop_front_if(|(due, _)| *due <= now) {
            self.release(peer, state);
        }
        if self.end.is_some_and(|end| end <= now) {
            let peers: Vec<Peer> = self.kept.keys().copied().collect();
            peers.into_iter().for_each(|peer| self.release(peer, state));
            self.routes.drain(..).for_each(|key| state.release(&key));
            self.end = None;
        }
        let asks = self.asks.drain(..self.asks.len().min(ASKS));
        asks.filter_map(|(if_id, ticket, selector)| {
            let (policy, rule) = tunnels.asked(if_id, 0, ticket, ground)?;
            Some(Event::Acquire { policy, rule, flow: first_flow(&selector) })
        })
        .collect()
    }

    fn release(&mut self, peer: Peer, state: &mut State) {
        self.kept.remove(&peer).into_iter().flatten().for_each(|key| state.release(&key));
    }
}

enum Home {
    Peer(Peer),
    Route,
}

/// Whose it is, if it is worth keeping.
fn home(key: &Key, thing: &Thing, if_ids: &BTreeSet<u32>, tunnels: &BTreeSet<&Name>) -> Option<Home> {
    match (key, thing) {
        (Key::Sa(_, _, mark), Thing::Sa(sa)) => {
            if_ids.contains(&sa.home.if_id).then_some(Home::Peer((*mark, sa.remote)))
        }
        (Key::Policy(Scope::Tunnel(if_id), Hook::Out, _), Thing::Policy(policy)) => match policy.verdict {
            Verdict::Seal { remote, .. } => {
                if_ids.contains(if_id).then_some(Home::Peer((policy.mark, remote)))
            }
            Verdict::Acquire { .. } | Verdict::Opened | Verdict::Either | Verdict::Clear | Verdict::Block => {
                None
            }
        },
        (Key::Route(..), Thing::Route(way)) => {
            way.device().filter(|device| tunnels.contains(device)).map(|_| Home::Route)
        }
        _ => None,
    }
}

fn ticket(thing: &Thing) -> Option<u32> {
    let Thing::Policy(policy) = thing else { return None };
    match policy.verdict {
        Verdict::Acquire { ticket } => Some(ticket),
        Verdict::Seal { .. } | Verdict::Opened | Verdict::Either | Verdict::Clear | Verdict::Block => None,
    }
}

fn first_flow(selector: &Selector) -> Flow {
    Flow {
        local: selector.local.address(),
        remote: selector.remote.address(),
        protocol: selector.protocol.unwrap_or(0),
        local_port: selector.local_ports.first,
        remote_port: selector.remote_ports.first,
    }
}
