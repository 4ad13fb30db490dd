//! Signatures of IKE: RSA (PKCS #1 v1.5 and PSS), ECDSA and Ed25519, with keys as they stand in PEM files.

use base::Secret;

/// A private key and what it can sign. No Debug.
#[derive(PartialEq, Eq)]
pub struct PrivateKey {
    kind: Kind,
    /// PKCS #8.
    pkcs8: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Bits of the modulus.
    Rsa(u16),
    EcP256,
    EcP384,
    EcP521,
    Ed25519,
}
