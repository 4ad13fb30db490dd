//! What a path looks like to those who are told it, and whether they may be: reflection (RFC 4456), next hop,
//! communities, AS override, site of origin, outbound policy.

use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base::{Family, Label, Prefix, VrfId};
use mpls::Fec;
use vrf::Source;

use crate::apply::Subject;
use crate::attributes::{Attributes, LOCAL_AS, NO_ADVERTISE, NO_EXPORT, Origin};
use crate::config::{Neighbor, NextHopSelf};
use crate::io::AddressFamily;
use crate::rib_out::{Key, Outward};
use crate::ribs::{Peer, Ribs};
use crate::table::{Kind, OURSELVES};
use crate::vpn::Chosen;

/// A path that a group may be told, before its policy.
pub(crate) struct Admitted {
    attributes: Arc<Attributes>,
    tag: u32,
    pub(crate) label: Option<Label>,
    /// We put ourselves as the next hop.
    ourselves: bool,
    /// Learned by iBGP and told by iBGP.
    reflected: bool,
    /// Every prefix of this slot looks alike.
    pub(crate) common: bool,
}

impl Ribs {
    pub(crate) fn passes(&self, terms: &Outward, key: Key, chosen: Chosen) -> bool {
        let Some(admitted) = self.admit(terms, key, chosen) else { return false };
        terms.config.route_map_out.is_none() || self.shape(terms, key.prefix, chosen, &admitted).is_some()
    }

    pub(crate) fn admit(&self, terms: &Outward, key: Key, chosen: Chosen) -> Option<Admitted> {
        let reflected = self.reflected(terms, chosen)?;
        let slot = self.store.slot(chosen.path.slot)?;
        let (attributes, tag, common) = if terms.family.is_vpn() {
            (slot.shared.exported.clone()?, slot.shared.tag, true)
        } else {
            let view = self.views.get(&terms.vrf)?;
            let seen = self.seen(view, key.prefix, chosen)?;
            let common = Arc::ptr_eq(&seen.attributes, &slot.shared.attributes);
            (seen.attributes, seen.tag, common)
        };
        let local = [NO_EXPORT, LOCAL_AS];
        let kept =
            |community: &u32| *community == NO_ADVERTISE || (terms.external && local.contains(community));
        let site = terms.config.soo.is_some_and(|soo| attributes.sites().any(|site| site == soo));
        if attributes.communities.iter().any(kept) || site {
            return None;
        }
        let list = terms.config.prefix_list_out.as_ref();
        if list.is_some_and(|list| !self.config.policies.permits(list, key.prefix)) {
            return None;
        }
        let ourselves = self.is_next_hop(terms, chosen, reflected);
        let next_hop = if ourselves { terms.local } else { attributes.next_hop };
        let v4 = terms.family.family() == Some(Family::V4);
        if v4 && next_hop.is_ipv6() && !terms.extended_next_hop {
            return None;
        }
        let label = self.outward_label(terms, key.prefix, chosen, ourselves)?;
        Some(Admitted { attributes, tag, label, ourselves, reflected, common })
    }

    /// Whether a path may be told at all: what came by iBGP goes on by iBGP only from or to a client, and is
    /// reflected then.
    fn reflected(&self, terms: &Outward, chosen: Chosen) -> Option<bool> {
        let vpn = chosen.path.kind() == Kind::Vpn;
        if chosen.path.kind() == Kind::Leaked {
            return Some(false);
        }
        if terms.external || chosen.path.peer == OURSELVES || vpn != terms.family.is_vpn() {
            return Some(false);
        }
        let source = self.peer(chosen.path.peer)?;
        if source.external() {
            return Some(false);
        }
        let family = terms.family.family()?;
        let from_client = source.is_client(chosen.path.kind().address_family(family));
        (from_client || terms.config.route_reflector_client).then_some(true)
    }

    /// VPN routes of others keep their next hop: what is behind it knows their label, we do not.
    fn is_next_hop(&self, terms: &Outward, chosen: Chosen, reflected: bool) -> bool {
        let vpn = chosen.path.kind() == Kind::Vpn;
        if terms.family.is_vpn() {
            return !vpn;
        }
        let own_table =
            self.views.get(&terms.vrf).is_some_and(|view| view.is_local(chosen.table, chosen.path));
        let puts = match terms.config.next_hop_self {
            NextHopSelf::No => false,
            NextHopSelf::External => !reflected,
            NextHopSelf::All => true,
        };
        terms.external || puts || chosen.path.peer == OURSELVES || !own_table
    }

    /// `None`: a label is needed and there is none (yet).
    fn outward_label(
        &self,
        terms: &Outward,
        prefix: Prefix,
        chosen: Chosen,
        ourselves: bool,
    ) -> Option<Option<Label>> {
        if terms.family.is_vpn() {
            return match chosen.path.kind() {
                Kind::Vpn => chosen.path.label().map(Some),
                Kind::Unicast | Kind::Labeled | Kind::Leaked => self
                    .fec(chosen.table, prefix, chosen.path)
                    .and_then(|fec| self.labels.label(fec))
                    .map(Some),
            };
        }
        match (terms.family.is_labeled_unicast(), chosen.path.kind()) {
            (false, _) => Some(None),
            (true, Kind::Labeled) if ourselves => {
                self.labels.label(Fec::Prefix(VrfId::GLOBAL, prefix)).map(Some)
            }
            (true, Kind::Labeled) => chosen.path.label().map(Some),
            (true, Kind::Unicast) if chosen.path.peer == OURSELVES => Some(Some(Label::IMPLICIT_NULL)),
            (true, Kind::Unicast | Kind::Vpn | Kind::Leaked) => None,
        }
    }

