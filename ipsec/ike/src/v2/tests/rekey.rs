//! Exchanges that nothing crosses.

use std::time::Duration;

use crypto::dh::Group;

use super::pair::{A, B, Pair, Setup};
use crate::config::Dpd;
use crate::{Command, DownReason, Traffic};

/// ```text
/// A                                   B
/// CREATE? REKEY_SA SA             ->
///                                 <-  CREATE= SA
/// INFO? D(1)                      ->
///                                 <-  INFO= D(1)
/// ```
#[test]
fn a_child_is_replaced_and_then_deleted_by_who_replaced_it() {
    for who in [A, B] {
        let (mut pair, other) = (Pair::new(&Setup::default()), 1 - who);
        let old = [pair.first(A), pair.first(B)];
        pair.rekey(who);
        pair.pass(who, "CREATE? REKEY_SA SA");
        assert_eq!(pair.children(other), 2);
        let sends = pair.sides[other].placed[&old[other]].sends;
        assert!(sends, "the responder sends on the old one until that is deleted");
        pair.pass(other, "CREATE= SA");
        assert!(!pair.sides[who].placed[&old[who]].sends, "the initiator sends on the new one at once");
        pair.pass(who, "INFO? D(1)");
        assert_eq!(pair.children(other), 1);
        pair.pass(other, "INFO= D(1)");
        pair.agree();
        assert_eq!(pair.sides[A].down, [(old[A], DownReason::Superseded)]);
        assert_eq!(pair.sides[B].down, [(old[B], DownReason::Superseded)]);
    }
}

#[test]
fn each_message_of_a_rekey_may_be_lost() {
    for lost in 0..4 {
        let mut pair = Pair::new(&Setup::default());
        pair.rekey(A);
        for number in 0..4 {
            let from = if number % 2 == 0 { A } else { B };
            if number == lost {
                let what = pair.peek(from);
                pair.lose(from, &what);
                pair.wait(Duration::from_secs(2));
                if from == B {
                    assert!(pair.deliver(A), "the request is sent again");
                }
                assert_eq!(pair.peek(from), what, "and so is this");
            }
            assert!(pair.deliver(from));
        }
        pair.settle();
        pair.agree();
    }
}

#[test]
fn perfect_forward_secrecy_takes_a_key_exchange() {
    let mut pair = Pair::new(&Setup { pfs: [Some(Group::EcpP256); 2], ..Setup::default() });
    pair.rekey(A);
    pair.pass(A, "CREATE? REKEY_SA SA KE");
    pair.pass(B, "CREATE= SA KE");
    pair.settle();
    pair.agree();
}

#[test]
fn a_responder_without_a_group_of_its_own_goes_along_with_the_peers() {
    let mut pair = Pair::new(&Setup { pfs: [Some(Group::EcpP384), None], ..Setup::default() });
    pair.rekey(A);
    pair.pass(A, "CREATE? REKEY_SA SA KE");
    pair.pass(B, "CREATE= SA KE");
    pair.settle();
    pair.agree();
}

#[test]
fn groups_that_differ_make_no_child_and_leave_nothing_behind() {
    let pfs = [Some(Group::EcpP384), Some(Group::EcpP256)];
    let mut pair = Pair::childless(&Setup { pfs, ..Setup::default() });
    pair.acquire(A, 0);
    pair.pass(A, "CREATE? SA KE");
    pair.pass(B, "CREATE= NO_PROPOSAL_CHOSEN");
    pair.agree();
    assert_eq!(pair.children(A), 0);
}

/// ```text
/// A                                   B
/// CREATE? SA                      ->
///                                 <-  CREATE= SA
/// ```
#[test]
fn a_second_child_stands_beside_the_first() {
    for who in [A, B] {
        let mut pair = Pair::new(&Setup::default());
        pair.acquire(who, 1);
        pair.pass(who, "CREATE? SA");
        pair.pass(1 - who, "CREATE= SA");
        pair.agree();
        assert_eq!(pair.children(A), 2);
    }
}

#[test]
fn a_child_is_deleted_on_both_sides() {
    for who in [A, B] {
        let mut pair = Pair::new(&Setup::default());
        pair.delete(who);
        pair.pass(who, "INFO? D(1)");
        pair.pass(1 - who, "INFO= D(1)");
        assert_eq!((pair.children(A), pair.children(B)), (0, 0));
        assert_eq!(pair.sides[1 - who].down[0].1, DownReason::PeerDeleted);
        pair.agree();
    }
}

