//! Configuration payload: RFC 7296 section 3.15. We hand out no addresses: it is only read.

use crate::wire::{Malformed, Reader};

const MOST_ATTRIBUTES: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// 1: a request, 2: a reply, 3: set, 4: an acknowledgement.
    pub(crate) kind: u8,
    /// Type and value.
    pub(crate) attributes: Vec<(u16, Vec<u8>)>,
}

impl Configuration {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let [kind, ..] = reader.array::<4>()?;
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            if attributes.len() == MOST_ATTRIBUTES {
                return Err(Malformed("too-many-attributes"));
            }
            let (attribute, length) = (reader.short()? & 0x7fff, reader.short()?);
            attributes.push((attribute, reader.take(usize::from(length))?.to_vec()));
        }
        Ok(Self { kind, attributes })
    }
}
