//! The bytes of LDP, RFC 5036 section 3: total decoders, and encoders of what we say.

pub(crate) mod address;
pub(crate) mod hello;
pub(crate) mod initialization;
pub(crate) mod label;
pub(crate) mod message;
pub(crate) mod notification;
pub(crate) mod pdu;
pub(crate) mod tlv;

#[cfg(test)]
mod tests;
