//! The lab two-box: aggregators hand each VPN to a PE over a link of its own, a VLAN or a GRE tunnel, with static routes or
//! BGP; the PE, FRR on the kernel's VRFs and MPLS, exports what it learns. One aggregator dies.

mod deaths;
mod labels;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use api::{BfdSession, Response};
use serde_json::Value;

use super::capture::{Capture, decode};
use super::customer::{self, BLUE, Customer, RED};
use super::node::Node;
use super::report::Report;
use super::{Lab, frr, isolation, ours, traffic, until, wire};

/// By a GRE tunnel with BGP; red by a VLAN with BGP, blue by one with static routes.
const GREEN: Customer = Customer {
    name: "green",
    vrf: "green",
    gateway: "cpe-green",
    near: "host-green1",
    far: "host-green2",
    near_name: "site green 1",
    far_name: "site green 2",
    outer: "198.51.102.2",
    mark: 0xcc,
    ..RED
};

const CUSTOMERS: [Customer; 3] = [RED, BLUE, GREEN];

/// What is behind the aggregators: every customer's site, and one more of red's at the second.
const NEAR: &str = "10.2.0.0/16";
const SECOND: &str = "10.3.0.0/16";

/// The link addresses of the aggregators, and of the PE in each VRF of the first.
const AGG1: &str = "10.0.0.2";
const AGG2: &str = "10.0.1.2";
const PE: &str = "10.0.0.1";

pub(crate) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    links_come_up(lab, report);
    report.stage("tunnels become VPN routes");
    for customer in &CUSTOMERS {
        customer.comes_up(lab, report);
    }
    let (agg1, far) = (lab.node("agg1")?, lab.node("far")?);
    for customer in &CUSTOMERS {
        customer.both_ends_agree(lab, agg1, report);
    }
    routes(agg1, far, report);
    both_ways(lab, report)?;
    second_aggregator(lab, report);
    labels::in_tunnels(lab, report)?;
    withdrawal(lab, report);
    deaths::deaths(lab, report)
}

