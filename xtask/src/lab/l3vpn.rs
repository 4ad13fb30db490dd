//! The lab l3vpn: tunnels of real gateways become VPN routes of a real core. LDP with FRR, VPNv4 and VPNv6 over GoBGP's
//! route reflector, the far PE FRR on the kernel's MPLS.

mod changes;
mod six;

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use api::Response;

use super::capture::{Capture, decode};
use super::customer::{self, BLUE, Customer, FAR, NEAR, RED};
use super::gobgp::VpnRoute;
use super::node::Node;
use super::report::Report;
use super::{Lab, frr, gobgp, isolation, ours, until, wire};

const CUSTOMERS: [Customer; 2] = [RED, BLUE];

/// Loopbacks.
const PE1: &str = "10.255.0.1";
const PE1_SIX: &str = "2001:db8:ff::1";
const PE2: &str = "10.255.0.2";

/// What is announced of a customer's far and near site.
struct Announced {
    far: VpnRoute,
    near: VpnRoute,
}

pub(crate) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    core_comes_up(lab, report);
    report.check("BGP over IPv6 between the reflector and our PE", || {
        let took = until(60, || gobgp::is_up(lab.node("rr")?, PE1_SIX))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    let announced = tunnels_become_routes(lab, report)?;
    traced(lab, &announced, report);
    explicit_null(lab, &announced, report)?;
    six::run(lab, report)?;
    changes::withdrawal(lab, &["", "-6 "], report);
    six::reaches(lab, report);
    changes::losses(lab, report)?;
    changes::reflector_restarts(lab, 6, report);
    changes::restarts(lab, &announced, report);
    six::reaches(lab, report);
    Ok(())
}

/// The lab l3vpn-frr: the same with the Linux dataplane and FRR on our PE, which speaks BGP and LDP in our place.
pub(crate) fn beside_frr(lab: &Lab, report: &mut Report) -> Result<()> {
    core_comes_up(lab, report);
    let announced = tunnels_become_routes(lab, report)?;
    changes::withdrawal(lab, &[""], report);
    changes::reflector_restarts(lab, 4, report);
    changes::crashes(lab, &announced, report);
    Ok(())
}

/// And carry both customers' traffic, with the labels that were announced.
fn tunnels_become_routes(lab: &Lab, report: &mut Report) -> Result<Vec<Announced>> {
    report.stage("tunnels become routes");
    for customer in &CUSTOMERS {
        customer.comes_up(lab, report);
    }
    let announced = announced(lab, report)?;
    settles(lab)?;
    report.stage("both customers at once, both ways");
    let hosts = isolation::watch(lab, &CUSTOMERS)?;
    let (near, far) = (record(lab, "p", "eth1", "php")?, record(lab, "pe2", "eth1", "php")?);
    customer::round_trips(lab, &CUSTOMERS, report);
    isolation::judge(hosts, &CUSTOMERS, report);
    let (near, far) = (near.stop()?, far.stop()?);
    report.stage("what the cables carried");
    stacks(lab, &near, &far, &announced, "", report)?;
    Ok(announced)
}

/// FRR puts its labels into the kernel again while its two families of LDP find each other: until nothing changes any more.
fn settles(lab: &Lab) -> Result<()> {
    let shown = || -> Result<[String; 2]> {
        let (p, pe2) = (lab.node("p")?, lab.node("pe2")?);
        Ok([p.demand("ip -f mpls route")?, pe2.demand("ip -f mpls route; ip route show vrf red")?])
    };
    until(30, || {
        let before = shown()?;
        thread::sleep(Duration::from_secs(3));
        Ok(shown()? == before)
    })?;
    Ok(())
}

fn record<'a>(lab: &'a Lab, node: &str, port: &str, word: &str) -> Result<Capture<'a>> {
    Capture::start(lab.node(node)?, port, &lab.out, word)
}

fn core_comes_up(lab: &Lab, report: &mut Report) {
    report.stage("the core");
    for (name, router) in [("the far PE", PE2), ("our PE", PE1)] {
        report.check(&format!("LDP between P and {name}"), || {
            let took = until(60, || frr::ldp_is_up(lab.node("p")?, router))?;
            Ok(format!("after {:.1} s", took.as_secs_f32()))
        });
        report.check(&format!("BGP between the reflector and {name}"), || {
            let took = until(60, || gobgp::is_up(lab.node("rr")?, router))?;
            Ok(format!("after {:.1} s", took.as_secs_f32()))
        });
    }
}

/// Both ends' routes of both customers, as the reflector has them.
fn announced(lab: &Lab, report: &mut Report) -> Result<Vec<Announced>> {
    let rr = lab.node("rr")?;
    report.row("VPN routes", &["route", "label", "next hop", "targets"].map(str::to_owned));
    let mut found = Vec::new();
    for (number, target) in [(1, "65000:100"), (2, "65000:200")] {
        let mut of = |pe: u32, prefix: &str, loopback: &str| -> Result<VpnRoute> {
            let name = format!("65000:{}:{prefix}", pe * 100 + number);
            let route = waited(rr, "vpnv4", &name)?;
            ensure!(route.next_hop == loopback && route.targets == [target], "{name}: {route:?}");
            let cells = [name, route.label.to_string(), route.next_hop.clone(), route.targets.join(" ")];
            report.row("VPN routes", &cells);
            Ok(route)
        };
        found.push(Announced { far: of(2, "10.1.0.0/16", PE2)?, near: of(1, "10.2.0.0/16", PE1)? });
    }
    Ok(found)
}

