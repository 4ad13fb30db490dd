//! `router bgp`: the process, its address families, neighbours and what is given to them.

use std::time::Duration;

use ::bgp::AddressFamily;

use super::super::args::Args;
use super::super::scope::Level::{self, Bgp, BgpUnicast, BgpVpn, BgpVrf, Global};
use super::super::scope::{Done, Fault, Place, Scope, View};
use super::super::value::Asn;
use super::{Command, many, one, opt};
use crate::model::NeighborName;
use crate::model::bgp::{Clock, GracefulRestart};

mod neighbor;
mod refused;
mod routes;
mod setting;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![router()];
    commands.extend(ids());
    commands.extend(switches());
    commands.extend(defaults());
    commands.push(graceful_restart());
    commands.extend(refused());
    commands.extend(neighbor::commands(Bgp));
    commands.extend(neighbor::elsewhere(BgpUnicast));
    commands.extend(neighbor::elsewhere(BgpVpn));
    commands.extend(neighbor::commands(BgpVrf));
    for level in refused::LEVELS {
        commands.extend(setting::commands(level));
        commands.extend(routes::commands(level));
        commands.extend(refused::commands(level));
    }
    commands.push(refused::third_timer());
    commands.extend(families());
    commands
}

fn router() -> Command {
    Command::set(
        Global,
        "router bgp <AS:asn>",
        |s, a| {
            let Asn(asn) = a.get("AS")?;
            match s.bgp().asn {
                0 => s.bgp().asn = asn,
                own if own != asn => {
                    let help = "there is one process: write `no router bgp` first, or `neighbor A local-as`";
                    return Err(Fault::new(format!("BGP is in AS {own} already"), help).at("AS"));
                }
                _ => {}
            }
            Ok(())
        },
        |s, _| {
            s.config.bgp = None;
            Ok(())
        },
        |v| opt("AS", v.bgp().map(|bgp| bgp.asn)),
    )
    .opens(|_, _| Ok(Place::at(Bgp, "")))
}

fn ids() -> [Command; 2] {
    [
        value!(Bgp, "bgp router-id <A:ipv4>", bgp.router_id, "A"),
        Command::set(
            Bgp,
            "bgp cluster-id {<A:ipv4> | <N:1-4294967295>}",
            |s, a| {
                let number = || a.get::<u32>("N").map(Into::into);
                s.bgp().cluster_id = Some(a.opt("A").map_or_else(number, Ok)?);
                Ok(())
            },
            |s, _| {
                s.bgp().cluster_id = None;
                Ok(())
            },
            |v| opt("A", v.bgp()?.cluster_id),
        ),
    ]
}

/// A command that is in force unless its `no` form is written.
macro_rules! unless {
    ($pattern:expr, $field:ident) => {
        Command::set(
            Bgp,
            $pattern,
            |s, _| {
                s.bgp().$field = true;
                Ok(())
            },
            |s, _| {
                s.bgp().$field = false;
                Ok(())
            },
            |v| one((!v.bgp()?.$field).then(|| Args::new().negate())),
        )
    };
}

fn switches() -> [Command; 5] {
    [
        unless!("bgp log-neighbor-changes", log_changes),
        unless!("bgp fast-external-fallover", fast_external_fallover),
        unless!("bgp default ipv4-unicast", default_ipv4),
        unless!("bgp default route-target filter", target_filter),
        switch!(Bgp, "bgp always-compare-med", bgp.always_compare_med),
    ]
}

fn defaults() -> [Command; 2] {
    [
        value!(Bgp, "bgp default local-preference <N:0-4294967295>", bgp.local_preference, "N"),
        Command::set(
            Bgp,
            "timers bgp <K:0-65535> <H:0-65535>",
            |s, a| {
                s.bgp().timers = Some(clock(a)?);
                Ok(())
            },
            |s, _| {
                s.bgp().timers = None;
                Ok(())
            },
            |v| one(v.bgp()?.timers.map(clock_printed)),
        ),
    ]
}

/// RFC 4271 section 4.2: a hold time is zero, or three seconds and more.
fn clock(a: &Args) -> Result<Clock, Fault> {
    let clock = Clock { keepalive: a.get("K")?, hold: a.get("H")? };
    if (1..3).contains(&clock.hold) {
        return Err(
            Fault::new("the hold time is too short", "it is 0 (never), or 3 seconds and more").at("H")
        );
    }
    if clock.keepalive > clock.hold {
        let help = "keepalives are sent more often than the hold time: a third of it is usual";
        return Err(Fault::new("the keepalive time is longer than the hold time", help).at("K"));
    }
    Ok(clock)
}

fn clock_printed(clock: Clock) -> Args {
    Args::new().with("K", clock.keepalive).with("H", clock.hold)
}

