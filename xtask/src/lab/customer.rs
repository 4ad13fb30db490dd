//! A customer of a lab, and what holds for every customer: the tunnel is up, both sites reach each other, both ends of
//! the tunnel say the same.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::{IpsecFlow, IpsecSa};

use super::node::Node;
use super::report::Report;
use super::swan::Child;
use super::{Lab, joined, ours, swan, traffic, until};

/// Two sites of one customer, a gateway before the near one, a VRF and a label to the far one.
pub(crate) struct Customer {
    pub(crate) name: &'static str,
    /// The inside VRF on the PE.
    pub(crate) vrf: &'static str,
    /// Nodes.
    pub(crate) gateway: &'static str,
    pub(crate) near: &'static str,
    pub(crate) far: &'static str,
    /// What the hosts answer on TCP.
    pub(crate) near_name: &'static str,
    pub(crate) far_name: &'static str,
    /// The gateway's public address.
    pub(crate) outer: &'static str,
    /// ESP as our configuration writes it, and as strongSwan lists it.
    pub(crate) transform: &'static str,
    pub(crate) listed: [&'static str; 2],
    /// In UDP port 4500.
    pub(crate) udp: bool,
    /// The byte that this customer's pings are filled with.
    pub(crate) mark: u8,
    /// Labels on the core: to the far site, and back.
    pub(crate) labels: [u32; 2],
}

/// The customers of most labs; a lab says what is otherwise there.
pub(crate) const RED: Customer = Customer {
    name: "red",
    vrf: "red",
    gateway: "cpe-red",
    near: "host-red1",
    far: "host-red2",
    near_name: "site red 1",
    far_name: "site red 2",
    outer: "198.51.100.2",
    transform: "esp-gcm",
    listed: ["AES_GCM_16-128", ""],
    udp: true,
    mark: 0xaa,
    // Where LDP and BGP run, they choose them.
    labels: [0, 0],
};
pub(crate) const BLUE: Customer = Customer {
    name: "blue",
    vrf: "blue",
    gateway: "cpe-blue",
    near: "host-blue1",
    far: "host-blue2",
    near_name: "site blue 1",
    far_name: "site blue 2",
    outer: "198.51.101.2",
    mark: 0xbb,
    ..RED
};

/// The hosts: every customer has the same addresses.
pub(crate) const NEAR: &str = "10.2.3.4";
pub(crate) const FAR: &str = "10.1.3.4";

/// Pings of one series.
const SERIES: u32 = 100;

impl Customer {
    /// Waits until a ping from the near site comes back.
    pub(crate) fn comes_up(&self, lab: &Lab, report: &mut Report) {
        report.check(&format!("{}: the tunnel comes up", self.name), || {
            let near = lab.node(self.near)?;
            let took = until(30, || traffic::reaches(near, FAR))?;
            Ok(format!("after {:.1} s", took.as_secs_f32()))
        });
    }

    /// strongSwan's list and ours agree on SPIs, algorithms, packets and bytes.
    pub(crate) fn both_ends_agree(&self, lab: &Lab, pe: &Node, report: &mut Report) -> Option<Child> {
        let mut agreed = None;
        report.check(&format!("{}: both ends of the tunnel agree", self.name), || {
            // The last packets may still be on their way.
            let child = self.compare(lab, pe).or_else(|_| {
                thread::sleep(Duration::from_secs(2));
                self.compare(lab, pe)
            })?;
            agreed = Some(child.clone());
            Ok(format!("{}, SPIs {:08x} and {:08x}", self.transform, child.spi_in, child.spi_out))
        });
        agreed
    }

    /// What the kernel counted of our SAs is what we say of them.
    pub(crate) fn kernel_agrees(&self, pe: &Node, report: &mut Report) {
        report.check(&format!("{}: our counters are the kernel's", self.name), || {
            let flows = ours::flows(pe, self.vrf)?;
            let kernel = pe.demand("ip -s -o xfrm state show")?;
            let sas: Vec<&IpsecSa> =
                flows.iter().flat_map(|flow| flow.inbound.iter().chain(&flow.outbound)).collect();
            ensure!(sas.len() == 2, "we have {} SAs", sas.len());
            for sa in sas {
                let spi = format!("spi {:#010x}", sa.spi);
                let line = kernel.lines().find(|line| line.contains(&spi)).context(spi)?;
                let counts = format!("{}(bytes), {}(packets)", sa.bytes, sa.packets);
                ensure!(line.contains(&counts), "we say {counts}, the kernel {line}");
            }
            Ok(String::new())
        });
    }

