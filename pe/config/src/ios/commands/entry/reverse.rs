//! `reverse-route`: routes to the networks behind a peer (RRI-01 to RRI-10).

use super::super::super::args::Args;
use super::super::super::scope::{Done, Scope, View};
use super::{Command, DynamicEntry, IpsecProfile, Level, MapEntry, many, one};
use crate::model::{RemotePeer, ReverseRoute};

pub(super) fn commands(level: Level) -> Vec<Command> {
    let pattern = if level == MapEntry {
        "reverse-route [tag <TAG:0-4294967295>] [remote-peer [<HOP:ip> [gateway]]] [static]"
    } else if level == DynamicEntry {
        "reverse-route [tag <TAG:0-4294967295>] [remote-peer [<HOP:ip> [gateway]]]"
    } else {
        "reverse-route [tag <TAG:0-4294967295>]"
    };
    let mut commands = vec![
        Command::set(
            level,
            pattern,
            set,
            |s, _| {
                s.entry().reverse_route = None;
                Ok(())
            },
            |v| one(v.entry()?.reverse_route.map(printed)),
        ),
        Command::set(
            level,
            "set reverse-route {distance <D:1-255> | tag <TAG:0-4294967295>}",
            set_values,
            unset_values,
            values_printed,
        ),
    ];
    let refuse = |pattern, instead| Command::refuse(level, pattern, instead);
    if level == DynamicEntry {
        commands.push(refuse(
            "reverse-route {static}",
            "its peers are not known before they come: routes go with their SAs, leave the word out",
        ));
    }
    if level == IpsecProfile {
        commands.push(refuse(
            "reverse-route {static | remote-peer} [<REST:line>]",
            "routes of a tunnel interface lead into it: leave the words out",
        ));
    }
    commands
}

/// A tag here is IOS 12.3's; it prints as `set reverse-route tag`.
fn set(s: &mut Scope<'_>, a: &Args) -> Done {
    let hop = a.opt("HOP").map(if a.has("gateway") { RemotePeer::Gateway } else { RemotePeer::Hop });
    let remote_peer = hop.or_else(|| a.has("remote-peer").then_some(RemotePeer::Interface));
    let entry = s.entry();
    entry.reverse_route = Some(ReverseRoute { permanent: a.has("static"), remote_peer });
    entry.reverse_tag = a.opt("TAG").unwrap_or(entry.reverse_tag);
    Ok(())
}

fn printed(of: ReverseRoute) -> Args {
    let args = Args::new().flag_if(of.remote_peer.is_some(), "remote-peer");
    let args = match of.remote_peer {
        Some(RemotePeer::Hop(hop)) => args.with("HOP", hop),
        Some(RemotePeer::Gateway(hop)) => args.with("HOP", hop).flag("gateway"),
        Some(RemotePeer::Interface) | None => args,
    };
    args.flag_if(of.permanent, "static")
}

fn set_values(s: &mut Scope<'_>, a: &Args) -> Done {
    let entry = s.entry();
    entry.reverse_distance = a.opt("D").or(entry.reverse_distance);
    entry.reverse_tag = a.opt("TAG").unwrap_or(entry.reverse_tag);
    Ok(())
}

/// Without a word, both.
fn unset_values(s: &mut Scope<'_>, a: &Args) -> Done {
    let entry = s.entry();
    if !a.has("TAG") {
        entry.reverse_distance = None;
    }
    if !a.has("D") {
        entry.reverse_tag = 0;
    }
    Ok(())
}

fn values_printed(v: View<'_>) -> Option<Vec<Args>> {
    let entry = v.entry()?;
    let distance = entry.reverse_distance.map(|distance| Args::new().with("D", distance));
    let tag = (entry.reverse_tag != 0).then(|| Args::new().with("TAG", entry.reverse_tag));
    many(distance.into_iter().chain(tag))
}
