//! Peers that move: by MOBIKE, which asks before it believes, and behind a NAT, which gives them other ports.

use std::net::SocketAddr;
use std::time::Duration;

use base::VrfId;
use crypto::dh::Group;
use ipsec::Encap;

use super::pair::{A, B, Pair, Setup, path};
use crate::natt::Nat;
use crate::session::Session;
use crate::v2::mobike::{describe, detect};
use crate::v2::wire::notify::{self, Notify};
use crate::v2::wire::payload::{self, Builder};
use crate::{Datagram, Input, Path};

/// Where A is afterwards.
const ELSEWHERE: &str = "192.0.2.77:4500";
const HOME: &str = "198.51.100.1:4500";

fn mobile() -> Pair {
    Pair::new(&Setup { mobike: true, ..Setup::default() })
}

fn seen_from_b(remote: &str) -> Path {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Path { front: VrfId(0), local: address(HOME), remote: address(remote), marker: true }
}

/// A says this to B in an INFORMATIONAL that comes from `remote`.
fn say(pair: &mut Pair, remote: &str, notifies: &[Notify]) {
    let mut chain = Builder::default();
    for notify in notifies {
        chain.push(payload::NOTIFY, &notify.encode());
    }
    pair.tell(A, &chain);
    let Datagram { bytes, .. } = pair.sides[A].sent.pop_back().unwrap();
    arrive(pair, remote, bytes);
}

fn arrive(pair: &mut Pair, remote: &str, bytes: Vec<u8>) {
    let now = pair.now;
    pair.sides[B].arrive(now, Input::Datagram(Datagram { path: seen_from_b(remote), bytes }));
}

fn update() -> Notify {
    Notify::new(notify::UPDATE_SA_ADDRESSES, Vec::new())
}

fn place_of_a(pair: &Pair) -> SocketAddr {
    pair.sides[B].ike.sessions.values().next().unwrap().path().remote
}

/// ```text
/// A (elsewhere)                       B
/// INFO? UPDATE_SA_ADDRESSES       ->
///                                 <-  INFO=
///                                 <-  INFO? COOKIE2
/// INFO= COOKIE2                   ->
/// ```
#[test]
fn a_peer_that_moves_takes_its_children_along_once_it_has_answered_from_there() {
    let mut pair = mobile();
    say(&mut pair, ELSEWHERE, &[update()]);
    let answer = pair.sides[B].sent.front().unwrap();
    assert_eq!(answer.path.remote.to_string(), ELSEWHERE);
    pair.pass(B, "INFO=");
    assert!(pair.sides[B].moved.is_empty(), "not before it has answered");
    pair.pass(B, "INFO? COOKIE2");
    assert_eq!(pair.peek(A), "INFO= COOKIE2");
    let Datagram { bytes, .. } = pair.sides[A].sent.pop_front().unwrap();
    arrive(&mut pair, ELSEWHERE, bytes);
    let [(_, endpoints)] = pair.sides[B].moved[..] else { panic!("moved once") };
    assert_eq!(endpoints.remote.to_string(), "192.0.2.77");
    assert_eq!(endpoints.encap, Encap::Esp);
    // The session is found at its new place, and lives on.
    pair.rekey(B);
    assert_eq!(pair.sides[B].sent[0].path.remote.to_string(), ELSEWHERE);
    pair.settle_from(ELSEWHERE.parse().unwrap());
    pair.agree();
    assert_eq!(pair.children(B), 1);
    // Traffic to the same peer finds it there as well.
    pair.acquire(B, 1);
    assert_eq!(pair.sides[B].sent[0].path.remote.to_string(), ELSEWHERE);
    pair.settle_from(ELSEWHERE.parse().unwrap());
    pair.agree();
    assert_eq!(pair.children(B), 2);
}

#[test]
fn a_peer_that_moves_and_falls_silent_takes_its_children_with_it() {
    let mut pair = mobile();
    say(&mut pair, ELSEWHERE, &[update()]);
    pair.wait(Duration::from_secs(70));
    assert_eq!((pair.children(B), pair.sessions(B)), (0, 0));
}

