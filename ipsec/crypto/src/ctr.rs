//! AES in counter mode for packets (RFC 3686): no authentication, so never without a MAC.

use crate::BadLength;
use crate::aes::Aes;

/// Bytes of explicit IV in each packet.
pub const IV_LEN: usize = 8;

/// Bytes of keying material behind the key.
pub const NONCE_LEN: usize = 4;

/// A key and its nonce; encryption and decryption are the same.
pub struct Ctr {
    key: Aes,
    nonce: [u8; NONCE_LEN],
}

impl Ctr {
    /// `material` is the key, 16, 24 or 32 bytes, and the nonce (RFC 3686 section 5.1).
    pub fn new(material: &[u8]) -> Result<Self, BadLength> {
        let (key, nonce) = material.split_last_chunk().ok_or(BadLength)?;
        Ok(Self { key: Aes::new(key)?, nonce: *nonce })
    }

    /// Encrypts or decrypts `data` in place. `iv` must never be used twice with one key.
    pub fn apply(&self, iv: [u8; IV_LEN], data: &mut [u8]) {
        let mut counter = [0; 16];
        counter[..4].copy_from_slice(&self.nonce);
        counter[4..12].copy_from_slice(&iv);
        counter[15] = 1;
        self.key.ctr(counter, data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    /// RFC 3686 section 6, test vectors 1, 3, 5 and 9: key and nonce, IV, clear, sealed.
    const RFC_3686: [(&str, &str, &str, &str); 4] = [
        (
            "AE6852F8121067CC4BF7A5765577F39E 00000030",
            "0000000000000000",
            "53696E676C6520626C6F636B206D7367",
            "E4095D4FB7A7B3792D6175A3261311B8",
        ),
        (
            "7691BE035E5020A8AC6E618529F9A0DC 00E0017B",
            "27777F3F4A1786F0",
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20212223",
            "C1CF48A89F2FFDD9CF4652E9EFDB72D74540A42BDE6D7836D59A5CEAAEF3105325B2072F",
        ),
        (
            "7C5CB2401B3DC33C19E7340819E0F69C678C3DB8E6F6A91A 0096B03B",
            "020C6EADC2CB500D",
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "453243FC609B23327EDFAAFA7131CD9F8490701C5AD4A79CFC1FE0FF42F4FB00",
        ),
        (
            "FF7A617CE69148E4F1726E2F43581DE2AA62D9F805532EDFF1EED687FB54153D 001CC5B7",
            "51A51D70A1C11148",
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F20212223",
            "EB6C52821D0BBBF7CE7594462ACA4FAAB407DF866569FD07F48CC0B583D6071F1EC0E6B8",
        ),
    ];

    #[test]
    fn counter_mode_agrees_with_rfc_3686_both_ways() {
        for (material, iv, clear, sealed) in RFC_3686 {
            let ctr = Ctr::new(&hex(material)).unwrap();
            let iv = hex(iv).try_into().unwrap();
            let mut data = hex(clear);
            ctr.apply(iv, &mut data);
            assert_eq!(data, hex(sealed));
            ctr.apply(iv, &mut data);
            assert_eq!(data, hex(clear));
        }
    }

    #[test]
    fn a_wrong_length_of_keying_material_is_refused() {
        assert!([0, 3, 4, 16, 19, 21, 32, 37].into_iter().all(|length| Ctr::new(&vec![0; length]).is_err()));
    }
}
