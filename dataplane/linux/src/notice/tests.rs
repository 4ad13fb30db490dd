//! Notifications as the kernel builds them.

use base::Prefix;
use ipsec::{Encap, Selector};
use proptest::prelude::*;

use super::*;
use crate::policy::{Hook, Scope};
use crate::xfrm::{Body, POLICY_ID_LEN, sides};

const IF_ID: u32 = 0x4F00_0001;
const MARK: u32 = 0x2_0000;

fn host(last: u8) -> Prefix {
    Prefix::host([10, 0, 0, last].into())
}

/// `struct xfrm_user_acquire` with its attributes.
fn question(protocol: u8, ticket: u32) -> Vec<u8> {
    let mut body = Body::new();
    body.zeros(24 + 16);
    let packet = Selector {
        protocol: Some(protocol),
        local_ports: Ports::one(8),
        remote_ports: Ports::one(443),
        ..Selector::between(host(1), host(2))
    };
    let (ours, theirs) = sides(&packet);
    body.selector(ours, theirs, packet.protocol, 0);
    body.selector((host(1), Ports::ANY), (host(2), Ports::ANY), None, 9);
    body.zeros(POLICY_LEN - 56 + 16);
    body.attribute(attribute::TEMPLATE, |body| {
        body.zeros(24 + 4 + 16).u32(ticket).zeros(16);
    });
    body.mark(MARK).if_id(IF_ID);
    body.finish().to_vec()
}

#[test]
fn a_packet_without_an_sa_asks_for_one() {
    for (protocol, ports) in [(6, (8, 443)), (1, (0, 0))] {
        let Some(Notice::Acquire { if_id, device, ticket, flow }) =
            read(message::ACQUIRE, &question(protocol, 77), &Ground::default())
        else {
            panic!("no question")
        };
        assert_eq!((if_id, device, ticket), (IF_ID, 9, 77));
        assert_eq!((flow.local, flow.remote), (host(1).address(), host(2).address()));
        assert_eq!((flow.protocol, flow.local_port, flow.remote_port), (protocol, ports.0, ports.1));
    }
}

#[test]
fn an_nat_that_gave_another_port_is_told() {
    let mut body = Body::new();
    body.address([192, 0, 2, 1].into()).spi(0x1000).family(base::Family::V4).u8(ESP).zeros(1).u32(0);
    body.address([198, 51, 100, 1].into()).address([198, 51, 100, 1].into()).port(4500).port(61_000);
    let told = read(message::MAPPING, &body.finish(), &Ground::default());
    let Some(Notice::Moved { local, spi, port }) = told else { panic!("not told") };
    assert_eq!((local, spi, port), ([192, 0, 2, 1].into(), Spi(0x1000), 61_000));
}

#[test]
fn a_flush_says_that_nothing_is_known_any_more() {
    for kind in [message::FLUSH_SA, message::FLUSH_POLICY] {
        assert!(matches!(read(kind, &[], &Ground::default()), Some(Notice::Flushed)));
    }
}

#[test]
fn a_policy_that_a_stranger_took_away_is_named() {
    let any = Selector::between(host(1), host(2));
    let mut body = Body::new();
    body.zeros(POLICY_ID_LEN);
    body.attribute(attribute::POLICY, |body| {
        let (ours, theirs) = sides(&any);
        body.selector(ours, theirs, None, 0).zeros(64 + 32 + 8).u8(1).zeros(7);
    });
    body.mark(MARK).if_id(IF_ID);
    let told = read(message::DEL_POLICY, &body.finish(), &Ground::default());
    assert!(
        matches!(told, Some(Notice::Gone(Key::Policy(Scope::Tunnel(IF_ID), Hook::Out, gone))) if gone == any)
    );
}

#[test]
fn ends_of_sas_are_told_apart() {
    let sa = sa::tests::example(Encap::Esp);
    let mut expire = sa.body().get(..SA_LEN).unwrap().to_vec();
    for hard in [0, 1] {
        expire.truncate(SA_LEN);
        expire.extend([hard, 0, 0, 0, 0, 0, 0, 0]);
        let mut attributes = Body::new();
        attributes.mark(sa.home.mark).if_id(sa.home.if_id);
        expire.extend(attributes.finish().iter());
        match read(message::EXPIRE, &expire, &Ground::default()) {
            Some(Notice::Expiring(key)) => assert!(hard == 0 && key == sa.key()),
            Some(Notice::Expired(key)) => assert!(hard == 1 && key == sa.key()),
            _ => panic!("not told"),
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_notice_or_none(kind in 0x10..0x28_u16, bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read(kind, &bytes, &Ground::default());
    }

    /// Cut or changed anywhere.
    #[test]
    fn a_broken_question_does_no_harm(cut in 0..500_usize, at in 0..500_usize, value: u8) {
        let mut body = question(6, 1);
        if let Some(byte) = body.get_mut(at) {
            *byte = value;
        }
        body.truncate(cut);
        read(message::ACQUIRE, &body, &Ground::default());
    }
}
