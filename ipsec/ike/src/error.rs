//! Why a message or a negotiation is refused, and who is to blame for it.

use crate::notice::Blame;
use crate::wire::Malformed;

/// A refusal changes nothing in the session that it concerns, unless it is `fatal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) blame: Blame,
    /// A stable word.
    pub(crate) what: &'static str,
    /// What was offered, what we have, what to change. Empty: not worth more than a count.
    pub(crate) detail: String,
    /// What to tell the peer.
    pub(crate) notify: Option<u16>,
    /// The peer proved who it is and still cannot be served: the negotiation is over.
    pub(crate) fatal: bool,
}

impl Refusal {
    /// Counted, nothing more.
    pub(crate) const fn ignored(what: &'static str) -> Self {
        Self { blame: Blame::PeerMisbehaved, what, detail: String::new(), notify: None, fatal: false }
    }

    /// Worth an operator's attention.
    pub(crate) const fn because(blame: Blame, what: &'static str, detail: String) -> Self {
        Self { blame, what, detail, notify: None, fatal: false }
    }

    pub(crate) fn telling(self, notify: u16) -> Self {
        Self { notify: Some(notify), ..self }
    }

    pub(crate) fn fatal(self) -> Self {
        Self { fatal: true, ..self }
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self { blame: Blame::Malformed, ..Self::ignored(malformed.0) }
    }
}
