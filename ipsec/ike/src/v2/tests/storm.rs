//! Anything at any time, on a wire that loses, repeats, delays, changes and invents messages.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::pair::{A, Pair, Setup, path};
use crate::{Datagram, Input, Path};

#[derive(Clone, Copy, Debug)]
enum Happening {
    Rekey,
    RekeyIke,
    /// The second child, or nothing if it is there.
    Acquire,
    /// The oldest child, if there is one.
    Delete,
    Alive,
    Deliver,
    Lose,
    /// It arrives, and will once more.
    Repeat,
    /// It comes after all the others.
    Delay,
    /// One bit is another, besides the message itself.
    Change(u16),
    Junk(u16),
    Wait(u16),
}

fn happenings() -> impl Strategy<Value = (usize, Happening)> {
    let what = prop_oneof![
        2 => Just(Happening::Rekey),
        2 => Just(Happening::RekeyIke),
        1 => Just(Happening::Acquire),
        1 => Just(Happening::Delete),
        1 => Just(Happening::Alive),
        10 => Just(Happening::Deliver),
        3 => Just(Happening::Lose),
        2 => Just(Happening::Repeat),
        2 => Just(Happening::Delay),
        2 => any::<u16>().prop_map(Happening::Change),
        1 => any::<u16>().prop_map(Happening::Junk),
        3 => (0u16..900).prop_map(Happening::Wait),
    ];
    (0usize..2, what)
}

fn happen(pair: &mut Pair, who: usize, what: Happening) {
    match what {
        Happening::Rekey | Happening::Delete if pair.children(who) == 0 => {}
        Happening::Rekey => pair.rekey(who),
        Happening::Delete => pair.delete(who),
        Happening::RekeyIke => pair.rekey_ike(who),
        Happening::Acquire => pair.acquire(who, 1),
        Happening::Alive => pair.ask_alive(who),
        Happening::Deliver => {
            pair.deliver(who);
        }
        Happening::Lose => drop(pair.sides[who].sent.pop_front()),
        Happening::Repeat => {
            let first = pair.sides[who].sent.front().cloned();
            pair.deliver(who);
            pair.sides[who].sent.extend(first);
        }
        Happening::Delay => {
            let first = pair.sides[who].sent.pop_front();
            pair.sides[who].sent.extend(first);
        }
        Happening::Change(bit) => {
            let Some(mut first) = pair.sides[who].sent.front().cloned() else { return };
            let bit = usize::from(bit) % (first.bytes.len() * 8);
            first.bytes[bit / 8] ^= 1 << (bit % 8);
            arrive(pair, who, first.bytes);
        }
        Happening::Junk(word) => {
            let cookies = pair.sides[who].ike.sessions.values().next().unwrap().cookies();
            let [high, low] = word.to_be_bytes();
            let head = [46, 0x20, 34 + high % 11, low & 0x28, 0, 0, 0, low >> 6, 0, 0, 0, 60];
            arrive(pair, who, [&cookies.0[..], &cookies.1, &head, &[0, 0, 0, 32], &[high; 28]].concat());
        }
        Happening::Wait(millis) => pair.wait(Duration::from_millis(u64::from(millis))),
    }
}

fn arrive(pair: &mut Pair, from: usize, bytes: Vec<u8>) {
    let path: Path = path(1 - from);
    let now = pair.now;
    pair.sides[1 - from].arrive(now, Input::Datagram(Datagram { path, bytes }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn after_any_storm_both_agree_and_nothing_was_lost(seed in 1u8..100, storm in vec(happenings(), 1..60)) {
        weather(seed, &storm);
    }
}

/// The delete moves to the IKE SA that the peer made, which the peer knows only later.
#[test]
fn what_an_ike_sa_inherits_is_repeated_until_the_peer_hears_it() {
    use Happening::{Delete, Deliver, Lose, RekeyIke};
    let storm = [(0, RekeyIke), (1, RekeyIke), (0, Deliver), (1, Deliver), (0, Lose), (0, Delete)];
    (1..100).for_each(|seed| weather(seed, &storm));
}

fn weather(seed: u8, storm: &[(usize, Happening)]) {
    let mut pair = Pair::new(&Setup { seed, ..Setup::default() });
    let deletes = storm.iter().any(|(_, what)| matches!(what, Happening::Delete));
    storm.iter().for_each(|(who, what)| happen(&mut pair, *who, *what));
    pair.run(Duration::from_secs(400));
    pair.agree();
    assert!(deletes || pair.children(A) >= 1);
}
