//! What contradicts itself in entries, dynamic maps, IPsec profiles, trustpoints and aggressive peers.

use crypto::dh::Group;

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{Config, MapEntry, Trustpoint};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    for (name, map) in &config.crypto_maps {
        for (sequence, entry) in &map.entries {
            self::entry(config, &Place::numbered(Level::MapEntry, name, *sequence), entry, report);
        }
    }
    for (name, map) in &config.dynamic_maps {
        for (sequence, entry) in map {
            let place = Place::numbered(Level::DynamicEntry, name, *sequence);
            has_sets(&place, entry, report);
            self::entry(config, &place, entry, report);
        }
    }
    for (name, profile) in &config.ipsec_profiles {
        let place = Place::at(Level::IpsecProfile, name);
        has_sets(&place, profile, report);
        entry(config, &place, profile, report);
    }
    certificate_maps(config, report);
    config.trustpoints.iter().for_each(|point| trustpoint(point, report));
    aggressive_peers(config, report);
}

fn has_sets(place: &Place, entry: &MapEntry, report: &mut Report<'_>) {
    if entry.transform_sets.is_empty() {
        report.warning(
            place,
            "",
            "it is incomplete: it needs `set transform-set`",
            "until then it protects nothing",
        );
    }
}

fn entry(config: &Config, place: &Place, entry: &MapEntry, report: &mut Report<'_>) {
    if entry.profile.is_some() && entry.ikev2_profile.is_some() {
        let help = "an entry speaks one version: make a second entry for the other";
        report.error(place, "set ikev2-profile", "the entry has an ISAKMP profile already", help);
    }
    if entry.pfs == Some(Group::Curve25519) && entry.ikev2_profile.is_none() {
        let help = "write `set ikev2-profile`, or `set pfs group19`";
        report.error(place, "set pfs", "IKEv1 has no number for group 31", help);
    }
    let modes =
        entry.transform_sets.iter().filter_map(|name| config.transform_sets.get(name)).map(|set| set.mode);
    let mut modes = modes.peekable();
    let first = modes.peek().copied();
    if modes.any(|mode| Some(mode) != first) {
        let help = "the sets of one entry are all `mode tunnel` or all `mode transport`";
        report.error(place, "set transform-set", "the transform sets are of different modes", help);
    }
    if entry.idle.is_some() && entry.idle == config.ipsec.idle {
        let help = "leave the line out, or give the entry a time of its own";
        report.warning(place, "set security-association idle-time", "the idle time is the global one", help);
    }
    if entry.idle_resets_peer && !entry.prefers_first {
        let help = "write `set peer A default`";
        let message = "no peer is the default one: `default` says nothing";
        report.warning(place, "set security-association idle-time", message, help);
    }
}

/// Every line of a sequence must hold: one without any holds for everybody.
fn certificate_maps(config: &Config, report: &mut Report<'_>) {
    for (name, map) in &config.certificate_maps {
        for (sequence, _) in map.sequences.iter().filter(|(_, criteria)| criteria.is_empty()) {
            let place = Place::numbered(Level::CertificateMap, name, *sequence);
            let help = "write a test such as `issuer-name co o = Example`";
            report.warning(&place, "", "it has no test: every certificate passes it", help);
        }
    }
    for (name, _) in config.identities.iter().filter(|(_, lines)| lines.is_empty()) {
        let help = "write `dn` or `fqdn`";
        report.warning(&Place::at(Level::Identity, name), "", "it describes nobody", help);
    }
}

fn trustpoint(point: &Trustpoint, report: &mut Report<'_>) {
    let place = Place::at(Level::Trustpoint, &point.name);
    match (&point.certificate, &point.private_key) {
        (Some(_), None) => {
            let help = "write `private-key file PATH`";
            report.error(&place, "certificate file", "our certificate has no private key", help);
        }
        (None, Some(_)) => {
            let help = "write `certificate file PATH`";
            report.error(&place, "private-key file", "the private key has no certificate", help);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if point.ca_certificates.is_empty() {
        let help = "write `ca-certificate file PATH`";
        report.warning(&place, "", "the trustpoint trusts nobody: it verifies no peer", help);
    }
}

fn aggressive_peers(config: &Config, report: &mut Report<'_>) {
    for profile in config.profiles.iter().filter(|profile| profile.aggressive && !config.isakmp.aggressive) {
        let place = Place::at(Level::Profile, &profile.name);
        let help = "leave out `crypto isakmp aggressive-mode disable`";
        report.warning(&place, "initiate mode aggressive", "aggressive mode is disabled", help);
    }
    for peer in &config.isakmp.peers {
        let address = peer.address.to_string();
        let name = peer.vrf.as_ref().map_or_else(|| address.clone(), |vrf| format!("{address} {vrf}"));
        let place = Place::at(Level::IsakmpPeer, name);
        if peer.identity.is_none() || peer.password.is_none() {
            let help = "write `set aggressive-mode client-endpoint` and `set aggressive-mode password`";
            report.warning(&place, "", "the peer is incomplete: it is opened in main mode", help);
        } else if !config.isakmp.aggressive {
            let help = "leave out `crypto isakmp aggressive-mode disable`";
            report.warning(&place, "", "aggressive mode is disabled: the peer is opened in main mode", help);
        }
    }
}
