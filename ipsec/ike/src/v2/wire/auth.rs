//! Authentication payload: RFC 7296 section 3.8, RFC 7427 section 3.

use crypto::sign::Scheme;

use super::signature;
use crate::wire::{Malformed, Reader};

/// Authentication methods.
pub(crate) mod method {
    pub(crate) const RSA: u8 = 1;
    pub(crate) const SHARED_KEY: u8 = 2;
    pub(crate) const ECDSA_256: u8 = 9;
    pub(crate) const ECDSA_384: u8 = 10;
    pub(crate) const ECDSA_521: u8 = 11;
    /// RFC 7427.
    pub(crate) const DIGITAL_SIGNATURE: u8 = 14;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Auth {
    pub(crate) method: u8,
    pub(crate) data: Vec<u8>,
}

impl Auth {
    /// With the digital signature method: the scheme is named in front of the signature. `None`: the
    /// scheme has no name there.
    pub(crate) fn signed(scheme: Scheme, signature: &[u8]) -> Option<Self> {
        let name = signature::encode(scheme)?;
        let length = u8::try_from(name.len()).ok()?;
        let data = [&[length], name.as_slice(), signature].concat();
        Some(Self { method: method::DIGITAL_SIGNATURE, data })
    }

    /// Of a digital signature: its scheme (`None`: one we do not know) and the signature.
    pub(crate) fn digital_signature(&self) -> Result<(Option<Scheme>, &[u8]), Malformed> {
        let mut reader = Reader::new(&self.data);
        let length = usize::from(reader.byte()?);
        let name = reader.take(length)?;
        Ok((signature::decode(name), reader.rest()))
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let [method, ..] = reader.array::<4>()?;
        if reader.is_empty() {
            return Err(Malformed("empty-authentication"));
        }
        Ok(Self { method, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&[self.method, 0, 0, 0], self.data.as_slice()].concat()
    }
}
