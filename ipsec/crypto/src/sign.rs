//! Signatures of IKE: RSA (PKCS #1 v1.5 and PSS), ECDSA and Ed25519, with keys as they stand in PEM files.

use core::fmt;
use std::sync::Arc;

use aws_lc_sys as sys;

use crate::ecdsa;
use crate::evp::{self, Method};
use crate::job::Failed;
use crate::pem;
use crate::prf::Hash;

/// A private key and what it can sign. No Debug.
pub struct PrivateKey {
    key: evp::Key,
    public: PublicKey,
}

/// A public key, as a certificate carries it.
#[derive(Clone)]
pub struct PublicKey {
    kind: Kind,
    key: Arc<evp::Key>,
    spki: Arc<[u8]>,
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

/// How a message becomes a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// IKEv1: PKCS #1 type 1 padding over the message, which is a hash, without DigestInfo (RFC 2409
    /// section 5.1).
    RsaRaw,
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Hash),
    /// RSASSA-PSS with MGF1 of the same hash. We salt with as many bytes as the hash has; a peer's salt
    /// may have any length.
    RsaPss(Hash),
    /// As DER, a sequence of r and s (RFC 7427).
    Ecdsa(Hash),
    /// r and s, each as long as the curve (RFC 4754).
    EcdsaFixed(Hash),
    /// IKEv1: likewise, over the message itself, which is a hash.
    EcdsaRaw,
    /// RFC 8032 over the message itself, RFC 8420.
    Ed25519,
}

/// Why a key cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// No private key stands in the text.
    Absent,
    /// It stands there under a passphrase.
    Encrypted,
    /// Its encoding is broken, or its parts do not fit each other.
    Malformed,
    /// It is whole, but of an algorithm or a curve that IKE does not use here.
    Unsupported,
    /// An RSA key of so many bits: fewer than 2048 to sign with, 1024 to verify with, or more than 8192.
    Length(u16),
}

impl PrivateKey {
    /// The first private key of a PEM file: PKCS #8, or the older forms of RSA and EC.
    pub fn from_pem(text: &[u8]) -> Result<Self, BadKey> {
        let block = pem::blocks(text).into_iter().find(|block| block.label.ends_with("PRIVATE KEY"));
        let block = block.ok_or(BadKey::Absent)?;
        if block.encrypted {
            return Err(BadKey::Encrypted);
        }
        Self::from_der(block.der.expose())
    }

    /// PKCS #8, PKCS #1 or SEC 1.
    pub fn from_der(der: &[u8]) -> Result<Self, BadKey> {
        let key = evp::Key::private(der).ok_or(BadKey::Malformed)?;
        let public = PublicKey::from_spki(&key.spki().ok_or(BadKey::Unsupported)?)?;
        if let Kind::Rsa(bits @ ..2048) = public.kind {
            return Err(BadKey::Length(bits));
        }
        Ok(Self { key, public })
    }

    pub const fn kind(&self) -> Kind {
        self.public.kind
    }

    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Up to milliseconds of work: engines ask a worker with [`crate::job::Job::Sign`].
    pub fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, Failed> {
        let method = scheme.of(self.kind()).ok_or(Failed::Unsuitable)?;
        let signature = self.key.sign(method, message).ok_or(Failed::Unsuitable)?;
        match (scheme, self.kind().coordinate()) {
            (Scheme::EcdsaFixed(_) | Scheme::EcdsaRaw, Some(length)) => {
                ecdsa::fixed(&signature, length).ok_or(Failed::Unsuitable)
            }
            _ => Ok(signature),
        }
    }
}

/// By the public half: of two private keys with the same one, both sign the same.
impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl Eq for PrivateKey {}

impl PublicKey {
    /// A certificate's SubjectPublicKeyInfo in DER.
    pub fn from_spki(spki: &[u8]) -> Result<Self, BadKey> {
        let key = evp::Key::public(spki).ok_or(BadKey::Malformed)?;
        let kind = kind(&key).ok_or(BadKey::Unsupported)?;
        if let Kind::Rsa(bits @ (..1024 | 8193..)) = kind {
            return Err(BadKey::Length(bits));
        }
        // Written anew: the algorithm's parameters may be encoded in more than one way.
        let spki = key.spki().ok_or(BadKey::Malformed)?.into();
        Ok(Self { kind, key: Arc::new(key), spki })
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// In DER, in its one canonical form.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// A fraction of a millisecond of work: engines ask a worker with [`crate::job::Job::Verify`].
    pub fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), Failed> {
        let method = scheme.of(self.kind).ok_or(Failed::Unsuitable)?;
        let good = match (scheme, self.kind.coordinate()) {
            (Scheme::EcdsaFixed(_) | Scheme::EcdsaRaw, Some(length)) => {
                let signature = ecdsa::der(signature, length).ok_or(Failed::BadSignature)?;
                self.key.verify(method, message, &signature)
            }
            _ => self.key.verify(method, message, signature),
        };
        good.then_some(()).ok_or(Failed::BadSignature)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.kind).finish()
    }
}

impl Kind {
    /// Bytes of r and of s.
    const fn coordinate(self) -> Option<usize> {
        match self {
            Self::EcP256 => Some(32),
            Self::EcP384 => Some(48),
            Self::EcP521 => Some(66),
            Self::Rsa(_) | Self::Ed25519 => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::EcP256 => f.write_str("ECDSA P-256"),
            Self::EcP384 => f.write_str("ECDSA P-384"),
            Self::EcP521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

impl Scheme {
    /// Whether keys of `kind` sign so.
    pub const fn suits(self, kind: Kind) -> bool {
        self.of(kind).is_some()
    }

    const fn of(self, kind: Kind) -> Option<Method> {
        match (self, kind) {
            // Nobody ever signed so, and aws-lc will not.
            (Self::Ecdsa(Hash::Md5) | Self::EcdsaFixed(Hash::Md5), _) => None,
            (Self::RsaRaw, Kind::Rsa(_)) | (Self::EcdsaRaw, Kind::EcP256 | Kind::EcP384 | Kind::EcP521) => {
                Some(Method::Raw)
            }
            (Self::RsaPkcs1(hash), Kind::Rsa(_)) => Some(Method::Pkcs1(hash)),
            (Self::RsaPss(hash), Kind::Rsa(_)) => Some(Method::Pss(hash)),
            (Self::Ecdsa(hash) | Self::EcdsaFixed(hash), Kind::EcP256 | Kind::EcP384 | Kind::EcP521) => {
                Some(Method::Ecdsa(hash))
            }
            (Self::Ed25519, Kind::Ed25519) => Some(Method::Pure),
            _ => None,
        }
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no private key stands in the file"),
            Self::Encrypted => f.write_str("the private key is under a passphrase: store it without one"),
            Self::Malformed => f.write_str("the key is malformed"),
            Self::Unsupported => f.write_str("a key of this algorithm or curve has no use in IKE"),
            Self::Length(bits) => write!(f, "an RSA key of {bits} bits is too short or too long"),
        }
    }
}

impl core::error::Error for BadKey {}

fn kind(key: &evp::Key) -> Option<Kind> {
    match key.id() {
        sys::EVP_PKEY_RSA => Some(Kind::Rsa(key.bits())),
        sys::EVP_PKEY_ED25519 => Some(Kind::Ed25519),
        sys::EVP_PKEY_EC => match key.curve()? {
            sys::NID_X9_62_prime256v1 => Some(Kind::EcP256),
            sys::NID_secp384r1 => Some(Kind::EcP384),
            sys::NID_secp521r1 => Some(Kind::EcP521),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
