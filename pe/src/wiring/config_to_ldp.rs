//! `mpls ldp` as the engine wants it: ports by number, transport addresses found.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base::{Family, PortId, VrfId};
use config::Config;
use config::model::{HelloTimes, LdpTransport, RouterIdSource};
use dataplane::{Link, Port};
use ldp::config::{Hello, PortConfig, Transport};

use super::config_to_ipsec::local_address;

/// `None`: no LDP, or no router id to be had.
pub(crate) fn ldp_config(config: &Config, ports: &BTreeMap<PortId, Port>) -> Option<ldp::Config> {
    let written = &config.ldp;
    if !config.speaks_ldp() {
        return None;
    }
    let router_id = router_id(config)?;
    let defaults = ldp::Config::new(router_id);
    let seconds = |seconds: u16| Duration::from_secs(seconds.into());
    Some(ldp::Config {
        transport: Transport { ipv6: beside(config, router_id), ..defaults.transport },
        hello: hello(written.hello, defaults.hello),
        targeted_hello: hello(written.targeted_hello, defaults.targeted_hello),
        hold: written.hold.map_or(defaults.hold, seconds),
        backoff: written.backoff.map_or(defaults.backoff, |(first, most)| (seconds(first), seconds(most))),
        ports: labelled(ports).map(|port| (port.id, of_port(config, port))).collect(),
        targeted: written.targeted.clone(),
        accept_targeted: written.accept_targeted,
        passwords: written.passwords.clone(),
        explicit_null: written.explicit_null,
        graceful_restart: written.graceful_restart.on.then_some(written.graceful_restart.terms),
        host_routes_only: written.host_routes_only,
        ..defaults
    })
}

/// LDP lives in the global table. A tunnel has no device that hellos, which go to a group, could leave by.
pub(crate) fn labelled(ports: &BTreeMap<PortId, Port>) -> impl Iterator<Item = &Port> {
    let speaks =
        |port: &&Port| port.mpls && port.vrf == VrfId::GLOBAL && !matches!(port.link, Link::Tunnel(_));
    ports.values().filter(speaks)
}

fn router_id(config: &Config) -> Option<Ipv4Addr> {
    let written = config.ldp.router_id.as_ref().map(|id| &id.from);
    match written {
        Some(RouterIdSource::Address(address)) => Some(*address),
        Some(RouterIdSource::Interface(name)) => {
            match local_address(config.interfaces.get(name)?, Family::V4)? {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            }
        }
        None => config.router_id(),
    }
}

/// The IPv6 address of the interface that has the router id.
fn beside(config: &Config, router_id: Ipv4Addr) -> Option<std::net::Ipv6Addr> {
    let mut interfaces = config.interfaces.values();
    let has = |interface: &&config::model::Interface| {
        interface.vrf.is_none() && interface.addresses.iter().any(|it| it.address == IpAddr::V4(router_id))
    };
    match local_address(interfaces.find(has)?, Family::V6)? {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

fn of_port(config: &Config, port: &Port) -> PortConfig {
    let interface = config.interfaces.get(&port.name);
    let transport = interface.and_then(|interface| match interface.ldp_transport? {
        LdpTransport::Interface => interface.addresses.first().map(|first| first.address),
        LdpTransport::Address(address) => Some(address),
    });
    PortConfig { transport }
}

fn hello(written: HelloTimes, default: Hello) -> Hello {
    let seconds = |seconds: u16| Duration::from_secs(seconds.into());
    Hello {
        interval: written.interval.map_or(default.interval, seconds),
        hold: written.hold.map_or(default.hold, seconds),
    }
}
