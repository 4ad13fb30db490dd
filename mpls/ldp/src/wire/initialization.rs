//! Initialization: session parameters (RFC 5036 section 3.5.3), graceful restart (RFC 3478 section 2) and capabilities
//! (RFC 5561), which the Capability message changes later.

use core::net::Ipv4Addr;
use core::time::Duration;

use super::notification::{Fault, Status};
use super::pdu::DEFAULT_LENGTH;
use super::tlv;
use crate::LdpId;

const VERSION: u16 = 1;
/// The state bit of a capability.
const ON: u8 = 0x80;
/// Learn from the network, as RFC 3478 section 2 wants it.
const LEARN: u16 = 1;
/// Up to here a proposal of a PDU length means the default.
const UNSPECIFIED_LENGTH: u16 = 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Initialization {
    /// In seconds.
    pub(crate) keepalive: u16,
    /// Zero: the default.
    pub(crate) most: u16,
    pub(crate) receiver: LdpId,
    pub(crate) restart: Option<FtSession>,
    pub(crate) capabilities: Capabilities,
}

/// How long labels shall outlive a session, RFC 3478 section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FtSession {
    /// Zero: the sender does not keep its labels itself.
    pub(crate) reconnect: Duration,
    /// Zero: the sender kept nothing.
    pub(crate) recovery: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) dynamic: bool,
    pub(crate) typed_wildcard: bool,
    pub(crate) unrecognized_notification: bool,
}

impl Capabilities {
    pub(crate) const OURS: Self =
        Self { dynamic: true, typed_wildcard: true, unrecognized_notification: true };

    /// Applies a Capability message, RFC 5561 section 5.
    pub(crate) fn change(mut self, body: &[u8]) -> Result<Self, Fault> {
        tlv::each(body, |kind, value| self.take(kind, value))?;
        Ok(self)
    }

    fn take(&mut self, kind: u16, value: &[u8]) -> Result<bool, Fault> {
        let place = match kind {
            tlv::DYNAMIC_CAPABILITY => &mut self.dynamic,
            tlv::TYPED_WILDCARD => &mut self.typed_wildcard,
            tlv::UNRECOGNIZED_NOTIFICATION => &mut self.unrecognized_notification,
            _ => return Ok(false),
        };
        *place = value.first().ok_or(Status::MALFORMED_TLV)? & ON != 0;
        Ok(true)
    }

    fn encode(self, out: &mut Vec<u8>) {
        let all = [
            (self.dynamic, tlv::DYNAMIC_CAPABILITY),
            (self.typed_wildcard, tlv::TYPED_WILDCARD),
            (self.unrecognized_notification, tlv::UNRECOGNIZED_NOTIFICATION),
        ];
        for (_, kind) in all.into_iter().filter(|(on, _)| *on) {
            tlv::put(out, kind | tlv::UNKNOWN, &[ON]);
        }
    }
}

impl Initialization {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Fault> {
        let (mut common, mut restart, mut capabilities) = (None, None, Capabilities::default());
        tlv::each(body, |kind, value| {
            match kind {
                tlv::COMMON_SESSION => common = Some(tlv::exactly::<14>(value)?),
                tlv::FT_SESSION => restart = FtSession::decode(tlv::exactly(value)?),
                _ => return capabilities.take(kind, value),
            }
            Ok(true)
        })?;
        let [v0, v1, k0, k1, _, _, m0, m1, a, b, c, d, s0, s1] = common.ok_or(Status::MISSING)?;
        if u16::from_be_bytes([v0, v1]) != VERSION {
            return Err(Status::BAD_VERSION.into());
        }
        let receiver = LdpId { router: Ipv4Addr::new(a, b, c, d), space: u16::from_be_bytes([s0, s1]) };
        let (keepalive, most) = (u16::from_be_bytes([k0, k1]), u16::from_be_bytes([m0, m1]));
        Ok(Self { keepalive, most, receiver, restart, capabilities })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut common = Vec::with_capacity(14);
        // Downstream unsolicited; no loop detection.
        for word in [VERSION, self.keepalive, 0, self.most] {
            common.extend(word.to_be_bytes());
        }
        common.extend(self.receiver.router.octets());
        common.extend(self.receiver.space.to_be_bytes());
        tlv::put(out, tlv::COMMON_SESSION, &common);
        if let Some(restart) = self.restart {
            tlv::put(out, tlv::FT_SESSION | tlv::UNKNOWN, &restart.encode());
        }
        self.capabilities.encode(out);
    }

    /// The longest PDU that the sender takes.
    pub(crate) fn longest(&self) -> u16 {
        if self.most <= UNSPECIFIED_LENGTH { DEFAULT_LENGTH } else { self.most }
    }
}

impl FtSession {
    /// `None`: not as RFC 3478 uses it.
    fn decode([f0, f1, _, _, c0, c1, c2, c3, r0, r1, r2, r3]: [u8; 12]) -> Option<Self> {
        let millis = |bytes| Duration::from_millis(u32::from_be_bytes(bytes).into());
        let (reconnect, recovery) = (millis([c0, c1, c2, c3]), millis([r0, r1, r2, r3]));
        (u16::from_be_bytes([f0, f1]) & LEARN != 0).then_some(Self { reconnect, recovery })
    }

    fn encode(self) -> Vec<u8> {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX).to_be_bytes();
        [&LEARN.to_be_bytes()[..], &[0, 0], &millis(self.reconnect), &millis(self.recovery)].concat()
    }
}
