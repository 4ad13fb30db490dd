//! Algorithms that no longer protect, written or left to IOS's defaults; each warning names its line.

use crypto::dh::Group;
use ike::config::{Authentication, Encryption, Hash, Proposal, v2};
use ipsec::{Cipher, Integrity};

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{Config, CryptoMap, Interface, MapEntry};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    for (priority, policy) in &config.proposals {
        let place = Place::numbered(Level::Policy, "", u32::from(*priority));
        proposal(&place, policy, report);
    }
    if config.default_policy {
        let help = "leave the line out, and write a policy with aes, sha256 and group 14";
        let message = "the built-in policy is weak: DES, SHA-1, RSA signatures, group 1";
        report.warning(&Place::GLOBAL, "crypto isakmp default policy", message, help);
    }
    sets(config, report);
    forward_secrecy(config, report);
    version_two(config, report);
    unusable(config, report);
}

fn proposal(place: &Place, policy: &Proposal, report: &mut Report<'_>) {
    let cipher = match policy.encryption {
        Encryption::Des => Some("DES"),
        Encryption::TripleDes => Some("3DES"),
        Encryption::Aes(_) => None,
    };
    weak(place, "encryption", cipher, "aes 256", report);
    let hash = match policy.hash {
        Hash::Md5 => Some("MD5"),
        Hash::Sha1 | Hash::Sha256 | Hash::Sha384 | Hash::Sha512 => None,
    };
    weak(place, "hash", hash, "sha256", report);
    let group = is_weak(policy.group).then(|| format!("Diffie-Hellman group {}", policy.group.number()));
    weak(place, "group", group.as_deref(), "14", report);
}

fn weak(place: &Place, command: &str, what: Option<&str>, instead: &str, report: &mut Report<'_>) {
    let Some(what) = what else { return };
    let written =
        if report.is_written(place, command) { "" } else { ", IOS's default where none is written," };
    report.warning(
        place,
        command,
        format!("{what}{written} is weak"),
        format!("write `{command} {instead}` if the peer can"),
    );
}

const fn is_weak(group: Group) -> bool {
    matches!(group, Group::Modp768 | Group::Modp1024 | Group::Modp1536)
}

fn sets(config: &Config, report: &mut Report<'_>) {
    for (name, set) in &config.transform_sets {
        let cipher = match set.suite.cipher {
            Cipher::Null => Some("esp-null encrypts nothing"),
            Cipher::Des => Some("DES is weak"),
            Cipher::TripleDes => Some("3DES is weak"),
            Cipher::AesCbc(_)
            | Cipher::AesCtr(_)
            | Cipher::AesGcm(_)
            | Cipher::AesCcm(_)
            | Cipher::ChaCha20Poly1305 => None,
        };
        let integrity = (set.suite.integrity == Integrity::Md5).then_some("MD5 is weak");
        let found: Vec<_> = cipher.into_iter().chain(integrity).collect();
        if !found.is_empty() {
            let place = Place::at(Level::TransformSet, name);
            report.warning(
                &place,
                "",
                found.join(", "),
                "use esp-gcm, or esp-aes with esp-sha256-hmac, if the peer can",
            );
        }
    }
}

fn forward_secrecy(config: &Config, report: &mut Report<'_>) {
    let static_maps = config.crypto_maps.iter().map(|(name, map)| (Level::MapEntry, name, &map.entries));
    let dynamic = config.dynamic_maps.iter().map(|(name, entries)| (Level::DynamicEntry, name, entries));
    for (level, name, entries) in static_maps.chain(dynamic) {
        for (sequence, entry) in entries {
            weak_pfs(&Place::numbered(level, name, *sequence), entry, report);
        }
    }
    for (name, profile) in &config.ipsec_profiles {
        weak_pfs(&Place::at(Level::IpsecProfile, name), profile, report);
    }
}

fn weak_pfs(place: &Place, entry: &MapEntry, report: &mut Report<'_>) {
    if let Some(group) = entry.pfs.filter(|group| is_weak(*group)) {
        let message = format!("Diffie-Hellman group {} is weak", group.number());
        report.warning(place, "set pfs", message, "write `set pfs group14` if the peer can");
    }
}

