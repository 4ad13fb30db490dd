//! Ciphers, MACs, PRFs, key exchange, signatures and the DRBG behind plain functions; the only crate besides
//! `sys` with `unsafe` (FFI to aws-lc), each block with its reason.

pub mod aead;
#[allow(unsafe_code, reason = "single AES blocks and counter mode have no safe API of aws-lc")]
mod aes;
mod base64;
mod block_mac;
#[allow(unsafe_code, reason = "AES and DES of aws-lc have no safe API that keeps its state inline")]
pub mod cbc;
mod ccm;
pub mod ctr;
pub mod dh;
pub mod drbg;
mod ecdsa;
#[allow(unsafe_code, reason = "raw RSA and seeded KEMs have no safe API")]
mod evp;
pub mod job;
mod kem;
pub mod mac;
#[allow(unsafe_code, reason = "finite-field Diffie-Hellman has no safe API")]
mod modp;
pub mod pem;
pub mod prf;
pub mod raw;
pub mod sign;
pub mod type6;

use subtle::ConstantTimeEq;

/// Whether `a` and `b` are the same bytes, in a time that depends on their lengths alone.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// A key, an IV or the data is of a length that the algorithm does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength;

impl core::fmt::Display for BadLength {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a length that the algorithm does not take")
    }
}

impl core::error::Error for BadLength {}

#[cfg(test)]
mod testing;
