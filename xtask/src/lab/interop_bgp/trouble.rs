//! What goes wrong between routers: sessions that end, faulty messages, routes that flap, keys that differ.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::capture::Capture;
use super::super::report::Report;
use super::super::{Lab, until};
use super::speakers::{EXABGP, FRR, GOBGP, PEERS, Peer, reconfigure};

/// Daemons die and return: theirs, then ours.
pub(super) fn resets(lab: &Lab, report: &mut Report) {
    for peer in &PEERS {
        let name = format!("{}: it dies, its routes go; it returns, they return", peer.node);
        report.check(&name, || away_and_back(lab, peer, || peer.dies(lab), || peer.comes_back(lab)));
    }
    report.check("ours dies and returns: everybody's routes are back", || {
        let pe = lab.node("pe1")?;
        pe.kill()?;
        pe.start()?;
        let back = until(40, || Ok(PEERS.iter().all(|peer| peer.is_heard(lab).unwrap_or(false))))?;
        Ok(format!("after {:.1} s", back.as_secs_f32()))
    });
}

/// A session ends, and its routes with it; then both return.
fn away_and_back(
    lab: &Lab,
    peer: &Peer,
    away: impl FnOnce() -> Result<()>,
    back: impl FnOnce() -> Result<()>,
) -> Result<String> {
    away()?;
    let gone = until(15, || Ok(!peer.is_heard(lab)?))?;
    back()?;
    let back = until(40, || peer.is_heard(lab))?;
    Ok(format!("gone after {:.1} s, back after {:.1} s", gone.as_secs_f32(), back.as_secs_f32()))
}

/// TCP-MD5 and GTSM refuse whoever does not fit, and nobody else.
pub(super) fn strangers(lab: &Lab, report: &mut Report) {
    let key = |from: &str, to: &str| {
        reconfigure(lab, &format!("sed -i 's/password {from}$/password {to}/' /run/onramp.conf"))
    };
    report.check("another password: no session with it, and one again without it", || {
        away_and_back(lab, &FRR, || key("frr-secret", "no-secret"), || key("no-secret", "frr-secret"))
    });
    report.check("from two hops away: no session (GTSM), and one again from near by", || {
        let frr = lab.node(FRR.node)?;
        let away =
            "nft 'table ip far { chain out { type filter hook postrouting priority 0; ip ttl set 254; }; }'";
        away_and_back(
            lab,
            &FRR,
            || frr.demand(away).map(drop),
            || frr.demand("nft delete table ip far").map(drop),
        )
    });
}

/// RFC 7606: the routes of a faulty UPDATE are withdrawn, the session and all other routes stay.
pub(super) fn malformed(lab: &Lab, report: &mut Report) -> Result<()> {
    const FAULTS: [(&str, &str); 3] = [
        ("a MED of two bytes", "attribute [ 0x04 0x80 0x0000 ]"),
        ("an ORIGINATOR_ID of three bytes", "attribute [ 0x09 0x80 0x010203 ]"),
        ("a community list of five bytes", "attribute [ 0x08 0xC0 0x0102030405 ]"),
    ];
    let capture = Capture::start(lab.node(EXABGP.node)?, "eth1", &lab.out, "faults")?;
    for (number, (what, attribute)) in FAULTS.iter().enumerate() {
        // The log names one fault of a neighbour a second.
        thread::sleep(Duration::from_secs(1));
        report.check(&format!("{what}: that route is not taken, all else stays"), || {
            treated_as_withdrawn(lab, &format!("10.66.{number}.0/24"), attribute)
        });
    }
    capture.stop().map(drop)
}

/// First good, then faulty: what was good must go.
fn treated_as_withdrawn(lab: &Lab, prefix: &str, attribute: &str) -> Result<String> {
    let ups = || -> Result<(usize, usize)> {
        let log = lab.node("pe1")?.log()?;
        let count = |word: &str| log.lines().filter(|line| line.contains(word)).count();
        Ok((count("%BGP-5-ADJCHANGE"), count("%BGP-4-MALFORMED")))
    };
    let say = |rest: &str| {
        let route = format!("route {prefix} rd 65000:{} next-hop {}", EXABGP.number, EXABGP.next_hop);
        let words = format!(
            "neighbor 192.0.5.1 announce {route} label 5006 extended-community [ target:65000:100 ] {rest}"
        );
        lab.node(EXABGP.node)?.demand(&format!("echo '{words}' >/run/words"))
    };
    let has = || Ok(FRR.holds(lab)?.contains(prefix));
    let (before, (changes, faults)) = (FRR.holds(lab)?, ups()?);
    say("")?;
    until(10, has)?;
    say(attribute)?;
    until(10, || Ok(!has()?))?;
    ensure!(EXABGP.is_heard(lab)?, "its other route went, too");
    ensure!(FRR.holds(lab)? == before, "other routes changed");
    let (changes_now, faults_now) = ups()?;
    ensure!(changes_now == changes, "a session ended");
    ensure!(faults_now > faults, "our log says nothing of it");
    Ok(String::new())
}

/// A hundred routes come and go three times; at the end everyone has what the last word was.
pub(super) fn flaps(lab: &Lab, report: &mut Report) {
    report.check("100 routes come and go three times, and come", || {
        let gobgp = lab.node(GOBGP.node)?;
        let all = |verb: &str| {
            let route = format!(
                "10.77.$i.0/24 label $((7000 + i)) rd 65000:3 rt 65000:100 nexthop {}",
                GOBGP.next_hop
            );
            gobgp.demand(&format!("for i in $(seq 100); do gobgp global rib {verb} -a vpnv4 {route}; done"))
        };
        let flapped =
            |held: BTreeSet<String>| held.iter().filter(|prefix| prefix.starts_with("10.77.")).count();
        for _ in 0..3 {
            all("add")?;
            all("del")?;
        }
        all("add")?;
        let took = until(20, || Ok(flapped(FRR.holds(lab)?) == 100))?;
        all("del")?;
        until(20, || Ok(flapped(FRR.holds(lab)?) == 0))?;
        thread::sleep(Duration::from_secs(1));
        for peer in &PEERS {
            ensure!(peer.is_heard(lab)?, "{}'s routes went", peer.node);
        }
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
}
