//! Which paths BFD watches: those of BGP neighbours that fall over by it, and those of static routes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Family, PortId, VrfId};
use bfd::{SessionKey, Timers};
use bgp::PeerId;
use config::Config;
use config::model::Interface;

use super::config_to_ipsec::local_address;
use crate::ids::Ids;
use crate::routing::{Routing, Way};

/// A path without timers is not watched: `bfd interval` is missing, or no map speaks of it.
pub(crate) fn sessions(
    config: &Config,
    ids: &Ids,
    routing: &Routing,
    guarded: &BTreeSet<PeerId>,
    sources: &BTreeMap<PeerId, IpAddr>,
) -> BTreeMap<SessionKey, Timers> {
    let peers =
        guarded.iter().filter_map(|peer| of_peer(config, ids, routing, *peer, sources.get(peer).copied()));
    peers.chain(hops(config, ids)).collect()
}

/// The paths of `ip route static bfd`.
pub(crate) fn hops(config: &Config, ids: &Ids) -> impl Iterator<Item = (SessionKey, Timers)> {
    config.bfd.static_hops.iter().filter_map(|hop| {
        let interface = config.interfaces.get(&hop.interface)?;
        let port = ids.known_port(&hop.interface)?;
        let vrf = ids.known_vrf(interface.vrf.as_deref())?;
        on_link(interface, vrf, port, hop.gateway)
    })
}

fn of_peer(
    config: &Config,
    ids: &Ids,
    routing: &Routing,
    peer: PeerId,
    source: Option<IpAddr>,
) -> Option<(SessionKey, Timers)> {
    let PeerId { vrf, address: remote } = peer;
    let reach = routing.reach(vrf, remote)?;
    let Ok(Way::Out { port, .. }) = reach.plain else { return None };
    let interface = config.interfaces.get(ids.interface(port)?)?;
    if reach.connected {
        return on_link(interface, vrf, port, remote);
    }
    let local = source.or_else(|| local_address(interface, Family::of(remote)))?;
    let timers = config.bfd.multihop(ids.vrf_name(vrf), local, remote)?;
    Some((SessionKey { vrf, local, remote, port: None }, timers))
}

fn on_link(interface: &Interface, vrf: VrfId, port: PortId, remote: IpAddr) -> Option<(SessionKey, Timers)> {
    let local = local_address(interface, Family::of(remote))?;
    Some((SessionKey { vrf, local, remote, port: Some(port) }, interface.bfd?))
}
