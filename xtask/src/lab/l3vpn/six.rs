//! IPv6 sites over the core (RFC 4659): toward the far PE over IPv4's paths, for its next hop is an IPv4 address in an IPv6
//! one; back over paths of LDP for IPv6 (RFC 7552), for the far PE's kernel puts no IPv4 gateway into an IPv6 route.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};

use super::super::capture::decode;
use super::super::report::Report;
use super::super::{Lab, frr, traffic, until};
use super::{PE1_SIX, PE2, RED, record, waited};

const NEAR: &str = "fd02::4";
const FAR: &str = "fd01::4";

pub(super) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    report.stage("IPv6 over the same core");
    let mut labels = None;
    report.check("red: the reflector has both sites' IPv6 routes", || {
        let rr = lab.node("rr")?;
        let far = waited(rr, "vpnv6", "65000:201:fd01::/64")?;
        let near = waited(rr, "vpnv6", "65000:101:fd02::/64")?;
        let next_hops = [far.next_hop.as_str(), near.next_hop.as_str()];
        ensure!(next_hops == [PE2, PE1_SIX], "next hops {next_hops:?}");
        labels = Some([far.label, near.label]);
        Ok(format!("labels {} and {}", far.label, near.label))
    });
    let (near, far) = (record(lab, "p", "eth1", "six")?, record(lab, "pe2", "eth1", "six")?);
    reaches(lab, report);
    let (near, far) = (near.stop()?, far.stop()?);
    let Some([theirs, ours]) = labels else { return Ok(()) };
    let p = lab.node("p")?;
    let to_far = frr::ldp_label(p, &format!("{PE2}/32"))?;
    let to_near = frr::ldp_label(p, &format!("{PE1_SIX}/128"))?;
    for (cable, file, to, expected) in [
        ("PE1-P", &near, FAR, format!("{to_far},{theirs}")),
        ("P-PE2", &far, FAR, format!("{theirs}")),
        ("P-PE2", &far, NEAR, format!("{to_near},{ours}")),
        ("PE1-P", &near, NEAR, format!("{ours}")),
    ] {
        report.check(&format!("red: on {cable} toward {to}: labels {expected}"), || {
            let seen = seen(file, to)?;
            ensure!(seen == [expected.clone()].into(), "labels seen: {seen:?}");
            Ok(String::new())
        });
    }
    Ok(())
}

/// Pings and TCP, both ways.
pub(super) fn reaches(lab: &Lab, report: &mut Report) {
    for (from, to, name) in [(RED.near, FAR, RED.far_name), (RED.far, NEAR, RED.near_name)] {
        report.check(&format!("red: {from} reaches {to}"), || {
            let from = lab.node(from)?;
            until(20, || traffic::reaches(from, to))?;
            let pings = traffic::ping_all(from, to, 50, RED.mark)?;
            let answer = traffic::name_of(from, &format!("[{to}]"))?;
            ensure!(answer == name, "{answer} answered");
            Ok(format!("{}/{} pings, TCP from \"{answer}\"", pings.received, pings.sent))
        });
    }
}

/// The label stacks of packets to a host.
fn seen(file: &Path, to: &str) -> Result<BTreeSet<String>> {
    let packets = decode(file, &[], "mpls && ipv6", &["mpls.label", "ipv6.dst"])?;
    // What an error quotes comes behind.
    let toward = packets.into_iter().filter(|packet| packet[1].split(',').next() == Some(to));
    Ok(toward.map(|packet| packet[0].clone()).collect())
}
