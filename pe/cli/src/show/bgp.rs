//! `show bgp …`: tables and single routes.

use std::fmt::Write as _;
use std::net::IpAddr;

use api::{BgpPath, BgpRoute, BgpRoutes, BgpTable};

const LEGEND: &str = "\
Status codes: * valid, > best, i - internal, S Stale
Origin codes: i - IGP, e - EGP, ? - incomplete

";

/// Every path of every route, one line each.
pub(super) fn tables(of: &BgpRoutes) -> String {
    let mut text = heading(of);
    text.push_str("   Network          Next Hop            Metric LocPrf Weight Path\n");
    for table in &of.tables {
        text.push_str(&distinguisher(table));
        table.routes.iter().for_each(|route| lines(&mut text, route));
    }
    text
}

/// The labels of every path: ours, and the one to send with.
pub(super) fn labels(of: &BgpRoutes) -> String {
    let mut text = "   Network          Next Hop        In label/Out label\n".to_owned();
    for table in &of.tables {
        text.push_str(&distinguisher(table));
        for route in &table.routes {
            let mut network = route.prefix.as_str();
            for path in &route.paths {
                let place = column(&mut text, "   ", network, 17);
                let next_hop = column(&mut text, &place, &next_hop(&route.prefix, path), 16);
                let _ = writeln!(text, "{next_hop}{}", labels_of(path));
                network = "";
            }
        }
    }
    text
}

/// Each path with all that is known of it.
pub(super) fn entries(of: &BgpRoutes) -> String {
    let mut text = String::new();
    for table in &of.tables {
        table.routes.iter().for_each(|route| entry(&mut text, table, route));
    }
    text
}

fn heading(of: &BgpRoutes) -> String {
    let BgpRoutes { router_id, local_as, family, .. } = of;
    format!("BGP table of {family}, local router ID is {router_id}, local AS {local_as}\n{LEGEND}")
}

fn distinguisher(table: &BgpTable) -> String {
    match (&table.rd, &table.vrf) {
        (Some(rd), Some(vrf)) => format!("Route Distinguisher: {rd} (default for vrf {vrf})\n"),
        (Some(rd), None) => format!("Route Distinguisher: {rd}\n"),
        (None, Some(vrf)) => format!("VRF {vrf}\n"),
        (None, None) => String::new(),
    }
}

fn lines(text: &mut String, route: &BgpRoute) {
    let mut network = route.prefix.as_str();
    for path in &route.paths {
        let place = column(text, &status(path), network, 17);
        let place = column(text, &place, &next_hop(&route.prefix, path), 20);
        let number = |value: Option<u32>| value.map_or_else(String::new, |value| value.to_string());
        let metric = number(path.med);
        let preference = number(path.local_preference);
        let ases = ases(path);
        let _ = writeln!(text, "{place}{metric:>6}{preference:>7}{:>7} {ases}{}", path.weight, code(path));
        network = "";
    }
}

/// `value` behind `before`, at least `width` wide; what is wider has a line of its own.
fn column(text: &mut String, before: &str, value: &str, width: usize) -> String {
    if value.len() < width {
        return format!("{before}{value:<width$}");
    }
    let _ = writeln!(text, "{before}{value}");
    " ".repeat(before.len() + width)
}

fn status(path: &BgpPath) -> String {
    let valid = match (path.stale, is_valid(path)) {
        (true, _) => 'S',
        (false, true) => '*',
        (false, false) => ' ',
    };
    let best = if path.best.is_some() { '>' } else { ' ' };
    let internal = if path.from.is_some() && !path.external { 'i' } else { ' ' };
    [valid, best, internal].iter().collect()
}

const fn is_valid(path: &BgpPath) -> bool {
    path.igp_metric.is_some()
}

/// Nearest first, with a blank behind each.
fn ases(path: &BgpPath) -> String {
    path.as_path.iter().fold(String::new(), |text, asn| format!("{text}{asn} "))
}

fn code(path: &BgpPath) -> &'static str {
    match path.origin.as_str() {
        "IGP" => "i",
        "EGP" => "e",
        _ => "?",
    }
}

/// An IPv4 address of an IPv6 route as it stands in messages, RFC 4659 section 3.2.1.2.
fn next_hop(prefix: &str, path: &BgpPath) -> String {
    match path.next_hop {
        IpAddr::V4(address) if prefix.contains(':') => format!("::FFFF:{address}"),
        address @ (IpAddr::V4(_) | IpAddr::V6(_)) => address.to_string(),
    }
}

