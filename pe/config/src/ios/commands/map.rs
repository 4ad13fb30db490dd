//! `crypto map`: which traffic is protected, towards which peer, and how.

use super::super::args::Args;
use super::super::scope::Level::{Global, MapEntry};
use super::super::scope::{Done, Fault, Place, Scope};
use super::{Command, many};
use crate::model::{CryptoMap, MapEntry as Entry};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "crypto map [ipv6] <NAME:word> isakmp-profile <P:profile>",
            |s, a| {
                let profile = a.get("P")?;
                map(s, a)?.profile = Some(profile);
                Ok(())
            },
            |s, a| change(s, a, |map| map.profile = None),
            |v| {
                let maps = v.config.crypto_maps.iter();
                many(maps.filter_map(|(name, map)| Some(named(name, map).with("P", map.profile.as_ref()?))))
            },
        ),
        local_address(),
        entries(),
        dynamic(),
        Command::no(Global, "crypto map [ipv6] <NAME:word>", |s, a| {
            s.config.crypto_maps.remove(&a.get::<String>("NAME")?);
            Ok(())
        }),
    ];
    commands.extend(refused());
    commands
}

fn entries() -> Command {
    Command::set(
        Global,
        "crypto map [ipv6] <NAME:word> <SEQ:1-65535> [ipsec-isakmp]",
        |s, a| {
            let sequence: u32 = a.get("SEQ")?;
            let entries = &mut map(s, a)?.entries;
            if !a.has("ipsec-isakmp") && !entries.contains_key(&sequence) {
                return Err(Fault::new("a new entry needs its type", "add `ipsec-isakmp`"));
            }
            if entries.entry(sequence).or_default().dynamic.is_some() {
                let help = "it takes all it says from there: write `no crypto map NAME SEQ` first";
                return Err(Fault::new("the entry stands for a dynamic map", help).at("SEQ"));
            }
            Ok(())
        },
        |s, a| {
            let sequence: u32 = a.get("SEQ")?;
            change(s, a, |map| {
                map.entries.remove(&sequence);
            })
        },
        |v| {
            let maps = v.config.crypto_maps.iter();
            many(maps.flat_map(|(name, map)| {
                let own = map.entries.iter().filter(|(_, entry)| entry.dynamic.is_none());
                own.map(move |(sequence, _)| named(name, map).with("SEQ", sequence).flag("ipsec-isakmp"))
            }))
        },
    )
    .opens(|_, a| Ok(Place::numbered(MapEntry, a.get::<String>("NAME")?, a.get("SEQ")?)))
}

fn dynamic() -> Command {
    Command::set(
        Global,
        "crypto map [ipv6] <NAME:word> <SEQ:1-65535> ipsec-isakmp dynamic <D:dynamic-map>",
        |s, a| {
            let (sequence, dynamic) = (a.get("SEQ")?, a.get("D")?);
            let entries = &mut map(s, a)?.entries;
            let new = entries.entry(sequence).or_insert_with(|| Entry { dynamic: None, ..Entry::default() });
            if *new != (Entry { dynamic: new.dynamic.clone(), ..Entry::default() }) {
                let help = "write `no crypto map NAME SEQ` first, or take another number";
                return Err(Fault::new("the entry says something of its own already", help).at("SEQ"));
            }
            new.dynamic = Some(dynamic);
            Ok(())
        },
        |s, a| {
            let sequence: u32 = a.get("SEQ")?;
            change(s, a, |map| {
                map.entries.remove(&sequence);
            })
        },
        |v| {
            let maps = v.config.crypto_maps.iter();
            many(maps.flat_map(|(name, map)| {
                map.entries.iter().filter_map(move |(sequence, entry)| {
                    Some(named(name, map).with("SEQ", sequence).with("D", entry.dynamic.as_ref()?))
                })
            }))
        },
    )
}

fn local_address() -> Command {
    Command::set(
        Global,
        "crypto map [ipv6] <NAME:word> local-address <IF:interface>",
        |s, a| {
            let interface = a.get("IF")?;
            map(s, a)?.local = Some(interface);
            Ok(())
        },
        |s, a| change(s, a, |map| map.local = None),
        |v| {
            let maps = v.config.crypto_maps.iter();
            many(maps.filter_map(|(name, map)| Some(named(name, map).with("IF", map.local.as_ref()?))))
        },
    )
}

fn named(name: &str, map: &CryptoMap) -> Args {
    Args::new().flag_if(map.ipv6, "ipv6").with("NAME", name)
}

fn map<'s>(s: &'s mut Scope<'_>, a: &Args) -> Result<&'s mut CryptoMap, Fault> {
    let name: String = a.get("NAME")?;
    let ipv6 = a.has("ipv6");
    let map = s.config.crypto_maps.entry(name).or_insert_with(|| CryptoMap { ipv6, ..CryptoMap::default() });
    if map.ipv6 != ipv6 {
        let help = "`crypto map NAME` is for IPv4 and `crypto map ipv6 NAME` for IPv6: use another name";
        return Err(Fault::new("the crypto map is of the other address family", help).at("NAME"));
    }
    Ok(map)
}

/// Changes a map if it exists; one of which nothing is left is gone.
fn change(s: &mut Scope<'_>, a: &Args, change: impl FnOnce(&mut CryptoMap)) -> Done {
    if let Some(map) = s.config.crypto_maps.get_mut(&a.get::<String>("NAME")?) {
        change(map);
    }
    s.config
        .crypto_maps
        .retain(|_, map| !map.entries.is_empty() || map.profile.is_some() || map.local.is_some());
    Ok(())
}

fn refused() -> Vec<Command> {
    const REMOTE: &str = "remote access is not supported yet";
    const MANUAL: &str = "manual keys are not supported: use `ipsec-isakmp`";
    let global = [
        ("crypto map [ipv6] <NAME:word> <SEQ:1-65535> {ipsec-manual}", MANUAL),
        (
            "crypto map [ipv6] <NAME:word> <SEQ:1-65535> ipsec-isakmp dynamic <D:word> {discover}",
            "peers are not looked for (TED): leave the word out",
        ),
        ("crypto map [ipv6] <NAME:word> <SEQ:1-65535> {gdoi}", "group keys (GDOI) are not supported"),
        ("crypto map <NAME:word> {client} <REST:line>", REMOTE),
        ("crypto map <NAME:word> {isakmp authorization} <REST:line>", REMOTE),
    ];
    global.into_iter().map(|(pattern, instead)| Command::refuse(Global, pattern, instead)).collect()
}
