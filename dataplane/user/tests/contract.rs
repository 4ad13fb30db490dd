//! Both forms of the userspace dataplane keep the contract of every backend.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bed;

use std::time::{Duration, Instant as Clock};

use base::Instant;
use bed::{Ends, framed, opener, to_site, under};
use dataplane::Dataplane;
use dataplane::contract::{self, Subject};
use dp_user::{Batch, Engine, Frame, Nic, User};

struct Inline {
    engine: Engine,
    ends: Ends,
}

struct Threaded {
    user: User,
    ends: Ends,
}

fn bring(ends: &Ends) {
    let mut batch = Batch::default();
    let packet = under(&[3001], 64, &to_site().long(100));
    batch.push(Frame::of(&framed(bed::OUR_MAC, &packet)));
    ends.lock().unwrap().get_mut(&contract::CORE).unwrap().send(&mut batch);
}

impl Subject for Inline {
    fn plane(&mut self) -> &mut dyn Dataplane {
        &mut self.engine
    }

    fn carry(&mut self) {
        bring(&self.ends);
        self.engine.run(Instant::START);
    }
}

impl Subject for Threaded {
    fn plane(&mut self) -> &mut dyn Dataplane {
        &mut self.user
    }

    /// A NIC in memory cannot wake the worker, but its tick comes soon.
    fn carry(&mut self) {
        let sent = |user: &User| user.counters().ports[&contract::WAN].packets_out;
        let before = sent(&self.user);
        bring(&self.ends);
        let start = Clock::now();
        while sent(&self.user) == before {
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", self.user.counters());
        }
    }
}

#[test]
fn the_engine_in_the_caller_s_thread_keeps_the_contract() {
    contract::suite(&mut || {
        let (open, ends) = opener(64);
        Box::new(Inline { engine: Engine::new(open), ends })
    });
}

#[test]
fn the_engine_in_its_own_thread_keeps_the_contract() {
    contract::suite(&mut || {
        let (open, ends) = opener(64);
        Box::new(Threaded { user: User::start(open).unwrap(), ends })
    });
}

#[test]
fn ports_that_cannot_be_opened_are_all_rejected_by_name_and_the_rest_is_in_force() {
    use dataplane::{Object, Op, Rejected, TtlModel, Vrf};
    let mut user = User::start(|_: &dataplane::Port| Err(std::io::Error::other("no such device"))).unwrap();
    let vrf = Object::Vrf(Vrf { id: bed::RED, name: None, ttl: TtlModel::Uniform });
    let [wan, core] = [bed::WAN, bed::CORE].map(|id| Op::Set(Object::Port(bed::port(id, bed::RED, &[]))));
    let reason = |id: base::PortId| format!("port port{0} on device dev{0}: no such device", id.0);
    let rejected = |index, id| Rejected { index, reason: reason(id) };
    let verdict = user.apply(&[wan, Op::Set(vrf), core]);
    assert_eq!(verdict, Err(vec![rejected(0, bed::WAN), rejected(2, bed::CORE)]));
}

#[test]
fn an_sa_with_keys_of_the_wrong_length_is_rejected() {
    use dataplane::{Object, Op};
    let (open, _ends) = opener(64);
    let mut engine = Engine::new(open);
    let mut sa = bed::sa(1, ipsec::Direction::In, bed::WAN, bed::RED, "198.51.100.1", bed::GCM);
    sa.keys.cipher = base::Secret::from(vec![1; 19]);
    assert!(engine.apply(&[Op::Set(Object::Sa(sa))]).is_err());
}
