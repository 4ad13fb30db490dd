//! `neighbor` lines of one address family: whether it is spoken, and what is taken from and given to the neighbour.

use std::time::Duration;

use super::neighbor::{name, printed, who};
use super::{Args, Bgp, BgpUnicast, BgpVpn, Command, Done, Fault, Level, Scope, View, many};
use crate::model::bgp::{Beyond, MaximumPrefix, NextHopSelf, Setting};

/// A line without a value.
macro_rules! bit {
    ($level:expr, $pattern:expr, $($field:ident).+) => {
        Command::set(
            $level,
            $pattern,
            |s, a| {
                of(s, a)?.$($field).+ = true;
                Ok(())
            },
            |s, a| undo(s, a, |it| it.$($field).+ = false),
            |v| each(v, |it| it.$($field).+.then(Args::new)),
        )
    };
}

/// Under `router bgp` itself they are of IPv4, as in IOS, and are printed there.
pub(super) fn commands(level: Level) -> Vec<Command> {
    let mut commands = vec![
        activate(level),
        bit!(level, who!("route-reflector-client"), config.route_reflector_client),
        bit!(level, who!("as-override"), config.as_override),
        bit!(level, who!("remove-private-as [all]"), config.remove_private_as),
        bit!(level, who!("additional-paths receive"), config.add_path_receive),
        send_community(level),
        allowas_in(level),
        site(level),
        weight(level),
        maximum_prefix(level),
        Command::always(level, who!("soft-reconfiguration inbound")),
    ];
    if level != BgpVpn {
        commands.push(bit!(level, who!("default-originate"), config.default_originate));
        commands.push(next_hop_self(level));
    }
    if matches!(level, Bgp | BgpUnicast) {
        commands.push(bit!(level, who!("send-label"), send_label));
    }
    commands.extend(filters(level));
    commands.extend(refused(level));
    commands
}

fn of<'s>(s: &'s mut Scope<'_>, a: &Args) -> Result<&'s mut Setting, Fault> {
    Ok(s.bgp_family().settings.entry(name(a)?).or_default())
}

/// What is not there has nothing to be undone.
fn undo(s: &mut Scope<'_>, a: &Args, change: fn(&mut Setting)) -> Done {
    let name = name(a)?;
    if let Some(it) = s.known_bgp_family().and_then(|family| family.settings.get_mut(&name)) {
        change(it);
    }
    Ok(())
}

fn each(v: View<'_>, line: fn(&Setting) -> Option<Args>) -> Option<Vec<Args>> {
    many(v.bgp_family()?.settings.iter().filter_map(|(name, it)| Some(printed(name, line(it)?))))
}

/// With `all` also of routes that are reflected.
fn next_hop_self(level: Level) -> Command {
    Command::set(
        level,
        who!("next-hop-self [all]"),
        |s, a| {
            let next_hop = if a.has("all") { NextHopSelf::All } else { NextHopSelf::External };
            of(s, a)?.config.next_hop_self = next_hop;
            Ok(())
        },
        |s, a| undo(s, a, |it| it.config.next_hop_self = NextHopSelf::No),
        |v| {
            each(v, |it| match it.config.next_hop_self {
                NextHopSelf::No => None,
                NextHopSelf::External => Some(Args::new()),
                NextHopSelf::All => Some(Args::new().flag("all")),
            })
        },
    )
}

fn activate(level: Level) -> Command {
    Command::set(
        level,
        who!("activate"),
        |s, a| {
            of(s, a)?.activate = Some(true);
            Ok(())
        },
        |s, a| {
            of(s, a)?.activate = Some(false);
            Ok(())
        },
        |v| {
            let lines = v.bgp_family()?.settings.iter();
            many(lines.filter_map(|(name, it)| {
                let args = printed(name, Args::new());
                Some(if it.activate? { args } else { args.negate() })
            }))
        },
    )
}

fn send_community(level: Level) -> Command {
    Command::set(
        level,
        who!("send-community [{standard | extended | both}]"),
        |s, a| communities(s, a, true),
        |s, a| communities(s, a, false),
        |v| {
            each(v, |it| match (it.config.send_community.standard, it.config.send_community.extended) {
                (false, false) => None,
                (true, false) => Some(Args::new()),
                (false, true) => Some(Args::new().flag("extended")),
                (true, true) => Some(Args::new().flag("both")),
            })
        },
    )
}

/// Without a word the standard ones are meant; after `no`, all.
fn communities(s: &mut Scope<'_>, a: &Args, on: bool) -> Done {
    let both = a.has("both") || !on && !a.has("standard") && !a.has("extended");
    let send = &mut of(s, a)?.config.send_community;
    if both || !a.has("extended") {
        send.standard = on;
    }
    if both || a.has("extended") {
        send.extended = on;
    }
    Ok(())
}

