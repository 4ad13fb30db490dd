//! `show crypto call admission statistics`, `show crypto ikev2 stats`: limits, and what was let in and
//! refused (CAC-05).

use api::Admission;
use base::Instant;
use ike::config::Version;

use crate::Pe;

/// Both versions together, as call admission control counts them.
pub(super) fn counted(pe: &Pe) -> Admission {
    let counted = pe.ike.admission();
    Admission {
        load_limit: counted.limits.load.unwrap_or(0).into(),
        most: counted.limits.sessions.unwrap_or(0),
        most_negotiating: counted.limits.negotiating.unwrap_or(0),
        active: counted.active,
        negotiating: counted.negotiating,
        incoming_accepted: counted.incoming.accepted,
        incoming_rejected: counted.incoming.rejected,
        outgoing_accepted: counted.outgoing.accepted,
        outgoing_rejected: counted.outgoing.rejected,
        rejected_for_load: counted.low_resources,
        rejected_for_limit: counted.over_limit,
        cookies_right: counted.cookies.right,
        cookies_wrong: counted.cookies.wrong,
        cookies_missing: counted.cookies.missing,
    }
}

/// The SAs and limits of version 2, beside what all requests came to.
pub(super) fn second(pe: &Pe, now: Instant) -> Admission {
    let sessions = pe.ike.sessions(now);
    let mut counts = (0, 0);
    for session in sessions.iter().filter(|session| session.version == Version::V2) {
        if session.established { counts.0 += 1 } else { counts.1 += 1 }
    }
    let limits = &pe.config.ikev2;
    let all = counted(pe);
    Admission {
        most: limits.most_sessions.unwrap_or(all.most),
        most_negotiating: limits.most_negotiating.unwrap_or(all.most_negotiating),
        active: counts.0,
        negotiating: counts.1,
        ..all
    }
}