    fn compare(&self, lab: &Lab, pe: &Node) -> Result<Child> {
        let children = swan::children(lab.node(self.gateway)?)?;
        ensure!(children.len() == 1, "strongSwan has {} pairs of SAs", children.len());
        let child = children.into_iter().next().context("no SA")?;
        let flows = ours::flows(pe, self.vrf)?;
        let flow = flows.iter().find(|flow| !flow.inbound.is_empty()).context("we have no SA")?;
        self.agree(&child, flow)?;
        Ok(child)
    }

    fn agree(&self, theirs: &Child, flow: &IpsecFlow) -> Result<()> {
        let inbound = by_spi(&flow.inbound, theirs.spi_out).context("inbound")?;
        let outbound = by_spi(&flow.outbound, theirs.spi_in).context("outbound")?;
        ensure!(theirs.encryption.contains(self.listed[0]), "strongSwan has {}", theirs.encryption);
        ensure!(theirs.integrity.contains(self.listed[1]), "strongSwan has {}", theirs.integrity);
        ensure!(inbound.transform.trim() == self.transform, "we have {}", inbound.transform);
        ensure!(theirs.udp == self.udp && inbound.mode.contains("UDP") == self.udp, "UDP: {}", inbound.mode);
        for (way, ours, theirs) in [
            ("in", (inbound.packets, inbound.bytes), (theirs.packets_out, theirs.bytes_out)),
            ("out", (outbound.packets, outbound.bytes), (theirs.packets_in, theirs.bytes_in)),
        ] {
            ensure!(ours == theirs, "{way}: packets and bytes, ours {ours:?}, theirs {theirs:?}");
        }
        Ok(())
    }

    fn row(&self, child: &Child) -> Vec<String> {
        let transport = if self.udp { "UDP 4500" } else { "protocol 50" };
        [self.name, self.vrf, self.outer, transport, self.transform]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("{:08x}", child.spi_out), format!("{:08x}", child.spi_in)])
            .chain([format!("{} in, {} out", child.packets_out, child.packets_in)])
            .collect()
    }
}

/// A row a tunnel, as both ends agree.
pub(crate) fn tabulate_tunnels(agreed: &[(&Customer, Child)], report: &mut Report) {
    let head = ["customer", "VRF", "peer", "ESP in", "transform", "SPI in", "SPI out", "packets"];
    report.row("Tunnels", &head.map(str::to_owned));
    for (customer, child) in agreed {
        report.row("Tunnels", &customer.row(child));
    }
}

/// Pings and TCP of all customers at the same time, from both ends; each host must answer with its own name.
pub(crate) fn round_trips(lab: &Lab, customers: &[Customer], report: &mut Report) {
    report.row("Round trips", &["from", "to", "answer", "pings", "mean"].map(str::to_owned));
    let ways: Vec<Way<'_>> = customers.iter().flat_map(Way::both).collect();
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = ways.iter().map(|way| scope.spawn(|| way.travel(lab))).collect();
        threads.into_iter().map(joined).collect()
    });
    for (way, result) in ways.iter().zip(results) {
        let name = format!("{}: {} reaches {}", way.customer.name, way.from_name, way.to_name);
        let mut row = None;
        report.check(&name, || {
            let (pings, answer) = result?;
            ensure!(answer == way.to_name, "{} answered", answer);
            let mean = format!("{:.1} ms", pings.round_trip as f64 / 1000.0);
            let counts = format!("{}/{}", pings.received, pings.sent);
            row = Some(
                [way.from_name, way.address, &format!("\"{answer}\""), &counts, &mean].map(str::to_owned),
            );
            Ok(format!("{counts} pings, TCP from \"{answer}\""))
        });
        if let Some(row) = row {
            report.row("Round trips", &row);
        }
    }
}

/// One direction of a customer's traffic.
struct Way<'a> {
    customer: &'a Customer,
    from: &'a str,
    from_name: &'a str,
    to_name: &'a str,
    address: &'a str,
}

impl<'a> Way<'a> {
    fn both(customer: &'a Customer) -> [Self; 2] {
        let (near, far) = (customer.near_name, customer.far_name);
        [
            Self { customer, from: customer.near, from_name: near, to_name: far, address: FAR },
            Self { customer, from: customer.far, from_name: far, to_name: near, address: NEAR },
        ]
    }

    fn travel(&self, lab: &Lab) -> Result<(traffic::Pings, String)> {
        let from = lab.node(self.from)?;
        let pings = traffic::ping_all(from, self.address, SERIES, self.customer.mark)?;
        Ok((pings, traffic::name_of(from, self.address)?))
    }
}

fn by_spi(sas: &[IpsecSa], spi: u32) -> Result<&IpsecSa> {
    sas.iter().find(|sa| sa.spi == spi).with_context(|| format!("we have no SA with SPI {spi:08x}"))
}
