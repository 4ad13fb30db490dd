//! Public-key work that takes long enough to leave the engine: a worker runs it, and an answer returns.

use std::sync::Arc;

use crate::dh;
use crate::sign::{PrivateKey, PublicKey, Scheme};

/// No Debug: it holds private keys.
pub enum Job {
    /// A key exchange: Diffie-Hellman or a KEM.
    Exchange(dh::Job),
    Sign {
        key: Arc<PrivateKey>,
        scheme: Scheme,
        message: Vec<u8>,
    },
    Verify {
        key: PublicKey,
        scheme: Scheme,
        message: Vec<u8>,
        signature: Vec<u8>,
    },
}

/// What a job of the same kind comes to.
pub enum Outcome {
    Exchanged(dh::Outcome),
    /// The signature.
    Signed(Vec<u8>),
    /// The signature fits; one that does not is [`Failed::BadSignature`].
    Verified,
}

/// Why a job has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The peer's public value is of the wrong length, out of range, or not on the curve.
    BadPublic,
    /// The signature is not of this message by this key.
    BadSignature,
    /// A key of this kind or length does not sign by this scheme.
    Unsuitable,
}

impl Job {
    /// Computes; up to milliseconds of work.
    pub fn run(self) -> Result<Outcome, Failed> {
        match self {
            Self::Exchange(job) => job.run().map(Outcome::Exchanged).map_err(|_| Failed::BadPublic),
            Self::Sign { key, scheme, message } => key.sign(scheme, &message).map(Outcome::Signed),
            Self::Verify { key, scheme, message, signature } => {
                key.verify(scheme, &message, &signature).map(|()| Outcome::Verified)
            }
        }
    }
}

impl From<dh::Job> for Job {
    fn from(job: dh::Job) -> Self {
        Self::Exchange(job)
    }
}
