//! What goes into the engine and what comes out.

use core::fmt;
use core::net::IpAddr;
use std::sync::Arc;

use base::{Label, Prefix, Secret, VrfId};
use mpls::Fec;
use vrf::Source;

use crate::Notice;
use crate::config::{Config, Ttl};

/// AFI and SAFI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressFamily {
    Ipv4Unicast,
    Ipv6Unicast,
    /// RFC 8277.
    Ipv4Labeled,
    Ipv6Labeled,
    /// RFC 4364.
    Vpnv4,
    /// RFC 4659.
    Vpnv6,
    /// RFC 4684.
    RouteTarget,
}

/// A neighbour: the VRF is part of who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    pub vrf: VrfId,
    pub address: IpAddr,
}

/// One TCP connection. The engine numbers those that it asks for, with the upper bit clear; the shell those that it
/// accepts, with the upper bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

pub enum Input {
    /// Apply this; the difference to what is in force decides which sessions are touched. `None`: no BGP.
    Configure(Option<Arc<Config>>),
    /// A connection that was asked for stands; our address of it.
    Connected(ConnectionId, IpAddr),
    /// A peer connected to our port 179; our address of it.
    Accepted(ConnectionId, PeerId, IpAddr),
    Bytes(ConnectionId, Vec<u8>),
    /// It ended, or never came about.
    Closed(ConnectionId),
    /// All bytes of `Send` so far are on their way: more may be written.
    Writable(ConnectionId),
    /// The answer to `Watch`, and again whenever it changes. `None`: unreachable.
    NextHop(VrfId, IpAddr, Option<Reach>),
    /// The route in use of a VRF, from a source that `Config::takes`, or `None`: there is none any more. What is
    /// announced of it, `redistribute` and `network` decide.
    Originate {
        vrf: VrfId,
        prefix: Prefix,
        route: Option<Own>,
    },
    /// The answer to `Bind`. `None`: there is no label left.
    Bound(Fec, Option<Label>),
    /// BFD: the path to a neighbour with `fall-over bfd` failed.
    PathDown(PeerId),
    /// The link that a neighbour is on went down.
    LinkDown(PeerId),
    Clear(Clear),
}

/// How a next hop is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// To compare next hops with.
    pub metric: u32,
    /// On a network of ours: what an eBGP peer without multihop must be.
    pub connected: bool,
    /// By a label-switched path, or on a link that labelled packets may leave by: what VPN routes need to be taken in.
    pub labelled: bool,
}

/// A route of the box's own tables that BGP may announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    pub source: Source,
    pub metric: u32,
    pub tag: u32,
    /// The CE behind it, for labels per CE.
    pub gateway: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clear {
    /// `None`: all.
    pub peer: Option<PeerId>,
    pub how: ClearHow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearHow {
    /// End the session.
    Hard,
    /// Ask for the routes again.
    SoftIn,
    /// Send the routes again.
    SoftOut,
}

pub enum Output {
    /// The sockets that must be there: whose connections are accepted, and how.
    Listen(Vec<Listener>),
    Connect(ConnectionId, Dial),
    Send(ConnectionId, Vec<u8>),
    /// After what was sent is on its way.
    Close(ConnectionId),
    /// Keep telling whether this next hop is reachable. Answered by `Input::NextHop`.
    Watch(VrfId, IpAddr),
    Unwatch(VrfId, IpAddr),
    /// A label is wanted; answered by `Input::Bound`.
    Bind(Fec),
    Release(Fec),
    /// Routes that VRFs get or lose.
    Routes(Vec<Change>),
    /// BFD towards this neighbour is wanted from now on, or no more.
    Guard(PeerId, bool),
    Notice(Notice),
}

/// A neighbour whose connections are accepted. No Debug: it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Listener {
    pub peer: PeerId,
    pub local: Option<IpAddr>,
    pub password: Option<Secret>,
    pub ttl: TtlRule,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Dial {
    pub peer: PeerId,
    pub local: Option<IpAddr>,
    pub password: Option<Secret>,
    pub ttl: TtlRule,
}

/// What a socket sends and accepts as TTL or hop limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlRule {
    pub send: u8,
    pub least: u8,
}

/// The best route that BGP has for a prefix of a VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub vrf: VrfId,
    pub prefix: Prefix,
    /// `None`: BGP has none any more.
    pub route: Option<Route>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub to: Exit,
    pub source: Source,
    /// Administrative distance.
    pub distance: u8,
    pub metric: u32,
    pub tag: u32,
}

/// Where a route of BGP leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Plain IP through a next hop in the table of the route's own VRF.
    Gateway(IpAddr),
    /// Label-switched: this label below what leads to the next hop in the global table.
    Labelled { next_hop: IpAddr, label: Label },
    /// Into another VRF of this box, where the route stands.
    Vrf(VrfId),
}

impl AddressFamily {
    pub const ALL: [Self; 7] = [
        Self::Ipv4Unicast,
        Self::Ipv6Unicast,
        Self::Ipv4Labeled,
        Self::Ipv6Labeled,
        Self::Vpnv4,
        Self::Vpnv6,
        Self::RouteTarget,
    ];
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4Unicast => "IPv4 Unicast",
            Self::Ipv6Unicast => "IPv6 Unicast",
            Self::Ipv4Labeled => "IPv4 Labeled Unicast",
            Self::Ipv6Labeled => "IPv6 Labeled Unicast",
            Self::Vpnv4 => "VPNv4 Unicast",
            Self::Vpnv6 => "VPNv6 Unicast",
            Self::RouteTarget => "RT Filter",
        })
    }
}

impl TtlRule {
    pub const fn of(ttl: Ttl, external: bool) -> Self {
        match (ttl, external) {
            (Ttl::Default, false) => Self { send: 255, least: 0 },
            (Ttl::Default, true) => Self { send: 1, least: 0 },
            (Ttl::Multihop(hops), _) => Self { send: hops, least: 0 },
            (Ttl::Security(hops), _) => Self { send: 255, least: 255 - hops.saturating_sub(1) },
        }
    }
}
