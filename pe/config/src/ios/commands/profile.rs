//! `crypto isakmp profile`: which peers it serves, their keys, and the inside VRF of their tunnels.

use base::Prefix;
use ike::config::{Dpd, Identity};

use super::super::args::Args;
use super::super::scope::Level::{Global, Profile};
use super::super::scope::{Fault, Place};
use super::keyring::{LOCAL_ADDRESS, local, local_printed, peer4, peer6};
use super::{Command, dpd, insert, many, one, opt};
use crate::model::Match;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "crypto isakmp profile <NAME:word>",
            |s, a| {
                let place = Place::at(Profile, a.get::<String>("NAME")?);
                s.enter(&place).profile();
                Ok(())
            },
            |s, a| {
                let name: String = a.get("NAME")?;
                s.config.profiles.retain(|profile| profile.name != name);
                Ok(())
            },
            |v| many(v.config.profiles.iter().map(|profile| Args::new().with("NAME", &profile.name))),
        )
        .opens(|_, a| Ok(Place::at(Profile, a.get::<String>("NAME")?))),
    ];
    commands.extend(settings());
    commands.extend(self_identity());
    commands.extend(matches());
    commands.extend(session());
    commands.extend(refused());
    commands
}

fn session() -> [Command; 5] {
    [
        Command::set(
            Profile,
            "keepalive <S:10-3600> retry <R:2-60>",
            |s, a| {
                s.profile().dpd = Some(Dpd { periodic: true, ..dpd::read(a)? });
                Ok(())
            },
            |s, _| {
                s.profile().dpd = None;
                Ok(())
            },
            |v| one(v.profile()?.dpd.map(dpd::interval)),
        ),
        Command::set(
            Profile,
            LOCAL_ADDRESS,
            |s, a| {
                s.profile().local = Some(local(a)?);
                Ok(())
            },
            |s, _| {
                s.profile().local = None;
                Ok(())
            },
            |v| one(v.profile()?.local.as_ref().map(local_printed)),
        ),
        Command::set(
            Profile,
            "ca trust-point <T:trustpoint>",
            |s, a| {
                insert(&mut s.profile().trustpoints, a.get("T")?);
                Ok(())
            },
            |s, a| {
                let one: Option<String> = a.opt("T");
                s.profile().trustpoints.retain(|name| one.as_ref().is_some_and(|one| one != name));
                Ok(())
            },
            |v| many(v.profile()?.trustpoints.iter().map(|name| Args::new().with("T", name))),
        ),
        Command::set(
            Profile,
            "match certificate <MAP:certificate-map>",
            |s, a| {
                insert(&mut s.profile().certificate_maps, a.get("MAP")?);
                Ok(())
            },
            |s, a| {
                let gone: String = a.get("MAP")?;
                s.profile().certificate_maps.retain(|map| *map != gone);
                Ok(())
            },
            |v| many(v.profile()?.certificate_maps.iter().map(|map| Args::new().with("MAP", map))),
        ),
        switch!(Profile, "initiate mode aggressive", profile.aggressive),
    ]
}

fn settings() -> [Command; 3] {
    [
        Command::set(
            Profile,
            "description <TEXT:line>",
            |s, a| {
                s.profile().description = Some(a.get("TEXT")?);
                Ok(())
            },
            |s, _| {
                s.profile().description = None;
                Ok(())
            },
            |v| opt("TEXT", v.profile()?.description.as_ref()),
        ),
        Command::set(
            Profile,
            "vrf <V:vrf>",
            |s, a| {
                s.profile().vrf = Some(a.get("V")?);
                Ok(())
            },
            |s, _| {
                s.profile().vrf = None;
                Ok(())
            },
            |v| opt("V", v.profile()?.vrf.as_ref()),
        ),
        Command::set(
            Profile,
            "keyring <K:keyring>",
            |s, a| {
                insert(&mut s.profile().keyrings, a.get("K")?);
                Ok(())
            },
            |s, a| {
                let one: Option<String> = a.opt("K");
                s.profile().keyrings.retain(|ring| one.as_ref().is_some_and(|one| one != ring));
                Ok(())
            },
            |v| many(v.profile()?.keyrings.iter().map(|ring| Args::new().with("K", ring))),
        ),
    ]
}

