//! `crypto isakmp policy`: phase 1 proposals. What is left at IOS's default is not printed.

use std::time::Duration;

use crypto::dh::Group;
use ike::config::{Authentication, Encryption, Hash, Proposal};

use super::super::args::Args;
use super::super::scope::Level::{Global, Policy};
use super::super::scope::{Fault, Place, View};
use super::{Command, flag, many, one};

/// The keywords of the Diffie-Hellman groups, by IANA's numbers.
pub(super) const GROUPS: [(&str, &str, Group); 9] = [
    ("1", "group1", Group::Modp768),
    ("2", "group2", Group::Modp1024),
    ("5", "group5", Group::Modp1536),
    ("14", "group14", Group::Modp2048),
    ("15", "group15", Group::Modp3072),
    ("16", "group16", Group::Modp4096),
    ("19", "group19", Group::EcpP256),
    ("20", "group20", Group::EcpP384),
    ("21", "group21", Group::EcpP521),
];

const HASHES: [(&str, Hash); 5] = [
    ("md5", Hash::Md5),
    ("sha", Hash::Sha1),
    ("sha256", Hash::Sha256),
    ("sha384", Hash::Sha384),
    ("sha512", Hash::Sha512),
];

const AUTHENTICATIONS: [(&str, Authentication); 3] = [
    ("pre-share", Authentication::PreShared),
    ("rsa-sig", Authentication::RsaSignature),
    ("rsa-encr", Authentication::RsaEncryption),
];

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "crypto isakmp policy <N:1-10000>",
            |s, a| {
                let priority = a.get("N")?;
                s.config.proposals.entry(priority).or_insert_with(|| Proposal::new(priority));
                Ok(())
            },
            |s, a| {
                s.config.proposals.remove(&a.get::<u16>("N")?);
                Ok(())
            },
            |v| many(v.config.proposals.keys().map(|priority| Args::new().with("N", priority))),
        )
        .opens(|_, a| Ok(Place::numbered(Policy, "", a.get("N")?))),
        Command::set(
            Global,
            "crypto isakmp default policy",
            |s, _| {
                s.config.default_policy = true;
                Ok(())
            },
            |s, _| {
                s.config.default_policy = false;
                Ok(())
            },
            |v| flag(v.config.default_policy),
        ),
    ];
    commands.extend(algorithms());
    commands.extend(rest());
    commands
}

fn algorithms() -> [Command; 2] {
    [
        Command::set(
            Policy,
            "encryption {des | 3des | aes [{128 | 192 | 256}]}",
            |s, a| {
                s.policy().encryption = encryption(a);
                Ok(())
            },
            |s, _| {
                s.policy().encryption = Encryption::Des;
                Ok(())
            },
            |v| match changed(v, |policy| policy.encryption)? {
                Encryption::Des => one(Some(Args::new().flag("des"))),
                Encryption::TripleDes => one(Some(Args::new().flag("3des"))),
                Encryption::Aes(bits) => one(Some(bits_of(Args::new().flag("aes"), bits))),
            },
        ),
        Command::set(
            Policy,
            "hash {md5 | sha | sha256 | sha384 | sha512}",
            |s, a| {
                s.policy().hash = chosen(a, &HASHES)?;
                Ok(())
            },
            |s, _| {
                s.policy().hash = Hash::Sha1;
                Ok(())
            },
            |v| one(keyword(&HASHES, changed(v, |policy| policy.hash)?)),
        ),
    ]
}

fn rest() -> [Command; 3] {
    [
        Command::set(
            Policy,
            "authentication {pre-share | rsa-sig | rsa-encr}",
            |s, a| {
                s.policy().authentication = chosen(a, &AUTHENTICATIONS)?;
                Ok(())
            },
            |s, _| {
                s.policy().authentication = Authentication::RsaSignature;
                Ok(())
            },
            |v| one(keyword(&AUTHENTICATIONS, changed(v, |policy| policy.authentication)?)),
        ),
        Command::set(
            Policy,
            "group {1 | 2 | 5 | 14 | 15 | 16 | 19 | 20 | 21}",
            |s, a| {
                let group = GROUPS.iter().find(|(number, _, _)| a.has(number));
                s.policy().group = group.map_or(Group::Modp768, |(_, _, group)| *group);
                Ok(())
            },
            |s, _| {
                s.policy().group = Group::Modp768;
                Ok(())
            },
            |v| {
                let group = changed(v, |policy| policy.group)?;
                let known = GROUPS.iter().find(|(_, _, known)| *known == group);
                one(known.map(|(number, _, _)| Args::new().flag(number)))
            },
        ),
        Command::set(
            Policy,
            "lifetime <SECONDS:60-86400>",
            |s, a| {
                s.policy().lifetime = Duration::from_secs(a.get("SECONDS")?);
                Ok(())
            },
            |s, _| {
                s.policy().lifetime = Proposal::new(0).lifetime;
                Ok(())
            },
            |v| one(Some(Args::new().with("SECONDS", changed(v, |policy| policy.lifetime)?.as_secs()))),
        ),
    ]
}

fn encryption(a: &Args) -> Encryption {
    match (a.has("des"), a.has("3des")) {
        (true, _) => Encryption::Des,
        (_, true) => Encryption::TripleDes,
        _ => Encryption::Aes(bits(a)),
    }
}

/// The key length that a cipher's optional keyword gives; AES is AES-128 if none is written.
pub(super) fn bits(a: &Args) -> u16 {
    [192, 256].into_iter().find(|bits: &u16| a.has(&bits.to_string())).unwrap_or(128)
}

pub(super) fn bits_of(args: Args, bits: u16) -> Args {
    match bits {
        192 => args.flag("192"),
        256 => args.flag("256"),
        _ => args,
    }
}

/// A policy's attribute, if it is not IOS's default.
fn changed<T: PartialEq>(v: View<'_>, attribute: fn(&Proposal) -> T) -> Option<T> {
    Some(attribute(v.policy()?)).filter(|value| *value != attribute(&Proposal::new(0)))
}

fn chosen<T: Copy>(a: &Args, table: &[(&'static str, T)]) -> Result<T, Fault> {
    let found = table.iter().find(|(word, _)| a.has(word));
    found.map(|(_, value)| *value).ok_or_else(|| Fault::new("incomplete command", "the choice is missing"))
}

fn keyword<T: PartialEq>(table: &[(&'static str, T)], value: T) -> Option<Args> {
    table.iter().find(|(_, known)| *known == value).map(|(word, _)| Args::new().flag(word))
}
