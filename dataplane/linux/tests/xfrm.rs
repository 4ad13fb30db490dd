//! SAs and policies on a kernel: what it asks, what it tells, and what it lets through.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::wildcard_enum_match_arm, reason = "of a plan a test changes a little")]

#[path = "kernel/bed.rs"]
#[allow(dead_code, reason = "what other tests need")]
mod bed;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use base::{PolicyId, SaId, Spi, VrfId};
use bed::{Box1, ip, namespaced};
use dataplane::contract::{self, Subject as _};
use dataplane::{Dataplane as _, Event, LabelAction, Object, Op, Plan};
use ipsec::{Encap, Policy, Rule, Sa, Selector};
use sys::packet::{Inbox, PacketSocket};

/// The VRF of the port that carries the policy of the contract.
const FRONT: VrfId = VrfId(10);

fn set(one: &mut Box1, plan: &Plan) {
    assert_eq!(one.linux.apply(&Plan::default().toward(plan)), Ok(()));
}

fn changed(change: impl Fn(Object) -> Object) -> Plan {
    contract::plan().objects().cloned().map(change).collect()
}

fn outbound() -> Sa {
    let plan = contract::plan();
    let sa = plan.objects().find_map(|object| match object {
        Object::Sa(sa) if sa.id == contract::OUTBOUND => Some(sa.clone()),
        _ => None,
    });
    sa.unwrap()
}

