//! Extended access lists: which traffic a crypto map protects. `remark` lines are comments, as `!` is.

use std::net::IpAddr;

use base::{Family, Prefix};
use ipsec::{Ports, Rule, Selector};

use super::super::args::Args;
use super::super::scope::Level::{AccessList, AccessList6, Global};
use super::super::scope::{Done, Fault, Place, Scope, View};
use super::super::value::{Endpoint4, Endpoint6, PortsText, Protocol4, Protocol6, expand};
use super::{Command, many};
use crate::model::{AccessList as List, AclAddress, AclRule, PortMatch};

/// Selectors that one line may stand for.
const EXPANSION: usize = 256;

macro_rules! rule4 {
    () => {
        "{permit | deny} <PROTO:protocol4> <SRC:endpoint4> [<SPORT:ports>] <DST:endpoint4> [<DPORT:ports>]"
    };
}

macro_rules! rule6 {
    () => {
        "{permit | deny} <PROTO6:protocol6> <SRC6:endpoint6> [<SPORT:ports>] <DST6:endpoint6> [<DPORT:ports>]"
    };
}

macro_rules! qualifier {
    () => {
        " {established | fragments | log-input | dscp | precedence | tos | time-range | option | ttl | reflect | flow-label | routing} [<REST:line>]"
    };
}

macro_rules! number {
    () => {
        "access-list {<N:100-199> | <N:2000-2699>} "
    };
}

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            concat!(number!(), rule4!()),
            |s, a| {
                let name: String = a.get("N")?;
                add(s, &name, a)
            },
            |s, a| {
                let name: String = a.get("N")?;
                remove(s, &name, a)
            },
            |v| {
                let lists = v.config.access_lists.iter().filter(|(name, list)| is_numbered(name, list));
                many(lists.flat_map(|(name, list)| {
                    list.rules.iter().map(move |rule| printed4(Args::new().with("N", name), rule))
                }))
            },
        ),
        Command::no(Global, concat!(number!()), drop_list),
        list(Global, "ip access-list extended <NAME:word>", false, |v| lists(v, false)),
        list(Global, "ipv6 access-list <NAME:word>", true, |v| lists(v, true)),
    ];
    commands.extend(lines());
    commands.extend(remarks());
    commands.extend(refused());
    commands
}

fn list(level: super::super::scope::Level, pattern: &'static str, ipv6: bool, get: super::Getter) -> Command {
    let set = if ipv6 {
        |s: &mut Scope<'_>, a: &Args| create(s, a, true)
    } else {
        |s: &mut Scope<'_>, a: &Args| create(s, a, false)
    };
    let command = Command::set(level, pattern, set, drop_list, get);
    match ipv6 {
        false => command.opens(|_, a| Ok(Place::at(AccessList, a.get::<String>("NAME")?))),
        true => command.opens(|_, a| Ok(Place::at(AccessList6, a.get::<String>("NAME")?))),
    }
}

fn lines() -> [Command; 4] {
    [
        Command::set(
            AccessList,
            concat!("[<SEQ:1-2147483647>] ", rule4!()),
            |s, a| add(s, &s.place.name.clone(), a),
            |s, a| remove(s, &s.place.name.clone(), a),
            |v| many(v.access_list()?.rules.iter().map(|rule| printed4(Args::new(), rule))),
        ),
        Command::no(AccessList, "<SEQ:1-2147483647>", remove_numbered),
        Command::set(
            AccessList6,
            concat!("[sequence <SEQ:1-2147483647>] ", rule6!()),
            |s, a| add(s, &s.place.name.clone(), a),
            |s, a| remove(s, &s.place.name.clone(), a),
            |v| many(v.access_list()?.rules.iter().map(printed6)),
        ),
        Command::no(AccessList6, "sequence <SEQ:1-2147483647>", remove_numbered),
    ]
}

fn remarks() -> [Command; 3] {
    [
        Command::comment(Global, concat!(number!(), "remark <TEXT:line>")),
        Command::comment(AccessList, "[<SEQ:1-2147483647>] remark <TEXT:line>"),
        Command::comment(AccessList6, "[sequence <SEQ:1-2147483647>] remark <TEXT:line>"),
    ]
}

