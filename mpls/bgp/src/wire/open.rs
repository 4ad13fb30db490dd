//! OPEN and its capabilities: RFC 4271 section 4.2, RFC 5492 and those that define one.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use rustbgpd_wire as codec;
use rustbgpd_wire::{Afi, Capability};

use super::family;
use super::notification::Notification;
use crate::io::AddressFamily;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// With four octets, where the sender has them.
    pub(crate) asn: u32,
    /// In seconds.
    pub(crate) hold: u16,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) offer: Offer,
}

/// What one side says it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) families: BTreeSet<AddressFamily>,
    pub(crate) four_octet: bool,
    pub(crate) refresh: bool,
    pub(crate) enhanced_refresh: bool,
    pub(crate) extended_message: bool,
    pub(crate) restart: Option<RestartOffer>,
    /// RFC 7911: whether it would receive, and whether it would send, several paths.
    pub(crate) add_path: BTreeMap<AddressFamily, (bool, bool)>,
    /// RFC 8950: IPv4 families that it takes with an IPv6 next hop.
    pub(crate) extended_next_hop: BTreeSet<AddressFamily>,
}

/// RFC 4724 section 3, RFC 8538.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestartOffer {
    pub(crate) restarting: bool,
    pub(crate) notification: bool,
    /// In seconds, up to 4095.
    pub(crate) time: u16,
    /// With the F bit: the forwarding state was kept.
    pub(crate) families: BTreeMap<AddressFamily, bool>,
}

