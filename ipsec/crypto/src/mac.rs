//! Keyed MAC state for packets (RFC 2403, 2404, 4868; of AES blocks 3566, 4494): the key is absorbed once.

use hmac::{Hmac, KeyInit};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::BadLength;
use crate::block_mac::BlockMac;
use crate::prf::Hash;

/// Who computes, for benchmarks to name.
pub const PROVIDER: &str = "RustCrypto";

/// A key ready for use; its state is inline.
pub struct Mac {
    /// Bytes of a whole tag.
    length: usize,
    state: State,
}

enum State {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
    Block(BlockMac),
}

impl Mac {
    /// HMAC; `key` may have any length.
    pub fn new(hash: Hash, key: &[u8]) -> Self {
        let state = match hash {
            Hash::Md5 => State::Md5(keyed(key)),
            Hash::Sha1 => State::Sha1(keyed(key)),
            Hash::Sha256 => State::Sha256(keyed(key)),
            Hash::Sha384 => State::Sha384(keyed(key)),
            Hash::Sha512 => State::Sha512(keyed(key)),
        };
        Self { length: hash.len(), state }
    }

    /// AES-XCBC, whose tag is 16 bytes; `key` must be 16 bytes.
    pub fn xcbc(key: &[u8]) -> Result<Self, BadLength> {
        Ok(Self { length: 16, state: State::Block(BlockMac::xcbc(key)?) })
    }

    /// AES-CMAC, whose tag is 16 bytes; `key` must be 16 bytes.
    pub fn cmac(key: &[u8]) -> Result<Self, BadLength> {
        Ok(Self { length: 16, state: State::Block(BlockMac::cmac(key)?) })
    }

    /// Writes the MAC of `data` and `more`, cut to the length of `tag`.
    pub fn tag(&self, data: &[u8], more: &[u8], tag: &mut [u8]) {
        match &self.state {
            State::Md5(key) => compute(key, data, more, tag),
            State::Sha1(key) => compute(key, data, more, tag),
            State::Sha256(key) => compute(key, data, more, tag),
            State::Sha384(key) => compute(key, data, more, tag),
            State::Sha512(key) => compute(key, data, more, tag),
            State::Block(key) => {
                tag.iter_mut().zip(key.tag(&[data, more])).for_each(|(out, byte)| *out = byte);
            }
        }
    }

    /// Whether `tag`, not empty, starts the MAC of `data` and `more`; in constant time.
    pub fn verify(&self, data: &[u8], more: &[u8], tag: &[u8]) -> bool {
        let mut whole = [0; 64];
        let expected = &mut whole[..self.length.min(tag.len())];
        self.tag(data, more, expected);
        !tag.is_empty() && crate::equal(expected, tag)
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn compute<M: hmac::Mac + Clone>(key: &M, data: &[u8], more: &[u8], tag: &mut [u8]) {
    let mut mac = key.clone();
    mac.update(data);
    mac.update(more);
    tag.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(out, byte)| *out = byte);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    /// RFC 2202 test case 1 cut to RFC 2403 and 2404, RFC 4868 section 2.7.2, AUTH256-1 to AUTH512-1: keys as long as the hash.
    #[test]
    fn tags_agree_with_rfc_2202_and_rfc_4868() {
        let published = [
            (Hash::Md5, "9294727a3638bb1c13f48ef8"),
            (Hash::Sha1, "b617318655057264e28bc0b6"),
            (Hash::Sha256, "198a607eb44bfbc69903a0f1cf2bbdc5"),
            (Hash::Sha384, "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"),
            (Hash::Sha512, "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"),
        ];
        for (hash, expected) in published {
            let tag = hex(expected);
            assert!(Mac::new(hash, &vec![0x0b; hash.len()]).verify(b"Hi ", b"There", &tag), "{hash:?}");
        }
    }

    #[test]
    fn a_tag_is_the_start_of_the_prfs_hmac() {
        for hash in [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let mut tag = [0; 12];
            Mac::new(hash, b"key").tag(b"some ", b"data", &mut tag);
            assert_eq!(hash.hmac(b"key", &[b"some data"]).expose()[..12], tag, "{hash:?}");
        }
    }

    #[test]
    fn a_mac_of_aes_blocks_verifies_cut_and_whole() {
        for mac in [Mac::xcbc(&[1; 16]).unwrap(), Mac::cmac(&[1; 16]).unwrap()] {
            let mut tag = [0; 17];
            mac.tag(b"some ", b"data", &mut tag);
            assert!(mac.verify(b"some data", b"", &tag[..12]) && mac.verify(b"some", b" data", &tag[..16]));
            assert!(!mac.verify(b"some data", b"", &tag), "a tag longer than the MAC");
            tag[3] ^= 1;
            assert!(!mac.verify(b"some data", b"", &tag[..12]));
        }
        assert!(Mac::xcbc(&[1; 20]).is_err() && Mac::cmac(&[1; 15]).is_err());
    }

    #[test]
    fn only_the_right_tag_of_a_possible_length_verifies() {
        let mac = Mac::new(Hash::Sha1, b"key");
        let whole = Hash::Sha1.hmac(b"key", &[b"data"]);
        let tag = &whole.expose()[..12];
        assert!(mac.verify(b"data", b"", tag));
        for bit in 0..96 {
            let mut flipped = tag.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!mac.verify(b"data", b"", &flipped));
        }
        assert!(!mac.verify(b"date", b"", tag));
        assert!(!mac.verify(b"data", b"", b""));
        let padded: Vec<u8> = [whole.expose(), &[0]].concat();
        assert!(!mac.verify(b"data", b"", &[0; 65]));
        assert!(!mac.verify(b"data", b"", &padded), "a tag longer than the HMAC");
    }
}
