//! What a configuration says, typed so that it cannot say nonsense. Names refer to things that exist:
//! `check` has seen to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use base::{Label, Prefix, Secret};
use crypto::dh::Group;
use ike::config::{Identity, Proposal};
use ipsec::{DfBit, Fragmentation, Lifetime, Replay, Rule, Suite};
use vrf::{Rd, RouteTarget};

/// A whole configuration. `None` as a VRF name is the global table.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub hostname: Option<String>,
    pub vrfs: BTreeMap<String, Vrf>,
    pub interfaces: BTreeMap<String, Interface>,
    /// IPv4 first; of a family, in configuration order. So are keys and label bindings.
    pub routes: Vec<StaticRoute>,
    pub access_lists: BTreeMap<String, AccessList>,
    /// By priority.
    pub proposals: BTreeMap<u16, Proposal>,
    /// `crypto isakmp default policy`: IOS's built-in last resort exists only when asked for.
    pub default_policy: bool,
    /// `crypto isakmp identity`. A host name is the text of `hostname`.
    pub identity: Identity,
    // `crypto isakmp invalid-spi-recovery` has no field: configured static peers always get it.
    /// `crypto isakmp nat keepalive`; `None`: the default of 20 seconds.
    pub nat_keepalive: Option<Duration>,
    /// `crypto isakmp key … address`.
    pub keys: Vec<PresharedKey>,
    /// In configuration order.
    pub keyrings: Vec<Keyring>,
    /// In configuration order.
    pub profiles: Vec<Profile>,
    pub transform_sets: BTreeMap<String, TransformSet>,
    pub crypto_maps: BTreeMap<String, CryptoMap>,
    pub ipsec: IpsecDefaults,
    pub mpls: Mpls,
}

/// Which command made the VRF: they print differently and differ in families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VrfStyle {
    /// `ip vrf NAME`: IPv4 only.
    Ip,
    /// `vrf definition NAME`: the families that are named.
    Definition,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vrf {
    pub style: VrfStyle,
    pub description: Option<String>,
    pub rd: Option<Rd>,
    /// Route targets said of the VRF as a whole.
    pub targets: Targets,
    /// `Some` where the family is active.
    pub ipv4: Option<Targets>,
    pub ipv6: Option<Targets>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    pub import: Vec<RouteTarget>,
    pub export: Vec<RouteTarget>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    pub description: Option<String>,
    /// `device DEV`; `None`: the Linux device of the interface's own name.
    pub device: Option<String>,
    pub vrf: Option<String>,
    /// Primary first, then `secondary` and IPv6 addresses in order.
    pub addresses: Vec<InterfaceAddress>,
    /// `mtu`: what the device is to have, in bytes; `None`: what it had of itself.
    pub mtu: Option<u16>,
    /// `ip mtu`: what leaves may be no longer, in bytes; `None`: as long as the device carries.
    pub ip_mtu: Option<u16>,
    pub mpls: bool,
    pub crypto_map: Option<String>,
    /// `crypto map ipv6`.
    pub crypto_map_ipv6: Option<String>,
    pub df: Option<DfBit>,
    pub fragmentation: Option<Fragmentation>,
    pub shutdown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    pub address: IpAddr,
    pub length: u8,
    pub secondary: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    pub vrf: Option<String>,
    pub prefix: Prefix,
    pub target: RouteHop,
    /// 1 to 255, default 1.
    pub distance: u8,
    /// Zero: none.
    pub tag: u32,
    /// For people only.
    pub name: Option<String>,
}

/// Where a static route points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteHop {
    /// Resolved in the route's own VRF.
    Gateway(IpAddr),
    /// `… global`: resolved in the global table (VRF-29).
    GlobalGateway(IpAddr),
    /// Out of an interface, to a next hop on it or to whoever is there.
    Interface { name: String, gateway: Option<IpAddr> },
    /// `Null0`.
    Null,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList {
    /// `ipv6 access-list NAME`.
    pub ipv6: bool,
    /// In order; the implicit deny at the end is not stored.
    pub rules: Vec<AclRule>,
}

