//! What the kernel counts: packets by port, and everything it drops, each reason under a name of ours.
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use base::PortId;
use dataplane::{DropCount, PortCounters};
use netlink_packet_core::Parseable as _;
use netlink_packet_route::link::Stats64;
use netlink_packet_route::stats::{AfSpecStat, MplsLinkStats, StatsAttribute, StatsFilterMask, StatsMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::ground::{Ground, Kind};
use crate::netlink::Message;
use crate::request::Request;

/// What had been dropped before we started.
pub(crate) struct Drops([u64; ROWS.len()]);

/// A dump that answers this is what the others here want: what each device counted.
pub(crate) fn question() -> Request {
    let mut message = StatsMessage::default();
    message.header.family = AddressFamily::Unspec;
    message.header.filter_mask = StatsFilterMask::Link64 | StatsFilterMask::AfSpec;
    Request::route(&RouteNetlinkMessage::GetStats(message), 0)
}

impl Drops {
    pub(crate) const NONE: Self = Self([0; ROWS.len()]);

    pub(crate) fn since_now(devices: &[Message], ground: &Ground) -> Self {
        Self(counted(&all(devices, ground, 0)))
    }

    /// In the order of `show drops`. What somebody set back to zero counts from there. `bad_icvs`: what our SAs refused
    /// since the start.
    pub(crate) fn rows(&self, devices: &[Message], ground: &Ground, bad_icvs: u64) -> Vec<DropCount> {
        let now = counted(&all(devices, ground, bad_icvs));
        let counts = now.iter().zip(&self.0).map(|(now, then)| now.checked_sub(*then).unwrap_or(*now));
        let row = |(row, packets): (&Row, u64)| DropCount { name: row.name, meaning: row.meaning, packets };
        ROWS.iter().zip(counts).map(row).collect()
    }
}

pub(crate) fn ports(devices: &[Message], ground: &Ground) -> BTreeMap<PortId, PortCounters> {
    let ids = ground.ports.values().filter_map(|port| Some((ground.index(&port.device)?, port.id)));
    let ids: BTreeMap<u32, PortId> = ids.collect();
    let each = devices.iter().filter_map(parse).filter_map(|message| {
        let port = ids.get(&message.header.ifindex)?;
        Some((*port, link(&message)?))
    });
    each.collect()
}

fn parse(message: &Message) -> Option<StatsMessage> {
    StatsMessage::parse(message.body.as_slice()).ok()
}

fn link(message: &StatsMessage) -> Option<PortCounters> {
    let of = |link: &Stats64| PortCounters {
        packets_in: link.rx_packets,
        bytes_in: link.rx_bytes,
        packets_out: link.tx_packets,
        bytes_out: link.tx_bytes,
        drops_out: link.tx_dropped,
    };
    message.attributes.iter().find_map(|attribute| match attribute {
        StatsAttribute::Link64(link) => Some(of(link)),
        _ => None,
    })
}

/// The kernel's counters by its own names.
type Counts = BTreeMap<String, u64>;

fn counted(counts: &Counts) -> [u64; ROWS.len()] {
    ROWS.each_ref().map(|row| row.sources.iter().filter_map(|source| counts.get(*source)).sum())
}

/// Of this thread's network namespace.
fn all(devices: &[Message], ground: &Ground, bad_icvs: u64) -> Counts {
    let file = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
    let mut counts = lines(&file("xfrm_stat"));
    counts.extend(lines(&file("snmp6")));
    counts.extend(tables(&file("snmp")));
    counts.extend(tables(&file("netstat")));
    counts.extend(labelled(devices));
    // One count for two faults.
    if let Some(refused) = counts.get_mut("XfrmInStateProtoError") {
        *refused = refused.saturating_sub(bad_icvs);
    }
    counts.insert("Sa:bad-icv".to_owned(), bad_icvs);
    counts.insert("Vrf:unsent".to_owned(), unsent(devices, ground));
    counts
}

/// What VRF devices did not get rid of.
fn unsent(devices: &[Message], ground: &Ground) -> u64 {
    let vrfs = ground.links.values().filter(|link| matches!(link.kind, Kind::Vrf(_))).map(|link| link.index);
    let vrfs: BTreeSet<u32> = vrfs.collect();
    let ours = devices.iter().filter_map(parse).filter(|message| vrfs.contains(&message.header.ifindex));
    ours.filter_map(|message| Some(link(&message)?.drops_out)).sum()
}

/// A name and a number on each line.
fn lines(text: &str) -> Counts {
    let pair = |line: &str| {
        let (name, count) = line.split_once(char::is_whitespace)?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// A line of names above one of numbers, both behind the table's name.
fn tables(text: &str) -> Counts {
    let mut counts = Counts::new();
    let lines: Vec<&str> = text.lines().collect();
    for (names, numbers) in lines.chunks_exact(2).filter_map(|pair| Some((pair.first()?, pair.last()?))) {
        let mut names = names.split_whitespace();
        let table = names.next().unwrap_or_default();
        for (name, number) in names.zip(numbers.split_whitespace().skip(1)) {
            counts.extend(number.parse().ok().map(|number| (format!("{table}{name}"), number)));
        }
    }
    counts
}

/// MPLS counts by device; what matters is the sum.
fn labelled(devices: &[Message]) -> Counts {
    let mut sum = Counts::new();
    for message in devices.iter().filter_map(parse) {
        for stats in message.attributes.iter().filter_map(mpls) {
            for (name, count) in [
                ("Mpls:noroute", stats.rx_noroute),
                ("Mpls:dropped", stats.rx_dropped),
                ("Mpls:errors", stats.rx_errors),
                ("Mpls:unsent", stats.tx_errors.saturating_add(stats.tx_dropped)),
            ] {
                let total = sum.entry(name.to_owned()).or_default();
                *total = total.saturating_add(count);
            }
        }
    }
    sum
}

fn mpls(attribute: &StatsAttribute) -> Option<&MplsLinkStats> {
    let StatsAttribute::AfSpec(families) = attribute else { return None };
    families.0.iter().find_map(|family| match family {
        AfSpecStat::Mpls(stats) => Some(stats),
        _ => None,
    })
}

struct Row {
    name: &'static str,
    meaning: &'static str,
    /// What the kernel calls it; all are added up.
    sources: &'static [&'static str],
}

macro_rules! rows {
    ($($name:literal [$($source:literal),+] $meaning:literal)*) => {
        /// In the order of `show drops`; what one kernel does not count stays zero.
        const ROWS: [Row; [$($name),*].len()] =
            [$(Row { name: $name, meaning: $meaning, sources: &[$($source),+] }),*];
    };
}

rows! {
    "bad-header" ["Ip:InHdrErrors", "Ip6InHdrErrors"] "The packet's IP header is damaged, or its TTL or hop limit ran out here."
    "truncated" ["IpExt:InTruncatedPkts", "Ip6InTruncatedPkts"] "The packet is shorter than its headers say."
    "bad-address" ["Ip:InAddrErrors", "Ip6InAddrErrors"] "No packet may have this source or this destination, or not by the interface it came by."
    "reverse-path" ["TcpExt:IPReversePathFilter"] "The way back to the source leads elsewhere: somebody switched the kernel's rp_filter on."
    "no-route" ["IpExt:InNoRoutes", "Ip6InNoRoutes", "Ip:OutNoRoutes", "Ip6OutNoRoutes"] "The packet's VRF has no route to its destination."
    "too-big" ["Ip:FragFails", "Ip6FragFails", "Ip6InTooBigErrors"] "The packet does not fit the path and may not be fragmented; its sender was told."
    "no-protocol" ["Ip:InUnknownProtos", "Ip6InUnknownProtos"] "The packet is for this box, and of a protocol that nobody here speaks."
    "discarded-in" ["Ip:InDiscards", "Ip6InDiscards"] "The kernel had no memory for a packet, or a firewall or a policy of the host refused it."
    "discarded-out" ["Ip:OutDiscards", "Ip6OutDiscards"] "A packet on its way out found no neighbour or no memory, or a firewall refused it."
    "fragments-lost" ["Ip:ReasmFails", "Ip6ReasmFails"] "Fragments of a packet for this box overlap, are missing after their time, or were too many."
    "mpls-disabled" ["Mpls:dropped"] "A labelled packet came in by a port without `mpls ip`."
    "no-label" ["Mpls:noroute"] "The top label is not one of ours: look at the label bindings of the sender."
    "label-error" ["Mpls:errors"] "A label's TTL ran out here, or what is beneath the labels is no IP packet."
    "label-unsent" ["Mpls:unsent"] "A labelled packet does not fit the port it should leave by, or that port is down."
    "vrf-unsent" ["Vrf:unsent"] "A packet from under a label, or led over from another VRF, found no route, or did not get out for a reason told elsewhere."
    "no-sa" ["XfrmInNoStates"] "ESP arrived with an SPI that no SA holds for this front VRF and address."
    "esp-malformed" ["XfrmInHdrError", "XfrmInStateProtoError"] "The ESP packet is too short for its SA's algorithms, is no whole number of blocks, or its padding is wrong."
    "bad-icv" ["Sa:bad-icv"] "The ESP packet's integrity check failed: wrong key, or changed on its way."
    "replayed" ["XfrmInStateSeqError"] "The sequence number was received before, or lies before the replay window."
    "inner-malformed" ["XfrmInStateModeError"] "What the SA carried is not the IP packet that its next header says."
    "sa-mismatch" ["XfrmInStateMismatch"] "The decrypted packet is not one that the SA was negotiated for, or it came in UDP for a bare SA, or bare for one in UDP."
    "sa-ended" ["XfrmInStateExpired", "XfrmOutStateExpired"] "The SA is at its last byte or second; IKE was told to replace it."
    "sa-going" ["XfrmInStateInvalid", "XfrmOutStateInvalid"] "The SA is being removed or is not complete yet."
    "sa-direction" ["XfrmInStateDirError", "XfrmOutStateDirError"] "An SA for one direction was met in the other."
    "open-failed" ["XfrmInError", "XfrmInBufferError", "XfrmInIptfsError"] "The kernel could not open an ESP packet for want of memory, or the driver reports an error."
    "clear-but-protected" ["XfrmInTmplMismatch"] "A packet came in that a policy wants protected otherwise, or at all."
    "no-tunnel" ["XfrmInNoPols"] "A packet was decrypted whose tunnel has no policy any more."
    "blocked-in" ["XfrmInPolBlock", "XfrmInPolError"] "A policy refuses what came in."
    "outside-policy" ["XfrmOutPolBlock"] "No entry of the crypto map or tunnel permits the packet: it may not leave in clear."
    "no-sa-yet" ["XfrmOutNoStates"] "An entry protects the packet, but its SA is not up yet: IKE was asked for it."
    "not-asked" ["XfrmAcquireError"] "An SA was wanted, and IKE could not be asked for it."
    "exhausted" ["XfrmOutStateSeqError"] "The SA is at its last sequence number; IKE was told to replace it."
    "no-outer-route" ["XfrmOutBundleGenError", "XfrmOutBundleCheckError"] "The front VRF has no route to the peer, or the route changed under the packet."
    "policy-going" ["XfrmOutPolDead", "XfrmOutPolError"] "The packet's policy is being removed, or could not be evaluated."
    "seal-failed" ["XfrmOutError", "XfrmOutStateProtoError", "XfrmOutStateModeError", "XfrmOutNoQueueSpace"] "The kernel could not seal a packet: its SA's algorithm failed, or memory is short."
    "malformed" ["XfrmFwdHdrError"] "The packet is shorter than its headers say, or they contradict each other: policies cannot judge it."
}

#[cfg(test)]
mod tests {
    use super::*;

    const XFRM: &str = "XfrmInError             \t0\nXfrmInNoStates          \t7\n";
    const SNMP: &str = "Ip: Forwarding InHdrErrors FragFails\nIp: 2 3 4\nIcmp: InMsgs\nIcmp: 9\n";

    #[test]
    fn the_kernels_tables_are_read_by_name() {
        let counts = lines(XFRM);
        assert_eq!(counts.get("XfrmInNoStates"), Some(&7));
        let counts = tables(SNMP);
        assert_eq!((counts.get("Ip:FragFails"), counts.get("Icmp:InMsgs")), (Some(&4), Some(&9)));
        assert!(tables("Ip: Forwarding\n").is_empty(), "a table that is cut off says nothing");
    }

    #[test]
    fn every_row_has_its_own_name_meaning_and_sources() {
        let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        let meanings: BTreeSet<&str> = ROWS.iter().map(|row| row.meaning).collect();
        let sources: BTreeSet<&&str> = ROWS.iter().flat_map(|row| row.sources).collect();
        let all = ROWS.iter().map(|row| row.sources.len()).sum();
        assert_eq!((names.len(), meanings.len(), sources.len()), (ROWS.len(), ROWS.len(), all));
        assert!(meanings.iter().all(|meaning| meaning.ends_with('.')));
    }

    #[test]
    fn what_was_dropped_before_the_start_is_not_ours() {
        let drops = Drops(counted(&lines(XFRM)));
        let row = |text: &str| {
            let now = counted(&lines(text));
            let at = ROWS.iter().position(|row| row.name == "no-sa").unwrap();
            now[at].checked_sub(drops.0[at])
        };
        assert_eq!(row("XfrmInNoStates 9\n"), Some(2));
    }

    #[test]
    fn each_line_of_this_kernels_xfrm_stat_has_a_row() {
        let counts = lines(&fs::read_to_string("/proc/net/xfrm_stat").unwrap_or_default());
        let sources: BTreeSet<&str> = ROWS.iter().flat_map(|row| row.sources).copied().collect();
        let unknown: Vec<&String> = counts.keys().filter(|name| !sources.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
