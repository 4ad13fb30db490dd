//! The lab interop-bgp: one VPN, five speakers. FRR, GoBGP, BIRD and ExaBGP around our reflector; what each says, what
//! each hears, and what stands on the wire.

mod bytes;
mod graceful;
mod more;
mod speakers;
mod trouble;

use anyhow::{Context as _, Result};

use super::capture::Capture;
use super::report::Report;
use super::{Lab, until};
use speakers::{BIRD, FRR, GOBGP, MAPPED, OWN, PEERS, Peer, gobgp_announces, in_red};

pub(crate) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    report.stage("sessions");
    let record = |peer: &Peer| Capture::start(lab.node(peer.node)?, "eth1", &lab.out, "bgp");
    let captures: Vec<_> = PEERS.iter().map(record).collect::<Result<_>>()?;
    gobgp_announces(lab.node(GOBGP.node)?)?;
    everyone_has_everything(lab, report);
    report.stage("more of BGP");
    more::two_paths(lab, report);
    more::labelled_unicast(lab, report);
    report.stage("sessions end and come back");
    trouble::resets(lab, report);
    report.stage("what the wire says");
    for (peer, capture) in PEERS.iter().zip(captures) {
        let file = capture.stop()?;
        bytes::judge(lab, peer, &file, report);
        if peer.node == BIRD.node {
            more::two_paths_on_the_wire(lab, &file, report);
        }
    }
    report.stage("strangers");
    trouble::strangers(lab, report);
    report.stage("malformed UPDATEs");
    trouble::malformed(lab, report)?;
    report.stage("routes that flap");
    trouble::flaps(lab, report);
    report.stage("graceful restart");
    graceful::run(lab, report)?;
    report.stage("after all that");
    everyone_has_everything(lab, report);
    Ok(())
}

fn everyone_has_everything(lab: &Lab, report: &mut Report) {
    for peer in &PEERS {
        report.check(&format!("{}: its routes are in VRF red, with its labels", peer.node), || {
            let took = until(30, || peer.is_heard(lab))?;
            Ok(format!("after {:.1} s", took.as_secs_f32()))
        });
    }
    report.check("an IPv6 route with an IPv4 next hop is in VRF red and at FRR", || {
        until(10, || Ok(in_red(lab, MAPPED)? && FRR.holds(lab)?.contains(MAPPED.0)))?;
        Ok(String::new())
    });
    for peer in &PEERS {
        report.check(&format!("{}: has ours and, reflected, all others' routes", peer.node), || {
            let took = until(30, || Ok(missing(lab, peer)?.is_empty()))
                .with_context(|| format!("missing: {:?}", missing(lab, peer)))?;
            Ok(format!("after {:.1} s", took.as_secs_f32()))
        });
    }
}

fn missing(lab: &Lab, peer: &Peer) -> Result<Vec<&'static str>> {
    let held = peer.holds(lab)?;
    let others = PEERS.iter().filter(|other| other.node != peer.node);
    let prefixes = others.flat_map(|other| [other.ipv4, other.ipv6]);
    let wanted = prefixes.map(|(prefix, _)| prefix).chain(OWN);
    Ok(wanted.filter(|prefix| !held.contains(*prefix)).collect())
}
