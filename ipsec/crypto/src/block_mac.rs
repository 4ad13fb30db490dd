//! The two MACs made of AES blocks, XCBC (RFC 3566) and CMAC (RFC 4493): they differ in their subkeys alone.

use zeroize::Zeroize;

use crate::BadLength;
use crate::aes::Aes;

pub(crate) struct BlockMac {
    key: Aes,
    /// Added to the last block: if it is whole, and if it was padded.
    whole: [u8; 16],
    padded: [u8; 16],
}

impl BlockMac {
    /// `key` must be 16 bytes.
    pub(crate) fn xcbc(key: &[u8]) -> Result<Self, BadLength> {
        if key.len() != 16 {
            return Err(BadLength);
        }
        let seed = Aes::new(key)?;
        let [mut first, whole, padded] = [1, 2, 3].map(|byte| seed.encrypted([byte; 16]));
        let key = Aes::new(&first)?;
        first.zeroize();
        Ok(Self { key, whole, padded })
    }

    /// `key` must be 16 bytes.
    pub(crate) fn cmac(key: &[u8]) -> Result<Self, BadLength> {
        if key.len() != 16 {
            return Err(BadLength);
        }
        let key = Aes::new(key)?;
        let whole = doubled(key.encrypted([0; 16]));
        Ok(Self { key, whole, padded: doubled(whole) })
    }

    /// Over all `parts` one after the other.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; 16] {
        let (mut state, mut last, mut filled) = ([0; 16], [0; 16], 0);
        for mut part in parts.iter().copied() {
            while !part.is_empty() {
                if filled == 16 {
                    self.key.absorb(&mut state, &last);
                    filled = 0;
                }
                let (now, later) = part.split_at(part.len().min(16 - filled));
                last[filled..filled + now.len()].copy_from_slice(now);
                filled += now.len();
                part = later;
            }
        }
        self.finish(state, last, filled)
    }

    fn finish(&self, mut state: [u8; 16], mut last: [u8; 16], filled: usize) -> [u8; 16] {
        let subkey = if filled == 16 {
            &self.whole
        } else {
            last[filled] = 0x80;
            last[filled + 1..].fill(0);
            &self.padded
        };
        last.iter_mut().zip(subkey).for_each(|(byte, key)| *byte ^= key);
        self.key.absorb(&mut state, &last);
        state
    }
}

impl Drop for BlockMac {
    fn drop(&mut self) {
        self.whole.zeroize();
        self.padded.zeroize();
    }
}

/// Times x in GF(2^128), in constant time.
fn doubled(block: [u8; 16]) -> [u8; 16] {
    let value = u128::from_be_bytes(block);
    ((value << 1) ^ ((value >> 127) * 0x87)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    /// RFC 3566 section 4: the key is the first 16 numbers, the message those up to its length.
    const RFC_3566: [(usize, &str); 6] = [
        (0, "75f0251d528ac01c4573dfd584d79f29"),
        (3, "5b376580ae2f19afe7219ceef172756f"),
        (16, "d2a246fa349b68a79998a4394ff7a263"),
        (20, "47f51b4564966215b8985c63055ed308"),
        (32, "f54f0ec8d2b9f3d36807734bd5283fd4"),
        (34, "becbb3bccdb518a30677d5481fb6b4d8"),
    ];

    /// RFC 4493 section 4: how much of the message of SP 800-38B.
    const RFC_4493: [(usize, &str); 4] = [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ];

    fn each_split(mac: &BlockMac, message: &[u8], expected: &str) {
        for at in 0..=message.len() {
            let (one, two) = message.split_at(at);
            assert_eq!(mac.tag(&[one, two]).to_vec(), hex(expected), "{} bytes, {at}", message.len());
        }
    }

    #[test]
    fn xcbc_agrees_with_rfc_3566_however_the_message_is_cut() {
        let numbers: Vec<u8> = (0..64).collect();
        let mac = BlockMac::xcbc(&numbers[..16]).unwrap();
        for (length, expected) in RFC_3566 {
            each_split(&mac, &numbers[..length], expected);
        }
        each_split(&mac, &[0; 1000], "f0dafee895db30253761103b5d84528f");
    }

    #[test]
    fn cmac_agrees_with_rfc_4493_however_the_message_is_cut() {
        let mac = BlockMac::cmac(&hex("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
        let message = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
                           30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
        for (length, expected) in RFC_4493 {
            each_split(&mac, &message[..length], expected);
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for length in [0, 15, 17, 24, 32] {
            assert!(BlockMac::xcbc(&vec![0; length]).is_err() && BlockMac::cmac(&vec![0; length]).is_err());
        }
    }
}
