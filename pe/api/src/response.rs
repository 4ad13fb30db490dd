//! Facts. Times are seconds, VRFs names (`None`: global), SPIs numbers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

mod bgp;
pub use bgp::{
    BgpFamilyState, BgpFamilySummary, BgpNeighbor, BgpPath, BgpReset, BgpRoute, BgpRoutes, BgpSummary,
    BgpSummaryLine, BgpTable,
};

mod ike;
pub use ike::{
    Admission, Explanation, Ikev2Child, Ikev2Policy, Ikev2Profile, Ikev2Proposal, Ikev2Sa, Known, Outcome,
    Story, StoryStep,
};

mod map;
pub use map::{Identity, MapEntry, TransformSet};

mod mpls;
pub use mpls::{
    LabelEntry, LabelTable, LdpBinding, LdpBindings, LdpDiscovery, LdpHello, LdpNeighbor, LdpRemoteBinding,
    LdpSource,
};

mod page;

mod path;
pub use path::{BfdSession, CryptoRoute, PrefixList, PrefixRule, RouteMap, RouteMapEntry};

mod pki;
pub use pki::{Certificate, Crl, Trustpoint};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    IsakmpSas(Vec<IsakmpSa>),
    IsakmpProfiles(Vec<IsakmpProfile>),
    /// Keys are never sent, only whose they are.
    IsakmpKeys(Vec<IsakmpKey>),
    IsakmpPolicies(Vec<IsakmpPolicy>),
    IsakmpPeers(Vec<IsakmpPeer>),
    Ikev2Sas(Vec<Ikev2Sa>),
    Ikev2Proposals(Vec<Ikev2Proposal>),
    Ikev2Policies(Vec<Ikev2Policy>),
    Ikev2Profiles(Vec<Ikev2Profile>),
    Ikev2Statistics(Admission),
    Explained(Explanation),
    Maps(Vec<MapEntry>),
    Identities(Vec<Identity>),
    Admission(Admission),
    Trustpoints(Vec<Trustpoint>),
    Certificates(Vec<Certificate>),
    Crls(Vec<Crl>),
    MasterKey {
        is_set: bool,
    },
    IpsecSas(Vec<IpsecFlow>),
    Sessions(Vec<Session>),
    Routes(Vec<RouteTable>),
    Vrfs(Vec<VrfSummary>),
    MplsForwarding(LabelTable),
    Bgp(BgpRoutes),
    BgpSummary(BgpSummary),
    BgpNeighbors(Vec<BgpNeighbor>),
    LdpNeighbors(Vec<LdpNeighbor>),
    LdpBindings(LdpBindings),
    LdpDiscovery(LdpDiscovery),
    Bfd(Vec<BfdSession>),
    CryptoRoutes(Vec<CryptoRoute>),
    RouteMaps(Vec<RouteMap>),
    PrefixLists(Vec<PrefixList>),
    Interfaces(Vec<InterfaceState>),
    Drops(Vec<Drop>),
    Dataplane(Dataplane),
    /// Text that is its own format: the running configuration, a log.
    Text(String),
    Trace(Vec<TraceStep>),
    /// Done; how many things it concerned.
    Done {
        count: usize,
    },
    /// Not done, and what to do about it.
    Failed {
        error: String,
        hint: Option<String>,
    },
}

