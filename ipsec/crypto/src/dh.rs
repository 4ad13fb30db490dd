//! Diffie-Hellman groups (RFC 2409, 3526, 5903), as jobs that a worker can run.

use base::Secret;

/// By the number IANA gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// 1
    Modp768,
    /// 2
    Modp1024,
    /// 5
    Modp1536,
    /// 14
    Modp2048,
    /// 15
    Modp3072,
    /// 16
    Modp4096,
    /// 19
    EcpP256,
    /// 20
    EcpP384,
    /// 21
    EcpP521,
}

/// What to compute. No Debug: it holds private keys.
pub enum Job {
    /// A key pair, then the shared secret with the peer, whose public value is known already.
    /// `seed` makes the private value; it must never be used twice.
    Agree { group: Group, seed: [u8; 32], peer: Vec<u8> },
    /// A key pair alone; the initiator has no peer value yet.
    Generate { group: Group, seed: [u8; 32] },
    /// The shared secret from our private value and the peer's public one.
    Finish { group: Group, private: Secret, peer: Vec<u8> },
}

/// Public values are padded to the group's length, EC points without the 0x04 (RFC 5903 section 7).
pub enum Outcome {
    Agreed { public: Vec<u8>, shared: Secret },
    Generated { private: Secret, public: Vec<u8> },
    Finished { shared: Secret },
}

/// The peer's public value is of the wrong length, out of range, or not on the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPublic;

impl Group {
    pub const fn number(self) -> u16 {
        match self {
            Self::Modp768 => 1,
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Modp4096 => 16,
            Self::EcpP256 => 19,
            Self::EcpP384 => 20,
            Self::EcpP521 => 21,
        }
    }

    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Modp768,
            2 => Self::Modp1024,
            5 => Self::Modp1536,
            14 => Self::Modp2048,
            15 => Self::Modp3072,
            16 => Self::Modp4096,
            19 => Self::EcpP256,
            20 => Self::EcpP384,
            21 => Self::EcpP521,
            _ => return None,
        })
    }

    /// Bits of the modulus or the curve.
    pub const fn bits(self) -> u16 {
        match self {
            Self::Modp768 => 768,
            Self::Modp1024 => 1024,
            Self::Modp1536 => 1536,
            Self::Modp2048 => 2048,
            Self::Modp3072 => 3072,
            Self::Modp4096 => 4096,
            Self::EcpP256 => 256,
            Self::EcpP384 => 384,
            Self::EcpP521 => 521,
        }
    }
}