fn refused() -> [Command; 10] {
    const LOG: &str = "a crypto access list has no packets of its own to log: see `show crypto ipsec sa`";
    const WHAT: &str = "a tunnel is chosen by addresses, protocol and ports alone";
    const STANDARD: &str =
        "only extended lists are supported: use 100 to 199, or `ip access-list extended NAME`";
    [
        Command::refuse(Global, concat!(number!(), rule4!(), qualifier!()), WHAT),
        Command::refuse(AccessList, concat!("[<SEQ:1-2147483647>] ", rule4!(), qualifier!()), WHAT),
        Command::refuse(AccessList6, concat!("[sequence <SEQ:1-2147483647>] ", rule6!(), qualifier!()), WHAT),
        Command::refuse(Global, concat!(number!(), rule4!(), " {log} [<REST:line>]"), LOG),
        Command::refuse(AccessList, concat!("[<SEQ:1-2147483647>] ", rule4!(), " {log} [<REST:line>]"), LOG),
        Command::refuse(
            AccessList6,
            concat!("[sequence <SEQ:1-2147483647>] ", rule6!(), " {log} [<REST:line>]"),
            LOG,
        ),
        Command::refuse(Global, "access-list <N:1-99> <REST:line>", STANDARD),
        Command::refuse(Global, "access-list <N:200-1999> <REST:line>", STANDARD),
        Command::refuse(Global, "ip access-list standard <REST:line>", STANDARD),
        Command::refuse(AccessList, "dynamic <REST:line>", "lock-and-key is not supported"),
    ]
}

/// Numbered lists print line by line; an empty one needs the block form to exist at all.
fn is_numbered(name: &str, list: &List) -> bool {
    let number = name.parse::<u32>().is_ok_and(|n| (100..200).contains(&n) || (2000..2700).contains(&n));
    number && !list.ipv6 && !list.rules.is_empty() && !name.starts_with(['0', '+'])
}

fn lists(v: View<'_>, ipv6: bool) -> Option<Vec<Args>> {
    let mine =
        v.config.access_lists.iter().filter(|(name, list)| list.ipv6 == ipv6 && !is_numbered(name, list));
    many(mine.map(|(name, _)| Args::new().with("NAME", name)))
}

fn create(s: &mut Scope<'_>, a: &Args, ipv6: bool) -> Done {
    let name: String = a.get("NAME")?;
    let fresh = List { ipv6, ..List::default() };
    if s.config.access_lists.entry(name).or_insert(fresh).ipv6 == ipv6 {
        return Ok(());
    }
    let help = "IPv4 and IPv6 access lists share their names: use another";
    Err(Fault::new("an access list of the other address family has this name", help).at("NAME"))
}

fn drop_list(s: &mut Scope<'_>, a: &Args) -> Done {
    let name = a.opt("N").map_or_else(|| a.get::<String>("NAME"), Ok)?;
    s.config.access_lists.remove(&name);
    s.memory.sequences.remove(&name);
    Ok(())
}

/// Lines stand by sequence number; one without a number goes last, ten further on.
fn add(s: &mut Scope<'_>, name: &str, a: &Args) -> Done {
    let rule = rule(a)?;
    let sequences = s.memory.sequences.entry(name.to_owned()).or_default();
    let next = sequences.last().map_or(10, |last| last.saturating_add(10));
    let sequence = a.opt("SEQ").unwrap_or(next);
    match sequences.binary_search(&sequence) {
        Ok(_) => {
            Err(Fault::new("the list has a line of this number already", "use another number").at("SEQ"))
        }
        Err(at) => {
            sequences.insert(at, sequence);
            s.access_list(name).rules.insert(at, rule);
            Ok(())
        }
    }
}

fn remove(s: &mut Scope<'_>, name: &str, a: &Args) -> Done {
    let gone = rule(a)?;
    if let Some(at) = s.access_list(name).rules.iter().position(|rule| *rule == gone) {
        remove_at(s, name, at);
    }
    Ok(())
}

fn remove_numbered(s: &mut Scope<'_>, a: &Args) -> Done {
    let name = s.place.name.clone();
    let sequence: u32 = a.get("SEQ")?;
    let known = s.memory.sequences.entry(name.clone()).or_default();
    if let Ok(at) = known.binary_search(&sequence) {
        remove_at(s, &name, at);
    }
    Ok(())
}

fn remove_at(s: &mut Scope<'_>, name: &str, at: usize) {
    s.access_list(name).rules.remove(at);
    s.memory.sequences.entry(name.to_owned()).or_default().remove(at);
}

fn rule(a: &Args) -> Result<AclRule, Fault> {
    let (family, protocol, source, destination) = match a.opt::<Protocol6>("PROTO6") {
        Some(Protocol6(protocol)) => {
            let (Endpoint6(source), Endpoint6(destination)) = (a.get("SRC6")?, a.get("DST6")?);
            (Family::V6, protocol, source, destination)
        }
        None => {
            let (Endpoint4(source), Endpoint4(destination)) = (a.get("SRC")?, a.get("DST")?);
            (Family::V4, a.get::<Protocol4>("PROTO")?.0, source, destination)
        }
    };
    let mut rule = AclRule {
        permit: a.has("permit"),
        protocol,
        source,
        source_ports: ports(a, "SPORT"),
        destination,
        destination_ports: ports(a, "DPORT"),
        rules: Vec::new(),
    };
    for (ports, name) in [(rule.source_ports, "SPORT"), (rule.destination_ports, "DPORT")] {
        check_ports(protocol, ports, name)?;
    }
    rule.rules = selectors(&rule, family)?;
    Ok(rule)
}

