//! What `show` commands see of the engine.

use std::net::IpAddr;
use std::time::Duration;

use base::{Instant, PolicyId, Spi, VrfId};
use crypto::dh::Group;
use ipsec::{Encap, Lifetime, Mode, Replay, Selector, Suite};

use crate::config::{Proposal, Version, v2};
use crate::session::Session;
use crate::v1;
use crate::v2::session::state_word;
use crate::v2::state::Established;
use crate::{ChildId, Path, SessionId};

/// One phase 1 SA, from its first message on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionState {
    pub id: SessionId,
    pub version: Version,
    pub path: Path,
    /// IOS's word: `MM_NO_STATE`, `MM_SA_SETUP`, `MM_KEY_EXCH`, `AG_…`, `QM_IDLE`; of version 2 `IN-NEG`, `READY`,
    /// `DELETE`.
    pub state: &'static str,
    /// Initiator's, responder's.
    pub cookies: (u64, u64),
    pub initiator: bool,
    pub profile: Option<String>,
    /// The front VRF until the peer's identity is known.
    pub inside: VrfId,
    /// Phase 1 is complete.
    pub established: bool,
    /// These are `None` until then.
    pub identity: Option<String>,
    /// Who we said we are; of version 2 only.
    pub own_identity: Option<String>,
    pub proposal: Option<Proposal>,
    /// Of version 2, in place of `proposal`.
    pub suite: Option<SessionSuite>,
    pub since: Option<Instant>,
    pub left: Option<Duration>,
    /// A NAT was found on the path.
    pub nat: bool,
}

/// What protects an SA of version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSuite {
    pub encryption: v2::Encryption,
    /// `None` with an AEAD.
    pub integrity: Option<v2::Integrity>,
    pub prf: v2::Prf,
    /// The key exchange of IKE_SA_INIT, then the additional ones (RFC 9370).
    pub groups: Vec<Group>,
    /// How we and how the peer proved who we are: `PSK`, `RSA`, `ECDSA`, `Ed25519`.
    pub authentication: (&'static str, &'static str),
    pub lifetime: Duration,
    /// A post-quantum pre-shared key went into the keys (RFC 8784).
    pub ppk: bool,
    pub mobike: bool,
    pub fragmentation: bool,
}

/// How far a pair of IPsec SAs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It receives; the peer may not know yet that it may send.
    Ready,
    Up,
    /// Its successor carries the traffic; it still receives.
    Superseded,
}

/// One pair of IPsec SAs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildState {
    pub id: ChildId,
    /// The session that made it; `None` once that is gone.
    pub session: Option<SessionId>,
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
    pub selector: Selector,
    pub lifetime: Lifetime,
    pub replay: Replay,
    pub initiator: bool,
    pub stage: Stage,
    pub installed: Instant,
    pub expires: Instant,
    pub left: Duration,
}

pub(crate) fn of_session(session: &Session, now: Instant) -> SessionState {
    let (initiator, responder) = session.cookies();
    let established = session.established();
    SessionState {
        id: session.id(),
        version: session.version(),
        path: session.path(),
        state: match session {
            Session::V1(one) => v1::session::state_word(one),
            Session::V2(one) => state_word(one),
        },
        cookies: (u64::from_be_bytes(initiator), u64::from_be_bytes(responder)),
        initiator: session.initiator(),
        profile: session.place().profile.clone(),
        inside: session.place().inside,
        identity: established.map(|sa| sa.identity.to_string()),
        own_identity: match session {
            Session::V1(_) => None,
            Session::V2(one) => one.established().map(|sa| sa.own.to_string()),
        },
        proposal: match session {
            Session::V1(one) => one.established().map(|phase1| phase1.proposal),
            Session::V2(_) => None,
        },
        suite: match session {
            Session::V1(_) => None,
            Session::V2(one) => one.established().map(Established::suite),
        },
        established: established.is_some(),
        since: established.map(|sa| sa.since),
        left: established.map(|sa| sa.expires.since(now)),
        nat: session.nat().any(),
    }
}
