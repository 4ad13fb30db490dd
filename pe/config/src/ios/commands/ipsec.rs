//! Global `crypto ipsec` lines: what holds for every SA unless an entry says otherwise.

use std::time::Duration;

use ipsec::{DfBit, Fragmentation, Lifetime, Replay};

use super::super::args::Args;
use super::super::scope::Fault;
use super::super::scope::Level::Global;
use super::{Command, flag, many, one, opt};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![Command::refuse(
        Global,
        "crypto ipsec nat-transparency <REST:line>",
        "NAT traversal is always on: leave the line out",
    )];
    commands.extend(lifetimes());
    commands.extend(idle());
    commands.extend(packets());
    commands
}

fn lifetimes() -> [Command; 2] {
    [
        Command::set(
            Global,
            "crypto ipsec security-association lifetime {seconds <S:120-86400> | kilobytes <K:2560-4294967295> | kilobytes disable}",
            |s, a| {
                let lifetime = &mut s.config.ipsec.lifetime;
                match a.opt("S") {
                    Some(seconds) => lifetime.time = Duration::from_secs(seconds),
                    None => lifetime.kilobytes = a.opt("K"),
                }
                Ok(())
            },
            |s, a| {
                let (time, volume) = lifetimes_meant(a);
                let Lifetime { time: seconds, kilobytes } = &mut s.config.ipsec.lifetime;
                *seconds = if time { Lifetime::DEFAULT.time } else { *seconds };
                *kilobytes = if volume { Lifetime::DEFAULT.kilobytes } else { *kilobytes };
                Ok(())
            },
            |v| {
                let Lifetime { time, kilobytes } = v.config.ipsec.lifetime;
                let seconds = (time != Lifetime::DEFAULT.time).then(|| Args::new().with("S", time.as_secs()));
                let volume = match kilobytes {
                    Some(kilobytes) => Args::new().with("K", kilobytes),
                    None => Args::new().flag("kilobytes"),
                };
                many(seconds.into_iter().chain((kilobytes != Lifetime::DEFAULT.kilobytes).then_some(volume)))
            },
        ),
        Command::set(
            Global,
            "crypto ipsec security-association replay {window-size <N:64-4096> | disable}",
            |s, a| {
                s.config.ipsec.replay.window = window(a)?;
                Ok(())
            },
            |s, _| {
                s.config.ipsec.replay.window = Replay::DEFAULT.window;
                Ok(())
            },
            |v| {
                let window = v.config.ipsec.replay.window;
                one((window != Replay::DEFAULT.window).then(|| replay(window)))
            },
        ),
    ]
}

fn idle() -> [Command; 2] {
    [
        Command::set(
            Global,
            "crypto ipsec security-association esn",
            |s, _| {
                s.config.ipsec.replay.esn = true;
                Ok(())
            },
            |s, _| {
                s.config.ipsec.replay.esn = false;
                Ok(())
            },
            |v| flag(v.config.ipsec.replay.esn),
        ),
        Command::set(
            Global,
            "crypto ipsec security-association idle-time <S:60-86400>",
            |s, a| {
                s.config.ipsec.idle = Some(Duration::from_secs(a.get("S")?));
                Ok(())
            },
            |s, _| {
                s.config.ipsec.idle = None;
                Ok(())
            },
            |v| opt("S", v.config.ipsec.idle.map(|idle| idle.as_secs())),
        ),
    ]
}

fn packets() -> [Command; 2] {
    [
        Command::set(
            Global,
            "crypto ipsec df-bit {clear | set | copy}",
            |s, a| {
                s.config.ipsec.df = df(a);
                Ok(())
            },
            |s, _| {
                s.config.ipsec.df = DfBit::default();
                Ok(())
            },
            |v| one((v.config.ipsec.df != DfBit::default()).then(|| df_printed(v.config.ipsec.df))),
        ),
        Command::set(
            Global,
            "crypto ipsec fragmentation {before-encryption | after-encryption}",
            |s, a| {
                s.config.ipsec.fragmentation = fragmentation(a);
                Ok(())
            },
            |s, _| {
                s.config.ipsec.fragmentation = Fragmentation::default();
                Ok(())
            },
            |v| {
                let when = v.config.ipsec.fragmentation;
                one((when != Fragmentation::default()).then(|| fragmentation_printed(when)))
            },
        ),
    ]
}

/// Which limits a `no … lifetime` undoes, by time and by volume: both if it names none.
pub(super) fn lifetimes_meant(a: &Args) -> (bool, bool) {
    let (time, volume) = (a.has("S"), a.has("K") || a.has("kilobytes"));
    (time || !volume, volume || !time)
}

/// `window-size N` or `disable`, which is a window of zero.
pub(super) fn window(a: &Args) -> Result<u16, Fault> {
    let window = if a.has("disable") { 0 } else { a.get("N")? };
    if [0, 64, 128, 256, 512, 1024, 2048, 4096].contains(&window) {
        return Ok(window);
    }
    Err(Fault::new("no such replay window", "64, 128, 256, 512, 1024, 2048 or 4096 packets").at("N"))
}

pub(super) fn replay(window: u16) -> Args {
    match window {
        0 => Args::new().flag("disable"),
        window => Args::new().with("N", window),
    }
}

pub(super) fn df(a: &Args) -> DfBit {
    match (a.has("clear"), a.has("set")) {
        (true, _) => DfBit::Clear,
        (_, true) => DfBit::Set,
        _ => DfBit::Copy,
    }
}

pub(super) fn df_printed(df: DfBit) -> Args {
    Args::new().flag(match df {
        DfBit::Clear => "clear",
        DfBit::Set => "set",
        DfBit::Copy => "copy",
    })
}

pub(super) fn fragmentation(a: &Args) -> Fragmentation {
    if a.has("after-encryption") { Fragmentation::AfterEncryption } else { Fragmentation::BeforeEncryption }
}

pub(super) fn fragmentation_printed(when: Fragmentation) -> Args {
    Args::new().flag(match when {
        Fragmentation::BeforeEncryption => "before-encryption",
        Fragmentation::AfterEncryption => "after-encryption",
    })
}
