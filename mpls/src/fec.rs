//! Forwarding equivalence classes: what a label of ours stands for, RFC 3031 section 2.1.

use core::fmt;
use core::net::IpAddr;

use base::{Prefix, VrfId};

/// Packets that are forwarded alike and share a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fec {
    /// Everything of a VRF: the packet behind the label is looked up there.
    Vrf(VrfId),
    /// What goes to one prefix of a VRF.
    Prefix(VrfId, Prefix),
    /// What goes to one next hop of a VRF: a CE.
    NextHop(VrfId, IpAddr),
}

impl Fec {
    pub const fn vrf(self) -> VrfId {
        match self {
            Self::Vrf(vrf) | Self::Prefix(vrf, _) | Self::NextHop(vrf, _) => vrf,
        }
    }
}

impl fmt::Display for Fec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vrf(vrf) => write!(f, "vrf {}", vrf.0),
            Self::Prefix(vrf, prefix) => write!(f, "vrf {} {prefix}", vrf.0),
            Self::NextHop(vrf, address) => write!(f, "vrf {} via {address}", vrf.0),
        }
    }
}
