//! Packets and peers that must be refused, each by its name: damaged, repeated and foreign ESP, a wrong key, a wrong
//! identity.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::capture::{Capture, frames};
use super::customer::{Customer, FAR};
use super::inject::inject;
use super::node::Node;
use super::report::Report;
use super::{Lab, ours, traffic, until};

/// Where forged packets come from, and where they go.
pub(crate) struct Wire<'a> {
    /// Has a route to the PE and may send what it likes.
    pub(crate) node: &'a str,
    /// Its port on the way to the PE.
    pub(crate) port: &'a str,
    pub(crate) pe: &'a Node,
}

/// How many of each forgery.
const COPIES: u64 = 3;

/// The head of the table of what `forged_esp` saw refused.
pub(crate) fn head(report: &mut Report) {
    report.row("Refused", &["customer", "what", "drop", "packets"].map(str::to_owned));
}

/// Sends forgeries of a customer's ESP: each dies under its name, and nothing of them gets through.
pub(crate) fn forged_esp(lab: &Lab, wire: &Wire<'_>, customer: &Customer, report: &mut Report) {
    let genuine = match genuine(lab, wire, customer) {
        Ok(genuine) => genuine,
        Err(error) => {
            report.check(&format!("{}: its ESP is recorded", customer.name), || Err(error));
            return;
        }
    };
    for (what, drop, packet) in forgeries(&genuine, customer) {
        let mut row = None;
        report.check(&format!("{}: {what} dies as {drop}", customer.name), || {
            let count = refused(lab, wire, customer, drop, &packet)?;
            row = Some([customer.name, what, drop, &count.to_string()].map(str::to_owned));
            Ok(format!("{count} packets"))
        });
        if let Some(row) = row {
            report.row("Refused", &row);
        }
    }
}

fn refused(lab: &Lab, wire: &Wire<'_>, customer: &Customer, drop: &str, packet: &[u8]) -> Result<u64> {
    let state = || -> Result<(u64, u64)> {
        let drops = ours::drops(wire.pe)?;
        let through = ours::flows(wire.pe, customer.vrf)?.iter().map(|flow| flow.decaps).sum();
        Ok((*drops.get(drop).with_context(|| format!("there is no drop {drop}"))?, through))
    };
    let before = state()?;
    inject(lab.node(wire.node)?, &vec![packet.to_vec(); COPIES as usize])?;
    let counted = until(3, || Ok(state()?.0 >= before.0 + COPIES));
    let after = state()?;
    let (count, through) = (after.0 - before.0, after.1 - before.1);
    ensure!(through == 0, "{through} packets got through");
    ensure!(counted.is_ok() && count == COPIES, "{count} of {COPIES} packets counted");
    Ok(count)
}

/// The last ESP packet that the gateway sent, from its IP header on.
pub(crate) fn genuine(lab: &Lab, wire: &Wire<'_>, customer: &Customer) -> Result<Vec<u8>> {
    let capture =
        Capture::start(lab.node(wire.node)?, wire.port, &lab.out, &format!("genuine-{}", customer.vrf))?;
    let pinged = traffic::ping_all(lab.node(customer.near)?, FAR, 3, customer.mark);
    let file = capture.stop()?;
    pinged?;
    last_esp(&file, customer)
}

fn last_esp(file: &Path, customer: &Customer) -> Result<Vec<u8>> {
    let source: std::net::Ipv4Addr = customer.outer.parse()?;
    let protocol = if customer.udp { 17 } else { 50 };
    let from_gateway = |frame: &&Vec<u8>| {
        frame.get(12..14) == Some(&[8, 0])
            && frame.get(23) == Some(&protocol)
            && frame.get(26..30) == Some(&source.octets())
    };
    // Longer than any keepalive.
    let esp = frames(file)?.iter().rev().filter(from_gateway).find(|frame| frame.len() > 80).cloned();
    Ok(esp.context("the gateway sent no ESP")?[14..].to_vec())
}

