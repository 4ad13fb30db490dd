//! How peers prove who they are: one file per method, shared by both versions of the protocol.

pub(crate) mod certificate;
pub(crate) mod psk;
