//! DES, 3DES and AES in CBC mode (RFC 2405, 2451, 3602), in place, by aws-lc.

use aws_lc_sys as sys;
use zeroize::Zeroize;

use crate::BadLength;

/// Who computes, for benchmarks to name.
pub const PROVIDER: &str = "aws-lc";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    Des,
    TripleDes,
    Aes128,
    Aes192,
    Aes256,
}

impl Block {
    /// Bytes of key; for DES the parity bits are there, and ignored.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Des => 8,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    /// Bytes of a block, and of the IV.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Des | Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }
}

/// Encrypts `data`, whole blocks of it, with a key used once.
pub fn encrypt(block: Block, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), BadLength> {
    Encryptor::new(block, key)?.encrypt(iv, data)
}

/// Decrypts `data`, whole blocks of it, with a key used once.
pub fn decrypt(block: Block, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), BadLength> {
    Decryptor::new(block, key)?.decrypt(iv, data)
}

/// A key ready to encrypt; its state is inline and wiped on drop.
pub struct Encryptor(Schedule);

/// A key ready to decrypt; its state is inline and wiped on drop.
pub struct Decryptor(Schedule);

impl Encryptor {
    /// Errs if `key` is not `block.key_len()` bytes.
    pub fn new(block: Block, key: &[u8]) -> Result<Self, BadLength> {
        Schedule::new(block, key, sys::AES_set_encrypt_key).map(Self)
    }

    /// In place. Errs, leaving `data` alone, unless `iv` is one block and `data` whole blocks.
    pub fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), BadLength> {
        self.0.crypt(iv, data, Direction::Encrypt)
    }
}

impl Decryptor {
    /// Errs if `key` is not `block.key_len()` bytes.
    pub fn new(block: Block, key: &[u8]) -> Result<Self, BadLength> {
        Schedule::new(block, key, sys::AES_set_decrypt_key).map(Self)
    }

