//! Global `crypto ipsec` lines: transform sets, and what holds for every SA unless an entry says otherwise.

use std::time::Duration;

use ipsec::{Cipher, DfBit, Fragmentation, Integrity, Lifetime, Replay, Suite};

use super::super::args::Args;
use super::super::scope::Level::{Global, TransformSet};
use super::super::scope::{Fault, Place};
use super::policy::{bits, bits_of};
use super::{Command, many, one};
use crate::model::TransformSet as Set;

macro_rules! transform {
    () => {
        "{esp-des | esp-3des | esp-aes [{128 | 192 | 256}] | esp-gcm [{128 | 192 | 256}] | esp-null \
         | esp-md5-hmac | esp-sha-hmac | esp-sha256-hmac | esp-sha384-hmac | esp-sha512-hmac}"
    };
}

macro_rules! foreign {
    () => {
        "{ah-md5-hmac | ah-sha-hmac | ah-sha256-hmac | esp-seal | comp-lzs} [<REST:line>]"
    };
}

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            concat!(
                "crypto ipsec transform-set <NAME:word> ",
                transform!(),
                " [",
                transform!(),
                " [",
                transform!(),
                "]]"
            ),
            |s, a| {
                let suite = suite(a)?;
                s.config.transform_sets.insert(a.get("NAME")?, Set { suite });
                Ok(())
            },
            |s, a| {
                s.config.transform_sets.remove(&a.get::<String>("NAME")?);
                Ok(())
            },
            |v| many(v.config.transform_sets.iter().map(|(name, set)| printed(name, set.suite))),
        )
        .opens(|_, a| Ok(Place::at(TransformSet, a.get::<String>("NAME")?))),
        Command::always(TransformSet, "mode tunnel"),
        Command::refuse(TransformSet, "mode transport", "only tunnel mode is supported: leave the line out"),
    ];
    commands.extend(foreign());
    commands.extend(lifetimes());
    commands.extend(packets());
    commands
}

fn foreign() -> [Command; 4] {
    const ESP: &str = "of the transforms only ESP's are supported: esp-aes with esp-sha256-hmac, or esp-gcm";
    [
        Command::refuse(Global, concat!("crypto ipsec transform-set <NAME:word> ", foreign!()), ESP),
        Command::refuse(
            Global,
            concat!("crypto ipsec transform-set <NAME:word> ", transform!(), " ", foreign!()),
            ESP,
        ),
        Command::refuse(
            Global,
            "crypto ipsec profile <REST:line>",
            "tunnel interfaces are not supported yet",
        ),
        Command::refuse(
            Global,
            "crypto ipsec nat-transparency <REST:line>",
            "NAT traversal is always on: leave the line out",
        ),
    ]
}

fn lifetimes() -> [Command; 2] {
    [
        Command::set(
            Global,
            "crypto ipsec security-association lifetime {seconds <S:120-86400> | kilobytes <K:2560-4294967295> | kilobytes disable}",
            |s, a| {
                let lifetime = &mut s.config.ipsec.lifetime;
                match a.opt("S") {
                    Some(seconds) => lifetime.time = Duration::from_secs(seconds),
                    None => lifetime.kilobytes = a.opt("K"),
                }
                Ok(())
            },
            |s, a| {
                let (time, volume) = lifetimes_meant(a);
                let Lifetime { time: seconds, kilobytes } = &mut s.config.ipsec.lifetime;
                *seconds = if time { Lifetime::DEFAULT.time } else { *seconds };
                *kilobytes = if volume { Lifetime::DEFAULT.kilobytes } else { *kilobytes };
                Ok(())
            },
            |v| {
                let Lifetime { time, kilobytes } = v.config.ipsec.lifetime;
                let seconds = (time != Lifetime::DEFAULT.time).then(|| Args::new().with("S", time.as_secs()));
                let volume = match kilobytes {
                    Some(kilobytes) => Args::new().with("K", kilobytes),
                    None => Args::new().flag("kilobytes"),
                };
                many(seconds.into_iter().chain((kilobytes != Lifetime::DEFAULT.kilobytes).then_some(volume)))
            },
        ),
        Command::set(
            Global,
            "crypto ipsec security-association replay {window-size <N:64-1024> | disable}",
            |s, a| {
                s.config.ipsec.replay.window = window(a)?;
                Ok(())
            },
            |s, _| {
                s.config.ipsec.replay = Replay::DEFAULT;
                Ok(())
            },
            |v| one((v.config.ipsec.replay != Replay::DEFAULT).then(|| replay(v.config.ipsec.replay))),
        ),
    ]
}

fn packets() -> [Command; 2] {
    [
        Command::set(
            Global,
            "crypto ipsec df-bit {clear | set | copy}",
            |s, a| {
                s.config.ipsec.df = df(a);
                Ok(())
            },
            |s, _| {
                s.config.ipsec.df = DfBit::default();
                Ok(())
            },
            |v| one((v.config.ipsec.df != DfBit::default()).then(|| df_printed(v.config.ipsec.df))),
        ),
        Command::set(
            Global,
            "crypto ipsec fragmentation {before-encryption | after-encryption}",
            |s, a| {
                s.config.ipsec.fragmentation = fragmentation(a);
                Ok(())
            },
            |s, _| {
                s.config.ipsec.fragmentation = Fragmentation::default();
                Ok(())
            },
            |v| {
                let when = v.config.ipsec.fragmentation;
                one((when != Fragmentation::default()).then(|| fragmentation_printed(when)))
            },
        ),
    ]
}

