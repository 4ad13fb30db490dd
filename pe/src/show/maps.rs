//! `show crypto map`, `show crypto dynamic-map`, `show crypto identity`: what is configured, complete with
//! what holds where nothing is written.

use api::{Identity, MapEntry, Response, TransformSet};
use config::model::{self, CryptoMap};
use ike::config::{Peer, PeerIdentity};
use ipsec::Mode;

use super::failed;
use crate::Pe;
use crate::wiring::config_to_ike;

/// Every entry of every map, or of the one named.
pub(super) fn maps(pe: &Pe, name: Option<&str>) -> Result<Vec<MapEntry>, Response> {
    let maps = &pe.config.crypto_maps;
    known(name, name.is_none_or(|name| maps.contains_key(name)), "crypto map")?;
    let wanted = maps.iter().filter(|(of, _)| name.is_none_or(|name| name == of.as_str()));
    Ok(wanted.flat_map(|(name, map)| entries(pe, name, map)).collect())
}

/// The same of dynamic maps.
pub(super) fn dynamic_maps(pe: &Pe, name: Option<&str>) -> Result<Vec<MapEntry>, Response> {
    let maps = &pe.config.dynamic_maps;
    known(name, name.is_none_or(|name| maps.contains_key(name)), "dynamic map")?;
    let wanted = maps.iter().filter(|(of, _)| name.is_none_or(|name| name == of.as_str()));
    let entries = wanted.flat_map(|(map, entries)| {
        entries.iter().map(|(sequence, of)| MapEntry {
            template: true,
            missing: of.transform_sets.is_empty().then(|| "a transform set (set transform-set)".to_owned()),
            ..entry(pe, map, *sequence, of, None)
        })
    });
    Ok(entries.collect())
}

pub(super) fn identities(pe: &Pe) -> Vec<Identity> {
    let identity = |(name, lines): (&String, &Vec<PeerIdentity>)| Identity {
        name: name.clone(),
        lines: lines.iter().map(line).collect(),
    };
    pe.config.identities.iter().map(identity).collect()
}

fn line(line: &PeerIdentity) -> String {
    match line {
        PeerIdentity::Fqdn(name) => format!("fqdn {name}"),
        PeerIdentity::Dn(attributes) => {
            let pairs: Vec<_> = attributes.iter().map(|one| format!("{}={}", one.kind, one.value)).collect();
            format!("dn {}", pairs.join(","))
        }
    }
}

fn known(name: Option<&str>, is_known: bool, what: &str) -> Result<(), Response> {
    if is_known { Ok(()) } else { Err(failed(format!("no {what} {}", name.unwrap_or_default()), None)) }
}

fn entries(pe: &Pe, name: &str, map: &CryptoMap) -> Vec<MapEntry> {
    let placed = pe.placed();
    let missing = |sequence: u32| {
        let mut here =
            placed.iter().filter(|placed| placed.name.map == name && placed.name.sequence == sequence);
        here.find_map(|placed| config_to_ike::missing(&pe.config, placed))
    };
    let uses = |interface: &model::Interface| {
        [&interface.crypto_map, &interface.crypto_map_ipv6].into_iter().flatten().any(|used| used == name)
    };
    let interfaces: Vec<_> =
        pe.config.interfaces.iter().filter(|(_, of)| uses(of)).map(|(name, _)| name.clone()).collect();
    let entry = |(sequence, of): (&u32, &model::MapEntry)| MapEntry {
        interfaces: interfaces.clone(),
        missing: missing(*sequence).map(str::to_owned),
        ..entry(pe, name, *sequence, of, map.profile.as_ref())
    };
    map.entries.iter().map(entry).collect()
}

fn entry(pe: &Pe, map: &str, sequence: u32, of: &model::MapEntry, default: Option<&String>) -> MapEntry {
    let defaults = &pe.config.ipsec;
    let lifetime = config_to_ike::lifetime(defaults.lifetime, of);
    let replay = of.replay(defaults.replay);
    MapEntry {
        map: map.to_owned(),
        sequence,
        template: false,
        dynamic: of.dynamic.clone(),
        description: of.description.clone(),
        peers: of.peers.iter().map(peer).collect(),
        prefers_first: of.prefers_first,
        version: if of.ikev2_profile.is_some() { 2 } else { 1 },
        profile: of.ikev2_profile.as_ref().or(of.profile.as_ref()).or(default).cloned(),
        identity: of.identity.clone(),
        access_list: of.access_list.clone(),
        lines: lines(pe, of),
        transform_sets: of.transform_sets.iter().filter_map(|name| transform_set(pe, name)).collect(),
        kilobytes: lifetime.kilobytes,
        seconds: lifetime.time.as_secs(),
        pfs: of.pfs.map(|group| group.number()),
        idle: of.idle.or(defaults.idle).map(|idle| idle.as_secs()),
        replay_window: replay.window,
        esn: replay.esn,
        interfaces: Vec::new(),
        missing: None,
    }
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Address(address) => address.to_string(),
        Peer::Host(name) => format!("{name} (dynamic)"),
    }
}

/// What each line means, from this side.
fn lines(pe: &Pe, of: &model::MapEntry) -> Vec<String> {
    let list = of.access_list.as_ref().and_then(|name| pe.config.access_lists.get(name));
    let rules = list.into_iter().flat_map(|list| &list.rules).flat_map(|line| &line.rules);
    let word = |permit| if permit { "permit" } else { "deny" };
    rules.map(|rule| format!("{} {}", word(rule.permit), rule.selector)).collect()
}

fn transform_set(pe: &Pe, name: &str) -> Option<TransformSet> {
    let set = pe.config.transform_sets.get(name)?;
    Some(TransformSet {
        name: name.to_owned(),
        transforms: set.suite.to_string(),
        transport: set.mode == Mode::Transport,
    })
}
