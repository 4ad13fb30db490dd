//! Checks of the whole configuration: names that refer to nothing, things that contradict each other,
//! entries that protect nothing, and what is weak.

mod ikev2;
mod interfaces;
mod keys;
mod linux;
mod names;
mod policies;
mod protection;
mod routing;
mod strength;
mod tables;

use std::ops::Range;

use ike::config::Identity;

use crate::finding::{Finding, Severity};
use crate::ios::{Index, Level, Place};
use crate::model::Config;

/// Fills in what a later line decides, then judges the whole.
pub(crate) fn check(config: &mut Config, index: &Index) -> Vec<Finding> {
    let mut report = Report { index, findings: Vec::new() };
    identities(config, &mut report);
    policies::check(config, &mut report);
    names::check(config, &mut report);
    tables::check(config, &mut report);
    interfaces::check(config, &mut report);
    protection::check(config, &mut report);
    ikev2::check(config, &mut report);
    keys::check(config, &mut report);
    routing::check(config, &mut report);
    linux::check(config, &mut report);
    strength::check(config, &mut report);
    report.findings
}

struct Report<'a> {
    index: &'a Index,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn add(
        &mut self,
        severity: Severity,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.push(Finding { severity, span, message: message.into(), help: help.into() });
    }

    fn error(&mut self, place: &Place, command: &str, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Error, self.span(place, command), message, help);
    }

    fn warning(&mut self, place: &Place, command: &str, message: impl Into<String>, help: impl Into<String>) {
        self.add(Severity::Warning, self.span(place, command), message, help);
    }

    /// Where `command` was given in `place`; if it was not, where the place begins.
    fn span(&self, place: &Place, command: &str) -> Range<usize> {
        let mark = self.index.marks.get(&(place.clone(), command.to_owned()));
        mark.or_else(|| self.index.homes.get(place)).cloned().unwrap_or(0..0)
    }

    fn is_written(&self, place: &Place, command: &str) -> bool {
        self.index.marks.contains_key(&(place.clone(), command.to_owned()))
    }
}

/// An identity that is the host name, now that it is known.
fn identities(config: &mut Config, report: &mut Report<'_>) {
    const HELP: &str = "write `hostname NAME`";
    let name = config.hostname.clone().unwrap_or_default();
    let is_open = |identity: &Identity| *identity == Identity::Fqdn(String::new());
    if is_open(&config.identity) {
        if name.is_empty() {
            report.error(&Place::GLOBAL, "crypto isakmp identity", "the box has no host name", HELP);
        }
        config.identity = Identity::Fqdn(name.clone());
    }
    for profile in &mut config.profiles {
        if profile.self_identity.as_ref().is_some_and(is_open) {
            if name.is_empty() {
                let place = Place::at(Level::Profile, &profile.name);
                report.error(&place, "self-identity", "the box has no host name", HELP);
            }
            profile.self_identity = Some(Identity::Fqdn(name.clone()));
        }
    }
}
