//! Key exchange payload: RFC 2408 section 3.7. The value's meaning is the group's affair.

use super::Malformed;

/// The longest public value of a group we know, with room to spare: MODP 8192.
const LONGEST: usize = 1024;

pub(crate) fn decode(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    match body.len() {
        1..=LONGEST => Ok(body.to_vec()),
        _ => Err(Malformed("bad-key-exchange-length")),
    }
}
