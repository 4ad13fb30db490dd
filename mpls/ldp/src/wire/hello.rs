//! Hello: RFC 5036 section 3.5.2, its flag for GTSM (RFC 6720) and the preferred transport (RFC 7552 section 6.1.1).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use base::Family;

use super::notification::{Fault, Status};
use super::tlv;

const TARGETED: u16 = 0x8000;
const REQUEST: u16 = 0x4000;
const GTSM: u16 = 0x2000;

/// A hold time that never ends.
pub(crate) const FOREVER: u16 = 0xFFFF;

/// The four bits in front of the dual-stack capability.
const PREFERS_IPV4: u8 = 0x40;
const PREFERS_IPV6: u8 = 0x60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// In seconds; zero: the default of its kind.
    pub(crate) hold: u16,
    pub(crate) targeted: bool,
    /// Asks for targeted hellos in return.
    pub(crate) request: bool,
    pub(crate) gtsm: bool,
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
    pub(crate) sequence: Option<u32>,
    /// Dual-stack: the family that sessions prefer.
    pub(crate) preference: Option<Family>,
}

impl Hello {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Fault> {
        let (mut common, mut ipv4, mut ipv6, mut sequence, mut preference) = (None, None, None, None, None);
        tlv::each(body, |kind, value| {
            match kind {
                tlv::COMMON_HELLO => common = Some(tlv::exactly::<4>(value)?),
                tlv::IPV4_TRANSPORT => ipv4 = Some(Ipv4Addr::from(tlv::exactly::<4>(value)?)),
                tlv::IPV6_TRANSPORT => ipv6 = Some(Ipv6Addr::from(tlv::exactly::<16>(value)?)),
                tlv::SEQUENCE => sequence = Some(u32::from_be_bytes(tlv::exactly(value)?)),
                tlv::DUAL_STACK => preference = prefers(tlv::exactly(value)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let [h0, h1, f0, f1] = common.ok_or(Status::MISSING)?;
        let flags = u16::from_be_bytes([f0, f1]);
        let (targeted, request, gtsm) = (flags & TARGETED != 0, flags & REQUEST != 0, flags & GTSM != 0);
        let hold = u16::from_be_bytes([h0, h1]);
        Ok(Self { hold, targeted, request, gtsm, ipv4, ipv6, sequence, preference })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        let flags = flag(self.targeted, TARGETED) | flag(self.request, REQUEST) | flag(self.gtsm, GTSM);
        let common = [self.hold.to_be_bytes(), flags.to_be_bytes()];
        tlv::put(out, tlv::COMMON_HELLO, common.as_flattened());
        if let Some(address) = self.ipv4 {
            tlv::put(out, tlv::IPV4_TRANSPORT, &address.octets());
        }
        if let Some(address) = self.ipv6 {
            tlv::put(out, tlv::IPV6_TRANSPORT, &address.octets());
        }
        if let Some(sequence) = self.sequence {
            tlv::put(out, tlv::SEQUENCE, &sequence.to_be_bytes());
        }
        if let Some(preference) = self.preference {
            let bits = if preference == Family::V4 { PREFERS_IPV4 } else { PREFERS_IPV6 };
            tlv::put(out, tlv::DUAL_STACK | tlv::UNKNOWN, &[bits, 0, 0, 0]);
        }
    }

    /// Where sessions of a family end, as the hello says.
    pub(crate) fn transport(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.ipv4.map(IpAddr::V4),
            Family::V6 => self.ipv6.map(IpAddr::V6),
        }
    }

    /// What was proposed, with the default for zero; `None`: for ever.
    pub(crate) fn hold(&self) -> Option<Duration> {
        match self.hold {
            FOREVER => None,
            0 if self.targeted => Some(Duration::from_secs(45)),
            0 => Some(Duration::from_secs(15)),
            seconds => Some(Duration::from_secs(seconds.into())),
        }
    }
}

fn prefers([first, _, _, _]: [u8; 4]) -> Option<Family> {
    match first & 0xF0 {
        PREFERS_IPV4 => Some(Family::V4),
        PREFERS_IPV6 => Some(Family::V6),
        _ => None,
    }
}
