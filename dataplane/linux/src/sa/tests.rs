//! SAs there and back, and what may be done to one that is at work.

use base::{PolicyId, Prefix, SaId, Secret, VrfId};
use ipsec::{Cipher, Integrity, Replay};
use proptest::prelude::*;

use super::*;
use crate::xfrm::Reader;
use crate::xfrm::tests::selector;

const HOME: Home =
    Home { mark: 0x3_0000, if_id: 0x4F00_0001, df: DfBit::Copy, offload: None, told_direction: false };

fn suite() -> impl Strategy<Value = Suite> {
    let bits = || prop_oneof![Just(128), Just(192), Just(256)];
    let integrity = prop_oneof![
        Just(Integrity::Md5),
        Just(Integrity::Sha1),
        Just(Integrity::Sha256),
        Just(Integrity::Sha384),
        Just(Integrity::Sha512),
        Just(Integrity::AesXcbc),
        Just(Integrity::AesCmac),
    ];
    let plain = prop_oneof![
        Just(Cipher::Null),
        Just(Cipher::Des),
        Just(Cipher::TripleDes),
        bits().prop_map(Cipher::AesCbc),
        bits().prop_map(Cipher::AesCtr),
    ];
    let aead = prop_oneof![
        bits().prop_map(Cipher::AesGcm),
        bits().prop_map(Cipher::AesCcm),
        Just(Cipher::ChaCha20Poly1305),
    ];
    prop_oneof![
        (plain, integrity).prop_map(|(cipher, integrity)| Suite { cipher, integrity }),
        aead.prop_map(|cipher| Suite { cipher, integrity: Integrity::None }),
    ]
}

/// What an SA is made of: itself it is never shown.
#[derive(Clone, Debug)]
struct Parts {
    ends: (IpAddr, IpAddr),
    encap: Encap,
    direction: Direction,
    suite: Suite,
    selector: Selector,
    id: u32,
    spi: u32,
    replay: Replay,
    kilobytes: Option<u32>,
}

fn parts() -> impl Strategy<Value = Parts> {
    let outer = prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
        any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
    ];
    let encap = prop_oneof![
        Just(Encap::Esp),
        any::<(u16, u16)>().prop_map(|(local, remote)| Encap::Udp { local, remote }),
    ];
    let direction = prop_oneof![Just(Direction::In), Just(Direction::Out)];
    let rest =
        (1..0x2000_0000_u32, 256..u32::MAX, 0..=4096_u16, any::<bool>(), prop::option::of(any::<u32>()));
    (outer, encap, direction, suite(), selector(), rest).prop_map(
        |(ends, encap, direction, suite, selector, (id, spi, window, esn, kilobytes))| Parts {
            ends,
            encap,
            direction,
            suite,
            selector,
            id,
            spi,
            replay: Replay { window: if esn { window.max(1) } else { window }, esn },
            kilobytes,
        },
    )
}

impl Parts {
    fn sa(&self) -> Sa {
        let key = |length| Secret::from(vec![7; length]);
        Sa {
            id: SaId(self.id),
            direction: self.direction,
            policy: PolicyId(1),
            spi: Spi(self.spi),
            front: VrfId(1),
            inside: VrfId(2),
            local: self.ends.0,
            remote: self.ends.1,
            encap: self.encap,
            suite: self.suite,
            mode: Mode::Tunnel,
            keys: Keys {
                cipher: key(self.suite.cipher.key_len()),
                integrity: key(self.suite.integrity.key_len()),
            },
            replay: self.replay,
            selector: self.selector,
            kilobytes: self.kilobytes,
        }
    }
}

fn kernel(sa: &Sa) -> KernelSa {
    KernelSa::of(sa, HOME).unwrap_or_else(|_| panic!("refused"))
}

pub(crate) fn example(encap: Encap) -> KernelSa {
    kernel(&Sa { encap, ..plain() })
}

fn kinds(requests: &[Request]) -> Vec<u16> {
    requests.iter().map(|request| request.kind).collect()
}

fn held(sa: &KernelSa) -> Thing {
    Thing::Sa(Box::new(sa.clone()))
}

/// As the kernel tells it.
fn told(sa: &KernelSa) -> KernelSa {
    match read(&sa.body()) {
        Some((key, Thing::Sa(told))) => {
            assert!(key == sa.key());
            *told
        }
        _ => panic!("not read"),
    }
}

