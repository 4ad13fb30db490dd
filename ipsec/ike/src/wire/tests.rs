//! Every payload: what is encoded decodes to itself, and no bytes make a decoder panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::attribute::{self, Attribute, Value};
use super::delete::Delete;
use super::header::{self, Header};
use super::id::{Id, Name};
use super::notify::Notify;
use super::payload::{self, Builder, Chain};
use super::sa::{Proposal, Sa, Transform};
use super::{Malformed, Reader};

/// Message 1 as the RFC draws it: one proposal, one transform (3DES, SHA, group 2, pre-shared, a day).
const OPENING: &[u8] = b"\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\0\x01\x10\x02\0\0\0\0\0\0\0\0\x54\
    \0\0\0\x38\0\0\0\x01\0\0\0\x01\0\0\0\x2c\x01\x01\0\x01\0\0\0\x24\x01\x01\0\0\
    \x80\x01\0\x05\x80\x02\0\x02\x80\x04\0\x02\x80\x03\0\x01\x80\x0b\0\x01\0\x0c\0\x04\0\x01\x51\x80";

#[test]
fn a_published_layout_decodes_to_what_it_says_and_encodes_to_itself() {
    let (header, body) = Header::decode(OPENING).unwrap();
    assert_eq!((header.exchange, header.next, header.message_id), (header::exchange::MAIN, payload::SA, 0));
    let chain = Chain::decode(header.next, body).unwrap();
    let sa = Sa::decode(chain.first(payload::SA).unwrap()).unwrap();
    let transform = &sa.proposals[0].transforms[0];
    assert_eq!((transform.number_of(1), transform.number_of(12)), (Some(5), Some(86_400)));
    let mut again = Builder::default();
    again.push(payload::SA, &sa.encode());
    assert_eq!(header.encode(again.bytes()), OPENING);
}

#[test]
fn every_truncation_of_a_message_is_refused_by_name() {
    for length in 0..OPENING.len() {
        let short = &OPENING[..length];
        assert_eq!(Header::decode(short), Err(Malformed("truncated")), "{length}");
        if let Some(body) = short.get(header::LENGTH..) {
            let chain = Chain::decode(payload::SA, body);
            assert!(chain.is_err(), "{length}");
        }
    }
}

#[test]
fn a_payload_that_is_shorter_than_its_header_does_not_loop() {
    let body = [payload::NONCE, 0, 0, 0];
    assert_eq!(Chain::decode(payload::NONCE, &body), Err(Malformed("bad-payload-length")));
}

#[test]
fn a_chain_of_more_payloads_than_anyone_sends_is_refused() {
    let mut chain = Builder::default();
    for _ in 0..65 {
        chain.push(payload::VENDOR, &[]);
    }
    assert_eq!(Chain::decode(chain.first(), chain.bytes()), Err(Malformed("too-many-payloads")));
}

#[test]
fn transforms_are_bounded_over_all_proposals_of_a_message() {
    let transform = Transform { number: 1, id: 1, attributes: Vec::new() };
    let proposal = Proposal { number: 1, protocol: 1, spi: Vec::new(), transforms: vec![transform; 200] };
    let sa = Sa { proposals: vec![proposal; 2] };
    assert_eq!(Sa::decode(&sa.encode()), Err(Malformed("too-many-transforms")));
}

#[test]
fn padding_after_the_last_payload_is_not_hashed() {
    let mut chain = Builder::default();
    chain.push(payload::HASH, &[7; 20]).push(payload::NONCE, &[8; 16]);
    let mut padded = chain.bytes().to_vec();
    padded.extend([0; 7]);
    let decoded = Chain::decode(chain.first(), &padded).unwrap();
    let (hash, content) = decoded.hashed().unwrap();
    assert_eq!((hash.len(), content.len()), (20, 20));
}

#[test]
fn a_hash_that_is_not_the_first_payload_is_refused() {
    let mut chain = Builder::default();
    chain.push(payload::NONCE, &[8; 16]).push(payload::HASH, &[7; 20]);
    let decoded = Chain::decode(chain.first(), chain.bytes()).unwrap();
    assert_eq!(decoded.hashed(), Err(Malformed("hash-payload-not-first")));
}

#[test]
fn a_number_longer_than_64_bits_counts_as_the_largest() {
    let attribute = |bytes: &[u8]| Attribute { kind: 2, value: Value::Long(bytes.to_vec()) };
    assert_eq!(attribute(&[0, 0x20, 0xC4, 0x9B]).as_number(), 2_147_483);
    assert_eq!(attribute(&[0, 0x46, 0x50, 0]).as_number(), 4_608_000);
    assert_eq!(attribute(&[0xFF; 9]).as_number(), u64::MAX);
}

