//! `show mpls forwarding-table`.

use std::fmt::Write as _;

use api::LabelTable;

pub(super) fn forwarding(table: &LabelTable) -> String {
    let mut text = String::from(
        "Local      Outgoing   Prefix               Bytes Label   Outgoing       Next Hop\n\
         Label      Label      or Tunnel Id         Switched      interface\n",
    );
    for entry in &table.entries {
        let local = entry.local.map_or_else(|| "None".to_owned(), |label| label.to_string());
        let vpn = if entry.vrf.is_some() { "[V]" } else { "" };
        let prefix = format!("{}{vpn}", entry.prefix);
        let interface = match (&entry.interface, &entry.vrf) {
            (Some(interface), _) => interface.clone(),
            (None, Some(vrf)) if entry.local.is_some() => format!("aggregate/{vrf}"),
            (None, _) => "-".to_owned(),
        };
        let next_hop = entry.next_hop.map(|next_hop| next_hop.to_string()).unwrap_or_default();
        let outgoing = &entry.outgoing;
        let bytes = entry.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let line = format!("{local:<10} {outgoing:<10} {prefix:<20} {bytes:<13} {interface:<14} {next_hop}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
