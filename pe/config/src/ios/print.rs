//! A typed `Config` as text: the command tree read backwards.

use crate::model::Config;

use super::commands::Action;
use super::pattern;
use super::scope::{Level, Place, View};
use super::tree::TREE;

pub(crate) fn print(config: &Config, hide: bool) -> String {
    let mut out = String::new();
    level(config, &Place::GLOBAL, 0, hide, &mut out);
    out.push_str("end\n");
    out
}

/// The commands of one place, those of the places under them indented.
fn level(config: &Config, place: &Place, depth: usize, hide: bool, out: &mut String) {
    for (command, items) in TREE.commands.iter().zip(&TREE.patterns) {
        let Action::Set { get, .. } = command.action else { continue };
        if command.level != place.level {
            continue;
        }
        for args in get(View { config, place }).unwrap_or_default() {
            out.push_str(&" ".repeat(depth));
            out.push_str(&pattern::render(items, &args, hide));
            out.push('\n');
            if let Some(Ok(inner)) = command.enter.map(|enter| enter(place, &args)) {
                level(config, &inner, depth + 1, hide, out);
                out.push_str(if place.level == Level::Global { "!\n" } else { "" });
            }
        }
    }
}
