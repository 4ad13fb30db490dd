//! `bfd-template`, `bfd map`, `ip route static bfd`; and the timers that stand under interfaces, too.

use std::time::Duration;

use base::{Family, Prefix};

use super::super::args::Args;
use super::super::scope::Level::{BfdTemplate, Global};
use super::super::scope::{Done, Fault, Place, Scope, View};
use super::super::value::{Network4, Network6};
use super::route::without_host_bits;
use super::{Command, insert, insert_by_family, many, one};
use crate::model::{BfdMap, BfdTimers, StaticHop};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = templates().to_vec();
    commands.extend(maps());
    commands.extend(static_hops());
    commands.extend(refused());
    commands
}

/// `TX`, `RX` in milliseconds, and `N`.
pub(super) fn timers(a: &Args) -> Result<BfdTimers, Fault> {
    let (transmit, receive) = (Duration::from_millis(a.get("TX")?), Duration::from_millis(a.get("RX")?));
    Ok(BfdTimers { transmit, receive, multiplier: a.get("N")? })
}

pub(super) fn timers_printed(timers: BfdTimers) -> Args {
    let (transmit, receive) = (timers.transmit.as_millis(), timers.receive.as_millis());
    Args::new().with("TX", transmit).with("RX", receive).with("N", timers.multiplier)
}

fn templates() -> [Command; 2] {
    [
        Command::set(
            Global,
            "bfd-template multi-hop <NAME:word>",
            |s, a| {
                s.config.bfd.templates.entry(a.get("NAME")?).or_default();
                Ok(())
            },
            |s, a| {
                s.config.bfd.templates.remove(&a.get::<String>("NAME")?);
                Ok(())
            },
            |v| many(v.config.bfd.templates.keys().map(|name| Args::new().with("NAME", name))),
        )
        .opens(|_, a| Ok(Place::at(BfdTemplate, a.get::<String>("NAME")?))),
        Command::set(
            BfdTemplate,
            "interval min-tx <TX:50-9999> min-rx <RX:50-9999> multiplier <N:3-50>",
            |s, a| {
                let timers = timers(a)?;
                s.config.bfd.templates.insert(s.place.name.clone(), Some(timers));
                Ok(())
            },
            |s, _| {
                s.config.bfd.templates.insert(s.place.name.clone(), None);
                Ok(())
            },
            |v| one(v.config.bfd.templates.get(&v.place.name)?.map(timers_printed)),
        ),
    ]
}

fn maps() -> [Command; 2] {
    [
        Command::set(
            Global,
            "bfd map ipv4 [vrf <V:vrf>] <DST:network4> <SRC:network4> <T:bfd-template>",
            add_map,
            remove_map,
            |v| maps_printed(v, Family::V4),
        ),
        Command::set(
            Global,
            "bfd map ipv6 [vrf <V:vrf>] <DST6:network6> <SRC6:network6> <T:bfd-template>",
            add_map,
            remove_map,
            |v| maps_printed(v, Family::V6),
        ),
    ]
}

fn map(a: &Args) -> Result<BfdMap, Fault> {
    let network = |four, six| {
        let six_or = |Network6(address, length)| without_host_bits(address.into(), length, six);
        let four_or = |Network4(address, length): Network4| without_host_bits(address.into(), length, four);
        a.opt(six).map(six_or).unwrap_or_else(|| a.get(four).and_then(four_or))
    };
    let (destination, source): (Prefix, Prefix) = (network("DST", "DST6")?, network("SRC", "SRC6")?);
    Ok(BfdMap { vrf: a.opt("V"), destination, source, template: a.opt("T").unwrap_or_default() })
}

fn is_same(a: &BfdMap, b: &BfdMap) -> bool {
    (&a.vrf, a.destination, a.source) == (&b.vrf, b.destination, b.source)
}

fn add_map(s: &mut Scope<'_>, a: &Args) -> Done {
    let new = map(a)?;
    let maps = &mut s.config.bfd.maps;
    maps.retain(|known| !is_same(known, &new));
    insert_by_family(maps, new, |it| it.destination);
    Ok(())
}

fn remove_map(s: &mut Scope<'_>, a: &Args) -> Done {
    let gone = map(a)?;
    s.config.bfd.maps.retain(|known| !is_same(known, &gone));
    Ok(())
}

fn maps_printed(v: View<'_>, family: Family) -> Option<Vec<Args>> {
    let mine = v.config.bfd.maps.iter().filter(|it| it.destination.family() == family);
    let (destination, source) = if family == Family::V4 { ("DST", "SRC") } else { ("DST6", "SRC6") };
    many(mine.map(|it| {
        let args = Args::new().with_some("V", it.vrf.as_ref()).with(destination, it.destination);
        args.with(source, it.source).with("T", &it.template)
    }))
}

fn static_hops() -> [Command; 2] {
    [
        Command::set(Global, "ip route static bfd <IF:interface> <A:ipv4>", add_hop, remove_hop, |v| {
            hops_printed(v, false)
        }),
        Command::set(Global, "ipv6 route static bfd <IF:interface> <A:ipv6>", add_hop, remove_hop, |v| {
            hops_printed(v, true)
        }),
    ]
}

fn hop(a: &Args) -> Result<StaticHop, Fault> {
    Ok(StaticHop { interface: a.get("IF")?, gateway: a.get("A")? })
}

/// IPv4 stands first.
fn add_hop(s: &mut Scope<'_>, a: &Args) -> Done {
    let hops = &mut s.config.bfd.static_hops;
    insert(hops, hop(a)?);
    hops.sort_by_key(|it| it.gateway.is_ipv6());
    Ok(())
}

fn remove_hop(s: &mut Scope<'_>, a: &Args) -> Done {
    let gone = hop(a)?;
    s.config.bfd.static_hops.retain(|known| *known != gone);
    Ok(())
}

fn hops_printed(v: View<'_>, ipv6: bool) -> Option<Vec<Args>> {
    let mine = v.config.bfd.static_hops.iter().filter(|it| it.gateway.is_ipv6() == ipv6);
    many(mine.map(|it| Args::new().with("IF", &it.interface).with("A", it.gateway)))
}

fn refused() -> Vec<Command> {
    const SINGLE: &str = "of one hop, write `bfd interval N min_rx N multiplier N` under the interface";
    const HOP: &str = "write `ip route static bfd IF GATEWAY`: each next hop is watched for itself";
    const PLAIN: &str = "packets of BFD carry no key here: leave the line out";
    [
        (Global, "bfd-template single-hop <REST:line>", SINGLE),
        (Global, "ip route static bfd {vrf} <REST:line>", HOP),
        (
            Global,
            "ip route static bfd <IF:interface> <A:ipv4> {group | log | passive | unassociate} [<REST:line>]",
            HOP,
        ),
        (Global, "bfd slow-timers [<REST:line>]", "the echo function is not supported: leave the line out"),
        (
            BfdTemplate,
            "interval {both | microseconds} <REST:line>",
            "write `interval min-tx N min-rx N multiplier N`, in milliseconds",
        ),
        (BfdTemplate, "authentication <REST:line>", PLAIN),
        (BfdTemplate, "dampening [<REST:line>]", "flaps are not dampened: leave the line out"),
    ]
    .into_iter()
    .map(|(level, pattern, instead)| Command::refuse(level, pattern, instead))
    .collect()
}
