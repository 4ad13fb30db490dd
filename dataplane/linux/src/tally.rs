//! What the kernel does not count of SAs: when each was used last, and what all of them refused together.

use std::collections::BTreeMap;

use base::SaId;
use dataplane::SaCounters;

use crate::sa::Counted;

/// What was seen of each SA, and of those that are gone.
#[derive(Default)]
pub(crate) struct Tally {
    sas: BTreeMap<SaId, Seen>,
    bad_icvs: u64,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    packets: u64,
    bad_icvs: u64,
    /// Microseconds since the start.
    last_used: u64,
}

impl Tally {
    /// Fills in when the SA was used last: at the latest at `now`, in microseconds since the start, if it was used since
    /// the last look.
    pub(crate) fn stamp(&mut self, id: SaId, counted: Counted, now: u64) -> SaCounters {
        let (Counted { counters, bad_icvs }, seen) = (counted, self.sas.entry(id).or_default());
        if counters.packets != seen.packets {
            seen.last_used = if counters.packets == 0 { 0 } else { now.max(1) };
        }
        // One that was made anew counts from zero.
        self.bad_icvs += bad_icvs.checked_sub(seen.bad_icvs).unwrap_or(bad_icvs);
        (seen.packets, seen.bad_icvs) = (counters.packets, bad_icvs);
        SaCounters { last_used: seen.last_used, ..counters }
    }

    pub(crate) fn forget(&mut self, id: SaId) {
        self.sas.remove(&id);
    }

    /// Packets of all SAs whose integrity check failed.
    pub(crate) const fn bad_icvs(&self) -> u64 {
        self.bad_icvs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(packets: u64, bad_icvs: u64) -> Counted {
        Counted { counters: SaCounters { packets, ..SaCounters::default() }, bad_icvs }
    }

    #[test]
    fn an_sa_was_used_when_its_packets_were_first_seen() {
        let mut tally = Tally::default();
        let looks = [(0, 10, 0), (5, 20, 20), (5, 30, 20), (6, 40, 40), (0, 50, 0), (1, 60, 60)];
        for (packets, now, last_used) in looks {
            assert_eq!(tally.stamp(SaId(1), counted(packets, 0), now).last_used, last_used);
        }
        tally.forget(SaId(1));
        assert_eq!(tally.stamp(SaId(1), counted(0, 0), 70).last_used, 0);
    }

    #[test]
    fn what_sas_refused_is_not_forgotten_with_them() {
        let mut tally = Tally::default();
        for (id, bad_icvs, all) in [(1, 3, 3), (2, 1, 4), (1, 5, 6), (1, 1, 7)] {
            tally.stamp(SaId(id), counted(0, bad_icvs), 1);
            assert_eq!(tally.bad_icvs(), all);
        }
        tally.forget(SaId(1));
        assert_eq!(tally.bad_icvs(), 7);
    }
}
