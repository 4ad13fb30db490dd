//! Peers that move.

use std::net::SocketAddr;

use base::VrfId;
use ipsec::Encap;

use super::pair::{A, B, Pair, Setup, path};
use crate::natt::Nat;
use crate::{Datagram, Input, Path};

#[test]
fn a_peer_behind_a_nat_is_followed_to_its_new_port() {
    let mut pair = Pair::new(&Setup { nat: Nat { local: true, remote: false }, ..Setup::default() });
    pair.ask_alive(A);
    let moved = from("198.51.100.1:4500", "192.0.2.1:61000");
    let Datagram { bytes, .. } = pair.sides[A].sent.pop_front().unwrap();
    deliver(&mut pair, moved, bytes.clone());
    let answer = pair.sides[B].sent.pop_front().unwrap();
    assert_eq!(answer.path.remote, moved.remote);
    let [(_, endpoints)] = pair.sides[B].moved[..] else { panic!("moved once") };
    assert_eq!(endpoints.encap, Encap::Udp { local: 4500, remote: 61000 });
    // The same bytes from elsewhere are an old message: they move nobody.
    deliver(&mut pair, from("198.51.100.1:4500", "192.0.2.1:62000"), bytes);
    assert_eq!(pair.sides[B].moved.len(), 1);
}

#[test]
fn a_peer_without_a_nat_is_not_followed() {
    let mut pair = Pair::new(&Setup::default());
    pair.ask_alive(A);
    let Datagram { bytes, .. } = pair.sides[A].sent.pop_front().unwrap();
    deliver(&mut pair, from("198.51.100.1:4500", "192.0.2.1:61000"), bytes);
    assert!(pair.sides[B].moved.is_empty());
    let session = pair.sides[B].ike.sessions.values().next().unwrap();
    assert_eq!(session.path(), path(B));
}

fn from(local: &str, remote: &str) -> Path {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Path { front: VrfId(0), local: address(local), remote: address(remote), marker: true }
}

fn deliver(pair: &mut Pair, path: Path, bytes: Vec<u8>) {
    let now = pair.now;
    pair.sides[B].arrive(now, Input::Datagram(Datagram { path, bytes }));
}
