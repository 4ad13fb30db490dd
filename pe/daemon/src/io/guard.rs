//! What the kernel may see of the packets on our ports: neighbour discovery, IKE and ICMP for local
//! addresses. Everything else is the dataplane's alone, so that the kernel neither forwards in clear
//! nor answers ESP with "protocol unreachable". The rules outlive the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::process::{Command, Stdio};

use base::{Family, PortId, VrfId};
use pe::{HostFlow, HostPort, Transport};
use tokio::task::spawn_blocking;

use super::reconcile::Present;
use crate::host::mark;
use crate::validate;

/// Before every other ingress hook.
const PRIORITY: i32 = -500;

/// The chains that the kernel has of us. `None`: unknown, all of them are replaced.
#[derive(Default)]
pub(crate) struct Guard(Option<Chains>);

type Chains = BTreeMap<PortId, Chain>;

/// What a port's packets meet first.
#[derive(Debug, PartialEq, Eq)]
struct Chain {
    /// The device by its number: one that was made anew has none of our chains.
    index: u32,
    head: String,
    rules: String,
}

impl Guard {
    /// Says what differs, in one transaction: at no time is a port without the old chain or the new one.
    pub(crate) async fn set(&mut self, ports: &[Present<'_>], flows: &[HostFlow]) -> Result<(), String> {
        let wanted = chains(ports, flows);
        if let Some(held) = &self.0
            && !stand(&list().await?, held, &wanted)
        {
            // Somebody took it away.
            self.0 = None;
        }
        if self.0.as_ref() == Some(&wanted) {
            return Ok(());
        }
        let mut done = say(script(self.0.as_ref(), &wanted)).await;
        if done.is_err() && self.0.take().is_some() {
            // Something took of it away meanwhile.
            done = say(script(None, &wanted)).await;
        }
        self.0 = done.is_ok().then_some(wanted);
        done
    }
}

/// The chains of all tables of our kind, without their rules.
async fn list() -> Result<String, String> {
    let list = || {
        let listed = nft(&["list", "chains", "netdev"]).stdout(Stdio::piped()).output();
        listed.map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned())
    };
    spawn_blocking(list).await.map_err(io::Error::from).flatten().map_err(|error| format!("nft: {error}"))
}

/// Whether all chains are there that are to be as they were.
fn stand(listed: &str, held: &Chains, wanted: &Chains) -> bool {
    let ours = listed.split("table netdev ").find_map(|table| table.strip_prefix("onramp {"));
    let listed: BTreeSet<(&str, &str)> = ours.into_iter().flat_map(heads).collect();
    let stays = |port: &PortId, chain: &Chain| {
        wanted.get(port).is_some_and(|new| (new.index, &new.head) == (chain.index, &chain.head))
    };
    let mut standing = held.iter().filter(|(port, chain)| stays(port, chain));
    standing.all(|(port, chain)| listed.contains(&(&*format!("port{}", port.0), chain.head.trim())))
}

/// Names of chains with their first lines.
fn heads(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let chains = table.split("chain ").skip(1);
    chains.filter_map(|chain| {
        let (name, body) = chain.split_once(" {")?;
        Some((name, body.trim_start().lines().next()?.trim()))
    })
}

