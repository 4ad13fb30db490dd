//! Public-key work that takes long enough to leave the engine: a worker runs it, and an answer returns.

use crate::dh;

/// No Debug: it holds private keys.
pub enum Job {
    /// A key exchange: Diffie-Hellman or a KEM.
    Exchange(dh::Job),
}

/// What a job of the same kind comes to.
pub enum Outcome {
    Exchanged(dh::Outcome),
}

/// Why a job has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The peer's public value is of the wrong length, out of range, or not on the curve.
    BadPublic,
}

impl Job {
    /// Computes; up to milliseconds of work.
    pub fn run(self) -> Result<Outcome, Failed> {
        match self {
            Self::Exchange(job) => job.run().map(Outcome::Exchanged).map_err(|_| Failed::BadPublic),
        }
    }
}

impl From<dh::Job> for Job {
    fn from(job: dh::Job) -> Self {
        Self::Exchange(job)
    }
}
