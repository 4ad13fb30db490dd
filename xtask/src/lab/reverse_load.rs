//! `bench bgp`: how long a tunnel's reverse route takes to the reflector's peers, with many tunnels up already.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::capture::{Capture, decode};
use super::gobgp;
use super::load::{Driver, Kind};
use super::node::Node;
use super::report::Report;
use super::topology::Topology;
use super::{Lab, until};

const KIND: Kind =
    Kind { name: "v2-psk-x25519", version: 2, authentication: "psk", proposal: "aes128-sha256-x25519" };

/// Tunnels that are up already.
const UP: [usize; 3] = [1, 100, 10_000];
/// Tunnels whose routes are timed.
const TIMED: usize = 50;
/// Milliseconds between two of them.
const PACE: u32 = 100;
const AIM: f64 = 100.0;

const TABLE: &str = "A tunnel's reverse route, milliseconds from the gateway's last packet to the UPDATE; less than 100 are aimed at";

/// The daemon as an operator runs it, not as the tests do.
pub(super) fn optimize(topology: &mut Topology) -> Result<()> {
    ensure!(crate::build::release()?, "the build failed");
    let pe = topology.nodes.get_mut("pe").context("the lab has no node pe")?;
    let daemon = crate::build::target().join("release/onrampd");
    pe.cmd = Some(format!("{} --config /mnt/onramp.conf", daemon.display()));
    Ok(())
}

/// One daemon, one driver: more and more tunnels.
pub(super) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    let rr = lab.node("rr")?;
    for client in ["192.0.4.1", "192.0.5.1"] {
        // A busy gobgpd does not answer its client in time.
        let is_up = || Ok(gobgp::is_up(rr, client).unwrap_or(false));
        until(30, is_up).with_context(|| format!("no session with {client}"))?;
    }
    let head = ["tunnels up", "route", "to the reflector", "most", "to its peer", "most"];
    report.row(TABLE, &head.map(str::to_owned));
    // Between the runs nothing moves.
    let driver = Driver::quiet(lab, &KIND, "192.0.2.1")?;
    for (number, up) in UP.into_iter().enumerate() {
        report.stage(&format!("{up} tunnels"));
        rise(lab, &driver, (number * TIMED, up), report)?;
    }
    driver.kill()
}

/// `opened`: how many were opened and closed again; so many tunnels are to be up.
fn rise(lab: &Lab, driver: &Driver<'_>, (opened, up): (usize, usize), report: &mut Report) -> Result<()> {
    let (total, far) = (opened + up, lab.node("far")?);
    driver.open(up - before(up))?;
    let (established, _) = driver.wait(total, Duration::from_secs(60 + up as u64 / 20))?;
    ensure!(established == total, "{established} of {total} tunnels came up");
    hold(far, up)?;
    let came = timed(lab, &format!("up-{up}"), Exchange::Auth, || {
        driver.paced(TIMED, PACE)?;
        driver.wait(total + TIMED, Duration::from_secs(60))?;
        hold(far, up + TIMED)
    });
    tell((up, "up"), came, report);
    let went = timed(lab, &format!("down-{up}"), Exchange::Informational, || {
        (total + 1..=total + TIMED).try_for_each(|number| driver.close(number))?;
        hold(far, up)
    });
    tell((up, "withdrawn"), went, report);
    Ok(())
}

/// How many the run before left up.
fn before(up: usize) -> usize {
    UP.into_iter().take_while(|one| *one < up).last().unwrap_or(0)
}

/// Waits until the reflector's peer has so many routes.
fn hold(far: &Node, wanted: usize) -> Result<()> {
    let held = || {
        let text = far.demand("birdc -s /run/bird.ctl show route count")?;
        let line = text.lines().find(|line| line.ends_with("in table vpn4tab")).context("no count")?;
        Ok::<_, anyhow::Error>(line.split(' ').next() == Some(&wanted.to_string()))
    };
    until(60, held).map(drop).with_context(|| format!("the reflector's peer has not {wanted} routes"))
}

