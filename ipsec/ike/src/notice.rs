//! What an operator should know: one value, one log line.

use std::net::IpAddr;

use base::VrfId;

use crate::{DownReason, SessionId};

/// Who is to blame for a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blame {
    /// It broke the protocol.
    PeerMisbehaved,
    /// It wants what we do not do or do not allow.
    PeerIncompatible,
    /// Our configuration refuses it.
    Refused,
    /// Not a message at all.
    Malformed,
    /// Something of ours failed.
    Local,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Phase 1 completed.
    SessionUp {
        session: SessionId,
        front: VrfId,
        inside: VrfId,
        local: IpAddr,
        remote: IpAddr,
        /// The peer's UDP port.
        port: u16,
        identity: String,
        profile: Option<String>,
        initiator: bool,
    },
    /// Phase 1 ended.
    SessionDown {
        session: SessionId,
        front: VrfId,
        inside: VrfId,
        remote: IpAddr,
        /// The peer's UDP port.
        port: u16,
        identity: String,
        reason: DownReason,
    },
    /// A negotiation ended without result. `what` names the failure in a stable word such as
    /// `no-proposal-chosen`; `detail` says what was offered, what we have, and what to change.
    Failed {
        session: Option<SessionId>,
        front: VrfId,
        remote: IpAddr,
        blame: Blame,
        what: &'static str,
        detail: String,
    },
    /// A packet was refused and nothing changed; counted by `what`.
    Ignored { front: VrfId, remote: IpAddr, blame: Blame, what: &'static str },
    /// Only while `debug crypto isakmp` is on.
    Debug { session: Option<SessionId>, front: VrfId, remote: IpAddr, text: String },
}
