//! Makes the kernel hold what is wanted of it, and nothing of ours besides: only what differs from what it holds is said.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use config::model::Backend;
use pe::{Host, HostPort};

use super::guard::Guard;
use super::netlink::{Kernel, Link};
use super::sysctl;
use crate::host::{AddressOn, Route, Rule, Thing, Wanted};

/// What went wrong, for the log. The guard stands apart: without it nothing may run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) guard: Option<String>,
    pub(crate) faults: Vec<String>,
}

/// Devices by name.
pub(crate) type Links = BTreeMap<String, Link>;

/// What the kernel holds of ours, as far as we know. Empty at the start, and when something happened to it that we did not
/// see: then the kernel is asked.
#[derive(Default)]
pub(crate) struct Held {
    things: Option<Wanted>,
    guard: Guard,
    /// Whose knobs are set, as they were then.
    devices: Links,
}

/// A port with the device that it has.
pub(crate) type Present<'a> = (&'a HostPort, &'a Link);

/// The ports of `host` whose device exists.
pub(crate) fn present<'a>(host: &'a Host, links: &'a Links) -> Vec<Present<'a>> {
    host.ports.iter().filter_map(|port| Some((port, links.get(&port.device)?))).collect()
}

impl Held {
    /// Running it again changes nothing. Ports whose device is missing wait for it to appear. `prepare` says whether a
    /// device is to be brought up, or down where it is shut.
    pub(crate) async fn set(
        &mut self,
        kernel: &Kernel,
        host: &Host,
        links: &mut Links,
        prepare: impl FnMut(u32) -> bool,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        self.lose(links);
        if host.backend == Backend::User {
            let ports = present(host, links);
            self.tune(&ports, &mut outcome);
            outcome.guard = self.guard.set(&ports, &host.flows).await.err();
        }
        raise(kernel, host, links, prepare, &mut outcome).await;
        let said = match host.backend {
            Backend::User => self.say(kernel, &Wanted::of(host), links, &mut outcome).await,
            // All else is the dataplane's.
            Backend::Linux => {
                self.things.get_or_insert_default();
                Ok(())
            }
        };
        outcome.faults.extend(said.err());
        outcome
    }

    /// Somebody took a thing of ours away, or made it his.
    pub(crate) fn forget(&mut self, thing: &Thing) {
        self.things.iter_mut().for_each(|things| things.remove(thing));
    }

    /// Whether it is known what the kernel holds.
    pub(crate) const fn is_known(&self) -> bool {
        self.things.is_some()
    }

    /// What went with devices, or with their being down.
    fn lose(&mut self, links: &Links) {
        let stands = |old: &Link| links.get(&old.name).is_some_and(|link| link.index == old.index);
        let is_same = |old: &Link| links.get(&old.name).is_some_and(|link| link.enabled == old.enabled);
        let (kept, gone): (Links, Links) =
            std::mem::take(&mut self.devices).into_iter().partition(|(_, old)| stands(old));
        if let Some(things) = &mut self.things {
            let changed: BTreeSet<&str> =
                kept.values().filter(|old| !is_same(old)).map(|old| &*old.name).collect();
            things.addresses.retain(|on| !gone.contains_key(&on.device));
            let stays = |device: &str| !gone.contains_key(device) && !changed.contains(device);
            things.routes.retain(|route| stays(&route.device));
        }
        self.devices = kept;
    }

