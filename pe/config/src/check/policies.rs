//! What a later line decides of routing: where `continue` leads, and what is left of a neighbour's lines.

use bgp::policy::RouteMap;

use super::Report;
use crate::ios::{Level, Place};
use crate::model::Config;
use crate::model::bgp::Setting;

pub(super) fn check(config: &mut Config, report: &mut Report<'_>) {
    for family in config.bgp.iter_mut().flat_map(|bgp| bgp.families.values_mut()) {
        family.settings.retain(|_, setting| *setting != Setting::default());
    }
    continuations(config, report);
}

/// `continue` alone is the next entry, now that all of them are known; one that is named must be there.
fn continuations(config: &mut Config, report: &mut Report<'_>) {
    for (name, RouteMap(entries)) in &mut config.policies.route_maps {
        let numbers: Vec<u32> = entries.keys().copied().collect();
        for (here, entry) in entries {
            let place = Place::numbered(Level::RouteMap, name, *here);
            match entry.next {
                Some(next) if next == *here => {
                    entry.next = numbers.iter().copied().find(|other| other > here)
                }
                Some(next) if !numbers.contains(&next) => {
                    let message = format!("route map {name} has no entry {next}");
                    report.error(
                        &place,
                        "continue",
                        message,
                        "name an entry, or leave the number out for the next one",
                    );
                }
                Some(_) | None => {}
            }
        }
    }
}
