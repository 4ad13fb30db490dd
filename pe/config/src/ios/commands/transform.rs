//! `crypto ipsec transform-set`: what protects the packets of an SA, and in which mode.

use ipsec::{Cipher, Integrity, Mode, Suite};

use super::super::args::Args;
use super::super::scope::Level::{Global, TransformSet};
use super::super::scope::{Done, Fault, Place, Scope};
use super::policy::{bits, bits_of};
use super::{Command, many, one};
use crate::model::TransformSet as Set;

macro_rules! transform {
    () => {
        "{esp-des | esp-3des | esp-aes [{128 | 192 | 256}] | esp-aes-ctr [{128 | 192 | 256}] \
         | esp-gcm [{128 | 192 | 256}] | esp-ccm [{128 | 192 | 256}] | esp-chacha20-poly1305 | esp-null \
         | esp-md5-hmac | esp-sha-hmac | esp-sha256-hmac | esp-sha384-hmac | esp-sha512-hmac \
         | esp-aes-xcbc-mac | esp-aes-cmac}"
    };
}

macro_rules! foreign {
    () => {
        "{ah-md5-hmac | ah-sha-hmac | ah-sha256-hmac | esp-seal | esp-gmac | comp-lzs} [<REST:line>]"
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
                s.config.transform_sets.insert(a.get("NAME")?, Set { suite, mode: Mode::Tunnel });
                Ok(())
            },
            |s, a| {
                s.config.transform_sets.remove(&a.get::<String>("NAME")?);
                Ok(())
            },
            |v| many(v.config.transform_sets.iter().map(|(name, set)| printed(name, set.suite))),
        )
        .opens(|_, a| Ok(Place::at(TransformSet, a.get::<String>("NAME")?))),
        Command::set(
            TransformSet,
            "mode {tunnel | transport}",
            |s, a| mode(s, if a.has("transport") { Mode::Transport } else { Mode::Tunnel }),
            |s, _| mode(s, Mode::Tunnel),
            |v| {
                let set = v.config.transform_sets.get(&v.place.name)?;
                one((set.mode == Mode::Transport).then(|| Args::new().flag("transport")))
            },
        ),
        Command::refuse(
            TransformSet,
            "mode transport require",
            "the set is transport mode alone as soon as it says so: write `mode transport`",
        ),
    ];
    commands.extend(foreign());
    commands
}

fn mode(s: &mut Scope<'_>, mode: Mode) -> Done {
    if let Some(set) = s.config.transform_sets.get_mut(&s.place.name) {
        set.mode = mode;
    }
    Ok(())
}

fn foreign() -> [Command; 2] {
    const ESP: &str = "of the transforms only ESP's are supported: esp-aes with esp-sha256-hmac, or esp-gcm";
    [
        Command::refuse(Global, concat!("crypto ipsec transform-set <NAME:word> ", foreign!()), ESP),
        Command::refuse(
            Global,
            concat!("crypto ipsec transform-set <NAME:word> ", transform!(), " ", foreign!()),
            ESP,
        ),
    ]
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
            Err(Fault::new("the cipher protects integrity itself", "leave the hmac transform out"))
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
        "esp-aes-ctr" => Cipher::AesCtr(bits(a)),
        "esp-gcm" => Cipher::AesGcm(bits(a)),
        "esp-ccm" => Cipher::AesCcm(bits(a)),
        "esp-chacha20-poly1305" => Cipher::ChaCha20Poly1305,
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
        "esp-aes-xcbc-mac" => Integrity::AesXcbc,
        "esp-aes-cmac" => Integrity::AesCmac,
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
        Cipher::AesCtr(bits) => bits_of(args.flag("esp-aes-ctr"), bits),
        Cipher::AesGcm(bits) => bits_of(args.flag("esp-gcm"), bits),
        Cipher::AesCcm(bits) => bits_of(args.flag("esp-ccm"), bits),
        Cipher::ChaCha20Poly1305 => args.flag("esp-chacha20-poly1305"),
    };
    match suite.integrity {
        Integrity::None => args,
        Integrity::Md5 => args.flag("esp-md5-hmac"),
        Integrity::Sha1 => args.flag("esp-sha-hmac"),
        Integrity::Sha256 => args.flag("esp-sha256-hmac"),
        Integrity::Sha384 => args.flag("esp-sha384-hmac"),
        Integrity::Sha512 => args.flag("esp-sha512-hmac"),
        Integrity::AesXcbc => args.flag("esp-aes-xcbc-mac"),
        Integrity::AesCmac => args.flag("esp-aes-cmac"),
    }
}
