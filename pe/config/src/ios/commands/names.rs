//! `ip domain`, `ip name-server`, `ip host`: how the names of peers become addresses.

use std::net::IpAddr;

use super::super::args::Args;
use super::super::scope::Level::Global;
use super::super::scope::{Done, Scope};
use super::{Command, insert, many, one, opt};
use crate::model::NameServer;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "ip domain lookup",
            |s, _| lookup(s, true),
            |s, _| lookup(s, false),
            |v| one((!v.config.names.lookup).then(|| Args::new().negate())),
        ),
        Command::synonym(Global, "ip domain-lookup", |s, _| lookup(s, true), |s, _| lookup(s, false)),
        Command::set(Global, "ip domain name <D:host>", domain, no_domain, |v| {
            opt("D", v.config.names.domain.as_ref())
        }),
        Command::synonym(Global, "ip domain-name <D:host>", domain, no_domain),
    ];
    commands.extend(servers());
    commands.extend(hosts());
    commands
}

fn lookup(s: &mut Scope<'_>, on: bool) -> Done {
    s.config.names.lookup = on;
    Ok(())
}

fn domain(s: &mut Scope<'_>, a: &Args) -> Done {
    s.config.names.domain = Some(a.get("D")?);
    Ok(())
}

fn no_domain(s: &mut Scope<'_>, _: &Args) -> Done {
    s.config.names.domain = None;
    Ok(())
}

fn servers() -> [Command; 1] {
    [Command::set(
        Global,
        "ip name-server [vrf <V:vrf>] <A:ip> [<A:ip> [<A:ip> [<A:ip> [<A:ip> [<A:ip>]]]]]",
        |s, a| {
            named_servers(a).into_iter().for_each(|server| insert(&mut s.config.names.servers, server));
            Ok(())
        },
        |s, a| {
            let gone = named_servers(a);
            s.config.names.servers.retain(|server| !gone.is_empty() && !gone.contains(server));
            Ok(())
        },
        |v| {
            let servers = v.config.names.servers.iter();
            many(servers.map(|it| Args::new().with_some("V", it.vrf.as_ref()).with("A", it.address)))
        },
    )]
}

fn named_servers(a: &Args) -> Vec<NameServer> {
    let vrf: Option<String> = a.opt("V");
    let addresses = a.all("A").filter_map(|text| text.parse().ok());
    addresses.map(|address| NameServer { vrf: vrf.clone(), address }).collect()
}

/// A second line for a name adds its addresses, up to eight, as in IOS.
fn hosts() -> [Command; 1] {
    [Command::set(
        Global,
        "ip host [vrf <V:vrf>] <NAME:host> <A:ip> [<A:ip> [<A:ip> [<A:ip> [<A:ip> [<A:ip> [<A:ip> [<A:ip>]]]]]]]",
        |s, a| {
            let known = s.config.names.hosts.entry((a.opt("V"), a.get("NAME")?)).or_default();
            a.all("A").filter_map(|text| text.parse().ok()).for_each(|address| insert(known, address));
            known.truncate(8);
            Ok(())
        },
        |s, a| {
            let name = (a.opt("V"), a.get("NAME")?);
            let gone: Vec<IpAddr> = a.all("A").filter_map(|text| text.parse().ok()).collect();
            s.config.names.hosts.retain(|known, addresses| {
                addresses.retain(|address| *known != name || !gone.is_empty() && !gone.contains(address));
                !addresses.is_empty()
            });
            Ok(())
        },
        |v| {
            many(v.config.names.hosts.iter().map(|((vrf, name), addresses)| {
                let args = Args::new().with_some("V", vrf.as_ref()).with("NAME", name);
                addresses.iter().fold(args, |args, address| args.with("A", address))
            }))
        },
    )]
}
