//! Doors for fuzzers to what is private: decoders of version 2, and its encrypted payload. They panic if what
//! was decoded does not survive the wire, or if a message comes out other than it went in.

use base::Secret;
use crypto::dh::Group;
use crypto::drbg::Drbg;
use crypto::prf::{Hash, Prf};

use crate::config::v2::{Encryption, Integrity};
use crate::v2::keys::{Inputs, Keys};
use crate::v2::proposal::Suite;
use crate::v2::sealed::{Clear, Opened, Reassembly};
use crate::v2::wire::auth::Auth;
use crate::v2::wire::cert::{Certificate, Request};
use crate::v2::wire::delete::Delete;
use crate::v2::wire::header::{FLAG_INITIATOR, Header, exchange};
use crate::v2::wire::ke::{self, KeyExchange};
use crate::v2::wire::notify::Notify;
use crate::v2::wire::payload::{self, Chain};
use crate::v2::wire::sa::{Sa, Transform};
use crate::v2::wire::{id, signature, ts};

/// A chain of payloads: the type of the first one, then their bytes.
pub fn payloads(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let Ok(chain) = Chain::decode(*first, bytes) else { return };
    let _ = (chain.unsupported(), chain.error(), chain.encrypted());
    for kind in payload::SA..=payload::ENCRYPTED_FRAGMENT {
        chain.all(kind).for_each(|body| one(kind, body));
    }
}

fn one(kind: u8, body: &[u8]) {
    match kind {
        payload::SA => sa(body),
        payload::KEY_EXCHANGE => {
            survives(body, KeyExchange::decode, |value| ke::encode(value.method, &value.public));
        }
        payload::ID_INITIATOR | payload::ID_RESPONDER => survives(body, id::decode, id::encode),
        payload::CERTIFICATE => survives(body, Certificate::decode, Certificate::encode),
        payload::CERTIFICATE_REQUEST if body.first() == Some(&4) => {
            survives(body, Request::decode, Request::encode);
        }
        payload::AUTHENTICATION => proof(body),
        payload::NOTIFY => survives(body, Notify::decode, Notify::encode),
        payload::DELETE => survives(body, Delete::decode, Delete::encode),
        // Selectors of other types than ours are not kept: of those alone nothing is left.
        payload::TS_INITIATOR | payload::TS_RESPONDER
            if ts::decode(body).is_ok_and(|all| !all.is_empty()) =>
        {
            survives(body, ts::decode, |selectors| ts::encode(selectors));
        }
        _ => {}
    }
}

/// A transform with an attribute that we do not know comes back without it.
fn sa(body: &[u8]) {
    let Ok(mut sa) = Sa::decode(body) else { return };
    let all = sa.proposals.iter_mut().flat_map(|proposal| &mut proposal.transforms);
    all.for_each(|transform: &mut Transform| transform.foreign = false);
    assert_eq!(Sa::decode(&sa.encode()).as_ref(), Ok(&sa));
}

fn proof(body: &[u8]) {
    survives(body, Auth::decode, Auth::encode);
    let Ok(auth) = Auth::decode(body) else { return };
    if let Ok((Some(scheme), _)) = auth.digital_signature() {
        let name = signature::encode(scheme);
        assert_eq!(name.as_deref().and_then(signature::decode), Some(scheme));
    }
}

fn survives<T: PartialEq, E>(
    body: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, E>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    if let Ok(value) = decode(body) {
        assert!(decode(&encode(&value)).is_ok_and(|again| again == value), "it does not survive the wire");
    }
}

/// A message through the encrypted payload: which algorithms, how long a datagram may be, the order in which
/// the datagrams come and whether one bit changes, then the message.
pub fn sealed(data: &[u8]) {
    let Some(([which, room, order, change], clear)) = data.split_first_chunk::<4>() else { return };
    let suite = suite(*which);
    let inputs = Inputs { nonces: (&[1; 16], &[2; 16]), spis: ([3; 8], [4; 8]) };
    let [mut ours, theirs] =
        [true, false].map(|side| Keys::initial(&suite, side, &Secret::from(vec![5; 32]), &inputs));
    let header = Header::v2(inputs.spis, exchange::INFORMATIONAL, FLAG_INITIATOR, 7);
    let said = Clear { first: payload::NOTIFY, bytes: clear.to_vec() };
    let most = 200 + 4 * usize::from(*room);
    let Ok(mut datagrams) = ours.seal_within(&mut Drbg::new([6; 32]), header, &said, most) else { return };
    let count = datagrams.len();
    datagrams.rotate_left(usize::from(*order) % count);
    let mut reassembly = Reassembly::default();
    let mut heard = None;
    for datagram in &datagrams {
        let mut changed = datagram.clone();
        let bit = usize::from(*change) * 7 % (changed.len() * 8);
        if let Some(byte) = changed.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        assert!(open(&theirs, &changed).is_none(), "a changed message is authentic");
        heard = match open(&theirs, datagram) {
            Some(Opened::Whole(whole)) => Some(whole),
            Some(Opened::Fragment(fragment)) => reassembly.push(&header, fragment).unwrap_or_default(),
            None => None,
        };
    }
    assert!(heard == Some(said), "another message than was sealed");
    let _ = open(&theirs, clear);
}

fn open(keys: &Keys, datagram: &[u8]) -> Option<Opened> {
    let (header, body) = Header::decode(datagram).ok()?;
    keys.open(&header, body).ok()
}

fn suite(which: u8) -> Suite {
    let integrity = match which >> 4 {
        0 => Integrity::Sha1,
        1 => Integrity::Sha256,
        2 => Integrity::AesXcbc,
        _ => Integrity::AesCmac,
    };
    let (encryption, integrity) = match which & 15 {
        0 => (Encryption::TripleDes, Some(integrity)),
        1 => (Encryption::AesCbc(128), Some(integrity)),
        2 => (Encryption::AesCtr(256), Some(integrity)),
        3 => (Encryption::AesCcm(128), None),
        4 => (Encryption::ChaCha20Poly1305, None),
        _ => (Encryption::AesGcm(256), None),
    };
    let prf = Prf::Hmac(Hash::Sha256);
    Suite { encryption, integrity, prf, group: Group::Modp2048, additional: Vec::new() }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_input_makes_them_panic(data in vec(any::<u8>(), 0..600), kind in 33u8..54) {
            super::payloads(&data);
            super::payloads(&[&[kind, 0, 0, u8::try_from(data.len() % 200 + 4).unwrap()], &data[..data.len() % 200]].concat());
            super::sealed(&data);
        }
    }
}
