//! `call admission` and `crypto call admission`: how much is enough (CAC-01 to CAC-03).

use super::super::scope::Level::Global;
use super::{Command, opt};

pub(super) fn commands() -> Vec<Command> {
    vec![
        Command::set(
            Global,
            "crypto call admission limit ike sa <N:1-1000000>",
            |s, a| {
                s.config.admission.sessions = Some(a.get("N")?);
                Ok(())
            },
            |s, _| {
                s.config.admission.sessions = None;
                Ok(())
            },
            |v| opt("N", v.config.admission.sessions),
        ),
        Command::set(
            Global,
            "crypto call admission limit ike in-negotiation-sa <N:1-1000000>",
            |s, a| {
                s.config.admission.negotiating = Some(a.get("N")?);
                Ok(())
            },
            |s, _| {
                s.config.admission.negotiating = None;
                Ok(())
            },
            |v| opt("N", v.config.admission.negotiating),
        ),
        Command::set(
            Global,
            "call admission limit <N:1-100>",
            |s, a| {
                s.config.admission.load = Some(a.get("N")?);
                Ok(())
            },
            |s, _| {
                s.config.admission.load = None;
                Ok(())
            },
            |v| opt("N", v.config.admission.load),
        ),
        Command::refuse(
            Global,
            "call admission load <REST:line>",
            "the load is the machine's own, in percent: leave the line out",
        ),
    ]
}