async fn say(script: String) -> Result<(), String> {
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

/// From what the kernel has to what is wanted. What there is is named first, so that it can be taken away and made anew in one
/// transaction, also if it has gone with its device.
fn script(before: Option<&Chains>, wanted: &Chains) -> String {
    let mut script = "table netdev onramp\n".to_owned();
    if before.is_none() {
        script.push_str("delete table netdev onramp\n");
    }
    for (port, old) in before.into_iter().flatten() {
        let new = wanted.get(port);
        if new == Some(old) {
            continue;
        }
        let name = format!("chain netdev onramp port{}", port.0);
        // Writing to a String cannot fail.
        let _ = writeln!(script, "add {name}\nflush {name}");
        if new.is_none_or(|new| (new.index, &new.head) != (old.index, &old.head)) {
            let _ = writeln!(script, "delete {name}");
        }
    }
    script.push_str("table netdev onramp {\n");
    let is_new = |port, chain| before.and_then(|before| before.get(port)) != Some(chain);
    for (port, chain) in wanted.iter().filter(|(port, chain)| is_new(*port, *chain)) {
        let _ = writeln!(script, "chain port{} {{\n{}{}}}", port.0, chain.head, chain.rules);
    }
    script + "}\n"
}

/// What the chains of a VRF have in common.
#[derive(Default)]
struct Table<'a> {
    ports: Vec<&'a HostPort>,
    flows: Vec<&'a HostFlow>,
}

