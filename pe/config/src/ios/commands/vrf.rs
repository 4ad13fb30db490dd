//! `ip vrf` and `vrf definition`: route distinguishers, route targets and address families.

use vrf::RouteTarget;

use super::super::args::Args;
use super::super::scope::Level::{self, Family, Global, Vrf};
use super::super::scope::{Done, Fault, Place, Scope, View};
use super::{Command, flag, insert, many, one, opt};
use crate::model::{Leak, Targets, Vrf as Table, VrfStyle};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "ip vrf <NAME:word>",
            |s, a| define(s, a, VrfStyle::Ip),
            remove,
            |v| names(v, VrfStyle::Ip),
        )
        .opens(|_, a| Ok(Place::at(Vrf, a.get::<String>("NAME")?))),
        Command::set(
            Global,
            "vrf definition <NAME:word>",
            |s, a| define(s, a, VrfStyle::Definition),
            remove,
            |v| names(v, VrfStyle::Definition),
        )
        .opens(|_, a| Ok(Place::at(Vrf, a.get::<String>("NAME")?))),
    ];
    commands.extend(inside());
    commands.extend(targets(Vrf));
    commands.extend(maps(Vrf));
    commands.extend(leaks(Vrf));
    commands.extend(families());
    commands.extend(targets(Family));
    commands.extend(maps(Family));
    commands.extend(leaks(Family));
    commands
}

fn inside() -> [Command; 2] {
    [
        Command::set(
            Vrf,
            "description <TEXT:line>",
            |s, a| {
                s.vrf().description = Some(a.get("TEXT")?);
                Ok(())
            },
            |s, _| {
                s.vrf().description = None;
                Ok(())
            },
            |v| opt("TEXT", v.vrf()?.description.as_ref()),
        ),
        Command::set(
            Vrf,
            "rd <RD:rd>",
            |s, a| {
                s.vrf().rd = Some(a.get("RD")?);
                Ok(())
            },
            |s, _| {
                s.vrf().rd = None;
                Ok(())
            },
            |v| opt("RD", v.vrf()?.rd),
        ),
    ]
}

fn targets(level: Level) -> [Command; 3] {
    [
        Command::set(
            level,
            "route-target export <RT:rd>",
            |s, a| add(s.targets(), a, true, false),
            |s, a| take(s.targets(), a, true, false),
            |v| printed(&v.targets()?.export),
        ),
        Command::set(
            level,
            "route-target import <RT:rd>",
            |s, a| add(s.targets(), a, false, true),
            |s, a| take(s.targets(), a, false, true),
            |v| printed(&v.targets()?.import),
        ),
        Command::synonym(
            level,
            "route-target [both] <RT:rd>",
            |s, a| add(s.targets(), a, true, true),
            |s, a| take(s.targets(), a, true, true),
        ),
    ]
}

/// Under `vrf definition` itself they hold for the families that have none of their own.
fn maps(level: Level) -> [Command; 2] {
    [
        value!(level, "import map <RM:route-map>", targets.import_map, "RM"),
        value!(level, "export map <RM:route-map>", targets.export_map, "RM"),
    ]
}

/// Routes of the global table. Under the VRF itself they are `ip vrf`'s, which is IPv4 alone.
fn leaks(level: Level) -> [Command; 4] {
    const UNICAST: &str = "only unicast is routed: write `unicast`";
    [
        Command::set(
            level,
            "import {ipv4 | ipv6} unicast [<N:1-2147483647>] map <RM:route-map>",
            |s, a| {
                leaking(s, a)?.global_import = Some(leak(a)?);
                Ok(())
            },
            |s, a| {
                leaking(s, a)?.global_import = None;
                Ok(())
            },
            |v| leaked(v, v.targets()?.global_import.as_ref()),
        ),
        Command::set(
            level,
            "export {ipv4 | ipv6} unicast [<N:1-2147483647>] map <RM:route-map>",
            |s, a| {
                leaking(s, a)?.global_export = Some(leak(a)?);
                Ok(())
            },
            |s, a| {
                leaking(s, a)?.global_export = None;
                Ok(())
            },
            |v| leaked(v, v.targets()?.global_export.as_ref()),
        ),
        Command::refuse(level, "import {ipv4 | ipv6} multicast <REST:line>", UNICAST),
        Command::refuse(level, "export {ipv4 | ipv6} multicast <REST:line>", UNICAST),
    ]
}