impl Open {
    pub(super) fn read(mut body: &[u8]) -> Result<Self, Notification> {
        let length = body.len();
        let open = codec::OpenMessage::decode(&mut body, length)?;
        Ok(Self {
            asn: open.four_byte_as(),
            hold: open.hold_time,
            router_id: open.bgp_identifier,
            offer: Offer::read(&open.capabilities),
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let open = codec::OpenMessage {
            version: 4,
            my_as: u16::try_from(self.asn).unwrap_or(AS_TRANS),
            hold_time: self.hold,
            bgp_identifier: self.router_id,
            capabilities: self.offer.write(self.asn),
        };
        // Seven families' capabilities fit.
        let _ = open.encode(out);
    }
}

impl Offer {
    fn read(capabilities: &[Capability]) -> Self {
        let mut offer = Self::default();
        let mut multiprotocol = false;
        for capability in capabilities {
            multiprotocol |= capability.code() == MULTIPROTOCOL;
            offer.add(capability);
        }
        if !multiprotocol {
            // RFC 4760 section 8: who does not speak of families has the first.
            offer.families.insert(AddressFamily::Ipv4Unicast);
        }
        offer
    }

    fn add(&mut self, capability: &Capability) {
        match capability {
            Capability::MultiProtocol { afi, safi } => self.families.extend(known(*afi, *safi)),
            Capability::RouteRefresh => self.refresh = true,
            Capability::EnhancedRouteRefresh => self.enhanced_refresh = true,
            Capability::ExtendedMessage => self.extended_message = true,
            Capability::FourOctetAs { .. } => self.four_octet = true,
            Capability::GracefulRestart { restart_state, notification, restart_time, families } => {
                let families =
                    families.iter().filter_map(|of| Some((known(of.afi, of.safi)?, of.forwarding_preserved)));
                self.restart = Some(RestartOffer {
                    restarting: *restart_state,
                    notification: *notification,
                    time: *restart_time,
                    families: families.collect(),
                });
            }
            Capability::AddPath(families) => {
                let modes =
                    families.iter().filter_map(|of| Some((known(of.afi, of.safi)?, of.send_receive as u8)));
                self.add_path.extend(modes.map(|(family, mode)| (family, (mode & 1 != 0, mode & 2 != 0))));
            }
            Capability::ExtendedNextHop(families) => {
                let v6 = families.iter().filter(|of| of.next_hop_afi == Afi::Ipv6);
                self.extended_next_hop.extend(v6.filter_map(|of| known(of.nlri_afi, of.nlri_safi)));
            }
            Capability::Unknown { code, data } => self.add_raw(*code, data),
            Capability::LinkLocalNextHop
            | Capability::LongLivedGracefulRestart(_)
            | Capability::PathsLimit(_)
            | Capability::OutboundRouteFilter(_)
            | Capability::Role { .. }
            | _ => {}
        }
    }

    /// Lists in which the codec found a family that it does not know.
    fn add_raw(&mut self, code: u8, data: &[u8]) {
        match code {
            ADD_PATH => {
                for &[a, b, safi, mode] in data.as_chunks::<4>().0 {
                    let family = family::known(u16::from_be_bytes([a, b]), safi).filter(|_| mode <= 3);
                    self.add_path.extend(family.map(|family| (family, (mode & 1 != 0, mode & 2 != 0))));
                }
            }
            EXTENDED_NEXT_HOP => {
                for &[a, b, high, safi, next_hop @ ..] in data.as_chunks::<6>().0 {
                    let v6 = high == 0 && next_hop == [0, 2];
                    self.extended_next_hop
                        .extend(family::known(u16::from_be_bytes([a, b]), safi).filter(|_| v6));
                }
            }
            _ => {}
        }
    }

    fn write(&self, asn: u32) -> Vec<Capability> {
        let mut capabilities = self.families();
        capabilities.extend(self.refresh.then_some(Capability::RouteRefresh));
        capabilities.extend(self.enhanced_refresh.then_some(Capability::EnhancedRouteRefresh));
        capabilities.extend(self.extended_message.then_some(Capability::ExtendedMessage));
        capabilities.extend(self.four_octet.then_some(Capability::FourOctetAs { asn }));
        if !self.extended_next_hop.is_empty() {
            let families = self.extended_next_hop.iter().map(|&family| {
                let (nlri_afi, nlri_safi) = family::codec(family);
                codec::ExtendedNextHopFamily { nlri_afi, nlri_safi, next_hop_afi: Afi::Ipv6 }
            });
            capabilities.push(Capability::ExtendedNextHop(families.collect()));
        }
        capabilities.extend(self.write_add_path());
        capabilities.extend(self.restart.as_ref().map(RestartOffer::write));
        capabilities
    }

    fn families(&self) -> Vec<Capability> {
        let families = self.families.iter().map(|&family| family::codec(family));
        families.map(|(afi, safi)| Capability::MultiProtocol { afi, safi }).collect()
    }

    fn write_add_path(&self) -> Option<Capability> {
        let families = self.add_path.iter().filter_map(|(&family, &(receive, send))| {
            let (afi, safi) = family::codec(family);
            let send_receive = codec::AddPathMode::from_u8(u8::from(receive) | (u8::from(send) << 1))?;
            Some(codec::AddPathFamily { afi, safi, send_receive })
        });
        let families: Vec<_> = families.collect();
        (!families.is_empty()).then_some(Capability::AddPath(families))
    }

    /// The capabilities that name its families, as a NOTIFICATION lists what was missed (RFC 5492 section 5).
    pub(crate) fn missed(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for capability in self.families() {
            // Four octets of value always fit.
            let _ = capability.encode(&mut data);
        }
        data
    }
}

impl RestartOffer {
    fn write(&self) -> Capability {
        let families = self.families.iter().map(|(&family, &forwarding_preserved)| {
            let (afi, safi) = family::codec(family);
            codec::GracefulRestartFamily { afi, safi, forwarding_preserved }
        });
        Capability::GracefulRestart {
            restart_state: self.restarting,
            notification: self.notification,
            restart_time: self.time.min(4095),
            families: families.collect(),
        }
    }
}

fn known(afi: Afi, safi: codec::Safi) -> Option<AddressFamily> {
    family::known(afi as u16, safi as u8)
}

/// RFC 6793: in the two octets of who has a longer number.
const AS_TRANS: u16 = codec::constants::AS_TRANS;
const MULTIPROTOCOL: u8 = codec::constants::capability_code::MULTI_PROTOCOL;
const ADD_PATH: u8 = codec::constants::capability_code::ADD_PATH;
const EXTENDED_NEXT_HOP: u8 = codec::constants::capability_code::EXTENDED_NEXT_HOP;
