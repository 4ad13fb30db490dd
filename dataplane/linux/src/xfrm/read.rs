//! Dumps and notifications, field by field: total, and nothing is read twice.

use std::net::IpAddr;

use base::{Family, Prefix};
use ipsec::{Ports, Selector};

use super::{GUARDED, MARK_MASK, OWNER, attribute};

/// What of a message was not read yet.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

/// What a selector of the kernel says.
pub(crate) struct Target {
    /// Seen from where the packets come from.
    pub(crate) from_source: Selector,
    /// The index of the device that they leave by.
    pub(crate) device: u32,
    /// Whether we wrote it.
    pub(crate) is_ours: bool,
}

/// The attributes of a message.
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_ne_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }

    pub(crate) fn port(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn spi(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// `xfrm_address_t`: its family stands elsewhere.
    pub(crate) fn address(&mut self) -> Option<[u8; 16]> {
        self.array()
    }

    /// `struct xfrm_selector`; `None` where it is none that [`Body::selector`](super::Body::selector) writes.
    pub(crate) fn selector(&mut self) -> Option<Target> {
        let (to, source) = (self.address()?, self.address()?);
        let (to_ports, source_ports) = (self.ports()?, self.ports()?);
        let family = family(self.u16()?)?;
        let (to_length, source_length) = (self.u8()?, self.u8()?);
        let protocol = self.u8()?;
        self.skip(3)?;
        let (device, user) = (self.u32()?, self.u32()?);
        let from_source = Selector {
            local: Prefix::new(address(source, family), source_length).ok()?,
            remote: Prefix::new(address(to, family), to_length).ok()?,
            protocol: (protocol != 0).then_some(protocol),
            local_ports: source_ports?,
            remote_ports: to_ports?,
        };
        Some(Target { from_source, device, is_ours: user == OWNER })
    }

    /// A value and its mask; `None` inside: no block.
    fn ports(&mut self) -> Option<Option<Ports>> {
        let (value, mask) = (self.port()?, self.port()?);
        let is_block = mask.leading_ones() + mask.trailing_zeros() == u16::BITS || mask == 0;
        let first = value & mask;
        Some(is_block.then_some(Ports { first, last: first | !mask }))
    }

    pub(crate) const fn attributes(self) -> Attributes<'a> {
        Attributes(self.0)
    }
}

impl<'a> Attributes<'a> {
    /// The content of the first attribute of this kind.
    pub(crate) fn find(&self, wanted: u16) -> Option<Reader<'a>> {
        let mut rest = Reader(self.0);
        loop {
            let (length, kind) = (usize::from(rest.u16()?), rest.u16()?);
            let content = rest.take(length.checked_sub(4)?)?;
            if kind & 0x3FFF == wanted {
                return Some(Reader(content));
            }
            // The last one may come without its padding.
            rest.skip((length.next_multiple_of(4) - length).min(rest.0.len()))?;
        }
    }

    pub(crate) fn if_id(&self) -> u32 {
        self.find(attribute::IF_ID).and_then(|mut content| content.u32()).unwrap_or(0)
    }

    /// The front VRF in the mark; zero where there is none, `None` where it is no mark of ours.
    pub(crate) fn mark(&self) -> Option<u32> {
        let Some(mut content) = self.find(attribute::MARK) else { return Some(0) };
        let (value, mask) = (content.u32()?, content.u32()?);
        (mask == MARK_MASK | value & GUARDED || (value, mask) == (0, 0)).then_some(value)
    }
}

pub(crate) const fn family(number: u16) -> Option<Family> {
    match number {
        2 => Some(Family::V4),
        10 => Some(Family::V6),
        _ => None,
    }
}

pub(crate) fn address(octets: [u8; 16], family: Family) -> IpAddr {
    match family {
        Family::V4 => {
            let [a, b, c, d, ..] = octets;
            IpAddr::from([a, b, c, d])
        }
        Family::V6 => IpAddr::from(octets),
    }
}
