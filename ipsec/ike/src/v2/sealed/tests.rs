//! Both sides of an IKE SA, every algorithm, and messages in pieces.

use base::Secret;
use crypto::dh::Group;
use proptest::prelude::*;

use super::*;
use crate::v2::keys::Inputs;
use crate::v2::proposal::Suite;
use crate::v2::wire::header::{FLAG_INITIATOR, FLAG_RESPONSE, exchange};
use crate::v2::wire::payload::{NONCE, NOTIFY};

const PLAIN: [Encryption; 8] = [
    Encryption::Des,
    Encryption::TripleDes,
    Encryption::AesCbc(128),
    Encryption::AesCbc(192),
    Encryption::AesCbc(256),
    Encryption::AesCtr(128),
    Encryption::AesCtr(192),
    Encryption::AesCtr(256),
];

const COMBINED: [Encryption; 7] = [
    Encryption::AesGcm(128),
    Encryption::AesGcm(192),
    Encryption::AesGcm(256),
    Encryption::AesCcm(128),
    Encryption::AesCcm(192),
    Encryption::AesCcm(256),
    Encryption::ChaCha20Poly1305,
];

const MACS: [Integrity; 7] = [
    Integrity::Md5,
    Integrity::Sha1,
    Integrity::Sha256,
    Integrity::Sha384,
    Integrity::Sha512,
    Integrity::AesXcbc,
    Integrity::AesCmac,
];

const SPIS: ([u8; 8], [u8; 8]) = ([1; 8], [2; 8]);

fn suites() -> impl Iterator<Item = (Encryption, Option<Integrity>)> {
    let plain = PLAIN.into_iter().flat_map(|cipher| MACS.map(|mac| (cipher, Some(mac))));
    plain.chain(COMBINED.map(|cipher| (cipher, None)))
}

/// The initiator's keys and the responder's.
fn keys(encryption: Encryption, integrity: Option<Integrity>) -> [Keys; 2] {
    let prf = Prf::Hmac(Hash::Sha256);
    let suite = Suite { encryption, integrity, prf, group: Group::Modp2048, additional: Vec::new() };
    let inputs = Inputs { nonces: (&[3; 16], &[4; 16]), spis: SPIS };
    [true, false].map(|initiator| Keys::initial(&suite, initiator, &Secret::from(vec![5; 32]), &inputs))
}

fn drbg() -> Drbg {
    Drbg::new([9; 32])
}

fn header(flags: u8, id: u32) -> Header {
    Header::v2(SPIS, exchange::INFORMATIONAL, flags, id)
}

fn open(keys: &Keys, datagram: &[u8]) -> Result<Opened, Refusal> {
    let (header, body) = Header::decode(datagram)?;
    keys.open(&header, body)
}

fn whole(keys: &Keys, datagram: &[u8]) -> Result<Clear, Refusal> {
    match open(keys, datagram)? {
        Opened::Whole(clear) => Ok(clear),
        Opened::Fragment(_) => panic!("a fragment"),
    }
}

fn fragments(keys: &Keys, datagrams: &[Vec<u8>]) -> Vec<(Header, Fragment)> {
    let one = |datagram: &Vec<u8>| match open(keys, datagram).unwrap() {
        Opened::Fragment(fragment) => (Header::decode(datagram).unwrap().0, fragment),
        Opened::Whole(_) => panic!("not a fragment"),
    };
    datagrams.iter().map(one).collect()
}

fn clear(length: usize) -> Clear {
    Clear { first: NOTIFY, bytes: (0..length).map(|byte| u8::try_from(byte % 251).unwrap()).collect() }
}

#[test]
fn what_either_side_seals_the_other_opens_whatever_the_algorithms() {
    for (encryption, integrity) in suites() {
        let [mut ours, mut theirs] = keys(encryption, integrity);
        for length in [0, 1, 15, 16, 17, 300] {
            let said = clear(length);
            let sealed = ours.seal(&mut drbg(), header(FLAG_INITIATOR, 1), said.first, &said.bytes).unwrap();
            assert_eq!(whole(&theirs, &sealed).unwrap(), said, "{encryption:?} {integrity:?}");
            assert!(open(&ours, &sealed).is_err(), "what is reflected is not the peer's");
            let sealed = theirs.seal(&mut drbg(), header(FLAG_RESPONSE, 1), said.first, &said.bytes).unwrap();
            assert_eq!(whole(&ours, &sealed).unwrap(), said, "{encryption:?} {integrity:?}");
        }
    }
}

