//! The bytes an SA has carried, against the limit its peers agreed on (RFC 4301 section 4.4.2.1).

use crate::Refusal;

pub(crate) struct Volume {
    bytes: u64,
    limit: u64,
}

impl Volume {
    pub(crate) fn new(kilobytes: Option<u32>) -> Self {
        let limit = kilobytes.map_or(u64::MAX, |kilobytes| u64::from(kilobytes).saturating_mul(1024));
        Self { bytes: 0, limit }
    }

    /// Counts a packet of `length` bytes, unless it goes beyond the limit.
    pub(crate) fn spend(&mut self, length: usize) -> Result<(), Refusal> {
        let bytes = self.bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if bytes > self.limit {
            return Err(Refusal::VolumeExhausted);
        }
        self.bytes = bytes;
        Ok(())
    }

    pub(crate) const fn nearly_spent(&self) -> bool {
        self.bytes >= nine_tenths(self.limit)
    }
}

/// When to ask for a new SA: early enough to have it before the old one is spent.
pub(crate) const fn nine_tenths(limit: u64) -> u64 {
    limit.saturating_sub(limit / 10)
}
