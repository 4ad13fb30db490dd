//! `show ip route`, `show ipv6 route`, `show ip vrf`.

use ::bgp::LeakView;
use api::{Response, RouteEntry, RouteTable, VrfLeak, VrfSummary};
use base::{Family, Prefix, VrfId};
use config::model::{Targets, Vrf, VrfStyle};
use dataplane::Labels;
use vrf::Source;

use super::{PAGE, bad_page, bgp, failed, vrf_of};
use crate::Pe;
use crate::routing::{Chosen, NextHop, Target, Way};

/// A page of one VRF and family; of the global table if no VRF is named.
pub(super) fn tables(
    pe: &Pe,
    vrf: Option<String>,
    ipv6: bool,
    after: Option<&str>,
) -> Result<Vec<RouteTable>, Response> {
    let id = vrf_of(pe, vrf.as_deref())?;
    let after = after.map(|text| text.parse::<Prefix>().map_err(|_| bad_page())).transpose()?;
    let family = if ipv6 { Family::V6 } else { Family::V4 };
    let mut rest = pe.routing.behind(id, family, after).peekable();
    let page = rest.by_ref().take(PAGE).map(|(prefix, chosen)| entry(pe, id, prefix, chosen));
    let routes: Vec<_> = page.collect();
    let more = rest.peek().and_then(|_| routes.last()).map(|last| last.prefix.clone());
    Ok(vec![RouteTable { vrf, ipv6, routes, more }])
}

/// The route to an address, or of exactly a network.
pub(super) fn one(pe: &Pe, vrf: Option<String>, destination: &str) -> Result<Vec<RouteTable>, Response> {
    let id = vrf_of(pe, vrf.as_deref())?;
    let network = destination.parse::<Prefix>().ok().filter(|_| destination.contains('/'));
    let found = match (network, destination.parse()) {
        (Some(network), _) => pe.routing.chosen(id, network).map(|chosen| (network, chosen)),
        (None, Ok(address)) => pe.routing.lookup(id, address),
        (None, Err(_)) => return Err(failed(format!("{destination} is no address or network"), None)),
    };
    let (prefix, chosen) = found.ok_or_else(|| failed("Network not in table".to_owned(), None))?;
    let ipv6 = prefix.family() == Family::V6;
    Ok(vec![RouteTable { vrf, ipv6, routes: vec![entry(pe, id, prefix, chosen)], more: None }])
}

pub(super) fn vrfs(pe: &Pe) -> Vec<VrfSummary> {
    pe.config.vrfs.iter().map(|(name, vrf)| summary(pe, name, vrf)).collect()
}

pub(super) fn entry(pe: &Pe, vrf: VrfId, prefix: Prefix, chosen: Chosen) -> RouteEntry {
    let (gateway, interface, labels) = match chosen.way {
        Way::Out { port, gateway, push } => (gateway, port_name(pe, port), push),
        Way::Local => (None, local_port(pe, vrf, prefix), Labels::default()),
        Way::Discard => (None, Some("Null0".to_owned()), Labels::default()),
        Way::Protect(policy) => {
            (None, pe.ids.entry(policy).map(|entry| entry.interface.clone()), Labels::default())
        }
        Way::Lookup(other) => {
            (None, Some(pe.ids.vrf_name(other).unwrap_or("global").to_owned()), Labels::default())
        }
    };
    let target = pe.routing.target(chosen.candidate.to);
    let global = matches!(target, Target::Labelled(..) | Target::Through(NextHop::In(VrfId::GLOBAL, _)));
    // What BGP says is the neighbour's next hop, not the way to it.
    let next_hop = match target {
        Target::Labelled(NextHop::In(_, next), _) | Target::Through(NextHop::In(_, next))
            if chosen.candidate.source == Source::Bgp =>
        {
            Some(next)
        }
        Target::Local
        | Target::Labelled(..)
        | Target::Discard
        | Target::Tunnel(_)
        | Target::Port(_)
        | Target::Through(_)
        | Target::Vrf(_) => gateway,
    };
    RouteEntry {
        prefix: prefix.to_string(),
        code: chosen.candidate.source.code().to_owned(),
        source: bgp::source(chosen.candidate.source).to_owned(),
        distance: chosen.candidate.distance,
        metric: chosen.candidate.metric,
        tag: chosen.candidate.tag,
        next_hop,
        interface,
        global: global && vrf != VrfId::GLOBAL,
        labels: labels.iter().map(|label| label.value()).collect(),
    }
}

pub(super) fn port_name(pe: &Pe, port: base::PortId) -> Option<String> {
    pe.tables.ports.get(&port).map(|port| port.name.clone())
}

fn local_port(pe: &Pe, vrf: VrfId, prefix: Prefix) -> Option<String> {
    let has = |interface: &config::model::Interface| {
        pe.ids.known_vrf(interface.vrf.as_deref()) == Some(vrf)
            && interface.addresses.iter().any(|held| held.address == prefix.address())
    };
    let mut interfaces = pe.config.interfaces.iter();
    interfaces.find(|(_, interface)| has(interface)).map(|(name, _)| name.clone())
}

fn summary(pe: &Pe, name: &str, vrf: &Vrf) -> VrfSummary {
    let targets = || [Some(&vrf.targets), vrf.ipv4.as_ref(), vrf.ipv6.as_ref()].into_iter().flatten();
    let interfaces =
        pe.config.interfaces.iter().filter(|(_, interface)| interface.vrf.as_deref() == Some(name));
    VrfSummary {
        name: name.to_owned(),
        rd: vrf.rd.map(|rd| rd.to_string()),
        import: texts(targets().flat_map(|targets: &Targets| &targets.import)),
        export: texts(targets().flat_map(|targets: &Targets| &targets.export)),
        ipv4: vrf.style == VrfStyle::Ip || vrf.ipv4.is_some(),
        ipv6: vrf.ipv6.is_some(),
        interfaces: interfaces.map(|(name, _)| name.clone()).collect(),
        leaks: leaks(pe, name),
    }
}

fn leaks(pe: &Pe, vrf: &str) -> Vec<VrfLeak> {
    let id = pe.ids.known_vrf(Some(vrf));
    let its = pe.bgp.leaks().filter(|leak| [leak.from, leak.to].map(Some).contains(&id));
    let leak = |leak: LeakView| VrfLeak {
        import: leak.from == VrfId::GLOBAL,
        ipv6: leak.family == Family::V6,
        map: leak.config.map,
        limit: leak.config.limit,
        prefixes: leak.taken,
        beyond: leak.waiting,
    };
    its.map(leak).collect()
}

/// Each once, in order of first mention.
fn texts<T: ToString>(items: impl Iterator<Item = T>) -> Vec<String> {
    let mut texts = Vec::new();
    for text in items.map(|item| item.to_string()) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}
