//! Interfaces, static routes and label bindings become the routes of each VRF.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{Family, Label, PortId, Prefix, VrfId};
use config::Config;
use config::model::{Binding, RouteHop, StaticBinding, StaticRoute};
use dataplane::{Hop, Port};
use vrf::{Candidate, Rib, Source, Via};

use super::link_to_all::Ports;
use crate::Notice;
use crate::ids::Ids;
use crate::tables::Tables;

/// Where a candidate leads, before its gateway is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum To {
    /// This box.
    Local,
    /// `Null0`.
    Discard,
    Port { port: PortId, gateway: Option<IpAddr> },
    /// Through a next hop found in the table of `vrf`, which may be another than the route's own (VRF-29).
    Gateway { vrf: VrfId, gateway: IpAddr, push: Option<Label> },
}

/// A prefix's best candidate that resolves.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) candidate: Candidate<To>,
    pub(crate) hop: Hop,
}

/// The routes of every VRF.
#[derive(Default)]
pub(crate) struct Routing {
    chosen: BTreeMap<(VrfId, Prefix), Chosen>,
    /// Configured candidates that lead nowhere now, and why.
    unusable: Vec<(VrfId, Prefix, String)>,
}

type Ribs = BTreeMap<VrfId, Rib<To>>;

/// Routes over ports that are absent or down are left out; what depends on them falls back or goes.
pub(crate) fn routing(config: &Config, ids: &mut Ids, ports: &Ports) -> Routing {
    let mut ribs = Ribs::new();
    let (mut configured, mut unusable) = (Vec::new(), Vec::new());
    for port in ports.ports.values().filter(|port| ports.up.contains(&port.id)) {
        connect(&mut ribs, port);
    }
    for route in &config.routes {
        let vrf = ids.vrf(route.vrf.as_deref());
        match static_candidate(route, vrf, ids, ports) {
            Some(candidate) => configured.push((vrf, route.prefix, candidate)),
            None => unusable.push((vrf, route.prefix, "its interface is absent or down".to_owned())),
        }
    }
    for binding in &config.mpls.bindings {
        let vrf = ids.vrf(binding.vrf.as_deref());
        configured.extend(label_candidate(binding).map(|candidate| (vrf, binding.prefix, candidate)));
    }
    for (vrf, prefix, candidate) in &configured {
        ribs.entry(*vrf).or_default().insert(*prefix, candidate.clone());
    }
    unusable.extend(configured.iter().filter_map(|(vrf, prefix, candidate)| {
        Some((*vrf, *prefix, hop(&ribs, ports, (*vrf, *prefix), candidate).err()?))
    }));
    Routing { chosen: choose(&ribs, ports), unusable }
}

impl Routing {
    pub(crate) fn problems(&self, ids: &Ids) -> Vec<Notice> {
        let problem = |(vrf, prefix, problem): &(VrfId, Prefix, String)| Notice::RouteUnusable {
            vrf: ids.vrf_name(*vrf).map(str::to_owned),
            prefix: prefix.to_string(),
            problem: problem.clone(),
        };
        self.unusable.iter().map(problem).collect()
    }

    /// The routes in use of one VRF and family, by prefix.
    pub(crate) fn of(&self, vrf: VrfId, family: Family) -> impl Iterator<Item = (Prefix, &Chosen)> {
        let routes = self.chosen.iter().filter(move |((of, prefix), _)| *of == vrf && prefix.family() == family);
        routes.map(|((_, prefix), chosen)| (*prefix, chosen))
    }
}

impl Tables {
    /// Every route that packets see.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (VrfId, Prefix, &Hop)> {
        self.routing.chosen.iter().map(|((vrf, prefix), chosen)| (*vrf, *prefix, &chosen.hop))
    }

    /// The longest match.
    pub(crate) fn lookup(&self, vrf: VrfId, address: IpAddr) -> Option<(Prefix, &Hop)> {
        let lengths = (0..=Family::of(address).bits()).rev();
        lengths.filter_map(|length| Prefix::new(address, length).ok()).find_map(|prefix| {
            self.routing.chosen.get(&(vrf, prefix)).map(|chosen| (prefix, &chosen.hop))
        })
    }
}

