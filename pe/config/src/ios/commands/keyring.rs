//! `crypto keyring`: pre-shared keys of the peers of one front VRF.

use std::net::IpAddr;

use base::{Prefix, Secret};

use super::super::args::Args;
use super::super::scope::Level::{Global, Keyring};
use super::super::scope::{Done, Fault, Place, Scope};
use super::super::value::{Mask, Network6};
use super::{Command, insert_by_family, many, one, opt};
use crate::model::{Keyring as Ring, LocalAddress, NamedKey, PresharedKey};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "crypto keyring <NAME:word> [vrf <F:vrf>]",
            |s, a| {
                let name: String = a.get("NAME")?;
                if name == Ring::DEFAULT {
                    let help = "use another name; the keys of `default` are written `crypto isakmp key`";
                    return Err(Fault::new("`default` is the ring of the global keys", help).at("NAME"));
                }
                let front = a.opt("F");
                let place = Place::at(Keyring, name);
                let exists = s.memory.made.contains(&place)
                    && s.config.keyrings.iter().any(|ring| ring.name == place.name);
                let mut inside = s.enter(&place);
                let ring = inside.keyring();
                if exists && front.is_some() && ring.vrf != front {
                    let help = "a keyring serves one front VRF: make a second keyring for the other";
                    return Err(Fault::new("the keyring exists already with another front VRF", help).at("F"));
                }
                ring.vrf = front.or_else(|| ring.vrf.take());
                Ok(())
            },
            |s, a| {
                let name: String = a.get("NAME")?;
                s.config.keyrings.retain(|ring| ring.name != name);
                Ok(())
            },
            |v| {
                let rings = v.config.keyrings.iter();
                many(rings.map(|ring| Args::new().with("NAME", &ring.name).with_some("F", ring.vrf.as_ref())))
            },
        )
        .opens(|_, a| Ok(Place::at(Keyring, a.get::<String>("NAME")?))),
        Command::set(
            Keyring,
            "description <TEXT:line>",
            |s, a| {
                s.keyring().description = Some(a.get("TEXT")?);
                Ok(())
            },
            |s, _| {
                s.keyring().description = None;
                Ok(())
            },
            |v| opt("TEXT", v.keyring()?.description.as_ref()),
        ),
    ];
    commands.push(local_address());
    commands.extend(keys());
    commands.push(Command::refuse(
        Keyring,
        "rsa-pubkey <REST:line>",
        "bare RSA keys are not supported: use certificates, `crypto pki trustpoint`",
    ));
    commands
}

fn local_address() -> Command {
    Command::set(
        Keyring,
        LOCAL_ADDRESS,
        |s, a| {
            s.keyring().local = Some(local(a)?);
            Ok(())
        },
        |s, _| {
            s.keyring().local = None;
            Ok(())
        },
        |v| one(v.keyring()?.local.as_ref().map(local_printed)),
    )
}

/// Of keyrings and of ISAKMP profiles.
pub(super) const LOCAL_ADDRESS: &str = "local-address {<L:ip> [<V:vrf>] | <IF:interface>}";

pub(super) fn local(a: &Args) -> Result<LocalAddress, Fault> {
    match a.opt("L") {
        Some(address) => Ok(LocalAddress::Address { address, vrf: a.opt("V") }),
        None => a.get("IF").map(LocalAddress::Interface),
    }
}

pub(super) fn local_printed(local: &LocalAddress) -> Args {
    match local {
        LocalAddress::Interface(name) => Args::new().with("IF", name),
        LocalAddress::Address { address, vrf } => Args::new().with("L", address).with_some("V", vrf.as_ref()),
    }
}

