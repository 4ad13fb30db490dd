//! Ciphers, MACs, PRFs, Diffie-Hellman and the DRBG behind plain functions; the only crate besides
//! `sys` with `unsafe` (FFI to aws-lc), each block with its reason.

pub mod aead;
#[allow(unsafe_code, reason = "AES and DES of aws-lc have no safe API that keeps its state inline")]
pub mod cbc;
pub mod dh;
pub mod drbg;
pub mod job;
pub mod mac;
#[allow(unsafe_code, reason = "finite-field Diffie-Hellman has no safe API")]
mod modp;
pub mod prf;
pub mod raw;
pub mod sign;

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
