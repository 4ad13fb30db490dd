//! What goes into the engine and what comes out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base::{PolicyId, Spi, VrfId};
use crypto::job::{Failed, Job, Outcome};
use ipsec::{Encap, Flow, Keys, Lifetime, Mode, Replay, Selector, Suite};

use crate::{Config, Notice};

/// How a peer is reached. The front VRF is part of who a peer is: the same address in another front
/// VRF is another peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    pub front: VrfId,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Whether a non-ESP marker precedes each message (RFC 3948 section 2.2). The marker itself is
    /// put on and taken off outside the engine.
    pub marker: bool,
}

/// One UDP payload, without the non-ESP marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    pub path: Path,
    pub bytes: Vec<u8>,
}

/// One phase 1 SA, for as long as the engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// One pair of IPsec SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

#[allow(clippy::large_enum_variant, reason = "one at a time, and it is moved once")]
pub enum Input {
    Datagram(Datagram),
    Command(Command),
    Answer(AskId, Answer),
}

pub enum Command {
    /// From now on this configuration. Sessions whose profile, key, peer or crypto-map entry it changes
    /// or removes are closed with deletes; all others run on.
    Configure(Arc<Config>),
    /// Traffic hit the permit line `rule` of a crypto-map entry and there is no SA for it.
    Acquire { policy: PolicyId, rule: usize, flow: Flow },
    /// ESP came with an SPI nobody holds. If `remote` is a configured static peer we open IKE to it, rate-limited.
    UnknownSpi { front: VrfId, local: IpAddr, remote: IpAddr, spi: Spi },
    /// A child runs out of sequence numbers or volume: replace it.
    Rekey(ChildId),
    /// An SA of a child vanished, and the peer does not know: replace it, and switch at once.
    Lost(ChildId),
    /// A child has no sequence number or volume left: it carries nothing any more.
    Exhausted(ChildId),
    /// How busy this machine is, in percent (CAC-03).
    Load(u8),
    /// The newest packet of a child, an authentic one, came from this UDP port of the peer.
    Moved { child: ChildId, port: u16 },
    /// An operator wants these gone: `clear crypto …`.
    Clear(Target),
    /// `debug crypto isakmp` on or off: whether `Notice::Debug` is emitted.
    Debug(bool),
}

/// Which sessions or children an operator names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    All,
    /// `clear crypto sa` without the IKE SAs: children only.
    Children,
    Session(SessionId),
    Child(ChildId),
    Peer {
        front: VrfId,
        remote: IpAddr,
    },
    /// Children of a peer, not its phase 1.
    PeerChildren {
        front: VrfId,
        remote: IpAddr,
    },
    /// Children whose inside VRF this is.
    Inside(VrfId),
    /// Children of one crypto-map entry.
    Policy(PolicyId),
}

/// Work the engine cannot or must not do itself.
pub enum Ask {
    /// An inbound SPI that no SA holds; `random` makes it hard to guess.
    Spi { random: u32 },
    /// The SPI is not wanted any more; needs no answer. SPIs of a child that came up are released by
    /// whoever sees its `ChildDown` or `ChildReplaced`.
    ReleaseSpi(Spi),
    /// Public-key work; run it on a worker.
    Compute(Job),
    /// Is this chain the peer's it claims to be, today? Needs a wall clock and revocation lists.
    Validate(pki::Request),
    /// The addresses of a host name, asked in a front VRF (DNS-1).
    Resolve { front: VrfId, name: String },
    /// What a child has carried: dead-peer detection on demand and idle timers ask before they act.
    Traffic(ChildId),
}

#[allow(clippy::large_enum_variant, reason = "one at a time, and it is moved once")]
pub enum Answer {
    /// `None`: the SPI space is full.
    Spi(Option<Spi>),
    Computed(Result<Outcome, Failed>),
    /// The peer's own certificate, in force, under one of the trustpoints asked for.
    Validated(Result<pki::Validated, pki::Refusal>),
    /// Empty: there is no such name, or nobody answers.
    Resolved(Vec<IpAddr>),
    /// `None`: no such child is installed.
    Traffic(Option<Traffic>),
}

/// A negotiated pair of SAs.
#[derive(Clone)]
pub struct Child {
    pub id: ChildId,
    pub session: SessionId,
    /// The crypto-map entry it belongs to.
    pub policy: PolicyId,
    pub front: VrfId,
    pub inside: VrfId,
    pub local: IpAddr,
    pub remote: IpAddr,
    pub encap: Encap,
    pub suite: Suite,
    pub mode: Mode,
    pub spi_in: Spi,
    pub spi_out: Spi,
    pub keys_in: Keys,
    pub keys_out: Keys,
    pub selector: Selector,
    pub lifetime: Lifetime,
    pub replay: Replay,
    pub initiator: bool,
}

/// Between where a child's packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub local: IpAddr,
    pub remote: IpAddr,
    pub encap: Encap,
}

/// What a child has carried since it was installed, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Authentic packets of the peer.
    pub received: u64,
    pub sent: u64,
}

/// Why a child went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// Its lifetime ended.
    Expired,
    /// Its sequence numbers or its volume were used up before a successor came.
    Exhausted,
    /// The peer sent a delete.
    PeerDeleted,
    /// The peer restarted and said so: INITIAL-CONTACT.
    InitialContact,
    /// An operator cleared it.
    Cleared,
    /// The configuration no longer allows it.
    Reconfigured,
    /// The peer did not answer.
    PeerSilent,
    /// It was replaced by a rekey and its time of grace is over.
    Superseded,
    /// It carried nothing for its idle time.
    Idle,
}

impl DownReason {
    /// A stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::PeerDeleted => "peer-deleted",
            Self::InitialContact => "initial-contact",
            Self::Cleared => "cleared",
            Self::Reconfigured => "reconfigured",
            Self::PeerSilent => "peer-silent",
            Self::Superseded => "superseded",
            Self::Idle => "idle",
        }
    }

    /// Whether one child goes and its peer stays.
    pub(crate) const fn leaves_peer(self) -> bool {
        match self {
            Self::Expired | Self::Exhausted | Self::PeerDeleted | Self::Superseded => true,
            Self::InitialContact | Self::Cleared | Self::Reconfigured | Self::PeerSilent | Self::Idle => {
                false
            }
        }
    }

    /// Whether the peer has to be told.
    pub(crate) const fn is_news_to_peer(self) -> bool {
        match self {
            Self::PeerDeleted | Self::InitialContact | Self::PeerSilent => false,
            Self::Expired
            | Self::Exhausted
            | Self::Cleared
            | Self::Reconfigured
            | Self::Superseded
            | Self::Idle => true,
        }
    }
}

pub enum Output {
    Transmit(Datagram),
    Ask(AskId, Ask),
    /// Install the inbound SA only: the peer may send on it before it carries our traffic. `ChildUp`,
    /// `ChildReplaced` or `ChildDown` of the same child follows; each of the first two comes without
    /// it as well, and then installs both SAs.
    ChildReady(Box<Child>),
    /// Boxed: keys and selectors make it large.
    ChildUp(Box<Child>),
    /// `new` carries outbound traffic from now on; `old` still receives until its `ChildDown`.
    ChildReplaced {
        old: ChildId,
        new: Box<Child>,
    },
    /// The peer is somewhere else now (another port of its NAT, or MOBIKE): both SAs go on between these.
    ChildMoved(ChildId, Endpoints),
    ChildDown(ChildId, DownReason),
    Notice(Notice),
}
