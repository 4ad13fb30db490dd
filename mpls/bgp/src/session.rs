//! Sessions with all neighbours: bytes and timers become events, routes become bytes; RFC 4271 sections 6 and 8.
//! Who uses it holds one `Sessions`, feeds it what concerns connections, and drains `poll` after each call.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use base::Instant;

use crate::Notice;
use crate::config::Config;
pub use crate::fsm::State;
use crate::io::{AddressFamily, ConnectionId, Listener, Output, PeerId};
use crate::update::Update;

mod link;

mod negotiate;

mod outbox;
use outbox::Outbox;

mod peer;
use peer::Peer;

/// What sessions say. The order is that in which it happened.
pub enum Event {
    /// The session is established. Send it the tables, then `Update::EndOfRib` of each family.
    Up(PeerId, Arc<Negotiated>),
    /// It is not any more. `graceful`: the peer asked that its routes be kept as stale for `Negotiated::restart`'s
    /// time; what of them stays then, the next `Up` says by `Terms::preserved`, and `EndOfRib` ends it. Both times
    /// are the receiver's to keep.
    Down { peer: PeerId, graceful: bool, reason: String },
    /// Only of families that were negotiated; well formed. What RFC 7606 takes as withdrawn comes as `Unreach`.
    Update(PeerId, Update),
    /// RFC 2918, RFC 7313. `Request`: announce the family's routes again.
    Refresh(PeerId, AddressFamily, Refresh),
    /// RFC 7606 section 2: from now on nothing of this family is heard. Its routes are to be forgotten.
    Disabled(PeerId, AddressFamily),
    /// `room` is true again.
    Room(PeerId),
    /// To go out as it is.
    Output(Output),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    Request,
    /// Beginning of a refresh: what is not announced again before `End` is gone (RFC 7313).
    Begin,
    End,
}

/// What both sides of an established session agreed upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Our address of the connection.
    pub local: IpAddr,
    /// What the peer believes our AS to be: `local-as`, or ours.
    pub local_as: u32,
    pub remote_as: u32,
    pub external: bool,
    pub router_id: Ipv4Addr,
    /// Zero: neither keepalives nor a hold timer.
    pub hold: Duration,
    pub keepalive: Duration,
    pub families: BTreeMap<AddressFamily, Terms>,
    pub four_octet: bool,
    pub refresh: bool,
    /// RFC 7313: `Begin` and `End` may be sent.
    pub enhanced_refresh: bool,
    /// RFC 4724, of the peer; `None`: its routes are not kept, and it sends no `EndOfRib` that one could wait for.
    pub restart: Option<Restart>,
    /// The longest message both take, in octets: 4096 or 65535.
    pub message: usize,
    pub since: Instant,
}

/// Of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The peer's routes carry a path identifier (RFC 7911).
    pub add_path_receive: bool,
    /// Routes of an IPv4 family may be sent with an IPv6 next hop (RFC 8950).
    pub extended_next_hop: bool,
    /// Graceful restart holds for this family; `Some(true)`: the peer kept its forwarding state. `None`, or
    /// `Some(false)`, at `Up`: stale routes of the family go at once.
    pub preserved: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The peer's R bit: it has just restarted, so it waits for our `EndOfRib` and we need not wait for its.
    pub restarting: bool,
    /// How long its routes are kept after `Down`.
    pub time: Duration,
    /// RFC 8538: routes are kept after a NOTIFICATION and an expired hold timer, too.
    pub notification: bool,
}

/// Why the owner ends a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// `clear bgp`: comes back at once.
    Cleared,
    /// Too many routes; `restart`: after this long it may come back, `None`: after `clear`.
    MaximumPrefix { family: AddressFamily, limit: u32, restart: Option<Duration> },
    /// A change of policy or of a table that needs a new session.
    Changed,
}

/// For `show bgp neighbors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub peer: PeerId,
    pub state: State,
    pub negotiated: Option<Arc<Negotiated>>,
    /// Messages since the first session.
    pub received: Count,
    pub sent: Count,
    /// How often a session was established, and how often one was lost.
    pub established: u32,
    pub dropped: u32,
    /// When the last one was lost; `None`: there is one, or never was.
    pub lost: Option<Instant>,
    /// When and why a session or an attempt ended last.
    pub last: Option<(Instant, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub messages: u64,
    pub updates: u64,
    pub notifications: u64,
}

/// All sessions of one speaker.
pub struct Sessions {
    peers: BTreeMap<PeerId, Peer>,
    listeners: Vec<Listener>,
    out: Outbox,
}

impl Sessions {
    /// `seed`: for the jitter of timers.
    pub fn new(seed: u64) -> Self {
        Self { peers: BTreeMap::new(), listeners: Vec::new(), out: Outbox::new(seed) }
    }

