//! Both sides at once: first the cases of RFC 7296 section 2.25 as they are drawn there, then every order in
//! which messages can come, whatever both sides begin.

use std::time::Duration;

use super::pair::{A, B, Pair, Setup};
use crate::DownReason;

fn seeded(seed: u8) -> Pair {
    Pair::new(&Setup { seed, ..Setup::default() })
}

/// ```text
/// A                                   B
/// CREATE? REKEY_SA SA             ->  (both are on their way)
///                                 <-  CREATE? REKEY_SA SA
///                                 <-  CREATE= SA
/// CREATE= SA                      ->
/// ```
/// Then the side that made the one with the lowest nonce deletes that, and the other the old one.
#[test]
fn of_two_rekeys_of_a_child_the_one_with_the_lowest_nonce_goes() {
    let mut losers = [0; 2];
    for seed in 1..20 {
        let mut pair = seeded(seed);
        let old = [pair.first(A), pair.first(B)];
        pair.rekey(A);
        pair.rekey(B);
        pair.pass(A, "CREATE? REKEY_SA SA");
        pair.pass(B, "CREATE? REKEY_SA SA");
        assert_eq!((pair.children(A), pair.children(B)), (2, 2));
        pair.pass(B, "CREATE= SA");
        pair.pass(A, "CREATE= SA");
        assert_eq!((pair.peek(A).as_str(), pair.peek(B).as_str()), ("INFO? D(1)", "INFO? D(1)"));
        let loser = if pair.children(A) < pair.children(B) { A } else { B };
        losers[loser] += 1;
        let winner = 1 - loser;
        assert!(pair.sides[loser].placed[&old[loser]].sends, "its own is gone, the old one carries on");
        assert!(!pair.sides[winner].placed[&old[winner]].sends, "its own carries");
        pair.settle();
        pair.agree();
        assert_eq!(pair.children(A), 1);
    }
    assert!(losers[A] > 0 && losers[B] > 0, "{losers:?}");
}

/// ```text
/// A                                   B
/// CREATE? REKEY_SA SA             ->
///                   (delayed)     <-  CREATE? REKEY_SA SA
///                                 <-  CREATE= SA
/// INFO? D(1)                      ->
///                                 <-  INFO= D(1)
///                   (arrives)
/// CREATE= CHILD_SA_NOT_FOUND      ->
/// ```
#[test]
fn a_rekey_that_comes_when_all_is_over_finds_no_child() {
    let mut pair = seeded(1);
    pair.rekey(A);
    pair.rekey(B);
    let delayed = pair.sides[B].sent.pop_front().unwrap();
    pair.pass(A, "CREATE? REKEY_SA SA");
    pair.pass(B, "CREATE= SA");
    pair.pass(A, "INFO? D(1)");
    pair.pass(B, "INFO= D(1)");
    pair.sides[B].sent.push_back(delayed);
    pair.pass(B, "CREATE? REKEY_SA SA");
    pair.pass(A, "CREATE= CHILD_SA_NOT_FOUND");
    pair.settle();
    pair.agree();
    assert_eq!(pair.children(A), 1, "what A made is what stays");
}

/// ```text
/// A                                   B
/// CREATE? REKEY_SA SA             ->
///                   (delayed)     <-  CREATE? REKEY_SA SA
///                                 <-  CREATE= SA
/// INFO? D(1)        (delayed)
///                   (arrives)
/// CREATE= TEMPORARY_FAILURE       ->
///                   (arrives)     ->  INFO? D(1)
///                                 <-  INFO= D(1)
/// ```
#[test]
fn a_rekey_of_a_child_that_is_on_its_way_out_is_put_off() {
    let mut pair = seeded(1);
    pair.rekey(A);
    pair.rekey(B);
    let delayed = pair.sides[B].sent.pop_front().unwrap();
    pair.pass(A, "CREATE? REKEY_SA SA");
    pair.pass(B, "CREATE= SA");
    let delete = pair.sides[A].sent.pop_front().unwrap();
    pair.sides[B].sent.push_back(delayed);
    pair.pass(B, "CREATE? REKEY_SA SA");
    pair.pass(A, "CREATE= TEMPORARY_FAILURE");
    pair.sides[A].sent.push_back(delete);
    pair.pass(A, "INFO? D(1)");
    pair.pass(B, "INFO= D(1)");
    pair.settle();
    pair.agree();
}

