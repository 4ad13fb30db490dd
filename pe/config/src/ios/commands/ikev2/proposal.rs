//! `crypto ikev2 proposal`: the algorithms of the IKE SA, best first. What is not written is the default
//! proposal's.

use ike::config::v2::Proposal;

use super::super::algorithms::{
    ADDITIONAL, ENCRYPTIONS, GROUPS2, INTEGRITIES, PRFS, Table, all_chosen, keywords, some_of,
};
use super::super::{Command, many, one};
use crate::ios::args::Args;
use crate::ios::scope::Level::{Global, Ikev2Proposal};
use crate::ios::scope::{Place, View};
use crate::model::Ikev2;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "crypto ikev2 proposal <NAME:word>",
            |s, a| {
                let place = Place::at(Ikev2Proposal, a.get::<String>("NAME")?);
                s.config.ikev2.default_proposal |= place.name == Ikev2::DEFAULT;
                s.enter(&place).ikev2_proposal();
                Ok(())
            },
            |s, a| {
                let name: String = a.get("NAME")?;
                s.config.ikev2.default_proposal &= name != Ikev2::DEFAULT;
                s.config.ikev2.proposals.retain(|proposal| proposal.name != name);
                Ok(())
            },
            |v| {
                let names = v.config.ikev2.proposals.iter().map(|it| Args::new().with("NAME", &it.name));
                let off = Args::new().with("NAME", Ikev2::DEFAULT).negate();
                many(names.chain((!v.config.ikev2.default_proposal).then_some(off)))
            },
        )
        .opens(|_, a| Ok(Place::at(Ikev2Proposal, a.get::<String>("NAME")?))),
    ];
    commands.extend(lists());
    commands.push(additional());
    commands
}

fn lists() -> [Command; 4] {
    [
        Command::set(
            Ikev2Proposal,
            some_of("encryption", &ENCRYPTIONS),
            |s, a| {
                s.ikev2_proposal().encryption = all_chosen(a, &ENCRYPTIONS);
                Ok(())
            },
            |s, _| {
                s.ikev2_proposal().encryption.clear();
                Ok(())
            },
            |v| list(v, &ENCRYPTIONS, |it| &it.encryption),
        ),
        Command::set(
            Ikev2Proposal,
            some_of("integrity", &INTEGRITIES),
            |s, a| {
                s.ikev2_proposal().integrity = all_chosen(a, &INTEGRITIES);
                Ok(())
            },
            |s, _| {
                s.ikev2_proposal().integrity.clear();
                Ok(())
            },
            |v| list(v, &INTEGRITIES, |it| &it.integrity),
        ),
        Command::set(
            Ikev2Proposal,
            some_of("prf", &PRFS),
            |s, a| {
                s.ikev2_proposal().prf = all_chosen(a, &PRFS);
                Ok(())
            },
            |s, _| {
                s.ikev2_proposal().prf.clear();
                Ok(())
            },
            |v| list(v, &PRFS, |it| &it.prf),
        ),
        Command::set(
            Ikev2Proposal,
            some_of("group", &GROUPS2),
            |s, a| {
                s.ikev2_proposal().groups = all_chosen(a, &GROUPS2);
                Ok(())
            },
            |s, _| {
                s.ikev2_proposal().groups.clear();
                Ok(())
            },
            |v| list(v, &GROUPS2, |it| &it.groups),
        ),
    ]
}

fn list<'v, T: PartialEq + 'v>(
    v: View<'v>,
    table: &Table<T>,
    of: fn(&'v Proposal) -> &'v Vec<T>,
) -> Option<Vec<Args>> {
    let values = of(v.ikev2_proposal()?);
    one((!values.is_empty()).then(|| keywords(Args::new(), table, values)))
}

/// A further key exchange (RFC 9370). The list ends with its last one that has a group.
fn additional() -> Command {
    Command::set(
        Ikev2Proposal,
        some_of("additional-ke <N:1-7>", &ADDITIONAL),
        |s, a| {
            let number: usize = a.get("N")?;
            let additional = &mut s.ikev2_proposal().additional;
            additional.resize(additional.len().max(number), Vec::new());
            additional[number - 1] = all_chosen(a, &ADDITIONAL);
            Ok(())
        },
        |s, a| {
            let number: Option<usize> = a.opt("N");
            let additional = &mut s.ikev2_proposal().additional;
            let goes = |i: usize| number.is_none_or(|number| number == i + 1);
            (0..).zip(additional.iter_mut()).filter(|(i, _)| goes(*i)).for_each(|(_, groups)| groups.clear());
            let last = additional.iter().rposition(|groups| !groups.is_empty());
            additional.truncate(last.map_or(0, |last| last + 1));
            Ok(())
        },
        |v| {
            let written = (1..).zip(&v.ikev2_proposal()?.additional).filter(|(_, groups)| !groups.is_empty());
            many(written.map(|(n, groups): (u32, _)| keywords(Args::new().with("N", n), &ADDITIONAL, groups)))
        },
    )
}
