//! What SAs that are gone had counted, kept with their flow: its counters go on over a rekey.

use std::collections::BTreeMap;

use base::{PolicyId, SaId};
use dataplane::SaCounters;
use ipsec::{Direction, Selector};

use crate::wiring::ike_to_ipsec::Pair;

/// One direction of a flow of a crypto-map entry.
pub(crate) type FlowKey = (PolicyId, Selector, Direction);

#[derive(Default)]
pub(crate) struct Past {
    /// Whose SAs they were that go; the dataplane has yet to say what they counted.
    going: BTreeMap<SaId, FlowKey>,
    counted: BTreeMap<FlowKey, SaCounters>,
}

impl Past {
    /// SAs that may be going at once; of more than that the oldest are not waited for.
    const MOST: usize = 1 << 16;

    pub(crate) fn going(&mut self, pair: &Pair) {
        for sa in [&pair.inbound, &pair.outbound] {
            self.going.insert(sa.id, (pair.policy, sa.selector, sa.direction));
        }
        while self.going.len() > Self::MOST {
            self.going.pop_first();
        }
    }

    /// An SA is gone: its flow, if that is to be remembered.
    pub(crate) fn gone(&mut self, sa: SaId) -> Option<FlowKey> {
        self.going.remove(&sa)
    }

    /// Adds what an SA of the flow counted, without what it had counted at `cleared`.
    pub(crate) fn add(&mut self, flow: FlowKey, now: SaCounters, cleared: SaCounters) {
        let sum = self.counted.entry(flow).or_default();
        sum.packets += now.packets.saturating_sub(cleared.packets);
        sum.bytes += now.bytes.saturating_sub(cleared.bytes);
        sum.errors += now.errors.saturating_sub(cleared.errors);
    }

    pub(crate) fn of(&self, flow: &FlowKey) -> SaCounters {
        self.counted.get(flow).copied().unwrap_or_default()
    }

    pub(crate) fn forget(&mut self, flow: &FlowKey) {
        self.counted.remove(flow);
    }

    /// Forgets the flows of entries that are no more.
    pub(crate) fn retain(&mut self, still: impl Fn(PolicyId) -> bool) {
        self.counted.retain(|(policy, ..), _| still(*policy));
    }

    pub(crate) fn clear(&mut self) {
        self.counted.clear();
    }
}