/// ```text
/// A                                   B
/// CREATE? SA KE                   ->
///                                 <-  CREATE= SA KE
/// INFO? D(IKE)                    ->
///                                 <-  INFO=
/// ```
#[test]
fn the_ike_sa_is_replaced_and_its_children_move() {
    for who in [A, B] {
        let (mut pair, other) = (Pair::new(&Setup::default()), 1 - who);
        let before = (pair.session(A), pair.session(B));
        pair.rekey_ike(who);
        pair.pass(who, "CREATE? SA KE");
        pair.pass(other, "CREATE= SA KE");
        pair.pass(who, "INFO? D(IKE)");
        pair.pass(other, "INFO=");
        pair.agree();
        assert_ne!((pair.session(A), pair.session(B)), before);
        assert_eq!(pair.children(A), 1, "no child was touched");
        assert!(pair.sides.iter().all(|side| side.down.is_empty()));
        // What comes next runs under the new one, whoever begins.
        pair.rekey(other);
        pair.settle();
        pair.ask_alive(who);
        pair.settle();
        pair.agree();
    }
}

#[test]
fn each_message_of_an_ike_rekey_may_be_lost() {
    for lost in 0..4 {
        let mut pair = Pair::new(&Setup::default());
        pair.rekey_ike(B);
        for number in 0..4 {
            let from = if number % 2 == 0 { B } else { A };
            if number == lost {
                pair.sides[from].sent.pop_front().expect("a message");
                pair.wait(Duration::from_secs(2));
                if from == A {
                    assert!(pair.deliver(B), "the request is sent again");
                }
            }
            if number < 3 || lost < 3 {
                assert!(pair.deliver(from));
            }
        }
        // Who has answered a delete of the IKE SA knows it no more: the other asks in vain.
        pair.run(Duration::from_secs(120));
        pair.agree();
    }
}

#[test]
fn a_wrong_guess_of_the_group_costs_one_round_trip() {
    let groups = [vec![Group::EcpP384, Group::EcpP256], vec![Group::EcpP256]];
    let mut pair = Pair::new(&Setup { groups, ..Setup::default() });
    pair.rekey_ike(A);
    pair.pass(A, "CREATE? SA KE");
    pair.pass(B, "CREATE= INVALID_KE_PAYLOAD");
    pair.pass(A, "CREATE? SA KE");
    pair.pass(B, "CREATE= SA KE");
    pair.settle();
    pair.agree();
}

/// ```text
/// A                                   B
/// CREATE? SA KE                   ->
///                                 <-  CREATE= SA KE ADDITIONAL_KEY_EXCHANGE
/// FOLLOWUP? KE ADDITIONAL_KEY_E…  ->
///                                 <-  FOLLOWUP= KE ADDITIONAL_KEY_EXCHANGE
/// FOLLOWUP? KE ADDITIONAL_KEY_E…  ->
///                                 <-  FOLLOWUP= KE
/// ```
#[test]
fn a_hybrid_ike_sa_is_rekeyed_with_all_its_key_exchanges() {
    let additional = vec![vec![Group::MlKem768], vec![Group::EcpP384]];
    let mut pair = Pair::new(&Setup { additional, ..Setup::default() });
    pair.rekey_ike(A);
    pair.pass(A, "CREATE? SA KE");
    pair.pass(B, "CREATE= SA KE ADDITIONAL_KEY_EXCHANGE");
    for next in ["FOLLOWUP= KE ADDITIONAL_KEY_EXCHANGE", "FOLLOWUP= KE"] {
        pair.pass(A, "FOLLOWUP? KE ADDITIONAL_KEY_EXCHANGE");
        pair.pass(B, next);
    }
    pair.settle();
    pair.agree();
}

#[test]
fn a_child_of_a_hybrid_ike_sa_is_hybrid_if_it_has_a_group() {
    let (additional, pfs) = (vec![vec![Group::MlKem768]], [Some(Group::EcpP256); 2]);
    let mut pair = Pair::new(&Setup { additional, pfs, ..Setup::default() });
    pair.rekey(B);
    pair.pass(B, "CREATE? REKEY_SA SA KE");
    pair.pass(A, "CREATE= SA KE ADDITIONAL_KEY_EXCHANGE");
    pair.pass(B, "FOLLOWUP? KE ADDITIONAL_KEY_EXCHANGE");
    assert_eq!(pair.children(A), 2, "complete with the last key exchange");
    pair.pass(A, "FOLLOWUP= KE");
    pair.settle();
    pair.agree();
}

#[test]
fn a_follow_up_that_never_comes_costs_nothing() {
    let (additional, pfs) = (vec![vec![Group::MlKem768]], [Some(Group::EcpP256); 2]);
    let mut pair = Pair::new(&Setup { additional, pfs, ..Setup::default() });
    pair.rekey(B);
    pair.pass(B, "CREATE? REKEY_SA SA KE");
    pair.lose(A, "CREATE= SA KE ADDITIONAL_KEY_EXCHANGE");
    pair.wait(Duration::from_secs(63));
    let [a, b] = &pair.sides;
    assert_eq!((a.placed.len(), b.placed.len()), (1, 0), "B takes A for dead");
    assert!(!b.down.is_empty());
}

