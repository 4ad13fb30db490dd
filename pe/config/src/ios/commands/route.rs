//! `ip route` and `ipv6 route`: static routes of a VRF or the global table.

use std::net::IpAddr;

use base::{Family, Prefix};

use super::super::args::Args;
use super::super::scope::Level::Global;
use super::super::scope::{Done, Fault, Scope, View};
use super::super::value::{Mask, Network6};
use super::{Command, insert_by_family, many};
use crate::model::{RouteHop, StaticRoute};

pub(super) fn commands() -> Vec<Command> {
    const BFD: &str =
        "a route stands as long as its interface is up; to watch its gateway, write `ip route static bfd`";
    vec![
        Command::set(
            Global,
            "ip route [vrf <V:vrf>] <P:ipv4> <M:mask> {<IF:interface> [<VIA:ipv4>] | <GW:ipv4> [global]} [<D:1-255>] [tag <TAG:1-4294967295>] [name <NAME:word>]",
            |s, a| add(s, a, prefix4(a)?),
            |s, a| remove(s, a, prefix4(a)?),
            |v| printed(v, Family::V4),
        ),
        Command::set(
            Global,
            "ipv6 route [vrf <V:vrf>] <P6:network6> {<IF:interface> [<VIA:ipv6>] | <GW:ipv6> [{nexthop-vrf default | global}]} [<D:1-255>] [tag <TAG:1-4294967295>] [name <NAME:word>]",
            |s, a| add(s, a, prefix6(a)?),
            |s, a| remove(s, a, prefix6(a)?),
            |v| printed(v, Family::V6),
        ),
        Command::refuse(
            Global,
            "ip route [vrf <V:vrf>] <P:ipv4> <M:mask> {<IF:interface> [<VIA:ipv4>] | <GW:ipv4> [global]} [<D:1-255>] {track | permanent | multicast | bfd} [<REST:line>]",
            BFD,
        ),
        Command::refuse(Global, "ip default-gateway <REST:line>", "write `ip route 0.0.0.0 0.0.0.0 GATEWAY`"),
    ]
}

pub(super) fn prefix4(a: &Args) -> Result<Prefix, Fault> {
    let Mask(length) = a.get("M")?;
    without_host_bits(a.get("P")?, length, "P")
}

pub(super) fn prefix6(a: &Args) -> Result<Prefix, Fault> {
    let Network6(address, length) = a.get("P6")?;
    without_host_bits(IpAddr::V6(address), length, "P6")
}

/// A destination with host bits is a slip, and IOS refuses it too.
pub(super) fn without_host_bits(
    address: IpAddr,
    length: u8,
    argument: &'static str,
) -> Result<Prefix, Fault> {
    match Prefix::new(address, length) {
        Ok(prefix) if prefix.address() == address => Ok(prefix),
        Ok(prefix) => {
            let help = format!("the network of that mask is {}", prefix.address());
            Err(Fault::new("address and mask do not agree", help).at(argument))
        }
        Err(_) => Err(Fault::new("not a network", "").at(argument)),
    }
}

fn add(s: &mut Scope<'_>, a: &Args, prefix: Prefix) -> Done {
    let vrf: Option<String> = a.opt("V");
    let target = target(a)?;
    if vrf.is_none() && matches!(target, RouteHop::GlobalGateway(_)) {
        let help = "the route is in the global table itself: leave the word out";
        return Err(Fault::new("`global` is for routes of a VRF", help).at("GW"));
    }
    let same = |known: &StaticRoute| known.vrf == vrf && known.prefix == prefix && known.target == target;
    let distance = a.opt("D").unwrap_or(1);
    let tag = a.opt("TAG").unwrap_or(0);
    let name = a.opt("NAME");
    match s.config.routes.iter_mut().find(|known| same(known)) {
        Some(known) => (known.distance, known.tag, known.name) = (distance, tag, name),
        None => {
            let route = StaticRoute { vrf, prefix, target, distance, tag, name };
            insert_by_family(&mut s.config.routes, route, |known| known.prefix);
        }
    }
    Ok(())
}

/// Without a next hop, every route to the prefix goes.
fn remove(s: &mut Scope<'_>, a: &Args, prefix: Prefix) -> Done {
    let vrf: Option<String> = a.opt("V");
    let one = target(a).ok();
    let goes = |known: &StaticRoute| {
        known.vrf == vrf && known.prefix == prefix && one.as_ref().is_none_or(|one| *one == known.target)
    };
    s.config.routes.retain(|known| !goes(known));
    Ok(())
}

fn target(a: &Args) -> Result<RouteHop, Fault> {
    match a.opt::<String>("IF") {
        Some(name) if name == "Null0" => Ok(RouteHop::Null),
        Some(name) => Ok(RouteHop::Interface { name, gateway: a.opt("VIA") }),
        None if a.has("global") || a.has("nexthop-vrf") => a.get("GW").map(RouteHop::GlobalGateway),
        None => a.get("GW").map(RouteHop::Gateway),
    }
}

fn printed(v: View<'_>, family: Family) -> Option<Vec<Args>> {
    many(v.config.routes.iter().filter(|route| route.prefix.family() == family).map(|route| {
        let args = Args::new().with_some("V", route.vrf.as_ref());
        let args = match family {
            Family::V4 => args.with("P", route.prefix.address()).with("M", route.prefix.mask()),
            Family::V6 => args.with("P6", route.prefix),
        };
        let args = match &route.target {
            RouteHop::Gateway(gateway) => args.with("GW", gateway),
            RouteHop::GlobalGateway(gateway) => args.with("GW", gateway).flag(match family {
                Family::V4 => "global",
                Family::V6 => "nexthop-vrf",
            }),
            RouteHop::Interface { name, gateway } => args.with("IF", name).with_some("VIA", gateway.as_ref()),
            RouteHop::Null => args.with("IF", "Null0"),
        };
        let args = args.with_some("D", (route.distance != 1).then_some(route.distance));
        let args = args.with_some("TAG", (route.tag != 0).then_some(route.tag));
        args.with_some("NAME", route.name.as_ref())
    }))
}
