//! Global `crypto isakmp` lines: keys of the global table, our identity, NAT keepalives.

use std::time::Duration;

use ike::config::Identity;

use super::super::args::Args;
use super::super::scope::Level::Global;
use super::keyring::{drop_key, mask, peer4, peer6, put, text};
use super::{Command, many, one, opt};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "crypto isakmp key [0] <KEY:secret> address <A:ipv4> [<M:mask>] [no-xauth]",
            |s, a| put(&mut s.config.keys, peer4(a)?, a),
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
            "crypto isakmp key [0] <KEY:secret> address ipv6 <P:network6> [no-xauth]",
            |s, a| put(&mut s.config.keys, peer6(a)?, a),
            |s, a| drop_key(&mut s.config.keys, peer6(a)?),
            |v| {
                let keys = v.config.keys.iter().filter(|key| key.peer.address().is_ipv6());
                many(keys.map(|key| Args::new().with("KEY", text(&key.key)).with("P", key.peer)))
            },
        ),
    ];
    commands.extend(settings());
    commands.extend(refused());
    commands
}

fn settings() -> [Command; 3] {
    [
        Command::set(
            Global,
            "crypto isakmp identity {address | hostname}",
            |s, a| {
                // Filled in once the whole text is read: `hostname` may come later.
                let hostname = a.has("hostname").then(|| Identity::Fqdn(String::new()));
                s.config.identity = hostname.unwrap_or_default();
                Ok(())
            },
            |s, _| {
                s.config.identity = Identity::Address;
                Ok(())
            },
            |v| one((v.config.identity != Identity::Address).then(|| Args::new().flag("hostname"))),
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
        // ESP with an unknown SPI from a configured static peer always makes us open IKE to it.
        Command::always(Global, "crypto isakmp invalid-spi-recovery"),
    ]
}

fn refused() -> Vec<Command> {
    const ENCRYPTED: &str =
        "encrypted keys (type 6) are not supported yet: write the key in clear, after `key` or `key 0`";
    const PKI: &str = "certificates are not supported yet: authenticate with pre-shared keys";
    const REMOTE: &str = "remote access is not supported yet";
    [
        ("crypto isakmp key 6 <KEY:secret> {address | hostname} <REST:line>", ENCRYPTED),
        (
            "crypto isakmp key [0] <KEY:secret> hostname <REST:line>",
            "a main-mode peer is known by its address alone: use `address`",
        ),
        ("crypto isakmp identity dn", PKI),
        (
            "crypto isakmp keepalive <REST:line>",
            "dead peer detection is not supported yet: leave the line out",
        ),
        (
            "crypto isakmp peer <REST:line>",
            "aggressive mode is not supported: peers are reached in main mode",
        ),
        ("crypto isakmp client <REST:line>", REMOTE),
        ("crypto isakmp xauth <REST:line>", REMOTE),
        ("crypto xauth <REST:line>", REMOTE),
        ("crypto pki <REST:line>", PKI),
        ("crypto ca <REST:line>", PKI),
        ("crypto key <REST:line>", PKI),
        ("crypto identity <REST:line>", PKI),
        ("crypto ikev2 <REST:line>", "IKEv2 is not supported yet: use `crypto isakmp`"),
        ("crypto call <REST:line>", "call admission control is not supported yet"),
        ("crypto gdoi <REST:line>", "group keys (GDOI) are not supported"),
        (
            "crypto dynamic-map <REST:line>",
            "dynamic crypto maps are not supported yet: give each peer a `crypto map` entry",
        ),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Global, pattern, instead))
    .collect()
}