#[test]
fn an_ike_sa_may_be_rekeyed_while_the_peer_moves() {
    let mut pair = mobile();
    pair.rekey_ike(B);
    say(&mut pair, ELSEWHERE, &[update()]);
    pair.settle_from(ELSEWHERE.parse().unwrap());
    pair.rekey(B);
    pair.settle_from(ELSEWHERE.parse().unwrap());
    pair.agree();
    let [.., (_, endpoints)] = pair.sides[B].moved[..] else { panic!("moved") };
    assert_eq!((pair.children(B), endpoints.remote.to_string().as_str()), (1, "192.0.2.77"));
}

#[test]
fn a_nat_at_the_new_place_puts_esp_into_udp() {
    let mut pair = mobile();
    let cookies = pair.sides[B].ike.sessions.values().next().unwrap().cookies();
    let private = Path { local: "10.0.0.5:4500".parse().unwrap(), ..path(A) };
    let [source, destination] = describe(cookies, &private);
    say(&mut pair, "203.0.113.9:40000", &[update(), source, destination]);
    assert_eq!(pair.peek(B), "INFO= NAT_DETECTION_SOURCE_IP NAT_DETECTION_DESTINATION_IP");
    pair.settle_from("203.0.113.9:40000".parse().unwrap());
    let [(_, endpoints)] = pair.sides[B].moved[..] else { panic!("moved once") };
    assert_eq!(endpoints.encap, Encap::Udp { local: 4500, remote: 40000 });
}

#[test]
fn a_peer_that_did_not_announce_mobike_does_not_move() {
    let mut pair = Pair::new(&Setup::default());
    say(&mut pair, ELSEWHERE, &[update()]);
    assert_eq!(place_of_a(&pair).to_string(), "192.0.2.1:4500");
    pair.settle();
    assert!(pair.sides[B].moved.is_empty());
}

#[test]
fn no_nat_where_none_is_allowed() {
    let mut pair = mobile();
    let claim = |address: [u8; 4]| {
        let ports = [4500u16, 4500].map(u16::to_be_bytes).concat();
        Notify::new(notify::NO_NATS_ALLOWED, [&address[..], &[198, 51, 100, 1], &ports].concat())
    };
    say(&mut pair, ELSEWHERE, &[update(), claim([10, 0, 0, 5])]);
    pair.pass(B, "INFO= UNEXPECTED_NAT_DETECTED");
    assert_eq!(place_of_a(&pair).to_string(), "192.0.2.1:4500");
    say(&mut pair, ELSEWHERE, &[update(), claim([192, 0, 2, 77])]);
    pair.pass(B, "INFO=");
    assert_eq!(place_of_a(&pair).to_string(), ELSEWHERE);
}

#[test]
fn a_response_that_takes_its_time_goes_where_the_request_came_from_as_well() {
    let mut pair = Pair::new(&Setup { mobike: true, pfs: [Some(Group::EcpP256); 2], ..Setup::default() });
    pair.rekey(A);
    pair.sides[B].withheld = Some(Vec::new());
    let Datagram { bytes, .. } = pair.sides[A].sent.pop_front().unwrap();
    arrive(&mut pair, ELSEWHERE, bytes);
    while pair.sides[B].withheld.as_ref().is_some_and(|asked| !asked.is_empty()) {
        let now = pair.now;
        pair.sides[B].release(now);
    }
    let answer = pair.sides[B].sent.front().unwrap();
    assert_eq!(answer.path.remote.to_string(), ELSEWHERE);
    assert_eq!(place_of_a(&pair).to_string(), "192.0.2.1:4500", "which moves nobody");
}

#[test]
fn a_path_that_is_only_tried_is_answered_and_moves_nobody() {
    let mut pair = mobile();
    let cookie = Notify::new(notify::COOKIE2, vec![7; 16]);
    say(&mut pair, ELSEWHERE, &[cookie]);
    assert_eq!(pair.sides[B].sent[0].path.remote.to_string(), ELSEWHERE, "answered where it was asked");
    pair.pass(B, "INFO= COOKIE2");
    assert_eq!(place_of_a(&pair).to_string(), "192.0.2.1:4500");
    pair.settle();
    assert!(pair.sides[B].moved.is_empty());
}

