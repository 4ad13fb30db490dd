//! Hash functions, alone and keyed (HMAC, RFC 2104): the PRFs of IKE.

use base::Secret;
use hmac::digest::Digest;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Output length in bytes, of the hash and of its HMAC.
    #[allow(clippy::len_without_is_empty, reason = "a hash is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of all `parts` one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => digest::<Md5>(parts),
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha384 => digest::<Sha384>(parts),
            Self::Sha512 => digest::<Sha512>(parts),
        }
    }

    /// The HMAC of all `parts` one after the other, under a key of any length.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        match self {
            Self::Md5 => keyed::<Md5>(key, parts),
            Self::Sha1 => keyed::<Sha1>(key, parts),
            Self::Sha256 => keyed::<Sha256>(key, parts),
            Self::Sha384 => keyed::<Sha384>(key, parts),
            Self::Sha512 => keyed::<Sha512>(key, parts),
        }
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().to_vec()
}

fn keyed<D: EagerHash>(key: &[u8], parts: &[&[u8]]) -> Secret {
    let mut mac = Hmac::<D>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    Secret::from(mac.finalize().into_bytes().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    const ALL: [Hash; 5] = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];

    #[test]
    fn hashes_agree_with_the_published_digests_of_abc() {
        let published = [
            "900150983cd24fb0d6963f7d28e17f72",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
             454d4423643ce80e2a9ac94fa54ca49f",
        ];
        for (hash, expected) in ALL.into_iter().zip(published) {
            assert_eq!(hash.digest(&[b"a", b"", b"bc"]), hex(expected), "{hash:?}");
            assert_eq!(hash.len(), hex(expected).len());
        }
    }

    /// RFC 2202 sections 2 and 3, RFC 4231 section 4.3: key "Jefe".
    #[test]
    fn hmacs_agree_with_rfc_2202_and_rfc_4231_test_case_2() {
        let published = [
            "750c783e6ab0b503eaa86e310a5db738",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
             caeab1a34d4a6b4b636e070a38bce737",
        ];
        for (hash, expected) in ALL.into_iter().zip(published) {
            let mac = hash.hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
            assert_eq!(mac.expose(), hex(expected), "{hash:?}");
        }
    }

    /// RFC 2202 test case 6 and RFC 4231 test case 6: keys longer than a block.
    #[test]
    fn hmacs_agree_with_the_test_case_of_a_key_larger_than_a_block() {
        let text: &[&[u8]] = &[b"Test Using Larger Than Block-Size Key - Hash Key First"];
        let published = [
            (Hash::Md5, 80, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
            (Hash::Sha1, 80, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
            (Hash::Sha256, 131, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
            (
                Hash::Sha384,
                131,
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
            ),
            (
                Hash::Sha512,
                131,
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e52\
                 95e64f73f63f0aec8b915a985d786598",
            ),
        ];
        for (hash, length, expected) in published {
            assert_eq!(hash.hmac(&vec![0xaa; length], text).expose(), hex(expected), "{hash:?}");
        }
    }
}
