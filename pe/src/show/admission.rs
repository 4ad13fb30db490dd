//! `show crypto call admission statistics`, `show crypto ikev2 stats`: limits, and what was let in and
//! refused (CAC-05).

use api::Admission;
use base::Instant;
use ike::config::Version;

use crate::Pe;

/// SAs of one version; those that are up count as active.
pub(super) fn counted(pe: &Pe, now: Instant, version: Version) -> Admission {
    let sessions = pe.ike.sessions(now);
    let (active, negotiating): (Vec<_>, Vec<_>) = sessions
        .iter()
        .filter(|session| session.version == version)
        .partition(|session| session.established);
    let limits = pe.config.admission;
    let own = match version {
        Version::V1 => (limits.sessions, limits.negotiating),
        Version::V2 => (
            pe.config.ikev2.most_sessions.or(limits.sessions),
            pe.config.ikev2.most_negotiating.or(limits.negotiating),
        ),
    };
    Admission {
        load_limit: limits.load.unwrap_or(0).into(),
        most: own.0.unwrap_or(0),
        most_negotiating: own.1.unwrap_or(0),
        active: active.len() as u64,
        negotiating: negotiating.len() as u64,
        ..Admission::default()
    }
}
