//! Every payload: what is encoded decodes to itself, and no bytes make a decoder panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipsec::Ports;
use proptest::collection::vec;
use proptest::prelude::*;

use super::auth::Auth;
use super::cert::{Certificate, Request};
use super::delete::Delete;
use super::header::Header;
use super::ke::{self, KeyExchange};
use super::notify::{self, Notify};
use super::payload::{self, Builder, Chain};
use super::sa::{self, Proposal, Sa, Transform, kind};
use super::ts::{self, TrafficSelector};
use super::{id, signature};
use crate::wire::Malformed;

/// An SA payload as RFC 7296 section 3.3 draws it: AES-CBC-128 and -256, SHA1 and SHA256, group 14.
const OFFER: &[u8] = b"\0\0\0\x40\x01\x01\0\x07\
    \x03\0\0\x0c\x01\0\0\x0c\x80\x0e\0\x80\x03\0\0\x0c\x01\0\0\x0c\x80\x0e\x01\0\
    \x03\0\0\x08\x02\0\0\x02\x03\0\0\x08\x03\0\0\x02\x03\0\0\x08\x03\0\0\x0c\
    \x03\0\0\x08\x02\0\0\x05\0\0\0\x08\x04\0\0\x0e";

const VENDOR: u8 = 43;

#[test]
fn a_published_layout_decodes_to_what_it_says_and_encodes_to_itself() {
    let offer = [&OFFER[..3], &[u8::try_from(OFFER.len()).unwrap()], &OFFER[4..]].concat();
    let sa = Sa::decode(&offer).unwrap();
    let [proposal] = sa.proposals.as_slice() else { panic!("one proposal") };
    let bits: Vec<_> = proposal.of(kind::ENCRYPTION).map(|transform| transform.bits).collect();
    assert_eq!(bits, [Some(128), Some(256)]);
    assert_eq!(proposal.of(kind::KEY_EXCHANGE).next().unwrap().id, 14);
    assert_eq!(sa.encode(), offer);
}

#[test]
fn a_transform_with_an_attribute_that_we_do_not_know_is_foreign() {
    let body = b"\0\0\0\x18\x01\x01\0\x01\0\0\0\x10\x01\0\0\x0c\x80\x0e\0\x80\x80\x63\0\x01";
    assert!(Sa::decode(body).unwrap().proposals[0].transforms[0].foreign);
}

#[test]
fn the_number_of_transforms_must_be_what_it_says() {
    let one = |count| [&b"\0\0\0\x10\x01\x01\0"[..], &[count], b"\0\0\0\x08\x02\0\0\x02"].concat();
    assert!(Sa::decode(&one(1)).is_ok());
    assert_eq!(Sa::decode(&one(2)), Err(Malformed("bad-transform-count")));
    assert_eq!(Sa::decode(&one(0)), Err(Malformed("bytes-after-last-transform")));
}

#[test]
fn transforms_are_bounded_over_all_proposals_of_a_message() {
    let transforms = vec![Transform::new(1, 1); 255];
    let proposal = Proposal { number: 1, protocol: 1, spi: Vec::new(), transforms };
    let sa = Sa { proposals: vec![proposal; 3] };
    assert_eq!(Sa::decode(&sa.encode()), Err(Malformed("too-many-transforms")));
}

#[test]
fn only_an_unknown_payload_that_is_critical_is_unsupported() {
    let chain = |kind, flags| [kind, flags, 0, 4].to_vec();
    for (kind, flags, expected) in [(99, 0x80, Some(99)), (99, 0, None), (payload::NONCE, 0x80, None)] {
        let bytes = chain(payload::NONE, flags);
        assert_eq!(Chain::decode(kind, &bytes).unwrap().unsupported(), expected);
    }
}

#[test]
fn an_encrypted_payload_ends_the_chain_and_names_what_is_in_it() {
    let bytes = [payload::ENCRYPTED, 0, 0, 4, payload::DELETE, 0, 0, 6, 1, 2];
    let chain = Chain::decode(VENDOR, &bytes).unwrap();
    assert_eq!(chain.encrypted(), Some((payload::ENCRYPTED, payload::DELETE, &[1, 2][..])));
    assert_eq!(Chain::decode(VENDOR, &[0, 0, 0, 4]).unwrap().encrypted(), None);
}

#[test]
fn bytes_after_the_last_payload_and_too_many_payloads_are_refused() {
    assert_eq!(Chain::decode(payload::NONCE, &[0, 0, 0, 4, 9]), Err(Malformed("bytes-after-last-payload")));
    assert_eq!(Chain::decode(payload::NONCE, &[0, 0, 0, 3]), Err(Malformed("bad-payload-length")));
    let mut chain = Builder::default();
    for _ in 0..65 {
        chain.push(VENDOR, &[]);
    }
    assert_eq!(Chain::decode(chain.first(), chain.bytes()), Err(Malformed("too-many-payloads")));
}

#[test]
fn traffic_selectors_of_other_types_are_passed_over() {
    let body = b"\x02\0\0\0\x09\0\0\x08\0\0\0\0\x07\x06\0\x10\0\x50\0\x50\x0a\0\0\0\x0a\0\0\xff";
    let [selector] = ts::decode(body).unwrap()[..] else { panic!("one is known") };
    assert_eq!(selector.to_string(), "6 10.0.0.0-10.0.0.255:80");
    assert_eq!(ts::decode(&[0; 4]), Err(Malformed("no-traffic-selector")));
}

