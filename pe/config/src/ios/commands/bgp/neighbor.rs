//! `neighbor` lines that hold in every address family: who it is, and its session.

use super::super::keyring::text;
use super::{
    Args, Asn, Bgp, Clock, Command, Done, Fault, Level, NeighborName, Scope, View, clock, clock_printed, many,
};
use crate::model::bgp::{LocalAs, Neighbor, Ttl};

/// Whom a line is of.
macro_rules! who {
    ($rest:literal) => {
        concat!("neighbor {<PEER:ip> | <G:peer-group>} ", $rest)
    };
}
pub(super) use who;

/// A line with one value.
macro_rules! field {
    ($level:expr, $pattern:expr, $field:ident, $name:literal) => {
        Command::set(
            $level,
            $pattern,
            |s, a| {
                of(s, a)?.$field = Some(a.get($name)?);
                Ok(())
            },
            |s, a| undo(s, a, |it| it.$field = None),
            |v| each(v, |it| it.$field.as_ref().map(|value| Args::new().with($name, value))),
        )
    };
}

/// A line without one.
macro_rules! bit {
    ($level:expr, $pattern:expr, $field:ident) => {
        Command::set(
            $level,
            $pattern,
            |s, a| {
                of(s, a)?.$field = true;
                Ok(())
            },
            |s, a| undo(s, a, |it| it.$field = false),
            |v| each(v, |it| it.$field.then(Args::new)),
        )
    };
}

pub(super) fn commands(level: Level) -> Vec<Command> {
    let mut commands = groups(level).to_vec();
    commands.extend(systems(level));
    commands.extend([
        field!(level, who!("description <TEXT:line>"), description, "TEXT"),
        bit!(level, who!("shutdown"), shutdown),
        field!(level, who!("update-source <IF:interface>"), update_source, "IF"),
        field!(level, who!("advertisement-interval <N:0-600>"), advertisement, "N"),
        bit!(level, who!("transport connection-mode passive"), passive),
        bit!(level, who!("fall-over bfd"), bfd),
        password(level),
        timers(level),
    ]);
    commands.extend(distance(level));
    commands.extend(refused(level));
    commands
}

/// Who the line is of.
pub(super) fn name(a: &Args) -> Result<NeighborName, Fault> {
    a.opt("PEER").map(NeighborName::Address).map_or_else(|| a.get("G").map(NeighborName::Group), Ok)
}

pub(super) fn printed(name: &NeighborName, rest: Args) -> Args {
    let args = match name {
        NeighborName::Address(address) => Args::new().with("PEER", address),
        NeighborName::Group(group) => Args::new().with("G", group),
    };
    args.then(rest)
}

fn of<'s>(s: &'s mut Scope<'_>, a: &Args) -> Result<&'s mut Neighbor, Fault> {
    Ok(s.neighbors().entry(name(a)?).or_default())
}

/// What is not there has nothing to be undone.
fn undo(s: &mut Scope<'_>, a: &Args, change: fn(&mut Neighbor)) -> Done {
    if let Some(it) = s.neighbors().get_mut(&name(a)?) {
        change(it);
    }
    Ok(())
}

fn each(v: View<'_>, line: fn(&Neighbor) -> Option<Args>) -> Option<Vec<Args>> {
    many(v.neighbors()?.iter().filter_map(|(name, it)| Some(printed(name, line(it)?))))
}

fn groups(level: Level) -> [Command; 2] {
    [
        Command::set(
            level,
            "neighbor <G:peer-group> peer-group",
            |s, a| {
                of(s, a)?;
                Ok(())
            },
            |s, a| {
                let gone = name(a)?;
                s.neighbors().remove(&gone);
                Ok(())
            },
            |v| {
                let names = v.neighbors()?.keys();
                many(
                    names
                        .filter(|it| matches!(it, NeighborName::Group(_)))
                        .map(|it| printed(it, Args::new())),
                )
            },
        ),
        Command::set(level, MEMBER, join, leave, |v| {
            each(v, |it| it.group.as_ref().map(|group| Args::new().with("G", group)))
        }),
    ]
}

const MEMBER: &str = "neighbor <PEER:ip> peer-group <G:peer-group>";

fn join(s: &mut Scope<'_>, a: &Args) -> Done {
    of(s, a)?.group = Some(a.get("G")?);
    Ok(())
}

fn leave(s: &mut Scope<'_>, a: &Args) -> Done {
    undo(s, a, |it| it.group = None)
}

/// In the families of the global table: a member is one in every family, and what holds in every family is said
/// above them.
pub(super) fn elsewhere(level: Level) -> [Command; 2] {
    [
        Command::synonym(level, MEMBER, join, leave),
        Command::synonym(
            level,
            who!(
                "{remote-as | local-as | description | update-source | ebgp-multihop | ttl-security | password | timers | shutdown | transport | fall-over} [<REST:line>]"
            ),
            misplaced,
            misplaced,
        ),
    ]
}

fn misplaced(_: &mut Scope<'_>, _: &Args) -> Done {
    Err(Fault::new("this holds in every address family", "it stands under `router bgp`, before the families"))
}

