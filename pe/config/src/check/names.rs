//! Every name used must exist.

use std::collections::BTreeSet;

use super::Report;
use crate::finding::Severity;
use crate::ios::Noun;
use crate::model::{Config, Keyring, Match, RouteHop};

type Names<'c> = BTreeSet<(Noun, &'c str)>;

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let mut uses = Names::new();
    network(config, &mut uses);
    protection(config, &mut uses);
    let defined = definitions(config);
    for (noun, name, span) in report.index.mentions.clone() {
        let key = (noun, name.as_str());
        if uses.contains(&key) && !defined.contains(&key) {
            let (severity, what, help) = verdict(noun, &defined);
            report.add(severity, span, format!("there is no {what} `{name}`"), help);
        }
    }
}

fn network<'c>(config: &'c Config, uses: &mut Names<'c>) {
    let vrf = |name: &'c Option<String>| name.as_deref().map(|name| (Noun::Vrf, name));
    for interface in config.interfaces.values() {
        uses.extend(vrf(&interface.vrf));
        let maps = interface.crypto_map.iter().chain(&interface.crypto_map_ipv6);
        uses.extend(maps.map(|map| (Noun::CryptoMap, map.as_str())));
    }
    for route in &config.routes {
        uses.extend(vrf(&route.vrf));
        if let RouteHop::Interface { name, .. } = &route.target {
            uses.insert((Noun::Interface, name));
        }
    }
    uses.extend(config.mpls.bindings.iter().filter_map(|binding| vrf(&binding.vrf)));
}

fn protection<'c>(config: &'c Config, uses: &mut Names<'c>) {
    let vrf = |name: &'c Option<String>| name.as_deref().map(|name| (Noun::Vrf, name));
    uses.extend(config.keyrings.iter().filter_map(|ring| vrf(&ring.vrf)));
    for profile in &config.profiles {
        uses.extend(vrf(&profile.vrf));
        let rings = profile.keyrings.iter().filter(|ring| *ring != Keyring::DEFAULT);
        uses.extend(rings.map(|ring| (Noun::Keyring, ring.as_str())));
        uses.extend(profile.matches.iter().filter_map(|found| match found {
            Match::Address { vrf: name, .. } => vrf(name),
            Match::Host(_)
            | Match::HostDomain(_)
            | Match::User(_)
            | Match::UserDomain(_)
            | Match::Group(_) => None,
        }));
    }
    for map in config.crypto_maps.values() {
        uses.extend(map.profile.iter().map(|profile| (Noun::Profile, profile.as_str())));
        for entry in map.entries.values() {
            uses.extend(entry.profile.iter().map(|profile| (Noun::Profile, profile.as_str())));
            uses.extend(entry.transform_sets.iter().map(|set| (Noun::TransformSet, set.as_str())));
            uses.extend(entry.access_list.iter().map(|list| (Noun::AccessList, list.as_str())));
        }
    }
}

fn definitions(config: &Config) -> Names<'_> {
    fn all<'c>(noun: Noun, names: impl Iterator<Item = &'c String>) -> impl Iterator<Item = (Noun, &'c str)> {
        names.map(move |name| (noun, name.as_str()))
    }
    let mut names = Names::new();
    names.extend(all(Noun::Vrf, config.vrfs.keys()));
    names.extend(all(Noun::Interface, config.interfaces.keys()));
    names.extend(all(Noun::AccessList, config.access_lists.keys()));
    names.extend(all(Noun::Keyring, config.keyrings.iter().map(|ring| &ring.name)));
    names.extend(all(Noun::Profile, config.profiles.iter().map(|profile| &profile.name)));
    names.extend(all(Noun::TransformSet, config.transform_sets.keys()));
    names.extend(all(Noun::CryptoMap, config.crypto_maps.keys()));
    names
}

/// How bad it is, what the thing is called, and what to do. IOS takes an entry whose access list is not
/// there yet; such an entry protects nothing, as one without any.
fn verdict(noun: Noun, defined: &Names<'_>) -> (Severity, &'static str, String) {
    let what = match noun {
        Noun::Vrf => "VRF",
        Noun::Interface => "interface",
        Noun::Keyring => "keyring",
        Noun::Profile => "ISAKMP profile",
        Noun::TransformSet => "transform set",
        Noun::CryptoMap => "crypto map",
        Noun::AccessList => {
            let help = "until it is defined the entry protects nothing and lets nothing of its VRF out";
            return (Severity::Warning, "access list", help.to_owned());
        }
    };
    let known = defined.iter().filter(|(other, _)| *other == noun).take(8);
    let known: Vec<_> = known.map(|(_, name)| *name).collect();
    let help = if known.is_empty() {
        "none is defined".to_owned()
    } else {
        format!("defined: {}", known.join(", "))
    };
    (Severity::Error, what, help)
}
