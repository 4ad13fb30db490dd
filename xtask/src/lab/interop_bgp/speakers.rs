//! The speakers around ours: what each announces, and what each says that it holds.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use api::{BgpPath, Response};
use serde_json::Value;

use super::super::node::Node;
use super::super::{Lab, frr, gobgp, ours, until};

/// A prefix and its label.
pub(super) type Labelled = (&'static str, u32);

/// A speaker and what it announces.
pub(super) struct Peer {
    pub(super) node: &'static str,
    /// Of its network 192.0.N.0/24 and 2001:db8:N::/64, where we are 1, and of its route distinguisher 65000:N.
    pub(super) number: u32,
    pub(super) ipv4: Labelled,
    pub(super) next_hop: &'static str,
    pub(super) ipv6: Labelled,
    pub(super) next_hop6: &'static str,
}

pub(super) const FRR: Peer = Peer {
    node: "frr",
    number: 2,
    ipv4: ("10.11.0.0/24", 2002),
    next_hop: "192.0.2.2",
    ipv6: ("fd11::/64", 2006),
    next_hop6: "2001:db8:2::2",
};
pub(super) const GOBGP: Peer = Peer {
    node: "gobgp",
    number: 3,
    ipv4: ("10.33.0.0/24", 3003),
    next_hop: "192.0.3.2",
    ipv6: ("fd33::/64", 3006),
    next_hop6: "2001:db8:3::2",
};
pub(super) const BIRD: Peer = Peer {
    node: "bird",
    number: 4,
    ipv4: ("10.44.0.0/24", 4004),
    next_hop: "192.0.4.3",
    ipv6: ("fd44::/64", 4006),
    next_hop6: "2001:db8:4::3",
};
pub(super) const EXABGP: Peer = Peer {
    node: "exabgp",
    number: 5,
    ipv4: ("10.55.0.0/24", 5005),
    next_hop: "192.0.5.2",
    ipv6: ("fd55::/64", 5008),
    next_hop6: "2001:db8:5::2",
};
pub(super) const PEERS: [Peer; 4] = [FRR, GOBGP, BIRD, EXABGP];

/// Ours, of VRF red.
pub(super) const OWN: [&str; 2] = ["10.1.0.1/32", "fd01::1/128"];

/// Of GoBGP, with an IPv4 next hop (RFC 4659 section 3.2.1.1).
pub(super) const MAPPED: Labelled = ("fd35::/64", 3007);

/// Of GoBGP, too, with a next hop that labelled unicast leads to.
pub(super) const CARRIED: Labelled = ("10.36.0.0/24", 3008);

impl Peer {
    /// Its routes are in VRF red of ours, with its labels.
    pub(super) fn is_heard(&self, lab: &Lab) -> Result<bool> {
        Ok(in_red(lab, self.ipv4)? && in_red(lab, self.ipv6)?)
    }

    /// The prefixes that it holds, of both families.
    pub(super) fn holds(&self, lab: &Lab) -> Result<BTreeSet<String>> {
        let node = lab.node(self.node)?;
        match self.node {
            "frr" => held_by_frr(node),
            "gobgp" => held_by_gobgp(node),
            "bird" => held_by_bird(node),
            _ => held_by_exabgp(node),
        }
    }

    /// Starts its daemon anew after `die`.
    pub(super) fn comes_back(&self, lab: &Lab) -> Result<()> {
        let node = lab.node(self.node)?;
        match self.node {
            "frr" => frr_returns(node, &["frr"]),
            "gobgp" => node.start().and_then(|()| gobgp_announces(node)),
            _ => node.start(),
        }
    }

    /// Its daemon ends without a word.
    pub(super) fn dies(&self, lab: &Lab) -> Result<()> {
        let node = lab.node(self.node)?;
        if self.node == "frr" { node.demand("pkill -9 bgpd").map(drop) } else { node.kill() }
    }
}

/// With these files as its configuration.
pub(super) fn frr_returns(node: &Node, files: &[&str]) -> Result<()> {
    let read: String = files.iter().map(|file| format!(" && vtysh -f /mnt/{file}.conf")).collect();
    node.demand(&format!("/usr/lib/frr/bgpd -A 127.0.0.1 -f /dev/null -d{read}")).map(drop)
}

/// GoBGP forgets with its daemon.
pub(super) fn gobgp_announces(node: &Node) -> Result<()> {
    until(20, || Ok(node.run("gobgp global")?.success))?;
    for (family, (prefix, label), next_hop) in [
        ("vpnv4", GOBGP.ipv4, GOBGP.next_hop),
        ("vpnv6", GOBGP.ipv6, GOBGP.next_hop6),
        ("vpnv6", MAPPED, "::ffff:192.0.3.2"),
        ("vpnv4", CARRIED, "10.255.0.6"),
    ] {
        let words = format!("label {label} rd 65000:3 rt 65000:100 nexthop {next_hop}");
        node.demand(&format!("gobgp global rib add -a {family} {prefix} {words}"))?;
    }
    Ok(())
}

/// Whether VRF red of ours uses this route of BGP.
pub(super) fn in_red(lab: &Lab, (prefix, label): Labelled) -> Result<bool> {
    Ok(stack(lab, prefix)?.is_some_and(|stack| stack == [label]))
}

/// The labels with which VRF red of ours uses a route of BGP.
pub(super) fn stack(lab: &Lab, prefix: &str) -> Result<Option<Vec<u32>>> {
    let words = if prefix.contains(':') { "show ipv6 route vrf red" } else { "show ip route vrf red" };
    let Response::Routes(tables) = ours::ask(lab.node("pe1")?, words)? else { bail!("not a table") };
    let mut routes = tables.into_iter().flat_map(|table| table.routes);
    let route = routes.find(|route| route.prefix == prefix && route.code == "B");
    Ok(route.map(|route| route.labels))
}

/// Every path that ours has of a VPN prefix.
pub(super) fn paths(lab: &Lab, rd: &str, prefix: &str) -> Result<Vec<BgpPath>> {
    let family = if prefix.contains(':') { "vpnv6" } else { "vpnv4" };
    let words = format!("show bgp {family} unicast rd {rd}");
    let Response::Bgp(shown) = ours::ask(lab.node("pe1")?, &words)? else { bail!("not a table of BGP") };
    let routes = shown.tables.into_iter().flat_map(|table| table.routes);
    Ok(routes.filter(|route| route.prefix == prefix).flat_map(|route| route.paths).collect())
}

/// Changes the configuration of ours and reads it again.
pub(super) fn reconfigure(lab: &Lab, edit: &str) -> Result<()> {
    lab.node("pe1")?.demand(&format!("{edit} && onramp reload")).map(drop)
}

fn held_by_frr(node: &Node) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for family in ["ipv4", "ipv6"] {
        let table = frr::show(node, &format!("bgp {family} vpn"))?;
        let distinguishers = table["routes"]["routeDistinguishers"].as_object().into_iter().flatten();
        let routes = distinguishers.flat_map(|(_, routes)| routes.as_object().into_iter().flatten());
        found.extend(routes.map(|(prefix, _)| prefix.clone()));
    }
    Ok(found)
}

