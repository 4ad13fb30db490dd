//! Interfaces, static routes and label bindings become the routes of each VRF.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{Family, Label, PolicyId, PortId, Prefix, VrfId};
use config::Config;
use config::model::{Binding, RouteHop, StaticBinding, StaticRoute};
use dataplane::Address;
use vrf::{Candidate, Rib, Source, Via};

use super::link_to_all::{self, Ports};
use crate::Notice;
use crate::ids::Ids;

/// Where a candidate leads, before its gateway is found. Between equals the earlier kind wins, so that
/// a label binding is never passed by on an unlabelled route of the same prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum To {
    /// This box.
    Local,
    /// A label binding of the global table, resolved: what other next hops may be found through.
    Lsp {
        port: PortId,
        gateway: Option<IpAddr>,
        push: Label,
    },
    /// A label binding of a VRF: its next hop is found in the global table.
    Labelled {
        gateway: IpAddr,
        push: Option<Label>,
    },
    /// `Null0`.
    Discard,
    /// Into a tunnel interface.
    Tunnel(PolicyId),
    Port {
        port: PortId,
        gateway: Option<IpAddr>,
    },
    /// Through a next hop found in the table of `vrf`, which may be another than the route's own (VRF-29).
    Gateway {
        vrf: VrfId,
        gateway: IpAddr,
    },
}

/// Where a candidate leads in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Local,
    Discard,
    Protect(PolicyId),
    /// `push` is outermost first; no gateway: the destination itself is the next hop.
    Out {
        port: PortId,
        gateway: Option<IpAddr>,
        push: Vec<Label>,
    },
}

/// A prefix's best candidate that resolves.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) candidate: Candidate<To>,
    pub(crate) way: Way,
}

/// The routes of every VRF.
#[derive(Default)]
pub(crate) struct Routing {
    chosen: BTreeMap<(VrfId, Prefix), Chosen>,
    /// Configured candidates that lead nowhere now, and why.
    unusable: Vec<(VrfId, Prefix, String)>,
}

/// The policies of tunnel interfaces, by name.
pub(crate) type WaysIn = BTreeMap<String, PolicyId>;

type Ribs = BTreeMap<VrfId, Rib<To>>;

/// Routes over ports that are absent or down are left out; what depends on them falls back or goes.
pub(crate) fn routing(config: &Config, ids: &mut Ids, ports: &Ports, tunnels: &WaysIn) -> Routing {
    let mut draft = Draft { ribs: Ribs::new(), ports, configured: Vec::new(), unusable: Vec::new() };
    for port in ports.ports.values().filter(|port| ports.up.contains(&port.id)) {
        let to = To::Port { port: port.id, gateway: None };
        connect(draft.ribs.entry(port.vrf).or_default(), &port.addresses, &to);
    }
    for (name, policy) in tunnels {
        let Some(interface) = config.interfaces.get(name) else { continue };
        let rib = draft.ribs.entry(ids.vrf(interface.vrf.as_deref())).or_default();
        connect(rib, &link_to_all::addresses(interface), &To::Tunnel(*policy));
    }
    for route in &config.routes {
        let vrf = ids.vrf(route.vrf.as_deref());
        match static_candidate(route, vrf, ids, ports, tunnels) {
            Some(candidate) => draft.add(vrf, route.prefix, candidate),
            None => draft.unusable.push((vrf, route.prefix, "its interface is absent or down".to_owned())),
        }
    }
    let (global, inside): (Vec<_>, Vec<_>) = config.mpls.bindings.iter().partition(|b| b.vrf.is_none());
    for binding in global.into_iter().chain(inside) {
        draft.bind(ids.vrf(binding.vrf.as_deref()), binding);
    }
    draft.finish()
}

/// Routing while it is put together.
struct Draft<'a> {
    ribs: Ribs,
    ports: &'a Ports,
    configured: Vec<(VrfId, Prefix, Candidate<To>)>,
    unusable: Vec<(VrfId, Prefix, String)>,
}

