//! Delete payload: RFC 7296 section 3.11.

use super::sa;
use crate::wire::{Malformed, Reader, length16};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delete {
    /// The IKE SA that the message travels on.
    Ike,
    /// The sender's inbound SPIs.
    Children { protocol: u8, spis: Vec<u32> },
}

impl Delete {
    pub(crate) const fn esp(spis: Vec<u32>) -> Self {
        Self::Children { protocol: sa::PROTOCOL_ESP, spis }
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (protocol, length, count) = (reader.byte()?, reader.byte()?, reader.short()?);
        match (protocol, length) {
            (sa::PROTOCOL_IKE, _) => Ok(Self::Ike),
            (sa::PROTOCOL_AH | sa::PROTOCOL_ESP, 4) => {
                let spis = (0..count).map(|_| reader.long()).collect::<Result<_, _>>()?;
                Ok(Self::Children { protocol, spis })
            }
            _ => Err(Malformed("bad-delete")),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ike => vec![sa::PROTOCOL_IKE, 0, 0, 0],
            Self::Children { protocol, spis } => {
                let mut body = vec![*protocol, 4];
                body.extend_from_slice(&length16(spis.len()).to_be_bytes());
                body.extend(spis.iter().flat_map(|spi| spi.to_be_bytes()));
                body
            }
        }
    }
}
