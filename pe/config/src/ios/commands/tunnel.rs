//! The `tunnel` lines of `interface TunnelN`: a static virtual tunnel interface (VTI-01, VTI-04).

use base::Family;
use ike::config::Peer;

use super::super::args::Args;
use super::super::scope::Level::Interface;
use super::super::scope::{Fault, Scope};
use super::{Command, one};
use crate::model::{Tunnel, TunnelSource};

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

fn protection() -> [Command; 3] {
    [
        Command::set(
            Interface,
            "tunnel mode ipsec {ipv4 | ipv6}",
            |s, a| {
                tunnel(s)?.mode = Some(if a.has("ipv6") { Family::V6 } else { Family::V4 });
                Ok(())
            },
            |s, _| {
                tunnel(s)?.mode = None;
                Ok(())
            },
            |v| {
                one(v.tunnel()?.mode.map(|family| match family {
                    Family::V4 => Args::new().flag("ipv4"),
                    Family::V6 => Args::new().flag("ipv6"),
                }))
            },
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

fn refused() -> Vec<Command> {
    const BARE: &str = "packets go into ESP without a header between: leave the line out";
    [
        (
            "tunnel mode {gre | ipip | ipv6ip | mpls | dvmrp} [<REST:line>]",
            "write `tunnel mode ipsec ipv4` or `ipv6`",
        ),
        (
            "tunnel protection ipsec profile <P:word> {shared} [<REST:line>]",
            "each tunnel has SAs of its own: leave the word out",
        ),
        ("tunnel key <REST:line>", BARE),
        ("tunnel checksum", BARE),
        ("tunnel sequence-datagrams", BARE),
        ("tunnel ttl <REST:line>", "the outer TTL is 64: leave the line out"),
        ("tunnel path-mtu-discovery [<REST:line>]", "write `crypto ipsec df-bit`, or `ip mtu`"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Interface, pattern, instead))
    .collect()
}
