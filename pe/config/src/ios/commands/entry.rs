//! What stands under an entry of a crypto map, under one of a dynamic map and under an IPsec profile: the
//! same lines, where they make sense.

use std::time::Duration;

use ike::config::Peer;

use super::super::args::Args;
use super::super::scope::Level::{self, DynamicEntry, Global, IpsecProfile, MapEntry};
use super::super::scope::{Done, Fault, Place, Scope};
use super::algorithms::{PFS, chosen, keyword};
use super::ipsec::{lifetimes_meant, replay, window};
use super::{Command, insert, many, one};
use crate::model::Volume;

mod reverse;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "crypto ipsec profile <NAME:word>",
            |s, a| {
                s.config.ipsec_profiles.entry(a.get("NAME")?).or_default();
                Ok(())
            },
            |s, a| {
                s.config.ipsec_profiles.remove(&a.get::<String>("NAME")?);
                Ok(())
            },
            |v| many(v.config.ipsec_profiles.keys().map(|name| Args::new().with("NAME", name))),
        )
        .opens(|_, a| Ok(Place::at(IpsecProfile, a.get::<String>("NAME")?))),
    ];
    for level in [IpsecProfile, DynamicEntry, MapEntry] {
        commands.push(value!(level, "description <TEXT:line>", entry.description, "TEXT"));
        commands.extend((level == MapEntry).then(peers));
        commands.push(transform_sets(level));
        commands.extend(profiles(level));
        commands.extend((level != IpsecProfile).then(|| access_list(level)));
        commands.extend(identity(level));
        commands.push(forward_secrecy(level));
        commands.extend(association(level));
        commands.extend(idle(level));
        commands.extend(reverse::commands(level));
        commands.extend(refused(level));
    }
    commands
}

fn peers() -> Command {
    Command::set(
        MapEntry,
        "set peer {<PEER:ip> | <HOST:host> [{dynamic}]} [{default}]",
        |s, a| {
            let peer = peer(a)?;
            let entry = s.entry();
            if a.has("default") {
                entry.peers.retain(|known| *known != peer);
                entry.peers.insert(0, peer.clone());
                entry.prefers_first = true;
            }
            insert(&mut entry.peers, peer);
            Ok(())
        },
        |s, a| {
            let one = peer(a).ok();
            let entry = s.entry();
            let first = entry.peers.first().cloned();
            entry.peers.retain(|known| one.as_ref().is_some_and(|one| one != known));
            entry.prefers_first &= entry.peers.first() == first.as_ref();
            Ok(())
        },
        |v| {
            let entry = v.entry()?;
            many(entry.peers.iter().enumerate().map(|(i, peer)| {
                let args = match peer {
                    Peer::Address(address) => Args::new().with("PEER", address),
                    Peer::Host(name) => Args::new().with("HOST", name).flag("dynamic"),
                };
                args.flag_if(i == 0 && entry.prefers_first, "default")
            }))
        },
    )
}

fn peer(a: &Args) -> Result<Peer, Fault> {
    let host = || a.get("HOST").map(Peer::Host);
    a.opt("PEER").map(Peer::Address).map_or_else(host, Ok)
}

fn transform_sets(level: Level) -> Command {
    Command::set(
        level,
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
    )
}

fn profiles(level: Level) -> [Command; 2] {
    [
        value!(level, "set isakmp-profile <P:profile>", entry.profile, "P"),
        value!(level, "set ikev2-profile <P:ikev2-profile>", entry.ikev2_profile, "P"),
    ]
}

fn access_list(level: Level) -> Command {
    value!(level, "match address <ACL:acl>", entry.access_list, "ACL")
}

fn identity(level: Level) -> [Command; 2] {
    [
        value!(level, "set identity <ID:identity>", entry.identity, "ID"),
        Command::synonym(
            level,
            "identity <ID:identity>",
            |s, a| {
                s.entry().identity = Some(a.get("ID")?);
                Ok(())
            },
            |s, _| {
                s.entry().identity = None;
                Ok(())
            },
        ),
    ]
}

fn forward_secrecy(level: Level) -> Command {
    let words: Vec<_> = PFS.iter().map(|(word, _)| *word).collect();
    Command::set(
        level,
        format!("set pfs [{{{}}}]", words.join(" | ")).leak(),
        |s, a| {
            // IOS's group where none is written is group1, the first of the table.
            s.entry().pfs = chosen(a, &PFS).ok().or_else(|| PFS.first().map(|(_, group)| *group));
            Ok(())
        },
        |s, _| {
            s.entry().pfs = None;
            Ok(())
        },
        |v| one(keyword(&PFS, &v.entry()?.pfs?)),
    )
}

fn association(level: Level) -> [Command; 3] {
    [
        Command::set(
            level,
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
            level,
            "set security-association replay {window-size <N:64-4096> | disable}",
            |s, a| {
                s.entry().replay_window = Some(window(a)?);
                Ok(())
            },
            |s, _| {
                s.entry().replay_window = None;
                Ok(())
            },
            |v| one(v.entry()?.replay_window.map(replay)),
        ),
        Command::set(
            level,
            "set security-association esn [{disable}]",
            |s, a| {
                s.entry().esn = Some(!a.has("disable"));
                Ok(())
            },
            |s, _| {
                s.entry().esn = None;
                Ok(())
            },
            |v| one(v.entry()?.esn.map(|esn| Args::new().flag_if(!esn, "disable"))),
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

fn idle(level: Level) -> [Command; 2] {
    [
        Command::set(
            level,
            "set security-association idle-time <S:60-86400> [{default}]",
            set_idle,
            no_idle,
            |v| {
                let entry = v.entry()?;
                let seconds = Args::new().with("S", entry.idle?.as_secs());
                one(Some(seconds.flag_if(entry.idle_resets_peer, "default")))
            },
        ),
        Command::synonym(
            level,
            "set security-association idletime <S:60-86400> [{default}]",
            set_idle,
            no_idle,
        ),
    ]
}

fn set_idle(s: &mut Scope<'_>, a: &Args) -> Done {
    let entry = s.entry();
    entry.idle = Some(Duration::from_secs(a.get("S")?));
    entry.idle_resets_peer = a.has("default");
    Ok(())
}

fn no_idle(s: &mut Scope<'_>, _: &Args) -> Done {
    let entry = s.entry();
    entry.idle = None;
    entry.idle_resets_peer = false;
    Ok(())
}

fn refused(level: Level) -> Vec<Command> {
    const PEERLESS: &str =
        "it is for peers whose address is not known: write `crypto map NAME SEQ ipsec-isakmp`";
    let everywhere = [
        ("set session-key <REST:line>", "manual keys are not supported: use `ipsec-isakmp`"),
        ("set security-association level per-host", "one SA pair is made for each access list line"),
        ("set ip access-group <REST:line>", "filters on tunnel traffic are not supported yet"),
        ("set nat <REST:line>", "address translation is not supported"),
        ("qos <REST:line>", "not supported"),
    ];
    let own: &[(&str, &str)] = match level == DynamicEntry {
        true => &[("set peer <REST:line>", PEERLESS)],
        false => &[],
    };
    let all = everywhere.into_iter().chain(own.iter().copied());
    all.map(|(pattern, instead)| Command::refuse(level, pattern, instead)).collect()
}
