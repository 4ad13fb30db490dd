//! Traffic through rekeys and restarts.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::customer::{Customer, FAR, NEAR};
use super::node::Node;
use super::report::Report;
use super::{Lab, joined, swan, traffic, until};

/// Pings of a series that lasts through rekeys on command: ten seconds.
const LONG: u32 = 500;

/// And of one that lasts longer than the lifetimes that a lab configures, at most 120 seconds.
const LIFETIME: u32 = 5750;

/// Phase 2, then phase 1, replaced by the gateway while pings go both ways: none is lost.
pub(crate) fn rekey(lab: &Lab, customer: &Customer, report: &mut Report) {
    report.check(&format!("{}: rekeying both phases loses no packet", customer.name), || {
        meanwhile(lab, customer, LONG, replace)
    });
}

/// Both phases reach the end of their lifetimes while pings go both ways: we replace them, and none is lost.
pub(crate) fn age(lab: &Lab, customers: &[Customer], report: &mut Report) {
    let outcomes: Vec<Result<String>> = thread::scope(|scope| {
        let through = |customer| move || meanwhile(lab, customer, LIFETIME, |_| Ok(()));
        let threads: Vec<_> = customers.iter().map(|customer| scope.spawn(through(customer))).collect();
        threads.into_iter().map(joined).collect()
    });
    for (customer, outcome) in customers.iter().zip(outcomes) {
        report.check(
            &format!("{}: lifetimes end, both phases are replaced, no packet is lost", customer.name),
            || outcome,
        );
    }
}

/// Pings both ways while something replaces both phases' keys.
fn meanwhile(lab: &Lab, customer: &Customer, count: u32, event: fn(&Node) -> Result<()>) -> Result<String> {
    let gateway = lab.node(customer.gateway)?;
    let before = keys(gateway)?;
    let pings = thread::scope(|scope| {
        let ping = |from, to| move || traffic::ping(lab.node(from)?, to, count, customer.mark);
        let near = scope.spawn(ping(customer.near, FAR));
        let far = scope.spawn(ping(customer.far, NEAR));
        let happened = event(gateway);
        let pings = [joined(near)?, joined(far)?];
        happened.map(|()| pings)
    })?;
    let after = keys(gateway)?;
    ensure!(after.0 != before.0, "the IKE SA is still the same");
    ensure!(after.1 != before.1, "the SPIs are still the same");
    let (sent, received) = (pings[0].sent + pings[1].sent, pings[0].received + pings[1].received);
    ensure!(sent == received, "{} of {sent} pings were lost", sent - received);
    Ok(format!("{received} of {sent} pings"))
}

fn replace(gateway: &Node) -> Result<()> {
    let pause = || thread::sleep(Duration::from_millis(1500));
    pause();
    gateway.demand("swanctl --rekey --child site")?;
    pause();
    gateway.demand("swanctl --rekey --ike pe")?;
    pause();
    gateway.demand("swanctl --rekey --child site").map(drop)
}

/// What names the IKE SA and the newest pair of SAs.
fn keys(gateway: &Node) -> Result<(String, u32)> {
    let child = swan::children(gateway)?.into_iter().next_back().context("no SA")?;
    Ok((swan::cookies(gateway)?, child.spi_in))
}

/// What the box may take from its start to the customers' first answer.
const PE_RESTART: u64 = 10;

/// The PE crashes and starts again; only the near sites send. Where the kernel forwards it goes on without the daemon, else
/// nothing passes.
pub(crate) fn pe_restarts(lab: &Lab, pe: &Node, customers: &[Customer], report: &mut Report) {
    let started = pe.kill().and_then(|()| {
        for customer in customers {
            let passes = traffic::reaches(lab.node(customer.near)?, FAR)?;
            let answer = if passes { "answered by nobody's box" } else { "not answered" };
            ensure!(passes == pe.forwards_by_kernel(), "{}: {answer}", customer.name);
        }
        pe.start()?;
        Ok(Instant::now())
    });
    let expected = if pe.forwards_by_kernel() { "its kernel goes on" } else { "nothing passes" };
    if !report.check(&format!("the PE is killed: {expected}"), || {
        started.as_ref().map(|_| String::new()).map_err(|error| anyhow::anyhow!("{error:#}"))
    }) {
        return;
    }
    let waits: Vec<Result<Duration>> = thread::scope(|scope| {
        let wait =
            |customer: &Customer| until(PE_RESTART, || traffic::reaches(lab.node(customer.near)?, FAR));
        let threads: Vec<_> = customers.iter().map(|customer| scope.spawn(move || wait(customer))).collect();
        threads.into_iter().map(joined).collect()
    });
    for (customer, waited) in customers.iter().zip(waits) {
        report.check(
            &format!("{}: traffic flows within {PE_RESTART} s of the PE's restart", customer.name),
            || waited.map(|took| format!("after {:.1} s", took.as_secs_f32())),
        );
    }
}

/// The gateway crashes, forgets everything and starts again: its INITIAL-CONTACT clears our old state.
pub(crate) fn gateway_restarts(lab: &Lab, customer: &Customer, report: &mut Report) {
    report.check(&format!("{}: its gateway restarts and recovers", customer.name), || {
        let gateway = lab.node(customer.gateway)?;
        crash(gateway)?;
        revive(gateway, "/mnt/swanctl.conf")?;
        let took = until(20, || traffic::reaches(lab.node(customer.near)?, FAR))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
}

/// The gateway is down and our state of it cleared; the far site sends. We try until the gateway is back, which itself
/// starts nothing.
pub(crate) fn we_retry(lab: &Lab, pe: &Node, customer: &Customer, report: &mut Report) {
    report.check(&format!("{}: we retry until its gateway is back", customer.name), || {
        let (gateway, far) = (lab.node(customer.gateway)?, lab.node(customer.far)?);
        crash(gateway)?;
        pe.demand(&format!("onramp clear crypto session remote {}", customer.outer))?;
        ensure!(!traffic::reaches(far, NEAR)?, "the near site answered through nothing");
        gateway
            .demand("sed 's/start_action = .*/start_action = none/' /mnt/swanctl.conf >/run/quiet.conf")?;
        revive(gateway, "/run/quiet.conf")?;
        let took = until(30, || traffic::reaches(far, NEAR))?;
        Ok(format!("after {:.1} s, and we opened it", took.as_secs_f32()))
    });
}

/// As a power cut: the kernel's SAs go too.
fn crash(gateway: &Node) -> Result<()> {
    gateway.kill()?;
    gateway
        .demand("ip xfrm state flush 2>/dev/null; ip xfrm policy flush 2>/dev/null; rm -f /run/charon.*")
        .map(drop)
}

fn revive(gateway: &Node, file: &str) -> Result<()> {
    gateway.start()?;
    gateway.demand(&format!("until swanctl --load-all --file {file}; do sleep 0.1; done")).map(drop)
}