fn systems(level: Level) -> [Command; 2] {
    [
        Command::set(
            level,
            who!("remote-as <AS:asn>"),
            |s, a| {
                let Asn(asn) = a.get("AS")?;
                of(s, a)?.remote_as = Some(asn);
                Ok(())
            },
            forget,
            |v| each(v, |it| it.remote_as.map(|asn| Args::new().with("AS", asn))),
        ),
        Command::set(
            level,
            who!("local-as <AS:asn> [no-prepend [replace-as]]"),
            |s, a| {
                let Asn(asn) = a.get("AS")?;
                let (prepend, replace) = (!a.has("no-prepend"), a.has("replace-as"));
                of(s, a)?.local_as = Some(LocalAs { asn, prepend, replace });
                Ok(())
            },
            |s, a| undo(s, a, |it| it.local_as = None),
            |v| {
                each(v, |it| {
                    let LocalAs { asn, prepend, replace } = it.local_as?;
                    let args = Args::new().with("AS", asn).flag_if(!prepend, "no-prepend");
                    Some(args.flag_if(replace, "replace-as"))
                })
            },
        ),
    ]
}

/// As in IOS: `no neighbor A remote-as` takes the neighbour, and all that is said of it.
fn forget(s: &mut Scope<'_>, a: &Args) -> Done {
    let gone = name(a)?;
    if matches!(gone, NeighborName::Group(_)) {
        return undo(s, a, |it| it.remote_as = None);
    }
    s.neighbors().remove(&gone);
    let vrf = s.place.bgp_family().1;
    let mine = s.bgp().families.iter_mut().filter(|((_, of), _)| *of == vrf);
    mine.for_each(|(_, family)| drop(family.settings.remove(&gone)));
    Ok(())
}

fn password(level: Level) -> Command {
    Command::set(
        level,
        who!("password [{0 | 6}] <KEY:secret>"),
        |s, a| {
            of(s, a)?.password = Some(s.key(a)?);
            Ok(())
        },
        |s, a| undo(s, a, |it| it.password = None),
        |v| each(v, |it| it.password.as_ref().map(|key| Args::new().with("KEY", text(key)))),
    )
}

fn timers(level: Level) -> Command {
    Command::set(
        level,
        who!("timers <K:0-65535> <H:0-65535>"),
        |s, a| {
            let clock: Clock = clock(a)?;
            of(s, a)?.timers = Some(clock);
            Ok(())
        },
        |s, a| undo(s, a, |it| it.timers = None),
        |v| each(v, |it| it.timers.map(clock_printed)),
    )
}

fn distance(level: Level) -> [Command; 2] {
    [
        Command::set(
            level,
            who!("ebgp-multihop [<N:1-255>]"),
            |s, a| put_ttl(s, a, Ttl::Multihop(a.opt("N").unwrap_or(255))),
            drop_ttl,
            |v| {
                each(v, |it| match it.ttl? {
                    Ttl::Multihop(hops) => Some(Args::new().with("N", hops)),
                    Ttl::Security(_) | Ttl::Default => None,
                })
            },
        ),
        Command::set(
            level,
            who!("ttl-security hops <N:1-254>"),
            |s, a| put_ttl(s, a, Ttl::Security(a.get("N")?)),
            drop_ttl,
            |v| {
                each(v, |it| match it.ttl? {
                    Ttl::Security(hops) => Some(Args::new().with("N", hops)),
                    Ttl::Multihop(_) | Ttl::Default => None,
                })
            },
        ),
    ]
}

/// As in IOS one excludes the other: they say how far away the neighbour may be, each in its way.
fn put_ttl(s: &mut Scope<'_>, a: &Args, ttl: Ttl) -> Done {
    let known = &mut of(s, a)?.ttl;
    let other =
        known.is_some_and(|known| matches!(known, Ttl::Multihop(_)) != matches!(ttl, Ttl::Multihop(_)));
    if other {
        let help = "take the other line out first: each says how far away the neighbour may be";
        return Err(Fault::new("`ebgp-multihop` and `ttl-security` exclude each other", help));
    }
    *known = Some(ttl);
    Ok(())
}

fn drop_ttl(s: &mut Scope<'_>, a: &Args) -> Done {
    undo(s, a, |it| it.ttl = None)
}

fn refused(level: Level) -> Vec<Command> {
    let mut all = vec![
        Command::refuse(
            level,
            who!("password {7} <REST:line>"),
            "type 7 hides nothing and is not read: write the key in clear, or as type 6",
        ),
        Command::refuse(level, who!("disable-connected-check"), "write `neighbor A ebgp-multihop`"),
        Command::refuse(level, who!("inherit <REST:line>"), "write a peer group: `neighbor NAME peer-group`"),
        Command::refuse(level, who!("ha-mode <REST:line>"), "`bgp graceful-restart` is for all neighbours"),
        Command::always(level, who!("version 4")),
    ];
    if level != Bgp {
        let help = "one router id is for all VRFs: `bgp router-id` under `router bgp`";
        all.push(Command::refuse(level, "bgp router-id <REST:line>", help));
    }
    all
}
