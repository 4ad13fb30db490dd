//! A typed `Config` as text: the command tree read backwards.

use std::collections::BTreeMap;

use crate::model::Config;

use super::args::Args;
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
    let mut neighbors = Neighbors::default();
    for (command, items) in TREE.commands.iter().zip(&TREE.patterns) {
        let Action::Set { get, .. } = command.action else { continue };
        if command.level != place.level {
            continue;
        }
        let is_neighbor = command.pattern.starts_with("neighbor ");
        if !is_neighbor {
            neighbors.print(out);
        }
        for args in get(view).unwrap_or_default() {
            let line = format!("{}{}\n", " ".repeat(depth), pattern::render(items, &args, keys));
            if is_neighbor {
                neighbors.add(&args, line);
                continue;
            }
            out.push_str(&line);
            if let Some(Ok(inner)) = command.enter.map(|enter| enter(place, &args)) {
                level(View { place: &inner, ..view }, depth + 1, keys, out);
                out.push_str(if place.level == Level::Global { "!\n" } else { "" });
            }
        }
    }
    neighbors.print(out);
}

/// The lines of neighbours, each one's together as in IOS.
#[derive(Default)]
struct Neighbors {
    places: BTreeMap<String, usize>,
    lines: Vec<String>,
}

impl Neighbors {
    /// The first argument is whom the line is of.
    fn add(&mut self, args: &Args, line: String) {
        let who = args.iter().next().map(|arg| arg.text.clone()).unwrap_or_default();
        let next = self.lines.len();
        let at = *self.places.entry(who).or_insert(next);
        match self.lines.get_mut(at) {
            Some(lines) => lines.push_str(&line),
            None => self.lines.push(line),
        }
    }

    fn print(&mut self, out: &mut String) {
        let Self { lines, .. } = std::mem::take(self);
        lines.iter().for_each(|lines| out.push_str(lines));
    }
}
