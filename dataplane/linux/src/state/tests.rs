//! What is sent for what is wanted, held, found and lost.

use base::{Label, Prefix};
use ipsec::Selector;

use super::*;
use crate::device::{Device, Make};
use crate::ground::{Kind, Link};
use crate::label::Forward;
use crate::mark::{self, Mark};
use crate::policy::{Hook, KernelPolicy, Scope, Verdict};
use crate::port::Slave;
use crate::route::Way;
use crate::xfrm::message;

fn label(value: u32) -> Key {
    Key::Label(Label::new(value).unwrap())
}

fn forward(device: &str) -> Thing {
    let ttl = dataplane::TtlModel::Uniform;
    Thing::Label(Forward { device: Name::from(device), via: None, push: Box::default(), ttl })
}

fn vrf(table: u32) -> Thing {
    let alias = Name::from("onramp: vrf red");
    Thing::Device(Device { alias, make: Make::Vrf { table }, master: None, up: true })
}

fn red() -> Key {
    Key::Device(Name::from("red"))
}

fn ground(devices: &[&str]) -> Ground {
    let mut ground = Ground::default();
    for (index, device) in (1..).zip(devices) {
        let kind = Kind::Vrf(1000 + index);
        let alias = Some(Name::from("onramp: vrf red"));
        let link = Link { index, master: None, enabled: true, running: true, mtu: 1500, alias, kind };
        ground.set_link(&Name::from(*device), Some(link));
    }
    ground
}

/// What is sent until nothing is left, as kinds of messages; all of it works.
fn settle(state: &mut State, ground: &Ground) -> Vec<u16> {
    let (mut sent, mut refusals) = (Vec::new(), Vec::new());
    while let Some(batch) = state.batch(ground, 100, &mut refusals) {
        sent.extend(batch.requests.iter().map(|request| request.kind));
        let answers = batch.requests.iter().map(|_| Ok(())).collect();
        state.answered(batch, answers, &mut refusals);
    }
    assert_eq!(refusals, []);
    sent
}

const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const SET_LINK: u16 = 19;
const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
const NEW_QDISC: u16 = 36;
const NEW_FILTER: u16 = 44;
const DEL_FILTER: u16 = 45;

#[test]
fn what_is_wanted_is_asked_for_once() {
    let mut state = State::default();
    let ground = ground(&["lo"]);
    state.want(&label(100), Some(forward("lo")));
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE]);
    state.want(&label(100), Some(forward("lo")));
    assert_eq!(settle(&mut state, &ground), []);
    state.want(&label(100), None);
    assert_eq!(settle(&mut state, &ground), [DEL_ROUTE]);
    assert_eq!(state.holdings().count(), 0);
}

#[test]
fn what_was_found_as_it_is_wanted_is_left_alone_and_the_rest_is_changed() {
    let mut state = State::default();
    let ground = ground(&["lo", "eth0"]);
    state.found(&label(100), Some(forward("lo")));
    state.found(&label(101), Some(forward("lo")));
    state.found(&label(102), Some(forward("lo")));
    state.want(&label(100), Some(forward("lo")));
    state.want(&label(101), Some(forward("eth0")));
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE, DEL_ROUTE], "101 changed, 102 gone");
}

#[test]
fn what_others_take_away_comes_back_and_what_they_change_is_mended() {
    let mut state = State::default();
    let ground = ground(&["lo", "eth0"]);
    state.want(&label(100), Some(forward("lo")));
    settle(&mut state, &ground);
    state.found(&label(100), None);
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE]);
    state.found(&label(100), Some(forward("eth0")));
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE]);
    state.found(&label(999), None);
    assert_eq!(settle(&mut state, &ground), [], "not ours");
}

#[test]
fn sets_come_in_order_of_dependency_and_unsets_in_the_reverse() {
    let mut state = State::default();
    state.want(&label(100), Some(forward("eth0")));
    state.want(&red(), Some(vrf(1000)));
    let with_eth0 = ground(&["eth0"]);
    assert_eq!(settle(&mut state, &with_eth0), [NEW_LINK, SET_LINK, NEW_ROUTE]);
    state.want(&red(), None);
    state.want(&label(100), None);
    assert_eq!(settle(&mut state, &ground(&["eth0", "red"])), [DEL_ROUTE, DEL_LINK]);
}

#[test]
fn what_hangs_on_a_missing_device_waits_for_it() {
    let mut state = State::default();
    state.want(&label(100), Some(forward("eth0")));
    assert_eq!(settle(&mut state, &ground(&["lo"])), []);
    assert_eq!(
        state.waits().map(|(device, count)| (device.to_string(), count)).next(),
        Some(("eth0".to_owned(), 1))
    );
    state.device_changed(&Name::from("eth0"));
    assert_eq!(settle(&mut state, &ground(&["lo", "eth0"])), [NEW_ROUTE]);
}

#[test]
fn what_went_with_a_device_is_set_again() {
    let mut state = State::default();
    let ground = ground(&["lo", "eth0"]);
    let route = Key::route(254, "10.0.0.0/8".parse::<Prefix>().unwrap());
    state.want(&route, Some(Thing::Route(Way::Blackhole)));
    state.want(&label(100), Some(forward("eth0")));
    settle(&mut state, &ground);
    state.devices_lost(&BTreeMap::from([(Name::from("eth0"), Loss::Gone(2))]));
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE], "the label, not the blackhole");
}

