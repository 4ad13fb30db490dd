//! AES-GCM for packets, in place, with a 16-byte tag (RFC 4106): 128 and 256 bits by ring, 192 by aws-lc.

use aws_lc_rs::aead as aws;
use ring::aead as ring;

use crate::BadLength;

/// Bytes of tag after the ciphertext.
pub const TAG_LEN: usize = 16;

/// The tag does not fit: something was changed, or the key is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthentic;

/// An AES-GCM key ready for use.
pub struct Gcm(Provider);

#[allow(clippy::large_enum_variant, reason = "a pointer would be one more cache miss a packet")]
enum Provider {
    Ring(ring::LessSafeKey),
    Aws(aws::LessSafeKey),
}

impl Gcm {
    /// The key's length chooses: 16, 24 or 32 bytes.
    pub fn new(key: &[u8]) -> Result<Self, BadLength> {
        match key.len() {
            16 => ring_key(&ring::AES_128_GCM, key),
            24 => aws_key(&aws::AES_192_GCM, key),
            32 => ring_key(&ring::AES_256_GCM, key),
            _ => Err(BadLength),
        }
    }

    /// Encrypts all of `packet` but its last [`TAG_LEN`] bytes, where the tag is written.
    /// `nonce` must never be used twice with one key. Errs if there is no room for the tag.
    pub fn seal(&self, nonce: [u8; 12], aad: &[u8], packet: &mut [u8]) -> Result<(), BadLength> {
        let (data, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(BadLength)?;
        match &self.0 {
            Provider::Ring(key) => {
                let nonce = ring::Nonce::assume_unique_for_key(nonce);
                let sealed = key.seal_in_place_separate_tag(nonce, ring::Aad::from(aad), data);
                tag.copy_from_slice(sealed.map_err(|_| BadLength)?.as_ref());
            }
            Provider::Aws(key) => {
                let nonce = aws::Nonce::assume_unique_for_key(nonce);
                let sealed = key.seal_in_place_separate_tag(nonce, aws::Aad::from(aad), data);
                tag.copy_from_slice(sealed.map_err(|_| BadLength)?.as_ref());
            }
        }
        Ok(())
    }

    /// Checks the tag in the last [`TAG_LEN`] bytes of `packet` and decrypts the bytes before it;
    /// on error those are unspecified.
    pub fn open(&self, nonce: [u8; 12], aad: &[u8], packet: &mut [u8]) -> Result<(), Unauthentic> {
        match &self.0 {
            Provider::Ring(key) => {
                let nonce = ring::Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, ring::Aad::from(aad), packet).map_err(|_| Unauthentic)?;
            }
            Provider::Aws(key) => {
                let nonce = aws::Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, aws::Aad::from(aad), packet).map_err(|_| Unauthentic)?;
            }
        }
        Ok(())
    }

    /// Who computes, for benchmarks to name.
    pub const fn provider(&self) -> &'static str {
        match self.0 {
            Provider::Ring(_) => "ring",
            Provider::Aws(_) => "aws-lc",
        }
    }

    /// A key held by aws-lc whatever its length, to compare providers.
    pub(crate) fn by_aws_lc(key: &[u8]) -> Result<Self, BadLength> {
        match key.len() {
            16 => aws_key(&aws::AES_128_GCM, key),
            24 => aws_key(&aws::AES_192_GCM, key),
            32 => aws_key(&aws::AES_256_GCM, key),
            _ => Err(BadLength),
        }
    }
}

fn ring_key(algorithm: &'static ring::Algorithm, key: &[u8]) -> Result<Gcm, BadLength> {
    let key = ring::UnboundKey::new(algorithm, key).map_err(|_| BadLength)?;
    Ok(Gcm(Provider::Ring(ring::LessSafeKey::new(key))))
}

fn aws_key(algorithm: &'static aws::Algorithm, key: &[u8]) -> Result<Gcm, BadLength> {
    let key = aws::UnboundKey::new(algorithm, key).map_err(|_| BadLength)?;
    Ok(Gcm(Provider::Aws(aws::LessSafeKey::new(key))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    /// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4, 10 and 16.
    #[test]
    fn gcm_agrees_with_its_authors_for_every_key_length_both_ways() {
        let key = "feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308";
        let clear = hex("d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72
                         1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b39");
        let published = [
            (
                16,
                "42831ec2217774244b7221b784d0d49c e3aa212f2c02a4e035c17e2329aca12e
                 21d514b25466931c7d8f6a5aac84aa05 1ba30b396a0aac973d58e091
                 5bc94fbc3221a5db94fae95ae7121a47",
            ),
            (
                24,
                "3980ca0b3c00e841eb06fac4872a2757 859e1ceaa6efd984628593b40ca1e19c
                 7d773d00c144c525ac619d18c84a3f47 18e2448b2fe324d9ccda2710
                 2519498e80f1478f37ba55bd6d27618c",
            ),
            (
                32,
                "522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa
                 8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662
                 76fc6ece0f4e1768cddf8853bb2d551b",
            ),
        ];
        let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let nonce = hex("cafebabefacedbaddecaf888").try_into().unwrap();
        for (length, expected) in published {
            let key = &hex(key)[..length];
            for gcm in [Gcm::new(key).unwrap(), Gcm::by_aws_lc(key).unwrap()] {
                let mut packet = [&clear[..], &[0; TAG_LEN]].concat();
                gcm.seal(nonce, &aad, &mut packet).unwrap();
                assert_eq!(packet, hex(expected), "{length} bytes, {}", gcm.provider());
                assert_eq!(gcm.open(nonce, &aad, &mut packet), Ok(()));
                assert_eq!(packet[..clear.len()], clear);
            }
        }
    }

    #[test]
    fn a_changed_bit_or_a_lost_byte_is_unauthentic() {
        for length in [16, 24, 32] {
            let gcm = Gcm::new(&vec![3; length]).unwrap();
            let mut sealed = vec![0; 20 + TAG_LEN];
            gcm.seal([1; 12], b"aad", &mut sealed).unwrap();
            for bit in 0..sealed.len() * 8 {
                let mut packet = sealed.clone();
                packet[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(gcm.open([1; 12], b"aad", &mut packet), Err(Unauthentic));
            }
            for cut in 0..sealed.len() {
                assert_eq!(gcm.open([1; 12], b"aad", &mut sealed.clone()[..cut]), Err(Unauthentic));
            }
            assert_eq!(gcm.open([2; 12], b"aad", &mut sealed.clone()), Err(Unauthentic));
            assert_eq!(gcm.open([1; 12], b"abd", &mut sealed), Err(Unauthentic));
        }
    }

    #[test]
    fn a_wrong_key_length_and_a_packet_without_room_for_the_tag_are_refused() {
        assert!([0, 15, 17, 33].into_iter().all(|length| Gcm::new(&vec![0; length]).is_err()));
        assert_eq!(Gcm::new(&[0; 16]).unwrap().seal([0; 12], b"", &mut [0; 15]), Err(BadLength));
    }
}
