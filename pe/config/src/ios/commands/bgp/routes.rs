//! `redistribute`, `network`, `distance`: which routes a family gives to BGP, and how near BGP's own are.

use std::net::Ipv4Addr;

use base::{Family, Prefix};
use vrf::Source;

use super::super::super::value::{Mask, Network6};
use super::super::route::without_host_bits;
use super::{Args, Bgp, BgpVpn, Command, Done, Fault, Level, Scope, View, many, one};
use crate::model::bgp::{Distance, Redistribute};

/// Under `router bgp` itself they are of IPv4, as in IOS, and are printed there.
pub(super) fn commands(level: Level) -> Vec<Command> {
    if level == BgpVpn {
        const VRF: &str = "routes come from VRFs: write it under `address-family ipv4 vrf V`";
        let refuse = |pattern| Command::refuse(level, pattern, VRF);
        return ["redistribute <REST:line>", "network <REST:line>", "distance <REST:line>"]
            .map(refuse)
            .to_vec();
    }
    let mut commands = vec![redistribute(level), distance(level)];
    commands.extend(networks(level));
    commands.push(Command::refuse(
        level,
        "redistribute {ospf | rip | eigrp | isis | bgp | mobile | odr | lisp} [<REST:line>]",
        "routes come from interfaces, `ip route`, tunnels and BGP itself",
    ));
    if level != Bgp {
        let family = "address families of one path, unaggregated: leave the line out";
        let refuse = |pattern| Command::refuse(level, pattern, family);
        commands.extend(
            ["maximum-paths <REST:line>", "synchronization", "auto-summary", "aggregate-address <REST:line>"]
                .map(refuse),
        );
    }
    commands
}

fn redistribute(level: Level) -> Command {
    Command::set(
        level,
        "redistribute {connected | static} [metric <M:0-4294967295>] [route-map <RM:route-map>]",
        |s, a| {
            let new = Redistribute { source: source(a), metric: a.opt("M"), route_map: a.opt("RM") };
            let lines = &mut s.bgp_family().redistribute;
            lines.retain(|known| known.source != new.source);
            let at = lines.partition_point(|known| known.source < new.source);
            lines.insert(at, new);
            Ok(())
        },
        |s, a| {
            let gone = source(a);
            if let Some(family) = s.known_bgp_family() {
                family.redistribute.retain(|known| known.source != gone);
            }
            Ok(())
        },
        |v| {
            many(v.bgp_family()?.redistribute.iter().map(|line| {
                let word = if line.source == Source::Connected { "connected" } else { "static" };
                let args = Args::new().flag(word).with_some("M", line.metric);
                args.with_some("RM", line.route_map.as_ref())
            }))
        },
    )
}

fn source(a: &Args) -> Source {
    if a.has("connected") { Source::Connected } else { Source::Static }
}

fn networks(level: Level) -> [Command; 2] {
    [
        Command::set(
            level,
            "network <P:ipv4> [mask <M:mask>] [route-map <RM:route-map>]",
            |s, a| add(s, a, classful(a)?),
            |s, a| remove(s, classful(a)?),
            |v| {
                printed(v, Family::V4, |prefix| {
                    let mask = (classes(prefix) != Some(prefix.length())).then(|| prefix.mask());
                    let network = prefix.address();
                    Args::new().with("P", network).with_some("M", mask)
                })
            },
        ),
        Command::set(
            level,
            "network <P6:network6> [route-map <RM:route-map>]",
            |s, a| add(s, a, prefix6(a)?),
            |s, a| remove(s, prefix6(a)?),
            |v| printed(v, Family::V6, |prefix| Args::new().with("P6", prefix)),
        ),
    ]
}

fn prefix6(a: &Args) -> Result<Prefix, Fault> {
    let Network6(address, length) = a.get("P6")?;
    without_host_bits(address.into(), length, "P6")
}

/// Without a mask the network is one of a class, as in IOS.
fn classful(a: &Args) -> Result<Prefix, Fault> {
    let address: Ipv4Addr = a.get("P")?;
    let mask: Option<Mask> = a.opt("M");
    let length = mask.map(|Mask(length)| length).or_else(|| class(address));
    let help = "write `mask M`";
    let length = length.ok_or_else(|| Fault::new("no class has this network", help).at("P"))?;
    without_host_bits(address.into(), length, "P")
}

const fn class(address: Ipv4Addr) -> Option<u8> {
    match address.octets()[0] {
        0 => None,
        1..128 => Some(8),
        128..192 => Some(16),
        192..224 => Some(24),
        224.. => None,
    }
}

fn classes(prefix: Prefix) -> Option<u8> {
    match prefix.address() {
        std::net::IpAddr::V4(address) => class(address),
        std::net::IpAddr::V6(_) => None,
    }
}

fn add(s: &mut Scope<'_>, a: &Args, prefix: Prefix) -> Done {
    let six = s.place.number == 6;
    if six != (prefix.family() == Family::V6) {
        let help = "write it under the `address-family` of its own";
        return Err(Fault::new("the network is of the other address family", help));
    }
    s.bgp_family().networks.insert(prefix, a.opt("RM"));
    Ok(())
}

fn remove(s: &mut Scope<'_>, prefix: Prefix) -> Done {
    if let Some(family) = s.known_bgp_family() {
        family.networks.remove(&prefix);
    }
    Ok(())
}

fn printed(v: View<'_>, family: Family, network: fn(Prefix) -> Args) -> Option<Vec<Args>> {
    let mine = v.bgp_family()?.networks.iter().filter(|(prefix, _)| prefix.family() == family);
    many(mine.map(|(prefix, map)| network(*prefix).with_some("RM", map.as_ref())))
}

fn distance(level: Level) -> Command {
    Command::set(
        level,
        "distance bgp <E:1-255> <I:1-255> <L:1-255>",
        |s, a| {
            let distance = Distance { external: a.get("E")?, internal: a.get("I")?, local: a.get("L")? };
            s.bgp_family().distance = Some(distance);
            Ok(())
        },
        |s, _| {
            if let Some(family) = s.known_bgp_family() {
                family.distance = None;
            }
            Ok(())
        },
        |v| {
            let Distance { external, internal, local } = v.bgp_family()?.distance?;
            one(Some(Args::new().with("E", external).with("I", internal).with("L", local)))
        },
    )
}
