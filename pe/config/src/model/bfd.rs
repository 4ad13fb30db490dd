//! `bfd-template`, `bfd map`, `ip route static bfd`: paths that are watched, and how often.

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use ::bfd::Timers as BfdTimers;
use base::Prefix;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bfd {
    /// `bfd-template multi-hop NAME`; `None`: without its `interval` line, so of no use yet.
    pub templates: BTreeMap<String, Option<BfdTimers>>,
    /// `bfd map`: IPv4 first; of a family, in configuration order.
    pub maps: Vec<BfdMap>,
    /// `ip route static bfd IF A`: routes out of IF by A stand only while this path does.
    pub static_hops: Vec<StaticHop>,
}

/// Which paths of several hops a template serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BfdMap {
    pub vrf: Option<String>,
    pub destination: Prefix,
    pub source: Prefix,
    pub template: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticHop {
    pub interface: String,
    pub gateway: IpAddr,
}

impl Bfd {
    /// The timers of a path of several hops: of the map whose destination is narrowest, then its source.
    pub fn multihop(&self, vrf: Option<&str>, local: IpAddr, remote: IpAddr) -> Option<BfdTimers> {
        let fits = |map: &&BfdMap| {
            map.vrf.as_deref() == vrf && map.destination.contains(remote) && map.source.contains(local)
        };
        let best =
            self.maps.iter().filter(fits).max_by_key(|map| (map.destination.length(), map.source.length()));
        best.and_then(|map| *self.templates.get(&map.template)?)
    }
}
