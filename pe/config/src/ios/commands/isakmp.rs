//! Global `crypto isakmp` lines: keys of the global table, our identity, keepalives, what is switched on.

use std::time::Duration;

use ike::config::Identity;

use super::super::args::Args;
use super::super::scope::Level::Global;
use super::super::scope::{Done, Scope};
use super::keyring::{drop_key, drop_named, mask, peer4, peer6, put, put_named, text};
use super::{Command, dpd, flag, many, one, opt};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "crypto isakmp key [{0 | 6}] <KEY:secret> address <A:ipv4> [<M:mask>] [no-xauth]",
            |s, a| put(s, |s| &mut s.config.keys, peer4(a)?, a),
            |s, a| drop_key(&mut s.config.keys, peer4(a)?),
            |v| {
                let keys = v.config.keys.iter().filter(|key| key.peer.address().is_ipv4());
                many(keys.map(|key| {
                    let args = Args::new().with("KEY", text(&key.key)).with("A", key.peer.address());
                    args.with_some("M", mask(key.peer))
                }))
            },
        ),
        Command::set(
            Global,
            "crypto isakmp key [{0 | 6}] <KEY:secret> address ipv6 <P:network6> [no-xauth]",
            |s, a| put(s, |s| &mut s.config.keys, peer6(a)?, a),
            |s, a| drop_key(&mut s.config.keys, peer6(a)?),
            |v| {
                let keys = v.config.keys.iter().filter(|key| key.peer.address().is_ipv6());
                many(keys.map(|key| Args::new().with("KEY", text(&key.key)).with("P", key.peer)))
            },
        ),
        Command::set(
            Global,
            "crypto isakmp key [{0 | 6}] <KEY:secret> hostname <H:host> [no-xauth]",
            |s, a| put_named(s, |s| &mut s.config.named_keys, a),
            |s, a| drop_named(&mut s.config.named_keys, a),
            |v| {
                let keys = v.config.named_keys.iter();
                many(keys.map(|key| Args::new().with("KEY", text(&key.key)).with("H", &key.host)))
            },
        ),
    ];
    commands.extend(settings());
    commands.extend(switches());
    commands.extend(refused());
    commands
}

fn settings() -> [Command; 3] {
    [
        Command::set(
            Global,
            "crypto isakmp identity {address | hostname | dn}",
            |s, a| {
                // Filled in once the whole text is read: `hostname` may come later.
                let hostname = a.has("hostname").then(|| Identity::Fqdn(String::new()));
                let other = if a.has("dn") { Identity::Dn } else { Identity::Address };
                s.config.identity = hostname.unwrap_or(other);
                Ok(())
            },
            |s, _| {
                s.config.identity = Identity::Address;
                Ok(())
            },
            |v| match v.config.identity {
                Identity::Address | Identity::Exactly(_) | Identity::KeyId(_) => None,
                Identity::Dn => one(Some(Args::new().flag("dn"))),
                Identity::Fqdn(_) | Identity::UserFqdn(_) => one(Some(Args::new().flag("hostname"))),
            },
        ),
        Command::set(
            Global,
            "crypto isakmp keepalive <S:10-3600> [<R:2-60>] [{periodic | on-demand}]",
            |s, a| {
                s.config.isakmp.dpd = Some(dpd::read(a)?);
                Ok(())
            },
            |s, _| {
                s.config.isakmp.dpd = None;
                Ok(())
            },
            |v| one(v.config.isakmp.dpd.map(dpd::printed)),
        ),
        Command::set(
            Global,
            "crypto isakmp nat keepalive <SECONDS:5-3600>",
            |s, a| {
                s.config.nat_keepalive = Some(Duration::from_secs(a.get("SECONDS")?));
                Ok(())
            },
            |s, _| {
                s.config.nat_keepalive = None;
                Ok(())
            },
            |v| opt("SECONDS", v.config.nat_keepalive.map(|every| every.as_secs())),
        ),
    ]
}

fn switches() -> [Command; 5] {
    [
        // ESP with an unknown SPI from a configured static peer always makes us open IKE to it.
        Command::always(Global, "crypto isakmp invalid-spi-recovery"),
        Command::set(
            Global,
            "crypto isakmp aggressive-mode disable",
            |s, _| aggressive(s, false),
            |s, _| aggressive(s, true),
            |v| flag(!v.config.isakmp.aggressive),
        ),
        Command::set(
            Global,
            "crypto isakmp fragmentation",
            |s, _| {
                s.config.isakmp.fragmentation = true;
                Ok(())
            },
            |s, _| {
                s.config.isakmp.fragmentation = false;
                Ok(())
            },
            |v| flag(v.config.isakmp.fragmentation),
        ),
        Command::synonym(Global, "crypto isakmp enable", |s, _| enable(s, true), |s, _| enable(s, false)),
        Command::set(
            Global,
            "crypto isakmp",
            |s, _| enable(s, true),
            |s, _| enable(s, false),
            |v| one((!v.config.isakmp.enabled).then(|| Args::new().negate())),
        ),
    ]
}

fn aggressive(s: &mut Scope<'_>, on: bool) -> Done {
    s.config.isakmp.aggressive = on;
    Ok(())
}

fn enable(s: &mut Scope<'_>, on: bool) -> Done {
    s.config.isakmp.enabled = on;
    Ok(())
}

fn refused() -> Vec<Command> {
    const REMOTE: &str = "remote access is not supported yet";
    [
        ("crypto isakmp client <REST:line>", REMOTE),
        ("crypto isakmp xauth <REST:line>", REMOTE),
        ("crypto xauth <REST:line>", REMOTE),
        ("crypto key <REST:line>", "keys are made outside: `private-key file` of a trustpoint names them"),
        ("crypto gdoi <REST:line>", "group keys (GDOI) are not supported"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Global, pattern, instead))
    .collect()
}