#[test]
fn identities_that_are_not_what_their_type_says_are_refused() {
    for body in [
        &[1, 0, 0, 0, 10, 0, 0][..],
        &[1, 0, 0, 0, 10, 0, 0, 1, 9],
        &[4, 0, 0, 0, 10, 0, 0, 0, 255, 0, 255, 0],
        &[2, 0, 0, 0],
        b"\x02\0\0\0evil\nline",
        b"\x03\0\0\0\xFF\xFE",
    ] {
        assert!(Id::decode(body).is_err(), "{body:?}");
    }
}

fn names() -> impl Strategy<Value = Name> {
    prop_oneof![
        any::<std::net::IpAddr>().prop_map(Name::Address),
        "[!-~]{1,40}".prop_map(Name::Fqdn),
        "[!-~]{1,40}".prop_map(Name::UserFqdn),
        (any::<std::net::IpAddr>(), 0u8..=32)
            .prop_map(|(address, length)| Name::Subnet(base::Prefix::new(address, length).unwrap())),
        any::<[std::net::Ipv4Addr; 2]>().prop_map(|[a, b]| Name::Range(a.into(), b.into())),
        vec(any::<u8>(), 0..40).prop_map(Name::KeyId),
        (12u8.., vec(any::<u8>(), 0..40)).prop_map(|(kind, data)| Name::Other(kind, data)),
    ]
}

fn attributes() -> impl Strategy<Value = Attribute> {
    let value =
        prop_oneof![any::<u16>().prop_map(Value::Short), vec(any::<u8>(), 0..12).prop_map(Value::Long)];
    (0u16..0x8000, value).prop_map(|(kind, value)| Attribute { kind, value })
}

fn proposals() -> impl Strategy<Value = Proposal> {
    let transform = (any::<u8>(), any::<u8>(), vec(attributes(), 0..8))
        .prop_map(|(number, id, attributes)| Transform { number, id, attributes });
    (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..16), vec(transform, 0..6))
        .prop_map(|(number, protocol, spi, transforms)| Proposal { number, protocol, spi, transforms })
}

proptest! {
    #[test]
    fn an_sa_survives_the_wire(proposals in vec(proposals(), 1..5)) {
        let sa = Sa { proposals };
        prop_assert_eq!(Sa::decode(&sa.encode()), Ok(sa));
    }

    #[test]
    fn an_identity_survives_the_wire(name in names(), protocol: u8, port: u16) {
        let id = Id { name, protocol, port };
        prop_assert_eq!(Id::decode(&id.encode()), Ok(id));
    }

    #[test]
    fn notifies_and_deletes_survive_the_wire(
        protocol: u8, spi in vec(any::<u8>(), 0..20), kind: u16, data in vec(any::<u8>(), 0..40),
        spis in vec(any::<[u8; 4]>(), 1..20),
    ) {
        let notify = Notify { protocol, spi, kind, data };
        prop_assert_eq!(Notify::decode(&notify.encode()), Ok(notify));
        let delete = Delete { protocol, spis: spis.iter().map(|spi| spi.to_vec()).collect() };
        prop_assert_eq!(Delete::decode(&delete.encode()), Ok(delete));
    }

    #[test]
    fn a_chain_survives_the_wire(payloads in vec((1u8.., vec(any::<u8>(), 0..50)), 1..20), padding in 0usize..16) {
        let mut chain = Builder::default();
        for (kind, body) in &payloads {
            chain.push(*kind, body);
        }
        let mut bytes = chain.bytes().to_vec();
        bytes.extend(vec![0; padding]);
        let decoded = Chain::decode(chain.first(), &bytes).unwrap();
        for (kind, body) in &payloads {
            prop_assert!(decoded.all(*kind).any(|found| found == body));
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..300), next: u8) {
        let _ = Header::decode(&bytes);
        let _ = Chain::decode(next, &bytes);
        let _ = Sa::decode(&bytes);
        let _ = Sa::decode(&[&[0, 0, 0, 1, 0, 0, 0, 1], bytes.as_slice()].concat());
        let _ = Id::decode(&bytes);
        let _ = Notify::decode(&bytes);
        let _ = Delete::decode(&bytes);
        let _ = attribute::decode_all(Reader::new(&bytes));
    }

    #[test]
    fn a_mutated_opening_is_decoded_or_refused(place in 0usize..84, value: u8) {
        let mut bytes = OPENING.to_vec();
        bytes[place] = value;
        if let Ok((header, body)) = Header::decode(&bytes)
            && let Ok(chain) = Chain::decode(header.next, body)
            && let Ok(sa) = chain.first(payload::SA)
        {
            let _ = Sa::decode(sa);
        }
    }
}
