//! `show ip route`, `show ip vrf`, `show mpls forwarding-table`.

use std::net::IpAddr;

use api::{LabelEntry, Response, RouteEntry, RouteTable, VrfSummary};
use base::{Family, Label, Prefix, VrfId};
use config::model::{Backend, Binding, StaticBinding, Targets, Vrf, VrfStyle};
use dataplane::{LabelCounters, Link};

use super::vrf_of;
use crate::Pe;
use crate::wiring::config_to_vrf::{Chosen, To, Way};

/// One VRF and family; the global table if no VRF is named.
pub(super) fn tables(pe: &Pe, vrf: Option<String>, ipv6: bool) -> Result<Vec<RouteTable>, Response> {
    let id = vrf_of(pe, vrf.as_deref())?;
    let family = if ipv6 { Family::V6 } else { Family::V4 };
    let routes = pe.tables.routing.of(id, family).map(|(prefix, chosen)| entry(pe, id, prefix, chosen));
    Ok(vec![RouteTable { vrf, ipv6, routes: routes.collect() }])
}

pub(super) fn vrfs(pe: &Pe) -> Vec<VrfSummary> {
    pe.config.vrfs.iter().map(|(name, vrf)| summary(pe, name, vrf)).collect()
}

/// Labels of ours, then labels that others gave us; those of one VRF if it is named.
pub(super) fn labels(pe: &Pe, vrf: Option<String>) -> Result<Vec<LabelEntry>, Response> {
    vrf_of(pe, vrf.as_deref())?;
    let bindings = pe.config.mpls.bindings.iter();
    let wanted = bindings.filter(|binding| vrf.is_none() || binding.vrf == vrf);
    let mut entries: Vec<_> = wanted.map(|binding| label(pe, binding)).collect();
    entries.sort_by_key(|entry| (entry.local.is_none(), entry.local));
    Ok(entries)
}

fn entry(pe: &Pe, vrf: VrfId, prefix: Prefix, chosen: &Chosen) -> RouteEntry {
    let (next_hop, interface, labels) = match &chosen.way {
        Way::Out { port, gateway, push } => (*gateway, port_name(pe, *port), push.as_slice()),
        Way::Local => (None, local_port(pe, vrf, prefix), [].as_slice()),
        Way::Discard => (None, Some("Null0".to_owned()), [].as_slice()),
        Way::Protect(policy) => {
            (None, pe.ids.entry(*policy).map(|entry| entry.interface.clone()), [].as_slice())
        }
    };
    let global = matches!(chosen.candidate.to, To::Gateway { vrf: VrfId::GLOBAL, .. } | To::Labelled { .. });
    RouteEntry {
        prefix: prefix.to_string(),
        code: chosen.candidate.source.code().to_owned(),
        distance: chosen.candidate.distance,
        metric: chosen.candidate.metric,
        tag: chosen.candidate.tag,
        next_hop,
        interface,
        global: global && vrf != VrfId::GLOBAL,
        labels: labels.iter().map(|label| label.value()).collect(),
    }
}

fn port_name(pe: &Pe, port: base::PortId) -> Option<String> {
    pe.tables.ports.get(&port).map(|port| port.name.clone())
}

fn local_port(pe: &Pe, vrf: VrfId, prefix: Prefix) -> Option<String> {
    let has =
        |addresses: &[dataplane::Address]| addresses.iter().any(|held| held.address == prefix.address());
    let port = pe
        .tables
        .ports
        .values()
        .find(|port| port.vrf == vrf && port.link != Link::Host && has(&port.addresses))?;
    Some(port.name.clone())
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
    }
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

fn label(pe: &Pe, binding: &StaticBinding) -> LabelEntry {
    match binding.direction {
        Binding::Input(label) => ours(pe, binding, label),
        Binding::Output { next_hop, label } => theirs(pe, binding, next_hop, label),
    }
}

fn ours(pe: &Pe, binding: &StaticBinding, label: Label) -> LabelEntry {
    let counted = pe.counters.labels.get(&label).copied();
    // Where nothing came in yet; the kernel does not count by label.
    let counted = counted.or_else(|| (pe.config.dataplane == Backend::User).then(LabelCounters::default));
    LabelEntry {
        local: Some(label.value()),
        outgoing: "Pop Label".to_owned(),
        prefix: binding.prefix.to_string(),
        vrf: binding.vrf.clone(),
        bytes: counted.map(|counted| counted.bytes),
        packets: counted.map(|counted| counted.packets),
        interface: None,
        next_hop: None,
    }
}

fn theirs(pe: &Pe, binding: &StaticBinding, next_hop: IpAddr, label: Label) -> LabelEntry {
    let vrf = pe.ids.known_vrf(binding.vrf.as_deref());
    let way = vrf.and_then(|vrf| pe.tables.routing.lookup(vrf, binding.prefix.address())).map(|(_, way)| way);
    let interface = match way {
        Some(Way::Out { port, push, .. }) if push.contains(&label) => port_name(pe, *port),
        Some(_) | None => None,
    };
    LabelEntry {
        local: None,
        outgoing: if label == Label::IMPLICIT_NULL { "No Label".to_owned() } else { label.to_string() },
        prefix: binding.prefix.to_string(),
        vrf: binding.vrf.clone(),
        bytes: Some(0),
        packets: Some(0),
        interface,
        next_hop: Some(next_hop),
    }
}
