//! What the kernel may see of the packets on our ports: neighbour discovery, IKE and ICMP for local
//! addresses. Everything else is the dataplane's alone, so that the kernel neither forwards in clear
//! nor answers ESP with "protocol unreachable". The rules outlive the daemon.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use base::Family;
use pe::{HostFlow, HostPort, Transport};
use tokio::task::spawn_blocking;

use crate::host::mark;
use crate::validate;

/// Before every other ingress hook.
const PRIORITY: i32 = -500;

/// Replaces our table as a whole. `ports` must exist in the kernel.
pub(crate) async fn install(ports: &[&HostPort], flows: &[HostFlow]) -> Result<(), String> {
    let script = script(ports, flows);
    spawn_blocking(move || run(&script)).await.map_err(|error| format!("nft: {error}"))?
}

/// Takes away what an earlier run left: where the kernel forwards, nothing may stand in its way. Without nft
/// there is nothing of ours.
pub(crate) async fn lift() -> Result<(), String> {
    let lift = || {
        let there = nft(&["list", "table", "netdev", "onramp"]).stderr(Stdio::null()).status();
        if there.is_ok_and(|status| status.success()) { run("delete table netdev onramp\n") } else { Ok(()) }
    };
    spawn_blocking(lift).await.map_err(|error| format!("nft: {error}"))?
}

fn nft(arguments: &[&str]) -> Command {
    let mut nft = Command::new("nft");
    nft.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    nft
}