fn chains(ports: &[Present<'_>], flows: &[HostFlow]) -> Chains {
    let mut tables: BTreeMap<VrfId, Table<'_>> = BTreeMap::new();
    for (port, _) in ports {
        tables.entry(port.vrf).or_default().ports.push(port);
    }
    for flow in flows {
        tables.entry(flow.vrf).or_default().flows.push(flow);
    }
    let of = |(port, link): &Present<'_>| Some((port.port, chain(port, link.index, tables.get(&port.vrf)?)));
    ports.iter().filter_map(of).collect()
}

fn chain(port: &HostPort, index: u32, table: &Table<'_>) -> Chain {
    let policy = if port.host { "accept" } else { "drop" };
    let head = format!(
        " type filter hook ingress device \"{}\" priority {PRIORITY}; policy {policy};\n",
        port.device
    );
    let mut rules = format!(" meta mark set {}\n", mark(port.vrf));
    if !port.host {
        rules.push_str(" meta protocol arp accept\n");
        rules.push_str(" icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n");
        for address in &port.addresses {
            local(&mut rules, port.ike, address.address);
        }
        port.ends.iter().for_each(|end| local(&mut rules, true, *end));
        // Loopbacks, too, are reached by the wires.
        let inner = table.ports.iter().filter(|other| other.host);
        inner.flat_map(|door| &door.addresses).for_each(|on| local(&mut rules, false, on.address));
        table.flows.iter().for_each(|flow| routing(&mut rules, flow, &table.ports));
    }
    Chain { index, head, rules }
}

/// A routing protocol's packets for addresses of ours in its VRF, and for the group of all routers.
fn routing(chain: &mut String, flow: &HostFlow, ports: &[&HostPort]) {
    let own = ports.iter().flat_map(|port| &port.addresses);
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
    use crate::io::netlink::Link;

    /// The device of a port has the port's number.
    fn chains_of(ports: &[&HostPort], flows: &[HostFlow]) -> Chains {
        let link = |port: &&HostPort| Link {
            index: port.port.0,
            name: port.device.clone(),
            mtu: 1500,
            enabled: true,
            running: true,
            mac: None,
        };
        let links: Vec<Link> = ports.iter().map(link).collect();
        let ports: Vec<Present<'_>> = ports.iter().copied().zip(&links).collect();
        chains(&ports, flows)
    }

    fn whole(ports: &[&HostPort], flows: &[HostFlow]) -> String {
        script(None, &chains_of(ports, flows))
    }

    #[test]
    fn a_wire_lets_control_traffic_of_its_own_addresses_in_and_nothing_else() {
        let wan = port(3, "wan0", 2, "192.0.2.1");
        let script = whole(&[&wan], &[]);
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
        let script = whole(&[&core], &[]);
        assert!(!script.contains("udp dport 500") && !script.contains("udp dport 4500"));
    }

    #[test]
    fn routing_protocols_reach_the_addresses_of_their_vrf_from_their_neighbours() {
        let (wan, other) = (port(3, "wan0", 2, "192.0.2.1"), port(4, "wan1", 3, "198.51.100.1"));
        let remote = Some("192.0.2.2".parse().unwrap());
        let bgp = HostFlow { vrf: wan.vrf, remote, protocol: Transport::Tcp, port: 179 };
        let ldp = HostFlow { remote: None, protocol: Transport::Udp, port: 646, ..bgp };
        let script = whole(&[&wan, &other], &[bgp, ldp]);
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
        let script = whole(&[&shut], &[]);
        assert!(script.contains("device \"wan0\" priority -500; policy drop;"));
        assert!(!script.contains("daddr"));
    }

    #[test]
    fn a_tun_is_marked_and_passes_what_the_dataplane_sends_up() {
        let tun = port(9, "tun-red", 5, "");
        assert!(whole(&[&tun], &[]).contains("policy accept;\n meta mark set 1000005\n}"));
    }

    #[test]
    fn a_port_more_leaves_the_chains_of_the_others_alone() {
        let (wan, red, blue) =
            (port(3, "wan0", 0, "192.0.2.1"), port(4, "tun-red", 2, ""), port(5, "tun-blue", 3, ""));
        let (before, after) = (chains_of(&[&wan, &red], &[]), chains_of(&[&wan, &red, &blue], &[]));
        let more = script(Some(&before), &after);
        assert!(
            more.contains("chain port5 {") && !more.contains("port3") && !more.contains("port4"),
            "{more}"
        );
        assert!(!more.contains("delete"));
        let less = script(Some(&after), &before);
        assert!(
            less.contains("flush chain netdev onramp port5\ndelete chain netdev onramp port5\n"),
            "{less}"
        );
        assert!(less.ends_with("table netdev onramp {\n}\n"));
    }

    #[test]
    fn a_chain_whose_rules_change_keeps_its_hook_and_its_policy() {
        let (wan, mut more) = (port(3, "wan0", 0, "192.0.2.1"), port(3, "wan0", 0, "192.0.2.1"));
        more.addresses.extend(port(3, "wan0", 0, "198.51.100.1").addresses);
        let changed = script(Some(&chains_of(&[&wan], &[])), &chains_of(&[&more], &[]));
        assert!(
            changed.contains("flush chain netdev onramp port3\n") && !changed.contains("delete"),
            "{changed}"
        );
        assert!(
            changed.contains("policy drop;\n") && changed.contains(" ip daddr 198.51.100.1 udp dport 500")
        );
    }

    #[test]
    fn a_chain_that_somebody_took_away_or_opened_is_missed() {
        let (wan, red) = (port(3, "wan0", 0, "192.0.2.1"), port(4, "tun-red", 2, ""));
        let held = chains_of(&[&wan, &red], &[]);
        let chain = |number, device, policy| {
            format!(
                "\tchain port{number} {{\n\t\ttype filter hook ingress device \"{device}\" priority -500; policy {policy};\n\t}}\n"
            )
        };
        let listed = |wan: &str| {
            let red = chain(4, "tun-red", "accept");
            format!("table netdev other {{\n}}\ntable netdev onramp {{\n{wan}{red}}}\n")
        };
        assert!(stand(&listed(&chain(3, "wan0", "drop")), &held, &held));
        assert!(!stand(&listed(&chain(3, "wan0", "accept")), &held, &held));
        assert!(!stand(&listed(""), &held, &held) && !stand("", &held, &held));
        assert!(stand(&listed(""), &held, &chains_of(&[&red], &[])), "its device went, and so did the port");
    }

    #[test]
    fn a_chain_of_another_device_is_made_anew_in_the_same_transaction() {
        let (wan, moved) = (port(3, "wan0", 0, "192.0.2.1"), port(3, "wan1", 0, "192.0.2.1"));
        let script = script(Some(&chains_of(&[&wan], &[])), &chains_of(&[&moved], &[]));
        let (gone, made) = script.split_once("delete chain netdev onramp port3\n").unwrap();
        assert!(gone.contains("flush") && made.contains("device \"wan1\" priority -500; policy drop;"));
    }
}