fn allowas_in(level: Level) -> Command {
    Command::set(
        level,
        who!("allowas-in [<N:1-10>]"),
        |s, a| {
            of(s, a)?.config.allowas_in = a.opt("N").unwrap_or(3);
            Ok(())
        },
        |s, a| undo(s, a, |it| it.config.allowas_in = 0),
        |v| each(v, |it| (it.config.allowas_in != 0).then(|| Args::new().with("N", it.config.allowas_in))),
    )
}

fn site(level: Level) -> Command {
    Command::set(
        level,
        who!("soo <RD:rd>"),
        |s, a| {
            of(s, a)?.config.soo = Some(a.get("RD")?);
            Ok(())
        },
        |s, a| undo(s, a, |it| it.config.soo = None),
        |v| each(v, |it| it.config.soo.map(|site| Args::new().with("RD", site))),
    )
}

fn weight(level: Level) -> Command {
    Command::set(
        level,
        who!("weight <N:0-65535>"),
        |s, a| {
            of(s, a)?.config.weight = a.get("N")?;
            Ok(())
        },
        |s, a| undo(s, a, |it| it.config.weight = 0),
        |v| each(v, |it| (it.config.weight != 0).then(|| Args::new().with("N", it.config.weight))),
    )
}

/// IOS warns at three quarters where nothing else is said.
const WARN: u8 = 75;

fn maximum_prefix(level: Level) -> Command {
    Command::set(
        level,
        who!("maximum-prefix <N:1-4294967295> [<P:1-100>] [{warning-only | restart <MIN:1-65535>}]"),
        |s, a| {
            let minutes =
                a.opt::<u64>("MIN").map(|minutes| Beyond::Restart(Duration::from_secs(minutes * 60)));
            let beyond = if a.has("warning-only") { Beyond::Warn } else { minutes.unwrap_or(Beyond::Shut) };
            let limit = MaximumPrefix { limit: a.get("N")?, warn: a.opt("P").unwrap_or(WARN), beyond };
            of(s, a)?.config.maximum_prefix = Some(limit);
            Ok(())
        },
        |s, a| undo(s, a, |it| it.config.maximum_prefix = None),
        |v| {
            each(v, |it| {
                let MaximumPrefix { limit, warn, beyond } = it.config.maximum_prefix?;
                let args = Args::new().with("N", limit).with_some("P", (warn != WARN).then_some(warn));
                Some(match beyond {
                    Beyond::Shut => args,
                    Beyond::Warn => args.flag("warning-only"),
                    Beyond::Restart(time) => args.with("MIN", time.as_secs() / 60),
                })
            })
        },
    )
}

/// A route map or prefix list, each way.
macro_rules! filter {
    ($level:expr, $pattern:expr, $name:literal, $way:literal, $field:ident) => {
        Command::set(
            $level,
            $pattern,
            |s, a| {
                of(s, a)?.config.$field = Some(a.get($name)?);
                Ok(())
            },
            |s, a| undo(s, a, |it| it.config.$field = None),
            |v| each(v, |it| it.config.$field.as_ref().map(|name| Args::new().with($name, name).flag($way))),
        )
    };
}

fn filters(level: Level) -> [Command; 4] {
    [
        filter!(level, who!("prefix-list <PL:prefix-list> {in}"), "PL", "in", prefix_list_in),
        filter!(level, who!("prefix-list <PL:prefix-list> {out}"), "PL", "out", prefix_list_out),
        filter!(level, who!("route-map <RM:route-map> {in}"), "RM", "in", route_map_in),
        filter!(level, who!("route-map <RM:route-map> {out}"), "RM", "out", route_map_out),
    ]
}

fn refused(level: Level) -> Vec<Command> {
    const FILTER: &str = "write `neighbor A prefix-list NAME in|out`, or a route map";
    [
        (who!("distribute-list <REST:line>"), FILTER),
        (who!("filter-list <REST:line>"), FILTER),
        (
            who!("default-originate {route-map} <REST:line>"),
            "the default route is announced always: leave the map out",
        ),
        (who!("additional-paths {send | disable} [<REST:line>]"), "several paths are taken, but one is sent"),
        (who!("advertise-map <REST:line>"), "conditional announcements are not supported"),
        (who!("unsuppress-map <REST:line>"), "nothing is aggregated, so nothing is suppressed"),
        (who!("capability <REST:line>"), "prefix filters are not exchanged: write `neighbor A prefix-list`"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(level, pattern, instead))
    .collect()
}
