//! What each side calls an algorithm. A suite is written as words with dashes between them: `aes128-sha256-14`.

use anyhow::{Context as _, Result};

/// One algorithm in the four languages; empty where a language has no word for it.
#[derive(Clone, Copy)]
pub(super) struct Word {
    /// In this lab's tables.
    key: &'static str,
    kind: Kind,
    /// `crypto isakmp policy`.
    pub(super) isakmp: &'static str,
    /// `crypto ikev2 proposal`.
    pub(super) ikev2: &'static str,
    /// A transform of `crypto ipsec transform-set`.
    pub(super) esp: &'static str,
    /// A proposal of swanctl.conf.
    pub(super) swan: &'static str,
    /// `ike=` and `esp=` of ipsec.conf.
    pub(super) libre: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cipher,
    /// Needs no integrity algorithm beside it.
    Aead,
    Integrity,
    Group,
}

/// What a suite is made of.
#[derive(Clone, Copy)]
pub(super) struct Suite {
    pub(super) cipher: Word,
    pub(super) integrity: Word,
    /// Only in a suite of IKE or with perfect forward secrecy.
    pub(super) group: Option<Word>,
}

impl Suite {
    /// Reads `aes128-sha256-14`. With an AEAD the second word is the PRF's hash, and for ESP missing.
    pub(super) fn read(text: &str) -> Result<Self> {
        let words = text.split('-').map(word).collect::<Result<Vec<_>>>()?;
        let of = |kind| words.iter().find(|word| word.kind == kind).copied();
        let cipher = of(Kind::Cipher).or_else(|| of(Kind::Aead)).context("a suite without cipher")?;
        Ok(Self { cipher, integrity: of(Kind::Integrity).unwrap_or(NOTHING), group: of(Kind::Group) })
    }

    /// A Diffie-Hellman group alone.
    pub(super) fn group(key: &str) -> Result<Word> {
        word(key)
    }

    pub(super) fn is_aead(&self) -> bool {
        self.cipher.kind == Kind::Aead
    }

    /// As swanctl.conf writes it.
    pub(super) fn swan(&self) -> String {
        let prf = if self.is_aead() && self.group.is_some() { "prf" } else { "" };
        let integrity = format!("{prf}{}", self.integrity.swan);
        join(&[self.cipher.swan, &integrity, self.group.map_or("", |group| group.swan)])
    }

    /// As ipsec.conf writes it.
    pub(super) fn libre(&self) -> String {
        join(&[self.cipher.libre, self.integrity.libre, self.group.map_or("", |group| group.libre)])
    }

    /// Whether libreswan has no word for some of it.
    pub(super) fn libre_lacks(&self) -> bool {
        let missing = |word: &Word| !word.key.is_empty() && word.libre.is_empty();
        [Some(self.cipher), Some(self.integrity), self.group].iter().flatten().any(missing)
    }

    /// As a transform set writes it.
    pub(super) fn esp(&self) -> String {
        format!("{} {}", self.cipher.esp, self.integrity.esp).trim().to_owned()
    }
}

fn join(words: &[&str]) -> String {
    words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join("-")
}

fn word(key: &str) -> Result<Word> {
    let found = WORDS.iter().find(|word| word.key == key).copied();
    found.with_context(|| format!("no algorithm {key}"))
}

const NOTHING: Word = row("", Kind::Integrity, ["", "", "", "", ""]);

const fn row(key: &'static str, kind: Kind, words: [&'static str; 5]) -> Word {
    let [isakmp, ikev2, esp, swan, libre] = words;
    Word { key, kind, isakmp, ikev2, esp, swan, libre }
}

const WORDS: [Word; 33] = [
    row("aes128", Kind::Cipher, ["aes", "aes-cbc-128", "esp-aes", "aes128", "aes128"]),
    row("aes192", Kind::Cipher, ["aes 192", "aes-cbc-192", "esp-aes 192", "aes192", "aes192"]),
    row("aes256", Kind::Cipher, ["aes 256", "aes-cbc-256", "esp-aes 256", "aes256", "aes256"]),
    row("3des", Kind::Cipher, ["3des", "3des", "esp-3des", "3des", "3des"]),
    row("des", Kind::Cipher, ["des", "des", "esp-des", "des", ""]),
    row("null", Kind::Cipher, ["", "", "esp-null", "null", "null"]),
    row("ctr128", Kind::Cipher, ["", "aes-ctr-128", "esp-aes-ctr", "aes128ctr", "aes_ctr128"]),
    row("ctr256", Kind::Cipher, ["", "aes-ctr-256", "esp-aes-ctr 256", "aes256ctr", "aes_ctr256"]),
    row("gcm128", Kind::Aead, ["", "aes-gcm-128", "esp-gcm", "aes128gcm16", "aes_gcm128"]),
    row("gcm192", Kind::Aead, ["", "aes-gcm-192", "esp-gcm 192", "aes192gcm16", "aes_gcm192"]),
    row("gcm256", Kind::Aead, ["", "aes-gcm-256", "esp-gcm 256", "aes256gcm16", "aes_gcm256"]),
    row("ccm128", Kind::Aead, ["", "aes-ccm-128", "esp-ccm", "aes128ccm16", "aes_ccm128"]),
    row("ccm256", Kind::Aead, ["", "aes-ccm-256", "esp-ccm 256", "aes256ccm16", "aes_ccm256"]),
    row(
        "chacha",
        Kind::Aead,
        ["", "chacha20-poly1305", "esp-chacha20-poly1305", "chacha20poly1305", "chacha20_poly1305"],
    ),
    row("md5", Kind::Integrity, ["md5", "md5", "esp-md5-hmac", "md5", "md5"]),
    row("sha1", Kind::Integrity, ["sha", "sha1", "esp-sha-hmac", "sha1", "sha1"]),
    row("sha256", Kind::Integrity, ["sha256", "sha256", "esp-sha256-hmac", "sha256", "sha2_256"]),
    row("sha384", Kind::Integrity, ["sha384", "sha384", "esp-sha384-hmac", "sha384", "sha2_384"]),
    row("sha512", Kind::Integrity, ["sha512", "sha512", "esp-sha512-hmac", "sha512", "sha2_512"]),
    row("xcbc", Kind::Integrity, ["", "aes-xcbc", "esp-aes-xcbc-mac", "aesxcbc", "aes_xcbc"]),
    row("cmac", Kind::Integrity, ["", "aes-cmac", "esp-aes-cmac", "aescmac", "aes_cmac"]),
    row("1", Kind::Group, ["1", "1", "", "modp768", ""]),
    row("2", Kind::Group, ["2", "2", "", "modp1024", ""]),
    row("5", Kind::Group, ["5", "5", "", "modp1536", "modp1536"]),
    row("14", Kind::Group, ["14", "14", "", "modp2048", "modp2048"]),
    row("15", Kind::Group, ["15", "15", "", "modp3072", "modp3072"]),
    row("16", Kind::Group, ["16", "16", "", "modp4096", "modp4096"]),
    row("17", Kind::Group, ["17", "17", "", "modp6144", "modp6144"]),
    row("18", Kind::Group, ["18", "18", "", "modp8192", "modp8192"]),
    row("19", Kind::Group, ["19", "19", "", "ecp256", "dh19"]),
    row("20", Kind::Group, ["20", "20", "", "ecp384", "dh20"]),
    row("21", Kind::Group, ["21", "21", "", "ecp521", "dh21"]),
    row("31", Kind::Group, ["", "31", "", "curve25519", "dh31"]),
];
