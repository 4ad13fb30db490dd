//! Where only IP is between an aggregator of the lab two-box, as a PE itself, and the far one: labels in GRE (RFC 4023) and
//! in UDP (RFC 7510), the other end of both being the kernel's.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::super::capture::{Capture, decode};
use super::super::node::Node;
use super::super::report::Report;
use super::super::{Lab, traffic, until};
use super::{GREEN, route};

/// What the first aggregator has in a VPN of its own, which BGP tells of.
const VIOLET: &str = "10.4.0.1";
const VIOLET_MARK: u8 = 0xdd;

/// A host of another one, which static labels lead to and from.
const INDIGO: &str = "host-indigo";
const INDIGO_MARK: u8 = 0xee;

const PINGS: u32 = 100;

/// Connections each way: each is a flow.
const FLOWS: usize = 4;

/// The source ports of RFC 7510 section 3.
const PORTS: RangeInclusive<u16> = 49_152..=u16::MAX;

/// One of indigo's tunnels: what is in it and around it, from the aggregator to the far PE.
struct Tunnel {
    family: &'static str,
    outer: [&'static str; 2],
    /// An address of each host that no other way leads to.
    inner: [&'static str; 2],
    /// There and back.
    labels: [&'static str; 2],
}

const TUNNELS: [Tunnel; 2] = [
    Tunnel {
        family: "IPv4",
        outer: ["192.0.2.2", "192.0.3.2"],
        inner: ["10.5.3.4", "10.1.3.4"],
        labels: ["90004", "50000"],
    },
    Tunnel {
        family: "IPv6",
        outer: ["2001:db8:2::2", "2001:db8:3::2"],
        inner: ["10.5.3.6", "10.1.3.6"],
        labels: ["90006", "50000"],
    },
];

/// An aggregator that is a PE itself, and only IP between it and the far one.
pub(super) fn in_tunnels(lab: &Lab, report: &mut Report) -> Result<()> {
    report.stage("labels in GRE, where the way to the far PE is plain IP");
    in_gre(lab, report)?;
    report.stage("labels in UDP, the other end being the kernel's");
    TUNNELS.iter().try_for_each(|tunnel| tunnel.carries(lab, report))
}

fn in_gre(lab: &Lab, report: &mut Report) -> Result<()> {
    let (agg1, far) = (lab.node("agg1")?, lab.node("far")?);
    report.check("violet: VPNv4 with the far PE through the tunnel", || {
        let took = until(30, || Ok(route(far, "green", VIOLET)?.is_some()))?;
        Ok(format!("{} after {:.1} s", route(far, "green", VIOLET)?.unwrap_or_default(), took.as_secs_f32()))
    });
    let cable = Capture::start(agg1, "eth1", &lab.out, "labels-gre")?;
    report.check("violet: pings from green's far site come back", || {
        let host = lab.node(GREEN.far)?;
        until(10, || traffic::reaches(host, VIOLET))?;
        let pings = traffic::ping_all(host, VIOLET, PINGS, VIOLET_MARK)?;
        Ok(format!("{} of {}", pings.received, pings.sent))
    });
    let cable = cable.stop()?;
    report.check("violet: each way has the label that the other end gave, and no other", || {
        let packets = decode(&cable, &[], "icmp", &["mpls.label", "icmp.type", "data.data"])?;
        let mut seen = BTreeMap::new();
        let marked = format!("{VIOLET_MARK:02x}").repeat(16);
        for packet in packets.iter().filter(|packet| packet[2].ends_with(&marked)) {
            *seen.entry((packet[1].as_str(), packet[0].clone())).or_insert(0) += 1;
        }
        let labels = [("8", label(far, "65001:4", VIOLET)?), ("0", label(far, "65000:203", "10.1.0.0/16")?)];
        let expected: Vec<_> = labels.iter().map(|(kind, label)| (*kind, label.to_string())).collect();
        let there = expected.iter().all(|way| seen.get(way).is_some_and(|count| *count >= PINGS));
        ensure!(there && seen.len() == 2, "expected {expected:?}, seen {seen:?}");
        Ok(format!("{} there, {} back", labels[0].1, labels[1].1))
    });
    Ok(())
}

/// The label of a VPN route, as the far PE has it.
fn label(far: &Node, rd: &str, prefix: &str) -> Result<u32> {
    let routes = far.demand(&format!("vtysh -c 'show bgp ipv4 vpn {prefix}'"))?;
    let entry = routes.split("BGP routing table entry for ").find(|entry| entry.starts_with(rd));
    let label = entry.and_then(|entry| entry.split("Remote label: ").nth(1)).context("no label")?;
    let digits: String = label.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().context("no label")
}

impl Tunnel {
    /// Pings and TCP, both ways; then what the aggregator's cable saw of them.
    fn carries(&self, lab: &Lab, report: &mut Report) -> Result<()> {
        let cable =
            Capture::start(lab.node("agg1")?, "eth1", &lab.out, &format!("labels-udp-{}", self.family))?;
        let [near, far] = self.inner;
        for (from, to, name) in [(INDIGO, far, GREEN.far_name), (GREEN.far, near, "site indigo")] {
            report.check(&format!("indigo over {}: {from} reaches {to}", self.family), || {
                let from = lab.node(from)?;
                until(10, || traffic::reaches(from, to))?;
                let pings = traffic::ping_all(from, to, PINGS, INDIGO_MARK)?;
                for _ in 0..FLOWS {
                    let answer = traffic::name_of(from, to)?;
                    ensure!(answer == name, "{answer} answered");
                }
                Ok(format!("{} of {} pings, TCP from \"{name}\"", pings.received, pings.sent))
            });
        }
        let cable = cable.stop()?;
        let name = format!("indigo over {}: all is in UDP port 6635, with its label", self.family);
        report.check(&name, || self.stands_on(&cable));
        Ok(())
    }

    /// Each packet of these two hosts has the tunnel's addresses, port and label of its direction; of ours, each flow a
    /// source port of its own.
    fn stands_on(&self, cable: &Path) -> Result<String> {
        let [near, far] = self.inner;
        let fields = ["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.dstport", "udp.srcport", "mpls.label"];
        let packets = decode(cable, &[], &format!("ip.addr == {near} || ip.addr == {far}"), &fields)?;
        let mut ports = [BTreeSet::new(), BTreeSet::new()];
        for packet in &packets {
            let (sources, targets) = (self.ends(packet, 0), self.ends(packet, 1));
            let [a, b] = self.outer;
            let way = match (sources.as_slice(), targets.as_slice()) {
                (from, to) if from == [a, near] && to == [b, far] => 0,
                (from, to) if from == [b, far] && to == [a, near] => 1,
                (_, _) => bail!("{packet:?}"),
            };
            ensure!(packet[4] == "6635" && packet[6] == self.labels[way], "{packet:?}");
            let port: u16 = packet[5].parse()?;
            ensure!(way == 1 || PORTS.contains(&port), "from port {port}");
            ports[way].insert(port);
        }
        ensure!(packets.len() as u32 >= 4 * PINGS, "only {} packets", packets.len());
        // The kernel looks no deeper than its labels.
        let [there, back] = &ports;
        ensure!(there.len() > FLOWS && !back.is_empty(), "source ports {ports:?}");
        let [pushed, ours] = self.labels;
        Ok(format!("{pushed} from {} ports there, {ours} from {} back", there.len(), back.len()))
    }

    /// The sources or destinations of a packet, the outermost first.
    fn ends<'a>(&self, packet: &'a [String], which: usize) -> Vec<&'a str> {
        let outer = if self.family == "IPv6" { packet[2 + which].as_str() } else { "" };
        [outer].into_iter().chain(packet[which].split(',')).filter(|address| !address.is_empty()).collect()
    }
}
