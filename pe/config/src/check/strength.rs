//! Algorithms that no longer protect, written or left to IOS's defaults; each warning names its line.

use crypto::dh::Group;
use ike::config::{Authentication, Encryption, Hash, Proposal};
use ipsec::{Cipher, Integrity};

use super::Report;
use crate::ios::{Level, Place};
use crate::model::Config;

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
    let method = match policy.authentication {
        Authentication::PreShared => return,
        Authentication::RsaSignature => "rsa-sig",
        Authentication::RsaEncryption => "rsa-encr",
    };
    let written = if report.is_written(place, "authentication") { "" } else { ", IOS's default," };
    let message = format!("{method}{written} needs keys that are not supported yet: the policy is not used");
    report.warning(place, "authentication", message, "write `authentication pre-share`");
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
            Cipher::AesCbc(_) | Cipher::AesGcm(_) => None,
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
    for (name, map) in &config.crypto_maps {
        for (sequence, entry) in &map.entries {
            if let Some(group) = entry.pfs.filter(|group| is_weak(*group)) {
                let place = Place::numbered(Level::MapEntry, name, *sequence);
                let message = format!("Diffie-Hellman group {} is weak", group.number());
                report.warning(&place, "set pfs", message, "write `set pfs group14` if the peer can");
            }
        }
    }
}

/// Maps that stand on an interface while no policy could ever be agreed upon.
fn unusable(config: &Config, report: &mut Report<'_>) {
    let usable = config.proposals.values().any(|policy| policy.authentication == Authentication::PreShared);
    let on = config.interfaces.iter().find(|(_, i)| i.crypto_map.is_some() || i.crypto_map_ipv6.is_some());
    if let Some((name, _)) = on.filter(|_| !usable) {
        let help = "write `crypto isakmp policy 10` with `authentication pre-share`";
        let message = "no ISAKMP policy can be used: no tunnel comes up";
        let place = Place::at(Level::Interface, name);
        let command = if report.is_written(&place, "crypto map") { "crypto map" } else { "ipv6 crypto map" };
        report.warning(&place, command, message, help);
    }
}
