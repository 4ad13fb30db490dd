//! ICMP errors, byte by byte.

use super::*;
use base::Label;

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; ipv4::HEADER];
    let header = ipv4::Header {
        tos: 0,
        ident: 7,
        df: true,
        ttl: 1,
        protocol,
        src: [10, 1, 0, 1].into(),
        dst: [10, 2, 0, 1].into(),
        length: payload.len(),
    };
    header.emit(&mut bytes).unwrap();
    bytes.extend_from_slice(payload);
    bytes
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let (src, dst) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    let mut bytes = vec![0; ipv6::HEADER];
    let header = ipv6::Header { traffic_class: 0, hop_limit: 1, next, src, dst, length: payload.len() };
    header.emit(&mut bytes).unwrap();
    bytes.extend_from_slice(payload);
    bytes
}

fn stack() -> [mpls::Entry; 2] {
    let entry = |value, bottom| mpls::Entry { label: Label::new(value).unwrap(), tc: 0, bottom, ttl: 1 };
    [entry(100, false), entry(200, true)]
}

#[test]
fn a_v4_error_without_labels_quotes_the_original_and_checks() {
    let original = v4(17, &[0xAA; 100]);
    let mut out = [0u8; 1500];
    let (src, dst) = ("192.0.2.1".parse().unwrap(), "10.1.0.1".parse().unwrap());
    let length = emit(&mut out, src, dst, Problem::TooBig(1400), &original, &[]).unwrap();
    let packet = ip::Packet::new_checked(&out[..length]).unwrap();
    assert_eq!((packet.src, packet.dst, packet.protocol, length), (src, dst, V4, 20 + 8 + 120));
    assert!(checksum::Sum::ZERO.with(packet.payload()).is_intact());
    let message = Message::parse(packet.payload()).unwrap();
    assert_eq!((message.kind, message.code, message.word), (3, 4, [0, 0, 0x05, 0x78]));
    assert_eq!((message.too_big(Family::V4), message.body), (Some(1400), &original[..]));
}

#[test]
fn errors_stay_within_576_and_1280_bytes() {
    let mut out = [0u8; 2000];
    let four = "192.0.2.1".parse().unwrap();
    let six = "2001:db8::3".parse().unwrap();
    let (long4, long6) = (v4(17, &[1; 1400]), v6(17, &[1; 1400]));
    for labels in [&[][..], &stack()[..]] {
        let length = emit(&mut out, four, four, Problem::TtlExceeded, &long4, labels).unwrap();
        assert!((569..=576).contains(&length), "{length}");
        let length = emit(&mut out, six, six, Problem::TtlExceeded, &long6, labels).unwrap();
        assert!((1273..=1280).contains(&length), "{length}");
    }
}

#[test]
fn labels_follow_the_original_padded_to_128_bytes() {
    let original = v4(17, &[0xAA; 8]);
    let mut out = [0xEE; 1500];
    let address = "192.0.2.1".parse().unwrap();
    let length = emit(&mut out, address, address, Problem::TtlExceeded, &original, &stack()).unwrap();
    let message = &out[20..length];
    assert_eq!(length, 20 + 8 + 128 + 16);
    assert_eq!((message[0], message[1], message[5]), (11, 0, 32));
    assert!(checksum::Sum::ZERO.with(message).is_intact());
    assert_eq!(message[8..36], original[..]);
    assert_eq!(message[36..136], [0; 100]);
    let extension = &message[136..];
    assert_eq!(extension[0], 0x20);
    assert!(checksum::Sum::ZERO.with(extension).is_intact());
    assert_eq!(extension[4..8], [0, 12, 1, 1]);
    assert_eq!(extension[8..], [stack()[0].to_bytes(), stack()[1].to_bytes()].concat()[..]);
}

#[test]
fn a_v6_error_counts_the_original_in_eights_and_too_big_has_no_labels() {
    let original = v6(17, &[0xAA; 100]);
    let mut out = [0u8; 1500];
    let (src, dst) = ("2001:db8::9".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let length = emit(&mut out, src, dst, Problem::TtlExceeded, &original, &stack()).unwrap();
    let message = &out[40..length];
    assert_eq!((message[0], message[1], message[4], message.len()), (3, 0, 18, 8 + 144 + 16));
    let upper = u32::try_from(message.len()).unwrap();
    assert!(checksum::pseudo(src, dst, V6, upper).with(message).is_intact());
    let length = emit(&mut out, src, dst, Problem::TooBig(1000), &original, &stack()).unwrap();
    let message = Message::parse(&out[40..length]).unwrap();
    assert_eq!((message.too_big(Family::V6), message.body), (Some(1280), &original[..]));
}

#[test]
fn families_do_not_mix_and_a_small_buffer_is_refused() {
    let (four, six) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let original = v4(17, &[0; 8]);
    let mixed = emit(&mut [0; 1500], four, six, Problem::NoRoute, &original, &[]);
    assert_eq!(mixed, Err(Malformed::Version));
    for size in [0, 20, 27, 100] {
        let small = emit(&mut vec![0; size], four, four, Problem::NoRoute, &original, &stack());
        assert_eq!(small, Err(Malformed::Truncated), "{size}");
    }
}

#[test]
fn errors_fragments_and_groups_get_no_answer() {
    let may = |bytes: &[u8]| may_answer(bytes, Problem::TtlExceeded);
    assert!(may(&v4(17, &[0; 8])) && may(&v6(17, &[0; 8])));
    assert!(may(&v4(V4, &[8, 0, 0, 0])) && may(&v6(V6, &[128, 0, 0, 0])));
    assert!(!may(&v4(V4, &[3, 1, 0, 0])) && !may(&v6(V6, &[1, 0, 0, 0])));
    assert!(!may(&v4(V4, &[])));
    let mut later = v4(17, &[0; 8]);
    ipv4::PacketMut::new_checked(&mut later).unwrap().set_fragment(8, false);
    assert!(!may(&later));
    for (at, address) in [(16, [224, 0, 0, 1]), (16, [255; 4]), (12, [0; 4]), (12, [127, 0, 0, 1])] {
        let mut bytes = v4(17, &[0; 8]);
        bytes[at..at + 4].copy_from_slice(&address);
        assert!(!may(&bytes), "{address:?}");
    }
    let mut group = v6(17, &[0; 8]);
    group[24] = 0xFF;
    assert!(!may(&group) && may_answer(&group, Problem::TooBig(1400)));
    assert!(!may(&[]));
}
