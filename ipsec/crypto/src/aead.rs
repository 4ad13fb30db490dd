//! AEADs for packets, in place, with a 16-byte tag: AES-GCM (RFC 4106; 128 and 256 bits by ring, 192 by
//! aws-lc), AES-CCM (RFC 4309) and ChaCha20-Poly1305 (RFC 7634).

use aws_lc_rs::aead as aws;
use ring::aead as ring;

use crate::BadLength;
use crate::ccm::Ccm;

/// Bytes of tag after the ciphertext.
pub const TAG_LEN: usize = 16;

/// The tag does not fit: something was changed, or the key is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthentic;

/// Bytes of explicit IV in each packet or message, the same for all of [`Algorithm`].
pub const IV_LEN: usize = 8;

/// An AEAD as ESP and the SK payload use it. Key bits where the algorithm has a choice: 128, 192, 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RFC 4106, 5282.
    AesGcm(u16),
    /// RFC 4309, 5282.
    AesCcm(u16),
    /// RFC 7634.
    ChaCha20Poly1305,
}

/// An AEAD key and its salt, ready for use.
pub struct Aead {
    cipher: Cipher,
    /// CCM uses the first three bytes.
    salt: [u8; 4],
}

#[allow(clippy::large_enum_variant, reason = "a pointer would be one more cache miss a packet")]
enum Cipher {
    Provided(Provider),
    Ccm(Ccm),
}

impl Algorithm {
    /// Bytes of keying material: the key, then the salt (RFC 4106 section 8.1, RFC 4309 section 7.1, RFC
    /// 7634 section 2).
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesGcm(bits) => bits as usize / 8 + 4,
            Self::AesCcm(bits) => bits as usize / 8 + 3,
            Self::ChaCha20Poly1305 => 36,
        }
    }
}

impl Aead {
    /// `material` must be [`Algorithm::key_len`] bytes.
    pub fn new(algorithm: Algorithm, material: &[u8]) -> Result<Self, BadLength> {
        let salt_len = if matches!(algorithm, Algorithm::AesCcm(_)) { 3 } else { 4 };
        if material.len() != algorithm.key_len() {
            return Err(BadLength);
        }
        let (key, end) = material.split_at(material.len() - salt_len);
        let cipher = match algorithm {
            Algorithm::AesGcm(_) => Cipher::Provided(Gcm::new(key)?.0),
            Algorithm::AesCcm(_) => Cipher::Ccm(Ccm::new(key)?),
            Algorithm::ChaCha20Poly1305 => Cipher::Provided(ring_key(&ring::CHACHA20_POLY1305, key)?),
        };
        let mut salt = [0; 4];
        salt[..salt_len].copy_from_slice(end);
        Ok(Self { cipher, salt })
    }

    /// Encrypts all of `packet` but its last [`TAG_LEN`] bytes, where the tag is written.
    /// `iv` must never be used twice with one key. Errs if there is no room for the tag.
    #[inline]
    pub fn seal(&self, iv: [u8; IV_LEN], aad: &[u8], packet: &mut [u8]) -> Result<(), BadLength> {
        match &self.cipher {
            Cipher::Provided(key) => key.seal(nonce(self.salt, iv), aad, packet),
            Cipher::Ccm(key) => key.seal(short_nonce(self.salt, iv), aad, packet),
        }
    }

    /// Checks the tag in the last [`TAG_LEN`] bytes of `packet` and decrypts the bytes before it;
    /// on error those are unspecified.
    #[inline]
    pub fn open(&self, iv: [u8; IV_LEN], aad: &[u8], packet: &mut [u8]) -> Result<(), Unauthentic> {
        match &self.cipher {
            Cipher::Provided(key) => key.open(nonce(self.salt, iv), aad, packet),
            Cipher::Ccm(key) => key.open(short_nonce(self.salt, iv), aad, packet),
        }
    }
}

