//! What an attacker, a careless peer and a careless caller can do; each is refused by name.

use crypto::prf::Hash;

use super::vectors::authenticated;
use super::*;

const GCM: Suite = Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None };
const CBC: Suite = Suite { cipher: Cipher::AesCbc(128), integrity: Integrity::Sha1 };
const DES: Suite = Suite { cipher: Cipher::TripleDes, integrity: Integrity::Sha256 };
const NULL: Suite = Suite { cipher: Cipher::Null, integrity: Integrity::Md5 };

/// Two ends whose first hundred packets are gone by.
fn ends(suite: Suite, esn: bool) -> (Outbound, Inbound) {
    let sa = sa(suite, Replay { window: 64, esn });
    (Outbound::resume(&sa, 100).unwrap(), Inbound::resume(&sa, 100).unwrap())
}

#[test]
fn a_packet_with_any_one_bit_changed_is_refused_and_the_window_stays() {
    for suite in [GCM, Suite { cipher: Cipher::AesGcm(192), ..GCM }, CBC, DES, NULL] {
        for esn in [false, true] {
            let (mut outbound, mut inbound) = ends(suite, esn);
            let sealed = seal(&mut outbound, b"forty-two bytes of somebody's inner packet", 4).unwrap();
            for bit in 0..sealed.len() * 8 {
                let mut packet = sealed.clone();
                packet[bit / 8] ^= 0x80 >> (bit % 8);
                let refusal = inbound.open(&mut packet).unwrap_err();
                let by_number =
                    (32..64).contains(&bit) && matches!(refusal, Refusal::TooOld | Refusal::Replayed);
                assert!(refusal == Refusal::Unauthentic || by_number, "{suite} bit {bit}: {refusal}");
                assert_eq!(inbound.sequence(), 100);
            }
            assert!(open(&mut inbound, &sealed).is_ok(), "{suite}: the packet itself is still welcome");
        }
    }
}

#[test]
fn a_packet_cut_or_lengthened_anywhere_is_refused() {
    for suite in suites() {
        let (mut outbound, mut inbound) = ends(suite, false);
        let sealed = seal(&mut outbound, &[7; 50], 4).unwrap();
        for length in 0..sealed.len() {
            let refusal = open(&mut inbound, &sealed[..length]).unwrap_err();
            let shortest = 8 + suite.cipher.iv_len() + 2 + suite.icv_len();
            if length < shortest {
                assert_eq!(refusal, Refusal::Truncated, "{suite} {length}");
            } else {
                assert!(matches!(refusal, Refusal::Misaligned | Refusal::Unauthentic), "{suite} {length}");
            }
            // Cut in front, so that the ICV is whole.
            assert!(open(&mut inbound, &sealed[sealed.len() - length..]).is_err());
        }
        for more in 1..40 {
            let longer = [&sealed[..], &vec![0; more]].concat();
            assert!(open(&mut inbound, &longer).is_err(), "{suite} {more}");
        }
        assert!(open(&mut inbound, &sealed).is_ok());
    }
}

#[test]
fn a_packet_sealed_with_another_key_or_for_another_spi_is_unauthentic() {
    for suite in suites() {
        let (mut outbound, _) = ends(suite, false);
        let sealed = seal(&mut outbound, &[7; 50], 4).unwrap();
        let mut other = sa(suite, Replay::DEFAULT);
        let key = |secret: &base::Secret| secret.expose().iter().map(|byte| byte ^ 0x5a).collect::<Vec<u8>>();
        other.keys =
            Keys { cipher: key(&other.keys.cipher).into(), integrity: key(&other.keys.integrity).into() };
        assert_eq!(open(&mut Inbound::new(&other).unwrap(), &sealed), Err(Refusal::Unauthentic), "{suite}");
    }
}

