//! Interfaces, static routes and label bindings become candidates for the routes of each VRF.

use std::collections::{BTreeMap, BTreeSet};

use base::{PolicyId, Prefix, VrfId};
use bfd::SessionKey;
use config::Config;
use config::model::{Binding, Interface, RouteHop, StaticRoute};
use dataplane::Address;
use vrf::Source;

use super::config_to_bfd;
use super::link_to_all::{self, Ports};
use crate::ids::Ids;
use crate::routing::{Configured, NextHop, Target};

/// The policies of tunnel interfaces, by name.
pub(crate) type WaysIn = BTreeMap<String, PolicyId>;

/// Routes over ports that are absent or down are left out; what depends on them falls back or goes.
/// `stands`: the paths that BFD finds up.
pub(crate) fn routes(
    config: &Config,
    ids: &mut Ids,
    ports: &Ports,
    tunnels: &WaysIn,
    stands: &BTreeSet<SessionKey>,
) -> Configured {
    let mut routes = Configured::default();
    for port in ports.ports.values().filter(|port| ports.up.contains(&port.id)) {
        routes.connect(port.vrf, &port.addresses, Target::Port(port.id));
    }
    for (name, policy) in tunnels {
        let Some(interface) = config.interfaces.get(name) else { continue };
        let vrf = ids.vrf(interface.vrf.as_deref());
        routes.connect(vrf, &link_to_all::addresses(interface), Target::Tunnel(*policy));
    }
    for loopback in loopbacks(config) {
        let vrf = ids.vrf(loopback.vrf.as_deref());
        routes.connect(vrf, &link_to_all::addresses(loopback), Target::Discard);
    }
    let down = down(config, ids, stands);
    for route in &config.routes {
        let vrf = ids.vrf(route.vrf.as_deref());
        let target = target(route, vrf, ids, ports, tunnels);
        match target.filter(|target| !down.contains(target)) {
            Some(target) => routes.fix(vrf, route.prefix, target, (route.distance, route.tag)),
            None => routes.absent.push((vrf, route.prefix)),
        }
    }
    for binding in &config.mpls.bindings {
        let Binding::Output { next_hop, label } = binding.direction else { continue };
        let target = Target::Labelled(NextHop::In(VrfId::GLOBAL, next_hop), label);
        routes.fix(ids.vrf(binding.vrf.as_deref()), binding.prefix, target, (1, 0));
    }
    routes
}

/// Loopback interfaces that are up.
pub(crate) fn loopbacks(config: &Config) -> impl Iterator<Item = &Interface> {
    config.interfaces.values().filter(|interface| interface.loopback && !interface.shutdown)
}

/// `ip route static bfd`: what leads out by a path that BFD watches and does not find up.
fn down(config: &Config, ids: &Ids, stands: &BTreeSet<SessionKey>) -> Vec<Target> {
    let hops = config_to_bfd::hops(config, ids).filter(|(path, _)| !stands.contains(path));
    hops.filter_map(|(path, _)| Some(Target::Through(NextHop::On(path.port?, path.remote)))).collect()
}

impl Configured {
    /// The prefixes of an interface's addresses, and the addresses themselves: one without a network around it is
    /// connected as a network is.
    fn connect(&mut self, vrf: VrfId, addresses: &[Address], to: Target) {
        for address in addresses {
            let own = Prefix::host(address.address);
            let network =
                Prefix::new(address.address, address.length).ok().filter(|prefix| !prefix.is_host());
            let source = if network.is_some() { Source::Local } else { Source::Connected };
            self.routes.insert((source, vrf, own, Target::Local), (0, 0));
            if let Some(network) = network {
                self.routes.insert((Source::Connected, vrf, network, to), (0, 0));
            }
        }
    }

    fn fix(&mut self, vrf: VrfId, prefix: Prefix, target: Target, rank: (u8, u32)) {
        self.routes.insert((Source::Static, vrf, prefix, target), rank);
    }
}

/// `None` where its interface is absent or down.
fn target(route: &StaticRoute, vrf: VrfId, ids: &Ids, ports: &Ports, tunnels: &WaysIn) -> Option<Target> {
    Some(match &route.target {
        RouteHop::Gateway(gateway) => Target::Through(NextHop::In(vrf, *gateway)),
        RouteHop::GlobalGateway(gateway) => Target::Through(NextHop::In(VrfId::GLOBAL, *gateway)),
        RouteHop::Interface { name, gateway: _ } if tunnels.contains_key(name) => {
            Target::Tunnel(*tunnels.get(name)?)
        }
        RouteHop::Interface { name, gateway } => {
            let port = ids.known_port(name).filter(|port| ports.up.contains(port))?;
            gateway.map_or(Target::Port(port), |gateway| Target::Through(NextHop::On(port, gateway)))
        }
        RouteHop::Null => Target::Discard,
    })
}
