//! `crypto ikev2 profile`: which peers it serves, how both sides prove who they are, and the inside VRF.

use std::net::IpAddr;
use std::time::Duration;

use ike::config::Identity;
use ike::config::v2::Authentication;

use super::super::keyring::text;
use super::super::{Command, dpd, insert, many, one, opt};
use super::keyring::{remote, remote_printed};
use super::policy::{FRONT, INTERFACE, INTERFACE_INSTEAD, front, front_printed};
use crate::ios::args::Args;
use crate::ios::scope::Level::Ikev2Profile;
use crate::ios::scope::{Done, Fault, Scope};
use crate::model::{Front, Ikev2Profile as Profile};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        named!(Ikev2Profile, "crypto ikev2 profile <NAME:word>", ikev2_profile, ikev2.profiles),
        value!(Ikev2Profile, "description <TEXT:line>", ikev2_profile.description, "TEXT"),
    ];
    commands.extend(matches());
    commands.push(value!(Ikev2Profile, "ivrf <V:vrf>", ikev2_profile.vrf, "V"));
    commands.push(identity());
    commands.extend(authentication());
    commands.extend(credentials());
    commands.extend(timers());
    commands.extend(switches());
    commands.extend(refused());
    commands
}

fn matches() -> [Command; 4] {
    [
        Command::set(
            Ikev2Profile,
            FRONT,
            |s, a| {
                s.ikev2_profile().front = front(a)?;
                Ok(())
            },
            |s, _| {
                s.ikev2_profile().front = Front::default();
                Ok(())
            },
            |v| one(front_printed(&v.ikev2_profile()?.front)),
        ),
        Command::set(
            Ikev2Profile,
            "match address local <A:ip>",
            |s, a| {
                insert(&mut s.ikev2_profile().local, a.get("A")?);
                Ok(())
            },
            |s, a| {
                let one: Option<IpAddr> = a.opt("A");
                s.ikev2_profile().local.retain(|address| one.is_some_and(|one| one != *address));
                Ok(())
            },
            |v| many(v.ikev2_profile()?.local.iter().map(|address| Args::new().with("A", address))),
        ),
        Command::set(
            Ikev2Profile,
            concat!("match identity remote {", identities!(), " | any}"),
            |s, a| {
                insert(&mut s.ikev2_profile().remote, remote(a)?);
                Ok(())
            },
            |s, a| {
                let gone = remote(a)?;
                s.ikev2_profile().remote.retain(|known| *known != gone);
                Ok(())
            },
            |v| many(v.ikev2_profile()?.remote.iter().map(remote_printed)),
        ),
        Command::set(
            Ikev2Profile,
            "match certificate <MAP:certificate-map>",
            |s, a| {
                insert(&mut s.ikev2_profile().certificate_maps, a.get("MAP")?);
                Ok(())
            },
            |s, a| {
                let gone: String = a.get("MAP")?;
                s.ikev2_profile().certificate_maps.retain(|map| *map != gone);
                Ok(())
            },
            |v| many(v.ikev2_profile()?.certificate_maps.iter().map(|map| Args::new().with("MAP", map))),
        ),
    ]
}

fn identity() -> Command {
    Command::set(
        Ikev2Profile,
        "identity local {address <A:ip> | address | fqdn <HOST:host> | email <MAIL:word> | key-id <K:word> | dn}",
        |s, a| {
            let id = |id: String| Identity::KeyId(id.into_bytes());
            let name = a.opt("HOST").map(Identity::Fqdn).or_else(|| a.opt("MAIL").map(Identity::UserFqdn));
            let other = || if a.has("dn") { Identity::Dn } else { Identity::Address };
            let found = name.or_else(|| a.opt("K").map(id)).or_else(|| a.opt("A").map(Identity::Exactly));
            s.ikev2_profile().identity = Some(found.unwrap_or_else(other));
            Ok(())
        },
        |s, _| {
            s.ikev2_profile().identity = None;
            Ok(())
        },
        |v| {
            let args = Args::new();
            one(Some(match v.ikev2_profile()?.identity.as_ref()? {
                Identity::Address => args.flag("address"),
                Identity::Exactly(address) => args.with("A", address),
                Identity::Fqdn(host) => args.with("HOST", host),
                Identity::UserFqdn(mail) => args.with("MAIL", mail),
                Identity::KeyId(id) => args.with("K", String::from_utf8_lossy(id)),
                Identity::Dn => args.flag("dn"),
            }))
        },
    )
}

