//! `crypto ikev2 policy`: which proposals, for whom.

use std::net::IpAddr;

use super::super::{Command, insert, many, one};
use crate::ios::args::Args;
use crate::ios::scope::Level::{Global, Ikev2Policy};
use crate::ios::scope::{Fault, Place};
use crate::model::{Front, Ikev2};

pub(super) fn commands() -> Vec<Command> {
    vec![
        Command::set(
            Global,
            "crypto ikev2 policy <NAME:word>",
            |s, a| {
                if let Ok(place) = place(s.place, a) {
                    s.enter(&place).ikev2_policy();
                } else {
                    s.config.ikev2.default_policy = true;
                }
                Ok(())
            },
            |s, a| {
                let name: String = a.get("NAME")?;
                s.config.ikev2.default_policy &= name != Ikev2::DEFAULT;
                s.config.ikev2.policies.retain(|policy| policy.name != name);
                Ok(())
            },
            |v| {
                let names = v.config.ikev2.policies.iter().map(|it| Args::new().with("NAME", &it.name));
                let off = Args::new().with("NAME", Ikev2::DEFAULT).negate();
                many(names.chain((!v.config.ikev2.default_policy).then_some(off)))
            },
        )
        .opens(place),
        Command::set(
            Ikev2Policy,
            FRONT,
            |s, a| {
                s.ikev2_policy().front = front(a)?;
                Ok(())
            },
            |s, _| {
                s.ikev2_policy().front = Front::default();
                Ok(())
            },
            |v| one(front_printed(&v.ikev2_policy()?.front)),
        ),
        Command::set(
            Ikev2Policy,
            "match address local <A:ip>",
            |s, a| {
                insert(&mut s.ikev2_policy().local, a.get("A")?);
                Ok(())
            },
            |s, a| {
                let one: Option<IpAddr> = a.opt("A");
                s.ikev2_policy().local.retain(|address| one.is_some_and(|one| one != *address));
                Ok(())
            },
            |v| many(v.ikev2_policy()?.local.iter().map(|address| Args::new().with("A", address))),
        ),
        Command::refuse(Ikev2Policy, INTERFACE, INTERFACE_INSTEAD),
        Command::set(
            Ikev2Policy,
            "proposal <P:ikev2-proposal>",
            |s, a| {
                insert(&mut s.ikev2_policy().proposals, a.get("P")?);
                Ok(())
            },
            |s, a| {
                let one: Option<String> = a.opt("P");
                s.ikev2_policy().proposals.retain(|name| one.as_ref().is_some_and(|one| one != name));
                Ok(())
            },
            |v| many(v.ikev2_policy()?.proposals.iter().map(|name| Args::new().with("P", name))),
        ),
    ]
}

/// The default policy is there or not, and says nothing else.
fn place(_: &Place, a: &Args) -> Result<Place, Fault> {
    let name: String = a.get("NAME")?;
    let help = "make a policy of your own";
    let fault = || Fault::new("the default policy cannot be changed", help);
    (name != Ikev2::DEFAULT).then(|| Place::at(Ikev2Policy, name)).ok_or_else(fault)
}

/// Of policies and of profiles.
pub(super) const INTERFACE: &str = "match address local interface <REST:line>";
pub(super) const INTERFACE_INSTEAD: &str = "write the interface's address";

/// `match fvrf any`, or a name; `any` is no name here.
pub(super) const FRONT: &str = "match fvrf <F:vrf>";

pub(super) fn front(a: &Args) -> Result<Front, Fault> {
    let name: String = a.get("F")?;
    Ok(if name == ANY { Front::Any } else { Front::Vrf(Some(name)) })
}

pub(super) fn front_printed(front: &Front) -> Option<Args> {
    match front {
        Front::Any => Some(Args::new().with("F", ANY)),
        Front::Vrf(name) => name.as_ref().map(|name| Args::new().with("F", name)),
    }
}

const ANY: &str = "any";