    /// The knobs of devices that are new to us.
    fn tune(&mut self, ports: &[Present<'_>], outcome: &mut Outcome) {
        if !self.is_known() {
            outcome.faults.extend(sysctl::everywhere());
            self.devices.clear();
        }
        for (port, link) in ports {
            let faults = if self.devices.contains_key(&link.name) { Vec::new() } else { sysctl::set(port) };
            if faults.is_empty() {
                self.devices.insert(link.name.clone(), (*link).clone());
            }
            outcome.faults.extend(faults);
        }
    }

    async fn say(
        &mut self,
        kernel: &Kernel,
        wanted: &Wanted,
        links: &Links,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let mut held = match self.things.take() {
            Some(held) => held,
            None => ask(kernel, links).await?,
        };
        for step in steps(&held, wanted, links) {
            // What could not be said is said again the next time.
            match step.say(kernel).await {
                Ok(()) => step.note(&mut held),
                Err(error) => outcome.faults.push(format!("{step}: {error}")),
            }
        }
        for (name, of) in &mut self.devices {
            // As it was when its routes were set.
            links.get(name).into_iter().for_each(|link| of.clone_from(link));
        }
        self.things = Some(held);
        Ok(())
    }
}

/// Ours alone.
async fn ask(kernel: &Kernel, links: &Links) -> Result<Wanted, String> {
    let names: BTreeMap<u32, &str> = links.values().map(|link| (link.index, &*link.name)).collect();
    let on = |there: &super::netlink::Present| {
        let device = (*names.get(&there.index)?).to_owned();
        Some(AddressOn { device, address: there.address, length: there.length })
    };
    let addresses = kernel.addresses().await?;
    Ok(Wanted {
        addresses: addresses.iter().filter(|there| there.ours).filter_map(on).collect(),
        rules: kernel.rules().await?.into_iter().collect(),
        routes: kernel.routes(|index| names.get(&index).copied()).await?.into_iter().collect(),
    })
}

/// Devices go up or down, and get their MTU.
async fn raise(
    kernel: &Kernel,
    host: &Host,
    links: &mut Links,
    mut prepare: impl FnMut(u32) -> bool,
    outcome: &mut Outcome,
) {
    for port in &host.ports {
        let Some(link) = links.get_mut(&port.device).filter(|link| prepare(link.index)) else { continue };
        let done = kernel.prepare(link, port).await;
        if done.is_ok() {
            (link.enabled, link.mtu) = (!port.shutdown, port.mtu.into());
        }
        let fault = |error| format!("{} with MTU {}: {error}", port.device, port.mtu);
        outcome.faults.extend(done.err().map(fault));
    }
}

/// What to say to the kernel: that it is to hold a thing, or not to any more.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    thing: Thing,
    /// Of its device.
    index: u32,
    add: bool,
}

/// What is stale, then what is missing, of each kind. What has no device, or a route whose device is down, waits: the kernel
/// keeps none there.
fn steps(held: &Wanted, wanted: &Wanted, links: &Links) -> Vec<Step> {
    let address = |on: &AddressOn, add| {
        let index = links.get(&on.device)?.index;
        Some(Step { thing: Thing::Address(on.clone()), index, add })
    };
    let rule = |rule: &Rule, add| Step { thing: Thing::Rule(rule.clone()), index: 0, add };
    let route = |route: &Route, add: bool| {
        let link = links.get(&route.device).filter(|link| link.enabled || !add)?;
        Some(Step { thing: Thing::Route(route.clone()), index: link.index, add })
    };
    let mut steps = Vec::new();
    steps.extend(held.addresses.difference(&wanted.addresses).filter_map(|on| address(on, false)));
    steps.extend(wanted.addresses.difference(&held.addresses).filter_map(|on| address(on, true)));
    steps.extend(held.rules.difference(&wanted.rules).map(|of| rule(of, false)));
    steps.extend(wanted.rules.difference(&held.rules).map(|of| rule(of, true)));
    steps.extend(held.routes.difference(&wanted.routes).filter_map(|of| route(of, false)));
    steps.extend(wanted.routes.difference(&held.routes).filter_map(|of| route(of, true)));
    steps
}

impl Step {
    async fn say(&self, kernel: &Kernel) -> Result<(), String> {
        match (&self.thing, self.add) {
            (Thing::Address(on), true) => kernel.add_address(self.index, on).await,
            (Thing::Address(on), false) => kernel.remove_address(self.index, on).await,
            (Thing::Rule(rule), true) => kernel.add_rule(rule).await,
            (Thing::Rule(rule), false) => kernel.remove_rule(rule).await,
            (Thing::Route(route), true) => kernel.add_route(route, self.index).await,
            (Thing::Route(route), false) => kernel.remove_route(route, self.index).await,
        }
    }

