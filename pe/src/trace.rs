//! `trace packet`: the path a packet of a VRF would take, told from the same tables the dataplane's come from.

use std::net::IpAddr;

use api::{Response, TraceStep};
use base::{Family, Label, PolicyId, PortId, Prefix, VrfId};
use config::model::Backend;
use dataplane::{Encapsulation, Labels, Link, Port, Tunnel};
use ipsec::{Flow, Policy, Sa, Verdict};
use vrf::Source;

use crate::routing::{Chosen, NextHop, Target, Way};
use crate::{Pe, plan, show};

/// Follows one packet until it leaves the box or dies. Drops have the names of `show drops`.
pub(crate) fn trace(pe: &Pe, request: &api::Trace) -> Result<Response, Response> {
    let vrf = show::vrf_of(pe, request.vrf.as_deref())?;
    let mut walk = Walk { pe, steps: Vec::new(), size: usize::from(request.size) };
    walk.packet(vrf, request);
    Ok(Response::Trace(walk.steps))
}

struct Walk<'a> {
    pe: &'a Pe,
    steps: Vec<TraceStep>,
    /// Bytes of the IP packet as it is at this step.
    size: usize,
}

/// The first port that MPLS in UDP leaves from; which one, the dataplane draws from the flow.
const ENTROPY: u16 = 49_152;

/// A route out of a port.
struct Exit<'a> {
    port: &'a Port,
    next_hop: IpAddr,
    push: Labels,
    /// Whose labels those are.
    origin: String,
}

impl<'a> Walk<'a> {
    fn packet(&mut self, vrf: VrfId, request: &api::Trace) {
        let vrf = self.leak(vrf, request.destination);
        let leads =
            self.pe.routing.lookup(vrf, request.destination).map(|(prefix, chosen)| (prefix, chosen.way));
        if let Some((prefix, Way::Protect(policy))) = leads {
            return self.tunnel(vrf, prefix, policy, &flow(request));
        }
        let Some(exit) = self.route(vrf, request.destination) else { return };
        let Some(policy) = self.policy(vrf, &exit, &flow(request)) else { return };
        match policy {
            None => self.leave(&exit, 0),
            Some((policy, sa)) => self.seal(&policy, sa),
        }
    }

    /// The VRF that the destination's route leads into, as far as it may.
    fn leak(&mut self, vrf: VrfId, destination: IpAddr) -> VrfId {
        let mut vrf = vrf;
        for _ in 0..Self::LEAKS {
            let Some((prefix, chosen)) = self.pe.routing.lookup(vrf, destination) else { break };
            let Way::Lookup(other) = chosen.way else { break };
            let (from, into) = (self.vrf_name(vrf), self.vrf_name(other));
            self.step("route", format!("{prefix} in vrf {from} leads into vrf {into}"));
            vrf = other;
        }
        vrf
    }

    /// How many VRFs one packet may be led through.
    const LEAKS: usize = 3;

    /// A route into a tunnel interface: its policy protects whatever it permits.
    fn tunnel(&mut self, vrf: VrfId, prefix: Prefix, id: PolicyId, flow: &Flow) {
        let entry = self.pe.ids.entry(id);
        let tunnel = entry.map_or_else(String::new, |entry| entry.interface.clone());
        let name = self.vrf_name(vrf);
        self.step("route", format!("{prefix} in vrf {name} leads into {tunnel}"));
        let Some(policy) = plan::policy(&self.pe.tables, &self.pe.tunnels, id) else { return };
        let sealed = match policy.judge(flow) {
            Verdict::Seal(sa) => self.sa(sa),
            Verdict::Acquire(_) => {
                self.die("sa", "no SA is up; IKE is asked for one".to_owned(), "no-sa-yet")
            }
            Verdict::Pass => self.die("policy", format!("{tunnel} does not carry it"), "outside-policy"),
        };
        sealed.into_iter().for_each(|sa| self.seal(&policy, sa));
    }

