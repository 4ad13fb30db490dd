//! `mpls`: the label space, the TTL model and static bindings.

use base::{Family, Label, Prefix};

use super::super::args::Args;
use super::super::scope::Level::Global;
use super::super::scope::{Done, Fault, Scope, View};
use super::super::value::LabelValue;
use super::route::{prefix4, prefix6};
use super::{Command, Setter, flag, insert_by_family, many, one};
use crate::model::{Binding, LabelMode, Mpls, StaticBinding};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "mpls label range <MIN:16-1048575> <MAX:16-1048575>",
            |s, a| {
                let (LabelValue(min), LabelValue(max)) = (a.get("MIN")?, a.get("MAX")?);
                if min >= max {
                    return Err(
                        Fault::new("the label range is empty", "the smaller number comes first").at("MAX")
                    );
                }
                s.config.mpls.range = (min, max);
                Ok(())
            },
            |s, _| {
                s.config.mpls.range = Mpls::default().range;
                Ok(())
            },
            |v| {
                let (min, max) = v.config.mpls.range;
                let args = Args::new().with("MIN", min).with("MAX", max);
                one((v.config.mpls.range != Mpls::default().range).then_some(args))
            },
        ),
        Command::set(
            Global,
            "mpls ip propagate-ttl",
            |s, _| propagate(s, true),
            |s, _| propagate(s, false),
            |v| flag(!v.config.mpls.propagate_ttl).map(|all| all.into_iter().map(Args::negate).collect()),
        ),
    ];
    commands.push(label_mode());
    commands.extend(bindings());
    commands.extend(rest());
    commands
}

fn propagate(s: &mut Scope<'_>, on: bool) -> Done {
    s.config.mpls.propagate_ttl = on;
    Ok(())
}

fn bindings() -> [Command; 2] {
    [
        Command::set(
            Global,
            "mpls static binding ipv4 [vrf <V:vrf>] <P:ipv4> <M:mask> {input <IN:label> | output <NH:ipv4> <OUT:label> | <IN:label>}",
            |s, a| add(s, a, prefix4(a)?),
            |s, a| remove(s, a, prefix4(a)?),
            |v| printed(v, Family::V4),
        ),
        Command::set(
            Global,
            "mpls static binding ipv6 [vrf <V:vrf>] <P6:network6> {input <IN:label> | output <NH:ip> <OUT:label> | <IN:label>}",
            |s, a| add(s, a, prefix6(a)?),
            |s, a| remove(s, a, prefix6(a)?),
            |v| printed(v, Family::V6),
        ),
    ]
}

fn label_mode() -> Command {
    Command::set(
        Global,
        "mpls label mode {vrf <V:vrf> | all-vrfs} protocol {bgp-vpnv4 | bgp-vpnv6 | all-afs} {per-prefix | per-vrf | per-ce}",
        |s, a| {
            let mode =
                MODES.into_iter().find(|(word, _)| a.has(word)).map(|(_, mode)| mode).unwrap_or_default();
            let modes = &mut s.config.mpls.label_modes;
            modes.extend(mode_families(a).map(|family| ((a.opt("V"), family), mode)));
            Ok(())
        },
        |s, a| {
            let gone: Vec<(Option<String>, Family)> =
                mode_families(a).map(|family| (a.opt("V"), family)).collect();
            s.config.mpls.label_modes.retain(|known, _| !gone.contains(known));
            Ok(())
        },
        |v| {
            many(v.config.mpls.label_modes.iter().map(|((vrf, family), mode)| {
                let args = match vrf {
                    Some(vrf) => Args::new().with("V", vrf),
                    None => Args::new().flag("all-vrfs"),
                };
                let args = args.flag(if *family == Family::V4 { "bgp-vpnv4" } else { "bgp-vpnv6" });
                MODES
                    .into_iter()
                    .filter(|(_, known)| known == mode)
                    .fold(args, |args, (word, _)| args.flag(word))
            }))
        },
    )
}

const MODES: [(&str, LabelMode); 3] =
    [("per-prefix", LabelMode::PerPrefix), ("per-vrf", LabelMode::PerVrf), ("per-ce", LabelMode::PerCe)];

fn mode_families(a: &Args) -> impl Iterator<Item = Family> {
    let (four, six) = (!a.has("bgp-vpnv6"), !a.has("bgp-vpnv4"));
    Family::BOTH.into_iter().filter(move |family| if *family == Family::V4 { four } else { six })
}

