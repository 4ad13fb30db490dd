//! IKE version 2: RFC 7296 and its extensions.

pub(crate) mod auth;
pub(crate) mod child;
pub(crate) mod collide;
pub(crate) mod cookie;
pub(crate) mod create_child;
pub(crate) mod delete;
pub(crate) mod informational;
pub(crate) mod intermediate;
pub(crate) mod keyring;
pub(crate) mod keys;
pub(crate) mod liveness;
pub(crate) mod mobike;
pub(crate) mod narrow;
pub(crate) mod opening;
pub(crate) mod ppk;
pub(crate) mod profile;
pub(crate) mod proposal;
pub(crate) mod redirect;
pub(crate) mod rekey_child;
pub(crate) mod rekey_ike;
pub(crate) mod sa_init;
pub(crate) mod sealed;
pub(crate) mod session;
pub(crate) mod state;
pub(crate) mod task;
pub(crate) mod window;
pub(crate) mod wire;

#[cfg(test)]
mod tests;
