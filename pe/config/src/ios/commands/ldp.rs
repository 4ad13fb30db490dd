//! `mpls ldp`: label distribution in the global table.

use std::time::Duration;

use super::super::args::Args;
use super::super::scope::Level::{Global, LdpLabel};
use super::super::scope::{Done, Fault, Place, Scope};
use super::keyring::text;
use super::{Command, Setter, flag, many, one};
use crate::model::{HelloTimes, Ldp, LdpRouterId, RouterIdSource};

/// A command without arguments.
macro_rules! bit {
    ($pattern:expr, $field:ident) => {
        Command::set(
            Global,
            $pattern,
            |s, _| {
                s.config.ldp.$field = true;
                Ok(())
            },
            |s, _| {
                s.config.ldp.$field = false;
                Ok(())
            },
            |v| flag(v.config.ldp.$field),
        )
    };
}

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![router_id()];
    commands.extend(hellos());
    commands.extend(sessions());
    commands.extend(neighbors());
    commands.extend(graceful_restart());
    commands.extend(labels());
    commands.push(advertise());
    commands.extend(refused());
    commands
}

/// Printed before the interfaces, which know the line, too.
pub(super) fn protocol() -> Command {
    bit!("mpls label protocol ldp", protocol)
}

fn router_id() -> Command {
    Command::set(
        Global,
        "mpls ldp router-id {<A:ipv4> | <IF:interface>} [{force}]",
        |s, a| {
            let interface = || a.get("IF").map(RouterIdSource::Interface);
            let from = a.opt("A").map(RouterIdSource::Address).map_or_else(interface, Ok)?;
            s.config.ldp.router_id = Some(LdpRouterId { from, force: a.has("force") });
            Ok(())
        },
        |s, _| {
            s.config.ldp.router_id = None;
            Ok(())
        },
        |v| {
            one(v.config.ldp.router_id.as_ref().map(|LdpRouterId { from, force }| {
                let args = match from {
                    RouterIdSource::Address(address) => Args::new().with("A", address),
                    RouterIdSource::Interface(name) => Args::new().with("IF", name),
                };
                args.flag_if(*force, "force")
            }))
        },
    )
}

fn hellos() -> [Command; 3] {
    [
        Command::set(
            Global,
            "mpls ldp discovery hello {interval <I:1-65535> | holdtime <H:1-65535>}",
            |s, a| hello(&mut s.config.ldp.hello, a),
            |s, a| no_hello(&mut s.config.ldp.hello, a),
            |v| hello_printed(v.config.ldp.hello),
        ),
        Command::set(
            Global,
            "mpls ldp discovery targeted-hello {interval <I:1-65535> | holdtime <H:1-65535>}",
            |s, a| hello(&mut s.config.ldp.targeted_hello, a),
            |s, a| no_hello(&mut s.config.ldp.targeted_hello, a),
            |v| hello_printed(v.config.ldp.targeted_hello),
        ),
        bit!("mpls ldp discovery targeted-hello accept", accept_targeted),
    ]
}

fn hello(times: &mut HelloTimes, a: &Args) -> Done {
    times.interval = a.opt("I").or(times.interval);
    times.hold = a.opt("H").or(times.hold);
    Ok(())
}

fn no_hello(times: &mut HelloTimes, a: &Args) -> Done {
    if !a.has("H") {
        times.interval = None;
    }
    if !a.has("I") {
        times.hold = None;
    }
    Ok(())
}

fn hello_printed(times: HelloTimes) -> Option<Vec<Args>> {
    let interval = times.interval.map(|seconds| Args::new().with("I", seconds));
    many(interval.into_iter().chain(times.hold.map(|seconds| Args::new().with("H", seconds))))
}