    /// In place. Errs, leaving `data` alone, unless `iv` is one block and `data` whole blocks.
    pub fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), BadLength> {
        self.0.crypt(iv, data, Direction::Decrypt)
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

/// Round keys. Those of AES fit one direction only; those of DES fit both.
enum Schedule {
    Des(sys::DES_key_schedule),
    TripleDes([sys::DES_key_schedule; 3]),
    Aes(sys::AES_KEY),
}

type Expand = unsafe extern "C" fn(*const u8, u32, *mut sys::AES_KEY) -> i32;

impl Schedule {
    fn new(block: Block, key: &[u8], expand: Expand) -> Result<Self, BadLength> {
        if key.len() != block.key_len() {
            return Err(BadLength);
        }
        match block {
            Block::Des => Ok(Self::Des(des_schedule(key)?)),
            Block::TripleDes => {
                let (first, rest) = key.split_at_checked(8).ok_or(BadLength)?;
                let (second, third) = rest.split_at_checked(8).ok_or(BadLength)?;
                Ok(Self::TripleDes([des_schedule(first)?, des_schedule(second)?, des_schedule(third)?]))
            }
            Block::Aes128 | Block::Aes192 | Block::Aes256 => Self::aes(key, expand),
        }
    }

    fn aes(key: &[u8], expand: Expand) -> Result<Self, BadLength> {
        let bits = u32::try_from(key.len() * 8).map_err(|_| BadLength)?;
        let mut schedule = sys::AES_KEY { rd_key: [0; 60], rounds: 0 };
        // SAFETY: `key` has `bits` bits, and `schedule` is valid for writing.
        match unsafe { expand(key.as_ptr(), bits, &raw mut schedule) } {
            0 => Ok(Self::Aes(schedule)),
            _ => Err(BadLength),
        }
    }

    fn crypt(&self, iv: &[u8], data: &mut [u8], direction: Direction) -> Result<(), BadLength> {
        match self {
            Self::Des(key) => {
                let iv = sys::DES_cblock { bytes: checked(iv, data)? };
                des(key, iv, data, direction);
            }
            Self::TripleDes(keys) => {
                let iv = sys::DES_cblock { bytes: checked(iv, data)? };
                triple_des(keys, iv, data, direction);
            }
            Self::Aes(key) => aes(key, checked(iv, data)?, data, direction),
        }
        Ok(())
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        match self {
            Self::Des(key) => key.subkeys.zeroize(),
            Self::TripleDes(keys) => keys.iter_mut().for_each(|key| key.subkeys.zeroize()),
            Self::Aes(key) => key.rd_key.zeroize(),
        }
    }
}

/// The IV as one block of `N` bytes, if `data` is whole blocks.
fn checked<const N: usize>(iv: &[u8], data: &[u8]) -> Result<[u8; N], BadLength> {
    if !data.len().is_multiple_of(N) {
        return Err(BadLength);
    }
    iv.try_into().map_err(|_| BadLength)
}

fn des_schedule(key: &[u8]) -> Result<sys::DES_key_schedule, BadLength> {
    let key = sys::DES_cblock { bytes: key.try_into().map_err(|_| BadLength)? };
    let mut schedule = sys::DES_key_schedule::default();
    // SAFETY: both pointers are to live values of the right type. Unchecked: peers derive keys
    // without parity (RFC 2409 appendix B), and weak ones are as rare as any other.
    unsafe { sys::DES_set_key_unchecked(&raw const key, &raw mut schedule) };
    Ok(schedule)
}

/// `data` must be whole blocks.
fn aes(key: &sys::AES_KEY, mut iv: [u8; 16], data: &mut [u8], direction: Direction) {
    let enc = match direction {
        Direction::Encrypt => sys::AES_ENCRYPT,
        Direction::Decrypt => sys::AES_DECRYPT,
    };
    let (bytes, length) = (data.as_mut_ptr(), data.len());
    // SAFETY: `bytes` is valid for `length` bytes, input and output may be the same, and `iv` is a block.
    unsafe { sys::AES_cbc_encrypt(bytes.cast_const(), bytes, length, key, iv.as_mut_ptr(), enc) };
}

/// `data` must be whole blocks.
fn des(key: &sys::DES_key_schedule, mut iv: sys::DES_cblock, data: &mut [u8], direction: Direction) {
    let (bytes, length) = (data.as_mut_ptr(), data.len());
    let enc = des_direction(direction);
    // SAFETY: as for AES.
    unsafe { sys::DES_ncbc_encrypt(bytes.cast_const(), bytes, length, key, &raw mut iv, enc) };
}

/// `data` must be whole blocks.
fn triple_des(
    [first, second, third]: &[sys::DES_key_schedule; 3],
    mut iv: sys::DES_cblock,
    data: &mut [u8],
    direction: Direction,
) {
    let (bytes, length) = (data.as_mut_ptr(), data.len());
    let (input, iv, enc) = (bytes.cast_const(), &raw mut iv, des_direction(direction));
    // SAFETY: as for AES.
    unsafe { sys::DES_ede3_cbc_encrypt(input, bytes, length, first, second, third, iv, enc) };
}

const fn des_direction(direction: Direction) -> i32 {
    match direction {
        Direction::Encrypt => sys::DES_ENCRYPT,
        Direction::Decrypt => sys::DES_DECRYPT,
    }
}

#[cfg(test)]
mod tests {
    use ::cbc::cipher::block_padding::NoPadding;
    use ::cbc::cipher::{BlockModeEncrypt, KeyIvInit};

    use super::*;
    use crate::testing::hex;

    const ALL: [Block; 5] = [Block::Des, Block::TripleDes, Block::Aes128, Block::Aes192, Block::Aes256];

    /// NIST SP 800-38A sections F.2.1, F.2.3 and F.2.5.
    #[test]
    fn aes_agrees_with_sp_800_38a_both_ways() {
        let published = [
            (
                Block::Aes128,
                "2b7e151628aed2a6abf7158809cf4f3c",
                "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2
                 73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7",
            ),
            (
                Block::Aes192,
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                "4f021db243bc633d7178183a9fa071e8 b4d9ada9ad7dedf4e5e738763f69145a
                 571b242012fb7ae07fa9baac3df102e0 08b0e27988598881d920a9e64f5615cd",
            ),
            (
                Block::Aes256,
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
                 39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
            ),
        ];
        let clear = hex("6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
                         30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710");
        let iv = hex("000102030405060708090a0b0c0d0e0f");
        for (block, key, expected) in published {
            let mut data = clear.clone();
            encrypt(block, &hex(key), &iv, &mut data).unwrap();
            assert_eq!(data, hex(expected), "{block:?}");
            decrypt(block, &hex(key), &iv, &mut data).unwrap();
            assert_eq!(data, clear, "{block:?}");
        }
    }

    /// RFC 3602 section 4, cases 1 to 4; 5 to 8 are whole packets.
    #[test]
    fn aes_agrees_with_rfc_3602() {
        let counted = |from: u8, to: u8| (from..to).collect::<Vec<u8>>();
        let published = [
            (
                "06a9214036b8a15b512e03d534120006",
                "3dafba429d9eb430b422da802c9fac41",
                b"Single block msg".to_vec(),
                "e353779c1079aeb82708942dbe77181a",
            ),
            (
                "c286696d887c9aa0611bbb3e2025a45a",
                "562e17996d093d28ddb3ba695a2e6f58",
                counted(0, 0x20),
                "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
            ),
            (
                "6c3ea0477630ce21a2ce334aa746c2cd",
                "c782dc4c098c66cbd9cd27d825682c81",
                b"This is a 48-byte message (exactly 3 AES blocks)".to_vec(),
                "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
            ),
            (
                "56e47a38c5598974bc46903dba290349",
                "8ce82eefbea0da3c44699ed7db51b7d9",
                counted(0xa0, 0xe0),
                "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e
                 35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
            ),
        ];
        for (key, iv, mut data, expected) in published {
            encrypt(Block::Aes128, &hex(key), &hex(iv), &mut data).unwrap();
            assert_eq!(data, hex(expected));
        }
    }

    #[test]
    fn every_cipher_agrees_with_an_independent_implementation_and_inverts_itself() {
        let key: Vec<u8> = (0..32).map(|i| i * 7 + 3).collect();
        for block in ALL {
            let (key, iv) = (&key[..block.key_len()], &key[5..5 + block.block_len()]);
            let clear: Vec<u8> = (0..160).collect();
            let mut data = clear.clone();
            encrypt(block, key, iv, &mut data).unwrap();
            assert_eq!(data, oracle(block, key, iv, &clear), "{block:?}");
            decrypt(block, key, iv, &mut data).unwrap();
            assert_eq!(data, clear, "{block:?}");
        }
    }

    fn oracle(block: Block, key: &[u8], iv: &[u8], clear: &[u8]) -> Vec<u8> {
        fn run<C: KeyIvInit + BlockModeEncrypt>(key: &[u8], iv: &[u8], clear: &[u8]) -> Vec<u8> {
            let mut data = clear.to_vec();
            let cipher = C::new_from_slices(key, iv).unwrap();
            cipher.encrypt_padded::<NoPadding>(&mut data, clear.len()).unwrap();
            data
        }
        match block {
            Block::Des => run::<::cbc::Encryptor<des::Des>>(key, iv, clear),
            Block::TripleDes => run::<::cbc::Encryptor<des::TdesEde3>>(key, iv, clear),
            Block::Aes128 => run::<::cbc::Encryptor<::aes::Aes128>>(key, iv, clear),
            Block::Aes192 => run::<::cbc::Encryptor<::aes::Aes192>>(key, iv, clear),
            Block::Aes256 => run::<::cbc::Encryptor<::aes::Aes256>>(key, iv, clear),
        }
    }

    /// FIPS 81 table C1, "Now is the time for all ".
    #[test]
    fn des_agrees_with_fips_81() {
        let mut data = b"Now is the time for all ".to_vec();
        encrypt(Block::Des, &hex("0123456789abcdef"), &hex("1234567890abcdef"), &mut data).unwrap();
        assert_eq!(data, hex("e5c7cdde872bf27c 43e934008c389c0f 683788499a7c05f6"));
    }

    /// NIST SP 800-67 appendix B.1, a block at a time.
    #[test]
    fn triple_des_agrees_with_sp_800_67() {
        let key = hex("0123456789abcdef 23456789abcdef01 456789abcdef0123");
        let mut data = b"The qufck brown fox jump".to_vec();
        data.chunks_mut(8).for_each(|block| encrypt(Block::TripleDes, &key, &[0; 8], block).unwrap());
        assert_eq!(data, hex("a826fd8ce53b855f cce21c8112256fe6 68d5c05dd9b6b900"));
    }

    #[test]
    fn a_wrong_length_of_key_iv_or_data_is_refused_and_nothing_written() {
        for block in ALL {
            let (key, iv) = (vec![1; block.key_len()], vec![2; block.block_len()]);
            let clear = vec![9; 3 * block.block_len()];
            let tries = [
                (&key[1..], &iv[..], &clear[..]),
                (&key, &iv[1..], &clear),
                (&key, &[], &clear),
                (&key, &iv, &clear[1..]),
            ];
            for (key, iv, data) in tries {
                let mut data = data.to_vec();
                assert_eq!(encrypt(block, key, iv, &mut data), Err(BadLength));
                assert_eq!(decrypt(block, key, iv, &mut data), Err(BadLength));
                assert!(data.iter().all(|&byte| byte == 9));
            }
            assert_eq!(encrypt(block, &key, &iv, &mut []), Ok(()));
        }
    }
}
