//! Secrets in a configuration under a master key (type 6): Argon2id (RFC 9106) makes a key of its text,
//! AES-256-GCM seals.
//!
//! A string is `onramp1.` and, in base64url, 16 bytes of salt, 12 of nonce, the sealed secret with its tag of
//! 16, and 4 of a SHA-256 over all of that, by which a slip of the pen is told from another master key.
//! Salt and prefix are authenticated too. Argon2id runs with 19 MiB, two passes and one lane: tens of
//! milliseconds, so one salt serves a whole configuration.

use core::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base::Secret;
use zeroize::Zeroizing;

use crate::aead::{Gcm, TAG_LEN};
use crate::base64::{self, URL};
use crate::prf::Hash;

/// A master key made ready for the strings of one salt.
pub struct MasterKey {
    salt: [u8; SALT],
    key: Gcm,
}

/// Why a string does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type6Error {
    /// It was not made by us: by another vendor's device, or it is no type 6 string at all.
    NotOurs,
    /// It is whole, but was sealed under another master key.
    OtherKey,
    /// It is ours, but a character was lost or changed.
    Damaged,
}

impl MasterKey {
    /// Tens of milliseconds of work, and 19 MiB while it lasts.
    pub fn derive(passphrase: &Secret, salt: [u8; SALT]) -> Self {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(KEY)).expect("valid parameters");
        let mut key = Zeroizing::new([0; KEY]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose(), &salt, &mut *key)
            .expect("lengths that Argon2 takes");
        Self { salt, key: Gcm::new(&*key).expect("a key of 32 bytes") }
    }

    pub const fn salt(&self) -> [u8; SALT] {
        self.salt
    }

    /// One word of letters, digits, `.`, `-` and `_`. `nonce` must never be used twice with one master key
    /// and salt: draw it at random.
    pub fn seal(&self, plain: &Secret, nonce: [u8; NONCE]) -> String {
        let mut sealed = [plain.expose(), &[0; TAG_LEN]].concat();
        self.key.seal(nonce, &self.associated(), &mut sealed).expect("room for the tag");
        let body = [&self.salt[..], &nonce, &sealed].concat();
        PREFIX.to_owned() + &base64::encode(&[&body[..], &checksum(&body)].concat(), URL)
    }

    pub fn open(&self, string: &str) -> Result<Secret, Type6Error> {
        let Parts { salt, nonce, mut sealed } = Parts::of(string)?;
        if salt != self.salt {
            return Err(Type6Error::OtherKey);
        }
        self.key.open(nonce, &self.associated(), &mut sealed).map_err(|_| Type6Error::OtherKey)?;
        Ok(Secret::from(&sealed[..sealed.len() - TAG_LEN]))
    }

    fn associated(&self) -> Vec<u8> {
        [PREFIX.as_bytes(), &self.salt].concat()
    }
}

/// The salt to derive the master key with before a string can be opened.
pub fn salt_of(string: &str) -> Result<[u8; SALT], Type6Error> {
    Parts::of(string).map(|parts| parts.salt)
}

/// What a string holds, its checksum found right.
struct Parts {
    salt: [u8; SALT],
    nonce: [u8; NONCE],
    /// At least a tag.
    sealed: Zeroizing<Vec<u8>>,
}

impl Parts {
    fn of(string: &str) -> Result<Self, Type6Error> {
        let digits = string.strip_prefix(PREFIX).ok_or(Type6Error::NotOurs)?;
        let bytes = base64::decode(digits.as_bytes(), URL);
        bytes.and_then(|bytes| Self::split(&bytes)).ok_or(Type6Error::Damaged)
    }

    fn split(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk()?;
        let (salt, rest) = body.split_first_chunk()?;
        let (nonce, sealed) = rest.split_first_chunk()?;
        let parts = Self { salt: *salt, nonce: *nonce, sealed: Zeroizing::new(sealed.to_vec()) };
        (checksum(body) == *sum && sealed.len() >= TAG_LEN).then_some(parts)
    }
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let digest = Hash::Sha256.digest(&[body]);
    [digest[0], digest[1], digest[2], digest[3]]
}

impl fmt::Display for Type6Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOurs => "not a type 6 string of ours: another device made it",
            Self::OtherKey => "incompatible with the configured master key",
            Self::Damaged => "a type 6 string of which a character was lost or changed",
        })
    }
}

impl core::error::Error for Type6Error {}

/// Who made the string, and the version of the scheme.
const PREFIX: &str = "onramp1.";

const SALT: usize = 16;
const NONCE: usize = 12;
const KEY: usize = 32;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn master(text: &str, salt: u8) -> MasterKey {
        MasterKey::derive(&Secret::from(text.as_bytes()), [salt; SALT])
    }

    fn opened(key: &MasterKey, string: &str) -> Result<Vec<u8>, Type6Error> {
        key.open(string).map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn a_secret_of_any_length_comes_back_from_one_word() {
        let key = master("correct horse", 7);
        for length in [0, 1, 15, 16, 17, 100] {
            let plain = vec![b'!'; length];
            let string = key.seal(&Secret::from(plain.clone()), [3; NONCE]);
            assert!(string.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)));
            assert_eq!(opened(&key, &string), Ok(plain));
            assert_eq!(salt_of(&string), Ok([7; SALT]));
        }
    }

    #[test]
    fn another_master_key_or_salt_does_not_open() {
        let string = master("one", 7).seal(&Secret::from(&b"secret"[..]), [3; NONCE]);
        for other in [master("two", 7), master("one", 8)] {
            assert_eq!(opened(&other, &string), Err(Type6Error::OtherKey));
        }
        assert_eq!(opened(&master("one", 7), &string), Ok(b"secret".to_vec()));
    }

    #[test]
    fn a_lost_or_changed_character_is_damage() {
        let key = master("one", 7);
        let string = key.seal(&Secret::from(&b"secret"[..]), [3; NONCE]);
        for cut in PREFIX.len()..string.len() {
            assert_eq!(opened(&key, &string[..cut]), Err(Type6Error::Damaged));
            let other = if &string[cut..=cut] == "x" { "y" } else { "x" };
            let changed = [&string[..cut], other, &string[cut + 1..]].concat();
            assert_eq!(opened(&key, &changed), Err(Type6Error::Damaged), "{changed}");
        }
        assert_eq!(salt_of(&(string + "A")), Err(Type6Error::Damaged));
    }

    /// As IOS writes them: base 41, without a prefix.
    #[test]
    fn a_string_of_another_vendor_is_not_ours() {
        for foreign in
            ["JK_JHZPeJV_XFZTKCQFYAAB", "CXWdhVTZYB_Vcd^`cIHDOahiFTa", "", "onramp2.AAAA", "cisco123"]
        {
            assert_eq!(salt_of(foreign), Err(Type6Error::NotOurs));
        }
    }

    /// What was written must open with every later version.
    #[test]
    fn the_scheme_is_the_one_that_stands_in_configurations() {
        let string = master("config-key", 1).seal(&Secret::from(&b"cisco"[..]), [2; NONCE]);
        assert_eq!(string, "onramp1.AQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgICAhfpC_8CDrdO22qHpsouqyyqFJjc-UgJOvE");
    }
}