/// Polls until an event is as wanted; all of them.
fn events_until(one: &mut Box1, is_it: impl Fn(&Event) -> bool) -> Vec<Event> {
    let (mut events, start) = (Vec::new(), Instant::now());
    while start.elapsed() < Duration::from_secs(5) {
        match one.linux.poll() {
            Some(event) => {
                events.push(event);
                if events.last().is_some_and(&is_it) {
                    return events;
                }
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("it was not told within 5 s: {events:?}\n{}", bed::state());
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn a_packet_without_an_sa_is_told_once_a_second() {
    namespaced("a_packet_without_an_sa_is_told_once_a_second", || {
        let mut one = Box1::new();
        let plan: Plan = contract::plan().objects().filter_map(bed::without_sas).collect();
        set(&mut one, &plan);
        for _ in 0..2 {
            one.send();
            let events = events_until(&mut one, |event| matches!(event, Event::Acquire { .. }));
            let Some(Event::Acquire { policy, rule, flow }) = events.last() else { unreachable!() };
            assert_eq!((*policy, *rule), (PolicyId(1), 0));
            assert_eq!((flow.local, flow.remote), (IpAddr::from([10, 1, 0, 7]), IpAddr::from([10, 2, 0, 9])));
            assert_eq!((flow.protocol, flow.local_port, flow.remote_port), (17, 4096, 4096));
            std::thread::sleep(Duration::from_millis(2100));
        }
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn esp_that_no_sa_opens_is_told() {
    namespaced("esp_that_no_sa_opens_is_told", || {
        let mut one = Box1::new();
        set(&mut one, &contract::plan());
        one.settle();
        let far = PacketSocket::open("far1").unwrap();
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0];
        frame.extend([0x45, 0, 0, 36, 0, 0, 0, 0, 64, 50, 0, 0, 198, 51, 100, 1, 172, 18, 1, 1]);
        let sum: u32 = frame[14..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = !u16::try_from((sum & 0xFFFF) + (sum >> 16)).unwrap();
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame.extend([0, 0x12, 0x34, 0x56, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        let told = Event::UnknownSpi {
            front: FRONT,
            local: [172, 18, 1, 1].into(),
            remote: [198, 51, 100, 1].into(),
            spi: Spi(0x0012_3456),
            encap: Encap::Esp,
        };
        let start = Instant::now();
        let mut events = Vec::new();
        while !events.contains(&told) {
            assert!(start.elapsed() < Duration::from_secs(5), "{events:?}");
            far.send(&[&frame]).unwrap();
            events.extend(one.settle());
        }
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn a_peer_with_another_address_sees_no_number_twice() {
    namespaced("a_peer_with_another_address_sees_no_number_twice", || {
        let mut one = Box1::new();
        set(&mut one, &contract::plan());
        one.carry();
        let before = one.linux.counters().sas[&contract::OUTBOUND].sequence;
        for (remote, encap) in
            [([198, 51, 100, 77], Encap::Esp), ([198, 51, 100, 78], Encap::Udp { local: 4500, remote: 4500 })]
        {
            let moved = Sa { remote: remote.into(), encap, ..outbound() };
            assert_eq!(one.linux.apply(&[Op::Set(Object::Sa(moved))]), Ok(()));
            one.carry();
            let now = one.linux.counters().sas[&contract::OUTBOUND];
            assert_eq!(now.packets, 1, "of the new one");
            assert!(now.sequence > before + 1, "{now:?}");
        }
        assert_eq!(ip(&["xfrm", "state"]).matches("0x0c000001").count(), 1);
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn an_sa_says_when_its_volume_nears_its_end_and_when_it_is_there() {
    namespaced("an_sa_says_when_its_volume_nears_its_end_and_when_it_is_there", || {
        let mut one = Box1::new();
        set(
            &mut one,
            &changed(|object| match object {
                Object::Sa(sa) => Object::Sa(Sa { kilobytes: Some(1), ..sa }),
                other => other,
            }),
        );
        one.settle();
        for _ in 0..40 {
            one.send();
        }
        let events = events_until(&mut one, |event| *event == Event::Expired(contract::OUTBOUND));
        assert!(events.contains(&Event::Expiring(contract::OUTBOUND)), "{events:?}");
        assert!(!one.linux.counters().sas.contains_key(&contract::OUTBOUND));
    });
}

/// The contract's customer in the VRF of the port itself.
fn own_vrf(rules: Vec<Rule>) -> Plan {
    changed(move |object| match object {
        Object::Sa(sa) => Object::Sa(Sa { inside: FRONT, ..sa }),
        Object::Policy(policy) => Object::Policy(Policy { inside: FRONT, rules: rules.clone(), ..policy }),
        Object::Label { label, .. } => Object::Label { label, action: LabelAction::PopTo(FRONT) },
        other => other,
    })
}

fn rule(permit: bool, local: &str, remote: &str) -> Rule {
    Rule { permit, selector: Selector::between(local.parse().unwrap(), remote.parse().unwrap()) }
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn packets_of_the_ports_own_vrf_are_sealed_or_pass_as_its_map_says() {
    namespaced("packets_of_the_ports_own_vrf_are_sealed_or_pass_as_its_map_says", || {
        let mut one = Box1::new();
        let permit = rule(true, "10.1.0.0/16", "10.2.0.0/16");
        let far = PacketSocket::open("far1").unwrap();
        set(&mut one, &own_vrf(vec![permit]));
        one.carry();
        assert_eq!(protocols(&far), [50]);
        set(&mut one, &own_vrf(vec![rule(false, "10.1.0.7/32", "0.0.0.0/0"), permit]));
        one.send();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(protocols(&far), [17], "a deny line");
        set(&mut one, &own_vrf(vec![rule(true, "10.3.0.0/16", "10.2.0.0/16")]));
        one.send();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(protocols(&far), [17], "no line speaks of it");
        let without: Plan = own_vrf(vec![permit]).objects().filter_map(bed::without_sas).collect();
        one.linux.apply(&own_vrf(vec![permit]).toward(&without)).unwrap();
        one.send();
        let events = events_until(&mut one, |event| matches!(event, Event::Acquire { .. }));
        assert!(matches!(events.last(), Some(Event::Acquire { policy: PolicyId(1), rule: 0, .. })));
        assert_eq!(protocols(&far), [], "nothing leaves in clear that is to be protected");
        one.linux.apply(&without.toward(&Plan::default())).unwrap();
        let left = [ip(&["xfrm", "policy"]), ip(&["xfrm", "state"])].concat();
        assert!(!left.contains("user 111"), "{left}");
    });
}

/// The protocols of the IPv4 packets to 10.2.0.9 and of ESP that came out since.
fn protocols(far: &PacketSocket) -> Vec<u8> {
    let mut inbox = Inbox::default();
    let mut seen = Vec::new();
    while let Ok(count) = far.receive(&mut inbox) {
        for at in 0..count {
            let (frame, _) = inbox.frame(at).unwrap();
            let is_one = frame[12..14] == [8, 0] && (frame[23] == 50 || frame[30..34] == [10, 2, 0, 9]);
            seen.extend(is_one.then(|| frame[23]));
        }
    }
    seen
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn an_sa_that_the_kernel_cannot_hold_exactly_is_refused_and_the_others_are_not() {
    namespaced("an_sa_that_the_kernel_cannot_hold_exactly_is_refused_and_the_others_are_not", || {
        let mut one = Box1::new();
        set(&mut one, &contract::plan());
        let ports = ipsec::Ports { first: 80, last: 90 };
        let selector = Selector { protocol: Some(6), remote_ports: ports, ..outbound().selector };
        let inbound =
            Sa { id: SaId(9), direction: ipsec::Direction::In, spi: Spi(0x2ABC), selector, ..outbound() };
        let refused = one.linux.apply(&[Op::Set(Object::Sa(inbound))]).unwrap_err();
        assert!(refused[0].reason.contains(":80-90"), "{refused:?}");
        one.carry();
    });
}
