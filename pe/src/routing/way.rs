//! Where a route leads: as it is told, and as it is in the end.

use std::net::IpAddr;

use base::{Label, PolicyId, PortId, VrfId};
use dataplane::Labels;

use super::hops::HopId;

/// Where a candidate leads, before its next hop is found. Between equals the earlier kind wins, so that a label is
/// never passed by on an unlabelled route of the same prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// This box.
    Local,
    /// Label-switched: this label beneath what leads to the next hop. Implicit null: that alone.
    Labelled(NextHop, Label),
    /// `Null0`.
    Discard,
    /// Into a tunnel interface.
    Tunnel(PolicyId),
    /// The destination itself is on the port's link.
    Port(PortId),
    Through(NextHop),
    /// Into another VRF, where the route stands.
    Vrf(VrfId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NextHop {
    /// On a port's link, whatever the routes say.
    On(PortId, IpAddr),
    /// Found in the table of a VRF, which may be another than the route's own (VRF-29).
    In(VrfId, IpAddr),
}

/// A target as it is stored: next hops by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Local,
    Labelled(HopId, Label),
    Discard,
    Tunnel(PolicyId),
    Port(PortId),
    Through(HopId),
    Vrf(VrfId),
}

/// Where a candidate leads in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Local,
    Discard,
    Protect(PolicyId),
    /// No gateway: the destination itself is the next hop.
    Out {
        port: PortId,
        gateway: Option<IpAddr>,
        push: Labels,
    },
    Lookup(VrfId),
}

/// Why a candidate leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    NotReachable,
    /// Its next hop is found through itself.
    Loop,
    BoxItself,
    IntoTunnel,
    Absent,
    NoMpls(PortId),
    NoPath,
    TooManyLabels,
}

impl To {
    pub(super) const fn hop(self) -> Option<HopId> {
        match self {
            Self::Labelled(hop, _) | Self::Through(hop) => Some(hop),
            Self::Local | Self::Discard | Self::Tunnel(_) | Self::Port(_) | Self::Vrf(_) => None,
        }
    }
}

impl Way {
    /// The same with a label beneath; implicit null is none.
    pub(super) fn with_inner(self, label: Label) -> Result<Self, Problem> {
        match self {
            Self::Out { .. } if label == Label::IMPLICIT_NULL => Ok(self),
            Self::Out { port, gateway, push } => {
                let push = push.with_inner(label).ok_or(Problem::TooManyLabels)?;
                Ok(Self::Out { port, gateway, push })
            }
            Self::Discard => Ok(Self::Discard),
            Self::Local => Err(Problem::BoxItself),
            Self::Protect(_) => Err(Problem::IntoTunnel),
            Self::Lookup(_) => Err(Problem::NoPath),
        }
    }

    pub(super) fn without_labels(self) -> Self {
        match self {
            Self::Out { port, gateway, push: _ } => Self::Out { port, gateway, push: Labels::default() },
            Self::Local | Self::Discard | Self::Protect(_) | Self::Lookup(_) => self,
        }
    }
}

impl Problem {
    /// `name` tells an interface's.
    pub(super) fn text(self, name: impl Fn(PortId) -> String) -> String {
        let text = match self {
            Self::NotReachable | Self::Loop => "its next hop is not reachable",
            Self::BoxItself => "its next hop is this box itself",
            Self::IntoTunnel => "its label cannot leave by a tunnel interface",
            Self::Absent => "its interface is absent or down",
            Self::NoPath => "no label-switched path leads to its next hop (LDP, or `mpls static binding`)",
            Self::TooManyLabels => "its labels are too many for one packet",
            Self::NoMpls(port) => {
                return format!("its label cannot leave by {}: `mpls ip` is missing there", name(port));
            }
        };
        text.to_owned()
    }
}
