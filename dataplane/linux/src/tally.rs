//! When SAs were used last: the kernel counts their packets, but does not say when they passed.

use std::collections::BTreeMap;

use base::SaId;
use dataplane::SaCounters;

/// How much of each SA was seen, and when it was seen to have grown.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<SaId, (u64, u64)>);

impl Tally {
    /// Fills in when the SA was used last: at the latest at `now`, in microseconds since the start, if it was used since
    /// the last look.
    pub(crate) fn stamp(&mut self, id: SaId, counted: SaCounters, now: u64) -> SaCounters {
        let (packets, last_used) = self.0.entry(id).or_default();
        if counted.packets != *packets {
            *last_used = if counted.packets == 0 { 0 } else { now.max(1) };
            *packets = counted.packets;
        }
        SaCounters { last_used: *last_used, ..counted }
    }

    pub(crate) fn forget(&mut self, id: SaId) {
        self.0.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sa_was_used_when_its_packets_were_first_seen() {
        let mut tally = Tally::default();
        let counted = |packets| SaCounters { packets, ..SaCounters::default() };
        let looks = [(0, 10, 0), (5, 20, 20), (5, 30, 20), (6, 40, 40), (0, 50, 0), (1, 60, 60)];
        for (packets, now, last_used) in looks {
            assert_eq!(tally.stamp(SaId(1), counted(packets), now).last_used, last_used);
        }
        tally.forget(SaId(1));
        assert_eq!(tally.stamp(SaId(1), counted(0), 50).last_used, 0);
    }
}