/// ```text
/// A                                   B
/// CREATE? REKEY_SA SA             ->
///                                 <-  INFO? D(1)
///                                 <-  CREATE= CHILD_SA_NOT_FOUND
/// INFO= D(1)                      ->
/// ```
#[test]
fn a_child_that_one_side_rekeys_and_the_other_deletes_is_gone() {
    for who in [A, B] {
        let (mut pair, other) = (seeded(1), 1 - who);
        pair.rekey(who);
        pair.delete(other);
        pair.pass(who, "CREATE? REKEY_SA SA");
        pair.pass(other, "INFO? D(1)");
        pair.pass(other, "CREATE= CHILD_SA_NOT_FOUND");
        pair.pass(who, "INFO= D(1)");
        pair.agree();
        assert_eq!(pair.children(A), 0, "nothing takes its place before traffic wants it");
    }
}

/// ```text
/// A                                   B
/// INFO? D(1)                      ->
///                                 <-  INFO? D(1)
///                                 <-  INFO=
/// INFO=                           ->
/// ```
#[test]
fn two_deletes_of_a_child_are_answered_without_it() {
    let mut pair = seeded(1);
    pair.delete(A);
    pair.delete(B);
    pair.pass(A, "INFO? D(1)");
    pair.pass(B, "INFO? D(1)");
    pair.pass(B, "INFO=");
    pair.pass(A, "INFO=");
    pair.agree();
    assert_eq!(pair.children(A), 0);
}

/// ```text
/// A                                   B
/// CREATE? SA KE                   ->
///                                 <-  CREATE? SA KE
///                                 <-  CREATE= SA KE
/// CREATE= SA KE                   ->
/// ```
/// Then the side that made the one with the lowest nonce deletes that, and the other the old one.
#[test]
fn of_two_rekeys_of_the_ike_sa_the_one_with_the_lowest_nonce_goes() {
    let mut losers = [0; 2];
    for seed in 1..20 {
        let mut pair = seeded(seed);
        pair.rekey_ike(A);
        pair.rekey_ike(B);
        pair.pass(A, "CREATE? SA KE");
        pair.pass(B, "CREATE? SA KE");
        pair.pass(B, "CREATE= SA KE");
        pair.pass(A, "CREATE= SA KE");
        assert_eq!((pair.sessions(A), pair.sessions(B)), (3, 3));
        pair.settle();
        pair.agree();
        assert_eq!(pair.children(A), 1, "no child was touched");
        assert!(pair.sides.iter().all(|side| side.down.is_empty()));
        let survivor = pair.sides[A].ike.sessions.values().next().unwrap();
        losers[usize::from(survivor.initiator())] += 1;
    }
    assert!(losers[A] > 0 && losers[B] > 0, "{losers:?}");
}

/// ```text
/// A                                   B
/// CREATE? SA KE                   ->
///                                 <-  CREATE? REKEY_SA SA
///                                 <-  CREATE= TEMPORARY_FAILURE
/// CREATE= TEMPORARY_FAILURE       ->
/// ```
#[test]
fn neither_of_a_rekey_of_the_ike_sa_and_one_of_a_child_goes_first() {
    for who in [A, B] {
        let (mut pair, other) = (seeded(1), 1 - who);
        pair.rekey_ike(who);
        pair.rekey(other);
        pair.pass(who, "CREATE? SA KE");
        pair.pass(other, "CREATE? REKEY_SA SA");
        pair.pass(other, "CREATE= TEMPORARY_FAILURE");
        pair.pass(who, "CREATE= TEMPORARY_FAILURE");
        pair.agree();
        pair.run(Duration::from_secs(60));
        pair.agree();
        let down = &pair.sides[A].down;
        assert!(matches!(down[..], [(_, DownReason::Superseded)]), "both were tried again: {down:?}");
        let renewed = pair.session(who);
        assert!(pair.sides[who].ike.sessions.contains_key(&renewed));
    }
}

/// ```text
/// A                                   B
/// CREATE? SA KE                   ->
///                                 <-  INFO? D(1)
///                                 <-  CREATE= TEMPORARY_FAILURE
/// INFO= D(1)                      ->
/// ```
#[test]
fn a_child_may_be_deleted_while_the_ike_sa_is_rekeyed() {
    for who in [A, B] {
        let (mut pair, other) = (seeded(1), 1 - who);
        pair.rekey_ike(who);
        pair.delete(other);
        pair.pass(who, "CREATE? SA KE");
        pair.pass(other, "INFO? D(1)");
        pair.pass(other, "CREATE= TEMPORARY_FAILURE");
        pair.pass(who, "INFO= D(1)");
        pair.agree();
        assert_eq!(pair.children(A), 0);
    }
}

