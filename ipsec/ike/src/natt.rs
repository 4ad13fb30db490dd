//! NAT traversal: how a NAT is found, where the session goes then, and how it follows a peer whose NAT
//! forgets it (RFC 3947).

use std::net::SocketAddr;

use crypto::prf::Hash;
use ipsec::Encap;

use crate::engine::Ike;
use crate::session::Session;
use crate::wire::header::Cookie;
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::{natd, vendor};
use crate::{ChildId, Path, SessionId};

pub(crate) const IKE_PORT: u16 = 500;
/// IKE with a non-ESP marker, and ESP in UDP.
pub(crate) const NAT_PORT: u16 = 4500;

/// One byte on the NAT port, without marker: RFC 3948 section 2.3.
pub(crate) const KEEPALIVE: [u8; 1] = [0xFF];

/// Which document's numbers both sides use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Rfc3947,
    /// Drafts 02 and 03.
    Draft,
}

/// Who sits behind a NAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nat {
    pub(crate) local: bool,
    pub(crate) remote: bool,
}

impl Nat {
    pub(crate) const fn any(self) -> bool {
        self.local || self.remote
    }
}

impl Dialect {
    const fn payload(self) -> u8 {
        match self {
            Self::Rfc3947 => payload::NAT_DETECTION,
            Self::Draft => payload::NAT_DETECTION_DRAFT,
        }
    }

    /// The encapsulation mode "UDP-Encapsulated-Tunnel".
    pub(crate) const fn tunnel_mode(self) -> u16 {
        match self {
            Self::Rfc3947 => 3,
            Self::Draft => 61443,
        }
    }

    /// The encapsulation mode "UDP-Encapsulated-Transport".
    pub(crate) const fn transport_mode(self) -> u16 {
        match self {
            Self::Rfc3947 => 4,
            Self::Draft => 61444,
        }
    }

    /// Who knows one draft need not know the other: both go out.
    const fn vendors(self) -> &'static [[u8; 16]] {
        match self {
            Self::Rfc3947 => &[vendor::NAT_T],
            Self::Draft => &[vendor::NAT_T_DRAFT_3, vendor::NAT_T_DRAFT_2[1], vendor::NAT_T_DRAFT_2[0]],
        }
    }

    /// The best that a peer's vendor IDs announce.
    pub(crate) fn announced(chain: &Chain<'_>) -> Option<Self> {
        let has = |id: &[u8]| chain.all(payload::VENDOR).any(|vendor| vendor == id);
        if has(&vendor::NAT_T) {
            Some(Self::Rfc3947)
        } else {
            let drafts = [vendor::NAT_T_DRAFT_3, vendor::NAT_T_DRAFT_2[0], vendor::NAT_T_DRAFT_2[1]];
            drafts.iter().any(|id| has(id)).then_some(Self::Draft)
        }
    }
}

/// Announces what we know: as initiator all of it, as responder what was picked.
pub(crate) fn announce(chain: &mut Builder, picked: Option<Dialect>) {
    let dialects = [Dialect::Rfc3947, Dialect::Draft];
    for dialect in dialects.into_iter().filter(|dialect| picked.is_none_or(|picked| picked == *dialect)) {
        for vendor in dialect.vendors() {
            chain.push(payload::VENDOR, vendor);
        }
    }
}

/// Adds what we see of the path: the peer's address, then ours.
pub(crate) fn describe(
    chain: &mut Builder,
    dialect: Dialect,
    hash: Hash,
    cookies: (Cookie, Cookie),
    path: &Path,
) {
    for address in [path.remote, path.local] {
        chain.push(dialect.payload(), &natd::digest(hash, cookies, address));
    }
}

/// Compares what the peer sees of the path with what we see.
pub(crate) fn detect(
    chain: &Chain<'_>,
    dialect: Dialect,
    hash: Hash,
    cookies: (Cookie, Cookie),
    path: &Path,
) -> Nat {
    let mut seen = chain.all(dialect.payload());
    let Some(destination) = seen.next() else { return Nat::default() };
    let is = |address: SocketAddr, digest: &[u8]| natd::digest(hash, cookies, address) == digest;
    let sources: Vec<&[u8]> = seen.collect();
    Nat {
        local: !is(path.local, destination),
        remote: !sources.is_empty() && !sources.iter().any(|source| is(path.remote, source)),
    }
}

/// Where both sides go once a NAT is found (RFC 3947 section 4).
pub(crate) fn float(path: &Path) -> Path {
    if path.marker {
        return *path;
    }
    let to = |address: SocketAddr| SocketAddr::new(address.ip(), NAT_PORT);
    Path { local: to(path.local), remote: to(path.remote), marker: true, ..*path }
}

impl Ike {
    /// Authentic ESP came from another port: the sessions of that peer follow it, and its other children.
    pub(crate) fn child_moved(&mut self, id: ChildId, port: u16) {
        let Some(child) = self.children.find(id).filter(|child| child.is_behind_nat) else { return };
        let Encap::Udp { local, remote: from } = child.state.encap else { return };
        let path = Path {
            front: child.state.front,
            local: SocketAddr::new(child.state.local, local),
            remote: SocketAddr::new(child.state.remote, port),
            marker: true,
        };
        let sessions = self.sessions_between(path.peer());
        let moved = sessions.filter(|session| {
            let path = session.path();
            path.marker && path.remote.port() == from
        });
        let moved: Vec<SessionId> = moved.map(Session::id).collect();
        for id in moved {
            self.sessions.entry(id).and_modify(|session| session.set_path(path));
        }
        self.children.follow(&mut self.core, &path, from);
    }

    /// A session followed its peer from this port: its children follow too.
    pub(crate) fn session_moved(&mut self, id: SessionId, from: u16) {
        let Some(path) = self.sessions.get(&id).map(Session::path) else { return };
        self.children.follow(&mut self.core, &path, from);
    }

    /// A session of version 2 moved to another path as a whole, and its children with it (RFC 4555).
    pub(crate) fn session_relocated(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        self.children.relocate(&mut self.core, session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(builder: &Builder) -> Chain<'_> {
        Chain::decode(builder.first(), builder.bytes()).unwrap()
    }

    #[test]
    fn every_peer_is_answered_with_a_vendor_id_that_it_knows() {
        let known =
            [vendor::NAT_T, vendor::NAT_T_DRAFT_3, vendor::NAT_T_DRAFT_2[0], vendor::NAT_T_DRAFT_2[1]];
        for id in known {
            let mut theirs = Builder::default();
            theirs.push(payload::VENDOR, b"something else").push(payload::VENDOR, &id);
            let picked = Dialect::announced(&chain(&theirs));
            assert_eq!(picked, Some(if id == vendor::NAT_T { Dialect::Rfc3947 } else { Dialect::Draft }));
            let mut ours = Builder::default();
            announce(&mut ours, picked);
            assert!(chain(&ours).all(payload::VENDOR).any(|vendor| vendor == id));
            assert_eq!(Dialect::announced(&chain(&ours)), picked);
        }
    }

    #[test]
    fn an_initiator_announces_all_and_prefers_the_rfc() {
        let mut ours = Builder::default();
        announce(&mut ours, None);
        assert_eq!(chain(&ours).all(payload::VENDOR).count(), 4);
        assert_eq!(Dialect::announced(&chain(&ours)), Some(Dialect::Rfc3947));
        let numbers = [Dialect::Rfc3947, Dialect::Draft].map(|one| (one.tunnel_mode(), one.transport_mode()));
        assert_eq!(numbers, [(3, 4), (61443, 61444)]);
    }
}
