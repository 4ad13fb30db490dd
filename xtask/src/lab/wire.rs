//! What tshark sees on the cables: the customers' labels on the core, and outside nothing but ESP, IKE and ARP.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::capture::decode;
use super::customer::{Customer, FAR, NEAR};
use super::node::Node;
use super::report::Report;
use super::swan::Child;

/// Every packet on the core has exactly one label, and each customer's packets have that customer's.
pub(crate) fn core_is_labelled(file: &Path, customers: &[Customer], report: &mut Report) {
    report.check("the core carries labelled packets only", || {
        let bare = decode(file, &[], "!mpls && !arp && !icmpv6", &["frame.protocols"])?;
        ensure!(bare.is_empty(), "{} packets without label, such as {:?}", bare.len(), bare[0]);
        Ok(String::new())
    });
    report
        .row("Labels on the core", &["customer", "direction", "label", "marked packets"].map(str::to_owned));
    let labelled = decode(file, &[], "mpls", &["mpls.label", "ip.dst", "data.data", "tcp.payload"]);
    for customer in customers {
        report.check(&format!("{}: its packets have its labels", customer.name), || match &labelled {
            Ok(packets) => its_labels(packets, customer),
            Err(error) => anyhow::bail!("{error:#}"),
        });
        for (direction, label) in ["to the far site", "to the near site"].iter().zip(customer.labels) {
            let count = labelled
                .iter()
                .flatten()
                .filter(|packet| packet[0] == label.to_string() && marked(&packet[2], &packet[3], customer))
                .count();
            report.row(
                "Labels on the core",
                &[customer.name.to_owned(), (*direction).to_owned(), label.to_string(), count.to_string()],
            );
        }
    }
}

fn its_labels(packets: &[Vec<String>], customer: &Customer) -> Result<String> {
    let mut counts = BTreeMap::<u32, usize>::new();
    for packet in packets.iter().filter(|packet| marked(&packet[2], &packet[3], customer)) {
        // An ICMP error quotes a packet: its own destination comes first.
        let expected = customer.labels[usize::from(packet[1].split(',').next() == Some(NEAR))];
        ensure!(packet[0] == expected.to_string(), "a packet to {} has label {}", packet[1], packet[0]);
        *counts.entry(expected).or_default() += 1;
    }
    for label in customer.labels {
        ensure!(counts.get(&label).is_some_and(|count| *count >= 100), "label {label}: {counts:?}");
    }
    Ok(format!("{counts:?}"))
}

/// Whether the payload shows whose packet it is: the pattern of a ping, or a host's name at the start of a stream.
pub(crate) fn marked(data: &str, payload: &str, customer: &Customer) -> bool {
    let pattern = format!("{:02x}", customer.mark).repeat(16);
    let names =
        [customer.near_name, customer.far_name].map(|name| super::inject::hexadecimal(name.as_bytes()));
    data.ends_with(&pattern) || names.iter().any(|name| payload.starts_with(name))
}

/// Towards the customers there is nothing to read.
pub(crate) fn outside_is_opaque(file: &Path, report: &mut Report) {
    report.check("outside there is only ESP, IKE and ARP or ND", || {
        let strange = decode(
            file,
            &[],
            "!esp && !isakmp && !udpencap && !arp && !icmpv6",
            &["frame.protocols", "ip.src"],
        )?;
        ensure!(strange.is_empty(), "{} others, such as {:?}", strange.len(), strange[0]);
        let sealed = decode(file, &[], "esp", &["esp.spi"])?;
        ensure!(sealed.len() > 100, "only {} ESP packets", sealed.len());
        Ok(format!("{} ESP packets", sealed.len()))
    });
}

/// With the keys that strongSwan logged, tshark finds this customer's packets in the ESP, with good checks.
pub(crate) fn opens_to_what_was_sent(
    file: &Path,
    customer: &Customer,
    child: &Child,
    gateway: &Node,
    pe: &str,
    report: &mut Report,
) {
    report.check(&format!("{}: tshark opens its ESP to the packets expected", customer.name), || {
        let keys = Keys::logged(&gateway.log()?)?;
        let sas = [
            keys.option(customer, [customer.outer, pe], child.spi_out, 0),
            keys.option(customer, [pe, customer.outer], child.spi_in, 1),
        ];
        let options = [&sas[..], &PREFERENCES.map(str::to_owned)].concat();
        let fields = ["ip.src", "ip.dst", "data.data", "tcp.payload"];
        let mut counts = [0, 0];
        for (way, spi) in [child.spi_out, child.spi_in].into_iter().enumerate() {
            let ends = if way == 0 { [NEAR, FAR] } else { [FAR, NEAR] };
            let filter = format!("esp.spi == {spi:#x} && icmp.type <= 8 && esp.icv_good == 1");
            for packet in decode(file, &options, &filter, &fields)? {
                ensure!(packet[0].ends_with(ends[0]) && packet[1].ends_with(ends[1]), "inside: {packet:?}");
                counts[way] += usize::from(marked(&packet[2], &packet[3], customer));
            }
            ensure!(counts[way] >= 100, "{} marked pings in SPI {spi:08x}", counts[way]);
        }
        Ok(format!("{} pings out, {} back", counts[0], counts[1]))
    });
}

const PREFERENCES: [&str; 2] = ["esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE"];

/// The keys of a pair of SAs, initiator's first; strongSwan was the initiator.
struct Keys {
    encryption: [String; 2],
    integrity: [String; 2],
}

impl Keys {
    fn logged(log: &str) -> Result<Self> {
        let key =
            |name: &str| last_dump(log, name).with_context(|| format!("strongSwan did not log its {name}"));
        Ok(Self {
            encryption: [key("encryption initiator key")?, key("encryption responder key")?],
            integrity: [key("integrity initiator key")?, key("integrity responder key")?],
        })
    }

    fn option(&self, customer: &Customer, [from, to]: [&str; 2], spi: u32, side: usize) -> String {
        let cipher =
            if customer.listed[0].contains("3DES") { "TripleDES-CBC [RFC2451]" } else { "AES-CBC [RFC3602]" };
        format!(
            r#"uat:esp_sa:"IPv4","{from}","{to}","{spi:#010x}","{cipher}","0x{}","HMAC-SHA-1-96 [RFC2404]","0x{}""#,
            self.encryption[side], self.integrity[side]
        )
    }
}

/// The bytes of the last dump in the log that this name heads: `NAME => N bytes`, then lines of hexadecimal.
pub(super) fn last_dump(log: &str, name: &str) -> Option<String> {
    let mut lines = log.rsplit_once(&format!("{name} => "))?.1.lines();
    let length: usize = lines.next()?.split(' ').next()?.parse().ok()?;
    let digits =
        lines.flat_map(|line| line.split_once(": ").map_or("", |(_, bytes)| bytes).split(' ').take(16));
    let bytes = digits.filter(|word| word.len() == 2).take(length);
    Some(bytes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_key_that_was_logged_counts() {
        let dump = |digits: &str| {
            format!(
                "04[CHD] integrity initiator key => 4 bytes @ 0x7f\n04[CHD]    0: {digits}  ....\n04[IKE] CHILD_SA\n"
            )
        };
        let log = dump("00 00 00 00") + &dump("DE AD BE EF");
        assert_eq!(last_dump(&log, "integrity initiator key").as_deref(), Some("DEADBEEF"));
    }
}
