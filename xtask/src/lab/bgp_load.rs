//! `bench bgp`: what a million VPN routes from one peer cost our daemon, FRR's bgpd, GoBGP and BIRD.

use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};

use super::bgp_feed::{AS, ROUTES, VRFS};
use super::load::Process;
use super::node::{Node, quote};
use super::report::Report;
use super::topology::Topology;
use super::{Lab, until};

struct Receiver {
    name: &'static str,
    node: &'static str,
    address: &'static str,
    /// The sender's address on their cable.
    feed: &'static str,
    /// Whether it runs; how many routes it has.
    ready: &'static str,
    count: &'static str,
}

const RECEIVERS: [Receiver; 4] = [
    Receiver {
        name: "onrampd, imported and in the FIBs",
        node: "ours",
        address: "192.0.2.1",
        feed: "192.0.2.2",
        ready: "onramp show vrf",
        count: "for vrf in $(seq 1000); do onramp show ip route vrf v$vrf; done | grep -c '^B'",
    },
    Receiver {
        name: "FRR bgpd",
        node: "frr",
        address: "192.0.3.1",
        feed: "192.0.3.2",
        ready: "vtysh -d bgpd -c 'show bgp ipv4 vpn summary'",
        count: "vtysh -d bgpd -c 'show bgp ipv4 vpn summary json' | sed -n 's/.*\"pfxRcd\":\\([0-9]*\\).*/\\1/p'",
    },
    Receiver {
        name: "GoBGP",
        node: "gobgp",
        address: "192.0.4.1",
        feed: "192.0.4.2",
        ready: "gobgp global",
        count: "gobgp neighbor 192.0.4.2 | sed -n 's/.*Received:[ \\t]*\\([0-9]*\\).*/\\1/p'",
    },
    Receiver {
        name: "BIRD",
        node: "bird",
        address: "192.0.5.1",
        feed: "192.0.5.2",
        ready: "birdc -s /run/bird.ctl show status",
        count: "birdc -s /run/bird.ctl show route count | sed -n 's/^\\([0-9]*\\) of .*/\\1/p' | tail -1",
    },
];

/// What one receiver took in one round.
#[derive(Clone, Copy)]
struct Run {
    processor: Duration,
    /// From the first UPDATE until it rests.
    seconds: f64,
    /// The largest resident size, in bytes.
    memory: i64,
}

const TABLE: &str = "1,000,000 VPNv4 routes in 1,000 VRFs from one peer, medians; 1.5 s of processor time and 250 MB are aimed at";

/// The daemon as an operator runs it, not as the tests do.
pub(super) fn optimize(topology: &mut Topology) -> Result<()> {
    ensure!(crate::build::release()?, "the build failed");
    let ours = topology.nodes.get_mut("ours").context("the lab has no node ours")?;
    let place = crate::build::target().join("release");
    ours.cmd = Some(format!("{} --config /srv/onramp.conf", place.join("onrampd").display()));
    ours.env.insert("PATH".to_owned(), format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", place.display()));
    Ok(())
}

/// Our configuration: a thousand VRFs that each import the routes of one target.
pub(super) fn prepare(out: &Path) -> Result<()> {
    let mut text = "hostname ours\n".to_owned();
    for vrf in 1..=VRFS {
        write!(
            text,
            "vrf definition v{vrf}\n rd {AS}:{vrf}\n address-family ipv4\n  route-target import {AS}:{vrf}\n"
        )?;
    }
    write!(
        text,
        "interface Ethernet0/1\n device eth1\n ip address 192.0.2.1 255.255.255.0\n mpls ip\n\
         router bgp {AS}\n bgp router-id 10.255.0.1\n no bgp default ipv4-unicast\n neighbor 192.0.2.2 remote-as {AS}\n \
         address-family vpnv4\n  neighbor 192.0.2.2 activate\n"
    )?;
    std::fs::write(out.join("onramp.conf"), text)?;
    Ok(())
}

/// Several rounds of all receivers, one after the other.
pub(super) fn run(lab: &Lab, (rounds, only): (usize, &str), report: &mut Report) -> Result<()> {
    for receiver in &RECEIVERS {
        stop(lab.node(receiver.node)?)?;
    }
    let wanted: Vec<&Receiver> = RECEIVERS.iter().filter(|receiver| receiver.node.contains(only)).collect();
    ensure!(!wanted.is_empty(), "no receiver {only}");
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); wanted.len()];
    for round in 1..=rounds {
        report.stage(&format!("round {round}"));
        for (receiver, runs) in wanted.iter().zip(&mut runs) {
            report.check(receiver.name, || {
                let run = measure(lab, receiver)?;
                runs.push(run);
                Ok(format!(
                    "{:.2} s of processor time, {:.2} s, {} MB",
                    run.processor.as_secs_f64(),
                    run.seconds,
                    run.memory >> 20
                ))
            });
        }
    }
    tabulate(&wanted, &runs, report);
    Ok(())
}

