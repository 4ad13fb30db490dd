//! `crypto ikev2 keyring`: peers and the keys that are shared with them.

use base::Prefix;
use ike::config::v2::{Ppk, Remote};

use super::super::keyring::{mask, peer4, peer6, text};
use super::super::{Command, many, one};
use crate::ios::args::Args;
use crate::ios::scope::Level::{Ikev2Keyring, Ikev2Peer};
use crate::ios::scope::{Done, Fault, Place, Scope};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        named!(Ikev2Keyring, "crypto ikev2 keyring <NAME:word>", ikev2_keyring, ikev2.keyrings),
        Command::set(
            Ikev2Keyring,
            "peer <NAME:word>",
            |s, a| {
                let place = place(s.place, a)?;
                s.enter(&place).ikev2_peer();
                Ok(())
            },
            |s, a| {
                let name: String = a.get("NAME")?;
                s.ikev2_keyring().peers.retain(|it| it.peer.name != name);
                Ok(())
            },
            |v| many(v.ikev2_keyring()?.peers.iter().map(|it| Args::new().with("NAME", &it.peer.name))),
        )
        .opens(place),
        value!(Ikev2Peer, "description <TEXT:line>", ikev2_peer.description, "TEXT"),
    ];
    commands.extend(who());
    commands.extend(keys());
    commands
}

fn place(at: &Place, a: &Args) -> Result<Place, Fault> {
    Ok(Place::at(Ikev2Peer, format!("{} {}", at.names().0, a.get::<String>("NAME")?)))
}

fn who() -> [Command; 3] {
    [
        Command::set(
            Ikev2Peer,
            "address {<A:ipv4> [<M:mask>] | [ipv6] <P:network6>}",
            |s, a| {
                s.ikev2_peer().peer.address = Some(prefix(a)?);
                Ok(())
            },
            |s, _| {
                s.ikev2_peer().peer.address = None;
                Ok(())
            },
            |v| one(v.ikev2_peer()?.peer.address.map(|prefix| prefix_printed(Args::new(), prefix))),
        ),
        value!(Ikev2Peer, "hostname <H:host>", ikev2_peer.peer.hostname, "H"),
        Command::set(
            Ikev2Peer,
            concat!("identity {", identities!(), "}"),
            |s, a| {
                s.ikev2_peer().peer.identity = Some(remote(a)?);
                Ok(())
            },
            |s, _| {
                s.ikev2_peer().peer.identity = None;
                Ok(())
            },
            |v| one(v.ikev2_peer()?.peer.identity.as_ref().map(remote_printed)),
        ),
    ]
}

fn keys() -> [Command; 3] {
    [
        Command::set(
            Ikev2Peer,
            "pre-shared-key [{local | remote}] [{0 | 6}] <KEY:secret>",
            set_key,
            |s, a| {
                let peer = &mut s.ikev2_peer().peer;
                peer.local_key = peer.local_key.take().filter(|_| a.has("remote"));
                peer.remote_key = peer.remote_key.take().filter(|_| a.has("local"));
                Ok(())
            },
            |v| {
                let peer = &v.ikev2_peer()?.peer;
                if peer.local_key == peer.remote_key {
                    return one(peer.local_key.as_ref().map(|key| Args::new().with("KEY", text(key))));
                }
                let both = [("local", &peer.local_key), ("remote", &peer.remote_key)];
                let written = both.into_iter().filter_map(|(word, key)| Some((word, key.as_ref()?)));
                many(written.map(|(word, key)| Args::new().flag(word).with("KEY", text(key))))
            },
        ),
        Command::set(
            Ikev2Peer,
            "ppk manual id <ID:word> key [{0 | 6}] <KEY:secret> [{required}]",
            |s, a| {
                let (id, key) = (a.get::<String>("ID")?.into_bytes(), s.key(a)?);
                s.ikev2_peer().peer.ppk = Some(Ppk { id, key, required: a.has("required") });
                Ok(())
            },
            |s, _| {
                s.ikev2_peer().peer.ppk = None;
                Ok(())
            },
            |v| {
                let ppk = v.ikev2_peer()?.peer.ppk.as_ref()?;
                let args = Args::new().with("ID", String::from_utf8_lossy(&ppk.id));
                one(Some(args.with("KEY", text(&ppk.key)).flag_if(ppk.required, "required")))
            },
        ),
        Command::refuse(
            Ikev2Peer,
            "ppk dynamic <REST:line>",
            "there is no key management server here: write `ppk manual id ID key KEY`",
        ),
    ]
}

/// Without a word the key is that of both directions.
fn set_key(s: &mut Scope<'_>, a: &Args) -> Done {
    let key = s.key(a)?;
    let named = a.has("local") || a.has("remote");
    let word = !named && !a.has("0") && matches!(key.expose(), b"local" | b"remote");
    if word {
        return Err(Fault::new(
            "incomplete command",
            "next: the key; a key of that name is written after `0`",
        ));
    }
    let peer = &mut s.ikev2_peer().peer;
    if !a.has("remote") {
        peer.local_key = Some(key.clone());
    }
    if !a.has("local") {
        peer.remote_key = Some(key);
    }
    Ok(())
}

/// What follows `address`.
fn prefix(a: &Args) -> Result<Prefix, Fault> {
    if a.has("A") { peer4(a) } else { peer6(a) }
}

fn prefix_printed(args: Args, prefix: Prefix) -> Args {
    match prefix.address().is_ipv4() {
        true => args.with("A", prefix.address()).with_some("M", mask(prefix)),
        false => args.with("P", prefix),
    }
}

pub(super) fn remote(a: &Args) -> Result<Remote, Fault> {
    if a.has("any") {
        return Ok(Remote::Any);
    }
    let text = |name| a.opt::<String>(name);
    let fqdn = text("FD").map(Remote::FqdnDomain).or_else(|| text("F").map(Remote::Fqdn));
    let email = || text("ED").map(Remote::EmailDomain).or_else(|| text("E").map(Remote::Email));
    let key_id = || text("K").map(|id| Remote::KeyId(id.into_bytes()));
    match fqdn.or_else(email).or_else(key_id) {
        Some(found) => Ok(found),
        None => prefix(a).map(Remote::Address),
    }
}

pub(super) fn remote_printed(remote: &Remote) -> Args {
    let args = Args::new();
    match remote {
        Remote::Any => args.flag("any"),
        Remote::Address(prefix) => prefix_printed(args.flag("address"), *prefix),
        Remote::Fqdn(name) => args.with("F", name),
        Remote::FqdnDomain(name) => args.with("FD", name),
        Remote::Email(name) => args.with("E", name),
        Remote::EmailDomain(name) => args.with("ED", name),
        Remote::KeyId(id) => args.with("K", String::from_utf8_lossy(id)),
    }
}