#[test]
fn an_answer_without_our_cookie_proves_nothing() {
    let mut pair = mobile();
    say(&mut pair, ELSEWHERE, &[update()]);
    pair.pass(B, "INFO=");
    let asked = pair.sides[B].sent.pop_front().unwrap();
    pair.forge(B, &asked);
    assert!(pair.sides[B].moved.is_empty());
}

#[test]
fn an_old_message_from_another_place_moves_nobody() {
    let mut pair = mobile();
    say(&mut pair, ELSEWHERE, &[update()]);
    pair.sides[B].sent.clear();
    let mut chain = Builder::default();
    chain.push(payload::NOTIFY, &update().encode());
    pair.tell(A, &chain);
    let Datagram { bytes, .. } = pair.sides[A].sent.pop_back().unwrap();
    arrive(&mut pair, "192.0.2.1:4500", bytes.clone());
    arrive(&mut pair, "203.0.113.66:4500", bytes);
    assert_eq!(place_of_a(&pair).to_string(), "192.0.2.1:4500");
}

#[test]
fn a_peer_behind_a_nat_is_followed_to_its_new_port() {
    let mut pair = Pair::new(&Setup { nat: Nat { local: true, remote: false }, ..Setup::default() });
    pair.ask_alive(A);
    let Datagram { bytes, .. } = pair.sides[A].sent.pop_front().unwrap();
    arrive(&mut pair, "192.0.2.1:61000", bytes.clone());
    let answer = pair.sides[B].sent.pop_front().unwrap();
    assert_eq!(answer.path.remote.to_string(), "192.0.2.1:61000");
    let [(_, endpoints)] = pair.sides[B].moved[..] else { panic!("moved once") };
    assert_eq!(endpoints.encap, Encap::Udp { local: 4500, remote: 61000 });
    // The same bytes from elsewhere are an old message: they move nobody.
    arrive(&mut pair, "192.0.2.1:62000", bytes);
    assert_eq!(pair.sides[B].moved.len(), 1);
}

#[test]
fn a_peer_without_a_nat_is_not_followed() {
    let mut pair = Pair::new(&Setup::default());
    pair.ask_alive(A);
    let Datagram { bytes, .. } = pair.sides[A].sent.pop_front().unwrap();
    arrive(&mut pair, "192.0.2.1:61000", bytes);
    assert!(pair.sides[B].moved.is_empty());
    assert_eq!(pair.sides[B].ike.sessions.values().map(Session::path).collect::<Vec<_>>(), [path(B)]);
}

#[test]
fn a_nat_is_where_the_two_views_differ() {
    let (cookies, ours) = (([1; 8], [2; 8]), path(B));
    let mirror = |local: &str, remote: &str| {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        describe(cookies, &Path { local: address(local), remote: address(remote), ..ours })
    };
    let nat = |local: bool, remote: bool| Nat { local, remote };
    assert_eq!(detect(&mirror("192.0.2.1:4500", HOME), cookies, &ours), nat(false, false));
    assert_eq!(detect(&mirror("10.0.0.1:4500", HOME), cookies, &ours), nat(false, true));
    assert_eq!(detect(&mirror("192.0.2.1:4500", "10.9.9.9:4500"), cookies, &ours), nat(true, false));
    assert_eq!(detect(&mirror("10.0.0.1:4500", "10.9.9.9:4500"), cookies, &ours), nat(true, true));
    assert_eq!(detect(&[], cookies, &ours), nat(false, false));
    // A peer with several addresses says where it may send from: one of them is enough.
    let [other, _] = mirror("10.0.0.1:4500", HOME);
    let [this, destination] = mirror("192.0.2.1:4500", HOME);
    assert_eq!(detect(&[other, this, destination], cookies, &ours), nat(false, false));
}
