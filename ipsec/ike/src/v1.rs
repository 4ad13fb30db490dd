//! IKE version 1: RFC 2409 over ISAKMP (RFC 2408).

pub(crate) mod cipher;
pub(crate) mod informational;
pub(crate) mod main;
pub(crate) mod quick;
pub(crate) mod session;
