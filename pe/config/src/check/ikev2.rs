//! What is incomplete or contradicts itself in IKEv2's proposals, policies, keyrings and profiles.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::Prefix;
use ike::config::Identity;
use ike::config::v2::{Authentication, Proposal};

use super::Report;
use crate::ios::{Level, Place};
use crate::model::{Config, Front, Ikev2, Ikev2Keyring, Ikev2Policy, Ikev2Profile, MapEntry, is_aead};

pub(super) fn check(whole: &Config, report: &mut Report<'_>) {
    let config = &whole.ikev2;
    config.proposals.iter().for_each(|proposal| self::proposal(proposal, report));
    unused(config, report);
    config.policies.iter().for_each(|policy| self::policy(policy, report));
    config.keyrings.iter().for_each(|ring| keyring(ring, report));
    config.profiles.iter().for_each(|profile| self::profile(profile, report));
    on_interfaces(whole, report);
}

fn proposal(proposal: &Proposal, report: &mut Report<'_>) {
    let place = Place::at(Level::Ikev2Proposal, &proposal.name);
    let ciphers = &proposal.encryption;
    if !ciphers.is_empty() && ciphers.iter().all(|cipher| is_aead(*cipher)) && !proposal.integrity.is_empty()
    {
        let help = "leave the line out; `prf` chooses the hash";
        report.warning(&place, "integrity", "these ciphers protect integrity themselves", help);
    }
    if proposal.additional.iter().any(Vec::is_empty) {
        let help = "number the lines from 1 on, without a gap";
        report.error(&place, "additional-ke", "an additional key exchange is missing before this one", help);
    }
}

/// Proposals count only through a policy.
fn unused(config: &Ikev2, report: &mut Report<'_>) {
    let named: BTreeSet<_> = config.policies.iter().flat_map(|policy| &policy.proposals).collect();
    let bare = config.proposals.iter().filter(|it| !named.contains(&it.name));
    for proposal in bare.filter(|it| it.name != Ikev2::DEFAULT) {
        let place = Place::at(Level::Ikev2Proposal, &proposal.name);
        let help = format!("write `crypto ikev2 policy NAME` with `proposal {}`", proposal.name);
        report.warning(&place, "", "no policy names the proposal: it is not used", help);
    }
}

fn policy(policy: &Ikev2Policy, report: &mut Report<'_>) {
    if policy.proposals.is_empty() {
        let place = Place::at(Level::Ikev2Policy, &policy.name);
        report.warning(
            &place,
            "",
            "the policy is incomplete: it needs `proposal`",
            "until then it is not used",
        );
    }
}

fn keyring(ring: &Ikev2Keyring, report: &mut Report<'_>) {
    for peer in &ring.peers {
        let peer = &peer.peer;
        let place = Place::at(Level::Ikev2Peer, format!("{} {}", ring.name, peer.name));
        if peer.address.is_none() && peer.hostname.is_none() && peer.identity.is_none() {
            let help = "write `address`, `hostname` or `identity`";
            report.warning(&place, "", "the peer is nobody: its keys are not used", help);
        }
        if peer.local_key.is_none() && peer.remote_key.is_none() && peer.ppk.is_none() {
            report.warning(&place, "", "the peer has no key", "write `pre-shared-key KEY`");
        }
    }
}

fn profile(profile: &Ikev2Profile, report: &mut Report<'_>) {
    let place = Place::at(Level::Ikev2Profile, &profile.name);
    let missing: Vec<_> = [
        (profile.remote.is_empty() && profile.certificate_maps.is_empty(), "`match identity remote`"),
        (profile.local_authentication.is_none(), "`authentication local`"),
        (profile.remote_authentication.is_empty(), "`authentication remote`"),
    ]
    .into_iter()
    .filter_map(|(absent, command)| absent.then_some(command))
    .collect();
    if !missing.is_empty() {
        let message = format!("the profile is incomplete: it needs {}", missing.join(", "));
        report.warning(&place, "", message, "until then it serves nobody");
    }
    let takes_keys = |method: &Authentication| *method == Authentication::PreShared(None);
    let mut methods = profile.local_authentication.iter().chain(&profile.remote_authentication);
    if methods.any(takes_keys) && profile.keyring.is_none() {
        let help = "write `keyring local NAME`, or the key after `pre-share key`";
        report.warning(&place, "", "the profile has no keyring for its pre-shared keys", help);
    }
    let signs = |method: &Authentication| !matches!(method, Authentication::PreShared(_));
    let by_key = profile.local_authentication.as_ref().is_some_and(|method| !signs(method));
    if profile.identity == Some(Identity::Dn) && by_key {
        let help = "write `authentication local rsa-sig`, or another identity";
        report.error(
            &place,
            "identity local",
            "a distinguished name is a certificate's, and there is none",
            help,
        );
    }
}