/// An IKE SA of either version, as `show crypto isakmp sa` and `show crypto session` have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpSa {
    /// 1 or 2.
    pub version: u8,
    pub front: Option<String>,
    pub inside: Option<String>,
    pub local: IpAddr,
    pub local_port: u16,
    pub remote: IpAddr,
    pub remote_port: u16,
    /// IOS's state word, for instance `QM_IDLE`, `AG_NO_STATE` or, of version 2, `READY`.
    pub state: String,
    pub established: bool,
    pub connection: u32,
    pub initiator: bool,
    pub profile: Option<String>,
    pub identity: Option<String>,
    pub encryption: Option<String>,
    pub hash: Option<String>,
    /// As after `authentication`, for instance `pre-share`.
    pub authentication: Option<String>,
    pub group: Option<u16>,
    pub nat: bool,
    pub lifetime_left: Option<u64>,
    pub cookies: (String, String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpProfile {
    pub name: String,
    pub vrf: Option<String>,
    pub identities: Vec<String>,
    pub certificate_maps: Vec<String>,
    pub keyrings: Vec<String>,
    /// Empty: every trustpoint.
    pub trustpoints: Vec<String>,
    pub self_identity: Option<String>,
    pub aggressive: bool,
    pub bindings: Vec<String>,
}

/// `crypto isakmp peer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpPeer {
    pub address: IpAddr,
    pub vrf: Option<String>,
    /// What we call ourselves.
    pub identity: Option<String>,
    /// Whether there is a password; it is never sent.
    pub password: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpKey {
    pub keyring: String,
    pub vrf: Option<String>,
    pub peer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpPolicy {
    pub priority: u16,
    /// The built-in last resort.
    pub default: bool,
    pub encryption: String,
    pub hash: String,
    pub authentication: String,
    pub group: u16,
    pub group_bits: u16,
    pub lifetime: u64,
    /// Why it is not offered.
    pub left_out: Option<String>,
}

/// One flow of one crypto-map entry with its SAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpsecFlow {
    pub interface: String,
    pub map: String,
    pub sequence: u32,
    pub local_address: IpAddr,
    pub front: Option<String>,
    pub inside: Option<String>,
    pub local: Proxy,
    pub remote: Proxy,
    pub peer: IpAddr,
    pub peer_port: u16,
    pub connection: Option<u32>,
    pub encaps: u64,
    pub decaps: u64,
    pub encaps_bytes: u64,
    pub decaps_bytes: u64,
    pub send_errors: u64,
    pub recv_errors: u64,
    pub path_mtu: u16,
    pub inbound: Vec<IpsecSa>,
    pub outbound: Vec<IpsecSa>,
}

/// An identity as quick mode says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    pub address: IpAddr,
    pub mask: IpAddr,
    pub protocol: u8,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpsecSa {
    pub spi: u32,
    pub transform: String,
    /// `Tunnel` or `Tunnel UDP-Encaps`.
    pub mode: String,
    pub connection: u32,
    pub seconds_left: u64,
    pub kilobytes_left: Option<u64>,
    pub iv: u16,
    pub replay_window: u16,
    pub esn: bool,
    pub packets: u64,
    pub bytes: u64,
    pub sequence: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub interface: String,
    /// `UP-ACTIVE`, `UP-IDLE`, `UP-NO-IKE`, `DOWN-NEGOTIATING` or `DOWN`.
    pub status: String,
    pub peer: IpAddr,
    pub peer_port: u16,
    pub front: Option<String>,
    pub inside: Option<String>,
    pub description: Option<String>,
    pub identity: Option<String>,
    pub profile: Option<String>,
    pub uptime: u64,
    pub isakmp: Vec<IsakmpSa>,
    pub flows: Vec<IpsecFlow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    pub vrf: Option<String>,
    pub ipv6: bool,
    pub routes: Vec<RouteEntry>,
    /// What `Request::More` gets the next page with; `None`: this is the last one.
    pub more: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEntry {
    pub prefix: String,
    /// `C` connected, `L` local, `S` static and reverse routes, `B` BGP.
    pub code: String,
    /// The same in a word, and reverse routes told apart: `connected`, `local`, `static`, `reverse`, `bgp`.
    pub source: String,
    pub distance: u8,
    pub metric: u32,
    pub tag: u32,
    pub next_hop: Option<IpAddr>,
    pub interface: Option<String>,
    /// The next hop was found in the global table.
    pub global: bool,
    /// Outermost first.
    pub labels: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrfSummary {
    pub name: String,
    pub rd: Option<String>,
    pub import: Vec<String>,
    pub export: Vec<String>,
    pub ipv4: bool,
    pub ipv6: bool,
    pub interfaces: Vec<String>,
    /// Routes of BGP from the global table and to it.
    pub leaks: Vec<VrfLeak>,
}

/// `import` or `export ipv4|ipv6 unicast … map`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrfLeak {
    /// From the global table into the VRF.
    pub import: bool,
    pub ipv6: bool,
    pub map: String,
    pub limit: u32,
    /// Prefixes that are leaked now, and those that are permitted beyond the limit.
    pub prefixes: usize,
    pub beyond: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceState {
    pub name: String,
    pub device: String,
    pub description: Option<String>,
    pub up: bool,
    pub vrf: Option<String>,
    pub mac: Option<String>,
    pub mtu: u16,
    pub addresses: Vec<String>,
    pub mpls: bool,
    /// IPv4's, IPv6's, or both.
    pub crypto_maps: Vec<String>,
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
    pub drops_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    pub name: String,
    pub meaning: String,
    pub packets: u64,
}

/// Who forwards, and what of it cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataplane {
    /// `user` or `linux`.
    pub backend: String,
    pub features: Vec<Feature>,
    /// What is done otherwise than it was asked for.
    pub problems: Vec<String>,
    /// What should be there and is refused, each with the reason.
    pub refused: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    pub name: String,
    /// What there is of it, or what to load or install.
    pub state: String,
    pub found: bool,
}

/// One step of a packet's path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// For instance `route`, `policy`, `sa`, `labels`, `next-hop`, `drop`.
    pub stage: String,
    pub text: String,
    /// The name in `show drops`, if it ends here.
    pub drop: Option<String>,
}
