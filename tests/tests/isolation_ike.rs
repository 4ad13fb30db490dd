//! What happens to IKE in one front VRF changes nothing in another, though both have the same addresses,
//! identities and cookies: only their keys differ.
#![forbid(unsafe_code)]

use std::time::Duration;

use ike::config::Version;
use proptest::collection::vec;
use proptest::prelude::*;
use tests::internets::{FRONTS, Internets};

const BOTH: [Version; 2] = [Version::V1, Version::V2];

#[derive(Clone, Debug)]
enum Step {
    /// The oldest datagram of an internet arrives.
    Deliver(usize),
    DeliverAll(usize),
    Lose(usize),
    /// Something once sent in an internet arrives at the box in the other.
    Inject(usize),
    BoxOpens(usize),
    PeerOpens(usize),
    PeerRestarts(usize),
    UnknownSpi(usize),
    Clear(usize),
    Rekey(usize),
    PeerRekeys(usize),
    Repeat(usize),
    /// The oldest datagram of an internet arrives changed, and then as it is.
    Corrupt(usize, usize),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let front = || 0..FRONTS;
    prop_oneof![
        8 => front().prop_map(Step::Deliver),
        4 => front().prop_map(Step::DeliverAll),
        1 => front().prop_map(Step::Lose),
        8 => (0..1000_usize).prop_map(Step::Inject),
        3 => front().prop_map(Step::BoxOpens),
        3 => front().prop_map(Step::PeerOpens),
        1 => front().prop_map(Step::PeerRestarts),
        1 => front().prop_map(Step::UnknownSpi),
        1 => front().prop_map(Step::Clear),
        2 => front().prop_map(Step::Rekey),
        2 => front().prop_map(Step::PeerRekeys),
        2 => front().prop_map(Step::Repeat),
        2 => (front(), any::<usize>()).prop_map(|(front, bit)| Step::Corrupt(front, bit)),
        2 => (0..8000_u16).prop_map(Step::Wait),
    ]
}

fn act(world: &mut Internets, step: &Step) {
    match *step {
        Step::Deliver(front) => world.deliver(front),
        Step::DeliverAll(front) => world.deliver_all(front),
        Step::Lose(front) => world.lose(front),
        Step::Inject(index) => world.inject(index),
        Step::BoxOpens(front) => world.box_opens(front),
        Step::PeerOpens(front) => world.peer_opens(front),
        Step::PeerRestarts(front) => world.peer_restarts(front),
        Step::UnknownSpi(front) => world.unknown_spi(front),
        Step::Clear(front) => world.clear(front),
        Step::Rekey(front) => world.rekey(front),
        Step::PeerRekeys(front) => world.peer_rekeys(front),
        Step::Repeat(front) => world.repeat(front),
        Step::Corrupt(front, bit) => world.corrupt(front, bit),
        Step::Wait(millis) => world.wait(Duration::from_millis(millis.into())),
    }
}

#[test]
fn equal_peers_of_two_internets_are_served_each_with_its_own_key() {
    for version in BOTH {
        Internets::of(version, false).everyone_is_served();
        Internets::of(version, true).everyone_is_served();
    }
}

#[test]
fn a_peer_that_restarts_takes_nothing_from_its_equal() {
    for version in BOTH {
        let mut world = Internets::of(version, false);
        (0..FRONTS).for_each(|front| world.peer_opens(front));
        world.settle();
        world.peer_restarts(0);
        world.peer_opens(0);
        world.settle();
        (0..FRONTS).for_each(|front| assert!(world.is_connected(front), "{version:?} {front}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_reaches_into_another_front_vrf(second: bool, shared: bool, steps in vec(step(), 1..60)) {
        let mut world = Internets::of(BOTH[usize::from(second)], shared);
        steps.iter().for_each(|step| act(&mut world, step));
        world.everyone_is_served();
    }
}
