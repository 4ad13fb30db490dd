//! The box itself, and the lines that every pasted configuration brings along.

use super::super::args::Args;
use super::super::scope::Level::{self, Global};
use super::{Command, flag, one, opt};
use crate::model::Backend;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "hostname <NAME:word>",
            |s, a| {
                s.config.hostname = Some(a.get("NAME")?);
                Ok(())
            },
            |s, _| {
                s.config.hostname = None;
                Ok(())
            },
            |v| opt("NAME", v.config.hostname.as_ref()),
        ),
        Command::set(
            Global,
            "password encryption aes",
            |s, _| {
                s.config.password_encryption = true;
                Ok(())
            },
            |s, _| {
                s.config.password_encryption = false;
                Ok(())
            },
            |v| flag(v.config.password_encryption),
        ),
        Command::set(
            Global,
            "dataplane {user | linux}",
            |s, a| {
                s.config.dataplane = if a.has("linux") { Backend::Linux } else { Backend::User };
                Ok(())
            },
            |s, _| {
                s.config.dataplane = Backend::default();
                Ok(())
            },
            |v| one((v.config.dataplane == Backend::Linux).then(|| Args::new().flag("linux"))),
        ),
        Command::new(Global, "end", super::Action::End),
        Command::new(Global, "exit", super::Action::Exit),
    ];
    for level in Level::ALL.into_iter().filter(|level| *level != Global) {
        commands.push(Command::new(level, "exit", super::Action::Exit));
    }
    commands.extend(in_force());
    commands.extend(refused());
    commands
}

/// What Onramp does anyway: forwarding is by FIB, routing is on, logs carry the time. `version` names
/// the release that wrote the text.
fn in_force() -> [Command; 9] {
    [
        Command::comment(Global, "version <RELEASE:line>"),
        Command::always(Global, "ip cef [distributed]"),
        Command::always(Global, "ipv6 cef [distributed]"),
        Command::always(Global, "ip routing"),
        Command::always(Global, "ipv6 unicast-routing"),
        Command::always(Global, "ip subnet-zero"),
        Command::always(Global, "ip classless"),
        Command::always(Global, "service timestamps [<REST:line>]"),
        Command::always(Global, "configure terminal"),
    ]
}

/// Each `no` form is true: there is no such thing here.
fn refused() -> Vec<Command> {
    const SERVER: &str = "there is no such server here; the operator's face is `onramp`";
    const AAA: &str = "RADIUS and remote access are not supported yet";
    [
        ("ip http server", SERVER),
        ("ip http secure-server", SERVER),
        ("service pad", SERVER),
        ("service tcp-small-servers", SERVER),
        ("service udp-small-servers", SERVER),
        ("service password-encryption", "it hides nothing: write `password encryption aes`"),
        (
            "key config-key <REST:line>",
            "the master key never stands in a file: give it with `onramp key config-key password-encryption`",
        ),
        ("password logging", "what becomes of each key is said when it is done: leave the line out"),
        ("ip source-route", "source-routed packets are dropped (`show drops`): leave the line out"),
        ("ip local pool <REST:line>", AAA),
        ("aaa <REST:line>", AAA),
        ("radius-server <REST:line>", AAA),
        (
            "router {ospf | ospfv3 | rip | eigrp | isis | odr | mobile | lisp} [<REST:line>]",
            "of the routing protocols there is BGP: use `router bgp`, or `ip route`",
        ),
        ("logging <REST:line>", "logs go to standard error: the service manager keeps them"),
        ("enable <REST:line>", "who may configure is decided by the owner of the file"),
        ("line <REST:line>", "there are no terminal lines; access is by the unix socket"),
        ("snmp-server <REST:line>", "SNMP is not supported"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Global, pattern, instead))
    .collect()
}