const fn nonce(salt: [u8; 4], iv: [u8; IV_LEN]) -> [u8; 12] {
    let ([s0, s1, s2, s3], [i0, i1, i2, i3, i4, i5, i6, i7]) = (salt, iv);
    [s0, s1, s2, s3, i0, i1, i2, i3, i4, i5, i6, i7]
}

const fn short_nonce(salt: [u8; 4], iv: [u8; IV_LEN]) -> [u8; 11] {
    let ([s0, s1, s2, _], [i0, i1, i2, i3, i4, i5, i6, i7]) = (salt, iv);
    [s0, s1, s2, i0, i1, i2, i3, i4, i5, i6, i7]
}

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
        let provider = match key.len() {
            16 => ring_key(&ring::AES_128_GCM, key),
            24 => aws_key(&aws::AES_192_GCM, key),
            32 => ring_key(&ring::AES_256_GCM, key),
            _ => Err(BadLength),
        };
        provider.map(Self)
    }

    /// Encrypts all of `packet` but its last [`TAG_LEN`] bytes, where the tag is written.
    /// `nonce` must never be used twice with one key. Errs if there is no room for the tag.
    pub fn seal(&self, nonce: [u8; 12], aad: &[u8], packet: &mut [u8]) -> Result<(), BadLength> {
        self.0.seal(nonce, aad, packet)
    }

    /// Checks the tag in the last [`TAG_LEN`] bytes of `packet` and decrypts the bytes before it;
    /// on error those are unspecified.
    pub fn open(&self, nonce: [u8; 12], aad: &[u8], packet: &mut [u8]) -> Result<(), Unauthentic> {
        self.0.open(nonce, aad, packet)
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
        let provider = match key.len() {
            16 => aws_key(&aws::AES_128_GCM, key),
            24 => aws_key(&aws::AES_192_GCM, key),
            32 => aws_key(&aws::AES_256_GCM, key),
            _ => Err(BadLength),
        };
        provider.map(Self)
    }
}

impl Provider {
    #[inline]
    fn seal(&self, nonce: [u8; 12], aad: &[u8], packet: &mut [u8]) -> Result<(), BadLength> {
        let (data, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(BadLength)?;
        match self {
            Self::Ring(key) => {
                let nonce = ring::Nonce::assume_unique_for_key(nonce);
                let sealed = key.seal_in_place_separate_tag(nonce, ring::Aad::from(aad), data);
                tag.copy_from_slice(sealed.map_err(|_| BadLength)?.as_ref());
            }
            Self::Aws(key) => {
                let nonce = aws::Nonce::assume_unique_for_key(nonce);
                let sealed = key.seal_in_place_separate_tag(nonce, aws::Aad::from(aad), data);
                tag.copy_from_slice(sealed.map_err(|_| BadLength)?.as_ref());
            }
        }
        Ok(())
    }

    #[inline]
    fn open(&self, nonce: [u8; 12], aad: &[u8], packet: &mut [u8]) -> Result<(), Unauthentic> {
        match self {
            Self::Ring(key) => {
                let nonce = ring::Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, ring::Aad::from(aad), packet).map_err(|_| Unauthentic)?;
            }
            Self::Aws(key) => {
                let nonce = aws::Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, aws::Aad::from(aad), packet).map_err(|_| Unauthentic)?;
            }
        }
        Ok(())
    }
}

fn ring_key(algorithm: &'static ring::Algorithm, key: &[u8]) -> Result<Provider, BadLength> {
    let key = ring::UnboundKey::new(algorithm, key).map_err(|_| BadLength)?;
    Ok(Provider::Ring(ring::LessSafeKey::new(key)))
}

