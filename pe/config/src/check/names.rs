//! Every name used must exist.

use std::collections::BTreeSet;

use super::Report;
use crate::finding::Severity;
use crate::ios::Noun;
use crate::model::{
    Config, Front, Ikev2, Ikev2Profile, Keyring, LocalAddress, MapEntry, Match, Profile, RouteHop,
    TunnelSource,
};

mod routing;

type Names<'c> = BTreeSet<(Noun, &'c str)>;

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let mut uses = Names::new();
    network(config, &mut uses);
    protection(config, &mut uses);
    version_one(config, &mut uses);
    version_two(&config.ikev2, &mut uses);
    routing::uses(config, &mut uses);
    let defined = definitions(config);
    for (noun, name, span) in report.index.mentions.clone() {
        let key = (noun, name.as_str());
        if uses.contains(&key) && !defined.contains(&key) {
            let (severity, what, help) = verdict(noun, &defined);
            report.add(severity, span, format!("there is no {what} `{name}`"), help);
        }
    }
}

fn vrf(name: &Option<String>) -> Option<(Noun, &str)> {
    name.as_deref().map(|name| (Noun::Vrf, name))
}

fn all<'c>(noun: Noun, names: impl IntoIterator<Item = &'c String>) -> impl Iterator<Item = (Noun, &'c str)> {
    names.into_iter().map(move |name| (noun, name.as_str()))
}

fn network<'c>(config: &'c Config, uses: &mut Names<'c>) {
    for interface in config.interfaces.values() {
        uses.extend(vrf(&interface.vrf));
        uses.extend(all(Noun::CryptoMap, interface.crypto_map.iter().chain(&interface.crypto_map_ipv6)));
        let Some(tunnel) = &interface.tunnel else { continue };
        uses.extend(vrf(&tunnel.vrf));
        uses.extend(all(Noun::IpsecProfile, &tunnel.profile));
        if let Some(TunnelSource::Interface(name)) = &tunnel.source {
            uses.insert((Noun::Interface, name));
        }
    }
    for route in &config.routes {
        uses.extend(vrf(&route.vrf));
        if let RouteHop::Interface { name, .. } = &route.target {
            uses.insert((Noun::Interface, name));
        }
    }
    uses.extend(config.mpls.bindings.iter().filter_map(|binding| vrf(&binding.vrf)));
    uses.extend(config.names.servers.iter().filter_map(|server| vrf(&server.vrf)));
    uses.extend(config.names.hosts.keys().filter_map(|(name, _)| vrf(name)));
}

fn protection<'c>(config: &'c Config, uses: &mut Names<'c>) {
    for map in config.crypto_maps.values() {
        uses.extend(all(Noun::Profile, &map.profile));
        uses.extend(all(Noun::Interface, &map.local));
    }
    let maps = config.crypto_maps.values().flat_map(|map| map.entries.values());
    let dynamic = config.dynamic_maps.values().flat_map(|map| map.values());
    for entry in maps.chain(dynamic).chain(config.ipsec_profiles.values()) {
        self::entry(entry, uses);
    }
    uses.extend(config.trustpoints.iter().filter_map(|point| vrf(&point.vrf)));
}

fn entry<'c>(entry: &'c MapEntry, uses: &mut Names<'c>) {
    uses.extend(all(Noun::DynamicMap, &entry.dynamic));
    uses.extend(all(Noun::Profile, &entry.profile));
    uses.extend(all(Noun::Ikev2Profile, &entry.ikev2_profile));
    uses.extend(all(Noun::TransformSet, &entry.transform_sets));
    uses.extend(all(Noun::AccessList, &entry.access_list));
    uses.extend(all(Noun::Identity, &entry.identity));
}

fn version_one<'c>(config: &'c Config, uses: &mut Names<'c>) {
    uses.extend(config.isakmp.peers.iter().filter_map(|peer| vrf(&peer.vrf)));
    for ring in &config.keyrings {
        uses.extend(vrf(&ring.vrf));
        uses.extend(ring.local.as_ref().and_then(local));
    }
    for profile in &config.profiles {
        self::profile(profile, uses);
    }
}

