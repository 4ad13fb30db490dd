//! `show mpls ldp neighbor | bindings | discovery`.

use std::fmt::Write as _;
use std::net::IpAddr;

use api::{LdpBindings, LdpDiscovery, LdpHello, LdpNeighbor};

use super::clock;

pub(super) fn neighbors(neighbors: &[LdpNeighbor], detail: bool) -> String {
    neighbors.iter().map(|of| neighbor(of, detail)).collect()
}

fn neighbor(of: &LdpNeighbor, detail: bool) -> String {
    let mut text = format!("    Peer LDP Ident: {}; Local LDP Ident {}\n", of.peer, of.local);
    if let Some((local, remote)) = of.local_address.zip(of.remote_address) {
        // Who opened the connection did it from a port of its own.
        let (ours, theirs) = if of.active { ("", ".646") } else { (".646", "") };
        let _ = writeln!(text, "        TCP connection: {remote}{theirs} - {local}{ours}");
    }
    let (sent, received) = (of.messages_sent, of.messages_received);
    let _ = writeln!(text, "        State: {}; Msgs sent/rcvd: {sent}/{received}; Downstream", of.state);
    if let Some(up) = of.uptime {
        let _ = writeln!(text, "        Up time: {}", clock(up));
    }
    if let Some(complaint) = &of.complaint {
        let _ = writeln!(text, "        Last session refused: {complaint}");
    }
    text.push_str("        LDP discovery sources:\n");
    for source in &of.sources {
        let _ = match &source.interface {
            Some(interface) => writeln!(text, "          {interface}, Src IP addr: {}", source.address),
            None => writeln!(text, "          Targeted Hello from {}", source.address),
        };
    }
    text.push_str("        Addresses bound to peer LDP Ident:\n");
    addresses(&mut text, &of.addresses);
    if detail {
        details(&mut text, of);
    }
    text
}

/// In columns: those of IPv4, then those of IPv6.
fn addresses(text: &mut String, all: &[IpAddr]) {
    for (is_v4, count, width) in [(true, 4, 15), (false, 2, 31)] {
        let addresses: Vec<_> = all.iter().filter(|address| address.is_ipv4() == is_v4).collect();
        for line in addresses.chunks(count) {
            let start = " ".repeat(9);
            let line =
                line.iter().fold(start, |line, address| format!("{line} {:<width$}", address.to_string()));
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
}

fn details(text: &mut String, of: &LdpNeighbor) {
    if of.ttl_security {
        text.push_str("        TTL security: only what no router passed on (TTL 255) is taken\n");
    }
    if let Some(keepalive) = of.keepalive {
        let _ = writeln!(text, "        Peer holdtime: {keepalive} sec");
    }
    let _ = writeln!(text, "        Labels of the peer: {}, of them stale: {}", of.bindings, of.stale);
    if let Some(left) = of.stale_left {
        let _ = writeln!(text, "        Stale labels are kept for {left} sec more");
    }
    if let Some((reconnect, recovery)) = of.restart {
        let _ = writeln!(
            text,
            "        Peer is capable of graceful restart: reconnect time {reconnect} sec, recovery time {recovery} sec"
        );
    }
}

pub(super) fn bindings(of: &LdpBindings) -> String {
    let mut text = String::new();
    for binding in &of.bindings {
        let _ = writeln!(text, "  lib entry: {}", binding.prefix);
        if let Some(label) = &binding.local {
            let _ = writeln!(text, "        local binding:  label: {label}");
        }
        for remote in &binding.remote {
            let stale = if remote.stale { ", stale" } else { "" };
            let in_use = if remote.in_use { ", in use" } else { "" };
            let (peer, label) = (&remote.peer, &remote.label);
            let _ = writeln!(text, "        remote binding: lsr: {peer}, label: {label}{stale}{in_use}");
        }
    }
    text
}

pub(super) fn discovery(of: &LdpDiscovery, detail: bool) -> String {
    let mut text = format!(" Local LDP Identifier:\n    {}:0\n    Discovery Sources:\n", of.router_id);
    if !of.interfaces.is_empty() {
        text.push_str("    Interfaces:\n");
    }
    for interface in &of.interfaces {
        let heard: Vec<_> =
            of.hellos.iter().filter(|hello| hello.interface.as_ref() == Some(interface)).collect();
        let _ = writeln!(
            text,
            "        {interface} (ldp): {}",
            if heard.is_empty() { "xmit" } else { "xmit/recv" }
        );
        heard.iter().for_each(|hello| neighbour(&mut text, hello, detail));
    }
    let targeted: Vec<_> = of.hellos.iter().filter(|hello| hello.interface.is_none()).collect();
    if !targeted.is_empty() {
        text.push_str("    Targeted Hellos:\n");
    }
    for hello in targeted {
        let _ = writeln!(text, "        {} (ldp): recv", hello.source);
        neighbour(&mut text, hello, detail);
    }
    if detail && !of.ignored.is_empty() {
        text.push_str("    Hellos not heard:\n");
        for (reason, times) in &of.ignored {
            let _ = writeln!(text, "        {times:>8}  {reason}");
        }
    }
    text
}

fn neighbour(text: &mut String, hello: &LdpHello, detail: bool) {
    let _ = writeln!(text, "            LDP Id: {}", hello.peer);
    if detail {
        let _ = writeln!(
            text,
            "              Src IP addr: {}; Transport IP addr: {}",
            hello.source, hello.transport
        );
        let _ = match hello.hold {
            Some((hold, left)) => writeln!(text, "              Hold time: {hold} sec; {left} sec left"),
            None => writeln!(text, "              Hold time: infinite"),
        };
    }
}