    /// Where the destination leads; `None` where the packet's way ends in this box.
    fn route(&mut self, vrf: VrfId, destination: IpAddr) -> Option<Exit<'a>> {
        let name = self.vrf_name(vrf);
        let Some((prefix, chosen)) = self.pe.routing.lookup(vrf, destination) else {
            return self.die("route", format!("no route to {destination} in vrf {name}"), "no-route");
        };
        match chosen.way {
            Way::Local => self.local(vrf, &format!("{destination} in vrf {name} is this box")),
            Way::Discard => self.die("route", format!("{prefix} in vrf {name} leads to Null0"), "discarded"),
            Way::Protect(_) | Way::Lookup(_) => {
                self.die("route", format!("{prefix} in vrf {name} leads no further"), "no-route")
            }
            Way::Out { port, gateway, push } => {
                let what = format!("{prefix} in vrf {name}");
                let exit = self.exit(vrf, &what, port, gateway.unwrap_or(destination), push)?;
                Some(Exit { origin: self.origin(vrf, prefix, &chosen, &push), ..exit })
            }
        }
    }

    fn local(&mut self, vrf: VrfId, what: &str) -> Option<Exit<'a>> {
        let door = self.pe.tables.ports.values().find(|port| port.vrf == vrf && port.link == Link::Host);
        let Some(door) = door else {
            return self.die("route", format!("{what}, but no way leads to the kernel"), "no-host");
        };
        let door = if self.is_kernel() { "itself" } else { door.device.as_str() };
        self.step("route", format!("{what}: to the kernel by {door}"));
        None
    }

    fn exit(
        &mut self,
        vrf: VrfId,
        what: &str,
        port: PortId,
        next_hop: IpAddr,
        push: Labels,
    ) -> Option<Exit<'a>> {
        let Some(port) = self.pe.tables.ports.get(&port) else {
            return self.die("route", format!("{what} leads to a port that is gone"), "unknown-port");
        };
        let of = if port.vrf == vrf { String::new() } else { format!(" of vrf {}", self.vrf_name(port.vrf)) };
        self.step("route", format!("{what} via {next_hop} out of {}{of}", port.name));
        Some(Exit { port, next_hop, push, origin: String::new() })
    }

    /// Who gave the label of a route, and those of the path to its next hop.
    fn origin(&self, vrf: VrfId, prefix: Prefix, chosen: &Chosen, push: &[Label]) -> String {
        let routing = &self.pe.routing;
        let (next, own) = match routing.target(chosen.candidate.to) {
            Target::Labelled(NextHop::In(_, next), label) => {
                let giver = self.giver(vrf, prefix, chosen.candidate.source);
                (next, format!("{} by {giver} for next hop {next}", label_text(label)))
            }
            Target::Through(NextHop::In(_, next)) => {
                (next, format!("none of the route itself, next hop {next}"))
            }
            Target::Local
            | Target::Labelled(..)
            | Target::Discard
            | Target::Tunnel(_)
            | Target::Port(_)
            | Target::Through(_)
            | Target::Vrf(_) => return String::new(),
        };
        format!("{own}{}", self.transport(next, push).unwrap_or_default())
    }

    /// Whose labels lead to a next hop in the global table.
    fn transport(&self, next: IpAddr, push: &[Label]) -> Option<String> {
        let routing = &self.pe.routing;
        let (prefix, by) = routing.lookup(VrfId::GLOBAL, next)?;
        if let Some(lsp) = routing.lsp(prefix) {
            let peer = self.pe.ldp.lsp(prefix).map(|lsp| format!(" neighbor {}", lsp.peer));
            let is_used = lsp.label == Label::IMPLICIT_NULL || push.contains(&lsp.label);
            let text =
                || format!(", {} by LDP{} to {prefix}", label_text(lsp.label), peer.unwrap_or_default());
            return is_used.then(text);
        }
        match routing.target(by.candidate.to) {
            Target::Labelled(_, label) => {
                let giver = self.giver(VrfId::GLOBAL, prefix, by.candidate.source);
                Some(format!(", {} by {giver} to {prefix}", label_text(label)))
            }
            Target::Local
            | Target::Discard
            | Target::Tunnel(_)
            | Target::Port(_)
            | Target::Through(_)
            | Target::Vrf(_) => None,
        }
    }

    /// Who gave the label of a route.
    fn giver(&self, vrf: VrfId, prefix: Prefix, source: Source) -> String {
        if source != Source::Bgp {
            return "static binding".to_owned();
        }
        let paths = self.pe.bgp.vrf_route(vrf, prefix).into_iter();
        let peer = paths.filter(|path| path.best.is_some()).find_map(|path| path.peer);
        peer.map_or_else(|| "BGP".to_owned(), |peer| format!("BGP neighbor {}", peer.address))
    }

    /// The crypto map on the way out: the outer `None` where the packet dies, the inner one where it
    /// goes on in clear.
    fn policy(&mut self, vrf: VrfId, exit: &Exit<'_>, flow: &Flow) -> Option<Option<(Policy, &'a Sa)>> {
        // Labels keep a packet in its VPN.
        if !exit.port.crypto || !exit.push.is_empty() {
            return Some(None);
        }
        for policy in self.policies(exit.port.id).filter(|policy| policy.inside == vrf) {
            let name = self.entry_name(&policy);
            match policy.judge(flow) {
                Verdict::Pass => self.step("policy", format!("{name}: no permit line matches")),
                Verdict::Acquire(line) => {
                    self.step("policy", format!("{name}: line {} protects it", line + 1));
                    return self.die("sa", "no SA is up; IKE is asked for one".to_owned(), "no-sa-yet");
                }
                Verdict::Seal(id) => {
                    self.step("policy", format!("{name} protects it"));
                    return self.sa(id).map(|sa| Some((policy, sa)));
                }
            }
        }
        if exit.port.vrf == vrf {
            self.step("policy", format!("no entry on {} permits it: it leaves in clear", exit.port.name));
            return Some(None);
        }
        let text = format!(
            "no entry on {} is for vrf {} and permits it: it may not leave in clear",
            exit.port.name,
            self.vrf_name(vrf)
        );
        self.die("policy", text, "outside-policy")
    }

    fn policies(&self, port: PortId) -> impl Iterator<Item = Policy> + use<'a> {
        let (tables, tunnels) = (&self.pe.tables, &self.pe.tunnels);
        let entries = tables.policies_of(port).into_iter().map(|policy| policy.id);
        // What was negotiated under a dynamic entry stands right before it.
        let ids = entries.flat_map(move |entry| tunnels.leaves_of(entry).chain([entry]));
        ids.filter_map(move |id| plan::policy(tables, tunnels, id))
    }

    fn sa(&mut self, id: base::SaId) -> Option<&'a Sa> {
        let sa = self.pe.tunnels.sa(id);
        sa.or_else(|| self.die("sa", "the SA is gone".to_owned(), "no-sa-yet"))
    }

    fn seal(&mut self, policy: &Policy, sa: &Sa) {
        let text = format!("spi {} {} from {} to {} ({:?})", sa.spi, sa.suite, sa.local, sa.remote, sa.encap);
        self.step("sa", text);
        let Some(exit) = self.route(policy.front, sa.remote) else { return };
        let outer = ip_header(sa.remote) + sa.encap.overhead();
        let room = usize::from(exit.port.mtu).saturating_sub(outer + label_bytes(&exit.push));
        let overhead = usize::from(exit.port.mtu).saturating_sub(sa.suite.payload_for(room));
        self.leave(&exit, overhead);
    }

    /// `overhead`: bytes of the port's MTU that protection takes, labels included.
    fn leave(&mut self, exit: &Exit<'_>, overhead: usize) {
        if !exit.push.is_empty() {
            let labels: Vec<_> = exit.push.iter().map(Label::to_string).collect();
            self.step("labels", format!("push {} (outermost first): {}", labels.join(" "), exit.origin));
        }
        let tunnel = match exit.port.link {
            Link::Tunnel(tunnel) => Some(tunnel),
            Link::Ethernet { .. } | Link::Vlan { .. } | Link::Host => None,
        };
        if tunnel.is_none() {
            self.next_hop(exit);
        }
        let overhead = if overhead == 0 { label_bytes(&exit.push) } else { overhead };
        let room = usize::from(exit.port.mtu).saturating_sub(overhead);
        self.fit(exit, room);
        tunnel.into_iter().for_each(|tunnel| self.wrap(tunnel, label_bytes(&exit.push)));
    }

    /// Into a tunnel without protection, whose outer packet has a way of its own.
    fn wrap(&mut self, tunnel: Tunnel, labels: usize) {
        let Tunnel { front, local, remote, encapsulation } = tunnel;
        let (stage, protocol, local_port, remote_port, end) = match encapsulation {
            Encapsulation::Gre(None) => ("gre", 47, 0, 0, String::new()),
            Encapsulation::Gre(Some(key)) => ("gre", 47, 0, 0, format!(" key {key}")),
            Encapsulation::MplsUdp => ("udp", 17, ENTROPY, Encapsulation::UDP_PORT, " port 6635".to_owned()),
        };
        self.step(stage, format!("from {local} to {remote}{end} in vrf {}", self.vrf_name(front)));
        if encapsulation == Encapsulation::MplsUdp && labels == 0 {
            let text = "the tunnel carries labels alone".to_owned();
            return self.die(stage, text, "unlabelled").unwrap_or_default();
        }
        if self.steps.len() > Self::STEPS {
            return self.die(stage, "the tunnel leads into itself".to_owned(), "looping").unwrap_or_default();
        }
        self.size += labels + ip_header(remote) + usize::from(encapsulation.length());
        let flow = Flow { local, remote, protocol, local_port, remote_port };
        let Some(exit) = self.route(front, remote) else { return };
        match self.policy(front, &exit, &flow) {
            Some(None) => self.leave(&exit, 0),
            Some(Some((policy, sa))) => self.seal(&policy, sa),
            None => {}
        }
    }

    /// More than any packet's way has.
    const STEPS: usize = 60;

    fn next_hop(&mut self, exit: &Exit<'_>) {
        let state = match self.pe.neighbours.get(&(exit.port.id, exit.next_hop)) {
            Some(mac) => format!("is at {}", mac_text(*mac)),
            None if self.is_kernel() => "is the kernel's to find".to_owned(),
            None => "is not known yet; it will be asked for".to_owned(),
        };
        self.step("next-hop", format!("{} on {} {state}", exit.next_hop, exit.port.name));
    }

    fn fit(&mut self, exit: &Exit<'_>, room: usize) {
        let text = format!(
            "{} bytes of the packet, {room} fit on {} (mtu {})",
            self.size, exit.port.name, exit.port.mtu
        );
        match room.checked_sub(self.size) {
            Some(left) => self.step("mtu", format!("{text}: {left} left")),
            None if self.is_kernel() => {
                self.step("mtu", format!("{text}: it is fragmented, or dies with DF set"))
            }
            None => self.step("mtu", format!("{text}: it is fragmented, or dies as too-big with DF set")),
        }
    }

    fn step(&mut self, stage: &str, text: String) {
        self.steps.push(TraceStep { stage: stage.to_owned(), text, drop: None });
    }

    /// The kernel does not count every way to die.
    fn die<T>(&mut self, stage: &str, text: String, drop: &str) -> Option<T> {
        let is_counted =
            !self.is_kernel() || self.pe.counters.drops.iter().any(|counted| counted.name == drop);
        let drop = is_counted.then(|| drop.to_owned());
        self.steps.push(TraceStep { stage: stage.to_owned(), text, drop });
        None
    }

    fn is_kernel(&self) -> bool {
        self.pe.tables.backend == Backend::Linux
    }

    fn vrf_name(&self, vrf: VrfId) -> &'a str {
        self.pe.ids.vrf_name(vrf).unwrap_or("global")
    }

    fn entry_name(&self, policy: &Policy) -> String {
        let id = self.pe.tunnels.entry_of(policy.id).map_or(policy.id, |(entry, _)| entry);
        let entry = self.pe.ids.entry(id);
        entry.map_or_else(String::new, |entry| {
            format!("crypto map {} {} on {}", entry.map, entry.sequence, entry.interface)
        })
    }
}

/// The MAC address as IOS writes it.
pub(crate) fn mac_text([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}")
}

fn flow(request: &api::Trace) -> Flow {
    Flow {
        local: request.source,
        remote: request.destination,
        protocol: request.protocol,
        local_port: request.source_port,
        remote_port: request.destination_port,
    }
}

fn ip_header(address: IpAddr) -> usize {
    match Family::of(address) {
        Family::V4 => 20,
        Family::V6 => 40,
    }
}

fn label_text(label: Label) -> String {
    if label == Label::IMPLICIT_NULL { "none (implicit null)".to_owned() } else { label.to_string() }
}

/// Implicit null is never on the wire.
fn label_bytes(push: &[Label]) -> usize {
    4 * push.iter().filter(|label| **label != Label::IMPLICIT_NULL).count()
}