macro_rules! methods {
    () => {
        "{pre-share [key [{0 | 6}] <KEY:secret>] | rsa-sig | ecdsa-sig | eddsa-sig}"
    };
}

fn authentication() -> [Command; 2] {
    [
        Command::set(
            Ikev2Profile,
            concat!("authentication local ", methods!()),
            |s, a| {
                s.ikev2_profile().local_authentication = Some(method(s, a)?);
                Ok(())
            },
            |s, _| {
                s.ikev2_profile().local_authentication = None;
                Ok(())
            },
            |v| one(v.ikev2_profile()?.local_authentication.as_ref().map(method_printed)),
        ),
        Command::set(
            Ikev2Profile,
            concat!("authentication remote ", methods!()),
            |s, a| {
                let new = method(s, a)?;
                let methods = &mut s.ikev2_profile().remote_authentication;
                match methods.iter_mut().find(|known| is_same(known, &new)) {
                    Some(known) => *known = new,
                    None => methods.push(new),
                }
                Ok(())
            },
            |s, a| {
                let gone = method(s, a).ok();
                let methods = &mut s.ikev2_profile().remote_authentication;
                methods.retain(|known| gone.as_ref().is_some_and(|gone| !is_same(known, gone)));
                Ok(())
            },
            |v| many(v.ikev2_profile()?.remote_authentication.iter().map(method_printed)),
        ),
    ]
}

fn method(s: &Scope<'_>, a: &Args) -> Result<Authentication, Fault> {
    Ok(if a.has("KEY") {
        Authentication::PreShared(Some(s.key(a)?))
    } else if a.has("pre-share") {
        Authentication::PreShared(None)
    } else if a.has("rsa-sig") {
        Authentication::RsaSignature
    } else if a.has("ecdsa-sig") {
        Authentication::EcdsaSignature
    } else if a.has("eddsa-sig") {
        Authentication::DigitalSignature
    } else {
        return Err(Fault::new("incomplete command", "the method is missing"));
    })
}

/// Whichever the key.
fn is_same(one: &Authentication, other: &Authentication) -> bool {
    let is_key = |it: &Authentication| matches!(it, Authentication::PreShared(_));
    one == other || is_key(one) && is_key(other)
}

fn method_printed(method: &Authentication) -> Args {
    let args = Args::new();
    match method {
        Authentication::PreShared(key) => args.flag("pre-share").with_some("KEY", key.as_ref().map(text)),
        Authentication::RsaSignature => args.flag("rsa-sig"),
        Authentication::EcdsaSignature => args.flag("ecdsa-sig"),
        Authentication::DigitalSignature => args.flag("eddsa-sig"),
    }
}

fn credentials() -> [Command; 3] {
    fn ring(s: &mut Scope<'_>, a: &Args) -> Done {
        s.ikev2_profile().keyring = Some(a.get("K")?);
        Ok(())
    }
    fn no_ring(s: &mut Scope<'_>, _: &Args) -> Done {
        s.ikev2_profile().keyring = None;
        Ok(())
    }
    [
        value!(Ikev2Profile, "keyring local <K:ikev2-keyring>", ikev2_profile.keyring, "K"),
        Command::synonym(Ikev2Profile, "keyring <K:ikev2-keyring>", ring, no_ring),
        Command::set(
            Ikev2Profile,
            "pki trustpoint <T:trustpoint> [{sign | verify}]",
            |s, a| {
                let profile = s.ikev2_profile();
                if !a.has("verify") {
                    insert(&mut profile.sign, a.get("T")?);
                }
                if !a.has("sign") {
                    insert(&mut profile.verify, a.get("T")?);
                }
                Ok(())
            },
            |s, a| {
                let one: Option<String> = a.opt("T");
                let stays = |name: &String| one.as_ref().is_some_and(|one| one != name);
                let profile = s.ikev2_profile();
                profile.sign.retain(|name| a.has("verify") || stays(name));
                profile.verify.retain(|name| a.has("sign") || stays(name));
                Ok(())
            },
            |v| {
                let Profile { sign, verify, .. } = v.ikev2_profile()?;
                let all = |names: &'_ [String], word: Option<&'static str>| -> Vec<Args> {
                    let line = |name| word.into_iter().fold(Args::new().with("T", name), Args::flag);
                    names.iter().map(line).collect()
                };
                Some(if sign == verify {
                    all(sign, None)
                } else {
                    [all(sign, Some("sign")), all(verify, Some("verify"))].concat()
                })
            },
        ),
    ]
}