/// A line as written, and the selectors it means (several where the wildcard is not a prefix or a
/// port operator needs two ranges).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclRule {
    pub permit: bool,
    pub protocol: Option<u8>,
    pub source: AclAddress,
    pub source_ports: PortMatch,
    pub destination: AclAddress,
    pub destination_ports: PortMatch,
    /// Source is `local`: the outbound direction.
    pub rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclAddress {
    Any,
    Prefix(Prefix),
    /// An IPv4 wildcard whose bits are not contiguous: address and wildcard.
    Wildcard(u32, u32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortMatch {
    #[default]
    Any,
    Eq(u16),
    Neq(u16),
    Lt(u16),
    Gt(u16),
    Range(u16, u16),
}

#[derive(Clone, PartialEq, Eq)]
pub struct PresharedKey {
    pub peer: Prefix,
    pub key: Secret,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    pub name: String,
    pub description: Option<String>,
    /// The front VRF.
    pub vrf: Option<String>,
    pub keys: Vec<PresharedKey>,
}

impl Keyring {
    /// What `keyring default` in a profile names: the global keys. No ring is called so.
    pub const DEFAULT: &str = "default";
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub description: Option<String>,
    /// The inside VRF.
    pub vrf: Option<String>,
    pub keyrings: Vec<String>,
    pub matches: Vec<Match>,
    pub self_identity: Option<Identity>,
}

/// `match identity …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    Address { prefix: Prefix, vrf: Option<String> },
    Host(String),
    HostDomain(String),
    User(String),
    UserDomain(String),
    Group(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformSet {
    pub suite: Suite,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CryptoMap {
    /// `crypto map ipv6 NAME …`.
    pub ipv6: bool,
    /// `crypto map NAME isakmp-profile P`: for entries that name none.
    pub profile: Option<String>,
    pub entries: BTreeMap<u32, MapEntry>,
}

/// `crypto map NAME SEQ ipsec-isakmp`. An entry without peer, transform set or access list is
/// incomplete: accepted with a warning, protects nothing and lets nothing of its VRF out. So is one whose
/// access list does not exist: the only name that may refer to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapEntry {
    pub description: Option<String>,
    pub peers: Vec<IpAddr>,
    pub transform_sets: Vec<String>,
    pub profile: Option<String>,
    pub access_list: Option<String>,
    pub pfs: Option<Group>,
    pub seconds: Option<u32>,
    pub kilobytes: Option<Volume>,
    pub replay: Option<Replay>,
}

/// `set security-association lifetime kilobytes {N | disable}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    Kilobytes(u32),
    Disable,
}

/// The global `crypto ipsec …` lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpsecDefaults {
    pub lifetime: Lifetime,
    pub replay: Replay,
    pub df: DfBit,
    pub fragmentation: Fragmentation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mpls {
    /// `mpls label range MIN MAX`.
    pub range: (Label, Label),
    /// `mpls ip propagate-ttl`: the uniform model.
    pub propagate_ttl: bool,
    pub bindings: Vec<StaticBinding>,
}

/// `mpls static binding ipv4|ipv6 [vrf V] PREFIX MASK {input L | output NEXTHOP L}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticBinding {
    pub vrf: Option<String>,
    pub prefix: Prefix,
    pub direction: Binding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    Input(Label),
    /// The next hop is an address on a core interface, in the global table.
    Output {
        next_hop: IpAddr,
        label: Label,
    },
}

impl Default for Mpls {
    fn default() -> Self {
        Self { range: (Label::FIRST, Label::LAST), propagate_ttl: true, bindings: Vec::new() }
    }
}

impl Targets {
    pub fn is_empty(&self) -> bool {
        self.import.is_empty() && self.export.is_empty()
    }
}

impl Vrf {
    /// A VRF of which nothing but the name is written.
    pub fn new(style: VrfStyle) -> Self {
        let ipv4 = (style == VrfStyle::Ip).then(Targets::default);
        Self { style, description: None, rd: None, targets: Targets::default(), ipv4, ipv6: None }
    }
}

impl Profile {
    /// A profile of which nothing but the name is written.
    pub const fn new(name: String) -> Self {
        Self {
            name,
            description: None,
            vrf: None,
            keyrings: Vec::new(),
            matches: Vec::new(),
            self_identity: None,
        }
    }
}
