//! What sessions and tables say to each other: routes of one family that share their attributes.

use std::sync::Arc;

use base::{Label, Prefix};
use vrf::{Rd, RouteTarget};

use crate::attributes::Attributes;
use crate::io::AddressFamily;

/// What makes a route distinct within its family; the path identifier stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// In the VPN families, `None` elsewhere.
    pub rd: Option<Rd>,
    pub prefix: Prefix,
    /// The bottom of what the sender wants pushed: in the VPN and labelled families. A withdrawal says nothing of it.
    pub label: Option<Label>,
    /// RFC 7911, where it was negotiated.
    pub path: Option<u32>,
}

/// RFC 4684: who wants which routes. `None` as target: all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Membership {
    pub asn: u32,
    pub target: Option<RouteTarget>,
}

/// From a peer's table to ours, or the other way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    Reach {
        family: AddressFamily,
        attributes: Arc<Attributes>,
        routes: Vec<Nlri>,
    },
    Unreach {
        family: AddressFamily,
        routes: Vec<Nlri>,
    },
    /// Of `AddressFamily::RouteTarget`.
    Wants {
        attributes: Arc<Attributes>,
        targets: Vec<Membership>,
    },
    WantsNot(Vec<Membership>),
    EndOfRib(AddressFamily),
}