fn run(script: &str) -> Result<(), String> {
    let mut nft = nft(&["-f", "-"])
        .spawn()
        .map_err(|error| format!("the program nft cannot be run ({error}): install nftables"))?;
    if let Some(mut input) = nft.stdin.take() {
        // If nft is gone already its exit status says why.
        let _ = input.write_all(script.as_bytes());
    }
    let done = nft.wait_with_output().map_err(|error| format!("nft: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("nft refused the guard rules: {}", String::from_utf8_lossy(&done.stderr).trim()))
}

/// The table is made if it is not there, so that it can be deleted and made anew in one transaction.
fn script(ports: &[&HostPort], flows: &[HostFlow]) -> String {
    let chains: String = ports.iter().map(|port| chain(port, ports, flows)).collect();
    format!("table netdev onramp\ndelete table netdev onramp\ntable netdev onramp {{\n{chains}}}\n")
}

fn chain(port: &HostPort, ports: &[&HostPort], flows: &[HostFlow]) -> String {
    let policy = if port.host { "accept" } else { "drop" };
    let mut chain = format!(
        "chain port{} {{\n type filter hook ingress device \"{}\" priority {PRIORITY}; policy {policy};\n \
         meta mark set {}\n",
        port.port.0,
        port.device,
        mark(port.vrf),
    );
    if !port.host {
        chain.push_str(" meta protocol arp accept\n");
        chain.push_str(" icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n");
        for address in &port.addresses {
            local(&mut chain, port.ike, address.address);
        }
        port.ends.iter().for_each(|end| local(&mut chain, true, *end));
        // Loopbacks, too, are reached by the wires.
        let inner = ports.iter().filter(|other| other.host && other.vrf == port.vrf);
        inner.flat_map(|door| &door.addresses).for_each(|on| local(&mut chain, false, on.address));
        flows.iter().filter(|flow| flow.vrf == port.vrf).for_each(|flow| routing(&mut chain, flow, ports));
    }
    chain.push_str("}\n");
    chain
}

/// A routing protocol's packets for addresses of ours in its VRF, and for the group of all routers.
fn routing(chain: &mut String, flow: &HostFlow, ports: &[&HostPort]) {
    let own = ports.iter().filter(|port| port.vrf == flow.vrf).flat_map(|port| &port.addresses);
    for family in Family::BOTH {
        let own = own.clone().map(|on| on.address).filter(|address| Family::of(*address) == family);
        let mut own: Vec<String> = own.map(|address| address.to_string()).collect();
        let (ip, routers) = match family {
            Family::V4 => ("ip", "224.0.0.2"),
            Family::V6 => ("ip6", "ff02::2"),
        };
        let from = match flow.remote {
            Some(remote) if Family::of(remote) != family => continue,
            Some(remote) => format!("{ip} saddr {remote} "),
            None => {
                own.push(routers.to_owned());
                String::new()
            }
        };
        if own.is_empty() {
            continue;
        }
        let (own, port) = (own.join(", "), flow.port);
        let ways: &[&str] = match flow.protocol {
            Transport::Tcp => &["tcp dport", "tcp sport"],
            Transport::Udp => &["udp dport"],
        };
        for way in ways {
            // Writing to a String cannot fail.
            let _ = writeln!(chain, " {from}{ip} daddr {{ {own} }} {way} {port} accept");
        }
    }
}

fn local(chain: &mut String, ike: bool, address: IpAddr) {
    let (ip, later_fragment, icmp) = match address {
        IpAddr::V4(_) => (
            "ip",
            "ip protocol udp ip frag-off & 0x1fff != 0",
            "icmp type { echo-request, echo-reply, destination-unreachable, time-exceeded, parameter-problem }",
        ),
        IpAddr::V6(_) => (
            "ip6",
            "frag frag-off != 0 frag nexthdr udp",
            "icmpv6 type { echo-request, echo-reply, destination-unreachable, packet-too-big, time-exceeded, \
             parameter-problem }",
        ),
    };
    // Answers on connections of ours to CRL and OCSP servers; nothing that opens one.
    let fetched = format!(
        "tcp dport {}-{} tcp flags & (syn | ack) != syn",
        validate::PORTS.start(),
        validate::PORTS.end()
    );
    // Answers of the name servers that we asked.
    let named = format!("udp sport 53 udp dport {}-{}", validate::PORTS.start(), validate::PORTS.end());
    let mut accepted = vec![icmp, &fetched, &named];
    if ike {
        // A fragment after the first has no UDP header; alone it reaches no socket.
        accepted.extend(["udp dport 500", "udp dport 4500 @th,64,32 0x0", later_fragment]);
    }
    for what in accepted {
        // Writing to a String cannot fail.
        let _ = writeln!(chain, " {ip} daddr {address} {what} accept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::port;

    #[test]
    fn a_wire_lets_control_traffic_of_its_own_addresses_in_and_nothing_else() {
        let wan = port(3, "wan0", 2, "192.0.2.1");
        let script = script(&[&wan], &[]);
        assert!(script.starts_with("table netdev onramp\ndelete table netdev onramp\n"));
        assert!(script.contains("hook ingress device \"wan0\" priority -500; policy drop;"));
        assert!(script.contains("meta mark set 1000002"));
        assert!(script.contains(" ip daddr 192.0.2.1 udp dport 500 accept"));
        assert!(script.contains(" ip daddr 192.0.2.1 udp dport 4500 @th,64,32 0x0 accept"));
        assert!(
            script
                .contains(" ip daddr 192.0.2.1 tcp dport 61000-61127 tcp flags & (syn | ack) != syn accept")
        );
        let unaddressed = script.lines().filter(|line| line.ends_with("accept") && !line.contains("daddr"));
        assert_eq!(unaddressed.count(), 2, "ARP and neighbour discovery alone need no address of ours");
    }

    #[test]
    fn a_port_without_ike_accepts_no_udp() {
        let mut core = port(4, "core0", 0, "2001:db8::1");
        core.ike = false;
        let script = script(&[&core], &[]);
        assert!(!script.contains("udp dport 500") && !script.contains("udp dport 4500"));
    }

    #[test]
    fn routing_protocols_reach_the_addresses_of_their_vrf_from_their_neighbours() {
        let (wan, other) = (port(3, "wan0", 2, "192.0.2.1"), port(4, "wan1", 3, "198.51.100.1"));
        let remote = Some("192.0.2.2".parse().unwrap());
        let bgp = HostFlow { vrf: wan.vrf, remote, protocol: Transport::Tcp, port: 179 };
        let ldp = HostFlow { remote: None, protocol: Transport::Udp, port: 646, ..bgp };
        let script = script(&[&wan, &other], &[bgp, ldp]);
        for way in ["dport", "sport"] {
            let line = format!(" ip saddr 192.0.2.2 ip daddr {{ 192.0.2.1 }} tcp {way} 179 accept\n");
            assert_eq!(script.matches(&line).count(), 1, "on its own VRF's wire alone");
        }
        assert_eq!(script.matches(" ip daddr { 192.0.2.1, 224.0.0.2 } udp dport 646 accept\n").count(), 1);
    }

    #[test]
    fn a_shut_wire_stays_guarded() {
        let mut shut = port(5, "wan0", 0, "192.0.2.1");
        (shut.shutdown, shut.ike, shut.addresses) = (true, false, Vec::new());
        let script = script(&[&shut], &[]);
        assert!(script.contains("device \"wan0\" priority -500; policy drop;"));
        assert!(!script.contains("daddr"));
    }

    #[test]
    fn a_tun_is_marked_and_passes_what_the_dataplane_sends_up() {
        let tun = port(9, "tun-red", 5, "");
        assert!(script(&[&tun], &[]).contains("policy accept;\n meta mark set 1000005\n}"));
    }
}