fn tabulate(wanted: &[&Receiver], runs: &[Vec<Run>], report: &mut Report) {
    let head = ["receiver", "processor s", "ratio", "seconds", "ratio", "memory MB", "ratio"];
    report.row(TABLE, &head.map(str::to_owned));
    let medians = |runs: &Vec<Run>| {
        let of = |value: fn(&Run) -> f64| median(runs.iter().map(value).collect());
        [of(|run| run.processor.as_secs_f64()), of(|run| run.seconds), of(|run| (run.memory >> 20) as f64)]
    };
    let Some(first) = runs.first().map(medians) else { return };
    for (receiver, runs) in wanted.iter().zip(runs) {
        let mut row = vec![receiver.name.to_owned()];
        for ((value, first), digits) in medians(runs).iter().zip(&first).zip([2, 2, 0]) {
            row.extend([format!("{value:.digits$}"), format!("{:.1}", value / first)]);
        }
        report.row(TABLE, &row);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn stop(node: &Node) -> Result<()> {
    node.run("kill -9 $(cat /run/cmd.pid)")?;
    // The kernel takes its time with a thousand devices.
    until(60, || Ok(!node.run("kill -0 $(cat /run/cmd.pid)")?.success)).map(drop)
}

/// Every run has a receiver that was started anew: none takes up what the one before left free.
fn measure(lab: &Lab, receiver: &Receiver) -> Result<Run> {
    let node = lab.node(receiver.node)?;
    node.start()?;
    let run = fed(lab.node("feed")?, node, receiver);
    stop(node)?;
    run
}

fn fed(feed: &Node, node: &Node, receiver: &Receiver) -> Result<Run> {
    until(20, || Ok(node.run(receiver.ready)?.success)).context("it does not start")?;
    let process = Process::of(node);
    rest(&process)?;
    let before = process.processor()?;
    let program = quote(&std::env::current_exe()?.to_string_lossy());
    let (address, own) = (receiver.address, receiver.feed);
    feed.demand(&format!(
        "{program} bgp-feed {address} {own} >/run/feed.log 2>&1 </dev/null & echo $! >/run/feed.pid"
    ))?;
    until(180, || Ok(said(feed, "said")?.is_some()))
        .with_context(|| feed.demand("cat /run/feed.log").unwrap_or_default())?;
    let end = rest(&process)?;
    let run = Run {
        processor: process.processor()?.saturating_sub(before),
        seconds: (end.saturating_sub(said(feed, "begins")?.context("nothing was said")?)) as f64 / 1e6,
        memory: process.largest()?,
    };
    let count = node.demand(receiver.count)?;
    feed.demand("kill $(cat /run/feed.pid)")?;
    let wanted = u32::from(VRFS) * u32::from(ROUTES);
    ensure!(count.trim() == wanted.to_string(), "it has {} routes, not {wanted}", count.trim());
    Ok(run)
}

/// When the sender said so, in microseconds since 1970.
fn said(feed: &Node, word: &str) -> Result<Option<u128>> {
    let log = feed.demand("cat /run/feed.log")?;
    let line = log.lines().find_map(|line| line.strip_prefix(word));
    line.map(|time| Ok(time.trim().parse()?)).transpose()
}

/// Waits until a process takes next to no processor time any more; since when, in microseconds since 1970.
fn rest(process: &Process<'_>) -> Result<u128> {
    let now = || Ok::<_, anyhow::Error>(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros());
    let start = Instant::now();
    let (mut since, mut then) = (now()?, process.processor()?);
    let mut quiet = 0;
    while quiet < QUIET {
        thread::sleep(STEP);
        let used = process.processor()?;
        if used.saturating_sub(then) <= IDLE {
            quiet += 1;
        } else {
            (since, quiet) = (now()?, 0);
        }
        then = used;
        if start.elapsed() > PATIENCE {
            bail!("it does not come to rest");
        }
    }
    Ok(since)
}

const STEP: Duration = Duration::from_millis(100);
/// Of processor time within a step: what a program does that has nothing to do.
const IDLE: Duration = Duration::from_millis(10);
/// Steps in a row.
const QUIET: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(240);