fn leak(a: &Args) -> Result<Leak, Fault> {
    Ok(Leak { map: a.get("RM")?, limit: a.opt("N").unwrap_or(Leak::LIMIT) })
}

/// What the line is said of: a family, and its own.
fn leaking<'s>(s: &'s mut Scope<'_>, a: &Args) -> Result<&'s mut Targets, Fault> {
    const HELP: &str = "write it under `address-family ipv4` or `address-family ipv6`, and of that family";
    let of = if a.has("ipv6") { 6 } else { 4 };
    let own = if s.place.level == Family {
        Some(s.place.number)
    } else {
        (s.vrf().style == VrfStyle::Ip).then_some(4)
    };
    if own == Some(of) {
        Ok(s.targets())
    } else {
        Err(Fault::new("the line is of no family, or of another one", HELP))
    }
}

fn leaked(v: View<'_>, leak: Option<&Leak>) -> Option<Vec<Args>> {
    let six = v.place.level == Family && v.place.number == 6;
    let args = |leak: &Leak| {
        let limit = (leak.limit != Leak::LIMIT).then_some(leak.limit);
        Args::new().flag(if six { "ipv6" } else { "ipv4" }).with_some("N", limit).with("RM", &leak.map)
    };
    one(leak.map(args))
}

fn families() -> [Command; 3] {
    [
        Command::set(
            Vrf,
            "address-family ipv4 [unicast]",
            |s, _| activate(s, |vrf| vrf.ipv4.get_or_insert_default()),
            |s, _| {
                // `ip vrf` is IPv4 and cannot be otherwise.
                if s.vrf().style == VrfStyle::Definition {
                    s.vrf().ipv4 = None;
                }
                Ok(())
            },
            |v| {
                let vrf = v.vrf()?;
                flag(vrf.ipv4.is_some() && vrf.style == VrfStyle::Definition)
            },
        )
        .opens(|place, _| Ok(Place::numbered(Family, &place.name, 4))),
        Command::set(
            Vrf,
            "address-family ipv6 [unicast]",
            |s, _| activate(s, |vrf| vrf.ipv6.get_or_insert_default()),
            |s, _| {
                s.vrf().ipv6 = None;
                Ok(())
            },
            |v| flag(v.vrf()?.ipv6.is_some()),
        )
        .opens(|place, _| Ok(Place::numbered(Family, &place.name, 6))),
        Command::new(Family, "exit-address-family", super::Action::Exit),
    ]
}

fn define(s: &mut Scope<'_>, a: &Args, style: VrfStyle) -> Done {
    let name: String = a.get("NAME")?;
    let vrf = s.config.vrfs.entry(name).or_insert_with(|| Table::new(style));
    if vrf.style != style {
        let help = "use one of `ip vrf` and `vrf definition` for a VRF, not both";
        return Err(Fault::new("the VRF was made by the other command", help).at("NAME"));
    }
    Ok(())
}

fn remove(s: &mut Scope<'_>, a: &Args) -> Done {
    s.config.vrfs.remove(&a.get::<String>("NAME")?);
    Ok(())
}

fn names(v: View<'_>, style: VrfStyle) -> Option<Vec<Args>> {
    let mine = v.config.vrfs.iter().filter(|(_, vrf)| vrf.style == style);
    many(mine.map(|(name, _)| Args::new().with("NAME", name)))
}

fn activate(s: &mut Scope<'_>, family: fn(&mut Table) -> &mut Targets) -> Done {
    let vrf = s.vrf();
    if vrf.style == VrfStyle::Ip {
        let help = "`ip vrf` is IPv4 only: make the VRF with `vrf definition`";
        return Err(Fault::new("no address families under `ip vrf`", help));
    }
    family(vrf);
    Ok(())
}

fn add(targets: &mut Targets, a: &Args, export: bool, import: bool) -> Done {
    let target: RouteTarget = a.get("RT")?;
    if export {
        insert(&mut targets.export, target);
    }
    if import {
        insert(&mut targets.import, target);
    }
    Ok(())
}

fn take(targets: &mut Targets, a: &Args, export: bool, import: bool) -> Done {
    let target: RouteTarget = a.get("RT")?;
    targets.export.retain(|other| !export || *other != target);
    targets.import.retain(|other| !import || *other != target);
    Ok(())
}

fn printed(targets: &[RouteTarget]) -> Option<Vec<Args>> {
    many(targets.iter().map(|target| Args::new().with("RT", target)))
}
