//! IKEv2 messages (RFC 7296 section 3) as bytes and back: one file per payload. The header, the reader and
//! the chain's builder are those of version 1. Decoding is total and its work is bounded.

pub(crate) mod auth;
pub(crate) mod cert;
pub(crate) mod delete;
pub(crate) mod header;
pub(crate) mod id;
pub(crate) mod ke;
pub(crate) mod notify;
pub(crate) mod payload;
pub(crate) mod sa;
pub(crate) mod signature;
pub(crate) mod ts;

#[cfg(test)]
mod tests;