fn keys() -> [Command; 3] {
    [
        Command::set(
            Keyring,
            "pre-shared-key address <A:ipv4> [<M:mask>] key [{0 | 6}] <KEY:secret>",
            |s, a| put(s, |s| &mut s.keyring().keys, peer4(a)?, a),
            |s, a| drop_key(&mut s.keyring().keys, peer4(a)?),
            |v| many(v.keyring()?.keys.iter().filter_map(printed4)),
        ),
        Command::set(
            Keyring,
            "pre-shared-key address ipv6 <P:network6> key [{0 | 6}] <KEY:secret>",
            |s, a| put(s, |s| &mut s.keyring().keys, peer6(a)?, a),
            |s, a| drop_key(&mut s.keyring().keys, peer6(a)?),
            |v| {
                let keys = v.keyring()?.keys.iter().filter(|key| key.peer.address().is_ipv6());
                many(keys.map(|key| Args::new().with("P", key.peer).with("KEY", text(&key.key))))
            },
        ),
        Command::set(
            Keyring,
            "pre-shared-key hostname <H:host> key [{0 | 6}] <KEY:secret>",
            |s, a| put_named(s, |s| &mut s.keyring().named, a),
            |s, a| drop_named(&mut s.keyring().named, a),
            |v| {
                let keys = v.keyring()?.named.iter();
                many(keys.map(|key| Args::new().with("H", &key.host).with("KEY", text(&key.key))))
            },
        ),
    ]
}

/// `<A> [<M>]`; without a mask the one address, and `0.0.0.0` every one, as in IOS.
pub(super) fn peer4(a: &Args) -> Result<Prefix, Fault> {
    let address: IpAddr = a.get("A")?;
    let mask: Option<Mask> = a.opt("M");
    let whole = if address.is_unspecified() { 0 } else { 32 };
    Prefix::new(address, mask.map_or(whole, |mask| mask.0))
        .map_err(|_| Fault::new("not a network", "").at("M"))
}

pub(super) fn peer6(a: &Args) -> Result<Prefix, Fault> {
    let network: Network6 = a.get("P")?;
    network.prefix().ok_or_else(|| Fault::new("not a network", "").at("P"))
}

/// A second key for the same peer replaces the first, as in IOS.
pub(super) fn put(
    s: &mut Scope<'_>,
    list: for<'s> fn(&'s mut Scope<'_>) -> &'s mut Vec<PresharedKey>,
    peer: Prefix,
    a: &Args,
) -> Done {
    let key = s.key(a)?;
    let keys = list(s);
    match keys.iter_mut().find(|known| known.peer == peer) {
        Some(known) => known.key = key,
        None => insert_by_family(keys, PresharedKey { peer, key }, |known| known.peer),
    }
    Ok(())
}

pub(super) fn put_named(
    s: &mut Scope<'_>,
    list: for<'s> fn(&'s mut Scope<'_>) -> &'s mut Vec<NamedKey>,
    a: &Args,
) -> Done {
    let (host, key): (String, _) = (a.get("H")?, s.key(a)?);
    let keys = list(s);
    match keys.iter_mut().find(|known| known.host.eq_ignore_ascii_case(&host)) {
        Some(known) => known.key = key,
        None => keys.push(NamedKey { host, key }),
    }
    Ok(())
}

pub(super) fn drop_named(keys: &mut Vec<NamedKey>, a: &Args) -> Done {
    let host: String = a.get("H")?;
    keys.retain(|known| !known.host.eq_ignore_ascii_case(&host));
    Ok(())
}

pub(super) fn drop_key(keys: &mut Vec<PresharedKey>, peer: Prefix) -> Done {
    keys.retain(|known| known.peer != peer);
    Ok(())
}

fn printed4(key: &PresharedKey) -> Option<Args> {
    let peer = key.peer.address().is_ipv4().then(|| Args::new().with("A", key.peer.address()))?;
    Some(peer.with_some("M", mask(key.peer)).with("KEY", text(&key.key)))
}

/// `None` for a host, whose mask goes without saying unless `0.0.0.0` would mean every host.
pub(super) fn mask(peer: Prefix) -> Option<IpAddr> {
    (!peer.is_host() || peer.address().is_unspecified()).then(|| peer.mask())
}

/// Only keys that came from text are ever configured.
pub(super) fn text(key: &Secret) -> String {
    String::from_utf8_lossy(key.expose()).into_owned()
}
