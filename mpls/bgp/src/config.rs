//! What BGP is told to do: neighbours, VRFs, policies, and the defaults of each.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::BTreeMap;

use base::{Family, Prefix, Secret, VrfId};
use vrf::{Rd, RouteTarget, Source};

use crate::io::{AddressFamily, PeerId};
use crate::policy::Policies;

/// The whole configuration of one speaker: `router bgp`.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Ours, two or four octets.
    pub asn: u32,
    pub router_id: Ipv4Addr,
    /// As a route reflector; `None`: the router id.
    pub cluster_id: Option<Ipv4Addr>,
    /// `bgp default local-preference`.
    pub local_preference: u32,
    /// `bgp always-compare-med`: also between paths of different neighbouring ASes.
    pub always_compare_med: bool,
    /// `bgp fast-external-fallover`: the session of a neighbour goes with the link that it is on.
    pub fast_external_fallover: bool,
    /// `bgp graceful-restart`; `None`: off.
    pub graceful_restart: Option<GracefulRestart>,
    /// `false`: VPN routes that no VRF imports are kept too (`no bgp default route-target filter`). A speaker with
    /// route-reflector clients in a VPN family keeps them anyway.
    pub target_filter: bool,
    /// Of a restart of the program: the forwarding state was kept (RFC 4724 section 4.1).
    pub restarting: bool,
    pub neighbors: BTreeMap<PeerId, Neighbor>,
    /// The global table among them, if it has routes to give or to take.
    pub vrfs: BTreeMap<VrfId, Vrf>,
    pub policies: Policies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// What we ask of peers: how long they keep our routes, `restart-time`.
    pub restart: Duration,
    /// How long we keep theirs at most, `stalepath-time`.
    pub stale_path: Duration,
}

/// No Debug: it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Neighbor {
    pub remote_as: u32,
    /// `local-as`: who we are to this neighbour of another AS.
    pub local_as: Option<LocalAs>,
    /// `update-source`, resolved to its address; `None`: the address of the way out.
    pub local: Option<IpAddr>,
    pub shutdown: bool,
    /// `transport connection-mode passive`.
    pub passive: bool,
    /// TCP-MD5, RFC 2385.
    pub password: Option<Secret>,
    pub ttl: Ttl,
    pub timers: Timers,
    /// `fall-over bfd`.
    pub bfd: bool,
    /// Those that are activated.
    pub families: BTreeMap<AddressFamily, FamilyConfig>,
    /// `send-label` is the activation of the labelled families; `allowas-in` and others are per family.
    pub capability: Capabilities,
}

/// `local-as ASN [no-prepend [replace-as]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAs {
    pub asn: u32,
    /// It also stands in front of what the neighbour tells us.
    pub prepend: bool,
    /// In what we tell it, our own AS does not stand behind it.
    pub replace: bool,
}

/// How far away the neighbour may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// iBGP 255; eBGP 1: directly connected.
    #[default]
    Default,
    /// `ebgp-multihop N`.
    Multihop(u8),
    /// `ttl-security hops N`: we send 255 and accept no less than 255 - N + 1 (RFC 5082).
    Security(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    pub keepalive: Duration,
    pub hold: Duration,
    /// Between attempts to connect.
    pub connect_retry: Duration,
    /// `advertisement-interval`: least time between two announcements of the same prefix.
    pub advertisement: Duration,
}

/// Capabilities that can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Extended next hop, RFC 8950: IPv4 and VPNv4 routes with an IPv6 next hop.
    pub extended_next_hop: bool,
    /// Extended messages, RFC 8654.
    pub extended_message: bool,
}

/// What holds for one neighbour in one address family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FamilyConfig {
    pub route_reflector_client: bool,
    pub next_hop_self: NextHopSelf,
    pub send_community: SendCommunity,
    /// Replaces the neighbour's own AS in paths sent to it, as PE towards sites that share an AS.
    pub as_override: bool,
    /// How often our own AS may stand in a received path.
    pub allowas_in: u8,
    pub remove_private_as: bool,
    /// Site of origin, an extended community: `neighbor … soo`.
    pub soo: Option<Rd>,
    pub maximum_prefix: Option<MaximumPrefix>,
    /// Names in `Policies`; one that does not exist denies everything.
    pub route_map_in: Option<String>,
    pub route_map_out: Option<String>,
    pub prefix_list_in: Option<String>,
    pub prefix_list_out: Option<String>,
    pub weight: u16,
    /// `default-originate`.
    pub default_originate: bool,
    /// `additional-paths receive`.
    pub add_path_receive: bool,
}

