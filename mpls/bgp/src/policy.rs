//! Prefix lists, community lists and route maps: what they say, and whether a route passes.

use core::net::IpAddr;
use std::collections::BTreeMap;

use base::Prefix;
use vrf::{Rd, RouteTarget};

/// Everything that neighbours and VRFs refer to by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    pub prefix_lists: BTreeMap<String, PrefixList>,
    pub community_lists: BTreeMap<String, CommunityList>,
    /// `ip extcommunity-list`: route targets and sites of origin.
    pub extended_lists: BTreeMap<String, ExtendedList>,
    pub route_maps: BTreeMap<String, RouteMap>,
}

/// `ip prefix-list`, `ipv6 prefix-list`: by sequence number; what no line matches is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixList(pub BTreeMap<u32, PrefixRule>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRule {
    pub permit: bool,
    pub prefix: Prefix,
    /// The lengths that match, in bits: without `ge` and `le` the prefix's own alone.
    pub lengths: (u8, u8),
}

/// `ip community-list standard`: a line matches a route that has all its communities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommunityList(pub Vec<(bool, Vec<Community>)>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedList(pub Vec<(bool, Vec<Extended>)>);

/// RFC 1997, RFC 8092.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Community {
    /// AS in the upper half, number in the lower; also the well-known ones.
    Standard(u32),
    Large([u32; 3]),
}

/// The extended communities that policies know, RFC 4360.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extended {
    Target(RouteTarget),
    Site(Rd),
}

/// By sequence number; what no entry matches is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMap(pub BTreeMap<u32, Entry>);

/// Every kind of match must hold; of one kind, any value will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub permit: bool,
    pub matches: Vec<Match>,
    pub sets: Vec<Set>,
    /// `continue`: which entry next, after this one matched.
    pub next: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `match ip|ipv6 address prefix-list NAME …`.
    Prefix(Vec<String>),
    /// `match ip|ipv6 next-hop prefix-list NAME …`.
    NextHop(Vec<String>),
    /// `match community NAME … [exact-match]`.
    Community {
        lists: Vec<String>,
        exact: bool,
    },
    /// `match extcommunity NAME …`.
    Extended(Vec<String>),
    /// `match tag N …`: of a redistributed route.
    Tag(Vec<u32>),
    Metric(u32),
    LocalPreference(u32),
    /// `match source-protocol connected|static|bgp …`.
    Source(Vec<vrf::Source>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    LocalPreference(u32),
    Metric(u32),
    Weight(u16),
    NextHop(IpAddr),
    /// `set community … [additive]`; `None`: `set community none`.
    Community {
        communities: Option<Vec<Community>>,
        additive: bool,
    },
    /// `set extcommunity rt … [additive]`.
    Target {
        targets: Vec<RouteTarget>,
        additive: bool,
    },
    Site(Rd),
    Tag(u32),
    /// `set as-path prepend …`.
    Prepend(Vec<u32>),
    Origin(crate::attributes::Origin),
}