    /// Neighbours that are gone are closed; those whose terms changed, too; new ones started. `None`: all close.
    pub fn configure(&mut self, now: Instant, config: Option<&Arc<Config>>) {
        let wanted = |id: &PeerId| config.is_some_and(|config| config.neighbors.contains_key(id));
        for (_, mut peer) in self.peers.extract_if(.., |id, _| !wanted(id)) {
            peer.remove(now, &mut self.out);
        }
        self.listen(config);
        let Some(config) = config else { return };
        for (&id, neighbor) in &config.neighbors {
            let peer = self.peers.entry(id).or_insert_with(|| Peer::new(id, config, neighbor));
            peer.configure(now, config, neighbor, &mut self.out);
        }
    }

    fn listen(&mut self, config: Option<&Arc<Config>>) {
        let all = config.map(|config| peer::listeners(config)).unwrap_or_default();
        if all != self.listeners {
            self.out.put(Output::Listen(all.clone()));
            self.listeners = all;
        }
    }

    /// A connection that was asked for stands.
    pub fn connected(&mut self, now: Instant, connection: ConnectionId, local: IpAddr) {
        self.at(connection, |peer, out| peer.connected(now, connection, local, out));
    }

    /// A peer connected to us.
    pub fn accepted(&mut self, now: Instant, connection: ConnectionId, peer: PeerId, local: IpAddr) {
        let refusal = match self.peers.get_mut(&peer) {
            Some(of) => of.accepted(now, connection, local, &mut self.out).err(),
            None => Some("it is no neighbor"),
        };
        if let Some(why) = refusal {
            self.out.put(Output::Close(connection));
            self.out.tell(Notice::Refused(peer, format!("connection refused: {why}")));
        }
    }

    pub fn bytes(&mut self, now: Instant, connection: ConnectionId, bytes: &[u8]) {
        self.at(connection, |peer, out| peer.bytes(now, connection, bytes, out));
    }

    pub fn closed(&mut self, now: Instant, connection: ConnectionId) {
        self.at(connection, |peer, out| peer.closed(now, connection, out));
    }

    pub fn writable(&mut self, connection: ConnectionId) {
        self.at(connection, |peer, out| peer.writable(connection, out));
    }

    /// BFD: what a neighbour with `fall-over bfd` has of a session ends.
    pub fn path_down(&mut self, now: Instant, peer: PeerId) {
        self.of(peer, |peer, out| peer.path_down(now, out));
    }

    /// The link of a neighbour: with `bgp fast-external-fallover`, what an eBGP neighbour on it has of a session ends.
    pub fn link_down(&mut self, now: Instant, peer: PeerId) {
        self.of(peer, |peer, out| peer.link_down(now, out));
    }

    pub fn tick(&mut self, now: Instant) {
        if self.out.wake().is_none_or(|wake| now < wake) {
            return;
        }
        self.out.sleep();
        for peer in self.peers.values_mut() {
            peer.tick(now, &mut self.out);
            if let Some(deadline) = peer.deadline() {
                self.out.wake_at(deadline);
            }
        }
    }

    /// No later than the first timer; it may be earlier.
    pub const fn deadline(&self) -> Option<Instant> {
        self.out.wake()
    }

    pub fn poll(&mut self) -> Option<Event> {
        self.out.pop()
    }

    /// Whether more may be sent now; if not, `Event::Room` comes when it may. Without regard to it everything is
    /// still sent: this bounds what waits, it loses nothing.
    pub fn room(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(Peer::has_room)
    }

    /// To an established peer; nothing if it is none. Next hop, path and all are sent as they are given;
    /// `Nlri::path` is left out. Packed into as few messages as it takes.
    pub fn send(&mut self, now: Instant, peer: PeerId, update: &Update) {
        self.of(peer, |peer, out| peer.send(now, update, out));
    }

    /// Asks for the routes again, or marks the begin and end of sending ours again. Nothing if not negotiated.
    pub fn refresh(&mut self, now: Instant, peer: PeerId, family: AddressFamily, what: Refresh) {
        self.of(peer, |peer, out| peer.refresh(now, family, what, out));
    }

    pub fn close(&mut self, now: Instant, peer: PeerId, why: &Why) {
        self.of(peer, |peer, out| peer.close(now, why, out));
    }

    /// Established ones only.
    pub fn negotiated(&self, peer: PeerId) -> Option<&Arc<Negotiated>> {
        self.peers.get(&peer).and_then(Peer::established)
    }

    pub fn status(&self) -> impl Iterator<Item = Status> {
        self.peers.values().map(Peer::status)
    }

    fn of(&mut self, peer: PeerId, what: impl FnOnce(&mut Peer, &mut Outbox)) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            what(peer, &mut self.out);
        }
    }

    /// Nothing if the connection has ended on our side.
    fn at(&mut self, connection: ConnectionId, what: impl FnOnce(&mut Peer, &mut Outbox)) {
        if let Some(peer) = self.out.owner(connection) {
            self.of(peer, what);
        }
    }
}

#[cfg(test)]
mod tests;
