//! `show crypto map`, `show crypto dynamic-map`, `show crypto identity`.

use std::fmt::Write as _;

use api::{Identity, MapEntry, TransformSet};

pub(super) fn entries(entries: &[MapEntry]) -> String {
    let mut text = String::new();
    for (at, entry) in entries.iter().enumerate() {
        if entry.template {
            template(&mut text, entry);
        } else {
            placed(&mut text, entry);
        }
        let is_last = entries.get(at + 1).is_none_or(|next| next.map != entry.map);
        if is_last && !entry.template {
            uses(&mut text, entry);
        }
    }
    text
}

fn template(text: &mut String, entry: &MapEntry) {
    let _ = writeln!(text, "Crypto Map Template \"{}\" {}", entry.map, entry.sequence);
    body(text, entry);
    text.push('\n');
}

fn placed(text: &mut String, entry: &MapEntry) {
    let _ = writeln!(text, "Crypto Map \"{}\" {} ipsec-isakmp", entry.map, entry.sequence);
    match &entry.dynamic {
        Some(dynamic) => {
            let _ = writeln!(text, "        Dynamic map template tag: {dynamic}");
        }
        None => body(text, entry),
    }
}

fn body(text: &mut String, entry: &MapEntry) {
    if let Some(description) = &entry.description {
        let _ = writeln!(text, "        Description: {description}");
    }
    peers(text, entry);
    if let Some(profile) = &entry.profile {
        let kind = if entry.version == 2 { "IKEv2" } else { "ISAKMP" };
        let _ = writeln!(text, "        {kind} Profile: {profile}");
    }
    if let Some(identity) = &entry.identity {
        let _ = writeln!(text, "        Identity: {identity}");
    }
    match &entry.access_list {
        Some(list) => {
            let _ = writeln!(text, "        Extended IP access list {list}");
            for line in &entry.lines {
                let _ = writeln!(text, "            access-list {list} {line}");
            }
        }
        None => text.push_str("        No matching address list set.\n"),
    }
    limits(text, entry);
    text.push_str("        Transform sets={\n");
    entry.transform_sets.iter().for_each(|set| transform_set(text, set));
    text.push_str("        }\n");
    if let Some(missing) = &entry.missing {
        let _ = writeln!(text, "        Incomplete: lacks {missing}; it protects nothing");
    }
}

fn peers(text: &mut String, entry: &MapEntry) {
    for (at, peer) in entry.peers.iter().enumerate() {
        let default = if at == 0 && entry.prefers_first { " (default peer)" } else { "" };
        let _ = writeln!(text, "        Peer = {peer}{default}");
    }
}

fn limits(text: &mut String, entry: &MapEntry) {
    let kilobytes = entry.kilobytes.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let _ = writeln!(
        text,
        "        Security association lifetime: {kilobytes} kilobytes/{} seconds",
        entry.seconds
    );
    if let Some(idle) = entry.idle {
        let _ = writeln!(text, "        Security association idletime: {idle} seconds");
    }
    let esn = if entry.esn { ", extended sequence numbers" } else { "" };
    match entry.replay_window {
        0 => text.push_str("        Replay detection: off\n"),
        window => {
            let _ = writeln!(text, "        Replay window: {window}{esn}");
        }
    }
    match entry.pfs {
        None => text.push_str("        PFS (Y/N): N\n"),
        Some(group) => {
            let _ = writeln!(text, "        PFS (Y/N): Y\n        DH group:  group{group}");
        }
    }
}

fn transform_set(text: &mut String, set: &TransformSet) {
    let mode = if set.transport { " mode transport" } else { "" };
    let _ = writeln!(text, "                {}:  {{ {}  }}{mode} ,", set.name, set.transforms);
}

fn uses(text: &mut String, entry: &MapEntry) {
    let _ = writeln!(text, "        Interfaces using crypto map {}:", entry.map);
    for interface in &entry.interfaces {
        let _ = writeln!(text, "                {interface}");
    }
    text.push('\n');
}

pub(super) fn identities(identities: &[Identity]) -> String {
    let mut text = String::new();
    for identity in identities {
        let _ = writeln!(text, "crypto identity {}:", identity.name);
        for line in &identity.lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}
