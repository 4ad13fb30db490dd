//! Peers without a pre-shared key where their tunnels end: judged as IKE will, when it opens to them. Keys
//! of the global table do not serve a front VRF: there a keyring must name it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{AggressivePeer, Config, Keyring, PresharedKey};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let keys = Keys::of(config);
    // Where we have a certificate, a peer may well be known by one.
    if config.trustpoints.iter().any(|point| point.certificate.is_some()) {
        return;
    }
    for interface in config.interfaces.values() {
        for name in interface.crypto_map.iter().chain(&interface.crypto_map_ipv6) {
            let Some(map) = config.crypto_maps.get(name) else { continue };
            for (sequence, entry) in map.entries.iter().filter(|(_, entry)| entry.ikev2_profile.is_none()) {
                let profile = entry.profile.as_ref().or(map.profile.as_ref());
                let front = interface.vrf.as_ref();
                let bare = entry.addresses().find(|peer| !keys.serve(profile, front, *peer));
                if let Some(peer) = bare {
                    let place = Place::numbered(Level::MapEntry, name, *sequence);
                    report.warning(
                        &place,
                        &format!("set peer {peer}"),
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
        Some(vrf) => format!(
            "its tunnel ends in VRF {vrf}: write `crypto keyring NAME vrf {vrf}`, and `keyring NAME` in the entry's profile"
        ),
        None => "write `crypto isakmp key`, or a `crypto keyring` that the entry's profile names".to_owned(),
    }
}

/// All the keys there are, found by ring and by profile.
struct Keys<'c> {
    config: &'c Config,
    rings: BTreeMap<&'c str, &'c Keyring>,
    /// The rings of each profile that names any.
    profiles: BTreeMap<&'c str, &'c [String]>,
    /// Rings that some profile names: they serve no other.
    named: BTreeSet<&'c str>,
}

impl<'c> Keys<'c> {
    fn of(config: &'c Config) -> Self {
        let own = config.profiles.iter().filter(|profile| !profile.keyrings.is_empty());
        Self {
            config,
            rings: config.keyrings.iter().map(|ring| (ring.name.as_str(), ring)).collect(),
            profiles: own.map(|profile| (profile.name.as_str(), profile.keyrings.as_slice())).collect(),
            named: config.profiles.iter().flat_map(|p| p.keyrings.iter().map(String::as_str)).collect(),
        }
    }

    /// Whether a key is found for a peer in a front VRF: in the profile's keyrings if it names some, else
    /// in those that no profile names. The global keys are such a ring, of the global table.
    fn serve(&self, profile: Option<&String>, front: Option<&String>, peer: IpAddr) -> bool {
        let is = |own: &AggressivePeer| own.address == peer && own.vrf.as_ref() == front;
        if self.config.isakmp.peers.iter().any(|own| is(own) && own.password.is_some()) {
            return true;
        }
        let opens = |name: &str| self.ring(name, front).iter().any(|key| key.peer.contains(peer));
        match profile.and_then(|name| self.profiles.get(name.as_str())) {
            Some(names) => names.iter().any(|name| opens(name)),
            None => {
                let mut rings = self.rings.keys().copied().chain([Keyring::DEFAULT]);
                rings.any(|name| !self.named.contains(name) && opens(name))
            }
        }
    }

    /// The keys of a ring, if it serves that front VRF.
    fn ring(&self, name: &str, front: Option<&String>) -> &'c [PresharedKey] {
        if name == Keyring::DEFAULT {
            return if front.is_none() { &self.config.keys } else { &[] };
        }
        let ring = self.rings.get(name).filter(|ring| ring.vrf.as_ref() == front);
        ring.map_or(&[], |ring| &ring.keys)
    }
}
