//! IKE version 1: RFC 2409 over ISAKMP (RFC 2408).

pub(crate) mod aggressive;
pub(crate) mod cipher;
pub(crate) mod dpd;
pub(crate) mod fragments;
pub(crate) mod informational;
pub(crate) mod main;
pub(crate) mod offer;
pub(crate) mod opening;
pub(crate) mod phase1;
pub(crate) mod prove;
pub(crate) mod quick;
pub(crate) mod session;
pub(crate) mod trust;