/// The exchange of a gateway's last packet.
#[derive(Clone, Copy)]
enum Exchange {
    /// Whose tunnel comes up.
    Auth,
    /// Whose tunnel ends.
    Informational,
}

/// Milliseconds to the reflector, and to its peer.
type Times = [Vec<f64>; 2];

fn timed(lab: &Lab, word: &str, exchange: Exchange, work: impl FnOnce() -> Result<()>) -> Result<Times> {
    let places = [("driver", "eth1"), ("rr", "eth1"), ("far", "eth1")];
    let record = |(node, port)| Capture::start(lab.node(node)?, port, &lab.out, word);
    let captures = places.into_iter().map(record).collect::<Result<Vec<_>>>()?;
    let done = work();
    let files = captures.into_iter().map(Capture::stop).collect::<Result<Vec<_>>>()?;
    done?;
    let [ike, reflector, peer] = &files[..] else { bail!("three recordings") };
    let last = last_packets(ike, exchange)?;
    ensure!(last.len() == TIMED, "{} gateways spoke, not {TIMED}", last.len());
    let until = |file: &Path| {
        let told = told(file, exchange)?;
        let time = |(gateway, since): (&String, &f64)| {
            let at = told.get(gateway).with_context(|| format!("no UPDATE with {gateway}"))?;
            Ok((at - since) * 1000.0)
        };
        last.iter().map(time).collect::<Result<Vec<_>>>()
    };
    Ok([until(reflector)?, until(peer)?])
}

/// When each gateway sent its last request.
fn last_packets(file: &Path, exchange: Exchange) -> Result<BTreeMap<String, f64>> {
    let number = match exchange {
        Exchange::Auth => 35,
        Exchange::Informational => 37,
    };
    let filter = format!("isakmp.exchangetype == {number} && isakmp.flag_r == 0 && ip.dst == 192.0.2.1");
    first(decode(file, &[], &filter, &["frame.time_epoch", "ip.src"])?)
}

/// When each route was first said, or taken back.
fn told(file: &Path, exchange: Exchange) -> Result<BTreeMap<String, f64>> {
    let field = match exchange {
        Exchange::Auth => "bgp.mp_reach_nlri_ipv4_prefix",
        Exchange::Informational => "bgp.mp_unreach_nlri_ipv4_prefix",
    };
    first(decode(file, &[], field, &["frame.time_epoch", field])?)
}

/// The first time of each value.
fn first(rows: Vec<Vec<String>>) -> Result<BTreeMap<String, f64>> {
    let mut times = BTreeMap::new();
    for row in rows {
        let [time, values] = &row[..] else { bail!("tshark says {row:?}") };
        for value in values.split(',') {
            times.entry(value.to_owned()).or_insert(time.parse()?);
        }
    }
    Ok(times)
}

fn tell((up, what): (usize, &str), times: Result<Times>, report: &mut Report) {
    let mut row = vec![up.to_string(), what.to_owned()];
    report.check(what, || {
        let times = times?.map(|mut times| {
            times.sort_by(f64::total_cmp);
            [times[times.len() / 2], times[times.len() - 1]]
        });
        row.extend(times.concat().iter().map(|time| format!("{time:.2}")));
        let [_, [median, most]] = times;
        ensure!(most < AIM, "{median:.2} ms, at most {most:.2} ms");
        Ok(format!("{median:.2} ms, at most {most:.2} ms"))
    });
    report.row(TABLE, &row);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_times_counts() {
        let row = |words: [&str; 2]| words.map(str::to_owned).to_vec();
        let times = first(vec![row(["1.5", "10.64.0.1,10.64.0.2"]), row(["2.5", "10.64.0.1"])]).unwrap();
        assert_eq!(times, [("10.64.0.1".to_owned(), 1.5), ("10.64.0.2".to_owned(), 1.5)].into());
        assert!(first(vec![vec!["1.5".to_owned()]]).is_err());
    }
}
