//! `show crypto session`: each crypto-map entry with its peer, and how far it got.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use api::{IpsecFlow, Session};
use base::{Instant, VrfId};
use ike::SessionState;

use super::ipsec::Overview;
use super::{isakmp, vrf_name};
use crate::Pe;
use crate::wiring::config_to_ipsec::Placed;

/// By interface and sequence number; entries without a peer are left out.
pub(super) fn sessions(pe: &Pe, now: Instant) -> Vec<Session> {
    places(pe, now).into_iter().flat_map(|(_, sessions)| sessions).collect()
}

/// Every entry with its session; with one for each peer if it is dynamic.
pub(super) fn places(pe: &Pe, now: Instant) -> Vec<(Placed<'_>, Vec<Session>)> {
    let mut overview = Overview::new(pe, now);
    let states = pe.ike.sessions(now);
    let by_peer = by_peer(&states);
    let placed = std::mem::take(&mut overview.placed);
    let mut places = Vec::new();
    for placed in placed {
        let groups = groups(&placed, overview.flows_of(&placed)).into_iter();
        let sessions = groups.filter_map(|flows| {
            let states = concerning(&placed, &flows, &by_peer);
            session(pe, now, &placed, flows, &states)
        });
        let sessions = sessions.collect();
        places.push((placed, sessions));
    }
    places
}

/// What belongs to one peer each.
fn groups(placed: &Placed<'_>, flows: Vec<IpsecFlow>) -> Vec<Vec<IpsecFlow>> {
    if !placed.is_dynamic() {
        return vec![flows];
    }
    let mut by_peer: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for flow in flows {
        by_peer.entry((flow.peer, flow.peer_port)).or_default().push(flow);
    }
    by_peer.into_values().collect()
}

/// Phase 1 SAs by front VRF and remote address.
type ByPeer<'a> = BTreeMap<(VrfId, IpAddr), Vec<&'a SessionState>>;

fn by_peer(states: &[SessionState]) -> ByPeer<'_> {
    let mut by_peer = ByPeer::new();
    for state in states {
        by_peer.entry((state.path.front, state.path.remote.ip())).or_default().push(state);
    }
    by_peer
}

/// The phase 1 SAs under which the entry's flows stand, and others with its peers and profile.
fn concerning<'a>(placed: &Placed<'_>, flows: &[IpsecFlow], by_peer: &ByPeer<'a>) -> Vec<&'a SessionState> {
    let profile = placed.profile_name();
    let peers: BTreeSet<_> = placed.addresses().chain(flows.iter().map(|flow| flow.peer)).collect();
    let states = peers.into_iter().filter_map(|peer| by_peer.get(&(placed.front, peer))).flatten();
    let carries = |state: &SessionState| flows.iter().any(|flow| flow.connection == Some(state.id.0));
    let fits = |state: &SessionState| !state.established || state.profile.as_deref() == profile;
    states.copied().filter(|state| carries(state) || fits(state)).collect()
}

fn session(
    pe: &Pe,
    now: Instant,
    placed: &Placed<'_>,
    flows: Vec<IpsecFlow>,
    states: &[&SessionState],
) -> Option<Session> {
    let leading = states.iter().find(|state| state.established).or_else(|| states.first());
    let peer = leading.map(|state| state.path.remote.ip()).or_else(|| flows.first().map(|flow| flow.peer));
    let active = flows.iter().any(|flow| !flow.outbound.is_empty());
    Some(Session {
        interface: placed.name.interface.clone(),
        status: status(active, states).to_owned(),
        peer: peer.or_else(|| placed.addresses().next())?,
        peer_port: leading.map_or(500, |state| state.path.remote.port()),
        front: vrf_name(pe, placed.front),
        inside: vrf_name(pe, placed.inside),
        description: placed.entry.description.clone(),
        identity: leading.and_then(|state| state.identity.clone()),
        profile: placed.profile_name().map(str::to_owned),
        uptime: leading.and_then(|state| state.since).map_or(0, |since| now.since(since).as_secs()),
        isakmp: states.iter().map(|state| isakmp::sa(pe, state)).collect(),
        flows,
    })
}

fn status(active: bool, states: &[&SessionState]) -> &'static str {
    match (active, states.iter().any(|state| state.established)) {
        (true, true) => "UP-ACTIVE",
        (true, false) => "UP-NO-IKE",
        (false, true) => "UP-IDLE",
        (false, false) if states.is_empty() => "DOWN",
        (false, false) => "DOWN-NEGOTIATING",
    }
}
