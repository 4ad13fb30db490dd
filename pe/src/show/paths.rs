//! `show bfd neighbors`, `show crypto route`, `show route-map`, `show ip prefix-list`.

use std::time::Duration;

use api::{BfdSession, CryptoRoute, PrefixList, PrefixRule, Response, RouteMap, RouteMapEntry};
use base::{Family, Instant};
use bfd::{State, Status};
use bgp::PeerId;
use config::Config;
use vrf::Source;

use super::{failed, vrf_name};
use crate::Pe;
use crate::routing::{NextHop, Target};
use crate::wiring::config_to_bfd;
use crate::wiring::ipsec_to_vrf::{Held, RouteKey};

pub(super) fn bfd(pe: &Pe, now: Instant) -> Vec<BfdSession> {
    pe.bfd.sessions(now).map(|status| session(pe, status)).collect()
}

fn session(pe: &Pe, status: Status) -> BfdSession {
    let key = status.key;
    let peer = PeerId { vrf: key.vrf, address: key.remote };
    let of_static = config_to_bfd::hops(&pe.config, &pe.ids).any(|(hop, _)| hop == key);
    let clients = [("BGP", pe.spoken.guarded.contains(&peer)), ("Static", of_static)];
    let clients = clients.into_iter().filter(|(_, asks)| *asks);
    let milliseconds = |of: Duration| u64::try_from(of.as_millis()).unwrap_or(u64::MAX);
    let (ours, theirs) = status.diagnostics;
    BfdSession {
        vrf: vrf_name(pe, key.vrf),
        local: key.local,
        remote: key.remote,
        interface: key.port.and_then(|port| pe.ids.interface(port)).map(str::to_owned),
        state: word(status.state).to_owned(),
        remote_state: status.remote.map(|state| word(state).to_owned()),
        since: status.since.as_secs(),
        discriminators: status.discriminators,
        multipliers: status.multipliers,
        diagnostics: (ours.to_owned(), theirs.to_owned()),
        transmit: status.transmit.map(milliseconds),
        detection: milliseconds(status.detection),
        sent: status.sent,
        received: status.received,
        clients: clients.map(|(name, _)| name.to_owned()).collect(),
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::AdminDown => "AdminDown",
        State::Down => "Down",
        State::Init => "Init",
        State::Up => "Up",
    }
}

/// By VRF, then prefix.
pub(super) fn crypto_routes(pe: &Pe) -> Vec<CryptoRoute> {
    pe.reverse.all().map(|(route, held)| crypto_route(pe, route, held)).collect()
}

fn crypto_route(pe: &Pe, route: RouteKey, held: Held) -> CryptoRoute {
    let (vrf, prefix, to) = route;
    let interface = |port| pe.ids.interface(port).map(str::to_owned);
    let (next_hop, interface) = match to {
        Target::Through(NextHop::On(port, hop)) => (Some(hop), interface(port)),
        Target::Through(NextHop::In(_, hop)) | Target::Labelled(NextHop::In(_, hop), _) => (Some(hop), None),
        Target::Port(port) | Target::Labelled(NextHop::On(port, _), _) => (None, interface(port)),
        Target::Tunnel(policy) => (None, pe.ids.entry(policy).map(|entry| entry.interface.clone())),
        Target::Local | Target::Discard | Target::Vrf(_) => (None, None),
    };
    let is_permanent = pe.tables.reverse.values().any(|of| of.permanent().contains(&route));
    let code = match to {
        Target::Tunnel(_) => "VTI",
        Target::Local
        | Target::Labelled(..)
        | Target::Discard
        | Target::Port(_)
        | Target::Through(_)
        | Target::Vrf(_) => {
            if is_permanent {
                "S"
            } else {
                "RRI"
            }
        }
    };
    let chosen = pe.routing.chosen(vrf, prefix).map(|chosen| chosen.candidate);
    let is_it = |of: vrf::Candidate<_>| of.source == Source::Reverse && pe.routing.target(of.to) == to;
    CryptoRoute {
        vrf: vrf_name(pe, vrf),
        prefix: prefix.to_string(),
        distance: held.rank.0,
        tag: held.rank.1,
        next_hop,
        interface,
        code: code.to_owned(),
        users: held.users,
        in_use: chosen.is_some_and(is_it),
    }
}

/// All, or the one of that name.
pub(super) fn route_maps(pe: &Pe, name: Option<&str>) -> Result<Vec<RouteMap>, Response> {
    let maps = &pe.config.policies.route_maps;
    if let Some(name) = name.filter(|name| !maps.contains_key(*name)) {
        return Err(failed(format!("route-map {name} not found"), Some("`show route-map` lists them")));
    }
    // What prints the configuration knows how lines are written.
    let text = config::print(&Config { policies: pe.config.policies.clone(), ..Config::default() });
    let mut all: Vec<RouteMap> = Vec::new();
    for line in text.lines() {
        match (heading(line), all.last_mut().and_then(|map| map.entries.last_mut())) {
            (Some((of, entry)), _) => match all.last_mut().filter(|map| map.name == of) {
                Some(map) => map.entries.push(entry),
                None => all.push(RouteMap { name: of.to_owned(), entries: vec![entry] }),
            },
            (None, Some(entry)) => note(entry, line.trim_start()),
            (None, None) => {}
        }
    }
    all.retain(|map| name.is_none_or(|name| name == map.name));
    Ok(all)
}

/// `route-map NAME permit|deny SEQUENCE`.
fn heading(line: &str) -> Option<(&str, RouteMapEntry)> {
    let mut words = line.strip_prefix("route-map ")?.split(' ');
    let (name, verb, sequence) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
    let permit = verb == "permit";
    Some((name, RouteMapEntry { sequence, permit, matches: Vec::new(), sets: Vec::new(), next: None }))
}

fn note(entry: &mut RouteMapEntry, line: &str) {
    if let Some(of) = line.strip_prefix("match ") {
        entry.matches.push(of.to_owned());
    } else if let Some(of) = line.strip_prefix("set ") {
        entry.sets.push(of.to_owned());
    } else if let Some(next) = line.strip_prefix("continue ") {
        entry.next = next.parse().ok();
    }
}

/// All of a family, or the one of that name.
pub(super) fn prefix_lists(pe: &Pe, name: Option<&str>, ipv6: bool) -> Result<Vec<PrefixList>, Response> {
    let family = if ipv6 { Family::V6 } else { Family::V4 };
    let is_of = |list: &bgp::policy::PrefixList| list.0.values().any(|rule| rule.prefix.family() == family);
    let all = pe.config.policies.prefix_lists.iter().filter(|(_, list)| is_of(list));
    let wanted = all.filter(|(of, _)| name.is_none_or(|name| name == of.as_str()));
    let found: Vec<_> = wanted
        .map(|(name, list)| PrefixList {
            name: name.clone(),
            ipv6,
            rules: list.0.iter().map(|(sequence, of)| rule(*sequence, *of)).collect(),
        })
        .collect();
    match name.filter(|_| found.is_empty()) {
        Some(name) => Err(failed(format!("no prefix list {name}"), Some("without a name all are listed"))),
        None => Ok(found),
    }
}

/// As it is written: `le` is left out where it is the longest there is.
fn rule(sequence: u32, of: bgp::policy::PrefixRule) -> PrefixRule {
    let ((from, to), own, most) = (of.lengths, of.prefix.length(), of.prefix.family().bits());
    let ge = (from != own).then_some(from);
    let le = (to != own && !(ge.is_some() && to == most)).then_some(to);
    PrefixRule { sequence, permit: of.permit, prefix: of.prefix.to_string(), ge, le }
}
