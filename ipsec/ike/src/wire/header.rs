//! The header of every message: RFC 2408 section 3.1.

use super::{Malformed, Reader};

/// One side's cookie; all zero while it is not known.
pub(crate) type Cookie = [u8; 8];

pub(crate) const LENGTH: usize = 28;
pub(crate) const VERSION_1: u8 = 0x10;
pub(crate) const FLAG_ENCRYPTED: u8 = 0x01;

/// Exchange types, RFC 2408 section 3.1 and RFC 2409 appendix A.
pub(crate) mod exchange {
    pub(crate) const MAIN: u8 = 2;
    pub(crate) const AGGRESSIVE: u8 = 4;
    pub(crate) const INFORMATIONAL: u8 = 5;
    pub(crate) const TRANSACTION: u8 = 6;
    pub(crate) const QUICK: u8 = 32;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) initiator: Cookie,
    pub(crate) responder: Cookie,
    /// Type of the first payload.
    pub(crate) next: u8,
    pub(crate) version: u8,
    pub(crate) exchange: u8,
    pub(crate) flags: u8,
    pub(crate) message_id: u32,
}

impl Header {
    /// The header and what follows it. Bytes beyond the announced length are ignored.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut reader = Reader::new(bytes);
        let header = Self {
            initiator: reader.array()?,
            responder: reader.array()?,
            next: reader.byte()?,
            version: reader.byte()?,
            exchange: reader.byte()?,
            flags: reader.byte()?,
            message_id: reader.long()?,
        };
        let length = reader.long()?;
        let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(LENGTH));
        let body = reader.take(body.ok_or(Malformed("bad-message-length"))?)?;
        Ok((header, body))
    }

    pub(crate) fn encode(&self, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH + body.len());
        bytes.extend_from_slice(&self.initiator);
        bytes.extend_from_slice(&self.responder);
        bytes.extend_from_slice(&[self.next, self.version, self.exchange, self.flags]);
        bytes.extend_from_slice(&self.message_id.to_be_bytes());
        let length = u32::try_from(LENGTH + body.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    pub(crate) const fn is_encrypted(&self) -> bool {
        self.flags & FLAG_ENCRYPTED != 0
    }
}
