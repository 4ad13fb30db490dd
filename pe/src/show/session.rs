//! `show crypto session`: each crypto-map entry with its peer, and how far it got.

use api::{IpsecFlow, IsakmpSa, Session};
use base::Instant;
use ike::SessionState;

use super::ipsec::Overview;
use super::{isakmp, vrf_name};
use crate::Pe;
use crate::wiring::config_to_ipsec::Placed;

/// By interface and sequence number; entries without a peer are left out.
pub(super) fn sessions(pe: &Pe, now: Instant) -> Vec<Session> {
    let overview = Overview::new(pe, now);
    let states = pe.ike.sessions(now);
    overview.placed.iter().filter_map(|placed| session(pe, &overview, placed, &states)).collect()
}

fn session(
    pe: &Pe,
    overview: &Overview<'_>,
    placed: &Placed<'_>,
    states: &[SessionState],
) -> Option<Session> {
    let flows = overview.flows_of(placed);
    let states = concerning(placed, &flows, states);
    let leading = states.iter().find(|state| state.established).or_else(|| states.first());
    let peer = leading.map(|state| state.path.remote.ip()).or_else(|| flows.first().map(|flow| flow.peer));
    let active = flows.iter().any(|flow| !flow.outbound.is_empty());
    Some(Session {
        interface: placed.name.interface.clone(),
        status: status(active, &states).to_owned(),
        peer: peer.or_else(|| placed.entry.peers.first().copied())?,
        peer_port: leading.map_or(500, |state| state.path.remote.port()),
        front: vrf_name(pe, placed.front),
        inside: vrf_name(pe, placed.inside),
        description: placed.entry.description.clone(),
        identity: leading.and_then(|state| state.identity.clone()),
        profile: placed.profile.map(|profile| profile.name.clone()),
        uptime: leading.map_or(0, |state| state.uptime.as_secs()),
        isakmp: states.iter().map(|state| isakmp::sa(pe, state)).collect::<Vec<IsakmpSa>>(),
        flows,
    })
}

/// The phase 1 SAs under which the entry's flows stand, and others with its peers and profile.
fn concerning<'a>(
    placed: &Placed<'_>,
    flows: &[IpsecFlow],
    states: &'a [SessionState],
) -> Vec<&'a SessionState> {
    let profile = placed.profile.map(|profile| profile.name.as_str());
    let of_peer = |state: &SessionState| {
        state.path.front == placed.front
            && placed.entry.peers.contains(&state.path.remote.ip())
            && (state.profile.as_deref() == profile || !state.established)
    };
    let carries = |state: &SessionState| flows.iter().any(|flow| flow.connection == Some(state.id.0));
    states.iter().filter(|state| carries(state) || of_peer(state)).collect()
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