/// Entries whose profile is for another front VRF than the one where they stand, or has no key for a peer.
fn on_interfaces(config: &Config, report: &mut Report<'_>) {
    let profiles: BTreeMap<_, _> = config.ikev2.profiles.iter().map(|it| (it.name.as_str(), it)).collect();
    let rings: BTreeMap<_, _> =
        config.ikev2.keyrings.iter().map(|it| (it.name.as_str(), Keys::of(it))).collect();
    for interface in config.interfaces.values() {
        for name in interface.crypto_map.iter().chain(&interface.crypto_map_ipv6) {
            let entries = config.crypto_maps.get(name).into_iter().flat_map(|map| &map.entries);
            for (sequence, entry) in entries {
                let profile = entry.ikev2_profile.as_ref().and_then(|name| profiles.get(name.as_str()));
                let Some(profile) = profile else { continue };
                let place = Place::numbered(Level::MapEntry, name, *sequence);
                in_front(&place, profile, interface.vrf.as_ref(), report);
                let ring = profile.keyring.as_ref().and_then(|name| rings.get(name.as_str()));
                has_keys(&place, entry, profile, ring, report);
            }
        }
    }
}

fn in_front(place: &Place, profile: &Ikev2Profile, front: Option<&String>, report: &mut Report<'_>) {
    let is_for = match &profile.front {
        Front::Any => true,
        Front::Vrf(name) => name.as_ref() == front,
    };
    if !is_for {
        let (vrf, help) = match front {
            Some(vrf) => {
                (format!("VRF {vrf}"), format!("write `match fvrf {vrf}` in it, or `match fvrf any`"))
            }
            None => ("the global table".to_owned(), "take `match fvrf` out of it".to_owned()),
        };
        let message = format!("profile {} does not serve {vrf}, where the entry stands", profile.name);
        report.warning(place, "set ikev2-profile", message, help);
    }
}

/// What a keyring has keys for.
struct Keys<'c> {
    ring: &'c str,
    prefixes: BTreeSet<Prefix>,
    /// Of some peer that is known by its name: its address is not known before it is asked for.
    named: bool,
}

impl<'c> Keys<'c> {
    fn of(ring: &'c Ikev2Keyring) -> Self {
        let peers = || ring.peers.iter().map(|it| &it.peer).filter(|peer| peer.local_key.is_some());
        Self {
            ring: &ring.name,
            prefixes: peers().filter_map(|peer| peer.address).collect(),
            named: peers().any(|peer| peer.hostname.is_some()),
        }
    }

    fn serve(&self, address: IpAddr) -> bool {
        let host = Prefix::host(address);
        let around = (0..=host.length()).filter_map(|length| Prefix::new(address, length).ok());
        self.named || around.into_iter().any(|prefix| self.prefixes.contains(&prefix))
    }
}

/// We prove ourselves before we hear who the peer is: its address or name must lead to our key.
fn has_keys(
    place: &Place,
    entry: &MapEntry,
    profile: &Ikev2Profile,
    keys: Option<&Keys<'_>>,
    report: &mut Report<'_>,
) {
    let asks = profile.local_authentication == Some(Authentication::PreShared(None));
    let Some(keys) = keys.filter(|_| asks) else { return };
    if let Some(peer) = entry.addresses().find(|address| !keys.serve(*address)) {
        let help =
            format!("write `address {peer}` and `pre-shared-key` under a `peer` of keyring {}", keys.ring);
        let message = format!("no pre-shared key for peer {peer}");
        report.warning(place, &format!("set peer {peer}"), message, help);
    }
}
