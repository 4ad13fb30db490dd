//! `router bgp`: neighbours, peer groups and address families as they are written, and the sessions they make.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ::bgp::AddressFamily;
pub use ::bgp::config::{
    Beyond, Distance, FamilyConfig, GracefulRestart, LabelMode, LocalAs, MaximumPrefix, NextHopSelf,
    Redistribute, SendCommunity, Timers, Ttl,
};
use base::{Prefix, Secret};

/// The process. No Debug: neighbours have passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Bgp {
    pub asn: u32,
    /// `None`: see `Config::router_id`.
    pub router_id: Option<Ipv4Addr>,
    pub cluster_id: Option<Ipv4Addr>,
    /// `bgp graceful-restart`; `None`: off.
    pub graceful_restart: Option<GracefulRestart>,
    /// `bgp log-neighbor-changes`: on unless `no` is written.
    pub log_changes: bool,
    /// `bgp fast-external-fallover`.
    pub fast_external_fallover: bool,
    /// `bgp default ipv4-unicast`: global neighbours are activated there without being told.
    pub default_ipv4: bool,
    /// `bgp default route-target filter`.
    pub target_filter: bool,
    /// `bgp default local-preference`.
    pub local_preference: Option<u32>,
    pub always_compare_med: bool,
    /// `timers bgp`.
    pub timers: Option<Clock>,
    /// Of the global table.
    pub neighbors: BTreeMap<NeighborName, Neighbor>,
    /// By family and VRF. The VPN families and route-target filtering are of the global table.
    pub families: BTreeMap<(AddressFamily, Option<String>), Family>,
}

/// Keepalive and hold time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub keepalive: u16,
    pub hold: u16,
}

/// Whom a `neighbor` line is of. Groups stand first: so they are printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeighborName {
    /// `neighbor NAME peer-group`.
    Group(String),
    Address(IpAddr),
}

/// What holds in every family. A member of a group takes from it what it does not say itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Neighbor {
    /// `neighbor A peer-group NAME`; never of a group.
    pub group: Option<String>,
    pub remote_as: Option<u32>,
    /// Who we are to a neighbour of another AS.
    pub local_as: Option<LocalAs>,
    pub description: Option<String>,
    /// An interface, of which the first address of the neighbour's family is used.
    pub update_source: Option<String>,
    pub ttl: Option<Ttl>,
    pub password: Option<Secret>,
    pub timers: Option<Clock>,
    /// `advertisement-interval`, in seconds.
    pub advertisement: Option<u16>,
    pub shutdown: bool,
    /// `transport connection-mode passive`.
    pub passive: bool,
    /// `fall-over bfd`.
    pub bfd: bool,
}

/// One address family of the global table or of a VRF.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// Only of a VRF: its own. Those of the global table stand in `Bgp`.
    pub neighbors: BTreeMap<NeighborName, Neighbor>,
    pub settings: BTreeMap<NeighborName, Setting>,
    /// `Connected` and `Static`, each at most once, in this order. `Static` also means reverse routes.
    pub redistribute: Vec<Redistribute>,
    /// And the route map that changes it.
    pub networks: BTreeMap<Prefix, Option<String>>,
    /// `distance bgp`.
    pub distance: Option<Distance>,
}

/// What holds for a neighbour or a group in one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// `None`: not said.
    pub activate: Option<bool>,
    /// `send-label`: the labelled family, too.
    pub send_label: bool,
    pub config: FamilyConfig,
}

/// A session as it is to be: groups and defaults are filled in.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub vrf: Option<String>,
    pub address: IpAddr,
    pub description: Option<String>,
    /// Gives `neighbor.local`, which is `None` here.
    pub update_source: Option<String>,
    pub neighbor: ::bgp::config::Neighbor,
}

impl Bgp {
    pub const fn new(asn: u32) -> Self {
        Self {
            asn,
            router_id: None,
            cluster_id: None,
            graceful_restart: None,
            log_changes: true,
            fast_external_fallover: true,
            default_ipv4: true,
            target_filter: true,
            local_preference: None,
            always_compare_med: false,
            timers: None,
            neighbors: BTreeMap::new(),
            families: BTreeMap::new(),
        }
    }

    /// The neighbours and groups of each table.
    pub fn tables(&self) -> impl Iterator<Item = &BTreeMap<NeighborName, Neighbor>> {
        std::iter::once(&self.neighbors).chain(self.families.values().map(|family| &family.neighbors))
    }

    /// Every session: of the global table first. A neighbour without an AS makes none; `check` refuses it.
    pub fn sessions(&self) -> Vec<Session> {
        let global = self.neighbors.keys().filter_map(|name| self.session(None, &self.neighbors, name));
        let of_vrf = self.families.iter().filter(|((_, vrf), _)| vrf.is_some());
        let inside = of_vrf.flat_map(|((_, vrf), family)| {
            let names = family.neighbors.keys();
            names.filter_map(|name| self.session(vrf.as_ref(), &family.neighbors, name))
        });
        global.chain(inside).collect()
    }