#[test]
fn closing_an_ike_sa_ends_its_children_on_both_sides() {
    for who in [A, B] {
        let mut pair = Pair::new(&Setup::default());
        pair.close(who);
        pair.pass(who, "INFO? D(IKE)");
        pair.pass(1 - who, "INFO=");
        assert_eq!([A, B].map(|who| (pair.children(who), pair.sessions(who))), [(0, 0); 2]);
        assert_eq!(pair.sides[1 - who].down[0].1, DownReason::PeerDeleted);
    }
}

fn watched(periodic: bool) -> Setup {
    let (every, retry) = (Duration::from_secs(10), Duration::from_secs(2));
    Setup { dpd: Some(Dpd { periodic, every, retry }), ..Setup::default() }
}

#[test]
fn a_quiet_peer_is_asked_and_its_answer_is_enough() {
    let mut pair = Pair::new(&watched(true));
    pair.wait(Duration::from_millis(10_100));
    assert_eq!([A, B].map(|who| pair.peek(who)), ["INFO?", "INFO?"]);
    pair.run(Duration::from_secs(300));
    pair.agree();
}

#[test]
fn on_demand_only_a_child_that_sends_and_hears_nothing_raises_the_question() {
    let mut pair = Pair::new(&watched(false));
    pair.wait(Duration::from_secs(60));
    assert_eq!(pair.peek(A), "nothing");
    pair.sides[A].traffic = Traffic { received: 0, sent: 9 };
    pair.wait(Duration::from_secs(11));
    assert_eq!(pair.peek(A), "INFO?");
    assert_eq!(pair.peek(B), "nothing");
}

#[test]
fn a_peer_that_never_answers_is_dead() {
    let mut pair = Pair::new(&watched(true));
    pair.wait(Duration::from_secs(21));
    assert_eq!((pair.children(A), pair.sessions(A)), (0, 0));
    assert_eq!(pair.sides[A].down[0].1, DownReason::PeerSilent);
}

#[test]
fn without_a_watch_a_request_that_nobody_answers_ends_the_session_as_well() {
    let mut pair = Pair::new(&Setup::default());
    pair.rekey(A);
    pair.wait(Duration::from_secs(70));
    assert_eq!((pair.children(A), pair.sessions(A)), (0, 0));
    assert_eq!(pair.sides[A].down[0].1, DownReason::PeerSilent);
}

#[test]
fn a_child_that_lives_for_its_time_is_rekeyed_for_ever() {
    let mut pair = Pair::new(&Setup::default());
    pair.run(Duration::from_secs(20 * 3600));
    pair.agree();
    assert!(pair.sides[A].down.len() >= 20);
    assert!(pair.sides[A].down.iter().all(|(_, reason)| *reason == DownReason::Superseded));
}

#[test]
fn peers_that_know_redirects_are_sent_elsewhere_once_nobody_is_served_here() {
    let mut pair = Pair::new(&Setup::default());
    pair.redirect(B);
    assert_eq!(pair.peek(B), "INFO? REDIRECT");
    pair.settle();
    pair.agree();
    pair.redirect(B);
    assert_eq!(pair.peek(B), "nothing", "told once");
}

/// ```text
/// A                                   B
/// CREATE? REKEY_SA SA             ->
///   the old child is used up
///                                 <-  CREATE= SA
/// INFO? D(1)                      ->
///                                 <-  INFO= D(1)
/// ```
#[test]
fn a_child_that_is_used_up_while_its_successor_is_negotiated_goes_and_the_negotiation_goes_on() {
    for answered in [false, true] {
        let mut pair = Pair::new(&Setup::default());
        let old = pair.first(A);
        pair.rekey(A);
        if answered {
            pair.pass(A, "CREATE? REKEY_SA SA");
        }
        pair.command(A, Command::Exhausted(old));
        pair.acquire(A, 0);
        assert_eq!(pair.sides[A].down, [(old, DownReason::Exhausted)]);
        if !answered {
            pair.pass(A, "CREATE? REKEY_SA SA");
        }
        pair.pass(B, "CREATE= SA");
        assert!(pair.sides[A].placed.values().any(|one| one.sends), "it carries the traffic");
        pair.pass(A, "INFO? D(1)");
        pair.pass(B, "INFO= D(1)");
        assert_eq!(pair.peek(A), "nothing");
        pair.agree();
    }
}

#[test]
fn what_is_cleared_is_cleared_even_if_the_peer_is_gone() {
    let mut pair = Pair::new(&Setup::default());
    pair.close(A);
    pair.wait(Duration::from_secs(120));
    assert_eq!(pair.sessions(A), 0);
    assert_eq!(pair.sides[A].ended, [DownReason::Cleared]);
}