#[test]
fn reordered_packets_open_once_each() {
    for suite in [GCM, CBC] {
        let (mut outbound, mut inbound) = ends(suite, false);
        let sealed: Vec<_> = (0..64).map(|i| seal(&mut outbound, &[i; 20], 4).unwrap()).collect();
        for packet in sealed.iter().rev() {
            assert!(open(&mut inbound, packet).is_ok());
        }
        for packet in &sealed {
            assert_eq!(open(&mut inbound, packet), Err(Refusal::Replayed));
        }
        let next = seal(&mut outbound, b"next", 4).unwrap();
        assert!(open(&mut inbound, &next).is_ok());
        assert_eq!(open(&mut inbound, &sealed[0]), Err(Refusal::TooOld));
    }
}

#[test]
fn authentic_packets_with_wrong_padding_are_refused() {
    let suite = Suite { cipher: Cipher::Null, integrity: Integrity::Sha1 };
    let sa = sa(suite, Replay { window: 0, esn: false });
    let mut inbound = Inbound::new(&sa).unwrap();
    let mut verdict = |clear: &str| {
        let packet = [&hex("00100203 00000001")[..], &hex(clear)].concat();
        open(&mut inbound, &authenticated(&packet, &sa, Hash::Sha1, 12))
    };
    assert_eq!(verdict("aabb 0004"), Ok((hex("aabb"), 4)));
    assert_eq!(verdict("0102 0204"), Ok((vec![], 4)));
    for wrong in
        ["0101 0204", "0201 0204", "0000 0204", "aa02 0104", "0102 0304", "0102 ff04", "aabbccdd 01020704"]
    {
        assert_eq!(verdict(wrong), Err(Refusal::BadPadding), "{wrong}");
    }
}

#[test]
fn traffic_flow_padding_and_dummies_reach_the_caller() {
    let (mut outbound, mut inbound) = ends(GCM, false);
    let padded = [&b"inner packet"[..], &[0; 300]].concat();
    let sealed = seal(&mut outbound, &padded, 4).unwrap();
    assert_eq!(open(&mut inbound, &sealed), Ok((padded, 4)));
    let dummy = seal(&mut outbound, &[], crate::NO_NEXT_HEADER).unwrap();
    assert_eq!(open(&mut inbound, &dummy), Ok((vec![], crate::NO_NEXT_HEADER)));
}

#[test]
fn a_32_bit_counter_stops_before_it_wraps() {
    let mut outbound = Outbound::resume(&sa(CBC, Replay::DEFAULT), u64::from(u32::MAX) - 1).unwrap();
    assert!(outbound.nearly_spent());
    assert!(seal(&mut outbound, b"last", 4).is_ok());
    assert_eq!(seal(&mut outbound, b"one more", 4), Err(Refusal::SequenceExhausted));
    assert_eq!(outbound.sequence(), u64::from(u32::MAX));
    assert!(!Outbound::resume(&sa(CBC, Replay::DEFAULT), 1 << 31).unwrap().nearly_spent());
}

#[test]
fn extended_numbers_go_on_across_2_to_the_32_even_out_of_order() {
    for suite in [GCM, CBC, NULL] {
        let esn = sa(suite, Replay { window: 128, esn: true });
        let mut outbound = Outbound::resume(&esn, (1 << 32) - 6).unwrap();
        let mut inbound = Inbound::resume(&esn, (1 << 32) - 6).unwrap();
        let sealed: Vec<_> = (0..10).map(|i| seal(&mut outbound, &[i; 9], 4).unwrap()).collect();
        for i in [0, 9, 3, 8, 4, 5, 1, 7, 2, 6] {
            assert!(open(&mut inbound, &sealed[i]).is_ok(), "{suite} {i}");
            assert_eq!(open(&mut inbound, &sealed[i]), Err(Refusal::Replayed), "{suite} {i}");
        }
        assert_eq!(inbound.sequence(), outbound.sequence());

        let mut deaf = Inbound::new(&sa(suite, Replay { window: 128, esn: false })).unwrap();
        assert_eq!(open(&mut deaf, &sealed[9]), Err(Refusal::Unauthentic), "{suite}: high bits are covered");
    }
}