    fn session(
        &self,
        vrf: Option<&String>,
        all: &BTreeMap<NeighborName, Neighbor>,
        name: &NeighborName,
    ) -> Option<Session> {
        let NeighborName::Address(address) = *name else { return None };
        let own = all.get(name)?;
        let group = own.group.clone().map(NeighborName::Group);
        let whole = match group.as_ref().and_then(|group| all.get(group)) {
            Some(group) => own.clone().over(group),
            None => own.clone(),
        };
        let clock = whole.timers.or(self.timers);
        let mut neighbor = ::bgp::config::Neighbor {
            local_as: whole.local_as,
            shutdown: whole.shutdown,
            passive: whole.passive,
            password: whole.password,
            ttl: whole.ttl.unwrap_or_default(),
            timers: timers(clock, whole.advertisement),
            bfd: whole.bfd,
            ..::bgp::config::Neighbor::new(whole.remote_as?)
        };
        for ((family, of), lines) in self.families.iter().filter(|((_, of), _)| of.as_ref() == vrf) {
            let setting = lines.setting(name, group.as_ref());
            if setting
                .activate
                .unwrap_or_else(|| self.is_active_by_default(*family, lines, of.is_some(), name))
            {
                let labelled = labelled(*family).filter(|_| setting.send_label);
                neighbor.families.extend(labelled.map(|it| (it, setting.config.clone())));
                neighbor.families.insert(*family, setting.config);
            }
        }
        let unnamed = !self.families.contains_key(&(AddressFamily::Ipv4Unicast, None));
        if vrf.is_none() && self.default_ipv4 && unnamed {
            neighbor.families.insert(AddressFamily::Ipv4Unicast, FamilyConfig::default());
        }
        let Neighbor { description, update_source, .. } = whole;
        Some(Session { vrf: vrf.cloned(), address, description, update_source, neighbor })
    }

    fn is_active_by_default(
        &self,
        family: AddressFamily,
        lines: &Family,
        in_vrf: bool,
        name: &NeighborName,
    ) -> bool {
        if in_vrf {
            return lines.neighbors.contains_key(name);
        }
        family == AddressFamily::Ipv4Unicast && self.default_ipv4
    }
}

/// The family of RFC 8277 beside a plain one.
const fn labelled(family: AddressFamily) -> Option<AddressFamily> {
    match family {
        AddressFamily::Ipv4Unicast => Some(AddressFamily::Ipv4Labeled),
        AddressFamily::Ipv6Unicast => Some(AddressFamily::Ipv6Labeled),
        AddressFamily::Ipv4Labeled
        | AddressFamily::Ipv6Labeled
        | AddressFamily::Vpnv4
        | AddressFamily::Vpnv6
        | AddressFamily::RouteTarget => None,
    }
}

fn timers(clock: Option<Clock>, advertisement: Option<u16>) -> Timers {
    let seconds = |seconds: u16| std::time::Duration::from_secs(seconds.into());
    let mut timers = Timers::default();
    if let Some(Clock { keepalive, hold }) = clock {
        (timers.keepalive, timers.hold) = (seconds(keepalive), seconds(hold));
    }
    timers.advertisement = advertisement.map_or(timers.advertisement, seconds);
    timers
}

impl Neighbor {
    fn over(self, group: &Self) -> Self {
        let group = group.clone();
        Self {
            group: self.group,
            remote_as: self.remote_as.or(group.remote_as),
            local_as: self.local_as.or(group.local_as),
            description: self.description.or(group.description),
            update_source: self.update_source.or(group.update_source),
            ttl: self.ttl.or(group.ttl),
            password: self.password.or(group.password),
            timers: self.timers.or(group.timers),
            advertisement: self.advertisement.or(group.advertisement),
            shutdown: self.shutdown || group.shutdown,
            passive: self.passive || group.passive,
            bfd: self.bfd || group.bfd,
        }
    }
}

impl Family {
    fn setting(&self, name: &NeighborName, group: Option<&NeighborName>) -> Setting {
        let of = |name| self.settings.get(name).cloned().unwrap_or_default();
        group.map_or_else(|| of(name), |group| of(name).over(of(group)))
    }
}

impl Setting {
    fn over(self, group: Self) -> Self {
        let (own, all) = (self.config, group.config);
        Self {
            activate: self.activate.or(group.activate),
            send_label: self.send_label || group.send_label,
            config: FamilyConfig {
                route_reflector_client: own.route_reflector_client || all.route_reflector_client,
                next_hop_self: own.next_hop_self.max(all.next_hop_self),
                send_community: SendCommunity {
                    standard: own.send_community.standard || all.send_community.standard,
                    extended: own.send_community.extended || all.send_community.extended,
                },
                as_override: own.as_override || all.as_override,
                allowas_in: if own.allowas_in == 0 { all.allowas_in } else { own.allowas_in },
                remove_private_as: own.remove_private_as || all.remove_private_as,
                soo: own.soo.or(all.soo),
                maximum_prefix: own.maximum_prefix.or(all.maximum_prefix),
                route_map_in: own.route_map_in.or(all.route_map_in),
                route_map_out: own.route_map_out.or(all.route_map_out),
                prefix_list_in: own.prefix_list_in.or(all.prefix_list_in),
                prefix_list_out: own.prefix_list_out.or(all.prefix_list_out),
                weight: if own.weight == 0 { all.weight } else { own.weight },
                default_originate: own.default_originate || all.default_originate,
                add_path_receive: own.add_path_receive || all.add_path_receive,
            },
        }
    }
}