/// Ours, and the one to send with.
fn labels_of(path: &BgpPath) -> String {
    let theirs = match (&path.aggregate, path.label) {
        (Some(vrf), None) => format!("aggregate({vrf})"),
        (_, theirs) => label(theirs),
    };
    format!("{}/{theirs}", label(path.local_label))
}

fn label(label: Option<u32>) -> String {
    match label {
        None => "nolabel".to_owned(),
        Some(3) => "imp-null".to_owned(),
        Some(0 | 2) => "exp-null".to_owned(),
        Some(label) => label.to_string(),
    }
}

fn entry(text: &mut String, table: &BgpTable, route: &BgpRoute) {
    let rd = table.rd.as_ref().map(|rd| format!("{rd}:")).unwrap_or_default();
    let _ = writeln!(text, "BGP routing table entry for {rd}{}", route.prefix);
    let best = route.paths.iter().position(|path| path.best.is_some());
    let best = best.map_or_else(|| "no best path".to_owned(), |at| format!("best #{}", at + 1));
    let vrf = table.vrf.as_ref().map(|vrf| format!(", table {vrf}")).unwrap_or_default();
    let _ = writeln!(text, "Paths: ({} available, {best}{vrf})", route.paths.len());
    route.paths.iter().for_each(|it| path(text, &route.prefix, it));
}

fn path(text: &mut String, prefix: &str, path: &BgpPath) {
    let ases = ases(path);
    let ases = if ases.is_empty() { "Local" } else { ases.trim_end() };
    let imported = path.imported_from.as_ref().map(|rd| format!(", imported path from {rd}:{prefix}"));
    let leaked = path.leaked_from.as_ref().map(|vrf| format!(", from vrf {vrf}"));
    let stale = if path.stale { ", (stale)" } else { "" };
    let from = imported.or(leaked).unwrap_or_default();
    let _ = writeln!(text, "  {ases}{from}{stale}");
    let metric = match (path.from, path.igp_metric) {
        (_, None) => " (inaccessible)".to_owned(),
        (Some(_), Some(metric)) if metric > 0 => format!(" (metric {metric})"),
        (_, Some(_)) => String::new(),
    };
    let router = path.from_router_id.map(|id| format!(" ({id})")).unwrap_or_default();
    let nowhere = if path.next_hop.is_ipv4() { NOWHERE4 } else { NOWHERE6 };
    let from = path.from.unwrap_or(nowhere);
    let _ = writeln!(text, "    {}{metric} from {from}{router}", next_hop(prefix, path));
    let _ = writeln!(text, "      {}", words(path).join(", "));
    for (name, values) in [
        ("Community", &path.communities),
        ("Large Community", &path.large_communities),
        ("Extended Community", &path.extended_communities),
    ] {
        if !values.is_empty() {
            let _ = writeln!(text, "      {name}: {}", values.join(" "));
        }
    }
    if let Some(originator) = path.originator {
        let clusters: Vec<_> = path.clusters.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "      Originator: {originator}, Cluster list: {}", clusters.join(", "));
    }
    if path.local_label.or(path.label).is_some() {
        let _ = writeln!(text, "      mpls labels in/out {}", labels_of(path));
    }
    if path.path_id != 0 {
        let _ = writeln!(text, "      rx pathid: {}", path.path_id);
    }
}

const NOWHERE4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
const NOWHERE6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);

/// The line that begins with the origin and ends with why the path is best.
fn words(path: &BgpPath) -> Vec<String> {
    let mut words = vec![format!("Origin {}", path.origin)];
    words.extend(path.med.map(|med| format!("metric {med}")));
    words.extend(path.local_preference.map(|preference| format!("localpref {preference}")));
    if path.weight != 0 {
        words.push(format!("weight {}", path.weight));
    }
    if path.tag != 0 {
        words.push(format!("tag {}", path.tag));
    }
    if is_valid(path) {
        words.push("valid".to_owned());
    }
    let kind = match (&path.source, path.external) {
        (Some(source), _) => format!("sourced from {source}"),
        (None, true) => "external".to_owned(),
        (None, false) => "internal".to_owned(),
    };
    words.push(kind);
    if path.atomic_aggregate {
        words.push("atomic-aggregate".to_owned());
    }
    words.extend(path.aggregator.map(|(asn, id)| format!("aggregated by {asn} {id}")));
    words.extend(path.best.as_ref().map(|rule| format!("best ({rule})")));
    words
}
