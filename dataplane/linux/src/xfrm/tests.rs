//! What is written reads back, and nothing that is read can do harm.

use base::{Family, Prefix};
use ipsec::{Ports, Selector};
use proptest::prelude::*;

use super::*;

/// A prefix of either family, from random bytes.
pub(crate) fn prefix(family: Family) -> BoxedStrategy<Prefix> {
    match family {
        Family::V4 => {
            (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(a, l)| Prefix::new(a.into(), l).unwrap()).boxed()
        }
        Family::V6 => {
            (any::<[u8; 16]>(), 0..=128_u8).prop_map(|(a, l)| Prefix::new(a.into(), l).unwrap()).boxed()
        }
    }
}

/// Ports as the kernel can hold them.
pub(crate) fn block() -> impl Strategy<Value = Ports> {
    (any::<u16>(), 0..=16_u32).prop_map(|(port, bits)| {
        let rest = u16::try_from((1_u32 << bits) - 1).unwrap();
        Ports { first: port & !rest, last: port | rest }
    })
}

pub(crate) fn selector() -> impl Strategy<Value = Selector> {
    prop_oneof![Just(Family::V4), Just(Family::V6)].prop_flat_map(|family| {
        (prefix(family), prefix(family), prop::option::of(1..=u8::MAX), block(), block()).prop_map(
            |(local, remote, protocol, local_ports, remote_ports)| Selector {
                local,
                remote,
                protocol,
                local_ports,
                remote_ports,
            },
        )
    })
}

proptest! {
    #[test]
    fn a_selector_reads_back_as_written(selector in selector(), device: u32) {
        let mut body = Body::new();
        let (ours, theirs) = sides(&selector);
        body.selector(ours, theirs, selector.protocol, device);
        let bytes = body.finish();
        prop_assert_eq!(bytes.len(), 56);
        let target = Reader::new(&bytes).selector().unwrap();
        prop_assert_eq!((target.from_source, target.device, target.is_ours), (selector, device, true));
    }

    #[test]
    fn attributes_are_found_among_others(
        before in prop::collection::vec(any::<u8>(), 0..20),
        content in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut body = Body::new();
        body.attribute(7, |body| { body.bytes(&before); });
        body.attribute(9, |body| { body.bytes(&content); });
        let bytes = body.finish();
        let attributes = Reader::new(&bytes).attributes();
        prop_assert_eq!(attributes.find(9).unwrap().take(content.len()), Some(&content[..]));
        prop_assert!(attributes.find(8).is_none());
    }

    #[test]
    fn any_bytes_are_read_to_their_end_and_no_further(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        wanted: u16,
    ) {
        let attributes = Reader::new(&bytes).attributes();
        attributes.find(wanted);
        attributes.mark();
        Reader::new(&bytes).selector();
    }
}

#[test]
fn a_mark_of_another_mask_is_none_of_ours() {
    let mark = |value: u32, mask: u32| {
        let mut body = Body::new();
        body.attribute(attribute::MARK, |body| {
            body.u32(value).u32(mask);
        });
        Reader::new(&body.finish()).attributes().mark()
    };
    assert_eq!(mark(0x2_0000, MARK_MASK), Some(0x2_0000));
    assert_eq!(mark(0x2_0000 | GUARDED, MARK_MASK | GUARDED), Some(0x2_0000 | GUARDED));
    assert_eq!(mark(0x2_0000, u32::MAX), None);
    assert_eq!(Reader::new(&[]).attributes().mark(), Some(0));
}
