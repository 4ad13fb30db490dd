//! What a getter reads: a `Config`, seen from one place.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ::bgp::policy::Entry;
use ike::config::{CertificateMap, PeerIdentity, Proposal, v2};

use super::place::{Level, Place};
use crate::model::{
    AccessList, AggressivePeer, Bgp, Config, Ikev2Keyring, Ikev2Peer, Ikev2Policy, Ikev2Profile, Interface,
    Keyring, MapEntry, NeighborName, Profile, Targets, Trustpoint, Tunnel, Vrf, bgp,
};

/// The objects that a `Config` keeps in order, by the names of their places.
pub(crate) struct Names<'a> {
    keyrings: BTreeMap<&'a str, &'a Keyring>,
    profiles: BTreeMap<&'a str, &'a Profile>,
    trustpoints: BTreeMap<&'a str, &'a Trustpoint>,
    proposals: BTreeMap<&'a str, &'a v2::Proposal>,
    policies: BTreeMap<&'a str, &'a Ikev2Policy>,
    ikev2_keyrings: BTreeMap<&'a str, &'a Ikev2Keyring>,
    ikev2_peers: BTreeMap<(&'a str, &'a str), &'a Ikev2Peer>,
    ikev2_profiles: BTreeMap<&'a str, &'a Ikev2Profile>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        let v2 = &config.ikev2;
        let peers = |ring: &'a Ikev2Keyring| {
            ring.peers.iter().map(|peer| ((ring.name.as_str(), peer.peer.name.as_str()), peer))
        };
        Self {
            keyrings: config.keyrings.iter().map(|ring| (ring.name.as_str(), ring)).collect(),
            profiles: config.profiles.iter().map(|profile| (profile.name.as_str(), profile)).collect(),
            trustpoints: config.trustpoints.iter().map(|it| (it.name.as_str(), it)).collect(),
            proposals: v2.proposals.iter().map(|it| (it.name.as_str(), it)).collect(),
            policies: v2.policies.iter().map(|it| (it.name.as_str(), it)).collect(),
            ikev2_keyrings: v2.keyrings.iter().map(|it| (it.name.as_str(), it)).collect(),
            ikev2_peers: v2.keyrings.iter().flat_map(peers).collect(),
            ikev2_profiles: v2.profiles.iter().map(|it| (it.name.as_str(), it)).collect(),
        }
    }
}

/// What a getter reads.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) config: &'a Config,
    pub(crate) names: &'a Names<'a>,
    pub(crate) place: &'a Place,
}

impl<'a> View<'a> {
    pub(crate) fn vrf(self) -> Option<&'a Vrf> {
        self.config.vrfs.get(&self.place.name)
    }

    pub(crate) fn targets(self) -> Option<&'a Targets> {
        let vrf = self.vrf()?;
        match (self.place.level, self.place.number) {
            (Level::Family, 4) => vrf.ipv4.as_ref(),
            (Level::Family, _) => vrf.ipv6.as_ref(),
            _ => Some(&vrf.targets),
        }
    }

    pub(crate) fn interface(self) -> Option<&'a Interface> {
        self.config.interfaces.get(&self.place.name)
    }

    pub(crate) fn access_list(self) -> Option<&'a AccessList> {
        self.config.access_lists.get(&self.place.name)
    }

    pub(crate) fn policy(self) -> Option<&'a Proposal> {
        self.config.proposals.get(&u16::try_from(self.place.number).ok()?)
    }

    pub(crate) fn keyring(self) -> Option<&'a Keyring> {
        self.names.keyrings.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn profile(self) -> Option<&'a Profile> {
        self.names.profiles.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn entry(self) -> Option<&'a MapEntry> {
        let Place { level, name, number } = self.place;
        if *level == Level::IpsecProfile {
            return self.config.ipsec_profiles.get(name);
        }
        if *level == Level::DynamicEntry {
            return self.config.dynamic_maps.get(name)?.get(number);
        }
        self.config.crypto_maps.get(name)?.entries.get(number)
    }

    pub(crate) fn tunnel(self) -> Option<&'a Tunnel> {
        self.interface()?.tunnel.as_ref()
    }

    pub(crate) fn isakmp_peer(self) -> Option<&'a AggressivePeer> {
        let (address, vrf) = self.place.names();
        let address: IpAddr = address.parse().ok()?;
        let is = |peer: &&AggressivePeer| peer.address == address && peer.vrf.as_deref() == vrf;
        self.config.isakmp.peers.iter().find(is)
    }

    pub(crate) fn trustpoint(self) -> Option<&'a Trustpoint> {
        self.names.trustpoints.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn certificate_map(self) -> Option<&'a CertificateMap> {
        self.config.certificate_maps.get(&self.place.name)
    }

    pub(crate) fn identities(self) -> Option<&'a [PeerIdentity]> {
        self.config.identities.get(&self.place.name).map(Vec::as_slice)
    }

    pub(crate) fn ikev2_proposal(self) -> Option<&'a v2::Proposal> {
        self.names.proposals.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn ikev2_policy(self) -> Option<&'a Ikev2Policy> {
        self.names.policies.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn ikev2_keyring(self) -> Option<&'a Ikev2Keyring> {
        self.names.ikev2_keyrings.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn ikev2_peer(self) -> Option<&'a Ikev2Peer> {
        let (ring, peer) = self.place.names();
        self.names.ikev2_peers.get(&(ring, peer?)).copied()
    }

    pub(crate) fn ikev2_profile(self) -> Option<&'a Ikev2Profile> {
        self.names.ikev2_profiles.get(self.place.name.as_str()).copied()
    }

    pub(crate) fn bgp(self) -> Option<&'a Bgp> {
        self.config.bgp.as_ref()
    }

    /// `None` under `router bgp` itself: what stands there is printed under its families.
    pub(crate) fn bgp_family(self) -> Option<&'a bgp::Family> {
        let written = self.place.level != Level::Bgp;
        self.bgp()?.families.get(&self.place.bgp_family()).filter(|_| written)
    }

    pub(crate) fn neighbors(self) -> Option<&'a BTreeMap<NeighborName, bgp::Neighbor>> {
        match self.place.level == Level::BgpVrf {
            true => Some(&self.bgp_family()?.neighbors),
            false => Some(&self.bgp()?.neighbors),
        }
    }

    pub(crate) fn route_map(self) -> Option<&'a Entry> {
        self.config.policies.route_maps.get(&self.place.name)?.0.get(&self.place.number)
    }
}
