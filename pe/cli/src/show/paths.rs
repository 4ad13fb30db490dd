//! `show bfd neighbors`, `show crypto route`, `show route-map`, `show ip prefix-list`.

use std::fmt::Write as _;

use api::{BfdSession, CryptoRoute, PrefixList, PrefixRule, RouteMap, RouteMapEntry};
use base::Prefix;

use super::clock;

pub(super) fn bfd(sessions: &[BfdSession], detail: bool) -> String {
    let mut families = Vec::new();
    for (name, is_v4) in [("IPv4", true), ("IPv6", false)] {
        let mut sessions = sessions.iter().filter(|of| of.remote.is_ipv4() == is_v4).peekable();
        if sessions.peek().is_some() {
            let heading =
                "NeighAddr                              LD/RD                 RH/RS     State     Int";
            let text = sessions
                .fold(format!("{name} Sessions\n{heading}\n"), |text, of| text + &session(of, detail));
            families.push(text);
        }
    }
    families.join("\n")
}

fn session(of: &BfdSession, detail: bool) -> String {
    let (ours, theirs) = of.discriminators;
    let remote = of.remote_state.as_deref().unwrap_or("Down");
    let vrf = of.vrf.as_ref().map(|vrf| format!("  vrf {vrf}")).unwrap_or_default();
    let interface = of.interface.as_deref().unwrap_or("(multihop)");
    let discriminators = format!("{ours}/{theirs}");
    let address = of.remote.to_string();
    let state = &of.state;
    let line = format!("{address:<38} {discriminators:<21} {remote:<9} {state:<9} {interface}{vrf}\n");
    if detail { line + &details(of) } else { line }
}

fn details(of: &BfdSession) -> String {
    let mut text =
        format!("  Session state is {} for {}, our address {}\n", of.state, clock(of.since), of.local);
    let (diagnostic, remote) = &of.diagnostics;
    let _ = writeln!(text, "  Local diagnostic: {diagnostic}, remote diagnostic: {remote}");
    let transmit = of.transmit.map_or_else(|| "none".to_owned(), |every| format!("{every} ms"));
    let (ours, theirs) = of.multipliers;
    let _ = writeln!(text, "  Transmit interval: {transmit}, detection time: {} ms", of.detection);
    let _ = writeln!(text, "  Multiplier: {ours}, the peer's: {theirs}");
    let _ = writeln!(text, "  Packets sent: {}, received: {}", of.sent, of.received);
    let _ = writeln!(text, "  Registered protocols: {}", of.clients.join(" "));
    text
}

/// In the form of the reference, which has a mask, and 0 for a distance that nobody set.
pub(super) fn crypto_routes(routes: &[CryptoRoute]) -> String {
    let mut text = "VPN Routing Table: Shows RRI and VTI created routes\n\
                    Codes: RRI - Reverse-Route, VTI- Virtual Tunnel Interface\n        \
                    S - Static Map ACLs\n"
        .to_owned();
    let mut last = None;
    for route in routes {
        if last != Some(&route.vrf) {
            let table = route.vrf.as_deref().unwrap_or("GLOBAL DEFAULT");
            let _ = writeln!(text, "\nRoutes created in table {table}");
            last = Some(&route.vrf);
        }
        crypto_route(&mut text, route);
    }
    text
}

fn crypto_route(text: &mut String, of: &CryptoRoute) {
    let network = of.prefix.parse::<Prefix>().ok();
    let network =
        network.map_or_else(|| of.prefix.clone(), |prefix| super::network(prefix.address(), prefix.mask()));
    let distance = if of.distance == 1 { 0 } else { of.distance };
    let tag = if of.tag == 0 { String::new() } else { format!(" tag {}", of.tag) };
    let unused = if of.in_use { "" } else { " (another route is preferred)" };
    let interface = of.interface.as_deref().unwrap_or("-");
    let _ = match of.next_hop {
        Some(hop) => writeln!(
            text,
            "{network} [{distance}/0] via {hop}{tag}\n{:32}on {interface} {}{unused}",
            "", of.code
        ),
        None => writeln!(text, "{network} [{distance}/0] via {interface}{tag} {}{unused}", of.code),
    };
}

pub(super) fn route_maps(maps: &[RouteMap]) -> String {
    let entries = maps.iter().flat_map(|map| map.entries.iter().map(|entry| route_map(&map.name, entry)));
    entries.collect()
}

fn route_map(name: &str, of: &RouteMapEntry) -> String {
    let verb = if of.permit { "permit" } else { "deny" };
    let mut text = format!("route-map {name}, {verb}, sequence {}\n  Match clauses:\n", of.sequence);
    of.matches.iter().for_each(|line| clause(&mut text, line));
    if let Some(next) = of.next {
        let _ = writeln!(text, "  Continue: to next entry {next}");
    }
    text.push_str("  Set clauses:\n");
    of.sets.iter().for_each(|line| clause(&mut text, line));
    text
}

fn clause(text: &mut String, line: &str) {
    let _ = writeln!(text, "    {line}");
}

pub(super) fn prefix_lists(lists: &[PrefixList]) -> String {
    lists.iter().map(prefix_list).collect()
}

fn prefix_list(of: &PrefixList) -> String {
    let family = if of.ipv6 { "ipv6" } else { "ip" };
    let entries = match of.rules.len() {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    let heading = format!("{family} prefix-list {}: {entries}\n", of.name);
    of.rules.iter().fold(heading, |text, of| text + &rule(of))
}

fn rule(of: &PrefixRule) -> String {
    let verb = if of.permit { "permit" } else { "deny" };
    let bound = |word: &str, length: Option<u8>| length.map(|of| format!(" {word} {of}")).unwrap_or_default();
    format!("   seq {} {verb} {}{}{}\n", of.sequence, of.prefix, bound("ge", of.ge), bound("le", of.le))
}