fn version_two(config: &Config, report: &mut Report<'_>) {
    for proposal in &config.ikev2.proposals {
        let place = Place::at(Level::Ikev2Proposal, &proposal.name);
        let mut weak = |command: &str, found: Vec<String>, instead: &str| {
            if !found.is_empty() {
                let verb = if found.len() == 1 { "is" } else { "are" };
                let message = format!("{} {verb} weak", found.join(", "));
                report.warning(
                    &place,
                    command,
                    message,
                    format!("write `{command} {instead}` if the peer can"),
                );
            }
        };
        weak("encryption", proposal.encryption.iter().filter_map(weak_cipher).collect(), "aes-gcm-256");
        let md5 = proposal.integrity.iter().filter(|it| **it == v2::Integrity::Md5);
        weak("integrity", md5.map(|_| "MD5".to_owned()).collect(), "sha256");
        let md5 = proposal.prf.iter().filter(|it| **it == v2::Prf::Hmac(Hash::Md5));
        weak("prf", md5.map(|_| "MD5".to_owned()).collect(), "sha256");
        let groups = proposal.groups.iter().filter(|group| is_weak(**group));
        weak("group", groups.map(|it| format!("Diffie-Hellman group {}", it.number())).collect(), "19");
    }
}

fn weak_cipher(cipher: &v2::Encryption) -> Option<String> {
    match cipher {
        v2::Encryption::Des => Some("DES".to_owned()),
        v2::Encryption::TripleDes => Some("3DES".to_owned()),
        v2::Encryption::AesCbc(_)
        | v2::Encryption::AesCtr(_)
        | v2::Encryption::AesGcm(_)
        | v2::Encryption::AesCcm(_)
        | v2::Encryption::ChaCha20Poly1305 => None,
    }
}

/// Maps and tunnels of version 1 on an interface while no policy of that version could be agreed upon.
fn unusable(config: &Config, report: &mut Report<'_>) {
    let has_certificate = config.trustpoints.iter().any(|point| point.certificate.is_some());
    let fits = |policy: &Proposal| match policy.authentication {
        Authentication::PreShared => true,
        Authentication::RsaSignature | Authentication::EcdsaSignature => has_certificate,
        Authentication::RsaEncryption => false,
    };
    for (priority, policy) in config.proposals.iter().filter(|(_, policy)| !fits(policy)) {
        let place = Place::numbered(Level::Policy, "", u32::from(*priority));
        let written = if report.is_written(&place, "authentication") { "" } else { ", IOS's default," };
        let method =
            if policy.authentication == Authentication::EcdsaSignature { "ecdsa-sig" } else { "rsa-sig" };
        let message = format!("{method}{written} needs a certificate of ours: the policy is not used");
        let help = "write `authentication pre-share`, or `certificate file` under `crypto pki trustpoint`";
        report.warning(&place, "authentication", message, help);
    }
    let on = config.interfaces.iter().find_map(|(name, of)| Some((name, version_one_line(config, of)?)));
    let usable = config.isakmp.enabled && config.proposals.values().any(fits);
    if let Some((name, command)) = on.filter(|_| !usable) {
        let help = "write `crypto isakmp policy 10` with `authentication pre-share`";
        let message = "no ISAKMP policy can be used: no tunnel comes up";
        report.warning(&Place::at(Level::Interface, name), command, message, help);
    }
}

/// The line of an interface for which IKEv1 is spoken.
fn version_one_line(config: &Config, of: &Interface) -> Option<&'static str> {
    let is_one = |map: &Option<String>| {
        let map = map.as_ref().map(|map| config.crypto_maps.get(map));
        map.is_some_and(|map| map.is_none_or(|map| speaks_version_one(config, map)))
    };
    let tunnel = of.tunnel.as_ref().and_then(|tunnel| config.ipsec_profiles.get(tunnel.profile.as_ref()?));
    if is_one(&of.crypto_map) {
        Some("crypto map")
    } else if is_one(&of.crypto_map_ipv6) {
        Some("ipv6 crypto map")
    } else {
        tunnel.filter(|profile| profile.ikev2_profile.is_none()).map(|_| "tunnel protection ipsec profile")
    }
}

fn speaks_version_one(config: &Config, map: &CryptoMap) -> bool {
    let own = |entry: &MapEntry| entry.ikev2_profile.is_none();
    map.entries.values().any(|entry| match &entry.dynamic {
        Some(name) => config.dynamic_maps.get(name).is_some_and(|map| map.values().any(own)),
        None => own(entry),
    })
}
