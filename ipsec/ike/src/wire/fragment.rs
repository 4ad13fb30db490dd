//! Fragment payload of IKE version 1, as gateways of the field send it: an identifier, a number from 1 on,
//! and a flag on the last one.

use super::{Malformed, Reader};

const LAST: u8 = 0x01;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    /// The same in all fragments of a message.
    pub(crate) id: u16,
    pub(crate) number: u8,
    pub(crate) is_last: bool,
    pub(crate) data: &'a [u8],
}

impl<'a> Fragment<'a> {
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (id, number, flags) = (reader.short()?, reader.byte()?, reader.byte()?);
        if number == 0 || reader.is_empty() {
            return Err(Malformed("bad-fragment"));
        }
        Ok(Self { id, number, is_last: flags & LAST != 0, data: reader.rest() })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = self.id.to_be_bytes().to_vec();
        body.extend_from_slice(&[self.number, if self.is_last { LAST } else { 0 }]);
        body.extend_from_slice(self.data);
        body
    }
}
