//! `show interfaces`.

use std::fmt::Write as _;

use api::InterfaceState;

pub(super) fn interfaces(interfaces: &[InterfaceState]) -> String {
    interfaces.iter().map(interface).collect()
}

fn interface(of: &InterfaceState) -> String {
    let state = if of.up { "up" } else { "down" };
    let mut text = format!("{} is {state}, line protocol is {state}\n", of.name);
    let mac = of.mac.as_deref().map(|mac| format!(", address is {mac}")).unwrap_or_default();
    let _ = writeln!(text, "  Hardware is Linux device {}{mac}", of.device);
    if let Some(description) = &of.description {
        let _ = writeln!(text, "  Description: {description}");
    }
    for address in &of.addresses {
        let _ = writeln!(text, "  Internet address is {address}");
    }
    let _ = writeln!(text, "  MTU {} bytes", of.mtu);
    if let Some(vrf) = &of.vrf {
        let _ = writeln!(text, "  VPN Routing/Forwarding \"{vrf}\"");
    }
    if of.mpls {
        text.push_str("  MPLS forwarding is enabled\n");
    }
    for map in &of.crypto_maps {
        let _ = writeln!(text, "  Crypto map \"{map}\"");
    }
    let _ = writeln!(text, "     {} packets input, {} bytes", of.packets_in, of.bytes_in);
    let (packets, bytes, drops) = (of.packets_out, of.bytes_out, of.drops_out);
    let _ = writeln!(text, "     {packets} packets output, {bytes} bytes, {drops} output drops");
    text
}
