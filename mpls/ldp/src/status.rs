//! What `show mpls ldp neighbor|bindings|discovery` print.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Instant, Label, Prefix};

use crate::discovery::{Source, Unheard};
use crate::engine::Ldp;
use crate::fsm::{Role, State};
use crate::peer::Peer;
use crate::session::Session;
use crate::{LdpId, Lsp};

/// A peer, with a session or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub peer: LdpId,
    pub state: State,
    /// Our address and its; `None`: no connection.
    pub connection: Option<Connection>,
    /// How long the session is up.
    pub up: Option<Duration>,
    pub sources: Vec<Source>,
    pub addresses: Vec<IpAddr>,
    /// How many bindings it announced, and how many of them are left from an older session.
    pub bindings: usize,
    pub stale: usize,
    /// How long those are kept.
    pub stale_for: Option<Duration>,
    /// Why the last session was refused.
    pub complaint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub local: IpAddr,
    pub remote: IpAddr,
    /// We opened it: our port is any, the peer's is 646.
    pub active: bool,
    /// It takes nothing that a router passed on, RFC 6720.
    pub near: bool,
    pub sent: u64,
    pub received: u64,
    pub keepalive: Duration,
    /// How long the peer's labels shall outlive the session, and how much of ours it says is left.
    pub graceful_restart: Option<(Duration, Duration)>,
}

/// What is known of the labels of one prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    /// Our own, as it is announced.
    pub local: Option<Label>,
    /// By peer; whether it is stale.
    pub remote: Vec<(LdpId, Label, bool)>,
    pub in_use: Option<Lsp>,
}

/// A neighbour that is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    pub source: Source,
    pub peer: LdpId,
    pub transport: IpAddr,
    /// The hold time, and what is left of it; `None`: for ever.
    pub hold: Option<(Duration, Duration)>,
    /// It would check the TTL of what we send, RFC 6720.
    pub gtsm: bool,
}

impl Ldp {
    pub fn neighbours(&self, now: Instant) -> Vec<Neighbour> {
        self.peers.iter().map(|(id, peer)| neighbour(*id, peer, now)).collect()
    }

    /// In order of prefix.
    pub fn bindings(&self) -> BTreeMap<Prefix, Bindings> {
        let mut all: BTreeMap<Prefix, Bindings> = BTreeMap::new();
        for (prefix, entry) in self.fecs.iter() {
            all.insert(prefix, Bindings { local: entry.announced, remote: Vec::new(), in_use: entry.lsp });
        }
        for (id, peer) in &self.peers {
            for (prefix, binding) in &peer.bindings {
                let remote = (*id, binding.label, binding.epoch != peer.epoch);
                all.entry(*prefix).or_default().remote.push(remote);
            }
        }
        all
    }

    /// What reaches exactly this prefix label-switched.
    pub fn lsp(&self, prefix: Prefix) -> Option<Lsp> {
        self.fecs.find(prefix)?.lsp
    }

    pub fn discovered(&self, now: Instant) -> Vec<Discovered> {
        let all = self.adjacencies.iter().map(|(source, adjacency)| Discovered {
            source: *source,
            peer: adjacency.peer,
            transport: adjacency.transport,
            hold: adjacency.hold.zip(adjacency.expires.map(|at| at.since(now))),
            gtsm: adjacency.gtsm,
        });
        all.collect()
    }

    /// Hellos that were not heard, by reason.
    pub fn unheard(&self) -> &BTreeMap<Unheard, u64> {
        &self.unheard
    }
}

fn neighbour(id: LdpId, peer: &Peer, now: Instant) -> Neighbour {
    let stale = peer.bindings.values().filter(|binding| binding.epoch != peer.epoch).count();
    Neighbour {
        peer: id,
        state: peer.session.as_ref().map_or(State::NonExistent, |session| session.state),
        connection: peer.session.as_ref().map(connection),
        up: peer.session.as_ref().and_then(|session| session.up).map(|up| now.since(up)),
        sources: peer.adjacencies.iter().copied().collect(),
        addresses: peer.addresses.keys().copied().collect(),
        bindings: peer.bindings.len(),
        stale,
        stale_for: peer.stale_until.map(|until| until.since(now)),
        complaint: peer.complaint.clone(),
    }
}

fn connection(session: &Session) -> Connection {
    Connection {
        local: session.local,
        remote: session.remote,
        active: session.role == Role::Active,
        near: session.near,
        sent: session.sent,
        received: session.received,
        keepalive: session.keepalive,
        graceful_restart: session.restart.map(|restart| (restart.reconnect, restart.recovery)),
    }
}
