//! What a configuration says, typed so that it cannot say nonsense. Names refer to things that exist:
//! `check` has seen to it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

pub use ::bgp::config::Leak;
pub use ::bgp::policy::Policies;
use base::{Family, Label, Prefix};
pub use ike::config::{
    Admission, CertificateMap, Dpd, Identity, NamedKey, Peer, PeerIdentity, PresharedKey, Proposal,
};
use ipsec::Rule;
use vrf::{Rd, RouteTarget};

mod bfd;
pub use bfd::{Bfd, BfdMap, BfdTimers, StaticHop};

pub mod bgp;
pub use bgp::{Bgp, LabelMode, NeighborName};

mod ikev2;
pub use ikev2::{Front, Ikev2, Ikev2Keyring, Ikev2Peer, Ikev2Policy, Ikev2Profile};
pub(crate) use ikev2::{blank_proposal, is_aead};

mod interface;
pub use interface::{Interface, InterfaceAddress, Tunnel, TunnelMode, TunnelSource, parent};

mod isakmp;
pub use isakmp::{AggressivePeer, Isakmp, Keyring, LocalAddress, Match, Profile};

mod ldp;
pub use ldp::{HelloTimes, Ldp, LdpRestart, LdpRouterId, LdpTransport, RouterIdSource};

mod protection;
pub use protection::{CryptoMap, IpsecDefaults, MapEntry, RemotePeer, ReverseRoute, TransformSet, Volume};

mod trustpoint;
pub use trustpoint::{Crl, Trustpoint};

/// A whole configuration. `None` as a VRF name is the global table.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub hostname: Option<String>,
    pub dataplane: Backend,
    /// `password encryption aes`: keys are written as type 6, once there is a master key.
    pub password_encryption: bool,
    pub names: Names,
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
    /// The other `crypto isakmp` lines.
    pub isakmp: Isakmp,
    /// `crypto isakmp key … address`.
    pub keys: Vec<PresharedKey>,
    /// `crypto isakmp key … hostname`, in configuration order.
    pub named_keys: Vec<NamedKey>,
    /// In configuration order.
    pub keyrings: Vec<Keyring>,
    /// In configuration order.
    pub profiles: Vec<Profile>,
    pub transform_sets: BTreeMap<String, TransformSet>,
    pub crypto_maps: BTreeMap<String, CryptoMap>,
    /// `crypto dynamic-map NAME SEQ`: by name, then sequence number. Only transform sets are required.
    pub dynamic_maps: BTreeMap<String, BTreeMap<u32, MapEntry>>,
    /// `crypto ipsec profile NAME`: an entry without peers and access list.
    pub ipsec_profiles: BTreeMap<String, MapEntry>,
    pub ipsec: IpsecDefaults,
    /// `crypto call admission limit ike …`, `call admission limit`.
    pub admission: Admission,
    pub ikev2: Ikev2,
    /// In configuration order.
    pub trustpoints: Vec<Trustpoint>,
    /// `crypto pki certificate map`.
    pub certificate_maps: BTreeMap<String, CertificateMap>,
    /// `crypto identity`: any of the lines will do.
    pub identities: BTreeMap<String, Vec<PeerIdentity>>,
    pub mpls: Mpls,
    pub ldp: Ldp,
    pub bgp: Option<Bgp>,
    /// Prefix lists of both families share their names.
    pub policies: Policies,
    pub bfd: Bfd,
}

/// `dataplane`: who forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// This program, by packet sockets.
    #[default]
    User,
    /// The Linux kernel.
    Linux,
}

/// How host names become addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `no ip domain lookup` is `false`: then only `hosts` are known.
    pub lookup: bool,
    /// `ip domain name`: appended to names without a dot.
    pub domain: Option<String>,
    /// `ip name-server [vrf V] A`: asked in order, in their VRF; none: the servers of the machine.
    pub servers: Vec<NameServer>,
    /// `ip host [vrf V] NAME A …`: for names asked for in this VRF.
    pub hosts: BTreeMap<(Option<String>, String), Vec<IpAddr>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    pub vrf: Option<String>,
    pub address: IpAddr,
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
    /// `import map`, `export map`: what the route map denies is not taken in, or not given out.
    pub import_map: Option<String>,
    pub export_map: Option<String>,
    /// `import`, `export ipv4|ipv6 unicast [LIMIT] map`: routes that come from the global table, or go there.
    pub global_import: Option<Leak>,
    pub global_export: Option<Leak>,
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mpls {
    /// `mpls label range MIN MAX`.
    pub range: (Label, Label),
    /// `mpls ip propagate-ttl`: the uniform model.
    pub propagate_ttl: bool,
    pub bindings: Vec<StaticBinding>,
    /// `mpls label mode {vrf V | all-vrfs} protocol bgp-vpnv4|bgp-vpnv6`; `None`: every VRF without a line of its own.
    pub label_modes: BTreeMap<(Option<String>, Family), LabelMode>,
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

impl Default for Names {
    fn default() -> Self {
        Self { lookup: true, domain: None, servers: Vec::new(), hosts: BTreeMap::new() }
    }
}

impl Default for Mpls {
    fn default() -> Self {
        Self {
            range: (Label::FIRST, Label::LAST),
            propagate_ttl: true,
            bindings: Vec::new(),
            label_modes: BTreeMap::new(),
        }
    }
}

impl Mpls {
    /// What shares a label of the VRF's routes.
    pub fn label_mode(&self, vrf: &str, family: Family) -> LabelMode {
        let own = self.label_modes.get(&(Some(vrf.to_owned()), family));
        own.or_else(|| self.label_modes.get(&(None, family))).copied().unwrap_or_default()
    }
}

impl Config {
    /// LDP is spoken on the interfaces of the global table with `mpls ip`: any line of it is written.
    pub fn speaks_ldp(&self) -> bool {
        self.ldp != Ldp::default() || self.interfaces.values().any(|it| it.ldp_transport.is_some())
    }

    /// Where a router id is not written: the highest IPv4 address of a loopback of the global table that is up, else
    /// of another interface of it.
    pub fn router_id(&self) -> Option<Ipv4Addr> {
        let up = self.interfaces.values().filter(|it| it.vrf.is_none() && !it.shutdown);
        let of = up.flat_map(|it| it.addresses.iter().map(move |a| (it.loopback, a.address)));
        of.filter_map(|(loopback, address)| match address {
            IpAddr::V4(address) => Some((loopback, address)),
            IpAddr::V6(_) => None,
        })
        .max()
        .map(|(_, address)| address)
    }
}

impl Targets {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Vrf {
    /// A VRF of which nothing but the name is written.
    pub fn new(style: VrfStyle) -> Self {
        let ipv4 = (style == VrfStyle::Ip).then(Targets::default);
        Self { style, description: None, rd: None, targets: Targets::default(), ipv4, ipv6: None }
    }
}