fn rest() -> [Command; 5] {
    let both: Setter = |_, _| {
        let help = "write `mpls ip propagate-ttl`, or its `no` form";
        Err(Fault::new("packets of the box and those that it forwards are treated alike", help))
    };
    [
        Command::synonym(Global, "mpls ip propagate-ttl {forwarded | local}", both, both),
        Command::always(Global, "mpls ip"),
        Command::always(Global, "tag-switching ip"),
        Command::refuse(
            Global,
            "mpls label range <MIN:16-1048575> <MAX:16-1048575> {static} <REST:line>",
            "static labels may be any outside the range: leave the static range out",
        ),
        Command::refuse(Global, "mpls traffic-eng <REST:line>", "traffic engineering is not supported"),
    ]
}

fn add(s: &mut Scope<'_>, a: &Args, prefix: Prefix) -> Done {
    let binding = StaticBinding { vrf: a.opt("V"), prefix, direction: direction(a, prefix.family())? };
    let bindings = &mut s.config.mpls.bindings;
    // One input label for a prefix, and one output label for a prefix and next hop.
    bindings.retain(|known| !replaces(&binding, known));
    insert_by_family(bindings, binding, |known| known.prefix);
    Ok(())
}

fn direction(a: &Args, family: Family) -> Result<Binding, Fault> {
    if let Some(LabelValue(label)) = a.opt("OUT") {
        return Ok(Binding::Output { next_hop: a.get("NH")?, label: output(label, family)? });
    }
    let LabelValue(label) = a.get("IN")?;
    if label.is_reserved() { Err(reserved("use 16 to 1048575").at("IN")) } else { Ok(Binding::Input(label)) }
}

/// Explicit null is another label for each family (RFC 3032 section 2.1).
fn output(label: Label, family: Family) -> Result<Label, Fault> {
    match (label, family) {
        (Label::IPV4_EXPLICIT_NULL, _) => Ok(explicit_null(family)),
        (Label::IPV6_EXPLICIT_NULL, Family::V6) | (Label::IMPLICIT_NULL, _) => Ok(label),
        _ if label.is_reserved() => {
            Err(reserved("use 16 to 1048575, `explicit-null` or `implicit-null`").at("OUT"))
        }
        _ => Ok(label),
    }
}

const fn explicit_null(family: Family) -> Label {
    match family {
        Family::V4 => Label::IPV4_EXPLICIT_NULL,
        Family::V6 => Label::IPV6_EXPLICIT_NULL,
    }
}

fn reserved(instead: &str) -> Fault {
    let help = format!("labels below 16 have meanings of their own (RFC 3032): {instead}");
    Fault::new("a reserved label cannot be bound", help)
}

fn replaces(new: &StaticBinding, known: &StaticBinding) -> bool {
    let same_side = match (new.direction, known.direction) {
        (Binding::Input(_), Binding::Input(_)) => true,
        (Binding::Output { next_hop: a, .. }, Binding::Output { next_hop: b, .. }) => a == b,
        _ => false,
    };
    same_side && new.vrf == known.vrf && new.prefix == known.prefix
}

/// Without a label, every binding of the prefix goes.
fn remove(s: &mut Scope<'_>, a: &Args, prefix: Prefix) -> Done {
    let vrf: Option<String> = a.opt("V");
    let named = a.has("IN") || a.has("OUT");
    let one = if named { Some(direction(a, prefix.family())?) } else { None };
    let goes = |known: &StaticBinding| {
        known.vrf == vrf && known.prefix == prefix && one.is_none_or(|one| one == known.direction)
    };
    s.config.mpls.bindings.retain(|known| !goes(known));
    Ok(())
}

fn printed(v: View<'_>, family: Family) -> Option<Vec<Args>> {
    many(v.config.mpls.bindings.iter().filter(|binding| binding.prefix.family() == family).map(|binding| {
        let args = Args::new().with_some("V", binding.vrf.as_ref());
        let args = match family {
            Family::V4 => args.with("P", binding.prefix.address()).with("M", binding.prefix.mask()),
            Family::V6 => args.with("P6", binding.prefix),
        };
        match binding.direction {
            Binding::Input(label) => args.with("IN", LabelValue(label)),
            Binding::Output { next_hop, label } => {
                // One word in the text for either family's.
                let null = label == explicit_null(family);
                let label = if null { Label::IPV4_EXPLICIT_NULL } else { label };
                args.with("NH", next_hop).with("OUT", LabelValue(label))
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_label_replaces_the_input_label_of_its_prefix_only() {
        let binding = |direction| StaticBinding { vrf: None, prefix: Prefix::any(Family::V4), direction };
        let (a, b) = (binding(Binding::Input(Label::FIRST)), binding(Binding::Input(Label::LAST)));
        assert!(replaces(&a, &b));
        let out = binding(Binding::Output { next_hop: [1; 4].into(), label: Label::FIRST });
        assert!(!replaces(&a, &out));
        assert!(!replaces(&a, &StaticBinding { vrf: Some("red".to_owned()), ..b }));
    }
}
