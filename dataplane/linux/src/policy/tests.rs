//! Policies there and back.

use proptest::prelude::*;

use super::*;
use crate::ground::{Kind, Link};
use crate::xfrm::tests::selector;

fn ground() -> Ground {
    let mut ground = Ground::default();
    let link = Link {
        index: 7,
        master: None,
        enabled: true,
        running: true,
        mtu: 1500,
        alias: None,
        kind: Kind::Other,
    };
    ground.set_link(&Name::from("wan"), Some(link));
    ground
}

fn verdict(hook: Hook) -> BoxedStrategy<Verdict> {
    let always = prop_oneof![Just(Verdict::Block), Just(Verdict::Clear)];
    let seal =
        (any::<[u8; 4]>(), any::<[u8; 4]>(), 256..u32::MAX, any::<u32>()).prop_map(|(a, b, spi, reqid)| {
            Verdict::Seal { local: a.into(), remote: b.into(), spi: Spi(spi), reqid }
        });
    match hook {
        Hook::In | Hook::Forward => prop_oneof![always, Just(Verdict::Opened), Just(Verdict::Either)].boxed(),
        Hook::Out => {
            prop_oneof![always, seal, any::<u32>().prop_map(|ticket| Verdict::Acquire { ticket })].boxed()
        }
    }
}

fn policy() -> impl Strategy<Value = (Key, KernelPolicy)> {
    let hook = prop_oneof![Just(Hook::In), Just(Hook::Forward), Just(Hook::Out)];
    (hook, any::<bool>(), selector(), any::<u32>()).prop_flat_map(|(hook, own, selector, priority)| {
        verdict(hook).prop_map(move |verdict| {
            let front = 0x8005_0000;
            let (key, mark) = match (own, hook) {
                (false, _) => (Key::Policy(Scope::Tunnel(0x4F00_0003), hook, selector), 0x5_0000),
                (true, Hook::Out) => (Key::Policy(Scope::Port(Name::from("wan")), hook, selector), 0),
                (true, Hook::In | Hook::Forward) => (Key::Policy(Scope::Front(front), hook, selector), front),
            };
            (key, KernelPolicy { priority, mark, verdict })
        })
    })
}

proptest! {
    #[test]
    fn a_policy_reads_back_as_written((key, policy) in policy()) {
        let ground = ground();
        let thing = Thing::Policy(policy);
        let requests = crate::thing::set(&key, &thing, None, &ground).unwrap();
        prop_assert_eq!(requests.len(), 1);
        let (read_key, read) = read(&requests[0].body, &ground).unwrap();
        prop_assert_eq!(read_key, key);
        prop_assert!(read == thing);
    }

    #[test]
    fn any_bytes_are_a_policy_or_none(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        read(&bytes, &ground());
        read_gone(&bytes, &ground());
    }
}

#[test]
fn a_port_that_is_not_there_is_waited_for() {
    let any = Prefix::any(Family::V4);
    let scope = Scope::Port(Name::from("gone"));
    let policy = KernelPolicy { priority: 1, mark: 0, verdict: Verdict::Clear };
    let refused = set(&scope, Hook::Out, &Selector::between(any, any), &policy, None, &ground());
    assert!(matches!(refused, Err(Unable::Wait(name)) if &*name == "gone"));
}