    /// The attributes as the group gets them; `None`: its policy denies the route.
    pub(crate) fn shape(
        &self,
        terms: &Outward,
        prefix: Prefix,
        chosen: Chosen,
        admitted: &Admitted,
    ) -> Option<Attributes> {
        let mut attributes = admitted.attributes.as_ref().clone();
        if admitted.ourselves {
            attributes.next_hop = terms.local;
        }
        if admitted.reflected {
            let source = self.peer(chosen.path.peer).map_or(Ipv4Addr::UNSPECIFIED, Peer::router_id);
            attributes.originator.get_or_insert(source);
            attributes.clusters.insert(0, self.config.cluster_id.unwrap_or(self.config.router_id));
        }
        if terms.external && chosen.path.peer != OURSELVES {
            attributes.med = None;
        }
        if let Some(map) = &terms.config.route_map_out {
            let source = self.store.slot(chosen.path.slot).map_or(Source::Bgp, |slot| slot.shared.source);
            let subject = Subject { prefix, source, tag: admitted.tag, weight: 0, attributes };
            attributes = self.config.policies.run(map, subject)?.attributes;
        }
        self.address(terms, &mut attributes);
        Some(attributes)
    }

    /// What the kind of session asks for, and the neighbour's switches.
    pub(crate) fn address(&self, terms: &Outward, attributes: &mut Attributes) {
        if terms.external {
            (attributes.local_preference, attributes.originator) = (None, None);
            attributes.clusters.clear();
            if terms.config.remove_private_as {
                // Without its own AS the neighbour could not see a loop.
                attributes.as_path.retain(|asn| !is_private(*asn) || *asn == terms.remote_as);
            }
            attributes.extended.retain(is_transitive);
            if terms.config.as_override {
                let theirs = attributes.as_path.iter_mut().filter(|asn| **asn == terms.remote_as);
                theirs.for_each(|asn| *asn = terms.local_as);
            }
            attributes.prepend(&terms.ours);
        } else {
            attributes.local_preference.get_or_insert(self.config.local_preference);
        }
        if !terms.config.send_community.standard {
            attributes.communities.clear();
            attributes.large.clear();
        }
        if !terms.config.send_community.extended && !terms.family.is_vpn() {
            attributes.extended.clear();
        }
    }

    pub(crate) fn default_attributes(&self, terms: &Outward) -> Attributes {
        let mut attributes = Attributes::new(Origin::Igp, terms.local);
        self.address(terms, &mut attributes);
        attributes
    }

    /// What a peer is told of a family, by its configuration and session.
    pub(crate) fn outward(&self, peer: &Peer, family: AddressFamily) -> Option<Outward> {
        let session = peer.terms.as_ref()?;
        let config = peer.neighbor.families.get(&family)?.clone();
        Some(Outward {
            vrf: peer.id.vrf,
            family,
            external: session.external,
            ours: peer.neighbor.in_front(self.config.asn),
            local_as: session.local_as,
            remote_as: session.remote_as,
            local: unmapped(session.local),
            extended_next_hop: session.families.get(&family)?.extended_next_hop,
            interval: peer.neighbor.timers.advertisement,
            config: crate::config::FamilyConfig {
                allowas_in: 0,
                maximum_prefix: None,
                route_map_in: None,
                prefix_list_in: None,
                weight: 0,
                add_path_receive: false,
                ..config
            },
        })
    }
}

fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl Neighbor {
    fn in_front(&self, asn: u32) -> Vec<u32> {
        let behind = self.local_as.filter(|shown| !shown.replace).map(|_| asn);
        [self.shown_as(asn)].into_iter().chain(behind).collect()
    }
}

/// RFC 4360 section 2: others end with the AS.
const fn is_transitive(community: &[u8; 8]) -> bool {
    community[0] & 0x40 == 0
}

/// RFC 6996.
const fn is_private(asn: u32) -> bool {
    matches!(asn, 64512..=65534 | 4_200_000_000..=4_294_967_294)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::config::{Config, FamilyConfig, SendCommunity};

    fn told(external: bool, send_community: SendCommunity) -> Vec<[u8; 8]> {
        let ribs = Ribs::new(1, Arc::new(Config::new(65000, [10, 0, 0, 1].into())));
        let terms = Outward {
            vrf: VrfId(1),
            family: AddressFamily::Ipv4Unicast,
            external,
            ours: vec![65000],
            local_as: 65000,
            remote_as: 65101,
            local: [10, 0, 0, 1].into(),
            extended_next_hop: false,
            interval: Duration::ZERO,
            config: FamilyConfig { send_community, ..FamilyConfig::default() },
        };
        let mut attributes = Attributes::new(Origin::Igp, terms.local);
        attributes.extended = vec![TRANSITIVE, NOT_TRANSITIVE];
        ribs.address(&terms, &mut attributes);
        attributes.extended
    }

    /// A site of origin, and a link bandwidth.
    const TRANSITIVE: [u8; 8] = [0, 3, 0, 1, 0, 0, 0, 2];
    const NOT_TRANSITIVE: [u8; 8] = [0x40, 4, 0, 1, 0, 0, 0, 2];

    #[test]
    fn extended_communities_go_to_whom_they_are_sent_and_the_transitive_ones_alone_to_another_as() {
        let both = SendCommunity { standard: true, extended: true };
        assert_eq!(told(false, both), [TRANSITIVE, NOT_TRANSITIVE]);
        assert_eq!(told(true, both), [TRANSITIVE]);
        assert_eq!(told(false, SendCommunity { extended: false, ..both }), [[0; 8]; 0]);
    }
}