fn self_identity() -> [Command; 1] {
    [Command::set(
        Profile,
        "self-identity {address | dn | user-fqdn <USER:word> | fqdn <HOST:word> | fqdn}",
        |s, a| {
            // A host name of nothing is the box's own, filled in once the whole text is read.
            let host = || Identity::Fqdn(a.opt("HOST").unwrap_or_default());
            let user = a.opt("USER").map(Identity::UserFqdn);
            let dn = a.has("dn").then_some(Identity::Dn);
            let address = a.has("address").then_some(Identity::Address);
            s.profile().self_identity = Some(address.or(dn).or(user).unwrap_or_else(host));
            Ok(())
        },
        |s, _| {
            s.profile().self_identity = None;
            Ok(())
        },
        |v| {
            let args = Args::new();
            one(Some(match v.profile()?.self_identity.as_ref()? {
                Identity::Address | Identity::Exactly(_) | Identity::KeyId(_) => args.flag("address"),
                Identity::Dn => args.flag("dn"),
                Identity::Fqdn(host) => args.with("HOST", host),
                Identity::UserFqdn(user) => args.with("USER", user),
            }))
        },
    )]
}

/// One row, so that matches print in the order they were given.
fn matches() -> [Command; 1] {
    [Command::set(
        Profile,
        "match identity {address {ipv6 <P:network6> [<F6:vrf>] | <A:ipv4> [<M:mask>] [<F:vrf>]} | host domain <HD:word> | host <H:word> | user domain <UD:word> | user <U:word> | group <G:word>}",
        |s, a| {
            insert(&mut s.profile().matches, identity(a)?);
            Ok(())
        },
        |s, a| {
            let gone = identity(a)?;
            s.profile().matches.retain(|known| *known != gone);
            Ok(())
        },
        |v| many(v.profile()?.matches.iter().map(printed)),
    )]
}

fn identity(a: &Args) -> Result<Match, Fault> {
    if a.has("A") {
        return Ok(Match::Address { prefix: peer4(a)?, vrf: a.opt("F") });
    }
    if a.has("P") {
        return Ok(Match::Address { prefix: peer6(a)?, vrf: a.opt("F6") });
    }
    let text = |name| a.opt::<String>(name);
    let host = text("HD").map(Match::HostDomain).or_else(|| text("H").map(Match::Host));
    let user = || text("UD").map(Match::UserDomain).or_else(|| text("U").map(Match::User));
    match host.or_else(user) {
        Some(found) => Ok(found),
        None => a.get("G").map(Match::Group),
    }
}

fn printed(found: &Match) -> Args {
    let args = Args::new();
    match found {
        Match::Address { prefix, vrf } => address(*prefix, vrf.as_ref()),
        Match::Host(name) => args.with("H", name),
        Match::HostDomain(name) => args.with("HD", name),
        Match::User(name) => args.with("U", name),
        Match::UserDomain(name) => args.with("UD", name),
        Match::Group(name) => args.with("G", name),
    }
}

fn address(prefix: Prefix, vrf: Option<&String>) -> Args {
    if prefix.address().is_ipv6() {
        return Args::new().flag("address").with("P", prefix).with_some("F6", vrf);
    }
    let args = Args::new().flag("address").with("A", prefix.address());
    args.with("M", prefix.mask()).with_some("F", vrf)
}

fn refused() -> Vec<Command> {
    const REMOTE: &str = "remote access is not supported yet";
    [
        ("client <REST:line>", REMOTE),
        ("isakmp authorization <REST:line>", REMOTE),
        ("accounting <REST:line>", REMOTE),
        ("virtual-template <REST:line>", "dynamic tunnel interfaces are not supported yet: use a crypto map"),
        ("qos-group <REST:line>", "not supported"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Profile, pattern, instead))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_reads_back_from_what_it_prints() {
        let prefix = "10.1.1.0/24".parse().unwrap();
        for found in [
            Match::Address { prefix, vrf: Some("red".to_owned()) },
            Match::Address { prefix: "2001:db8::/32".parse().unwrap(), vrf: None },
            Match::Host("a.example".to_owned()),
            Match::UserDomain("example".to_owned()),
            Match::Group("g".to_owned()),
        ] {
            assert!(identity(&printed(&found)).is_ok_and(|read| read == found));
        }
    }
}
