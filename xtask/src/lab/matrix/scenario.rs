//! What a row of the matrix is: how the two sides talk, with which algorithms, and what must come of it.

use std::fmt;

/// A peer's program and kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    /// strongSwan in a namespace: ESP in a process, always in UDP.
    Swan,
    /// strongSwan in user-mode Linux: ESP in the kernel.
    Kern,
    /// libreswan in user-mode Linux.
    Libre,
}

impl Peer {
    pub(super) const ALL: [Self; 3] = [Self::Swan, Self::Kern, Self::Libre];

    /// As the names of cells have it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Swan => "swan",
            Self::Kern => "kern",
            Self::Libre => "libre",
        }
    }
}

/// One of the networks side by side, and the peer in it.
#[derive(Clone, Copy)]
pub(super) struct Network {
    /// The last word in the names of its nodes.
    pub(super) word: &'static str,
    pub(super) peer: Peer,
}

impl Network {
    /// A kernel in a process is slow: two share the cells of such a peer.
    pub(super) const ALL: [Self; 5] = [
        Self { word: "swan", peer: Peer::Swan },
        Self { word: "kern", peer: Peer::Kern },
        Self { word: "libre", peer: Peer::Libre },
        Self { word: "kern2", peer: Peer::Kern },
        Self { word: "libre2", peer: Peer::Libre },
    ];

    /// Whether there is enough to do for it.
    pub(super) fn is_wanted(self, cells: &[Cell]) -> bool {
        let of_peer = cells.iter().filter(|cell| cell.peer == self.peer).count();
        of_peer >= if self.word == self.peer.word() { 1 } else { MANY }
    }
}

/// Cells that are worth a second network.
const MANY: usize = 20;

/// Who opens the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    They,
    We,
}

impl Role {
    pub(super) const BOTH: [Self; 2] = [Self::They, Self::We];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::They => "opens",
            Self::We => "answers",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    Main,
    Aggressive,
    V2,
}

/// How both sides prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    Psk,
    /// 2048 bits; in version 2 with PKCS #1 padding.
    Rsa,
    RsaPss,
    /// 4096 bits, under two intermediate CAs: large enough to need fragments.
    RsaChain,
    Ecdsa256,
    Ecdsa384,
    Ed25519,
}

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It comes up; both ends agree; traffic goes both ways.
    Traffic,
    /// And these keys are replaced under traffic without loss.
    Rekey(Phase, By),
    /// And several pairs of SAs come up under one IKE SA.
    Children(u8),
    /// And an end that was killed is noticed by the other.
    Death(By),
    /// And the peer moves to another address without loss of the tunnel.
    Moves,
    /// And the exchange went in fragments.
    Fragments,
    /// It must not come up, and `explain` must say this word: the first where the peer opens, else the second.
    Refused(Fault, [&'static str; 2]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    One,
    Two,
}

/// Which side does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Them,
    Us,
}

/// What is wrong at the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Key,
    Identity,
    IkeAlgorithms,
    EspAlgorithms,
    Selectors,
    /// Its certificate is on the CRL, or the OCSP responder says so.
    RevokedByCrl,
    RevokedByOcsp,
    Expired,
    UnknownCa,
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) exchange: Exchange,
    pub(super) auth: Auth,
    /// A suite as `Suite::read` takes it.
    pub(super) ike: &'static str,
    pub(super) esp: &'static str,
    /// Perfect forward secrecy in phase 2, with this group.
    pub(super) pfs: Option<&'static str>,
    /// Outside and inside.
    pub(super) ipv6: bool,
    /// Before whoever opens the tunnel.
    pub(super) nat: bool,
    pub(super) transport: bool,
    pub(super) esn: bool,
    pub(super) ppk: bool,
    pub(super) childless: bool,
    /// We reauthenticate instead of rekeying.
    pub(super) reauthentication: bool,
    pub(super) proof: Proof,
    /// One of the few for `--quick`, with these peers and roles.
    pub(super) quick: &'static [(Peer, Role)],
}

impl Scenario {
    pub(super) fn new(name: impl Into<String>, exchange: Exchange, auth: Auth) -> Self {
        let ike = if exchange == Exchange::V2 { "aes256-sha256-19" } else { "aes256-sha256-14" };
        Self {
            name: name.into(),
            exchange,
            auth,
            ike,
            esp: "aes128-sha256",
            pfs: None,
            ipv6: false,
            nat: false,
            transport: false,
            esn: false,
            ppk: false,
            childless: false,
            reauthentication: false,
            proof: Proof::Traffic,
            quick: &[],
        }
    }

    pub(super) fn suites(mut self, ike: &'static str, esp: &'static str) -> Self {
        (self.ike, self.esp) = (ike, esp);
        self
    }

    pub(super) const fn pfs(mut self, group: &'static str) -> Self {
        self.pfs = Some(group);
        self
    }

    pub(super) const fn ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    pub(super) const fn nat(mut self) -> Self {
        self.nat = true;
        self
    }

    pub(super) const fn transport(mut self) -> Self {
        self.transport = true;
        self
    }

    pub(super) const fn esn(mut self) -> Self {
        self.esn = true;
        self
    }

    pub(super) const fn ppk(mut self) -> Self {
        self.ppk = true;
        self
    }

    pub(super) const fn childless(mut self) -> Self {
        self.childless = true;
        self
    }

    pub(super) const fn reauthentication(mut self) -> Self {
        self.reauthentication = true;
        self
    }

    pub(super) const fn proof(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    pub(super) const fn quick(mut self, cells: &'static [(Peer, Role)]) -> Self {
        self.quick = cells;
        self
    }

    /// What is wrong at the peer.
    pub(super) const fn fault(&self) -> Option<Fault> {
        if let Proof::Refused(fault, _) = self.proof { Some(fault) } else { None }
    }

    pub(super) const fn is_v1(&self) -> bool {
        matches!(self.exchange, Exchange::Main | Exchange::Aggressive)
    }
}

/// A row with one peer in one role.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(super) scenario: Scenario,
    pub(super) peer: Peer,
    pub(super) role: Role,
    /// Place in the matrix: the name of its directory.
    pub(super) number: usize,
}

impl Cell {
    /// Where a directory of its configurations lies in every node.
    pub(super) fn directory(&self) -> String {
        format!("/srv/{}-{:03}", self.peer.word(), self.number)
    }

    pub(super) fn title(&self) -> String {
        let role = if self.role == Role::They { "they open" } else { "we open" };
        format!("{} · {} · {role}", self.scenario.name, self.peer.word())
    }

    /// NAT before the peer, or before us.
    pub(super) const fn nat(&self) -> Option<Role> {
        if self.scenario.nat { Some(self.role) } else { None }
    }
}