/// What is wrong with a packet, the name it must die under, the packet.
fn forgeries(genuine: &[u8], customer: &Customer) -> [(&'static str, &'static str, Vec<u8>); 5] {
    let esp = if customer.udp { 28 } else { 20 };
    let fresh = |ahead: u8| {
        let mut packet = genuine.to_vec();
        // The low byte of the sequence number may wrap; the next one up then makes it fresh.
        packet[esp + 6] = packet[esp + 6].wrapping_add(1);
        packet[esp + 7] = packet[esp + 7].wrapping_add(ahead);
        packet
    };
    let mut flipped = fresh(1);
    flipped[esp + 30] ^= 0x10;
    // Linux throws away what has less than 20 bytes of ESP in UDP, and counts nothing.
    let truncated = fresh(2)[..esp + 22].to_vec();
    let mut shortened = fresh(3);
    shortened.truncate(genuine.len() - 16);
    let mut foreign = genuine.to_vec();
    foreign[15] ^= 0x40;
    foreign[esp] ^= 0x40;
    [
        ("a replayed packet", "replayed", genuine.to_vec()),
        ("a packet with a flipped bit", "bad-icv", with_udp_length(flipped, customer)),
        ("a truncated packet", "esp-malformed", with_udp_length(truncated, customer)),
        ("a packet that lost its last block", "bad-icv", with_udp_length(shortened, customer)),
        ("an SPI that nobody has", "no-sa", with_udp_length(foreign, customer)),
    ]
}

/// The UDP header agrees with the new length, and goes without checksum.
fn with_udp_length(mut packet: Vec<u8>, customer: &Customer) -> Vec<u8> {
    if customer.udp {
        let length = u16::try_from(packet.len() - 20).unwrap_or(u16::MAX);
        packet[24..26].copy_from_slice(&length.to_be_bytes());
        packet[26..28].copy_from_slice(&[0, 0]);
    }
    packet
}

/// A fault in the gateway's configuration, and the word by which the PE refuses it.
pub(crate) struct Impostor {
    pub(crate) what: &'static str,
    /// An expression of sed that spoils the good configuration.
    pub(crate) spoil: &'static str,
    /// In the PE's log.
    pub(crate) notice: &'static str,
}

/// The gateway tries with a spoilt configuration: no tunnel, a line in the log; with the good one it comes back.
pub(crate) fn impostor(lab: &Lab, pe: &Node, customer: &Customer, impostor: &Impostor, report: &mut Report) {
    report.check(&format!("{}: {} is refused as {}", customer.name, impostor.what, impostor.notice), || {
        let gateway = lab.node(customer.gateway)?;
        let before = pe.log()?.len();
        gateway.run("swanctl --terminate --ike pe")?;
        gateway.demand(&format!(
            "sed -e '{}' -e 's/start_action = .*/start_action = none/' -e 's/keyingtries = 0/keyingtries = 1/' \
             /mnt/swanctl.conf >/run/spoilt.conf && swanctl --load-all --clear --file /run/spoilt.conf",
            impostor.spoil
        ))?;
        let attempt = gateway.run("swanctl --initiate --child site --timeout 5")?;
        ensure!(!attempt.success, "the tunnel came up: {}", attempt.text);
        let reachable = traffic::reaches(lab.node(customer.near)?, FAR)?;
        ensure!(!reachable, "the far site answered");
        gateway.run("swanctl --terminate --ike pe --timeout 1")?;
        let log = pe.log()?;
        let line = log.get(before..).unwrap_or_default().lines().find(|line| line.contains(impostor.notice));
        let line = line.with_context(|| format!("the log does not say {}", impostor.notice))?.to_owned();
        gateway.demand("swanctl --load-all --clear --file /mnt/swanctl.conf")?;
        Ok(line.split(impostor.notice).nth(1).and_then(|rest| rest.split(" peer=").next()).unwrap_or(&line).trim().to_owned())
    });
    customer.comes_up(lab, report);
}
