//! `trace packet`: the path a packet of a VRF would take, told from the same tables the dataplane's come from.

use std::net::IpAddr;

use api::{Response, TraceStep};
use base::{Family, Label, PolicyId, PortId, Prefix, VrfId};
use config::model::Backend;
use dataplane::{Link, Port};
use ipsec::{Flow, Policy, Sa, Verdict};

use crate::wiring::config_to_vrf::Way;
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

/// A route out of a port.
struct Exit<'a> {
    port: &'a Port,
    next_hop: IpAddr,
    push: &'a [Label],
}

impl<'a> Walk<'a> {
    fn packet(&mut self, vrf: VrfId, request: &api::Trace) {
        let leads = self.pe.tables.routing.lookup(vrf, request.destination);
        if let Some((prefix, Way::Protect(policy))) = leads {
            return self.tunnel(vrf, prefix, *policy, &flow(request));
        }
        let Some(exit) = self.route(vrf, request.destination) else { return };
        let Some(policy) = self.policy(vrf, &exit, &flow(request)) else { return };
        match policy {
            None => self.leave(&exit, 0),
            Some((policy, sa)) => self.seal(&policy, sa),
        }
    }

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
        let Some((prefix, way)) = self.pe.tables.routing.lookup(vrf, destination) else {
            return self.die("route", format!("no route to {destination} in vrf {name}"), "no-route");
        };
        match way {
            Way::Local => self.local(vrf, &format!("{destination} in vrf {name} is this box")),
            Way::Discard => self.die("route", format!("{prefix} in vrf {name} leads to Null0"), "discarded"),
            Way::Protect(_) => {
                self.die("route", format!("{prefix} in vrf {name} leads into a tunnel again"), "no-route")
            }
            Way::Out { port, gateway, push } => self.exit(
                vrf,
                &format!("{prefix} in vrf {name}"),
                *port,
                gateway.unwrap_or(destination),
                push,
            ),
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
        push: &'a [Label],
    ) -> Option<Exit<'a>> {
        let Some(port) = self.pe.tables.ports.get(&port) else {
            return self.die("route", format!("{what} leads to a port that is gone"), "unknown-port");
        };
        let of = if port.vrf == vrf { String::new() } else { format!(" of vrf {}", self.vrf_name(port.vrf)) };
        self.step("route", format!("{what} via {next_hop} out of {}{of}", port.name));
        Some(Exit { port, next_hop, push })
    }

    /// The crypto map on the way out: the outer `None` where the packet dies, the inner one where it
    /// goes on in clear.
    fn policy(&mut self, vrf: VrfId, exit: &Exit<'_>, flow: &Flow) -> Option<Option<(Policy, &'a Sa)>> {
        if !exit.port.crypto {
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
        let room = usize::from(exit.port.mtu).saturating_sub(outer + label_bytes(exit.push));
        let overhead = usize::from(exit.port.mtu).saturating_sub(sa.suite.payload_for(room));
        self.leave(&exit, overhead);
    }

    /// `overhead`: bytes of the port's MTU that protection takes, labels included.
    fn leave(&mut self, exit: &Exit<'_>, overhead: usize) {
        if !exit.push.is_empty() {
            let labels: Vec<_> = exit.push.iter().map(Label::to_string).collect();
            self.step("labels", format!("push {} (outermost first)", labels.join(" ")));
        }
        self.next_hop(exit);
        let overhead = if overhead == 0 { label_bytes(exit.push) } else { overhead };
        let room = usize::from(exit.port.mtu).saturating_sub(overhead);
        self.fit(exit, room);
    }

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

/// Implicit null is never on the wire.
fn label_bytes(push: &[Label]) -> usize {
    4 * push.iter().filter(|label| **label != Label::IMPLICIT_NULL).count()
}
