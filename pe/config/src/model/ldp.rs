//! `mpls ldp` and `mpls label protocol ldp`: label distribution in the global table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ::ldp::config::GracefulRestart;
use base::Secret;

/// As it is written; `None` and `false`: the default. No Debug: it holds passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ldp {
    /// `mpls label protocol ldp`.
    pub protocol: bool,
    /// `None`: see `Config::router_id`.
    pub router_id: Option<LdpRouterId>,
    /// `mpls ldp discovery hello {interval | holdtime} N`, in seconds.
    pub hello: HelloTimes,
    /// `mpls ldp discovery targeted-hello {interval | holdtime} N`.
    pub targeted_hello: HelloTimes,
    /// `mpls ldp discovery targeted-hello accept`.
    pub accept_targeted: bool,
    /// `no mpls ldp ttl-security`.
    pub no_ttl_security: bool,
    /// `mpls ldp holdtime`, in seconds.
    pub hold: Option<u16>,
    /// `mpls ldp backoff`: first and longest wait, in seconds.
    pub backoff: Option<(u16, u16)>,
    /// `mpls ldp neighbor A targeted`.
    pub targeted: BTreeSet<IpAddr>,
    /// `mpls ldp neighbor A password`, by the neighbour's router id.
    pub passwords: BTreeMap<Ipv4Addr, Secret>,
    pub explicit_null: bool,
    /// `mpls ldp ordered-control`.
    pub ordered: bool,
    pub graceful_restart: LdpRestart,
    /// `allocate global host-routes` under `mpls ldp label`.
    pub host_routes_only: bool,
}

/// `mpls ldp graceful-restart`, and `… timers`, which say nothing by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LdpRestart {
    pub on: bool,
    pub terms: GracefulRestart,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdpRouterId {
    pub from: RouterIdSource,
    /// `force`: it changes at once, and sessions with it. Without it a session that stands keeps the old one.
    pub force: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouterIdSource {
    /// Its first IPv4 address.
    Interface(String),
    Address(Ipv4Addr),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HelloTimes {
    pub interval: Option<u16>,
    pub hold: Option<u16>,
}

/// `mpls ldp discovery transport-address` under an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdpTransport {
    /// The interface's own first address.
    Interface,
    Address(IpAddr),
}
