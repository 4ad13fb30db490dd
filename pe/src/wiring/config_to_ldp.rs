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

/// `None`: no LDP, or no router id to be had. `held`: the router id in force, which stays without `force` as long as the
/// box has it.
pub(crate) fn ldp_config(
    config: &Config,
    ports: &BTreeMap<PortId, Port>,
    held: Option<Ipv4Addr>,
) -> Option<ldp::Config> {
    let written = &config.ldp;
    if !config.speaks_ldp() {
        return None;
    }
    let forced = written.router_id.as_ref().is_some_and(|id| id.force);
    let held = held.filter(|held| !forced && has(config, *held));
    let router_id = held.or_else(|| router_id(config))?;
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
        ttl_security: !written.no_ttl_security,
        passwords: written.passwords.clone(),
        explicit_null: written.explicit_null,
        ordered: written.ordered,
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

fn has(config: &Config, address: Ipv4Addr) -> bool {
    let mut global = config.interfaces.values().filter(|interface| interface.vrf.is_none());
    global.any(|interface| interface.addresses.iter().any(|on| on.address == IpAddr::V4(address)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_id_in_force_stays_while_the_box_has_it_unless_it_is_forced_out() {
        let of = |line: &str, held: Option<[u8; 4]>| {
            let text = format!(
                "interface Loopback0\n ip address 10.0.0.1 255.255.255.255\ninterface Loopback1\n \
                 ip address 10.0.0.2 255.255.255.255\nmpls label protocol ldp\n{line}"
            );
            let config = config::parse(&text).unwrap().config;
            ldp_config(&config, &BTreeMap::new(), held.map(Ipv4Addr::from)).unwrap().router_id.octets()
        };
        for (line, held, expected) in [
            ("", None, [10, 0, 0, 2]),
            ("mpls ldp router-id Loopback0\n", None, [10, 0, 0, 1]),
            ("mpls ldp router-id Loopback0\n", Some([10, 0, 0, 2]), [10, 0, 0, 2]),
            ("mpls ldp router-id Loopback0 force\n", Some([10, 0, 0, 2]), [10, 0, 0, 1]),
            ("mpls ldp router-id Loopback0\n", Some([10, 0, 0, 9]), [10, 0, 0, 1]),
            ("", Some([10, 0, 0, 1]), [10, 0, 0, 1]),
        ] {
            assert_eq!(of(line, held), expected, "{line:?} {held:?}");
        }
    }
}