impl Draft<'_> {
    fn add(&mut self, vrf: VrfId, prefix: Prefix, candidate: Candidate<To>) {
        self.ribs.entry(vrf).or_default().insert(prefix, candidate.clone());
        self.configured.push((vrf, prefix, candidate));
    }

    /// Those of the global table come first: their labels go outside those of the VRFs.
    fn bind(&mut self, vrf: VrfId, binding: &StaticBinding) {
        let Binding::Output { next_hop, label } = binding.direction else { return };
        let push = (label != Label::IMPLICIT_NULL).then_some(label);
        let labelled = candidate(Source::Static, 1, To::Labelled { gateway: next_hop, push });
        let at = (vrf, binding.prefix);
        match (self.way(at, &labelled), push) {
            (Ok(Way::Out { port, gateway, .. }), Some(push)) if vrf == VrfId::GLOBAL => {
                self.add(vrf, binding.prefix, candidate(Source::Static, 1, To::Lsp { port, gateway, push }));
            }
            (Ok(_), _) => self.add(vrf, binding.prefix, labelled),
            (Err(problem), _) => self.unusable.push((vrf, binding.prefix, problem)),
        }
    }

    fn finish(mut self) -> Routing {
        let problems = self.configured.iter().filter_map(|(vrf, prefix, candidate)| {
            Some((*vrf, *prefix, self.way((*vrf, *prefix), candidate).err()?))
        });
        let problems: Vec<_> = problems.collect();
        self.unusable.extend(problems);
        Routing { chosen: self.choose(), unusable: self.unusable }
    }

    fn choose(&self) -> BTreeMap<(VrfId, Prefix), Chosen> {
        let routes = self.ribs.iter().flat_map(|(vrf, rib)| rib.iter().map(|route| (*vrf, route)));
        let best = routes.filter_map(|(vrf, (prefix, candidates))| {
            let at = (vrf, prefix);
            let usable = candidates.iter().filter(|candidate| candidate.is_usable());
            let best = usable.into_iter().find_map(|candidate| {
                Some(Chosen { candidate: candidate.clone(), way: self.way(at, candidate).ok()? })
            });
            Some((at, best?))
        });
        best.collect()
    }

    /// Where a candidate leads in the end, or why nowhere.
    fn way(&self, at: (VrfId, Prefix), candidate: &Candidate<To>) -> Result<Way, String> {
        let end = vrf::resolve(&|vrf| self.ribs.get(&vrf), &via, at, candidate);
        let end = end.ok_or_else(|| "its next hop is not reachable".to_owned())?;
        let (port, gateway, outer) = match &end.direct.to {
            To::Local if candidate.to == To::Local => return Ok(Way::Local),
            To::Local => return Err("its next hop is this box itself".to_owned()),
            To::Discard => return Ok(Way::Discard),
            // What goes into a tunnel carries no label.
            To::Tunnel(_) if matches!(candidate.to, To::Labelled { push: Some(_), .. }) => {
                return Err("its label cannot leave by a tunnel interface".to_owned());
            }
            To::Tunnel(policy) => return Ok(Way::Protect(*policy)),
            To::Port { port, gateway } => (*port, *gateway, None),
            To::Lsp { port, gateway, push } => (*port, *gateway, Some(*push)),
            To::Labelled { .. } | To::Gateway { .. } => {
                return Err("its next hop is not reachable".to_owned());
            }
        };
        let inner = match candidate.to {
            To::Labelled { push, .. } => push,
            To::Local
            | To::Lsp { .. }
            | To::Discard
            | To::Tunnel(_)
            | To::Port { .. }
            | To::Gateway { .. } => None,
        };
        self.out(port, gateway.or(end.gateway), outer.into_iter().chain(inner).collect())
    }

    fn out(&self, port: PortId, gateway: Option<IpAddr>, push: Vec<Label>) -> Result<Way, String> {
        let exit = self.ports.ports.get(&port).ok_or_else(|| "its interface is absent".to_owned())?;
        if !push.is_empty() && !exit.mpls {
            return Err(format!("its label cannot leave by {}: `mpls ip` is missing there", exit.name));
        }
        Ok(Way::Out { port, gateway, push })
    }
}

impl Routing {
    /// Every route that packets see.
    pub(crate) fn all(&self) -> impl Iterator<Item = (VrfId, Prefix, &Way)> {
        self.chosen.iter().map(|((vrf, prefix), chosen)| (*vrf, *prefix, &chosen.way))
    }

    /// The longest match.
    pub(crate) fn lookup(&self, vrf: VrfId, address: IpAddr) -> Option<(Prefix, &Way)> {
        let lengths = (0..=Family::of(address).bits()).rev();
        let prefixes = lengths.filter_map(|length| Prefix::new(address, length).ok());
        let mut found = prefixes.filter_map(|prefix| Some((prefix, &self.chosen.get(&(vrf, prefix))?.way)));
        found.next()
    }

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
        let routes =
            self.chosen.iter().filter(move |((of, prefix), _)| *of == vrf && prefix.family() == family);
        routes.map(|((_, prefix), chosen)| (*prefix, chosen))
    }
}

/// The prefixes of an interface's addresses, and the addresses themselves.
fn connect(rib: &mut Rib<To>, addresses: &[Address], to: &To) {
    for address in addresses {
        rib.insert(Prefix::host(address.address), candidate(Source::Local, 0, To::Local));
        if let Ok(prefix) = Prefix::new(address.address, address.length)
            && !prefix.is_host()
        {
            rib.insert(prefix, candidate(Source::Connected, 0, to.clone()));
        }
    }
}

/// `None` where its interface is absent or down.
fn static_candidate(
    route: &StaticRoute,
    vrf: VrfId,
    ids: &Ids,
    ports: &Ports,
    tunnels: &WaysIn,
) -> Option<Candidate<To>> {
    let to = match &route.target {
        RouteHop::Gateway(gateway) => To::Gateway { vrf, gateway: *gateway },
        RouteHop::GlobalGateway(gateway) => To::Gateway { vrf: VrfId::GLOBAL, gateway: *gateway },
        RouteHop::Interface { name, gateway: _ } if tunnels.contains_key(name) => {
            To::Tunnel(*tunnels.get(name)?)
        }
        RouteHop::Interface { name, gateway } => {
            let port = ids.known_port(name).filter(|port| ports.up.contains(port))?;
            To::Port { port, gateway: *gateway }
        }
        RouteHop::Null => To::Discard,
    };
    Some(Candidate { tag: route.tag, ..candidate(Source::Static, route.distance, to) })
}

const fn candidate(source: Source, distance: u8, to: To) -> Candidate<To> {
    Candidate { distance, metric: 0, source, to, tag: 0 }
}

fn via(to: &To) -> Via {
    match to {
        To::Local | To::Lsp { .. } | To::Discard | To::Tunnel(_) | To::Port { .. } => Via::Direct,
        To::Labelled { gateway, .. } => Via::Gateway { vrf: VrfId::GLOBAL, gateway: *gateway },
        To::Gateway { vrf, gateway } => Via::Gateway { vrf: *vrf, gateway: *gateway },
    }
}
