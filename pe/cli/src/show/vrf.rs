//! `show ip vrf [detail]` and `show vrf [detail]`.

use std::fmt::Write as _;

use api::{VrfLeak, VrfSummary};

use crate::commands::Look;

pub(super) fn vrfs(vrfs: &[VrfSummary], look: Look) -> String {
    match look {
        Look::Detail => vrfs.iter().map(detail).collect(),
        Look::Plain | Look::Labels | Look::Sessions | Look::SessionsDetail => table(vrfs, false),
        Look::Families => table(vrfs, true),
    }
}

fn table(vrfs: &[VrfSummary], families: bool) -> String {
    let heading = if families { "Protocols   " } else { "" };
    let mut text = format!("  {:<32} {:<21} {heading}Interfaces\n", "Name", "Default RD");
    for vrf in vrfs {
        let rd = vrf.rd.as_deref().unwrap_or("<not set>");
        let protocols = if families { format!("{:<12}", protocols(vrf)) } else { String::new() };
        let mut interfaces = vrf.interfaces.iter();
        let first = interfaces.next().map_or("", String::as_str);
        let line = format!("  {:<32} {rd:<21} {protocols}{first}", vrf.name);
        let _ = writeln!(text, "{}", line.trim_end());
        let indent = if families { 69 } else { 57 };
        interfaces.for_each(|interface| {
            let _ = writeln!(text, "{:indent$}{interface}", "");
        });
    }
    text
}

fn protocols(vrf: &VrfSummary) -> String {
    let families = [(vrf.ipv4, "ipv4"), (vrf.ipv6, "ipv6")];
    families.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

fn detail(vrf: &VrfSummary) -> String {
    let rd = vrf.rd.as_deref().unwrap_or("<not set>");
    let mut text = format!("VRF {}; default RD {rd}; default VPNID <not set>\n", vrf.name);
    if vrf.interfaces.is_empty() {
        text.push_str("  No interfaces\n");
    } else {
        let _ = writeln!(text, "  Interfaces:\n    {}", vrf.interfaces.join(" "));
    }
    let _ = writeln!(text, "  Address families: {}", protocols(vrf));
    text.push_str("  Connected addresses are not in global routing table\n");
    targets(&mut text, "Export", &vrf.export);
    targets(&mut text, "Import", &vrf.import);
    vrf.leaks.iter().for_each(|it| leak(&mut text, it));
    text
}

fn leak(text: &mut String, leak: &VrfLeak) {
    let direction = if leak.import { "Import" } else { "Global export" };
    let family = if leak.ipv6 { "ipv6" } else { "ipv4" };
    let VrfLeak { map, limit, prefixes, beyond, .. } = leak;
    let _ = writeln!(text, "  {direction} route-map for {family} unicast: {map} (prefix limit: {limit})");
    let more =
        if *beyond > 0 { format!("; {beyond} more are permitted, and kept out") } else { String::new() };
    let _ = writeln!(text, "    {prefixes} prefixes are leaked{more}");
}

fn targets(text: &mut String, direction: &str, targets: &[String]) {
    if targets.is_empty() {
        let _ = writeln!(text, "  No {direction} VPN route-target communities");
        return;
    }
    let _ = writeln!(text, "  {direction} VPN route-target communities");
    for target in targets {
        let _ = writeln!(text, "    RT:{target}");
    }
}
