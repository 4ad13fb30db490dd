//! A typed `Config` as text: the command tree read backwards.

use crate::model::Config;

use super::commands::Action;
use super::pattern::{self, Keys};
use super::scope::{Level, Place, View};
use super::tree::TREE;
use super::view::Names;

pub(crate) fn print(config: &Config, keys: &mut Keys<'_>) -> String {
    let mut out = String::new();
    let names = Names::of(config);
    level(View { config, names: &names, place: &Place::GLOBAL }, 0, keys, &mut out);
    out.push_str("end\n");
    out
}

/// The commands of one place, those of the places under them indented.
fn level(view: View<'_>, depth: usize, keys: &mut Keys<'_>, out: &mut String) {
    let place = view.place;
    for (command, items) in TREE.commands.iter().zip(&TREE.patterns) {
        let Action::Set { get, .. } = command.action else { continue };
        if command.level != place.level {
            continue;
        }
        for args in get(view).unwrap_or_default() {
            out.push_str(&" ".repeat(depth));
            out.push_str(&pattern::render(items, &args, keys));
            out.push('\n');
            if let Some(Ok(inner)) = command.enter.map(|enter| enter(place, &args)) {
                level(View { place: &inner, ..view }, depth + 1, keys, out);
                out.push_str(if place.level == Level::Global { "!\n" } else { "" });
            }
        }
    }
}
