//! Delete payload: RFC 2408 section 3.15.

use super::{Malformed, Reader, length16, sa};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delete {
    pub(crate) protocol: u8,
    /// Cookie pairs of 16 bytes for ISAKMP, the sender's inbound SPIs of 4 bytes for ESP.
    pub(crate) spis: Vec<Vec<u8>>,
}

impl Delete {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if ![0, sa::DOI_IPSEC].contains(&reader.long()?) {
            return Err(Malformed("unknown-doi"));
        }
        let (protocol, length, count) = (reader.byte()?, reader.byte()?, reader.short()?);
        if length == 0 {
            return Err(Malformed("empty-spi"));
        }
        let spis = (0..count).map(|_| reader.take(usize::from(length)).map(<[u8]>::to_vec));
        Ok(Self { protocol, spis: spis.collect::<Result<_, _>>()? })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let length = self.spis.first().map_or(0, Vec::len);
        let mut body = sa::DOI_IPSEC.to_be_bytes().to_vec();
        body.extend_from_slice(&[self.protocol, u8::try_from(length).unwrap_or(u8::MAX)]);
        body.extend_from_slice(&length16(self.spis.len()).to_be_bytes());
        body.extend(self.spis.iter().flatten());
        body
    }
}
