//! Neighbours of BGP, its tables, and of each path whether it is best and why.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// A page of routes, by table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpRoutes {
    pub router_id: Ipv4Addr,
    pub local_as: u32,
    /// For instance `VPNv4 Unicast`.
    pub family: String,
    pub tables: Vec<BgpTable>,
    /// See `RouteTable`.
    pub more: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpTable {
    /// `None`: unicast routes of the global table or of a VRF without one.
    pub rd: Option<String>,
    /// The VRF whose own it is.
    pub vrf: Option<String>,
    pub routes: Vec<BgpRoute>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpRoute {
    pub prefix: String,
    pub paths: Vec<BgpPath>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpPath {
    /// The neighbour; `None`: the box itself.
    pub from: Option<IpAddr>,
    pub from_router_id: Option<Ipv4Addr>,
    /// Of a route of the box itself: `connected`, `static`, `reverse`, …
    pub source: Option<String>,
    pub external: bool,
    pub next_hop: IpAddr,
    /// To the next hop; `None`: it cannot be reached.
    pub igp_metric: Option<u32>,
    pub med: Option<u32>,
    pub local_preference: Option<u32>,
    pub weight: u16,
    pub as_path: Vec<u32>,
    /// `IGP`, `EGP` or `incomplete`.
    pub origin: String,
    pub atomic_aggregate: bool,
    pub aggregator: Option<(u32, Ipv4Addr)>,
    pub communities: Vec<String>,
    /// Such as `RT:100:1`.
    pub extended_communities: Vec<String>,
    pub large_communities: Vec<String>,
    pub originator: Option<Ipv4Addr>,
    pub clusters: Vec<Ipv4Addr>,
    /// As it was received, or, of what a neighbour is told, as it is sent.
    pub label: Option<u32>,
    /// Ours, under which the route is announced.
    pub local_label: Option<u32>,
    /// The VRF in which that label looks for a way: it stands for all its routes.
    pub aggregate: Option<String>,
    /// RFC 7911.
    pub path_id: u32,
    pub tag: u32,
    /// The route distinguisher under which it was learned, in a VRF that imports it.
    pub imported_from: Option<String>,
    /// The VRF of this box that it was leaked from.
    pub leaked_from: Option<String>,
    pub stale: bool,
    /// It is the best one, by this rule.
    pub best: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpSummary {
    pub router_id: Ipv4Addr,
    pub local_as: u32,
    /// Of all families together.
    pub prefixes: usize,
    pub paths: usize,
    /// Different sets of attributes.
    pub attributes: usize,
    pub families: Vec<BgpFamilySummary>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpFamilySummary {
    pub family: String,
    pub neighbors: Vec<BgpSummaryLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpSummaryLine {
    pub vrf: Option<String>,
    pub address: IpAddr,
    pub remote_as: u32,
    pub received: u64,
    pub sent: u64,
    /// For instance `Established` or `Idle (Admin)`.
    pub state: String,
    /// Seconds since the session is up; `None`: it is not.
    pub uptime: Option<u64>,
    /// Seconds since it was lost; `None`: it is up, or never was.
    pub downtime: Option<u64>,
    pub prefixes_accepted: u32,
    pub prefixes_sent: u32,
    pub description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpNeighbor {
    pub vrf: Option<String>,
    pub address: IpAddr,
    pub description: Option<String>,
    pub remote_as: u32,
    /// As the neighbour sees us.
    pub local_as: u32,
    pub external: bool,
    pub state: String,
    pub local_address: Option<IpAddr>,
    pub remote_router_id: Option<Ipv4Addr>,
    /// Seconds.
    pub uptime: Option<u64>,
    pub downtime: Option<u64>,
    /// Agreed on; what is configured while there is no session.
    pub hold: u64,
    pub keepalive: u64,
    /// Capabilities that both sides have.
    pub four_octet_as: bool,
    pub route_refresh: bool,
    pub enhanced_refresh: bool,
    pub extended_message: bool,
    /// Of graceful restart: how long the neighbour asks us to keep its routes.
    pub graceful_restart: Option<u64>,
    /// Its routes of the last session are kept for this long.
    pub stale_left: Option<u64>,
    pub bfd: bool,
    pub password: bool,
    pub messages_sent: u64,
    pub messages_received: u64,
    pub updates_sent: u64,
    pub updates_received: u64,
    pub notifications_sent: u64,
    pub notifications_received: u64,
    pub established: u32,
    pub dropped: u32,
    pub last_reset: Option<BgpReset>,
    pub families: Vec<BgpFamilyState>,
}

/// How a session or an attempt ended last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpReset {
    /// Seconds ago.
    pub since: u64,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpFamilyState {
    pub family: String,
    pub route_reflector_client: bool,
    pub next_hop_self: bool,
    pub accepted: u32,
    /// Not taken in: by policy, as a loop, or as nobody imports them.
    pub denied: u64,
    pub sent: u32,
    pub maximum_prefix: Option<u32>,
    pub route_map_in: Option<String>,
    pub route_map_out: Option<String>,
    pub prefix_list_in: Option<String>,
    pub prefix_list_out: Option<String>,
    /// It said that it told everything.
    pub end_of_rib: bool,
    /// It was told everything.
    pub told: bool,
}
