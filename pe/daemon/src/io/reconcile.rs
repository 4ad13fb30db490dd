//! Makes the kernel hold what is wanted of it, and nothing of ours besides.

use std::collections::BTreeSet;

use config::model::Backend;
use pe::{Host, HostPort};

use super::netlink::{Kernel, Link};
use super::{guard, sysctl};
use crate::host::{AddressOn, Wanted};

/// What went wrong, for the log. The guard stands apart: without it nothing may run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) guard: Option<String>,
    pub(crate) faults: Vec<String>,
}

/// Running it again changes nothing. Ports whose device is missing wait for it to appear. `prepare`
/// says whether a device is to be brought up, or down where it is shut.
pub(crate) async fn apply(kernel: &Kernel, host: &Host, prepare: impl FnMut(u32) -> bool) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(fault) = steps(kernel, host, prepare, &mut outcome).await {
        outcome.faults.push(fault);
    }
    outcome
}

/// The ports of `host` whose device exists.
pub(crate) fn present<'a>(host: &'a Host, links: &[Link]) -> Vec<&'a HostPort> {
    host.ports.iter().filter(|port| index(links, &port.device).is_some()).collect()
}

async fn steps(
    kernel: &Kernel,
    host: &Host,
    mut prepare: impl FnMut(u32) -> bool,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let links = kernel.links().await?;
    let ports = present(host, &links);
    if host.backend == Backend::User {
        outcome.faults.extend(sysctl::set(&ports));
        outcome.guard = guard::install(&ports, &host.flows).await.err();
    }
    for port in &ports {
        let Some(link) = links.iter().find(|link| link.name == port.device) else { continue };
        if prepare(link.index) {
            let what = format!("{} with MTU {}", port.device, port.mtu);
            note(outcome, &what, kernel.prepare(link, port).await);
        }
    }
    if host.backend == Backend::Linux {
        // All else is the dataplane's.
        return Ok(());
    }
    let wanted = Wanted::of(host);
    let links = kernel.links().await?;
    addresses(kernel, &links, &wanted, outcome).await?;
    rules(kernel, &wanted, outcome).await?;
    routes(kernel, &links, &wanted, outcome).await
}

fn index(links: &[Link], device: &str) -> Option<u32> {
    links.iter().find(|link| link.name == device).map(|link| link.index)
}

fn note(outcome: &mut Outcome, what: &str, done: Result<(), String>) {
    if let Err(error) = done {
        outcome.faults.push(format!("{what}: {error}"));
    }
}

/// A wanted address that somebody else put there becomes ours: its connected route would be in the
/// wrong table.
async fn addresses(
    kernel: &Kernel,
    links: &[Link],
    wanted: &Wanted,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let mut held = BTreeSet::new();
    for there in kernel.addresses().await? {
        let Some(link) = links.iter().find(|link| link.index == there.index) else { continue };
        let on = AddressOn { device: link.name.clone(), address: there.address, length: there.length };
        let is_wanted = wanted.addresses.contains(&on);
        if there.ours && is_wanted {
            held.insert(on);
        } else if there.ours || is_wanted {
            note(outcome, &format!("{} on {}", on.address, on.device), kernel.remove_address(&there).await);
        }
    }
    for on in wanted.addresses.difference(&held) {
        let Some(index) = index(links, &on.device) else { continue };
        note(outcome, &format!("{} on {}", on.address, on.device), kernel.add_address(index, on).await);
    }
    Ok(())
}

async fn rules(kernel: &Kernel, wanted: &Wanted, outcome: &mut Outcome) -> Result<(), String> {
    let held: BTreeSet<_> = kernel.rules().await?.into_iter().collect();
    for rule in held.difference(&wanted.rules) {
        note(outcome, "stale rule", kernel.remove_rule(rule).await);
    }
    for rule in wanted.rules.difference(&held) {
        note(outcome, &format!("rule to table {}", rule.table), kernel.add_rule(rule).await);
    }
    Ok(())
}

async fn routes(
    kernel: &Kernel,
    links: &[Link],
    wanted: &Wanted,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let held: BTreeSet<_> = kernel.routes(links).await?.into_iter().collect();
    for route in held.difference(&wanted.routes) {
        let Some(index) = index(links, &route.device) else { continue };
        note(outcome, "stale route", kernel.remove_route(route, index).await);
    }
    for route in wanted.routes.difference(&held) {
        // The kernel keeps no route on a device that is down; it is set when the device comes up.
        let enabled = links.iter().find(|link| link.name == route.device && link.enabled);
        let Some(index) = enabled.map(|link| link.index) else { continue };
        let what = format!("route {} in table {}", route.prefix, route.table);
        note(outcome, &what, kernel.add_route(route, index).await);
    }
    Ok(())
}