fn ports(a: &Args, name: &str) -> PortMatch {
    a.opt::<PortsText>(name).map_or(PortMatch::Any, |PortsText(ports)| ports)
}

fn check_ports(protocol: Option<u8>, ports: PortMatch, argument: &'static str) -> Done {
    if ports != PortMatch::Any && !matches!(protocol, Some(6 | 17)) {
        return Err(Fault::new("only TCP and UDP have ports", "name the protocol: tcp or udp").at(argument));
    }
    if ranges(ports).is_empty() {
        return Err(Fault::new("no port is meant by this", "the smaller port comes first").at(argument));
    }
    Ok(())
}

/// Everything a line means, in the selectors that IPsec knows.
fn selectors(rule: &AclRule, family: Family) -> Result<Vec<Rule>, Fault> {
    let many = |what| {
        let help = "write it as several lines with contiguous wildcards";
        Fault::new(format!("the wildcard stands for more than {EXPANSION} networks"), help).at(what)
    };
    let (source, destination) = match family {
        Family::V4 => ("SRC", "DST"),
        Family::V6 => ("SRC6", "DST6"),
    };
    let locals = prefixes(rule.source, family).ok_or_else(|| many(source))?;
    let remotes = prefixes(rule.destination, family).ok_or_else(|| many(destination))?;
    if locals.len() * remotes.len() > EXPANSION {
        return Err(many(destination));
    }
    let mut rules = Vec::new();
    for (local, remote) in locals.iter().flat_map(|local| remotes.iter().map(move |remote| (*local, *remote)))
    {
        for local_ports in ranges(rule.source_ports) {
            for remote_ports in ranges(rule.destination_ports) {
                let selector = Selector { local, remote, protocol: rule.protocol, local_ports, remote_ports };
                rules.push(Rule { permit: rule.permit, selector });
            }
        }
    }
    Ok(rules)
}

fn prefixes(address: AclAddress, family: Family) -> Option<Vec<Prefix>> {
    match address {
        AclAddress::Any => Some(vec![Prefix::any(family)]),
        AclAddress::Prefix(prefix) => Some(vec![prefix]),
        AclAddress::Wildcard(address, wildcard) => {
            let found = expand(address, wildcard, EXPANSION)?;
            found
                .into_iter()
                .map(|(bits, length)| Prefix::new(IpAddr::V4(bits.into()), length).ok())
                .collect()
        }
    }
}

/// The port ranges that an operator means: two around a port that is left out.
fn ranges(ports: PortMatch) -> Vec<Ports> {
    let below = |port: u16| port.checked_sub(1).map(|last| Ports { first: 0, last });
    let above = |port: u16| port.checked_add(1).map(|first| Ports { first, last: u16::MAX });
    match ports {
        PortMatch::Any => vec![Ports::ANY],
        PortMatch::Eq(port) => vec![Ports::one(port)],
        PortMatch::Neq(port) => below(port).into_iter().chain(above(port)).collect(),
        PortMatch::Lt(port) => below(port).into_iter().collect(),
        PortMatch::Gt(port) => above(port).into_iter().collect(),
        PortMatch::Range(first, last) if first <= last => vec![Ports { first, last }],
        PortMatch::Range(..) => Vec::new(),
    }
}

fn printed4(args: Args, rule: &AclRule) -> Args {
    let args =
        args.flag(verb(rule)).with("PROTO", Protocol4(rule.protocol)).with("SRC", Endpoint4(rule.source));
    let args = args.with_some("SPORT", written(rule.source_ports)).with("DST", Endpoint4(rule.destination));
    args.with_some("DPORT", written(rule.destination_ports))
}

fn printed6(rule: &AclRule) -> Args {
    let args = Args::new().flag(verb(rule)).with("PROTO6", Protocol6(rule.protocol));
    let args = args.with("SRC6", Endpoint6(rule.source)).with_some("SPORT", written(rule.source_ports));
    let args = args.with("DST6", Endpoint6(rule.destination));
    args.with_some("DPORT", written(rule.destination_ports))
}

fn verb(rule: &AclRule) -> &'static str {
    if rule.permit { "permit" } else { "deny" }
}

fn written(ports: PortMatch) -> Option<PortsText> {
    (ports != PortMatch::Any).then_some(PortsText(ports))
}