#[test]
fn no_bit_of_a_message_can_be_changed() {
    for (encryption, integrity) in [
        (Encryption::AesCbc(128), Some(Integrity::Sha256)),
        (Encryption::AesCtr(256), Some(Integrity::AesCmac)),
        (Encryption::AesGcm(128), None),
        (Encryption::ChaCha20Poly1305, None),
    ] {
        let [mut ours, theirs] = keys(encryption, integrity);
        let sealed = ours.seal(&mut drbg(), header(FLAG_INITIATOR, 1), NONCE, &[7; 40]).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&theirs, &changed).is_err(), "{encryption:?} bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(&theirs, &sealed[..length]).is_err(), "{encryption:?} {length}");
        }
    }
}

#[test]
fn no_two_messages_have_the_same_iv() {
    for (encryption, integrity) in
        [(Encryption::AesCbc(256), Some(Integrity::Sha1)), (Encryption::AesGcm(128), None)]
    {
        let [mut ours, _] = keys(encryption, integrity);
        let mut drbg = drbg();
        let mut seal = || ours.seal(&mut drbg, header(FLAG_INITIATOR, 1), NONCE, &[7; 40]).unwrap();
        let iv = |sealed: Vec<u8>| sealed[LENGTH + GENERIC_HEADER..][..8].to_vec();
        assert_ne!(iv(seal()), iv(seal()));
    }
}

#[test]
fn padding_longer_than_the_message_is_refused() {
    let [mut ours, theirs] = keys(Encryption::AesGcm(128), None);
    let mut sealed = ours.seal(&mut drbg(), header(FLAG_INITIATOR, 1), NONCE, &[]).unwrap();
    // In a counter mode the pad length can be turned over; then the ICV has to be made anew.
    let at = LENGTH + GENERIC_HEADER;
    sealed.truncate(at);
    let iv = [0xee; 8];
    sealed.extend(iv);
    sealed.push(200);
    sealed.extend([0; aead::TAG_LEN]);
    assert!(ours.protect(&mut sealed, at, &iv).is_some());
    assert_eq!(open(&theirs, &sealed).map(|_| ()).unwrap_err().what, "bad-padding");
}

#[test]
fn what_is_not_encrypted_is_refused() {
    let [_, theirs] = keys(Encryption::AesGcm(128), None);
    let plain = Header { next: NONCE, ..header(FLAG_INITIATOR, 1) }.encode(&[0, 0, 0, 4]);
    assert_eq!(open(&theirs, &plain).map(|_| ()).unwrap_err().what, "not-encrypted");
}

#[test]
fn fragments_fit_and_come_together_in_any_order() {
    for (encryption, integrity) in suites() {
        let [mut ours, theirs] = keys(encryption, integrity);
        let (said, head) = (clear(1500), header(FLAG_INITIATOR, 7));
        let sealed = ours.seal_within(&mut drbg(), head, &said, 300).unwrap();
        assert!(sealed.len() > 5 && sealed.iter().all(|datagram| datagram.len() <= 300), "{encryption:?}");
        let mut reassembly = Reassembly::default();
        let mut parts = fragments(&theirs, &sealed);
        parts.reverse();
        let (last, others) = parts.split_last().unwrap();
        for (header, fragment) in others {
            assert_eq!(reassembly.push(header, fragment.clone()), Ok(None));
        }
        let (header, fragment) = &others[0];
        assert_eq!(reassembly.push(header, fragment.clone()).unwrap_err().what, "old-fragment");
        assert_eq!(reassembly.push(&last.0, last.1.clone()), Ok(Some(said)));
        assert!(reassembly.messages.is_empty());
    }
}

#[test]
fn what_fits_is_not_cut_and_what_just_does_not_is() {
    for (encryption, integrity) in suites() {
        let [mut ours, _] = keys(encryption, integrity);
        let room = ours.room(500, 0);
        let cut = |ours: &mut Keys, length| {
            ours.seal_within(&mut drbg(), header(FLAG_INITIATOR, 7), &clear(length), 500).unwrap()
        };
        let fits = cut(&mut ours, room);
        assert!(fits.len() == 1 && fits[0].len() <= 500, "{encryption:?}");
        assert_eq!(cut(&mut ours, room + 1).len(), 2, "{encryption:?}");
    }
}