#[test]
fn notifies_are_known_by_their_names() {
    assert_eq!(notify::name(notify::TS_UNACCEPTABLE), "TS_UNACCEPTABLE");
    assert_eq!(notify::name(16400), "UPDATE_SA_ADDRESSES");
    assert_eq!((notify::name(9999), notify::name(40000)), ("an unknown error", "an unknown status"));
}

#[test]
fn nonces_have_16_to_256_bytes() {
    let fits = |length| ke::decode_nonce(&vec![0; length]).is_ok();
    assert_eq!([15, 16, 256, 257].map(fits), [false, true, true, false]);
}

fn transforms() -> impl Strategy<Value = Transform> {
    (any::<u8>(), any::<u16>(), any::<Option<u16>>()).prop_map(|(kind, id, bits)| Transform {
        kind,
        id,
        bits,
        foreign: false,
    })
}

fn proposals() -> impl Strategy<Value = Proposal> {
    (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..16), vec(transforms(), 0..6))
        .prop_map(|(number, protocol, spi, transforms)| Proposal { number, protocol, spi, transforms })
}

fn selectors() -> impl Strategy<Value = TrafficSelector> {
    let addresses = prop_oneof![
        any::<[Ipv4Addr; 2]>().prop_map(|pair| pair.map(IpAddr::V4)),
        any::<[Ipv6Addr; 2]>().prop_map(|pair| pair.map(IpAddr::V6)),
    ];
    (any::<u8>(), any::<u16>(), any::<u16>(), addresses).prop_map(|(protocol, from, to, [first, last])| {
        TrafficSelector { protocol, ports: Ports { first: from, last: to }, first, last }
    })
}

proptest! {
    #[test]
    fn an_sa_survives_the_wire(proposals in vec(proposals(), 1..5)) {
        let sa = Sa { proposals };
        prop_assert_eq!(Sa::decode(&sa.encode()), Ok(sa));
    }

    #[test]
    fn traffic_selectors_survive_the_wire(selectors in vec(selectors(), 1..8)) {
        prop_assert_eq!(ts::decode(&ts::encode(&selectors)), Ok(selectors));
    }

    #[test]
    fn notifies_and_deletes_survive_the_wire(
        protocol: u8, spi in vec(any::<u8>(), 0..20), kind: u16, data in vec(any::<u8>(), 0..40),
        spis in vec(any::<u32>(), 1..20),
    ) {
        let notify = Notify { protocol, spi, kind, data };
        prop_assert_eq!(Notify::decode(&notify.encode()), Ok(notify));
        let delete = Delete::Children { protocol: sa::PROTOCOL_ESP, spis };
        prop_assert_eq!(Delete::decode(&delete.encode()), Ok(delete));
        prop_assert_eq!(Delete::decode(&Delete::Ike.encode()), Ok(Delete::Ike));
    }

    #[test]
    fn key_exchanges_certificates_and_proofs_survive_the_wire(
        method: u16, public in vec(any::<u8>(), 1..1568), encoding: u8, data in vec(any::<u8>(), 1..90),
        authorities in vec(any::<[u8; 20]>(), 0..5),
    ) {
        let exchange = KeyExchange { method, public };
        prop_assert_eq!(KeyExchange::decode(&ke::encode(method, &exchange.public)), Ok(exchange));
        let certificate = Certificate { encoding, data: data.clone() };
        prop_assert_eq!(Certificate::decode(&certificate.encode()), Ok(certificate));
        let request = Request { encoding, authorities };
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        let auth = Auth { method: encoding, data };
        prop_assert_eq!(Auth::decode(&auth.encode()), Ok(auth));
    }

    #[test]
    fn a_chain_survives_the_wire(payloads in vec((200u8.., vec(any::<u8>(), 0..50)), 1..20)) {
        let mut chain = Builder::default();
        for (kind, body) in &payloads {
            chain.push(*kind, body);
        }
        let decoded = Chain::decode(chain.first(), chain.bytes()).unwrap();
        let again: Vec<_> = decoded.iter().map(|payload| (payload.kind, payload.body.to_vec())).collect();
        prop_assert_eq!(again, payloads);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..300), next: u8) {
        let _ = Header::decode(&bytes);
        let _ = Chain::decode(next, &bytes).map(|chain| (chain.unsupported(), chain.error()));
        let _ = Sa::decode(&bytes);
        let _ = id::decode(&bytes);
        let _ = Notify::decode(&bytes);
        let _ = Delete::decode(&bytes);
        let _ = ts::decode(&bytes);
        let _ = KeyExchange::decode(&bytes);
        let _ = Certificate::decode(&bytes);
        let _ = Request::decode(&bytes);
        let _ = signature::decode(&bytes);
        if let Ok(auth) = Auth::decode(&bytes) {
            let _ = auth.digital_signature();
        }
    }

    #[test]
    fn a_mutated_offer_is_decoded_or_refused(place in 0..OFFER.len(), value: u8) {
        let mut bytes = OFFER.to_vec();
        bytes[3] = u8::try_from(OFFER.len()).unwrap();
        bytes[place] = value;
        if let Ok(sa) = Sa::decode(&bytes) {
            let _ = Sa::decode(&sa.encode()).unwrap();
        }
    }
}
