//! `crypto isakmp policy`: phase 1 proposals. What is left at IOS's default is not printed.

use std::time::Duration;

use crypto::dh::Group;
use ike::config::{Authentication, Encryption, Hash, Proposal};

use super::super::args::Args;
use super::super::scope::Level::{Global, Policy};
use super::super::scope::{Place, View};
use super::algorithms::{AUTHENTICATIONS, GROUPS, HASHES, chosen, keyword, one_of};
use super::{Command, flag, many, one};

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
            one_of("hash", &HASHES),
            |s, a| {
                s.policy().hash = chosen(a, &HASHES)?;
                Ok(())
            },
            |s, _| {
                s.policy().hash = Hash::Sha1;
                Ok(())
            },
            |v| one(keyword(&HASHES, &changed(v, |policy| policy.hash)?)),
        ),
    ]
}

fn rest() -> [Command; 4] {
    [
        Command::set(
            Policy,
            one_of("authentication", &AUTHENTICATIONS),
            |s, a| {
                s.policy().authentication = chosen(a, &AUTHENTICATIONS)?;
                Ok(())
            },
            |s, _| {
                s.policy().authentication = Authentication::RsaSignature;
                Ok(())
            },
            |v| one(keyword(&AUTHENTICATIONS, &changed(v, |policy| policy.authentication)?)),
        ),
        Command::set(
            Policy,
            one_of("group", &GROUPS),
            |s, a| {
                s.policy().group = chosen(a, &GROUPS)?;
                Ok(())
            },
            |s, _| {
                s.policy().group = Group::Modp768;
                Ok(())
            },
            |v| one(keyword(&GROUPS, &changed(v, |policy| policy.group)?)),
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
        Command::refuse(
            Policy,
            "authentication {rsa-encr}",
            "RSA encryption has no peers any more: write `authentication rsa-sig`",
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
