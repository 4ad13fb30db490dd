//! Hash functions, alone and keyed (HMAC, RFC 2104), and the PRFs of IKE (RFC 7296, 4434, 4615).

use base::Secret;
use hmac::digest::Digest;
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::block_mac::BlockMac;

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

/// A pseudorandom function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prf {
    Hmac(Hash),
    /// AES-XCBC-PRF-128, RFC 4434.
    AesXcbc,
    /// AES-CMAC-PRF-128, RFC 4615.
    AesCmac,
}

impl Prf {
    /// Output length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "an output is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Hmac(hash) => hash.len(),
            Self::AesXcbc | Self::AesCmac => 16,
        }
    }

    /// The preferred key length in bytes: that of SK_d, SK_pi and SK_pr.
    pub const fn key_len(self) -> usize {
        self.len()
    }

    /// Whether SKEYSEED takes the first 8 bytes of each nonce alone, as with the two made of AES (RFC 7296
    /// section 2.14).
    pub const fn cuts_nonces(self) -> bool {
        matches!(self, Self::AesXcbc | Self::AesCmac)
    }

    /// Over all `parts` one after the other, under a key of any length.
    pub fn compute(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        match self {
            Self::Hmac(hash) => hash.hmac(key, parts),
            Self::AesXcbc => Secret::from(xcbc(key).tag(parts).as_slice()),
            Self::AesCmac => Secret::from(cmac(key).tag(parts).as_slice()),
        }
    }

    /// prf+ (RFC 7296 section 2.13): `length` bytes, at most 255 outputs.
    pub fn plus(self, key: &[u8], parts: &[&[u8]], length: usize) -> Secret {
        let mut out = Zeroizing::new(Vec::with_capacity(length + self.len()));
        let mut block = Secret::default();
        for counter in 1..=u8::MAX {
            if out.len() >= length {
                break;
            }
            block = self.compute(key, &[&[block.expose()], parts, &[&[counter]]].concat());
            out.extend_from_slice(block.expose());
        }
        out.truncate(length);
        Secret::from(out.as_slice())
    }
}

/// RFC 4434 section 2: short keys are filled up with zeros, long ones hashed under a key of zeros.
fn xcbc(key: &[u8]) -> BlockMac {
    let mut fitted = Zeroizing::new([0; 16]);
    if key.len() <= 16 {
        fitted[..key.len()].copy_from_slice(key);
    } else {
        *fitted = xcbc(&[]).tag(&[key]);
    }
    BlockMac::xcbc(&*fitted).expect("a key of 16 bytes")
}

/// RFC 4615 section 3: keys of another length are hashed under a key of zeros.
fn cmac(key: &[u8]) -> BlockMac {
    let hashed = |key: &[u8]| BlockMac::cmac(&[0; 16]).map(|mac| Zeroizing::new(mac.tag(&[key])));
    BlockMac::cmac(key)
        .or_else(|_| hashed(key).and_then(|key| BlockMac::cmac(&*key)))
        .expect("a key of 16 bytes")
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

    const KEY: &str = "000102030405060708090a0b0c0d0e0fedcb";

    /// RFC 4434 section 5, keys of 16, 10 and 18 bytes.
    #[test]
    fn aes_xcbc_prf_agrees_with_rfc_4434_for_keys_of_any_length() {
        let published = [
            (16, "47f51b4564966215b8985c63055ed308"),
            (10, "0fa087af7d866e7653434e602fdde835"),
            (18, "8cd3c93ae598a9803006ffb67c40e9e4"),
        ];
        let message: Vec<u8> = (0..20).collect();
        for (length, expected) in published {
            let output = Prf::AesXcbc.compute(&hex(KEY)[..length], &[&message[..7], &message[7..]]);
            assert_eq!(output.expose(), hex(expected), "{length}");
        }
    }

    /// RFC 4615 section 4, keys of 18, 16 and 10 bytes.
    #[test]
    fn aes_cmac_prf_agrees_with_rfc_4615_for_keys_of_any_length() {
        let published = [
            (18, "84a348a4a45d235babfffc0d2b4da09a"),
            (16, "980ae87b5f4c9c5214f5b6a8455e4c2d"),
            (10, "290d9e112edb09ee141fcf64c0b72f3d"),
        ];
        let message: Vec<u8> = (0..20).collect();
        for (length, expected) in published {
            assert_eq!(
                Prf::AesCmac.compute(&hex(KEY)[..length], &[&message]).expose(),
                hex(expected),
                "{length}"
            );
        }
    }

    /// RFC 7296 section 2.13, block by block.
    #[test]
    fn prf_plus_chains_outputs_with_a_counter() {
        for prf in ALL.map(Prf::Hmac).into_iter().chain([Prf::AesXcbc, Prf::AesCmac]) {
            let first = prf.compute(b"key", &[b"seed", &[1]]);
            let second = prf.compute(b"key", &[first.expose(), b"seed", &[2]]);
            let third = prf.compute(b"key", &[second.expose(), b"seed", &[3]]);
            let whole = [first, second, third].map(|block| block.expose().to_vec()).concat();
            for length in [0, 1, prf.len(), prf.len() + 1, 3 * prf.len()] {
                assert_eq!(prf.plus(b"key", &[b"se", b"ed"], length).expose(), &whole[..length], "{prf:?}");
            }
            assert_eq!(prf.plus(b"key", &[b"seed"], 255 * prf.len()).len(), 255 * prf.len());
        }
    }
}
