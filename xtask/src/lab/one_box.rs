//! The lab one-box: two customers with the same addresses, one public address, each into its own VPN.

use anyhow::{Result, ensure};

use super::Lab;
use super::capture::Capture;
use super::customer::{self, Customer};
use super::refusals::{self, Impostor, Wire};
use super::report::Report;
use super::{isolation, recovery, traffic, wire};

const CUSTOMERS: [Customer; 2] = [
    Customer {
        name: "A",
        vrf: "vpn1",
        gateway: "cpe-a",
        near: "host-a1",
        far: "host-a2",
        near_name: "site A1",
        far_name: "site A2",
        outer: "172.16.1.1",
        transform: "esp-3des esp-sha-hmac",
        listed: ["3DES_CBC", "HMAC_SHA1_96"],
        udp: false,
        mark: 0xaa,
        labels: [201, 101],
    },
    Customer {
        name: "B",
        vrf: "vpn2",
        gateway: "cpe-b",
        near: "host-b1",
        far: "host-b2",
        near_name: "site B1",
        far_name: "site B2",
        outer: "10.1.1.1",
        transform: "esp-aes esp-sha-hmac",
        listed: ["AES_CBC-128", "HMAC_SHA1_96"],
        udp: true,
        mark: 0xbb,
        labels: [202, 102],
    },
];

/// The PE's public address.
const PE: &str = "172.18.1.1";

pub(crate) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    let pe = lab.node("pe1")?;
    report.stage("tunnels");
    let core = Capture::start(lab.node("pe2")?, "eth1", &lab.out, "traffic")?;
    let outside = Capture::start(lab.node("inet")?, "eth3", &lab.out, "traffic")?;
    for customer in &CUSTOMERS {
        customer.comes_up(lab, report);
    }
    report.stage("both customers at once, both ways");
    let hosts = isolation::watch(lab, &CUSTOMERS)?;
    customer::round_trips(lab, &CUSTOMERS, report);
    isolation::judge(hosts, &CUSTOMERS, report);
    report.check("A: reaches 10.1.1.1, B's public address, in its own far site", || {
        let answer = traffic::name_of(lab.node("host-a1")?, "10.1.1.1")?;
        ensure!(answer == "site A2", "{answer} answered");
        Ok(answer)
    });
    let (core, outside) = (core.stop()?, outside.stop()?);
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
    wire::outside_is_opaque(&outside, report);
    for (customer, child) in &agreed {
        wire::opens_to_what_was_sent(&outside, customer, child, lab.node(customer.gateway)?, PE, report);
    }
    refuse(lab, report)?;
    recover(lab, report)
}

fn refuse(lab: &Lab, report: &mut Report) -> Result<()> {
    let pe = lab.node("pe1")?;
    report.stage("what must be refused");
    let wire = Wire { node: "inet", port: "eth3", pe };
    refusals::head(report);
    for customer in &CUSTOMERS {
        refusals::forged_esp(lab, &wire, customer, report);
    }
    for impostor in &IMPOSTORS {
        refusals::impostor(lab, pe, &CUSTOMERS[1], impostor, report);
    }
    Ok(())
}

fn recover(lab: &Lab, report: &mut Report) -> Result<()> {
    let pe = lab.node("pe1")?;
    report.stage("rekeys and restarts");
    for customer in &CUSTOMERS {
        recovery::rekey(lab, customer, report);
    }
    recovery::pe_restarts(lab, pe, &CUSTOMERS, report);
    for customer in &CUSTOMERS {
        recovery::gateway_restarts(lab, customer, report);
    }
    recovery::we_retry(lab, pe, &CUSTOMERS[1], report);
    Ok(())
}

const IMPOSTORS: [Impostor; 2] = [
    Impostor {
        what: "a wrong key",
        spoil: "s/secret = .*/secret = wrong/",
        notice: "pre-shared-key-mismatch",
    },
    Impostor {
        what: "a wrong identity",
        spoil: "0,/id = .*/s//id = 10.9.9.9/",
        notice: "no-profile-matches",
    },
];
