//! `crypto map`: which traffic is protected, towards which peer, and how.

use std::net::IpAddr;

use super::super::args::Args;
use super::super::scope::Level::{Global, MapEntry};
use super::super::scope::{Done, Fault, Place, Scope};
use super::ipsec::{lifetimes_meant, replay, window};
use super::policy::GROUPS;
use super::{Command, insert, many, one, opt};
use crate::model::{CryptoMap, Volume};

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
        entries(),
        Command::no(Global, "crypto map [ipv6] <NAME:word>", |s, a| {
            s.config.crypto_maps.remove(&a.get::<String>("NAME")?);
            Ok(())
        }),
    ];
    commands.extend(inside());
    commands.extend(traffic());
    commands.extend(association());
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
            entries.entry(sequence).or_default();
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
                let entry = move |sequence| named(name, map).with("SEQ", sequence).flag("ipsec-isakmp");
                map.entries.keys().map(entry)
            }))
        },
    )
    .opens(|_, a| Ok(Place::numbered(MapEntry, a.get::<String>("NAME")?, a.get("SEQ")?)))
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
    s.config.crypto_maps.retain(|_, map| !map.entries.is_empty() || map.profile.is_some());
    Ok(())
}

fn inside() -> [Command; 3] {
    [
        Command::set(
            MapEntry,
            "description <TEXT:line>",
            |s, a| {
                s.entry().description = Some(a.get("TEXT")?);
                Ok(())
            },
            |s, _| {
                s.entry().description = None;
                Ok(())
            },
            |v| opt("TEXT", v.entry()?.description.as_ref()),
        ),
        Command::set(
            MapEntry,
            "set peer <PEER:ip> [default]",
            |s, a| {
                let peer: IpAddr = a.get("PEER")?;
                let peers = &mut s.entry().peers;
                peers.retain(|known| !a.has("default") || *known != peer);
                if a.has("default") {
                    peers.insert(0, peer);
                }
                insert(peers, peer);
                Ok(())
            },
            |s, a| {
                let one: Option<IpAddr> = a.opt("PEER");
                s.entry().peers.retain(|known| one.is_some_and(|one| one != *known));
                Ok(())
            },
            |v| many(v.entry()?.peers.iter().map(|peer| Args::new().with("PEER", peer))),
        ),
        Command::set(
            MapEntry,
            "set transform-set <T:transform-set> [<T:transform-set> [<T:transform-set> [<T:transform-set> [<T:transform-set> [<T:transform-set>]]]]]",
            |s, a| {
                s.entry().transform_sets = a.all("T").map(str::to_owned).collect();
                Ok(())
            },
            |s, _| {
                s.entry().transform_sets.clear();
                Ok(())
            },
            |v| {
                let sets = &v.entry()?.transform_sets;
                let args = sets.iter().fold(Args::new(), |args, set| args.with("T", set));
                one((!sets.is_empty()).then_some(args))
            },
        ),
    ]
}

fn traffic() -> [Command; 3] {
    [
        Command::set(
            MapEntry,
            "set isakmp-profile <P:profile>",
            |s, a| {
                s.entry().profile = Some(a.get("P")?);
                Ok(())
            },
            |s, _| {
                s.entry().profile = None;
                Ok(())
            },
            |v| opt("P", v.entry()?.profile.as_ref()),
        ),
        Command::set(
            MapEntry,
            "match address <ACL:acl>",
            |s, a| {
                s.entry().access_list = Some(a.get("ACL")?);
                Ok(())
            },
            |s, _| {
                s.entry().access_list = None;
                Ok(())
            },
            |v| opt("ACL", v.entry()?.access_list.as_ref()),
        ),
        Command::set(
            MapEntry,
            "set pfs [{group1 | group2 | group5 | group14 | group15 | group16 | group19 | group20 | group21}]",
            |s, a| {
                // IOS's group where none is written is group1, the first of the table.
                let chosen = GROUPS.iter().find(|(_, word, _)| a.has(word)).or_else(|| GROUPS.first());
                s.entry().pfs = chosen.map(|(_, _, group)| *group);
                Ok(())
            },
            |s, _| {
                s.entry().pfs = None;
                Ok(())
            },
            |v| {
                let group = v.entry()?.pfs?;
                let known = GROUPS.iter().find(|(_, _, known)| *known == group);
                one(known.map(|(_, word, _)| Args::new().flag(word)))
            },
        ),
    ]
}

