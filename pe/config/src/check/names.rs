//! Every name used must exist.

use std::collections::BTreeSet;

use super::Report;
use crate::finding::Severity;
use crate::ios::Noun;
use crate::model::{Config, Match, RouteHop};

type Uses<'c> = BTreeSet<(Noun, &'c str)>;

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let mut uses = Uses::new();
    network(config, &mut uses);
    protection(config, &mut uses);
    for (noun, name) in uses.into_iter().filter(|(noun, name)| !exists(config, *noun, name)) {
        let mentions = report.index.mentions.iter().filter(|(n, text, _)| *n == noun && text == name);
        let spans: Vec<_> = mentions.map(|(_, _, span)| span.clone()).collect();
        let (severity, what, help) = verdict(config, noun);
        for span in spans {
            report.add(severity, span, format!("there is no {what} `{name}`"), help.clone());
        }
    }
}

fn network<'c>(config: &'c Config, uses: &mut Uses<'c>) {
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

fn protection<'c>(config: &'c Config, uses: &mut Uses<'c>) {
    let vrf = |name: &'c Option<String>| name.as_deref().map(|name| (Noun::Vrf, name));
    uses.extend(config.keyrings.iter().filter_map(|ring| vrf(&ring.vrf)));
    for profile in &config.profiles {
        uses.extend(vrf(&profile.vrf));
        uses.extend(profile.keyrings.iter().map(|ring| (Noun::Keyring, ring.as_str())));
        uses.extend(profile.matches.iter().filter_map(|found| match found {
            Match::Address { vrf: name, .. } => vrf(name),
            Match::Host(_) | Match::HostDomain(_) | Match::User(_) | Match::UserDomain(_) | Match::Group(_) => None,
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

fn exists(config: &Config, noun: Noun, name: &str) -> bool {
    match noun {
        Noun::Vrf => config.vrfs.contains_key(name),
        Noun::Interface => config.interfaces.contains_key(name),
        Noun::AccessList => config.access_lists.contains_key(name),
        Noun::Keyring => config.keyrings.iter().any(|ring| ring.name == name),
        Noun::Profile => config.profiles.iter().any(|profile| profile.name == name),
        Noun::TransformSet => config.transform_sets.contains_key(name),
        Noun::CryptoMap => config.crypto_maps.contains_key(name),
    }
}

/// How bad it is, what the thing is called, and what to do. IOS takes an entry whose access list is not
/// there yet; such an entry protects nothing, as one without any.
fn verdict(config: &Config, noun: Noun) -> (Severity, &'static str, String) {
    let known = |names: Vec<&str>| match names.as_slice() {
        [] => "none is defined".to_owned(),
        names => format!("defined: {}", names.iter().take(8).copied().collect::<Vec<_>>().join(", ")),
    };
    let (what, names): (_, Vec<&str>) = match noun {
        Noun::Vrf => ("VRF", config.vrfs.keys().map(String::as_str).collect()),
        Noun::Interface => ("interface", config.interfaces.keys().map(String::as_str).collect()),
        Noun::Keyring => ("keyring", config.keyrings.iter().map(|ring| ring.name.as_str()).collect()),
        Noun::Profile => ("ISAKMP profile", config.profiles.iter().map(|p| p.name.as_str()).collect()),
        Noun::TransformSet => ("transform set", config.transform_sets.keys().map(String::as_str).collect()),
        Noun::CryptoMap => ("crypto map", config.crypto_maps.keys().map(String::as_str).collect()),
        Noun::AccessList => {
            let help = "until it is defined the entry is incomplete: it protects nothing and lets nothing of its VRF out";
            return (Severity::Warning, "access list", help.to_owned());
        }
    };
    (Severity::Error, what, known(names))
}