fn held_by_gobgp(node: &Node) -> Result<BTreeSet<String>> {
    let names = gobgp::routes(node, "vpnv4")?.into_keys().chain(gobgp::routes(node, "vpnv6")?.into_keys());
    Ok(names.filter_map(|name| name.splitn(3, ':').nth(2).map(str::to_owned)).collect())
}

/// It only tells what it heard: what was announced last and not withdrawn since, nor lost with its session.
fn held_by_exabgp(node: &Node) -> Result<BTreeSet<String>> {
    let mut held = BTreeSet::new();
    for line in node.demand("cat /run/heard")?.lines() {
        let event: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        if event["neighbor"]["state"] == "down" {
            held.clear();
        }
        let update = &event["neighbor"]["message"]["update"];
        let mut gone = Vec::new();
        prefixes(&update["withdraw"], &mut gone);
        held.retain(|prefix: &String| !gone.contains(&prefix.as_str()));
        let mut told = Vec::new();
        prefixes(&update["announce"], &mut told);
        held.extend(told.into_iter().map(str::to_owned));
    }
    Ok(held)
}

/// Every `nlri` within, however deep.
fn prefixes<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    found.extend(value["nlri"].as_str());
    let below = value.as_object().into_iter().flat_map(|map| map.values());
    below.chain(value.as_array().into_iter().flatten()).for_each(|value| prefixes(value, found));
}

fn held_by_bird(node: &Node) -> Result<BTreeSet<String>> {
    let of = |table: &str| node.demand(&format!("birdc -s /run/bird.ctl show route table {table}"));
    let text = of("vpn4tab")? + "\n" + &of("vpn6tab")?;
    let prefixes = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.contains('/')));
    Ok(prefixes.map(str::to_owned).collect())
}
