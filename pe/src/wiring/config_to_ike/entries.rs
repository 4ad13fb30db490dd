//! Crypto-map entries, those of dynamic maps among them.

use base::Family;
use config::Config;
use config::model::{MapEntry, Volume};
use ike::config::{Entry, Peer};
use ipsec::{Lifetime, Mode};

use crate::Notice;
use crate::wiring::config_to_ipsec::{self, AnyProfile, Placed};

/// The entry's limits, else the global ones (IPS-15).
pub(crate) fn lifetime(defaults: Lifetime, entry: &MapEntry) -> Lifetime {
    Lifetime {
        time: entry.seconds.map_or(defaults.time, |seconds| std::time::Duration::from_secs(seconds.into())),
        kilobytes: match entry.kilobytes {
            None => defaults.kilobytes,
            Some(Volume::Kilobytes(kilobytes)) => Some(kilobytes),
            Some(Volume::Disable) => None,
        },
    }
}

pub(super) fn incomplete_notice(config: &Config, placed: &Placed<'_>) -> Option<Notice> {
    let missing = missing(config, placed)?;
    let name = placed.name.clone();
    Some(Notice::EntryIncomplete {
        interface: name.interface,
        map: name.map,
        sequence: name.sequence,
        missing,
    })
}

/// What an entry needs and has not.
pub(crate) fn missing(config: &Config, placed: &Placed<'_>) -> Option<&'static str> {
    let entry = placed.entry;
    let identity = entry.identity.as_ref().map(|name| config.identities.get(name));
    if placed.peers.is_empty() && placed.is_tunnel {
        Some("a destination (tunnel destination)")
    } else if placed.peers.is_empty() && !placed.is_dynamic() {
        Some("a peer (set peer)")
    } else if entry.transform_sets.is_empty() {
        Some("a transform set (set transform-set)")
    } else if entry.access_list.is_none() && !placed.is_dynamic() && !placed.is_tunnel {
        Some("an access list (match address)")
    } else if placed.local.is_none() {
        Some("an address of its family where its tunnels end")
    } else if matches!(placed.profile, Some(AnyProfile::V2(profile)) if !profile.is_complete()) {
        Some("a whole IKEv2 profile (match identity remote, authentication local and remote)")
    } else if identity.is_some_and(|lines| lines.is_none_or(Vec::is_empty)) {
        Some("a line in its identity (crypto identity)")
    } else {
        None
    }
}

/// `None` for an entry that cannot negotiate: it is incomplete.
pub(super) fn entry(config: &Config, placed: &Placed<'_>) -> Option<Entry> {
    if missing(config, placed).is_some() {
        return None;
    }
    let entry = placed.entry;
    let of_family = |peer: &&Peer| match peer {
        Peer::Address(address) => Family::of(*address) == placed.family,
        Peer::Host(_) => true,
    };
    Some(Entry {
        sequence: placed.name.sequence,
        version: placed.version(),
        profile: placed.profile_name().map(str::to_owned),
        dynamic: placed.is_dynamic(),
        tunnel: placed.is_tunnel,
        peers: placed.peers.iter().filter(of_family).cloned().collect(),
        prefers_first: entry.prefers_first,
        rules: config_to_ipsec::rules(config, placed),
        ..of(config, entry, Entry::new(placed.id, placed.front, placed.inside, placed.local?))
    })
}

/// What an entry says of its SAs, put into `blank`.
fn of(config: &Config, entry: &MapEntry, blank: Entry) -> Entry {
    let sets: Vec<_> =
        entry.transform_sets.iter().filter_map(|name| config.transform_sets.get(name)).collect();
    let identity = entry.identity.as_ref().and_then(|name| config.identities.get(name));
    Entry {
        identities: identity.cloned().unwrap_or_default(),
        mode: sets.first().map_or(Mode::Tunnel, |set| set.mode),
        suites: sets.into_iter().map(|set| set.suite).collect(),
        lifetime: lifetime(config.ipsec.lifetime, entry),
        pfs: entry.pfs,
        replay: entry.replay(config.ipsec.replay),
        idle: entry.idle.or(config.ipsec.idle),
        idle_resets_peer: entry.idle_resets_peer,
        ..blank
    }
}
