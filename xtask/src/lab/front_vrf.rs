//! The lab front-vrf: two peers with the same address on two interfaces with the same address, kept apart by their
//! front VRFs alone.

use anyhow::{Result, ensure};

use super::capture::Capture;
use super::customer::{self, Customer, FAR};
use super::inject::inject;
use super::refusals::{self, Impostor, Wire};
use super::report::Report;
use super::{Lab, isolation, ours, recovery, traffic, wire};

/// Both have one gateway address, each in its own internet.
const RED: Customer = Customer {
    outer: "172.18.1.2",
    transform: "esp-aes esp-sha-hmac",
    listed: ["AES_CBC-128", "HMAC_SHA1_96"],
    labels: [201, 101],
    ..customer::RED
};

const BLUE: Customer = Customer {
    outer: RED.outer,
    transform: RED.transform,
    listed: RED.listed,
    labels: [202, 102],
    ..customer::BLUE
};

const CUSTOMERS: [Customer; 2] = [RED, BLUE];

/// The PE's address towards both.
const PE: &str = "172.18.1.1";

pub(crate) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    let pe = lab.node("pe1")?;
    report.stage("tunnels");
    let core = Capture::start(lab.node("pe2")?, "eth1", &lab.out, "traffic")?;
    let outside = [
        Capture::start(lab.node(RED.gateway)?, "eth1", &lab.out, "traffic")?,
        Capture::start(lab.node(BLUE.gateway)?, "eth1", &lab.out, "traffic")?,
    ];
    for customer in &CUSTOMERS {
        customer.comes_up(lab, report);
    }
    report.stage("both customers at once, both ways");
    let hosts = isolation::watch(lab, &CUSTOMERS)?;
    customer::round_trips(lab, &CUSTOMERS, report);
    isolation::judge(hosts, &CUSTOMERS, report);
    let core = core.stop()?;
    let mut agreed = Vec::new();
    for customer in &CUSTOMERS {
        agreed.extend(customer.both_ends_agree(lab, pe, report).map(|child| (customer, child)));
        if pe.forwards_by_kernel() {
            customer.kernel_agrees(pe, report);
        }
    }
    customer::tabulate_tunnels(&agreed, report);

    report.stage("what the cables carried");
    wire::core_is_labelled(&core, &CUSTOMERS, report);
    for (customer, outside) in CUSTOMERS.iter().zip(outside) {
        let file = outside.stop()?;
        wire::outside_is_opaque(&file, report);
        if let Some((_, child)) = agreed.iter().find(|(one, _)| one.name == customer.name) {
            wire::opens_to_what_was_sent(&file, customer, child, lab.node(customer.gateway)?, PE, report);
        }
    }
    apart(lab, report)?;
    report.stage("lifetimes of 60 and 120 seconds end under traffic");
    recovery::age(lab, &CUSTOMERS, report);
    report.stage("restart");
    recovery::pe_restarts(lab, pe, &CUSTOMERS, report);
    Ok(())
}

/// What belongs to one front VRF means nothing in the other.
fn apart(lab: &Lab, report: &mut Report) -> Result<()> {
    let pe = lab.node("pe1")?;
    report.stage("neither sees the other");
    report.check("red's ESP is nobody's on blue's network", || strays(lab, &RED, &BLUE));
    report.check("blue's ESP is nobody's on red's network", || strays(lab, &BLUE, &RED));
    let thief =
        Impostor { what: "blue's key on red's network", spoil: "s/secret = .*/secret = blue/", ..WRONG_KEY };
    refusals::impostor(lab, pe, &RED, &thief, report);
    report.check("red's cable is cut: blue does not notice", || {
        lab.node(RED.gateway)?.outside("ip link set eth1 down")?;
        let pings = traffic::ping_all(lab.node(BLUE.near)?, FAR, 50, BLUE.mark);
        let red = traffic::reaches(lab.node(RED.near)?, FAR);
        lab.node(RED.gateway)?.outside("ip link set eth1 up")?;
        ensure!(!red?, "red still reaches its far site");
        Ok(format!("{} pings", pings?.received))
    });
    RED.comes_up(lab, report);
    refusals::head(report);
    for customer in &CUSTOMERS {
        let wire = Wire { node: customer.gateway, port: "eth1", pe };
        refusals::forged_esp(lab, &wire, customer, report);
    }
    Ok(())
}

const WRONG_KEY: Impostor = Impostor { what: "", spoil: "", notice: "pre-shared-key-mismatch" };

/// A packet of `owner` sent from the network of `other`: the same addresses, the same SPI, another front VRF. In its own
/// it would die as replayed; here it must not even find its SA.
fn strays(lab: &Lab, owner: &Customer, other: &Customer) -> Result<String> {
    let pe = lab.node("pe1")?;
    let wire = Wire { node: owner.gateway, port: "eth1", pe };
    let packet = refusals::genuine(lab, &wire, owner)?;
    let before = (ours::drops(pe)?, decaps(lab, owner)?, decaps(lab, other)?);
    inject(lab.node(other.gateway)?, &[packet])?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    let after = (ours::drops(pe)?, decaps(lab, owner)?, decaps(lab, other)?);
    ensure!((before.1, before.2) == (after.1, after.2), "it was let in");
    let count = after.0.get("no-sa").copied().unwrap_or(0) - before.0.get("no-sa").copied().unwrap_or(0);
    ensure!(count == 1, "dropped as no-sa: {count}");
    Ok("no-sa".to_owned())
}

fn decaps(lab: &Lab, customer: &Customer) -> Result<u64> {
    Ok(ours::flows(lab.node("pe1")?, customer.vrf)?.iter().map(|flow| flow.decaps).sum())
}