fn sessions() -> [Command; 5] {
    [
        Command::set(
            Global,
            "mpls ldp holdtime <N:15-65535>",
            |s, a| {
                s.config.ldp.hold = Some(a.get("N")?);
                Ok(())
            },
            |s, _| {
                s.config.ldp.hold = None;
                Ok(())
            },
            |v| super::opt("N", v.config.ldp.hold),
        ),
        Command::set(
            Global,
            "mpls ldp backoff <FIRST:5-65535> <MOST:5-65535>",
            |s, a| {
                let (first, most): (u16, u16) = (a.get("FIRST")?, a.get("MOST")?);
                if first > most {
                    let help = "the first wait comes first, then the longest";
                    return Err(Fault::new("the first wait is longer than the longest", help).at("MOST"));
                }
                s.config.ldp.backoff = Some((first, most));
                Ok(())
            },
            |s, _| {
                s.config.ldp.backoff = None;
                Ok(())
            },
            |v| {
                one(v
                    .config
                    .ldp
                    .backoff
                    .map(|(first, most)| Args::new().with("FIRST", first).with("MOST", most)))
            },
        ),
        bit!("mpls ldp explicit-null", explicit_null),
        bit!("mpls ldp ordered-control", ordered),
        Command::set(
            Global,
            "mpls ldp ttl-security",
            |s, _| {
                s.config.ldp.no_ttl_security = false;
                Ok(())
            },
            |s, _| {
                s.config.ldp.no_ttl_security = true;
                Ok(())
            },
            |v| v.config.ldp.no_ttl_security.then(|| vec![Args::new().negate()]),
        ),
    ]
}

fn neighbors() -> [Command; 2] {
    [
        Command::set(
            Global,
            "mpls ldp neighbor <PEER:ip> targeted [ldp]",
            |s, a| {
                s.config.ldp.targeted.insert(a.get("PEER")?);
                Ok(())
            },
            |s, a| {
                s.config.ldp.targeted.remove(&a.get("PEER")?);
                Ok(())
            },
            |v| many(v.config.ldp.targeted.iter().map(|peer| Args::new().with("PEER", peer))),
        ),
        Command::set(
            Global,
            "mpls ldp neighbor <PEER:ipv4> password [{0 | 6}] <KEY:secret>",
            |s, a| {
                let key = s.key(a)?;
                s.config.ldp.passwords.insert(a.get("PEER")?, key);
                Ok(())
            },
            |s, a| {
                s.config.ldp.passwords.remove(&a.get("PEER")?);
                Ok(())
            },
            |v| {
                let all = v.config.ldp.passwords.iter();
                many(all.map(|(peer, key)| Args::new().with("PEER", peer).with("KEY", text(key))))
            },
        ),
    ]
}

const TIMERS: &str = "mpls ldp graceful-restart timers {forwarding-holding <F:30-600> | neighbor-liveness <L:5-300> | max-recovery <R:15-600>}";

/// The timers say nothing by themselves, as in IOS: the line without them switches it on.
fn graceful_restart() -> [Command; 2] {
    [
        Command::set(
            Global,
            "mpls ldp graceful-restart",
            |s, _| {
                s.config.ldp.graceful_restart.on = true;
                Ok(())
            },
            |s, _| {
                s.config.ldp.graceful_restart.on = false;
                Ok(())
            },
            |v| flag(v.config.ldp.graceful_restart.on),
        ),
        Command::set(
            Global,
            TIMERS,
            |s, a| {
                let terms = &mut s.config.ldp.graceful_restart.terms;
                let seconds = |name, known| a.opt(name).map_or(known, Duration::from_secs);
                terms.reconnect = seconds("F", terms.reconnect);
                terms.liveness = seconds("L", terms.liveness);
                terms.recovery = seconds("R", terms.recovery);
                Ok(())
            },
            |s, a| {
                let usual = Ldp::default().graceful_restart.terms;
                let terms = &mut s.config.ldp.graceful_restart.terms;
                let all = !["F", "L", "R"].into_iter().any(|name| a.has(name));
                let kept = |name, known, usual| if all || a.has(name) { usual } else { known };
                terms.reconnect = kept("F", terms.reconnect, usual.reconnect);
                terms.liveness = kept("L", terms.liveness, usual.liveness);
                terms.recovery = kept("R", terms.recovery, usual.recovery);
                Ok(())
            },
            |v| {
                let (usual, terms) =
                    (Ldp::default().graceful_restart.terms, v.config.ldp.graceful_restart.terms);
                let all = [
                    ("F", terms.reconnect, usual.reconnect),
                    ("L", terms.liveness, usual.liveness),
                    ("R", terms.recovery, usual.recovery),
                ];
                let unlike = all.into_iter().filter(|(_, own, usual)| own != usual);
                many(unlike.map(|(name, own, _)| Args::new().with(name, own.as_secs())))
            },
        ),
    ]
}