fn timers() -> [Command; 3] {
    [
        Command::set(
            Ikev2Profile,
            "lifetime <S:120-86400>",
            |s, a| {
                s.ikev2_profile().lifetime = Duration::from_secs(a.get("S")?);
                Ok(())
            },
            |s, _| {
                s.ikev2_profile().lifetime = LIFETIME;
                Ok(())
            },
            |v| {
                let lifetime = Some(v.ikev2_profile()?.lifetime).filter(|lifetime| *lifetime != LIFETIME);
                opt("S", lifetime.map(|lifetime| lifetime.as_secs()))
            },
        ),
        Command::set(
            Ikev2Profile,
            "dpd <S:10-3600> <R:2-60> {periodic | on-demand}",
            |s, a| {
                s.ikev2_profile().dpd = Some(dpd::read(a)?);
                Ok(())
            },
            |s, _| {
                s.ikev2_profile().dpd = None;
                Ok(())
            },
            |v| one(v.ikev2_profile()?.dpd.map(dpd::printed)),
        ),
        Command::set(
            Ikev2Profile,
            "nat keepalive <SECONDS:5-3600>",
            |s, a| {
                s.ikev2_profile().nat_keepalive = Some(Duration::from_secs(a.get("SECONDS")?));
                Ok(())
            },
            |s, _| {
                s.ikev2_profile().nat_keepalive = None;
                Ok(())
            },
            |v| opt("SECONDS", v.ikev2_profile()?.nat_keepalive.map(|every| every.as_secs())),
        ),
    ]
}

const LIFETIME: Duration = Profile::LIFETIME;

fn switches() -> [Command; 4] {
    [
        switch!(Ikev2Profile, "initial-contact force", ikev2_profile.force_initial_contact),
        switch!(Ikev2Profile, "reauthentication", ikev2_profile.reauthentication),
        Command::set(
            Ikev2Profile,
            "mobike",
            |s, _| {
                s.ikev2_profile().mobike = true;
                Ok(())
            },
            |s, _| {
                s.ikev2_profile().mobike = false;
                Ok(())
            },
            |v| one((!v.ikev2_profile()?.mobike).then(|| Args::new().negate())),
        ),
        switch!(Ikev2Profile, "childless", ikev2_profile.childless),
    ]
}

fn refused() -> Vec<Command> {
    const REMOTE: &str = "remote access is not supported yet";
    [
        (INTERFACE, INTERFACE_INSTEAD),
        ("authentication local {eap | anyconnect-eap} [<REST:line>]", REMOTE),
        ("authentication remote {eap | anyconnect-eap} [<REST:line>]", REMOTE),
        ("aaa <REST:line>", REMOTE),
        ("keyring aaa <REST:line>", REMOTE),
        ("config-exchange <REST:line>", REMOTE),
        ("config-mode <REST:line>", REMOTE),
        ("anyconnect <REST:line>", REMOTE),
        ("reconnect [<REST:line>]", "session resumption is not supported"),
        (
            "redirect gateway <REST:line>",
            "it holds for every session: write `crypto ikev2 redirect gateway` at the top",
        ),
        ("lifetime certificate", "write the lifetime in seconds"),
        ("ppk <REST:line>", "it stands with the peer's key: `ppk manual` under `peer` of the keyring"),
        ("virtual-template <REST:line>", "dynamic tunnel interfaces are not supported yet: use a crypto map"),
        ("shutdown", "take the profile out of the entries that name it"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Ikev2Profile, pattern, instead))
    .collect()
}
