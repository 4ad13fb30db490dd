//! What stands on the wire: our UPDATEs byte by byte, and what protects the sessions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::super::capture::decode;
use super::super::report::Report;
use super::super::{Lab, gobgp};
use super::speakers::{EXABGP, GOBGP, Labelled, OWN, PEERS, Peer};

/// Route target 65000:100 in an attribute of its own, RFC 4360.
const TARGET: &str = "c010080002fde800000064";

/// Judges the recording of what was said between us and a peer.
pub(super) fn judge(lab: &Lab, peer: &Peer, file: &Path, report: &mut Report) {
    let name = peer.node;
    report.check(&format!("{name}: tshark finds no fault in what we say"), || no_fault(peer, file));
    report.check(&format!("{name}: our routes and all others', byte by byte"), || exact(lab, peer, file));
    report.check(&format!("{name}: reflected routes name their originator and our cluster"), || {
        let [originator, cluster] =
            ["bgp.update.path_attribute.originator_id", "bgp.path_attribute.cluster_id"];
        let reflected =
            decode(file, &[], &format!("{} && {originator}", from_us(peer)), &[originator, cluster])?;
        ensure!(!reflected.is_empty(), "no reflected route");
        let strange = reflected.iter().find(|row| row[1].split(',').any(|cluster| cluster != "10.255.0.1"));
        ensure!(strange.is_none(), "{strange:?}");
        Ok(format!("{} messages", reflected.len()))
    });
    if name != EXABGP.node {
        report.check(&format!("{name}: every segment is signed, and ours have TTL 255"), || {
            guarded(peer, file)
        });
    }
}

fn from_us(peer: &Peer) -> String {
    let number = peer.number;
    format!("(ip.src == 192.0.{number}.1 || ipv6.src == 2001:db8:{number}::1) && tcp.port == 179")
}

fn no_fault(peer: &Peer, file: &Path) -> Result<String> {
    let said = from_us(peer);
    let updates = decode(file, &[], &format!("{said} && bgp.type == 2"), &["frame.number"])?;
    let faults = format!("{said} && (_ws.malformed || _ws.expert.severity >= 0x800000)");
    let faults = decode(file, &[], &faults, &["frame.number", "_ws.expert.message"])?;
    ensure!(faults.is_empty(), "{faults:?}");
    ensure!(!updates.is_empty(), "no UPDATE at all");
    Ok(format!("{} segments with UPDATEs", updates.len()))
}

/// Address family, next hop, label, route distinguisher and prefix of each route, as RFC 4364, RFC 4659 and RFC 8277 want
/// them; and its target.
fn exact(lab: &Lab, peer: &Peer, file: &Path) -> Result<String> {
    let said = said(file, &from_us(peer))?;
    let wanted = wanted(lab, peer)?;
    for (prefix, bytes) in &wanted {
        let at = said.find(bytes).with_context(|| format!("{prefix}: nowhere {bytes}"))?;
        // The message that it stands in ends where the next one's marker begins.
        let rest = said.get(at..).unwrap_or_default();
        let message = rest.split(&"f".repeat(32)).next().unwrap_or_default();
        let before = said.get(..at).and_then(|before| before.rsplit(&"f".repeat(32)).next());
        ensure!(
            message.contains(TARGET) || before.is_some_and(|before| before.contains(TARGET)),
            "{prefix}: no target"
        );
    }
    Ok(format!("{} routes", wanted.len()))
}

/// All bytes of the segments that a filter lets pass, in hexadecimal.
pub(super) fn said(file: &Path, filter: &str) -> Result<String> {
    let segments = decode(file, &[], &format!("{filter} && tcp.len > 0"), &["tcp.payload"])?;
    Ok(segments.into_iter().flatten().collect())
}

/// The MP_REACH_NLRI, from its address family on, of every route that a peer is to hear.
fn wanted(lab: &Lab, peer: &Peer) -> Result<Vec<(&'static str, String)>> {
    let mut wanted = Vec::new();
    for other in PEERS.iter().filter(|other| other.node != peer.node) {
        let of = |(prefix, label): Labelled, next_hop| {
            reach(prefix, label, other.number, next_hop).map(|bytes| (prefix, bytes))
        };
        wanted.push(of(other.ipv4, other.next_hop)?);
        wanted.push(of(other.ipv6, other.next_hop6)?);
    }
    let session = peer.number;
    let mapped = format!("::ffff:192.0.{session}.1");
    let six = if peer.node == "bird" { format!("2001:db8:{session}::1") } else { mapped };
    let next_hops = [format!("192.0.{session}.1"), six];
    for ((prefix, family), next_hop) in OWN.iter().zip(["vpnv4", "vpnv6"]).zip(&next_hops) {
        let routes = gobgp::routes(lab.node(GOBGP.node)?, family)?;
        let own = routes.get(&format!("65000:1:{prefix}")).context("GoBGP has not ours")?;
        wanted.push((prefix, reach(prefix, own.label, 1, next_hop)?));
    }
    Ok(wanted)
}

/// One route in hexadecimal: family, next hop with a zero distinguisher before it, no SNPA; then the length in bits, the
/// label at the bottom of the stack, distinguisher 65000:N, prefix.
pub(super) fn reach(prefix: &str, label: u32, number: u32, next_hop: &str) -> Result<String> {
    let (address, length) = prefix.split_once('/').context("no length")?;
    let length: usize = length.parse()?;
    let octets = |address: &str| -> Result<Vec<u8>> {
        Ok(match address.parse()? {
            IpAddr::V4(four) => Ipv4Addr::octets(&four).to_vec(),
            IpAddr::V6(six) => Ipv6Addr::octets(&six).to_vec(),
        })
    };
    let (address, next_hop) = (octets(address)?, octets(next_hop)?);
    let family = if address.len() == 4 { "000180" } else { "000280" };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let head = format!("{family}{:02x}{}{}00", 8 + next_hop.len(), hex(&[0; 8]), hex(&next_hop));
    let route = format!("{:02x}{:06x}0000fde8{number:08x}", 24 + 64 + length, label << 4 | 1);
    Ok(head + &route + &hex(&address[..length.div_ceil(8)]))
}

/// RFC 2385 and RFC 5082.
fn guarded(peer: &Peer, file: &Path) -> Result<String> {
    let count = |filter: &str| Ok::<_, anyhow::Error>(decode(file, &[], filter, &["frame.number"])?.len());
    let signed = count("tcp.port == 179 && tcp.len > 0 && tcp.options.md5.digest")?;
    let bare = count("tcp.port == 179 && tcp.len > 0 && !tcp.options.md5.digest")?;
    let near = format!("{} && (ip.ttl < 255 || ipv6.hlim < 255) && tcp.len > 0", from_us(peer));
    let low = count(&near)?;
    ensure!(signed > 0 && bare == 0 && low == 0, "{signed} signed, {bare} not, {low} with a low TTL");
    Ok(format!("{signed} segments"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_written_as_rfc_4364_wants_it() {
        let bytes = "0001800c0000000000000000c000020200".to_owned() + "70007d21" + "0000fde8000000020a0b00";
        assert_eq!(reach("10.11.0.0/24", 2002, 2, "192.0.2.2").unwrap(), bytes);
    }
}