#[test]
fn an_sa_carries_its_kilobytes_and_no_more() {
    let mut sa = sa(GCM, Replay::DEFAULT);
    let mut generous = Outbound::new(&sa).unwrap();
    sa.kilobytes = Some(1);
    let (mut outbound, mut inbound) = (Outbound::new(&sa).unwrap(), Inbound::new(&sa).unwrap());
    for (length, verdict, near) in [
        (900, Ok(()), false),
        (100, Ok(()), true),
        (25, Err(Refusal::VolumeExhausted), true),
        (24, Ok(()), true),
        (1, Err(Refusal::VolumeExhausted), true),
    ] {
        let packet = seal(&mut generous, &vec![0; length], 4).unwrap();
        assert_eq!(seal(&mut outbound, &vec![0; length], 4).map(drop), verdict);
        assert_eq!(open(&mut inbound, &packet).map(drop), verdict);
        assert_eq!((outbound.nearly_spent(), inbound.nearly_spent()), (near, near));
    }
    assert_eq!(outbound.sequence(), 3, "a refused packet has no number");
}

#[test]
#[allow(clippy::reversed_empty_ranges, reason = "a caller's mistake is what is tested")]
fn a_buffer_without_room_is_refused_and_nothing_is_used_up() {
    for suite in suites() {
        let sa = sa(suite, Replay::DEFAULT);
        let mut outbound = Outbound::new(&sa).unwrap();
        let head = 8 + suite.cipher.iv_len();
        let tail = suite.sealed_len(20) - head - 20;
        let mut try_room = |before: usize, after: usize| {
            outbound.seal(&mut vec![0; before + 20 + after], before..before + 20, 4)
        };
        assert_eq!(try_room(head - 1, tail), Err(Refusal::NoRoom), "{suite}");
        assert_eq!(try_room(head, tail - 1), Err(Refusal::NoRoom), "{suite}");
        assert_eq!(try_room(head, tail), Ok(0..head + 20 + tail), "{suite}");
        for payload in [50..40, 50..101, usize::MAX - 1..usize::MAX, 0..usize::MAX] {
            assert_eq!(outbound.seal(&mut [0; 100], payload, 4), Err(Refusal::NoRoom));
        }
        assert_eq!(outbound.sequence(), 1);
    }
}

#[test]
fn keys_that_do_not_fit_and_suites_that_do_not_authenticate_are_refused() {
    let refused = |sa: &Sa| Outbound::new(sa).is_err() && Inbound::new(sa).is_err();
    for suite in suites() {
        let good = sa(suite, Replay::DEFAULT);
        assert!(Outbound::new(&good).is_ok() && Inbound::new(&good).is_ok(), "{suite}");
        let mut bad = good.clone();
        bad.keys.cipher = [good.keys.cipher.expose(), &[0]].concat().into();
        assert!(refused(&bad), "{suite}");
        let mut bad = good.clone();
        bad.keys.integrity = [good.keys.integrity.expose(), &[0]].concat().into();
        assert!(refused(&bad), "{suite}");
    }
    for (cipher, integrity) in [
        (Cipher::AesCbc(128), Integrity::None),
        (Cipher::Null, Integrity::None),
        (Cipher::AesGcm(128), Integrity::Sha1),
        (Cipher::AesCbc(64), Integrity::Sha1),
        (Cipher::AesGcm(64), Integrity::None),
        (Cipher::AesCtr(128), Integrity::None),
        (Cipher::AesCtr(64), Integrity::AesXcbc),
        (Cipher::AesCcm(128), Integrity::AesCmac),
        (Cipher::AesCcm(64), Integrity::None),
        (Cipher::ChaCha20Poly1305, Integrity::Sha256),
    ] {
        assert!(refused(&sa(Suite { cipher, integrity }, Replay::DEFAULT)), "{cipher} {integrity}");
    }
}

#[test]
fn every_refusal_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Refusal::ALL.map(Refusal::name).into();
    assert_eq!(names.len(), Refusal::ALL.len());
    assert!(names.iter().all(|name| name.chars().all(|c| c == '-' || c.is_ascii_lowercase())));
}