/// Whether we put ourselves as the next hop of what we tell a neighbour of our AS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NextHopSelf {
    #[default]
    No,
    /// Of routes that came from other ASes. A reflector leaves the others as they are, RFC 4456 section 10.
    External,
    /// Of reflected ones, too.
    All,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCommunity {
    /// Also large communities.
    pub standard: bool,
    /// The VPN families always send them.
    pub extended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaximumPrefix {
    pub limit: u32,
    /// Percent of `limit` at which to warn; default 75.
    pub warn: u8,
    pub beyond: Beyond,
}

/// What to do with a neighbour that sends too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    Warn,
    /// The session ends until it is cleared by hand.
    Shut,
    /// `restart`: the session ends for this long.
    Restart(Duration),
}

/// A VRF as BGP sees it: `vrf definition` and `address-family ipv4|ipv6 vrf`. In the global table there is
/// no route distinguisher and no target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vrf {
    /// For messages to people.
    pub name: Option<String>,
    /// Without one it exports nothing.
    pub rd: Option<Rd>,
    pub ipv4: Option<VrfFamily>,
    pub ipv6: Option<VrfFamily>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VrfFamily {
    pub import: Vec<RouteTarget>,
    pub export: Vec<RouteTarget>,
    /// Route maps: what they deny is not taken in, or not given out.
    pub import_map: Option<String>,
    pub export_map: Option<String>,
    /// Routes of the global table that the VRF gets, and those of its own that the global table gets.
    pub global_import: Option<Leak>,
    pub global_export: Option<Leak>,
    pub distance: Distance,
    /// By source: each at most once.
    pub redistribute: Vec<Redistribute>,
    /// `network PREFIX [route-map NAME]`: announced while the table has exactly this prefix.
    pub networks: BTreeMap<Prefix, Option<String>>,
    /// Which label is announced for its routes.
    pub labels: LabelMode,
}

/// `import | export ipv4 | ipv6 unicast [LIMIT] map MAP`: routes between a VRF and the global table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// A route map; what it denies is not leaked.
    pub map: String,
    /// How many prefixes may be leaked at a time.
    pub limit: u32,
}

/// `redistribute connected | static … [metric N] [route-map NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redistribute {
    /// `Connected`, `Static` or `Reverse`; as in IOS `redistribute static` also means reverse routes.
    pub source: Source,
    /// The MED; `None`: the route's own metric.
    pub metric: Option<u32>,
    pub route_map: Option<String>,
}

/// `mpls label mode`: what shares a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelMode {
    #[default]
    PerVrf,
    PerPrefix,
    PerCe,
}

/// Administrative distances of routes that BGP gives to a VRF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distance {
    pub external: u8,
    pub internal: u8,
    pub local: u8,
}

impl Leak {
    /// As in IOS, where none is written.
    pub const LIMIT: u32 = 1000;
}

impl Default for Distance {
    fn default() -> Self {
        Self { external: 20, internal: 200, local: 200 }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            keepalive: Duration::from_secs(60),
            hold: Duration::from_secs(180),
            connect_retry: Duration::from_secs(10),
            advertisement: Duration::ZERO,
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { extended_next_hop: true, extended_message: true }
    }
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self { restart: Duration::from_secs(120), stale_path: Duration::from_secs(360) }
    }
}

impl Config {
    /// `bgp default local-preference` unless said otherwise.
    pub const LOCAL_PREFERENCE: u32 = 100;

    /// Whether routes of this source and prefix concern BGP: only those need `Input::Originate`.
    pub fn takes(&self, vrf: VrfId, prefix: Prefix, source: Source) -> bool {
        let families = self.vrfs.get(&vrf);
        let of = families.and_then(|families| match prefix.family() {
            Family::V4 => families.ipv4.as_ref(),
            Family::V6 => families.ipv6.as_ref(),
        });
        of.is_some_and(|of| of.networks.contains_key(&prefix) || of.redistributes(source).is_some())
    }

    pub fn new(asn: u32, router_id: Ipv4Addr) -> Self {
        Self {
            asn,
            router_id,
            cluster_id: None,
            local_preference: Self::LOCAL_PREFERENCE,
            always_compare_med: false,
            fast_external_fallover: true,
            graceful_restart: None,
            target_filter: true,
            restarting: false,
            neighbors: BTreeMap::new(),
            vrfs: BTreeMap::new(),
            policies: Policies::default(),
        }
    }
}

impl Neighbor {
    /// Our AS as the neighbour knows it.
    pub fn shown_as(&self, asn: u32) -> u32 {
        self.local_as.map_or(asn, |shown| shown.asn)
    }

    pub fn new(remote_as: u32) -> Self {
        Self {
            remote_as,
            local_as: None,
            local: None,
            shutdown: false,
            passive: false,
            password: None,
            ttl: Ttl::Default,
            timers: Timers::default(),
            bfd: false,
            families: BTreeMap::new(),
            capability: Capabilities::default(),
        }
    }
}
