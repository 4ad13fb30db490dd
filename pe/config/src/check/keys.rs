//! Peers without a pre-shared key where their tunnels end. Keys of the global table do not serve a front
//! VRF: there a keyring must name it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{Config, Keyring, PresharedKey};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let keys = Keys::of(config);
    for interface in config.interfaces.values() {
        for name in interface.crypto_map.iter().chain(&interface.crypto_map_ipv6) {
            let Some(map) = config.crypto_maps.get(name) else { continue };
            for (sequence, entry) in &map.entries {
                let profile = entry.profile.as_ref().or(map.profile.as_ref());
                let bare =
                    entry.peers.iter().find(|peer| !keys.serve(profile, interface.vrf.as_ref(), **peer));
                if let Some(peer) = bare {
                    let place = Place::numbered(Level::MapEntry, name, *sequence);
                    let front = interface.vrf.as_ref();
                    report.warning(
                        &place,
                        "set peer",
                        format!("no pre-shared key for peer {peer}"),
                        help(front),
                    );
                }
            }
        }
    }
}

fn help(front: Option<&String>) -> String {
    match front {
        Some(vrf) => format!("its tunnel ends in VRF {vrf}: write `crypto keyring NAME vrf {vrf}`"),
        None => "write `crypto isakmp key`, or a `crypto keyring` that the entry's profile names".to_owned(),
    }
}

/// All the keys there are, found by ring and by profile.
struct Keys<'c> {
    config: &'c Config,
    rings: BTreeMap<&'c str, &'c Keyring>,
    /// The rings of each profile that names any.
    profiles: BTreeMap<&'c str, &'c [String]>,
}

impl<'c> Keys<'c> {
    fn of(config: &'c Config) -> Self {
        let own = config.profiles.iter().filter(|profile| !profile.keyrings.is_empty());
        Self {
            config,
            rings: config.keyrings.iter().map(|ring| (ring.name.as_str(), ring)).collect(),
            profiles: own.map(|profile| (profile.name.as_str(), profile.keyrings.as_slice())).collect(),
        }
    }

    /// Whether a key is found for a peer in a front VRF: in the profile's keyrings if it names some, else
    /// in any keyring or among the global keys.
    fn serve(&self, profile: Option<&String>, front: Option<&String>, peer: IpAddr) -> bool {
        let has = |keys: &[PresharedKey]| keys.iter().any(|key| key.peer.contains(peer));
        let opens = |ring: &Keyring| ring.vrf.as_ref() == front && has(&ring.keys);
        match profile.and_then(|name| self.profiles.get(name.as_str())) {
            Some(names) => {
                names.iter().filter_map(|name| self.rings.get(name.as_str())).any(|ring| opens(ring))
            }
            None => front.is_none() && has(&self.config.keys) || self.rings.values().any(|ring| opens(ring)),
        }
    }
}
