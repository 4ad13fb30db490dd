//! `crypto dynamic-map`: entries for peers whose addresses are not known; they only answer.

use super::super::args::Args;
use super::super::scope::Level::{DynamicEntry, Global};
use super::super::scope::Place;
use super::{Command, many};

pub(super) fn commands() -> Vec<Command> {
    vec![
        Command::set(
            Global,
            "crypto dynamic-map <NAME:word> <SEQ:1-65535>",
            |s, a| {
                let map = s.config.dynamic_maps.entry(a.get("NAME")?).or_default();
                map.entry(a.get("SEQ")?).or_default();
                Ok(())
            },
            |s, a| {
                let (name, sequence): (String, u32) = (a.get("NAME")?, a.get("SEQ")?);
                s.config.dynamic_maps.retain(|known, map| {
                    map.retain(|number, _| *known != name || *number != sequence);
                    !map.is_empty()
                });
                Ok(())
            },
            |v| {
                let maps = v.config.dynamic_maps.iter();
                many(maps.flat_map(|(name, map)| {
                    map.keys().map(move |sequence| Args::new().with("NAME", name).with("SEQ", sequence))
                }))
            },
        )
        .opens(|_, a| Ok(Place::numbered(DynamicEntry, a.get::<String>("NAME")?, a.get("SEQ")?))),
        Command::no(Global, "crypto dynamic-map <NAME:word>", |s, a| {
            s.config.dynamic_maps.remove(&a.get::<String>("NAME")?);
            Ok(())
        }),
    ]
}
