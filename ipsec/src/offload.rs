//! What a network card does of ESP.

/// What it refuses is done in software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// The ciphers.
    Crypto,
    /// The ciphers, the headers and the policies.
    Packet,
}
