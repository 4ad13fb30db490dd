//! What routing protocols want an operator to know.

use std::fmt;
use std::net::IpAddr;

use super::Severity;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// `vrf`: the neighbour's; `None`: the global table.
    Bgp {
        vrf: Option<String>,
        notice: bgp::Notice,
    },
    Ldp(ldp::Notice),
    /// A path that BFD watches came up or failed.
    Bfd {
        vrf: Option<String>,
        remote: IpAddr,
        up: bool,
        diagnostic: &'static str,
    },
    /// A protocol that is configured and does nothing, and why.
    Idle {
        protocol: &'static str,
        reason: &'static str,
    },
}

impl Network {
    pub(super) const fn severity(&self) -> Severity {
        match self {
            Self::Bgp { notice: bgp::Notice::Up(_) | bgp::Notice::Down(..), .. }
            | Self::Ldp(ldp::Notice::Up(_) | ldp::Notice::Down(..))
            | Self::Bfd { .. } => Severity::Notification,
            Self::Bgp { .. } | Self::Ldp(_) | Self::Idle { .. } => Severity::Warning,
        }
    }

    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Bgp { vrf, .. } | Self::Bfd { vrf, .. } => vec![("vrf", name(vrf).to_owned())],
            Self::Ldp(_) | Self::Idle { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bgp { vrf: Some(vrf), notice } => {
                write!(f, "%BGP-{}: vrf {vrf}: {notice}", bgp_code(notice))
            }
            Self::Bgp { vrf: None, notice } => write!(f, "%BGP-{}: {notice}", bgp_code(notice)),
            Self::Ldp(notice) => write!(f, "%LDP-{}: {notice}", ldp_code(notice)),
            Self::Bfd { vrf, remote, up: true, .. } => {
                write!(f, "%BFD-5-SESS_UP: path to {remote} in vrf {} is up", name(vrf))
            }
            Self::Bfd { vrf, remote, up: false, diagnostic } => {
                write!(f, "%BFD-5-SESS_DOWN: path to {remote} in vrf {} failed: {diagnostic}", name(vrf))
            }
            Self::Idle { protocol, reason } => {
                write!(f, "%ROUTING-4-IDLE: {protocol} does nothing: {reason}")
            }
        }
    }
}

const fn bgp_code(notice: &bgp::Notice) -> &'static str {
    match notice {
        bgp::Notice::Up(_) | bgp::Notice::Down(..) => "5-ADJCHANGE",
        bgp::Notice::Notification { .. } => "4-NOTIFICATION",
        bgp::Notice::Malformed { .. } => "4-MALFORMED",
        bgp::Notice::MaximumPrefix { .. } => "4-MAXPFX",
        bgp::Notice::Refused(..) => "4-REFUSED",
        bgp::Notice::NoLabel(_) => "4-NOLABEL",
        bgp::Notice::LeakLimit { .. } => "4-LEAKLIMIT",
    }
}

const fn ldp_code(notice: &ldp::Notice) -> &'static str {
    match notice {
        ldp::Notice::Up(_) | ldp::Notice::Down(..) => "5-NBRCHG",
        ldp::Notice::Refused(..) => "4-REFUSED",
        ldp::Notice::NoLabel(_) => "4-NOLABEL",
        ldp::Notice::Overflow(_) => "4-OVERFLOW",
    }
}

fn name(vrf: &Option<String>) -> &str {
    vrf.as_deref().unwrap_or("(none)")
}
