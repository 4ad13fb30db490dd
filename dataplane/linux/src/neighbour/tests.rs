//! What is read back of neighbours.

use netlink_packet_core::Parseable as _;

use super::*;
use crate::ground::{Kind, Link};

fn ground() -> Ground {
    let mut ground = Ground::default();
    let (alias, kind) = (None, Kind::Other);
    let link = Link { index: 7, master: None, enabled: true, running: true, mtu: 1500, alias, kind };
    ground.set_link(&Name::from("wan"), Some(link));
    ground
}

#[test]
fn what_is_sent_is_what_is_read_back() {
    for address in ["192.0.2.1", "fe80::1"] {
        let (name, address): (_, IpAddr) = (Name::from("wan"), address.parse().unwrap());
        let requests = set(&name, address, Mac([2, 0, 0, 0, 0, 9]), &ground()).unwrap();
        let message = NeighbourMessage::parse(requests[0].body.as_slice()).unwrap();
        let wanted = (Key::Neighbour(name, address), Thing::Neighbour(Mac([2, 0, 0, 0, 0, 9])));
        assert!(read(&message, &ground()) == Some(wanted));
    }
}

#[test]
fn what_the_kernel_learned_is_not_ours() {
    let (name, address) = (Name::from("wan"), IpAddr::from([192, 0, 2, 1]));
    let requests = set(&name, address, Mac([2; 6]), &ground()).unwrap();
    let mut message = NeighbourMessage::parse(requests[0].body.as_slice()).unwrap();
    message.header.state = NeighbourState::Reachable;
    assert!(read(&message, &ground()).is_none());
}
