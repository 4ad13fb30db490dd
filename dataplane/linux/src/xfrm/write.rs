//! Bodies of requests, field by field; zeroed when dropped.

use std::net::IpAddr;

use base::{Family, Prefix};
use ipsec::{Ports, Selector};
use zeroize::Zeroizing;

use super::{GUARDED, MARK_MASK, NEVER, OWNER, attribute};

/// As much as the largest request needs: what holds keys is never moved to a larger place.
const ROOM: usize = 4096;

pub(crate) struct Body(Zeroizing<Vec<u8>>);

impl Body {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(ROOM)))
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        debug_assert!(self.0.len() + bytes.len() <= ROOM);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_ne_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_ne_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_ne_bytes())
    }

    /// A port or an SPI as it is on the wire.
    pub(crate) fn port(&mut self, port: u16) -> &mut Self {
        self.bytes(&port.to_be_bytes())
    }

    pub(crate) fn spi(&mut self, spi: u32) -> &mut Self {
        self.bytes(&spi.to_be_bytes())
    }

    pub(crate) fn zeros(&mut self, count: usize) -> &mut Self {
        let length = self.0.len() + count;
        self.0.resize(length, 0);
        self
    }

    /// `xfrm_address_t`.
    pub(crate) fn address(&mut self, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => self.bytes(&address.octets()).zeros(12),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
    }

    /// `AF_*`.
    pub(crate) fn family(&mut self, family: Family) -> &mut Self {
        self.u16(match family {
            Family::V4 => 2,
            Family::V6 => 10,
        })
    }

    /// `struct xfrm_selector` of packets from one side to another, whose ports are blocks of a common mask. `device`:
    /// the index of the one that they leave by; zero: any.
    pub(crate) fn selector(
        &mut self,
        source: Side,
        to: Side,
        protocol: Option<u8>,
        device: u32,
    ) -> &mut Self {
        self.address(to.0.address()).address(source.0.address());
        self.ports(to.1).ports(source.1);
        self.family(to.0.family()).u8(to.0.length()).u8(source.0.length());
        self.u8(protocol.unwrap_or(0)).zeros(3).u32(device).u32(OWNER)
    }

    fn ports(&mut self, ports: Ports) -> &mut Self {
        self.port(ports.first).port(!(ports.first ^ ports.last))
    }

    /// `struct xfrm_lifetime_cfg`: bytes and packets, each soft and hard; never by time.
    pub(crate) fn lifetime(&mut self, bytes: (u64, u64), packets: (u64, u64)) -> &mut Self {
        self.u64(bytes.0).u64(bytes.1).u64(packets.0).u64(packets.1).zeros(32)
    }

    pub(crate) fn forever(&mut self) -> &mut Self {
        self.lifetime((NEVER, NEVER), (NEVER, NEVER))
    }

    /// One attribute, whose content `fill` writes.
    pub(crate) fn attribute(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.0.len();
        self.u16(0).u16(kind);
        fill(self);
        let length = self.0.len() - start;
        if let Some(place) = self.0.get_mut(start..start + 2) {
            place.copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
        }
        self.zeros(length.next_multiple_of(4) - length)
    }

    /// Zero is a mark, too: it tells an SA from those with another.
    pub(crate) fn mark(&mut self, mark: u32) -> &mut Self {
        self.attribute(attribute::MARK, |body| {
            body.u32(mark).u32(MARK_MASK | mark & GUARDED);
        })
    }

    pub(crate) fn if_id(&mut self, if_id: u32) -> &mut Self {
        self.attribute(attribute::IF_ID, |body| {
            body.u32(if_id);
        })
    }
}

/// A prefix and ports of one end.
pub(crate) type Side = (Prefix, Ports);

/// Our end and the peer's.
pub(crate) const fn sides(selector: &Selector) -> (Side, Side) {
    ((selector.local, selector.local_ports), (selector.remote, selector.remote_ports))
}
