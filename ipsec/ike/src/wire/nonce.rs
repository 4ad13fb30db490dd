//! Nonce payload: RFC 2409 section 5 wants 8 to 256 bytes.

use super::Malformed;

/// Ours: as long as the strongest PRF's security needs.
pub(crate) const OURS: usize = 32;

pub(crate) fn decode(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    match body.len() {
        8..=256 => Ok(body.to_vec()),
        _ => Err(Malformed("bad-nonce-length")),
    }
}