#[test]
fn a_message_cut_smaller_replaces_what_came_before_and_not_the_other_way_round() {
    let [mut ours, theirs] = keys(Encryption::AesGcm(256), None);
    let (said, head) = (clear(900), header(FLAG_INITIATOR, 7));
    let mut cut = |most| ours.seal_within(&mut drbg(), head, &said, most).unwrap();
    let (large, small) = (fragments(&theirs, &cut(600)), fragments(&theirs, &cut(200)));
    let mut reassembly = Reassembly::default();
    let mut push = |(header, fragment): &(Header, Fragment)| reassembly.push(header, fragment.clone());
    assert_eq!(push(&large[0]), Ok(None));
    for part in &small[..small.len() - 1] {
        assert_eq!(push(part), Ok(None));
    }
    assert_eq!(push(&large[1]).unwrap_err().what, "old-fragment");
    assert_eq!(push(small.last().unwrap()), Ok(Some(said)));
}

#[test]
fn fragments_are_bounded_in_number_length_and_messages() {
    let mut reassembly = Reassembly::default();
    let fragment = |number, total, length| Fragment { number, total, first: 0, clear: vec![0; length] };
    let mut push = |id, number, total, length| {
        reassembly.push(&header(0, id), fragment(number, total, length)).map_err(|refusal| refusal.what)
    };
    for (number, total) in [(0, 2), (3, 2), (1, 257)] {
        assert_eq!(push(1, number, total, 9), Err("bad-fragment-number"));
    }
    assert_eq!(push(1, 1, 3, 60_000), Ok(None));
    assert_eq!(push(1, 2, 3, 60_000), Err("fragmented-message-too-long"));
    for id in 1..100 {
        assert_eq!(push(id, 1, 2, 100), Ok(None));
    }
    assert_eq!(reassembly.messages.len(), MOST_MESSAGES_KEPT);
    reassembly.forget(false, 1000);
    assert!(reassembly.messages.is_empty());
}

/// As in `fragment`.
const MOST_MESSAGES_KEPT: usize = 4;

#[test]
fn int_auth_covers_lengths_as_if_nothing_had_been_added() {
    let said = clear(20);
    let head = int_auth_head(&header(FLAG_INITIATOR, 1), &said);
    assert_eq!(head.len(), LENGTH + GENERIC_HEADER);
    assert_eq!(head[24..28], 52u32.to_be_bytes(), "header, generic header and 20 bytes");
    assert_eq!(head[28..], [NOTIFY, 0, 0, 24]);
    assert_eq!(head[16], ENCRYPTED);
}

proptest! {
    #[test]
    fn any_message_comes_through_any_cut(length in 0usize..3000, most in 200usize..1400, which in 0usize..15) {
        let all: Vec<_> = suites().collect();
        let (encryption, integrity) = all[which * 4 % all.len()];
        let [mut ours, theirs] = keys(encryption, integrity);
        let (said, head) = (clear(length), header(FLAG_INITIATOR, 7));
        let sealed = ours.seal_within(&mut drbg(), head, &said, most).unwrap();
        let mut reassembly = Reassembly::default();
        let mut done = None;
        for datagram in &sealed {
            prop_assert!(datagram.len() <= most);
            done = match open(&theirs, datagram).unwrap() {
                Opened::Whole(clear) => Some(clear),
                Opened::Fragment(fragment) => reassembly.push(&head, fragment).unwrap(),
            };
        }
        prop_assert_eq!(done, Some(said));
    }

    #[test]
    fn junk_is_never_authentic(bytes in proptest::collection::vec(any::<u8>(), 28..200), next in prop_oneof![Just(46u8), Just(53u8)]) {
        let [_, theirs] = keys(Encryption::AesCbc(128), Some(Integrity::Sha1));
        let head = Header { next, ..header(FLAG_INITIATOR, 1) };
        prop_assert!(theirs.open(&head, &bytes).is_err());
    }
}
