//! Ciphers, MACs, PRFs, Diffie-Hellman and the DRBG behind plain functions; the only crate besides
//! `sys` with `unsafe` (FFI and cipher kernels), each block with its reason.

pub mod dh;