fn local(local: &LocalAddress) -> Option<(Noun, &str)> {
    match local {
        LocalAddress::Interface(name) => Some((Noun::Interface, name)),
        LocalAddress::Address { vrf: name, .. } => vrf(name),
    }
}

fn profile<'c>(profile: &'c Profile, uses: &mut Names<'c>) {
    uses.extend(vrf(&profile.vrf));
    uses.extend(profile.local.as_ref().and_then(local));
    uses.extend(all(Noun::Keyring, profile.keyrings.iter().filter(|ring| *ring != Keyring::DEFAULT)));
    uses.extend(all(Noun::CertificateMap, &profile.certificate_maps));
    uses.extend(all(Noun::Trustpoint, &profile.trustpoints));
    uses.extend(profile.matches.iter().filter_map(|found| match found {
        Match::Address { vrf: name, .. } => vrf(name),
        Match::Host(_) | Match::HostDomain(_) | Match::User(_) | Match::UserDomain(_) | Match::Group(_) => {
            None
        }
    }));
}

fn version_two<'c>(config: &'c Ikev2, uses: &mut Names<'c>) {
    for policy in &config.policies {
        uses.extend(front(&policy.front));
        let written =
            policy.proposals.iter().filter(|name| !config.default_proposal || *name != Ikev2::DEFAULT);
        uses.extend(all(Noun::Ikev2Proposal, written));
    }
    for Ikev2Profile { front: of, vrf: inside, certificate_maps, keyring, sign, verify, .. } in
        &config.profiles
    {
        uses.extend(front(of));
        uses.extend(vrf(inside));
        uses.extend(all(Noun::CertificateMap, certificate_maps));
        uses.extend(all(Noun::Ikev2Keyring, keyring));
        uses.extend(all(Noun::Trustpoint, sign.iter().chain(verify)));
    }
}

fn front(front: &Front) -> Option<(Noun, &str)> {
    match front {
        Front::Any => None,
        Front::Vrf(name) => vrf(name),
    }
}

fn definitions(config: &Config) -> Names<'_> {
    let mut names = Names::new();
    names.extend(all(Noun::Vrf, config.vrfs.keys()));
    names.extend(all(Noun::Interface, config.interfaces.keys()));
    names.extend(all(Noun::AccessList, config.access_lists.keys()));
    names.extend(all(Noun::Keyring, config.keyrings.iter().map(|ring| &ring.name)));
    names.extend(all(Noun::Profile, config.profiles.iter().map(|profile| &profile.name)));
    names.extend(all(Noun::TransformSet, config.transform_sets.keys()));
    names.extend(all(Noun::CryptoMap, config.crypto_maps.keys()));
    names.extend(all(Noun::DynamicMap, config.dynamic_maps.keys()));
    names.extend(all(Noun::IpsecProfile, config.ipsec_profiles.keys()));
    names.extend(all(Noun::Trustpoint, config.trustpoints.iter().map(|point| &point.name)));
    names.extend(all(Noun::CertificateMap, config.certificate_maps.keys()));
    names.extend(all(Noun::Identity, config.identities.keys()));
    names.extend(all(Noun::Ikev2Proposal, config.ikev2.proposals.iter().map(|proposal| &proposal.name)));
    names.extend(all(Noun::Ikev2Keyring, config.ikev2.keyrings.iter().map(|ring| &ring.name)));
    names.extend(all(Noun::Ikev2Profile, config.ikev2.profiles.iter().map(|profile| &profile.name)));
    routing::definitions(config, &mut names);
    names
}

/// How bad it is, what the thing is called, and what to do. IOS takes an entry whose access list is not
/// there yet; such an entry protects nothing, as one without any.
fn verdict(noun: Noun, defined: &Names<'_>) -> (Severity, &'static str, String) {
    if noun == Noun::AccessList {
        let help = "until it is defined the entry protects nothing and lets nothing of its VRF out";
        return (Severity::Warning, noun.called(), help.to_owned());
    }
    let known = defined.iter().filter(|(other, _)| *other == noun).take(8);
    let known: Vec<_> = known.map(|(_, name)| *name).collect();
    let help = if known.is_empty() {
        "none is defined".to_owned()
    } else {
        format!("defined: {}", known.join(", "))
    };
    (Severity::Error, noun.called(), help)
}
