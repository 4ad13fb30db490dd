//! The `tunnel` lines of `interface TunnelN`: a static virtual tunnel interface (VTI-01, VTI-04), GRE,
//! or MPLS in UDP.

use base::Family;
use ike::config::Peer;

use super::super::args::Args;
use super::super::scope::Level::Interface;
use super::super::scope::{Fault, Scope};
use super::{Command, one};
use crate::model::{Tunnel, TunnelMode, TunnelSource};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = ends().to_vec();
    commands.extend(protection());
    commands.extend(refused());
    commands
}

fn tunnel<'s>(s: &'s mut Scope<'_>) -> Result<&'s mut Tunnel, Fault> {
    let help = "it stands under `interface Tunnel0` and the like";
    s.interface().tunnel.as_mut().ok_or_else(|| Fault::new("the interface is no tunnel", help))
}

fn ends() -> [Command; 2] {
    [
        Command::set(
            Interface,
            "tunnel source {<A:ip> | <IF:interface>}",
            |s, a| {
                let interface = || a.get("IF").map(TunnelSource::Interface);
                tunnel(s)?.source = Some(a.opt("A").map(TunnelSource::Address).map_or_else(interface, Ok)?);
                Ok(())
            },
            |s, _| {
                tunnel(s)?.source = None;
                Ok(())
            },
            |v| {
                one(v.tunnel()?.source.as_ref().map(|source| match source {
                    TunnelSource::Interface(name) => Args::new().with("IF", name),
                    TunnelSource::Address(address) => Args::new().with("A", address),
                }))
            },
        ),
        Command::set(
            Interface,
            "tunnel destination {<A:ip> | <HOST:host>}",
            |s, a| {
                let host = || a.get("HOST").map(Peer::Host);
                tunnel(s)?.destination = Some(a.opt("A").map(Peer::Address).map_or_else(host, Ok)?);
                Ok(())
            },
            |s, _| {
                tunnel(s)?.destination = None;
                Ok(())
            },
            |v| {
                one(v.tunnel()?.destination.as_ref().map(|peer| match peer {
                    Peer::Address(address) => Args::new().with("A", address),
                    Peer::Host(name) => Args::new().with("HOST", name),
                }))
            },
        ),
    ]
}

fn protection() -> [Command; 4] {
    [
        Command::set(
            Interface,
            "tunnel mode {gre {ip | ipv6} | mpls udp {ip | ipv6} | ipsec {ipv4 | ipv6}}",
            |s, a| {
                let family = if a.has("ipv6") { Family::V6 } else { Family::V4 };
                tunnel(s)?.mode = match (a.has("gre"), a.has("mpls")) {
                    (true, _) => TunnelMode::Gre(family),
                    (false, true) => TunnelMode::MplsUdp(family),
                    (false, false) => TunnelMode::Ipsec(family),
                };
                Ok(())
            },
            |s, _| {
                tunnel(s)?.mode = TunnelMode::default();
                Ok(())
            },
            |v| {
                let mode = v.tunnel()?.mode;
                one((mode != TunnelMode::default()).then(|| mode_printed(mode)))
            },
        ),
        Command::set(
            Interface,
            "tunnel key <ID:0-4294967295>",
            |s, a| {
                tunnel(s)?.key = Some(a.get("ID")?);
                Ok(())
            },
            |s, _| {
                tunnel(s)?.key = None;
                Ok(())
            },
            |v| super::opt("ID", v.tunnel()?.key),
        ),
        Command::set(
            Interface,
            "tunnel vrf <V:vrf>",
            |s, a| {
                tunnel(s)?.vrf = Some(a.get("V")?);
                Ok(())
            },
            |s, _| {
                tunnel(s)?.vrf = None;
                Ok(())
            },
            |v| super::opt("V", v.tunnel()?.vrf.as_ref()),
        ),
        Command::set(
            Interface,
            "tunnel protection ipsec profile <P:ipsec-profile>",
            |s, a| {
                tunnel(s)?.profile = Some(a.get("P")?);
                Ok(())
            },
            |s, _| {
                tunnel(s)?.profile = None;
                Ok(())
            },
            |v| super::opt("P", v.tunnel()?.profile.as_ref()),
        ),
    ]
}

fn mode_printed(mode: TunnelMode) -> Args {
    match mode {
        TunnelMode::Gre(Family::V4) => Args::new().flag("gre").flag("ip"),
        TunnelMode::Gre(Family::V6) => Args::new().flag("gre").flag("ipv6"),
        TunnelMode::MplsUdp(Family::V4) => Args::new().flag("mpls").flag("ip"),
        TunnelMode::MplsUdp(Family::V6) => Args::new().flag("mpls").flag("ipv6"),
        TunnelMode::Ipsec(Family::V4) => Args::new().flag("ipsec").flag("ipv4"),
        TunnelMode::Ipsec(Family::V6) => Args::new().flag("ipsec").flag("ipv6"),
    }
}

fn refused() -> Vec<Command> {
    const BARE: &str = "a GRE header has a key at most: leave the line out";
    const MODE: &str = "write `tunnel mode gre ip`, `tunnel mode mpls udp ip` or `tunnel mode ipsec ipv4`";
    [
        ("tunnel mode gre {multipoint}", MODE),
        ("tunnel mode {ipip | ipv6ip | dvmrp} [<REST:line>]", MODE),
        ("tunnel mode mpls {traffic-eng} [<REST:line>]", MODE),
        (
            "tunnel protection ipsec profile <P:word> {shared} [<REST:line>]",
            "each tunnel has SAs of its own: leave the word out",
        ),
        ("tunnel checksum", BARE),
        ("tunnel sequence-datagrams", BARE),
        ("tunnel ttl <REST:line>", "the outer TTL is 64: leave the line out"),
        ("tunnel path-mtu-discovery [<REST:line>]", "write `crypto ipsec df-bit`, or `ip mtu`"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Interface, pattern, instead))
    .collect()
}
