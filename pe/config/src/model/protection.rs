//! `crypto ipsec`, `crypto map`, `crypto dynamic-map`: which traffic is protected, towards whom, and how.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crypto::dh::Group;
use ike::config::Peer;
use ipsec::{DfBit, Fragmentation, Lifetime, Mode, Replay, Suite};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformSet {
    pub suite: Suite,
    pub mode: Mode,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CryptoMap {
    /// `crypto map ipv6 NAME …`.
    pub ipv6: bool,
    /// `crypto map NAME isakmp-profile P`: for entries that name none.
    pub profile: Option<String>,
    /// `crypto map NAME local-address IF`: its tunnels end at that interface's address, wherever the map stands.
    pub local: Option<String>,
    pub entries: BTreeMap<u32, MapEntry>,
}

/// `crypto map NAME SEQ ipsec-isakmp`. An entry without peer, transform set or access list is
/// incomplete: accepted with a warning, protects nothing and lets nothing of its VRF out. So is one whose
/// access list does not exist: the only name that may refer to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapEntry {
    pub description: Option<String>,
    /// `crypto map … dynamic D`: the entries of that dynamic map stand here, in their order. Then nothing
    /// else is written. Never of a dynamic map's own entry.
    pub dynamic: Option<String>,
    pub peers: Vec<Peer>,
    /// `set peer … default`: the first peer is the preferred one (PP-1).
    pub prefers_first: bool,
    pub transform_sets: Vec<String>,
    /// `set isakmp-profile`. At most one of this and the next is written.
    pub profile: Option<String>,
    /// `set ikev2-profile`: the entry negotiates version 2.
    pub ikev2_profile: Option<String>,
    pub access_list: Option<String>,
    /// `set identity` (DN-02).
    pub identity: Option<String>,
    pub pfs: Option<Group>,
    pub seconds: Option<u32>,
    pub kilobytes: Option<Volume>,
    /// `set security-association replay`: packets; zero switches the check off.
    pub replay_window: Option<u16>,
    /// `set security-association esn`.
    pub esn: Option<bool>,
    /// `set security-association idle-time`.
    pub idle: Option<Duration>,
    /// `… idle-time N default`: and the next negotiation starts with the first peer (PP-2).
    pub idle_resets_peer: bool,
    /// `reverse-route`; `None`: no routes.
    pub reverse_route: Option<ReverseRoute>,
    /// `set reverse-route distance`; `None`: 1.
    pub reverse_distance: Option<u8>,
    /// `set reverse-route tag`; zero: none.
    pub reverse_tag: u32,
}

/// `reverse-route`: routes to the networks behind the peer, in the inside VRF (RRI-01).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReverseRoute {
    /// `static`: of the access list, SA or not (RRI-03). Only of a crypto map's own entry.
    pub permanent: bool,
    /// Never of an IPsec profile.
    pub remote_peer: Option<RemotePeer>,
}

/// `reverse-route remote-peer` (RRI-04, RRI-05). Without it there is one route, by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemotePeer {
    /// Alone: a route by the peer, and one to the peer out of the interface with the crypto map.
    Interface,
    /// `A`: one route, by this next hop.
    Hop(IpAddr),
    /// `A gateway`: a route by the peer, and one to the peer by this next hop.
    Gateway(IpAddr),
}

impl MapEntry {
    /// The peers that are named by address, in order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.peers.iter().filter_map(|peer| match peer {
            Peer::Address(address) => Some(*address),
            Peer::Host(_) => None,
        })
    }

    /// What it says itself, else what holds for every SA.
    pub fn replay(&self, defaults: Replay) -> Replay {
        Replay {
            window: self.replay_window.unwrap_or(defaults.window),
            esn: self.esn.unwrap_or(defaults.esn),
        }
    }
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
    /// `crypto ipsec security-association idle-time`; an entry's own comes first.
    pub idle: Option<Duration>,
}
