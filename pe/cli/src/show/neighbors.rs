//! `show bgp summary` and `show bgp neighbors`.

use std::fmt::Write as _;

use api::{BgpFamilyState, BgpNeighbor, BgpSummary, BgpSummaryLine};

use super::{counted, uptime};

pub(super) fn summary(of: &BgpSummary) -> String {
    let mut text = format!("BGP router identifier {}, local AS number {}\n", of.router_id, of.local_as);
    let (prefixes, paths) = (counted(of.prefixes, "network"), counted(of.paths, "path"));
    let _ = writeln!(text, "{prefixes}, {paths}, {} of attributes", counted(of.attributes, "set"));
    for family in &of.families {
        let _ = writeln!(text, "\nFor address family: {}", family.family);
        text.push_str("Neighbor        V         AS MsgRcvd MsgSent Up/Down  State/PfxRcd PfxSnt\n");
        family.neighbors.iter().for_each(|neighbor| line(&mut text, neighbor));
    }
    text
}

fn line(text: &mut String, of: &BgpSummaryLine) {
    let address = of.address.to_string();
    if address.len() < 16 {
        let _ = write!(text, "{address:<15}");
    } else {
        let _ = write!(text, "{address}\n{:15}", "");
    }
    let since = of.uptime.or(of.downtime).map_or_else(|| "never".to_owned(), uptime);
    let (state, sent) = match of.uptime {
        Some(_) => (of.prefixes_accepted.to_string(), of.prefixes_sent.to_string()),
        None => (of.state.clone(), "-".to_owned()),
    };
    let vrf = of.vrf.as_ref().map(|vrf| format!("  vrf {vrf}")).unwrap_or_default();
    let BgpSummaryLine { remote_as, received, sent: told, .. } = of;
    let _ =
        writeln!(text, " 4 {remote_as:>10} {received:>7} {told:>7} {since:<8} {state:>12} {sent:>6}{vrf}");
}

pub(super) fn neighbors(neighbors: &[BgpNeighbor]) -> String {
    neighbors.iter().map(neighbor).collect::<Vec<_>>().join("\n")
}

fn neighbor(of: &BgpNeighbor) -> String {
    let vrf = of.vrf.as_ref().map(|vrf| format!("  vrf {vrf},")).unwrap_or_default();
    let link = if of.external { "external" } else { "internal" };
    let mut text = format!("BGP neighbor is {},{vrf}  remote AS {}, {link} link\n", of.address, of.remote_as);
    if let Some(description) = &of.description {
        let _ = writeln!(text, " Description: {description}");
    }
    let id = of.remote_router_id.map_or_else(|| "0.0.0.0".to_owned(), |id| id.to_string());
    let _ = writeln!(text, "  BGP version 4, remote router ID {id}, local AS {}", of.local_as);
    let up = of.uptime.map(|up| format!(", up for {}", uptime(up)));
    let down = of.downtime.map(|down| format!(", down for {}", uptime(down)));
    let _ = writeln!(text, "  BGP state = {}{}", of.state, up.or(down).unwrap_or_default());
    let _ = writeln!(text, "  Hold time is {}, keepalive interval is {} seconds", of.hold, of.keepalive);
    if of.bfd {
        text.push_str("  Fall over configured: BFD\n");
    }
    if of.password {
        text.push_str("  TCP MD5 authentication is enabled\n");
    }
    if of.uptime.is_some() {
        capabilities(&mut text, of);
    }
    if let Some(left) = of.stale_left {
        let _ = writeln!(text, "  Its routes are stale and go in {left} seconds unless it comes back");
    }
    messages(&mut text, of);
    of.families.iter().for_each(|it| family(&mut text, it));
    let _ = writeln!(text, "\n  Connections established {}; dropped {}", of.established, of.dropped);
    let reset = of.last_reset.as_ref().map(|it| format!("{}, due to {}", uptime(it.since), it.reason));
    let _ = writeln!(text, "  Last reset {}", reset.as_deref().unwrap_or("never"));
    if let Some(local) = of.local_address {
        let _ = writeln!(text, "  Local host: {local}, Foreign host: {}", of.address);
    }
    text
}

/// What both sides have, which is what holds.
fn capabilities(text: &mut String, of: &BgpNeighbor) {
    text.push_str("  Neighbor capabilities, on both sides:\n");
    for (has, name) in [
        (of.route_refresh, "Route refresh"),
        (of.four_octet_as, "Four-octets ASN"),
        (of.enhanced_refresh, "Enhanced refresh"),
        (of.extended_message, "Extended messages"),
    ] {
        if has {
            let _ = writeln!(text, "    {name}");
        }
    }
    if let Some(time) = of.graceful_restart {
        let _ = writeln!(text, "    Graceful restart, remote restart timer is {time} seconds");
    }
}

fn messages(text: &mut String, of: &BgpNeighbor) {
    let _ = writeln!(text, "  Message statistics:\n                         Sent       Rcvd");
    for (name, sent, received) in [
        ("Notifications", of.notifications_sent, of.notifications_received),
        ("Updates", of.updates_sent, of.updates_received),
        ("Total", of.messages_sent, of.messages_received),
    ] {
        let _ = writeln!(text, "    {:<14} {sent:>10} {received:>10}", format!("{name}:"));
    }
}

fn family(text: &mut String, of: &BgpFamilyState) {
    let _ = writeln!(text, "\n For address family: {}", of.family);
    if of.route_reflector_client {
        text.push_str("  Route-Reflector Client\n");
    }
    if of.next_hop_self {
        text.push_str("  NEXT_HOP is always this router\n");
    }
    for (what, name) in [
        ("Incoming update prefix filter list", &of.prefix_list_in),
        ("Outgoing update prefix filter list", &of.prefix_list_out),
        ("Route map for incoming advertisements", &of.route_map_in),
        ("Route map for outgoing advertisements", &of.route_map_out),
    ] {
        if let Some(name) = name {
            let _ = writeln!(text, "  {what} is {name}");
        }
    }
    if let Some(limit) = of.maximum_prefix {
        let _ = writeln!(text, "  Maximum prefixes allowed {limit}");
    }
    text.push_str("                         Sent       Rcvd\n");
    let _ = writeln!(text, "    Prefixes:      {:>10} {:>10}", of.sent, of.accepted);
    let _ = writeln!(text, "    Denied:        {:>10} {:>10}", "-", of.denied);
    let yes = |is| if is { "yes" } else { "no" };
    let _ = writeln!(text, "    End-of-RIB:    {:>10} {:>10}", yes(of.told), yes(of.end_of_rib));
}
