//! `show ip route` and `show ipv6 route`.

use std::fmt::Write as _;

use api::{RouteEntry, RouteTable};

pub(super) fn tables(tables: &[RouteTable]) -> String {
    let texts: Vec<_> =
        tables.iter().map(|table| if table.ipv6 { ipv6(table) } else { ipv4(table) }).collect();
    texts.join("\n")
}

/// `show ip route ADDRESS`: all that is known of one route.
pub(super) fn entries(tables: &[RouteTable]) -> String {
    let routes = tables.iter().flat_map(|table| table.routes.iter().map(|route| (&table.vrf, route)));
    routes.map(|(vrf, route)| one(vrf.as_deref(), route)).collect()
}

fn one(vrf: Option<&str>, of: &RouteEntry) -> String {
    let mut text = String::new();
    if let Some(vrf) = vrf {
        let _ = writeln!(text, "\nRouting Table: {vrf}");
    }
    let _ = writeln!(text, "Routing entry for {}", of.prefix);
    let source = if of.source == "reverse" { "static (reverse route)" } else { &of.source };
    let _ = writeln!(text, "  Known via \"{source}\", distance {}, metric {}", of.distance, of.metric);
    if of.tag != 0 {
        let _ = writeln!(text, "  Tag {}", of.tag);
    }
    text.push_str("  Routing Descriptor Blocks:\n");
    let global = if of.global { " (global)" } else { "" };
    let interface = of.interface.as_ref().map(|interface| format!("via {interface}"));
    let place = [of.next_hop.map(|hop| format!("{hop}{global}")), interface];
    let place: Vec<_> = place.into_iter().flatten().collect();
    let direct = if of.next_hop.is_none() { "directly connected, " } else { "" };
    let _ = writeln!(text, "  * {direct}{}", place.join(", "));
    if !of.labels.is_empty() {
        let labels: Vec<_> = of.labels.iter().map(u32::to_string).collect();
        let _ = writeln!(text, "      MPLS labels: {} (outermost first)", labels.join("/"));
    }
    text
}

fn ipv4(table: &RouteTable) -> String {
    let mut text = String::new();
    if let Some(vrf) = &table.vrf {
        let _ = writeln!(text, "\nRouting Table: {vrf}");
    }
    text.push_str("Codes: L - local, C - connected, S - static, B - BGP, * - candidate default\n\n");
    let default = table.routes.iter().find(|route| is_default(route));
    let _ = match default.map(|route| route.next_hop) {
        Some(Some(next_hop)) => writeln!(text, "Gateway of last resort is {next_hop} to network 0.0.0.0\n"),
        Some(None) => writeln!(text, "Gateway of last resort is directly connected\n"),
        None => writeln!(text, "Gateway of last resort is not set\n"),
    };
    for route in &table.routes {
        let code = if is_default(route) { format!("{}*", route.code) } else { route.code.clone() };
        let _ = writeln!(text, "{code:<5} {} {}", route.prefix, where_to(route));
    }
    text
}

fn is_default(route: &RouteEntry) -> bool {
    route.prefix == "0.0.0.0/0"
}

fn where_to(route: &RouteEntry) -> String {
    let interface = route.interface.as_ref();
    let Some(next_hop) = route.next_hop else {
        return format!("is directly connected, {}", interface.map_or("-", String::as_str));
    };
    let mut text = format!("[{}/{}] via {next_hop}", route.distance, route.metric);
    if route.global {
        text.push_str(" (global)");
    }
    if let Some(interface) = interface {
        let _ = write!(text, ", {interface}");
    }
    text + &extras(route)
}

fn extras(route: &RouteEntry) -> String {
    let mut text = String::new();
    if !route.labels.is_empty() {
        let labels: Vec<_> = route.labels.iter().map(u32::to_string).collect();
        let _ = write!(text, ", labels {}", labels.join("/"));
    }
    if route.tag != 0 {
        let _ = write!(text, ", tag {}", route.tag);
    }
    text
}

fn ipv6(table: &RouteTable) -> String {
    let name = table.vrf.as_deref().unwrap_or("default");
    let mut text = format!("IPv6 Routing Table - {name} - {} entries\n", table.routes.len());
    text.push_str("Codes: C - Connected, L - Local, S - Static, B - BGP\n");
    for route in &table.routes {
        let _ = writeln!(text, "{:<3} {} [{}/{}]", route.code, route.prefix, route.distance, route.metric);
        let interface = route.interface.as_deref().unwrap_or("-");
        let via = match route.next_hop {
            Some(next_hop) => {
                format!("{next_hop}, {interface}{}", if route.global { " (global)" } else { "" })
            }
            None => format!("{interface}, directly connected"),
        };
        let _ = writeln!(text, "     via {via}{}", extras(route));
    }
    text
}