fn association() -> [Command; 2] {
    [
        Command::set(
            MapEntry,
            "set security-association lifetime {seconds <S:120-86400> | kilobytes <K:2560-4294967295> | kilobytes disable}",
            lifetime,
            |s, a| {
                let (time, volume) = lifetimes_meant(a);
                let entry = s.entry();
                entry.seconds = entry.seconds.filter(|_| !time);
                entry.kilobytes = entry.kilobytes.filter(|_| !volume);
                Ok(())
            },
            |v| {
                let entry = v.entry()?;
                let seconds = entry.seconds.map(|seconds| Args::new().with("S", seconds));
                let volume = entry.kilobytes.map(|volume| match volume {
                    Volume::Kilobytes(kilobytes) => Args::new().with("K", kilobytes),
                    Volume::Disable => Args::new().flag("kilobytes"),
                });
                many(seconds.into_iter().chain(volume))
            },
        ),
        Command::set(
            MapEntry,
            "set security-association replay {window-size <N:64-1024> | disable}",
            |s, a| {
                let window = window(a)?;
                s.entry().replay.get_or_insert_default().window = window;
                Ok(())
            },
            |s, _| {
                s.entry().replay = None;
                Ok(())
            },
            |v| one(v.entry()?.replay.map(replay)),
        ),
    ]
}

fn lifetime(s: &mut Scope<'_>, a: &Args) -> Done {
    match a.opt("S") {
        Some(seconds) => s.entry().seconds = Some(seconds),
        None => s.entry().kilobytes = Some(a.opt("K").map_or(Volume::Disable, Volume::Kilobytes)),
    }
    Ok(())
}

fn refused() -> Vec<Command> {
    const REMOTE: &str = "remote access is not supported yet";
    const MANUAL: &str = "manual keys are not supported: use `ipsec-isakmp`";
    let global = [
        ("crypto map [ipv6] <NAME:word> <SEQ:1-65535> {ipsec-manual}", MANUAL),
        (
            "crypto map [ipv6] <NAME:word> <SEQ:1-65535> ipsec-isakmp {dynamic} <REST:line>",
            "dynamic crypto maps are not supported yet: give each peer an entry",
        ),
        ("crypto map [ipv6] <NAME:word> <SEQ:1-65535> {gdoi}", "group keys (GDOI) are not supported"),
        ("crypto map <NAME:word> {local-address} <REST:line>", "the local address is the interface's own"),
        ("crypto map <NAME:word> {client} <REST:line>", REMOTE),
        ("crypto map <NAME:word> {isakmp authorization} <REST:line>", REMOTE),
    ];
    let inside = [
        ("reverse-route [<REST:line>]", "reverse routes are not supported yet: write `ip route vrf`"),
        ("set reverse-route <REST:line>", "reverse routes are not supported yet: write `ip route vrf`"),
        ("set session-key <REST:line>", MANUAL),
        ("set security-association level per-host", "one SA pair is made for each access list line"),
        ("set security-association idle-time <REST:line>", "idle timers are not supported yet"),
        ("set identity <REST:line>", "identities are matched in `crypto isakmp profile`"),
        ("set ip access-group <REST:line>", "filters on tunnel traffic are not supported yet"),
        ("set nat <REST:line>", "address translation is not supported"),
        ("qos <REST:line>", "not supported"),
    ];
    let rows = |level| move |(pattern, instead)| Command::refuse(level, pattern, instead);
    global.into_iter().map(rows(Global)).chain(inside.into_iter().map(rows(MapEntry))).collect()
}
