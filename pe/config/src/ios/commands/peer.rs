//! `crypto isakmp peer`: whom we open in aggressive mode, under which name and with which key (AGG-01).

use std::net::IpAddr;

use ike::config::Identity;

use super::super::args::Args;
use super::super::scope::Level::{Global, IsakmpPeer};
use super::super::scope::{Done, Fault, Place, Scope};
use super::keyring::text;
use super::{Command, many, one, opt};

const ADDRESS: &str = "crypto isakmp peer address <A:ip> [vrf <V:vrf>]";

pub(super) fn commands() -> Vec<Command> {
    vec![
        Command::set(Global, ADDRESS, open, close, |v| {
            let peers = v.config.isakmp.peers.iter();
            many(peers.map(|peer| Args::new().with("A", peer.address).with_some("V", peer.vrf.as_ref())))
        })
        .opens(place),
        Command::synonym(Global, "crypto isakmp peer ip-address <A:ip> [vrf <V:vrf>]", open, close)
            .opens(place),
        Command::refuse(
            Global,
            "crypto isakmp peer {hostname | fqdn} <REST:line>",
            "aggressive mode is opened to an address: write `crypto isakmp peer address A`",
        ),
        client_endpoint(),
        Command::set(
            IsakmpPeer,
            "set aggressive-mode password [{0 | 6}] <KEY:secret>",
            |s, a| {
                let key = s.key(a)?;
                s.isakmp_peer()?.password = Some(key);
                Ok(())
            },
            |s, _| {
                s.isakmp_peer()?.password = None;
                Ok(())
            },
            |v| opt("KEY", v.isakmp_peer()?.password.as_ref().map(text)),
        ),
    ]
}

fn client_endpoint() -> Command {
    Command::set(
        IsakmpPeer,
        "set aggressive-mode client-endpoint {user-fqdn <USER:word> | fqdn <HOST:host> | ipv4-address <E:ipv4>}",
        |s, a| {
            let user = a.opt("USER").map(Identity::UserFqdn);
            let host = || a.opt("HOST").map(Identity::Fqdn);
            let identity = user.or_else(host).map_or_else(|| a.get("E").map(Identity::Exactly), Ok)?;
            s.isakmp_peer()?.identity = Some(identity);
            Ok(())
        },
        |s, _| {
            s.isakmp_peer()?.identity = None;
            Ok(())
        },
        |v| {
            one(match v.isakmp_peer()?.identity.as_ref()? {
                Identity::UserFqdn(user) => Some(Args::new().with("USER", user)),
                Identity::Fqdn(host) => Some(Args::new().with("HOST", host)),
                Identity::Exactly(address) => Some(Args::new().with("E", address)),
                Identity::Address | Identity::KeyId(_) | Identity::Dn => None,
            })
        },
    )
}

fn place(_: &Place, a: &Args) -> Result<Place, Fault> {
    let address: IpAddr = a.get("A")?;
    let vrf: Option<String> = a.opt("V");
    Ok(Place::at(IsakmpPeer, vrf.map_or_else(|| address.to_string(), |vrf| format!("{address} {vrf}"))))
}

fn open(s: &mut Scope<'_>, a: &Args) -> Done {
    let place = place(s.place, a)?;
    s.enter(&place).isakmp_peer().map(|_| ())
}

fn close(s: &mut Scope<'_>, a: &Args) -> Done {
    let (address, vrf): (IpAddr, Option<String>) = (a.get("A")?, a.opt("V"));
    s.config.isakmp.peers.retain(|peer| peer.address != address || peer.vrf != vrf);
    Ok(())
}