/// Any of its forms switches it on.
fn graceful_restart() -> Command {
    Command::set(
        Bgp,
        "bgp graceful-restart [restart-time <R:1-3600>] [stalepath-time <S:1-3600>]",
        |s, a| {
            let terms = s.bgp().graceful_restart.get_or_insert_default();
            let seconds = |name| a.opt(name).map(Duration::from_secs);
            terms.restart = seconds("R").unwrap_or(terms.restart);
            terms.stale_path = seconds("S").unwrap_or(terms.stale_path);
            Ok(())
        },
        |s, a| {
            let (usual, terms) = (GracefulRestart::default(), &mut s.bgp().graceful_restart);
            match terms {
                Some(terms) if a.has("R") => terms.restart = usual.restart,
                Some(terms) if a.has("S") => terms.stale_path = usual.stale_path,
                Some(_) | None => *terms = None,
            }
            Ok(())
        },
        |v| {
            let (usual, terms) = (GracefulRestart::default(), v.bgp()?.graceful_restart?);
            let unlike = |own: Duration, usual| (own != usual).then_some(own.as_secs());
            let args = Args::new().with_some("R", unlike(terms.restart, usual.restart));
            one(Some(args.with_some("S", unlike(terms.stale_path, usual.stale_path))))
        },
    )
}

fn families() -> Vec<Command> {
    let mut commands = vec![
        family("address-family {ipv4 | ipv6} [unicast]", |v| {
            written(v, &[("ipv4", AddressFamily::Ipv4Unicast), ("ipv6", AddressFamily::Ipv6Unicast)])
        }),
        family("address-family {vpnv4 | vpnv6 | rtfilter} [unicast]", |v| {
            let rtfilter = ("rtfilter", AddressFamily::RouteTarget);
            written(v, &[("vpnv4", AddressFamily::Vpnv4), ("vpnv6", AddressFamily::Vpnv6), rtfilter])
        }),
        family("address-family {ipv4 | ipv6} [unicast] vrf <V:vrf>", |v| {
            let named = v.bgp()?.families.keys().filter_map(|(family, vrf)| Some((family, vrf.as_ref()?)));
            many(named.map(|(family, vrf)| {
                let word = if *family == AddressFamily::Ipv6Unicast { "ipv6" } else { "ipv4" };
                Args::new().flag(word).with("V", vrf)
            }))
        }),
    ];
    let exit = |level: Level| Command::new(level, "exit-address-family", super::Action::Exit);
    commands.extend([BgpUnicast, BgpVpn, BgpVrf].map(exit));
    // A line of `router bgp` in a family has left it already.
    commands.push(Command::comment(Bgp, "exit-address-family"));
    commands
}

fn family(pattern: &'static str, get: super::Getter) -> Command {
    let open = |s: &mut Scope<'_>, a: &Args| {
        s.enter(&place(a)?).bgp_family();
        Ok(())
    };
    let close = |s: &mut Scope<'_>, a: &Args| {
        let key = place(a)?.bgp_family();
        s.bgp().families.remove(&key);
        Ok(())
    };
    Command::set(Bgp, pattern, open, close, get).opens(|_, a| place(a))
}

fn place(a: &Args) -> Result<Place, Fault> {
    let number = if a.has("ipv6") || a.has("vpnv6") { 6 } else { 4 };
    if a.has("V") {
        return Ok(Place::numbered(BgpVrf, a.get::<String>("V")?, number));
    }
    let vpn = a.has("vpnv4") || a.has("vpnv6") || a.has("rtfilter");
    let number = if a.has("rtfilter") { 0 } else { number };
    Ok(Place::numbered(if vpn { BgpVpn } else { BgpUnicast }, "", number))
}

fn written(v: View<'_>, all: &[(&'static str, AddressFamily)]) -> Option<Vec<Args>> {
    let families = &v.bgp()?.families;
    many(
        all.iter()
            .filter(|(_, family)| families.contains_key(&(*family, None)))
            .map(|(word, _)| Args::new().flag(word)),
    )
}

fn refused() -> Vec<Command> {
    const ONE: &str = "of equal routes one is used: leave the line out";
    const FAMILY: &str = "families are ipv4, ipv6, vpnv4, vpnv6 and rtfilter";
    const IGP: &str = "there is no IGP to synchronize with: leave the line out";
    [
        ("bgp router-id {interface | vrf | auto-assign} [<REST:line>]", "write the address"),
        ("bgp asnotation dot", "AS numbers are read either way and shown plain: leave the line out"),
        (
            "bgp bestpath <REST:line>",
            "the decision process is RFC 4271's, with `bgp always-compare-med` and `bgp bestpath compare-routerid`",
        ),
        ("bgp confederation <REST:line>", "confederations are not supported"),
        ("bgp dampening [<REST:line>]", "flap dampening is not supported"),
        ("bgp listen <REST:line>", "neighbours are written one by one, or as members of a peer group"),
        ("bgp additional-paths <REST:line>", "write `neighbor A additional-paths receive` under the family"),
        ("bgp redistribute-internal", "routes of BGP are announced by BGP alone"),
        ("maximum-paths <REST:line>", ONE),
        ("synchronization", IGP),
        ("auto-summary", "networks are announced as they are: leave the line out"),
        ("aggregate-address <REST:line>", "write a static route to `Null0` and a `network` line"),
        ("template <REST:line>", "write a peer group: `neighbor NAME peer-group`"),
        ("address-family {ipv4 | ipv6} {multicast | mdt | mvpn | flowspec | tunnel} [<REST:line>]", FAMILY),
        ("address-family {l2vpn | nsap | link-state} [<REST:line>]", FAMILY),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Bgp, pattern, instead))
    .collect()
}
