//! A backend that forwards nothing: it remembers what it was told. For tests of whoever drives one.

use std::collections::{BTreeMap, VecDeque};

use base::SaId;
use ipsec::Sa;

use crate::{Counters, Dataplane, Event, Facts, Key, Object, Op, Plan, Rejected, SaCounters};

#[derive(Default)]
pub struct Memory {
    plan: Plan,
    sas: BTreeMap<SaId, SaCounters>,
    events: VecDeque<Event>,
}

impl Memory {
    /// What it was told so far.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Makes `event` the last that [`poll`](Dataplane::poll) gives.
    pub fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Counts a packet of `bytes` through an SA, as if one had passed; `false` if there is no such SA.
    pub fn carry(&mut self, sa: SaId, bytes: u64) -> bool {
        let Some(counters) = self.sas.get_mut(&sa) else { return false };
        counters.packets += 1;
        counters.sequence += 1;
        counters.bytes += bytes;
        true
    }

    /// Counters start anew with new keys.
    fn set_sa(&mut self, sa: &Sa) {
        let goes_on = |old: &Sa| old.keys == sa.keys && old.spi == sa.spi && old.direction == sa.direction;
        let old = self.plan.get(&Key::Sa(sa.id));
        if !matches!(old, Some(Object::Sa(old)) if goes_on(old)) {
            self.sas.insert(sa.id, SaCounters::default());
        }
    }
}

impl Dataplane for Memory {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Vec<Rejected>> {
        for op in ops {
            match op {
                Op::Set(object) => {
                    if let Object::Sa(sa) = object {
                        self.set_sa(sa);
                    }
                    self.plan.set(object.clone());
                }
                Op::Unset(key) => {
                    if let Key::Sa(id) = key
                        && let Some(counters) = self.sas.remove(id)
                    {
                        self.events.push_back(Event::Gone(*id, counters));
                    }
                    self.plan.unset(*key);
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn counters(&self) -> Counters {
        Counters { sas: self.sas.clone(), ..Counters::default() }
    }

    fn read(&mut self, question: u64, sas: &[SaId]) {
        let counted = sas.iter().map(|id| self.sas.get(id).copied()).collect();
        self.events.push_back(Event::Counted(question, counted));
    }

    fn facts(&self) -> Facts {
        Facts { backend: "memory", ..Facts::default() }
    }
}

#[cfg(test)]
mod tests {
    use base::{PortId, VrfId};

    use super::*;
    use crate::contract::{self, Subject};
    use crate::{TtlModel, Vrf};

    impl Subject for Memory {
        fn plane(&mut self) -> &mut dyn Dataplane {
            self
        }

        fn carry(&mut self) {
            assert!(Self::carry(self, contract::OUTBOUND, 100));
        }
    }

    #[test]
    fn the_memory_backend_keeps_the_contract() {
        contract::suite(&mut || Box::new(Memory::default()));
    }

    #[test]
    fn it_remembers_what_it_was_told_and_tells_what_it_was_given() {
        let mut memory = Memory::default();
        let vrf = Object::Vrf(Vrf { id: VrfId(3), name: None, ttl: TtlModel::Pipe });
        memory.apply(&[Op::Set(vrf.clone())]).unwrap();
        assert!(memory.plan().get(&vrf.key()) == Some(&vrf));
        let event = Event::Link { port: PortId(1), up: false };
        memory.tell(event.clone());
        assert_eq!((memory.poll(), memory.poll()), (Some(event), None));
    }
}