/// BGP in the VRFs, the paths that BFD watches, and the core behind the PE.
fn links_come_up(lab: &Lab, report: &mut Report) {
    report.stage("the links between aggregators and PE");
    for (vrf, aggregator) in [("red", AGG1), ("green", AGG1), ("red", AGG2)] {
        report.check(&format!("{vrf}: BGP between the PE and {aggregator}"), || {
            let took =
                until(60, || bgp_is_up(lab.node("pe")?, &format!("vrf {vrf} ipv4 unicast"), aggregator))?;
            Ok(format!("after {:.1} s", took.as_secs_f32()))
        });
    }
    for vrf in ["red", "green"] {
        report.check(&format!("{vrf}: BFD is up for both ends"), || {
            let (agg1, pe) = (lab.node("agg1")?, lab.node("pe")?);
            until(30, || Ok(our_bfd(agg1, vrf)?.state == "Up" && their_bfd(pe, vrf)?["status"] == "up"))?;
            Ok(format!("silent for {} ms at most", our_bfd(agg1, vrf)?.detection))
        });
    }
    report.check("VPNv4 between the PE and the far one", || {
        let pe = lab.node("pe")?;
        let up = || Ok(frr::ldp_is_up(pe, "10.255.0.2")? && bgp_is_up(pe, "ipv4 vpn", "10.255.0.2")?);
        let took = until(60, up)?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
}

fn bgp_is_up(pe: &Node, table: &str, neighbour: &str) -> Result<bool> {
    let Ok(summary) = frr::show(pe, &format!("bgp {table} summary")) else { return Ok(false) };
    Ok(summary["peers"][neighbour]["state"] == "Established")
}

fn our_bfd(agg1: &Node, vrf: &str) -> Result<BfdSession> {
    let Response::Bfd(sessions) = ours::ask(agg1, "show bfd neighbors")? else { bail!("no list of BFD") };
    let mut sessions = sessions.into_iter().filter(|session| session.vrf.as_deref() == Some(vrf));
    sessions.next().context("no BFD session")
}

fn their_bfd(pe: &Node, vrf: &str) -> Result<Value> {
    let found = frr::show(pe, &format!("bfd vrf {vrf} peer {AGG1}"))?;
    Ok(found.as_array().and_then(|all| all.first()).cloned().unwrap_or(found))
}

/// The kernel's route of a VRF on the far PE, if there is one.
fn route(far: &Node, vrf: &str, prefix: &str) -> Result<Option<String>> {
    let routes = frr::kernel_routes(far, &format!("-4 route show vrf {vrf}"))?;
    let found = routes.lines().find(|line| line.split_whitespace().any(|word| word == prefix));
    Ok(found.map(|line| line.trim().to_owned()))
}

/// All three ends of a route say the same of it.
fn routes(agg1: &Node, far: &Node, report: &mut Report) {
    report.row("Routes", &["customer", "far PE"].map(str::to_owned));
    for Customer { vrf, .. } in &CUSTOMERS {
        report.check(&format!("{vrf}: the far PE has its site, under a label"), || {
            until(10, || Ok(route(far, vrf, NEAR)?.is_some()))?;
            let found = route(far, vrf, NEAR)?.context("it went again")?;
            ensure!(found.contains("encap mpls") && found.contains("192.0.3.1"), "{found}");
            Ok(found)
        });
        let found = route(far, vrf, NEAR).ok().flatten().unwrap_or_default();
        report.row("Routes", &[(*vrf).to_owned(), found]);
    }
    for (vrf, code) in [("red", "B"), ("blue", "S"), ("green", "B")] {
        report.check(
            &format!("{vrf}: ours has the far site with code {code}, and the near one with S"),
            || {
                let Response::Routes(tables) = ours::ask(agg1, &format!("show ip route vrf {vrf}"))? else {
                    bail!("not a routing table")
                };
                let of = |prefix: &str| {
                    let mut all = tables.iter().flat_map(|table| &table.routes);
                    let found = all.find(|route| route.prefix == prefix);
                    found.with_context(|| format!("no route to {prefix}"))
                };
                let (far, near) = (of("10.1.0.0/16")?, of(NEAR)?);
                ensure!(far.code == code && near.code == "S", "{} and {}", far.code, near.code);
                ensure!(far.next_hop.is_some_and(|hop| hop.to_string() == PE), "by {:?}", far.next_hop);
                Ok(String::new())
            },
        );
    }
}

/// Traffic of all customers at once, and what it looks like on the cables.
fn both_ways(lab: &Lab, report: &mut Report) -> Result<()> {
    report.stage("all customers at once, both ways");
    let hosts = isolation::watch(lab, &CUSTOMERS)?;
    let agg1 = lab.node("agg1")?;
    let link = Capture::start(agg1, "eth1", &lab.out, "link")?;
    let front = Capture::start(agg1, "eth2", &lab.out, "front")?;
    customer::round_trips(lab, &CUSTOMERS, report);
    isolation::judge(hosts, &CUSTOMERS, report);
    let (link, front) = (link.stop()?, front.stop()?);
    report.stage("what the cables carried");
    wire::outside_is_opaque(&front, report);
    links_are_apart(&link, report);
    Ok(())
}

/// Between aggregator and PE each customer's packets are in its own VLAN or tunnel.
fn links_are_apart(file: &Path, report: &mut Report) {
    let fields = ["vlan.id", "gre.key", "ip.dst", "data.data", "tcp.payload"];
    let packets = decode(file, &[], "ip", &fields);
    report.row("Links", &["customer", "tag", "GRE key", "marked packets"].map(str::to_owned));
    for (customer, tag, key) in [(&RED, "100", ""), (&BLUE, "200", ""), (&GREEN, "", "0x00000007")] {
        let mut row = None;
        report.check(&format!("{}: its packets are in its own link", customer.name), || {
            let Ok(packets) = &packets else { bail!("{:#}", packets.as_ref().err().context("?")?) };
            let marked = packets.iter().filter(|of| wire::marked(&of[3], &of[4], customer));
            let (own, strange): (Vec<_>, Vec<_>) = marked.partition(|of| of[0] == tag && of[1] == key);
            ensure!(strange.is_empty(), "{} elsewhere, such as {:?}", strange.len(), strange[0]);
            ensure!(own.len() >= 400, "only {} packets", own.len());
            let cells = [customer.name, tag, key, &own.len().to_string()].map(str::to_owned);
            row = Some(cells);
            Ok(format!("{} packets", own.len()))
        });
        row.into_iter().for_each(|row| report.row("Links", &row));
    }
    report.check("no tag but theirs, and nothing of a customer without link", || {
        let filter = "(vlan && !(vlan.id == 100 || vlan.id == 200)) || vlan.too_many_tags";
        let strange = decode(file, &[], filter, &["vlan.id"])?;
        ensure!(strange.is_empty(), "tags {strange:?}");
        let filter = "ip && !vlan && !gre && !(ip.addr == 192.0.2.0/30)";
        let bare = decode(file, &[], filter, &["ip.src", "ip.dst"])?;
        ensure!(bare.is_empty(), "{} packets, such as {:?}", bare.len(), bare[0]);
        Ok(String::new())
    });
}

/// Two aggregators feed one VPN of one PE.
fn second_aggregator(lab: &Lab, report: &mut Report) {
    report.stage("a second aggregator at the same PE");
    report.check("red: its site at the second aggregator reaches the far one", || {
        let took = until(30, || traffic::reaches(lab.node("host-red3")?, customer::FAR))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    for (from, to, name) in
        [("host-red3", customer::FAR, RED.far_name), ("host-red2", "10.3.3.4", "site red 3")]
    {
        report.check(&format!("red: TCP from {from} to {to}"), || {
            let answer = traffic::name_of(lab.node(from)?, to)?;
            ensure!(answer == name, "{answer} answered");
            Ok(answer)
        });
    }
    report.check("red: both sites' routes at the far PE, one path each", || {
        let table = frr::show(lab.node("far")?, "bgp vrf red ipv4 unicast")?;
        for (prefix, path) in [(NEAR, "65001"), (SECOND, "65002")] {
            let paths = &table["routes"][prefix];
            ensure!(paths[0]["path"] == path && paths[1].is_null(), "{prefix}: {paths}");
        }
        Ok(String::new())
    });
}

/// A tunnel that goes takes its route along everywhere, and nobody else's.
fn withdrawal(lab: &Lab, report: &mut Report) {
    report.stage("a tunnel goes and comes back");
    for customer in [&RED, &GREEN] {
        report.check(&format!("{}: its route is gone at the far PE within a second", customer.name), || {
            let far = lab.node("far")?;
            lab.node(customer.gateway)?.demand("swanctl --terminate --ike pe --timeout 5")?;
            let took = until(10, || Ok(route(far, customer.vrf, NEAR)?.is_none()))?;
            ensure!(took < Duration::from_secs(1), "after {:.2} s", took.as_secs_f32());
            let others = CUSTOMERS.iter().filter(|other| other.name != customer.name);
            for other in others {
                ensure!(route(far, other.vrf, NEAR)?.is_some(), "{}'s went, too", other.name);
            }
            Ok(format!("after {:.2} s", took.as_secs_f32()))
        });
        report.check(&format!("{}: it is back with the tunnel", customer.name), || {
            let far = lab.node("far")?;
            lab.node(customer.gateway)?.demand("swanctl --initiate --child site --timeout 10")?;
            let took = until(10, || Ok(route(far, customer.vrf, NEAR)?.is_some()))?;
            ensure!(took < Duration::from_secs(1), "after {:.2} s", took.as_secs_f32());
            Ok(format!("after {:.2} s", took.as_secs_f32()))
        });
    }
}