fn aws_key(algorithm: &'static aws::Algorithm, key: &[u8]) -> Result<Provider, BadLength> {
    let key = aws::UnboundKey::new(algorithm, key).map_err(|_| BadLength)?;
    Ok(Provider::Aws(aws::LessSafeKey::new(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Record, hex};

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

    const PUBLISHED: &str = include_str!("../tests/vectors/aeads.txt");

    fn opens(record: &Record) -> Result<(), Unauthentic> {
        let (key, mut sealed) = (record.bytes("key"), record.bytes("sealed"));
        let algorithm = match record.text("algorithm") {
            "aes-ccm" => Algorithm::AesCcm(u16::try_from(key.len() * 8).unwrap()),
            "chacha20-poly1305" => Algorithm::ChaCha20Poly1305,
            other => panic!("{other}"),
        };
        let nonce = record.bytes("nonce");
        let (salt, iv) = nonce.split_last_chunk().unwrap();
        let aead = Aead::new(algorithm, &[&key, salt].concat()).unwrap();
        let mut packet = [record.bytes("clear"), vec![0; TAG_LEN]].concat();
        aead.seal(*iv, &record.bytes("aad"), &mut packet).unwrap();
        assert_eq!(packet == sealed, record.text("result") == "valid");
        aead.open(*iv, &record.bytes("aad"), &mut sealed)?;
        assert_eq!(sealed[..sealed.len() - TAG_LEN], record.bytes("clear"));
        Ok(())
    }

    #[test]
    fn ccm_and_chacha_agree_with_wycheproof_about_good_and_bad_packets() {
        let records = Record::all(PUBLISHED);
        assert!(records.len() >= 20);
        for record in records {
            let expected = if record.text("result") == "valid" { Ok(()) } else { Err(Unauthentic) };
            assert_eq!(opens(&record), expected, "{}", record.text("sealed"));
        }
    }

    /// RFC 8439 section 2.8.2.
    #[test]
    fn chacha_agrees_with_rfc_8439() {
        let material: Vec<u8> = (0x80..0xa0).chain([7, 0, 0, 0]).collect();
        let clear = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
                      future, sunscreen would be it.";
        let mut packet = [&clear[..], &[0; TAG_LEN]].concat();
        let aead = Aead::new(Algorithm::ChaCha20Poly1305, &material).unwrap();
        let (iv, aad) =
            (core::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap()), hex("50515253c0c1c2c3c4c5c6c7"));
        aead.seal(iv, &aad, &mut packet).unwrap();
        let expected = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b
                        1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
                        3ff4def08e4b7a9de576d26586cec64b6116 1ae10b594f09e26a7e902ecbd0600691";
        assert_eq!(packet, hex(expected));
    }

    #[test]
    fn an_aead_refuses_keying_material_of_another_length_and_every_changed_bit() {
        let all = [128, 192, 256].map(|bits| [Algorithm::AesGcm(bits), Algorithm::AesCcm(bits)]);
        for algorithm in all.into_iter().flatten().chain([Algorithm::ChaCha20Poly1305]) {
            let material = vec![9; algorithm.key_len()];
            assert!(Aead::new(algorithm, &material[1..]).is_err());
            let aead = Aead::new(algorithm, &material).unwrap();
            assert_eq!(aead.seal([0; 8], b"", &mut [0; 15]), Err(BadLength));
            let mut sealed = vec![0; 40 + TAG_LEN];
            aead.seal([1; 8], b"aad", &mut sealed).unwrap();
            for bit in 0..sealed.len() * 8 {
                let mut packet = sealed.clone();
                packet[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(aead.open([1; 8], b"aad", &mut packet), Err(Unauthentic));
            }
            assert_eq!(aead.open([1; 8], b"aac", &mut sealed.clone()), Err(Unauthentic));
            assert_eq!(aead.open([2; 8], b"aad", &mut sealed.clone()), Err(Unauthentic));
            assert_eq!(aead.open([1; 8], b"aad", &mut sealed.clone()[..12]), Err(Unauthentic));
            assert_eq!(aead.open([1; 8], b"aad", &mut sealed), Ok(()), "{algorithm:?}");
        }
        assert!(Aead::new(Algorithm::AesCcm(64), &[0; 11]).is_err());
    }
}