#[test]
fn the_policies_of_a_port_that_is_gone_are_taken_away_by_its_number() {
    let mut state = State::default();
    let selector = Selector::between("10.1.0.0/16".parse().unwrap(), "10.2.0.0/16".parse().unwrap());
    let key = Key::Policy(Scope::Port(Name::from("eth0")), Hook::Out, selector);
    let clear = KernelPolicy { priority: 1, mark: 0, verdict: Verdict::Clear };
    state.want(&key, Some(Thing::Policy(clear)));
    assert_eq!(settle(&mut state, &ground(&["lo", "eth0"])), [message::UPD_POLICY]);
    state.devices_lost(&BTreeMap::from([(Name::from("eth0"), Loss::Gone(2))]));
    let mut refusals = Vec::new();
    let batch = state.batch(&ground(&["lo"]), 10, &mut refusals).unwrap();
    let [gone] = &batch.requests[..] else { panic!("{} requests", batch.requests.len()) };
    assert_eq!(gone.kind, message::DEL_POLICY);
    assert!(gone.body.windows(4).any(|word| word == 2_u32.to_ne_bytes()), "by its number");
    state.answered(batch, vec![Ok(())], &mut refusals);
    state.device_changed(&Name::from("eth0"));
    assert_eq!(settle(&mut state, &ground(&["lo", "wan", "eth0"])), [message::UPD_POLICY]);
}

#[test]
fn what_is_wanted_no_more_waits_for_nothing() {
    let mut state = State::default();
    state.want(&label(100), Some(forward("eth0")));
    state.want(&label(101), Some(forward("eth0")));
    assert_eq!(settle(&mut state, &ground(&["lo"])), []);
    assert_eq!(state.waits().map(|(_, count)| count).collect::<Vec<_>>(), [2]);
    state.want(&label(100), None);
    state.want(&label(101), Some(forward("lo")));
    assert_eq!(state.waits().count(), 0);
    assert_eq!(settle(&mut state, &ground(&["lo"])), [NEW_ROUTE]);
}

#[test]
fn a_filter_that_was_there_unseen_is_made_anew() {
    let mut state = State::default();
    let mark = Mark { value: 1 << 16, hook: mark::Hook::Ingress };
    state.want(&Key::Mark(Name::from("eth0")), Some(Thing::Mark(mark)));
    let mut refusals = Vec::new();
    let batch = state.batch(&ground(&["eth0"]), 8, &mut refusals).unwrap();
    let kinds: Vec<u16> = batch.requests.iter().map(|request| request.kind).collect();
    assert_eq!(kinds, [NEW_QDISC, DEL_FILTER, NEW_FILTER]);
    // Mostly there is none.
    let none = Err(Refused { errno: 2, text: None });
    state.answered(batch, vec![Ok(()), none, Ok(())], &mut refusals);
    assert_eq!((refusals, state.is_settled()), (Vec::new(), true));
}

#[test]
fn a_refusal_is_told_and_tried_again_only_when_it_is_wanted_again() {
    let mut state = State::default();
    let ground = ground(&["lo"]);
    let mut refusals = Vec::new();
    state.want(&label(100), Some(forward("lo")));
    let batch = state.batch(&ground, 10, &mut refusals).unwrap();
    state.answered(batch, vec![Err(Refused::lost("no answer"))], &mut refusals);
    assert_eq!(refusals.len(), 1);
    assert_eq!(settle(&mut state, &ground), []);
    state.want(&label(100), Some(forward("lo")));
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE]);
}

#[test]
fn a_dump_tells_what_is_gone() {
    let mut state = State::default();
    let ground = ground(&["lo"]);
    for value in [100, 101] {
        state.want(&label(value), Some(forward("lo")));
    }
    settle(&mut state, &ground);
    state.resync(BTreeMap::from([(label(101), forward("lo")), (label(102), forward("lo"))]));
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE, DEL_ROUTE], "100 is set again, 102 is taken away");
}

#[test]
fn what_is_buried_is_not_set_again() {
    let mut state = State::default();
    let ground = ground(&["lo"]);
    state.want(&label(100), Some(forward("lo")));
    settle(&mut state, &ground);
    state.bury(&label(100));
    assert_eq!(settle(&mut state, &ground), []);
    state.want(&label(100), None);
    assert_eq!(settle(&mut state, &ground), []);
}

#[test]
fn what_an_earlier_run_left_stays_until_it_is_released_or_replaced() {
    let mut state = State::default();
    let ground = ground(&["lo", "eth0"]);
    for value in [100, 101] {
        state.found(&label(value), Some(forward("lo")));
        state.keep(label(value));
    }
    assert_eq!(settle(&mut state, &ground), []);
    state.want(&label(100), Some(forward("eth0")));
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE]);
    // Its successor is there already.
    state.want(&label(102), Some(forward("eth0")));
    state.found(&label(102), Some(forward("lo")));
    state.keep(label(102));
    assert_eq!(settle(&mut state, &ground), [NEW_ROUTE]);
    state.release(&label(101));
    assert_eq!(settle(&mut state, &ground), [DEL_ROUTE]);
}

#[test]
fn a_slave_whose_master_has_just_gone_waits_for_it_to_come_back() {
    let mut state = State::default();
    let key = Key::Port(Name::from("eth0"));
    state.want(&key, Some(Thing::Port(Slave(Some(Name::from("red"))))));
    let mut refusals = Vec::new();
    let batch = state.batch(&ground(&["eth0", "red"]), 8, &mut refusals).unwrap();
    state.answered(batch, vec![Err(Refused { errno: 22, text: None })], &mut refusals);
    assert_eq!((refusals, state.is_settled()), (Vec::new(), true));
    state.device_changed(&Name::from("red"));
    assert!(!state.is_settled());
}
