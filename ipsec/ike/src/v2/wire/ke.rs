//! Key exchange and nonce payloads: RFC 7296 sections 3.4 and 3.9.

use crate::wire::{Malformed, Reader};

/// The longest public value of a method we know: ML-KEM-1024's keys and ciphertexts.
const LONGEST: usize = 1568;

/// Key exchange method and public value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyExchange {
    pub(crate) method: u16,
    pub(crate) public: Vec<u8>,
}

impl KeyExchange {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let method = reader.short()?;
        reader.short()?;
        match reader.rest().len() {
            1..=LONGEST => Ok(Self { method, public: reader.rest().to_vec() }),
            _ => Err(Malformed("bad-key-exchange-length")),
        }
    }
}

pub(crate) fn encode(method: u16, public: &[u8]) -> Vec<u8> {
    let [high, low] = method.to_be_bytes();
    [&[high, low, 0, 0], public].concat()
}

/// RFC 7296 section 2.10 wants 16 to 256 bytes.
pub(crate) fn decode_nonce(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    match body.len() {
        16..=256 => Ok(body.to_vec()),
        _ => Err(Malformed("bad-nonce-length")),
    }
}