#[test]
fn a_new_child_waits_until_the_ike_sa_is_rekeyed() {
    for who in [A, B] {
        let (mut pair, other) = (seeded(1), 1 - who);
        pair.rekey_ike(who);
        pair.acquire(other, 1);
        pair.pass(other, "CREATE? SA");
        pair.pass(who, "CREATE? SA KE");
        pair.settle();
        pair.run(Duration::from_secs(30));
        pair.agree();
        assert_eq!(pair.children(A), 2);
    }
}

#[test]
fn an_ike_sa_that_one_side_closes_is_closed_whatever_the_other_does() {
    let begin: [fn(&mut Pair, usize); 4] =
        [Pair::rekey, Pair::rekey_ike, Pair::close, |pair, who| pair.acquire(who, 1)];
    for work in begin {
        for order in [[A, B], [B, A]] {
            let mut pair = seeded(1);
            pair.close(A);
            work(&mut pair, B);
            for who in order {
                pair.deliver(who);
            }
            pair.settle();
            assert_eq!((pair.children(A), pair.children(B)), (0, 0));
            assert_eq!((pair.sessions(A), pair.sessions(B)), (0, 0));
        }
    }
}

#[test]
fn a_child_that_the_peer_replaced_is_not_rekeyed_by_us() {
    let mut pair = seeded(1);
    pair.rekey(A);
    pair.pass(A, "CREATE? REKEY_SA SA");
    pair.rekey(B);
    assert_eq!(pair.peek(B), "CREATE= SA");
    pair.settle();
    pair.agree();
    assert_eq!(pair.sides[A].down.len(), 1, "replaced once");
}

#[test]
fn a_rekey_that_waits_for_its_key_exchange_while_the_peers_arrives_is_dropped() {
    for seed in 1..5 {
        let mut pair = seeded(seed);
        pair.sides[A].withheld = Some(Vec::new());
        pair.rekey_ike(A);
        pair.rekey_ike(B);
        let kept = pair.sides[A].withheld.take();
        pair.pass(B, "CREATE? SA KE");
        pair.sides[A].withheld = kept;
        let now = pair.now;
        pair.sides[A].release(now);
        pair.settle();
        pair.agree();
    }
}

/// What a side may begin.
type Deed = (&'static str, fn(&mut Pair, usize));

const DEEDS: [Deed; 7] = [
    ("rekey", Pair::rekey),
    ("delete", Pair::delete),
    ("rekey the IKE SA", Pair::rekey_ike),
    ("new child", |pair, who| pair.acquire(who, 1)),
    ("alive?", Pair::ask_alive),
    ("rekey both", |pair, who| {
        pair.rekey(who);
        pair.rekey_ike(who);
    }),
    ("rekey both the other way round", |pair, who| {
        pair.rekey_ike(who);
        pair.rekey(who);
    }),
];

/// Orders that are told apart: who is heard first, then second …
const TURNS: u32 = 7;

#[test]
fn whatever_both_begin_and_in_whatever_order_it_arrives_they_agree_in_the_end() {
    for (ours, work_a) in DEEDS {
        for (theirs, work_b) in DEEDS {
            for order in 0..1u32 << TURNS {
                let mut pair = seeded(u8::try_from(order % 5 + 1).unwrap());
                work_a(&mut pair, A);
                work_b(&mut pair, B);
                for turn in 0..TURNS {
                    let who = usize::from(order >> turn & 1 == 1);
                    let _ = pair.deliver(who) || pair.deliver(1 - who);
                }
                pair.settle();
                pair.run(Duration::from_secs(120));
                let agreed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pair.agree()));
                assert!(agreed.is_ok(), "A: {ours}, B: {theirs}, order {order:07b}");
            }
        }
    }
}

#[test]
fn whatever_both_begin_and_whatever_is_lost_they_agree_in_the_end() {
    for (ours, work_a) in DEEDS {
        for (theirs, work_b) in DEEDS {
            for lost in 0..1u32 << TURNS {
                let mut pair = seeded(u8::try_from(lost % 3 + 1).unwrap());
                work_a(&mut pair, A);
                work_b(&mut pair, B);
                for turn in 0..TURNS {
                    let who = usize::try_from(turn % 2).unwrap();
                    if lost >> turn & 1 == 1 {
                        pair.sides[who].sent.pop_front();
                    } else {
                        pair.deliver(who);
                    }
                    pair.wait(Duration::from_millis(700));
                }
                pair.run(Duration::from_secs(300));
                let agreed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pair.agree()));
                assert!(agreed.is_ok(), "A: {ours}, B: {theirs}, lost {lost:07b}");
            }
        }
    }
}
