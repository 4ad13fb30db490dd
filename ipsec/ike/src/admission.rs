//! Call admission control: which new IKE SAs there is room for (CAC-01 to CAC-05). SAs with a peer that has
//! one already are never refused, so rekeys always go through.

use std::net::IpAddr;

use base::VrfId;

use crate::Path;
use crate::config;
use crate::engine::Ike;
use crate::error::Refusal;
use crate::notice::Blame;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Incoming,
    Outgoing,
}

/// Requests for new IKE SAs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub accepted: u64,
    pub rejected: u64,
}

/// Openings of version 2 under load, by the cookie that they showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    pub right: u64,
    pub wrong: u64,
    pub missing: u64,
}

/// What `show crypto call admission statistics` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    pub limits: config::Admission,
    /// IKE SAs that are established, and that are being negotiated.
    pub active: u64,
    pub negotiating: u64,
    pub incoming: Tally,
    pub outgoing: Tally,
    /// Of all that were rejected: because the machine is too busy, and because a limit was reached.
    pub low_resources: u64,
    pub over_limit: u64,
    pub cookies: Cookies,
}

enum Full {
    Busy { load: u8, limit: u8 },
    Sessions(u32),
    Negotiating(u32),
}

impl Ike {
    /// How call admission control has decided so far, and how far its limits are used.
    pub fn admission(&self) -> Admission {
        let negotiating = self.negotiating.len() as u64;
        Admission {
            limits: self.core.config.admission,
            active: (self.sessions.len() as u64).saturating_sub(negotiating),
            negotiating,
            cookies: self.core.cookies.shown,
            ..self.admissions
        }
    }

    /// `clear crypto call admission statistics`.
    pub fn clear_admission(&mut self) {
        self.admissions = Admission::default();
        self.core.cookies.shown = Cookies::default();
    }

    /// Whether there is room for a new IKE SA on this path.
    pub(crate) fn admit(&mut self, direction: Direction, path: &Path) -> Result<(), Refusal> {
        if self.sessions_between(path.peer()).any(|session| session.established().is_some()) {
            return Ok(());
        }
        let full = self.full();
        let tally = match direction {
            Direction::Incoming => &mut self.admissions.incoming,
            Direction::Outgoing => &mut self.admissions.outgoing,
        };
        let Some(full) = full else {
            tally.accepted += 1;
            return Ok(());
        };
        tally.rejected += 1;
        match full {
            Full::Busy { .. } => self.admissions.low_resources += 1,
            Full::Sessions(_) | Full::Negotiating(_) => self.admissions.over_limit += 1,
        }
        Err(full.refusal(direction, path))
    }

    fn full(&self) -> Option<Full> {
        let Admission { limits, active, negotiating, .. } = self.admission();
        if let Some(limit) = limits.load.filter(|limit| self.core.load > *limit) {
            return Some(Full::Busy { load: self.core.load, limit });
        }
        if let Some(limit) = limits.negotiating.filter(|limit| negotiating >= u64::from(*limit)) {
            return Some(Full::Negotiating(limit));
        }
        // With a limit of their own, those that are being negotiated do not count here.
        let charged = if limits.negotiating.is_some() { active } else { active + negotiating };
        limits.sessions.filter(|limit| charged >= u64::from(*limit)).map(Full::Sessions)
    }
}

impl Full {
    fn refusal(&self, direction: Direction, path: &Path) -> Refusal {
        let (local, remote): (IpAddr, IpAddr) = (path.local.ip(), path.remote.ip());
        let (from, to) = match direction {
            Direction::Incoming => (remote, local),
            Direction::Outgoing => (local, remote),
        };
        let front: VrfId = path.front;
        let (what, why) = match self {
            Self::Busy { load, limit } => {
                ("call-admission-load", format!("the machine is busy to {load} %, the limit is {limit} %"))
            }
            Self::Sessions(limit) => ("call-admission-limit", format!("{limit} IKE SAs are the limit")),
            Self::Negotiating(limit) => {
                ("call-admission-limit", format!("{limit} IKE SAs in negotiation are the limit"))
            }
        };
        let detail = format!("no new IKE SA from {from} to {to} in front VRF {}: {why}", front.0);
        Refusal::because(Blame::Refused, what, detail)
    }
}