fn labels() -> [Command; 2] {
    [
        Command::set(
            Global,
            "mpls ldp label",
            |_, _| Ok(()),
            |s, _| host_routes(s, false),
            |v| flag(v.config.ldp.host_routes_only),
        )
        .opens(|_, _| Ok(Place::at(LdpLabel, ""))),
        Command::set(
            LdpLabel,
            "allocate global host-routes",
            |s, _| host_routes(s, true),
            |s, _| host_routes(s, false),
            |v| flag(v.config.ldp.host_routes_only),
        ),
    ]
}

fn host_routes(s: &mut Scope<'_>, only: bool) -> Done {
    s.config.ldp.host_routes_only = only;
    Ok(())
}

/// Its `no` form is no default: nobody would be told a label.
fn advertise() -> Command {
    let always: Setter = |_, _| {
        let help = "`mpls ldp label` bounds which routes have one";
        Err(Fault::new("labels of all routes are given to every neighbour", help))
    };
    Command::synonym(Global, "mpls ldp advertise-labels [<REST:line>]", always, always)
}

fn refused() -> Vec<Command> {
    const GLOBAL: &str = "LDP is of the global table: customers' labels travel in BGP";
    const ALL: &str =
        "labels of all routes are given to every neighbour: `mpls ldp label` bounds which routes have one";
    [
        (Global, "mpls label protocol {tdp | both}", "LDP is what there is: write `mpls label protocol ldp`"),
        (Global, "mpls ldp neighbor vrf <REST:line>", GLOBAL),
        (Global, "mpls ldp router-id vrf <REST:line>", GLOBAL),
        (Global, "mpls ldp neighbor <PEER:ip> labels <REST:line>", ALL),
        (
            Global,
            "mpls ldp igp sync [<REST:line>]",
            "there is no IGP here to be held back: leave the line out",
        ),
        (Global, "mpls ldp autoconfig [<REST:line>]", "write `mpls ip` under each interface"),
        (Global, "mpls ldp session protection [<REST:line>]", "write `mpls ldp neighbor A targeted`"),
        (
            Global,
            "mpls ldp password <REST:line>",
            "write `mpls ldp neighbor A password KEY` for each neighbour",
        ),
        (
            Global,
            "mpls ldp {entropy-label | maxhops | nsr | path-vector | request-labels} [<REST:line>]",
            "nothing here works like that: leave the line out",
        ),
        (
            Global,
            "mpls ldp neighbor <PEER:ip> implicit-withdraw",
            "labels are withdrawn by a message: leave the line out",
        ),
        (
            Global,
            "mpls ldp discovery targeted-hello accept from <REST:line>",
            "write `mpls ldp neighbor A targeted` for each",
        ),
        (Global, "mpls ldp loop-detection", "routes here do not loop: leave the line out"),
        (Global, "mpls ldp logging <REST:line>", "sessions are always logged: leave the line out"),
        (
            Global,
            "mpls ldp tcp pak-priority",
            "packets of protocols have no queue of their own: leave the line out",
        ),
        (LdpLabel, "allocate global prefix-list <REST:line>", "write `allocate global host-routes`"),
        (
            LdpLabel,
            "allocate global all-routes",
            "it is so unless `host-routes` is written: leave the line out",
        ),
    ]
    .into_iter()
    .map(|(level, pattern, instead)| Command::refuse(level, pattern, instead))
    .collect()
}
