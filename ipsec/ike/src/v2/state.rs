//! How far an IKE SA of version 2 is: what it waits for until it is established, and what it is then.

use std::time::Duration;

use base::{Instant, Secret, Spi};

use super::keys::Keys;
use super::proposal::Suite;
use super::wire::cert::AUTHORITY;
use super::{auth, sa_init};
use crate::natt::Nat;
use crate::status::SessionSuite;
use crate::want::Plan;
use crate::wire::id::Name;

pub(crate) enum State {
    Opening(Box<Opening>),
    Established(Box<Established>),
    Closing(Box<Closing>),
}

/// What is known before the peer is.
pub(crate) struct Opening {
    pub(crate) step: Step,
    /// Once IKE_SA_INIT is done.
    pub(crate) secured: Option<Secured>,
    /// As initiator: what the first child is to be.
    pub(crate) plan: Option<Plan>,
    /// Ours of the first child.
    pub(crate) spi: Option<Spi>,
}

/// What comes next.
pub(crate) enum Step {
    /// As initiator: our key pair.
    ExpectPair(sa_init::Request),
    /// As initiator: the response to IKE_SA_INIT.
    ExpectInit(sa_init::Request),
    /// As initiator: the shared secret.
    ExpectShared(sa_init::Answered),
    /// As responder: our key pair and the shared secret.
    ExpectAgreement(sa_init::Received),
    /// As responder: IKE_INTERMEDIATE if a key exchange is left, else IKE_AUTH.
    ExpectRequest,
    /// As initiator of IKE_INTERMEDIATE: our key pair.
    RoundPair,
    /// As initiator of IKE_INTERMEDIATE: the response.
    Round(Secret),
    /// As initiator of IKE_INTERMEDIATE: the shared secret.
    RoundShared,
    /// As responder of IKE_INTERMEDIATE with this message ID: our key pair and the shared secret.
    RoundAgreement(u32),
    /// As initiator: IKE_AUTH.
    Claiming(Box<auth::initiator::Claiming>),
    /// As responder: IKE_AUTH.
    Judging(Box<auth::responder::Judging>),
    /// It failed, and the peer knows. Until it is forgotten it answers duplicates.
    Failed,
    /// It is established.
    Over,
}

/// After IKE_SA_INIT: all but who the peer is.
pub(crate) struct Secured {
    pub(crate) suite: Suite,
    pub(crate) keys: Keys,
    /// Ni, Nr.
    pub(crate) nonces: (Vec<u8>, Vec<u8>),
    /// The messages of IKE_SA_INIT.
    pub(crate) messages: (Vec<u8>, Vec<u8>),
    pub(crate) peer: Capabilities,
    pub(crate) nat: Nat,
    /// Additional key exchanges that are done.
    pub(crate) rounds: usize,
    /// Of the initiator and the responder, after the last IKE_INTERMEDIATE (RFC 9242 section 3.3).
    pub(crate) int_auth: Option<(Vec<u8>, Vec<u8>)>,
    /// The CAs that the responder named.
    pub(crate) authorities: Vec<[u8; AUTHORITY]>,
}

pub(crate) struct Established {
    pub(crate) keys: Keys,
    pub(crate) suite: Suite,
    /// Who the peer proved to be.
    pub(crate) identity: Name,
    /// Who we said we are.
    pub(crate) own: Name,
    /// How we and how the peer proved it.
    pub(crate) authentication: (&'static str, &'static str),
    pub(crate) peer: Capabilities,
    pub(crate) nat: Nat,
    pub(crate) since: Instant,
    pub(crate) expires: Instant,
    /// When to look for a successor.
    pub(crate) rekey_at: Option<Instant>,
    pub(crate) lifetime: Duration,
    /// A post-quantum pre-shared key went into the keys.
    pub(crate) ppk: bool,
}

/// What a peer announced, as far as we speak it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// RFC 7383.
    pub(crate) fragmentation: bool,
    /// RFC 4555.
    pub(crate) mobike: bool,
    /// RFC 6023.
    pub(crate) childless: bool,
    /// RFC 5685.
    pub(crate) redirect: bool,
    /// RFC 9242.
    pub(crate) intermediate: bool,
    /// RFC 8784.
    pub(crate) ppk: bool,
    /// RFC 7427: hashes by their numbers, as bits; zero: it does not know such signatures.
    pub(crate) hashes: u16,
}

/// It is over; the peer shall hear of it.
pub(crate) struct Closing {
    keys: Keys,
    fragmentation: bool,
    /// The delete is out.
    pub(crate) told: bool,
}

impl State {
    pub(crate) fn keys(&self) -> Option<&Keys> {
        match self {
            Self::Opening(opening) => opening.secured.as_ref().map(|secured| &secured.keys),
            Self::Established(sa) => Some(&sa.keys),
            Self::Closing(closing) => Some(&closing.keys),
        }
    }

    pub(crate) fn keys_mut(&mut self) -> Option<&mut Keys> {
        match self {
            Self::Opening(opening) => opening.secured.as_mut().map(|secured| &mut secured.keys),
            Self::Established(sa) => Some(&mut sa.keys),
            Self::Closing(closing) => Some(&mut closing.keys),
        }
    }

    /// Whether long messages go out in fragments.
    pub(crate) fn fragments(&self) -> bool {
        match self {
            Self::Opening(opening) => {
                opening.secured.as_ref().is_some_and(|secured| secured.peer.fragmentation)
            }
            Self::Established(sa) => sa.peer.fragmentation,
            Self::Closing(closing) => closing.fragmentation,
        }
    }

    /// From now on it is over.
    pub(crate) fn close(&mut self) {
        if let Self::Established(sa) = self {
            let (keys, fragmentation) = (sa.keys.clone(), sa.peer.fragmentation);
            *self = Self::Closing(Box::new(Closing { keys, fragmentation, told: false }));
        }
    }
}

impl Established {
    pub(crate) fn suite(&self) -> SessionSuite {
        let Suite { encryption, integrity, prf, group, ref additional } = self.suite;
        SessionSuite {
            encryption,
            integrity,
            prf,
            groups: [vec![group], additional.clone()].concat(),
            authentication: self.authentication,
            lifetime: self.lifetime,
            ppk: self.ppk,
            mobike: self.peer.mobike,
            fragmentation: self.peer.fragmentation,
        }
    }
}
