//! What LDP is told to do, and the defaults: `mpls ldp …`.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use base::{PortId, Prefix, Secret};

/// The whole configuration of one speaker. No Debug: it holds passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// The label switching router's id; label space 0.
    pub router_id: Ipv4Addr,
    /// Where sessions end, `mpls ldp discovery transport-address` by default the router id; IPv6 where there is one.
    pub transport: Transport,
    pub hello: Hello,
    /// Of targeted hellos (extended discovery).
    pub targeted_hello: Hello,
    /// `mpls ldp holdtime`: keepalive time of sessions.
    pub hold: Duration,
    /// `mpls ldp backoff`: first and longest wait after a refused session.
    pub backoff: (Duration, Duration),
    /// Ports with `mpls ip`.
    pub ports: BTreeMap<PortId, PortConfig>,
    /// `mpls ldp neighbor A targeted`.
    pub targeted: BTreeSet<IpAddr>,
    /// `mpls ldp discovery targeted-hello accept`.
    pub accept_targeted: bool,
    /// `mpls ldp ttl-security`: GTSM with the neighbours on our links that can do it, too, RFC 6720; not with
    /// `explicit_null`.
    pub ttl_security: bool,
    /// `mpls ldp neighbor A password`, by router id.
    pub passwords: BTreeMap<Ipv4Addr, Secret>,
    /// `mpls ldp explicit-null`: what we announce for our own networks.
    pub explicit_null: bool,
    /// `mpls label protocol` knows only this one; `true`: a label is announced only for what has one further on, or ends
    /// here (RFC 5036 section 2.6.1.2); IOS's way is independent control.
    pub ordered: bool,
    /// `mpls ldp graceful-restart`; `None`: off.
    pub graceful_restart: Option<GracefulRestart>,
    /// `mpls ldp label allocate host-routes`: only /32 and /128 get a label.
    pub host_routes_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<core::net::Ipv6Addr>,
    /// RFC 7552 section 6.1: which family a session prefers; IPv6 by default.
    pub prefer_ipv4: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortConfig {
    /// `mpls ldp discovery transport-address interface|A`: instead of the box's own.
    pub transport: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    pub interval: Duration,
    pub hold: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// How long peers keep our labels (FT reconnect timeout).
    pub reconnect: Duration,
    /// How long we keep what we hold, and keep theirs: recovery time and `neighbor-liveness`.
    pub recovery: Duration,
    pub liveness: Duration,
}

impl Config {
    pub fn new(router_id: Ipv4Addr) -> Self {
        Self {
            router_id,
            transport: Transport { ipv4: Some(router_id), ipv6: None, prefer_ipv4: false },
            hello: Hello { interval: Duration::from_secs(5), hold: Duration::from_secs(15) },
            targeted_hello: Hello { interval: Duration::from_secs(10), hold: Duration::from_secs(90) },
            hold: Duration::from_secs(180),
            backoff: (Duration::from_secs(15), Duration::from_secs(120)),
            ports: BTreeMap::new(),
            targeted: BTreeSet::new(),
            accept_targeted: false,
            ttl_security: true,
            passwords: BTreeMap::new(),
            explicit_null: false,
            ordered: false,
            graceful_restart: None,
            host_routes_only: false,
        }
    }

    /// Whether a route gets a label of ours.
    pub fn labels(&self, prefix: Prefix) -> bool {
        prefix.length() > 0 && (!self.host_routes_only || prefix.is_host())
    }
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self {
            reconnect: Duration::from_secs(120),
            recovery: Duration::from_secs(120),
            liveness: Duration::from_secs(120),
        }
    }
}
