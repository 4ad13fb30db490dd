//! How long an SA may live, in seconds and in bytes (RFC 2407 section 4.5).

use core::time::Duration;

/// The limits both peers agreed on. Time is kept by IKE, bytes by the dataplane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub time: Duration,
    /// `None`: no limit by volume.
    pub kilobytes: Option<u32>,
}

impl Lifetime {
    /// IOS: 3600 seconds and 4,608,000 kilobytes.
    pub const DEFAULT: Self = Self { time: Duration::from_secs(3600), kilobytes: Some(4_608_000) };

    /// The shorter of two offers, each limit on its own.
    pub fn shorter(self, other: Self) -> Self {
        let kilobytes = match (self.kilobytes, other.kilobytes) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { time: self.time.min(other.time), kilobytes }
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self::DEFAULT
    }
}