proptest! {
    #[test]
    fn an_sa_reads_back_as_written(parts in parts()) {
        let sa = kernel(&parts.sa());
        let told = told(&sa);
        prop_assert!(told == sa);
        prop_assert!(told.encap == sa.encap && told.remote == sa.remote && told.kilobytes == sa.kilobytes);
        prop_assert!(sa.body().len() < 2048, "keys would be moved to a larger place");
    }

    #[test]
    fn any_bytes_are_an_sa_or_none(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read(&bytes);
        counted(&bytes);
        name(&bytes);
    }

    /// Cut or changed anywhere.
    #[test]
    fn a_broken_sa_does_no_harm(parts in parts(), cut in 0..400_usize, at in 0..400_usize, value: u8) {
        let mut body = kernel(&parts.sa()).body().to_vec();
        if let Some(byte) = body.get_mut(at) {
            *byte = value;
        }
        body.truncate(cut.max(1));
        read(&body);
        counted(&body);
    }

    #[test]
    fn an_sa_made_anew_with_its_keys_begins_beyond_its_numbers(parts in parts(), reached in 0..u64::from(u32::MAX)) {
        let old = KernelSa { begins_after: reached, ..kernel(&parts.sa()) };
        let other = match parts.encap {
            Encap::Esp => Encap::Udp { local: 4500, remote: 4500 },
            Encap::Udp { .. } => Encap::Esp,
        };
        let new = kernel(&Sa { encap: other, ..parts.sa() });
        prop_assert!(is_made_anew(&new, &old));
        let requests = set(&new, Some(&held(&old))).unwrap();
        prop_assert_eq!(kinds(&requests), [message::DEL_SA, message::NEW_SA]);
        let (key, told) = counted(&requests[1].body).unwrap();
        prop_assert!(key == new.key());
        prop_assert_eq!(told.counters.sequence, reached + LEAP);
    }
}

fn plain() -> Sa {
    Sa {
        id: SaId(5),
        direction: Direction::Out,
        policy: PolicyId(1),
        spi: Spi(0x0C00_0001),
        front: VrfId(1),
        inside: VrfId(2),
        local: [192, 0, 2, 1].into(),
        remote: [198, 51, 100, 1].into(),
        encap: Encap::Udp { local: 4500, remote: 4500 },
        suite: Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None },
        mode: Mode::Tunnel,
        keys: Keys { cipher: Secret::from(vec![1; 20]), integrity: Secret::default() },
        replay: Replay::DEFAULT,
        selector: Selector::between(Prefix::any(Family::V4), Prefix::any(Family::V4)),
        kilobytes: None,
    }
}

#[test]
fn a_peer_behind_another_port_changes_its_sas_in_place() {
    for direction in [Direction::In, Direction::Out] {
        let old = kernel(&Sa { direction, ..plain() });
        let new = kernel(&Sa { direction, encap: Encap::Udp { local: 4500, remote: 61_000 }, ..plain() });
        assert!(new != old && !is_made_anew(&new, &old));
        assert_eq!(kinds(&set(&new, Some(&held(&old))).unwrap()), [message::UPD_SA]);
    }
}

#[test]
fn an_inbound_sa_does_not_mind_where_its_peer_is() {
    let inbound = Sa { direction: Direction::In, ..plain() };
    let (old, new) = (kernel(&inbound), kernel(&Sa { remote: [203, 0, 113, 7].into(), ..inbound }));
    assert!(old == new && old.key() == new.key());
    let (old, new) = (kernel(&plain()), kernel(&Sa { remote: [203, 0, 113, 7].into(), ..plain() }));
    assert!(old != new && old.key() != new.key() && new.continues(&old));
}

#[test]
fn other_keys_start_anew_at_once() {
    let keys = Keys { cipher: Secret::from(vec![2; 20]), integrity: Secret::default() };
    let (old, new) = (kernel(&plain()), kernel(&Sa { keys, ..plain() }));
    assert!(!is_made_anew(&new, &old));
    let requests = set(&new, Some(&held(&KernelSa { begins_after: 77, ..old }))).unwrap();
    assert_eq!(kinds(&requests), [message::DEL_SA, message::NEW_SA]);
    assert_eq!(counted(&requests[1].body).unwrap().1.counters.sequence, 0);
}

#[test]
fn what_arrives_is_held_to_the_selector_or_the_sa_is_refused() {
    let ports = Ports { first: 80, last: 90 };
    let selector = Selector { protocol: Some(6), remote_ports: ports, ..plain().selector };
    let inbound = Sa { direction: Direction::In, selector, ..plain() };
    assert!(matches!(KernelSa::of(&inbound, HOME), Err(Unable::Never(reason)) if reason.contains(":80-90")));
    let outbound = kernel(&Sa { selector, ..plain() });
    assert_eq!(outbound.selector.remote_ports, Ports::ANY, "its policies are exact");
    let block = Selector { remote_ports: Ports { first: 80, last: 95 }, ..selector };
    assert_eq!(kernel(&Sa { selector: block, ..inbound }).selector, block);
}

#[test]
fn transport_mode_is_refused_by_name() {
    let transport = Sa { mode: Mode::Transport, ..plain() };
    assert!(
        matches!(KernelSa::of(&transport, HOME), Err(Unable::Never(reason)) if reason.contains("tunnel mode"))
    );
}

#[test]
fn the_kernel_is_told_to_speak_before_numbers_and_volume_end() {
    let limits = |sa: &KernelSa| {
        let body = sa.body();
        let mut rest = Reader::new(&body);
        rest.skip(96).unwrap();
        [rest.u64(), rest.u64(), rest.u64(), rest.u64()].map(Option::unwrap)
    };
    let last = u64::from(u32::MAX);
    let sa = kernel(&Sa { kilobytes: Some(10), ..plain() });
    assert_eq!(limits(&sa), [9216, 10_240, last - last / 10, last]);
    let esn = Replay { window: 64, esn: true };
    assert_eq!(limits(&kernel(&Sa { replay: esn, ..plain() })), [u64::MAX; 4]);
    let late = KernelSa { begins_after: last - 100, ..kernel(&plain()) };
    assert_eq!(limits(&late)[2..], [90, 100]);
}