    /// It is done.
    fn note(self, held: &mut Wanted) {
        if self.add { held.insert(self.thing) } else { held.remove(&self.thing) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.add { "" } else { "stale " })?;
        match &self.thing {
            Thing::Address(on) => write!(f, "{} on {}", on.address, on.device),
            Thing::Rule(rule) => write!(f, "rule to table {}", rule.table),
            Thing::Route(route) => write!(f, "route {} in table {}", route.prefix, route.table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::port;

    fn links(all: &[(u32, &str)]) -> Links {
        let link = |index, name: &str| Link {
            index,
            name: name.into(),
            mtu: 1500,
            enabled: true,
            running: true,
            mac: None,
        };
        all.iter().map(|(index, name)| ((*name).to_owned(), link(*index, name))).collect()
    }

    fn wanted(ports: &[(u32, &str, u32, &str)]) -> Wanted {
        let ports = ports.iter().map(|(id, device, vrf, address)| port(*id, device, *vrf, address)).collect();
        Wanted::of(&Host { ports, ..Host::default() })
    }

    const ONE: (u32, &str, u32, &str) = (1, "wan1", 1, "192.0.2.1");
    const TWO: (u32, &str, u32, &str) = (2, "wan2", 2, "192.0.2.1");

    /// Does what is to be done.
    fn done(held: &mut Wanted, wanted: &Wanted, links: &Links) -> usize {
        let steps = steps(held, wanted, links);
        let count = steps.len();
        steps.into_iter().for_each(|step| step.note(held));
        count
    }

    #[test]
    fn only_what_differs_is_said_and_what_is_not_wanted_any_more_goes() {
        let links = links(&[(1, "wan1"), (2, "wan2")]);
        let mut held = Wanted::default();
        let (one, both) = (wanted(&[ONE]), wanted(&[ONE, TWO]));
        assert_eq!(done(&mut held, &one, &links), 6, "an address, its network, four rules");
        assert_eq!(done(&mut held, &both, &links), 6, "nothing of the first");
        assert_eq!(held, both);
        assert_eq!(done(&mut held, &both, &links), 0);
        let steps = steps(&held, &one, &links);
        assert!(steps.iter().all(|step| !step.add));
        assert_eq!(done(&mut held, &one, &links), 6);
        assert_eq!(held, one);
    }

    #[test]
    fn what_went_with_a_device_is_said_again_when_it_is_back() {
        let mut held = Held { devices: links(&[(1, "wan1"), (2, "wan2")]), ..Held::default() };
        let both = wanted(&[ONE, TWO]);
        held.things = Some(both.clone());
        let anew = links(&[(1, "wan1"), (7, "wan2")]);
        held.lose(&anew);
        assert!(held.devices.contains_key("wan1") && !held.devices.contains_key("wan2"), "its knobs, too");
        let steps = steps(held.things.as_ref().unwrap(), &both, &anew);
        assert!(steps.iter().all(|step| step.add && !matches!(step.thing, Thing::Rule(_))), "rules stay");
        assert_eq!(steps.len(), 2, "its address and its network");
    }

    #[test]
    fn routes_go_with_a_device_that_is_down_and_come_when_it_is_up() {
        let up = links(&[(1, "wan1")]);
        let mut held = Held { devices: up.clone(), things: Some(wanted(&[ONE])), ..Held::default() };
        let mut down = up.clone();
        down.get_mut("wan1").unwrap().enabled = false;
        held.lose(&down);
        let things = held.things.as_ref().unwrap();
        assert_eq!(steps(things, &wanted(&[ONE]), &down), []);
        let steps = steps(things, &wanted(&[ONE]), &up);
        assert!(matches!(&steps[..], [Step { thing: Thing::Route(_), add: true, .. }]), "{steps:?}");
    }

    #[test]
    fn what_was_taken_away_is_said_again() {
        let one = wanted(&[ONE]);
        let mut held = Held { things: Some(one.clone()), ..Held::default() };
        let address = Thing::Address(one.addresses.first().unwrap().clone());
        let rule = Thing::Rule(one.rules.first().unwrap().clone());
        let route = Thing::Route(one.routes.first().unwrap().clone());
        for thing in [address, rule, route] {
            held.forget(&thing);
            let steps = steps(held.things.as_ref().unwrap(), &one, &links(&[(1, "wan1")]));
            assert!(matches!(&steps[..], [step] if step.add && step.thing == thing), "{steps:?}");
            steps.into_iter().for_each(|step| step.note(held.things.as_mut().unwrap()));
        }
    }
}
