//! Graceful restart of the VPN families (RFC 4724): of theirs, with ours as helper, and of ours.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::capture::{Capture, decode};
use super::super::frr;
use super::super::report::Report;
use super::super::{Lab, until};
use super::speakers::{
    BIRD, FRR, GOBGP, Labelled, OWN, PEERS, Peer, frr_returns, in_red, paths, reconfigure,
};

/// FRR says it before its restart only.
const LOST: Labelled = ("10.12.0.0/24", 2012);

/// Ours, before our restart only.
const GIVEN_UP: &str = "10.1.0.2/32";

/// How long whoever restarts is away.
const AWAY: Duration = Duration::from_secs(2);

pub(super) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    let lines = "bgp graceful-restart restart-time 30 stalepath-time 60";
    reconfigure(lab, &format!("sed -i 's/^ bgp router-id.*/&\\n {lines}/' /run/onramp.conf"))?;
    FRR.dies(lab)?;
    frr_returns(lab.node(FRR.node)?, &["graceful", "frr"])?;
    report.check("all sessions are up again, now with graceful restart", || {
        let took = until(40, || Ok(PEERS.iter().all(|peer| peer.is_heard(lab).unwrap_or(false))))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    helper(lab, report);
    report.check("GoBGP dies and stays away: its routes go when its restart time is over", || expires(lab));
    restarter(lab, report)
}

/// FRR restarts.
fn helper(lab: &Lab, report: &mut Report) {
    report.check("FRR is killed: its routes stay, stale, in VRF red and at all others", || {
        let frr = lab.node(FRR.node)?;
        let network = format!("network {} rd 65000:2 label {} route-map red", LOST.0, LOST.1);
        frr::configure(frr, &["router bgp 65000", "address-family ipv4 vpn", &network])?;
        until(20, || Ok(FRR.is_heard(lab)? && in_red(lab, LOST)?))?;
        FRR.dies(lab)?;
        until(10, || is_stale(lab, &FRR))?;
        thread::sleep(AWAY);
        ensure!(FRR.is_heard(lab)? && in_red(lab, LOST)?, "they are not in VRF red");
        for peer in [GOBGP, BIRD] {
            let held = peer.holds(lab)?;
            let kept = [FRR.ipv4.0, FRR.ipv6.0, LOST.0].iter().all(|prefix| held.contains(*prefix));
            ensure!(kept, "{} lost them", peer.node);
        }
        Ok(String::new())
    });
    report.check("it returns: its routes are fresh, without a gap; what it says no more is gone", || {
        frr_returns(lab.node(FRR.node)?, &["graceful", "frr"])?;
        let took = until(40, || {
            ensure!(FRR.is_heard(lab)?, "they went for a while");
            Ok(!is_stale(lab, &FRR)? && !in_red(lab, LOST)?)
        })?;
        until(10, || Ok(!GOBGP.holds(lab)?.contains(LOST.0)))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
}

/// Whether ours keeps both its routes of the session before.
fn is_stale(lab: &Lab, peer: &Peer) -> Result<bool> {
    let rd = format!("65000:{}", peer.number);
    let of = |(prefix, _): Labelled| {
        let paths = paths(lab, &rd, prefix)?;
        Ok::<_, anyhow::Error>(!paths.is_empty() && paths.iter().all(|path| path.stale))
    };
    Ok(of(peer.ipv4)? && of(peer.ipv6)?)
}

/// Its time is five seconds.
fn expires(lab: &Lab) -> Result<String> {
    GOBGP.dies(lab)?;
    until(5, || is_stale(lab, &GOBGP))?;
    thread::sleep(AWAY);
    ensure!(GOBGP.is_heard(lab)?, "they went at once");
    let gone = until(10, || Ok(!GOBGP.is_heard(lab)?))? + AWAY;
    GOBGP.comes_back(lab)?;
    until(40, || GOBGP.is_heard(lab))?;
    Ok(format!("after {:.1} s", gone.as_secs_f32()))
}

/// Ours restarts. With its kernel forwarding on, peers use its routes until it has said all; else until it is back.
fn restarter(lab: &Lab, report: &mut Report) -> Result<()> {
    let pe = lab.node("pe1")?;
    let forwards = pe.forwards_by_kernel();
    let loopback = "interface Loopback2\\n vrf forwarding red\\n ip address 10.1.0.2 255.255.255.255\\n";
    reconfigure(lab, &format!("printf '{loopback}' >>/run/onramp.conf"))?;
    let capture = Capture::start(lab.node(FRR.node)?, "eth1", &lab.out, "graceful")?;
    report.check("ours is killed: FRR and GoBGP keep its routes", || {
        let kept = |peer: &Peer| {
            let held = peer.holds(lab)?;
            Ok::<_, anyhow::Error>(OWN.iter().chain([&GIVEN_UP]).all(|prefix| held.contains(*prefix)))
        };
        until(20, || Ok(kept(&FRR)? && kept(&GOBGP)?))?;
        pe.kill()?;
        thread::sleep(AWAY);
        for peer in [FRR, GOBGP] {
            ensure!(kept(&peer)?, "{} lost them", peer.node);
        }
        Ok(String::new())
    });
    report.check("it returns: theirs and ours are complete; what it says no more is gone", || {
        pe.demand("sed -i '/^interface Loopback2/,$d' /run/onramp.conf")?;
        pe.start()?;
        let took = until(40, || {
            let held = FRR.holds(lab)?;
            let ours = OWN.iter().all(|prefix| held.contains(*prefix));
            ensure!(ours || !forwards, "FRR lost ours for a while");
            let theirs = PEERS.iter().all(|peer| peer.is_heard(lab).unwrap_or(false));
            Ok(ours && theirs && !held.contains(GIVEN_UP))
        })?;
        until(10, || Ok(!GOBGP.holds(lab)?.contains(GIVEN_UP)))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    let file = capture.stop()?;
    let word = if forwards { "it forwarded on" } else { "nothing was forwarded" };
    report.check(&format!("its OPEN says that {word} meanwhile"), || {
        let fields = ["bgp.cap.gr.timers.restart_flag", "bgp.cap.gr.flag.pfs"];
        let opens = decode(&file, &[], "ip.src == 192.0.2.1 && bgp.type == 1", &fields)?;
        let [restarted, preserved] = opens.first().context("no OPEN")?.as_slice() else {
            anyhow::bail!("{opens:?}")
        };
        let flag = if forwards { "1" } else { "0" };
        let all = restarted.split(',').chain(preserved.split(',')).all(|value| value == flag);
        ensure!(all, "restarted {restarted}, forwarding kept {preserved}");
        Ok(String::new())
    });
    report.check("ours is stopped: FRR and GoBGP drop its routes at once, for it forwards no more", || {
        pe.stop()?;
        let kept = |peer: &Peer| {
            let held = peer.holds(lab)?;
            Ok::<_, anyhow::Error>(OWN.iter().any(|own| held.contains(*own)))
        };
        let took = until(5, || Ok(!kept(&FRR)? && !kept(&GOBGP)?))?;
        pe.start()?;
        until(40, || Ok(PEERS.iter().all(|peer| peer.is_heard(lab).unwrap_or(false))))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    Ok(())
}
