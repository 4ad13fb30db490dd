//! A crypto-map entry on one interface: the SPD entry of RFC 4301 section 4.4.1.

use base::{PolicyId, PortId, SaId, VrfId};

use crate::{Flow, Selector};

/// What the outer header's DF bit becomes: `crypto ipsec df-bit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DfBit {
    Clear,
    Set,
    #[default]
    Copy,
}

/// Where a packet too big for the path is cut: `crypto ipsec fragmentation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragmentation {
    #[default]
    BeforeEncryption,
    AfterEncryption,
}

/// One line of the entry's access list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub permit: bool,
    pub selector: Selector,
}

/// An outbound SA and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub selector: Selector,
    pub outbound: SaId,
}

/// An entry is tried only for packets of its inside VRF that leave through its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub id: PolicyId,
    /// The interface that carries the crypto map.
    pub port: PortId,
    /// Place in the map; lower is tried first.
    pub sequence: u32,
    /// The VRF of the port.
    pub front: VrfId,
    pub inside: VrfId,
    pub rules: Vec<Rule>,
    /// Newest first.
    pub bundles: Vec<Bundle>,
    pub df: DfBit,
    pub fragmentation: Fragmentation,
    /// The tunnel interface that it stands for, `Tunnel0`; `None`: a crypto-map entry.
    pub interface: Option<String>,
}

/// What an entry says of an outbound flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Protect it with this SA.
    Seal(SaId),
    /// Protect it, but no SA is up: ask IKE for one for the rule at this index.
    Acquire(usize),
    /// Not this entry: a deny line, or no line, matched.
    Pass,
}

impl Policy {
    /// The first line that matches decides.
    pub fn judge(&self, flow: &Flow) -> Verdict {
        let Some(index) = self.permitting(flow) else { return Verdict::Pass };
        match self.bundles.iter().find(|bundle| bundle.selector.matches(flow)) {
            Some(bundle) => Verdict::Seal(bundle.outbound),
            None => Verdict::Acquire(index),
        }
    }

    /// The index of the permit line that `flow` hits, unless a deny line comes first.
    pub fn permitting(&self, flow: &Flow) -> Option<usize> {
        let index = self.rules.iter().position(|rule| rule.selector.matches(flow))?;
        self.rules.get(index).filter(|rule| rule.permit).map(|_| index)
    }

    /// Whether a peer may propose `selector`: the first line that covers it is a permit line (RFC 4301
    /// section 4.4.1.1; a superset is refused).
    pub fn admits(&self, selector: &Selector) -> bool {
        self.rules.iter().find(|rule| rule.selector.covers(selector)).is_some_and(|rule| rule.permit)
    }
}