fn waited(rr: &Node, family: &str, name: &str) -> Result<VpnRoute> {
    let mut found = None;
    until(15, || {
        found = gobgp::routes(rr, family)?.remove(name);
        Ok(found.is_some())
    })
    .with_context(|| name.to_owned())?;
    found.context("no route")
}

/// Every customer's packets carry, on each cable and in each direction, what the other end asked for. `null` is what
/// stands where otherwise nothing does.
fn stacks(
    lab: &Lab,
    near: &Path,
    far: &Path,
    announced: &[Announced],
    null: &str,
    report: &mut Report,
) -> Result<()> {
    let p = lab.node("p")?;
    let [there, back] = [PE2, PE1].map(|pe| frr::ldp_label(p, &format!("{pe}/32")));
    let (there, back) = (there?, back?);
    let (near, far) = (packets(near)?, packets(far)?);
    for (customer, routes) in CUSTOMERS.iter().zip(announced) {
        let (ours, theirs) = (routes.near.label, routes.far.label);
        for (cable, packets, to, expected) in [
            ("PE1-P", &near, FAR, format!("{there},{theirs}")),
            ("P-PE2", &far, FAR, format!("{null}{theirs}")),
            ("P-PE2", &far, NEAR, format!("{back},{ours}")),
            ("PE1-P", &near, NEAR, format!("{null}{ours}")),
        ] {
            report.check(&format!("{}: on {cable} toward {to}: labels {expected}", customer.name), || {
                let seen = seen(packets, customer, to);
                ensure!(seen == [expected.as_str()].into(), "labels seen: {seen:?}");
                Ok(String::new())
            });
        }
    }
    Ok(())
}

/// What `trace packet` says of a packet to red's far site.
fn traced(lab: &Lab, announced: &[Announced], report: &mut Report) {
    report.check("`trace packet` names both labels and who gave them", || {
        let words = format!("trace packet vrf red {NEAR} {FAR}");
        let Response::Trace(steps) = ours::ask(lab.node("pe1")?, &words)? else { bail!("not a trace") };
        let text = steps.iter().map(|step| format!("{}: {}\n", step.stage, step.text)).collect::<String>();
        let transport = frr::ldp_label(lab.node("p")?, &format!("{PE2}/32"))?;
        let theirs = announced.first().map(|red| red.far.label.to_string()).unwrap_or_default();
        for word in [&transport.to_string(), &theirs, "LDP", "BGP", "10.255.0.9", PE2] {
            ensure!(text.contains(word), "nothing of {word}: {text}");
        }
        Ok(String::new())
    });
}

/// Labels, destination and payloads of all labelled packets.
fn packets(file: &Path) -> Result<Vec<Vec<String>>> {
    decode(file, &[], "mpls", &["mpls.label", "ip.dst", "data.data", "tcp.payload"])
}

/// The label stacks of a customer's marked packets to a host.
fn seen<'a>(packets: &'a [Vec<String>], customer: &Customer, to: &str) -> BTreeSet<&'a str> {
    let marked = packets.iter().filter(|packet| wire::marked(&packet[2], &packet[3], customer));
    marked.filter(|packet| packet[1] == to).map(|packet| packet[0].as_str()).collect()
}

/// The last hop but one leaves label 0 where both ends ask for it, RFC 3032 section 2.1.
fn explicit_null(lab: &Lab, announced: &[Announced], report: &mut Report) -> Result<()> {
    report.stage("explicit null instead of penultimate hop popping");
    frr::configure(
        lab.node("pe2")?,
        &["mpls ldp", "address-family ipv4", "label local advertise explicit-null"],
    )?;
    let pe1 = lab.node("pe1")?;
    reconfigure(pe1, "printf 'mpls ldp explicit-null\\n' >>/run/onramp.conf")?;
    report.check("P has label 0 for both PEs", || {
        let took = until(30, || has_bindings(lab, "exp-null"))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    let (near, far) = (record(lab, "p", "eth1", "null")?, record(lab, "pe2", "eth1", "null")?);
    customer::round_trips(lab, &CUSTOMERS, report);
    let (near, far) = (near.stop()?, far.stop()?);
    stacks(lab, &near, &far, announced, "0,", report)?;
    reconfigure(pe1, "sed -i '/^mpls ldp explicit-null/d' /run/onramp.conf")?;
    frr::configure(
        lab.node("pe2")?,
        &["mpls ldp", "address-family ipv4", "no label local advertise explicit-null"],
    )?;
    report.check("and implicit null again", || {
        until(30, || has_bindings(lab, "imp-null"))?;
        Ok(String::new())
    });
    Ok(())
}

/// Whether both PEs announced this label for themselves to P.
fn has_bindings(lab: &Lab, label: &str) -> Result<bool> {
    let bindings = frr::ldp_remote(lab.node("p")?)?;
    Ok([PE1, PE2].iter().all(|pe| bindings.contains(&(format!("{pe}/32"), label.to_owned()))))
}

/// Changes the configuration of ours and reads it again.
fn reconfigure(pe: &Node, edit: &str) -> Result<()> {
    pe.demand(edit)?;
    pe.demand("onramp reload").map(drop)
}