/// The prefixes of a port's addresses, and the addresses themselves.
fn connect(ribs: &mut Ribs, port: &Port) {
    let rib = ribs.entry(port.vrf).or_default();
    for address in &port.addresses {
        rib.insert(Prefix::host(address.address), candidate(Source::Local, 0, To::Local));
        if let Ok(prefix) = Prefix::new(address.address, address.length)
            && !prefix.is_host()
        {
            rib.insert(prefix, candidate(Source::Connected, 0, To::Port { port: port.id, gateway: None }));
        }
    }
}

/// `None` where its interface is absent or down.
fn static_candidate(route: &StaticRoute, vrf: VrfId, ids: &Ids, ports: &Ports) -> Option<Candidate<To>> {
    let to = match &route.target {
        RouteHop::Gateway(gateway) => To::Gateway { vrf, gateway: *gateway, push: None },
        RouteHop::GlobalGateway(gateway) => To::Gateway { vrf: VrfId::GLOBAL, gateway: *gateway, push: None },
        RouteHop::Interface { name, gateway } => {
            let port = ids.known_port(name).filter(|port| ports.up.contains(port))?;
            To::Port { port, gateway: *gateway }
        }
        RouteHop::Null => To::Discard,
    };
    Some(Candidate { tag: route.tag, ..candidate(Source::Static, route.distance, to) })
}

/// A binding's next hop is a neighbour of the core: it is found in the global table.
fn label_candidate(binding: &StaticBinding) -> Option<Candidate<To>> {
    match binding.direction {
        Binding::Input(_) => None,
        Binding::Output { next_hop, label } => {
            let push = (label != Label::IMPLICIT_NULL).then_some(label);
            let to = To::Gateway { vrf: VrfId::GLOBAL, gateway: next_hop, push };
            Some(candidate(Source::Static, 1, to))
        }
    }
}

const fn candidate(source: Source, distance: u8, to: To) -> Candidate<To> {
    Candidate { distance, metric: 0, source, to, tag: 0 }
}

fn choose(ribs: &Ribs, ports: &Ports) -> BTreeMap<(VrfId, Prefix), Chosen> {
    let mut chosen = BTreeMap::new();
    for (vrf, rib) in ribs {
        for (prefix, candidates) in rib.iter() {
            let usable = candidates.iter().filter(|candidate| candidate.is_usable());
            let best = usable.into_iter().find_map(|candidate| {
                let hop = hop(ribs, ports, (*vrf, prefix), candidate).ok()?;
                Some(Chosen { candidate: candidate.clone(), hop })
            });
            chosen.extend(best.map(|best| ((*vrf, prefix), best)));
        }
    }
    chosen
}

/// Where a candidate leads in the end, or why nowhere.
fn hop(ribs: &Ribs, ports: &Ports, at: (VrfId, Prefix), candidate: &Candidate<To>) -> Result<Hop, String> {
    let end = vrf::resolve(&|vrf| ribs.get(&vrf), &via, at, candidate);
    let end = end.ok_or_else(|| "its next hop is not reachable".to_owned())?;
    match (&end.direct.to, &candidate.to) {
        (To::Local, To::Local) => Ok(Hop::Local),
        (To::Local, _) => Err("its next hop is this box itself".to_owned()),
        (To::Discard, _) => Ok(Hop::Drop),
        (To::Port { port, gateway }, to) => out(ports, *port, gateway.or(end.gateway), to),
        (To::Gateway { .. }, _) => Err("its next hop is not reachable".to_owned()),
    }
}

fn out(ports: &Ports, port: PortId, gateway: Option<IpAddr>, to: &To) -> Result<Hop, String> {
    let push = match to {
        To::Gateway { push, .. } => Vec::from_iter(*push),
        To::Local | To::Discard | To::Port { .. } => Vec::new(),
    };
    let exit = ports.ports.get(&port).ok_or_else(|| "its interface is absent".to_owned())?;
    if !push.is_empty() && !exit.mpls {
        return Err(format!("its label cannot leave by {}: `mpls ip` is missing there", exit.name));
    }
    Ok(Hop::Out { port, gateway, push })
}

fn via(to: &To) -> Via {
    match to {
        To::Local | To::Discard | To::Port { .. } => Via::Direct,
        To::Gateway { vrf, gateway, .. } => Via::Gateway { vrf: *vrf, gateway: *gateway },
    }
}