/// Which limits a `no … lifetime` undoes, by time and by volume: both if it names none.
pub(super) fn lifetimes_meant(a: &Args) -> (bool, bool) {
    let (time, volume) = (a.has("S"), a.has("K") || a.has("kilobytes"));
    (time || !volume, volume || !time)
}

/// `window-size N` or `disable`, which is a window of zero.
pub(super) fn window(a: &Args) -> Result<u16, Fault> {
    let window = if a.has("disable") { 0 } else { a.get("N")? };
    if [0, 64, 128, 256, 512, 1024].contains(&window) {
        return Ok(window);
    }
    Err(Fault::new("no such replay window", "64, 128, 256, 512 or 1024 packets").at("N"))
}

pub(super) fn replay(replay: Replay) -> Args {
    match replay.window {
        0 => Args::new().flag("disable"),
        window => Args::new().with("N", window),
    }
}

pub(super) fn df(a: &Args) -> DfBit {
    match (a.has("clear"), a.has("set")) {
        (true, _) => DfBit::Clear,
        (_, true) => DfBit::Set,
        _ => DfBit::Copy,
    }
}

pub(super) fn df_printed(df: DfBit) -> Args {
    Args::new().flag(match df {
        DfBit::Clear => "clear",
        DfBit::Set => "set",
        DfBit::Copy => "copy",
    })
}

pub(super) fn fragmentation(a: &Args) -> Fragmentation {
    if a.has("after-encryption") { Fragmentation::AfterEncryption } else { Fragmentation::BeforeEncryption }
}

pub(super) fn fragmentation_printed(when: Fragmentation) -> Args {
    Args::new().flag(match when {
        Fragmentation::BeforeEncryption => "before-encryption",
        Fragmentation::AfterEncryption => "after-encryption",
    })
}

/// At most one cipher and one integrity transform, which must make a suite of RFC 4303.
fn suite(a: &Args) -> Result<Suite, Fault> {
    let (mut cipher, mut integrity) = (None, None);
    for transform in a.iter() {
        let twice = match (cipher_of(transform.name, a), integrity_of(transform.name)) {
            (Some(new), _) => cipher.replace(new).is_some(),
            (_, Some(new)) => integrity.replace(new).is_some(),
            _ => false,
        };
        if twice {
            let help = "one cipher and one integrity transform make a set";
            return Err(Fault::new("two transforms for the same purpose", help).at(transform.name));
        }
    }
    match (cipher, integrity) {
        (Some(cipher), None) if cipher.is_aead() => Ok(Suite { cipher, integrity: Integrity::None }),
        (Some(cipher), Some(_)) if cipher.is_aead() => {
            Err(Fault::new("esp-gcm protects integrity itself", "leave the hmac transform out"))
        }
        (Some(cipher), Some(integrity)) => Ok(Suite { cipher, integrity }),
        (Some(_), None) => {
            let help = "add one, such as esp-sha256-hmac: encryption alone can be tampered with";
            Err(Fault::new("the set has no integrity transform", help))
        }
        (None, _) => {
            Err(Fault::new("the set has no cipher", "add one, such as esp-aes; or esp-null for none"))
        }
    }
}

fn cipher_of(name: &str, a: &Args) -> Option<Cipher> {
    Some(match name {
        "esp-null" => Cipher::Null,
        "esp-des" => Cipher::Des,
        "esp-3des" => Cipher::TripleDes,
        "esp-aes" => Cipher::AesCbc(bits(a)),
        "esp-gcm" => Cipher::AesGcm(bits(a)),
        _ => return None,
    })
}

fn integrity_of(name: &str) -> Option<Integrity> {
    Some(match name {
        "esp-md5-hmac" => Integrity::Md5,
        "esp-sha-hmac" => Integrity::Sha1,
        "esp-sha256-hmac" => Integrity::Sha256,
        "esp-sha384-hmac" => Integrity::Sha384,
        "esp-sha512-hmac" => Integrity::Sha512,
        _ => return None,
    })
}

fn printed(name: &str, suite: Suite) -> Args {
    let args = Args::new().with("NAME", name);
    let args = match suite.cipher {
        Cipher::Null => args.flag("esp-null"),
        Cipher::Des => args.flag("esp-des"),
        Cipher::TripleDes => args.flag("esp-3des"),
        Cipher::AesCbc(bits) => bits_of(args.flag("esp-aes"), bits),
        Cipher::AesGcm(bits) => bits_of(args.flag("esp-gcm"), bits),
    };
    match suite.integrity {
        Integrity::None => args,
        Integrity::Md5 => args.flag("esp-md5-hmac"),
        Integrity::Sha1 => args.flag("esp-sha-hmac"),
        Integrity::Sha256 => args.flag("esp-sha256-hmac"),
        Integrity::Sha384 => args.flag("esp-sha384-hmac"),
        Integrity::Sha512 => args.flag("esp-sha512-hmac"),
    }
}
