//! `crypto ikev2`: the lines that hold for every session of version 2.

/// Who a peer says it is, in `identity` of a keyring's peer and in `match identity remote` of a profile.
macro_rules! identities {
    () => {
        "address {<A:ipv4> [<M:mask>] | [ipv6] <P:network6>} | fqdn domain <FD:host> | fqdn <F:host> \
         | email domain <ED:host> | email <E:word> | key-id <K:word>"
    };
}

mod keyring;
mod policy;
mod profile;
mod proposal;

use std::time::Duration;

use ike::config::v2::{Gateway, Redirect};

use super::super::args::Args;
use super::super::scope::Level::Global;
use super::{Command, dpd, many, one, opt};
use crate::model::Ikev2;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = proposal::commands();
    commands.extend(policy::commands());
    commands.extend(keyring::commands());
    commands.extend(profile::commands());
    commands.extend(timers());
    commands.extend(limits());
    commands.extend(messages());
    commands.extend(refused());
    commands
}

fn timers() -> [Command; 2] {
    [
        Command::set(
            Global,
            "crypto ikev2 dpd <S:10-3600> <R:2-60> {periodic | on-demand}",
            |s, a| {
                s.config.ikev2.dpd = Some(dpd::read(a)?);
                Ok(())
            },
            |s, _| {
                s.config.ikev2.dpd = None;
                Ok(())
            },
            |v| one(v.config.ikev2.dpd.map(dpd::printed)),
        ),
        Command::set(
            Global,
            "crypto ikev2 nat keepalive <SECONDS:5-3600>",
            |s, a| {
                s.config.ikev2.nat_keepalive = Some(Duration::from_secs(a.get("SECONDS")?));
                Ok(())
            },
            |s, _| {
                s.config.ikev2.nat_keepalive = None;
                Ok(())
            },
            |v| opt("SECONDS", v.config.ikev2.nat_keepalive.map(|every| every.as_secs())),
        ),
    ]
}

fn limits() -> [Command; 2] {
    [
        Command::set(
            Global,
            "crypto ikev2 cookie-challenge <N:1-1000000>",
            |s, a| {
                s.config.ikev2.cookie_challenge = Some(a.get("N")?);
                Ok(())
            },
            |s, _| {
                s.config.ikev2.cookie_challenge = None;
                Ok(())
            },
            |v| opt("N", v.config.ikev2.cookie_challenge),
        ),
        Command::set(
            Global,
            "crypto ikev2 limit {max-in-negotiation-sa <N:1-1000000> | max-sa <SAS:1-1000000>}",
            |s, a| {
                match a.opt("SAS") {
                    Some(most) => s.config.ikev2.most_sessions = Some(most),
                    None => s.config.ikev2.most_negotiating = Some(a.get("N")?),
                }
                Ok(())
            },
            // A shortened form that names neither undoes both.
            |s, a| {
                let v2 = &mut s.config.ikev2;
                v2.most_sessions = v2.most_sessions.filter(|_| a.has("N"));
                v2.most_negotiating = v2.most_negotiating.filter(|_| a.has("SAS"));
                Ok(())
            },
            |v| {
                let negotiating = v.config.ikev2.most_negotiating.map(|most| Args::new().with("N", most));
                let sessions = v.config.ikev2.most_sessions.map(|most| Args::new().with("SAS", most));
                many(negotiating.into_iter().chain(sessions))
            },
        ),
    ]
}

fn messages() -> [Command; 3] {
    [
        Command::set(
            Global,
            "crypto ikev2 fragmentation [mtu <N:96-1500>]",
            |s, a| {
                s.config.ikev2.fragmentation = Some(a.opt("N").unwrap_or(Ikev2::FRAGMENT));
                Ok(())
            },
            |s, _| {
                s.config.ikev2.fragmentation = None;
                Ok(())
            },
            |v| match v.config.ikev2.fragmentation {
                Some(Ikev2::FRAGMENT) => None,
                Some(mtu) => one(Some(Args::new().with("N", mtu))),
                None => one(Some(Args::new().negate())),
            },
        ),
        Command::set(
            Global,
            "crypto ikev2 window <N:1-20>",
            |s, a| {
                s.config.ikev2.window = a.get("N")?;
                Ok(())
            },
            |s, _| {
                s.config.ikev2.window = Ikev2::WINDOW;
                Ok(())
            },
            |v| opt("N", Some(v.config.ikev2.window).filter(|window| *window != Ikev2::WINDOW)),
        ),
        Command::set(
            Global,
            "crypto ikev2 redirect gateway {<A:ip> | <H:host>} [above <N:1-1000000>]",
            |s, a| {
                let host = || a.get("H").map(Gateway::Fqdn);
                let gateway = a.opt("A").map(Gateway::Address).map_or_else(host, Ok)?;
                s.config.ikev2.redirect = Some(Redirect { above: a.opt("N"), gateway });
                Ok(())
            },
            |s, _| {
                s.config.ikev2.redirect = None;
                Ok(())
            },
            |v| {
                let Redirect { above, gateway } = v.config.ikev2.redirect.as_ref()?;
                let args = match gateway {
                    Gateway::Address(address) => Args::new().with("A", address),
                    Gateway::Fqdn(host) => Args::new().with("H", host),
                };
                one(Some(args.with_some("N", *above)))
            },
        ),
    ]
}

fn refused() -> Vec<Command> {
    const REMOTE: &str = "remote access is not supported yet";
    [
        (
            "crypto ikev2 http-url <REST:line>",
            "certificates travel in the exchange itself: leave the line out",
        ),
        (
            "crypto ikev2 certificate-cache <REST:line>",
            "certificates are not fetched: there is nothing to keep",
        ),
        (
            "crypto ikev2 diagnose <REST:line>",
            "every session keeps its story: `show crypto session PEER explain`",
        ),
        (
            "crypto ikev2 redirect client <REST:line>",
            "we do not follow redirects: give the entry a second `set peer`",
        ),
        ("crypto ikev2 authorization <REST:line>", REMOTE),
        ("crypto ikev2 name-mangler <REST:line>", REMOTE),
        ("crypto ikev2 client <REST:line>", REMOTE),
        (
            "crypto ikev2 cluster",
            "clusters are not supported: `crypto ikev2 redirect gateway` sends peers elsewhere",
        ),
        ("crypto ikev2 reconnect <REST:line>", "session resumption is not supported"),
        ("crypto ikev2 pki <REST:line>", "trustpoints are named in profiles: `pki trustpoint NAME`"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Global, pattern, instead))
    .collect()
}
