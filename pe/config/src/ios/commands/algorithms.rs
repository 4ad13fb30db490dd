//! The words of IKE's algorithms, and patterns made of them.

use crypto::dh::Group;
use ike::config::v2::{Encryption, Integrity, Prf};
use ike::config::{Authentication, Hash};

use super::super::args::Args;
use super::super::scope::Fault;

/// A keyword and what it stands for.
pub(super) type Table<T> = [(&'static str, T)];

/// The groups of version 1, by IANA's numbers.
pub(super) const GROUPS: [(&str, Group); 11] = [
    ("1", Group::Modp768),
    ("2", Group::Modp1024),
    ("5", Group::Modp1536),
    ("14", Group::Modp2048),
    ("15", Group::Modp3072),
    ("16", Group::Modp4096),
    ("17", Group::Modp6144),
    ("18", Group::Modp8192),
    ("19", Group::EcpP256),
    ("20", Group::EcpP384),
    ("21", Group::EcpP521),
];

/// Those of version 2, for the first exchange.
pub(super) const GROUPS2: [(&str, Group); 12] = [
    GROUPS[0],
    GROUPS[1],
    GROUPS[2],
    GROUPS[3],
    GROUPS[4],
    GROUPS[5],
    GROUPS[6],
    GROUPS[7],
    GROUPS[8],
    GROUPS[9],
    GROUPS[10],
    ("31", Group::Curve25519),
];

/// And for the exchanges after it (RFC 9370). A later word for the same group is its synonym.
pub(super) const ADDITIONAL: [(&str, Group); 13] = [
    ("14", Group::Modp2048),
    ("15", Group::Modp3072),
    ("16", Group::Modp4096),
    ("17", Group::Modp6144),
    ("18", Group::Modp8192),
    ("19", Group::EcpP256),
    ("20", Group::EcpP384),
    ("21", Group::EcpP521),
    ("31", Group::Curve25519),
    ("ml-kem-768", Group::MlKem768),
    ("ml-kem-1024", Group::MlKem1024),
    ("36", Group::MlKem768),
    ("37", Group::MlKem1024),
];

/// `set pfs`.
pub(super) const PFS: [(&str, Group); 12] = [
    ("group1", Group::Modp768),
    ("group2", Group::Modp1024),
    ("group5", Group::Modp1536),
    ("group14", Group::Modp2048),
    ("group15", Group::Modp3072),
    ("group16", Group::Modp4096),
    ("group17", Group::Modp6144),
    ("group18", Group::Modp8192),
    ("group19", Group::EcpP256),
    ("group20", Group::EcpP384),
    ("group21", Group::EcpP521),
    ("group31", Group::Curve25519),
];

pub(super) const HASHES: [(&str, Hash); 5] = [
    ("md5", Hash::Md5),
    ("sha", Hash::Sha1),
    ("sha256", Hash::Sha256),
    ("sha384", Hash::Sha384),
    ("sha512", Hash::Sha512),
];

pub(super) const AUTHENTICATIONS: [(&str, Authentication); 3] = [
    ("pre-share", Authentication::PreShared),
    ("rsa-sig", Authentication::RsaSignature),
    ("ecdsa-sig", Authentication::EcdsaSignature),
];

pub(super) const ENCRYPTIONS: [(&str, Encryption); 15] = [
    ("aes-gcm-256", Encryption::AesGcm(256)),
    ("aes-gcm-192", Encryption::AesGcm(192)),
    ("aes-gcm-128", Encryption::AesGcm(128)),
    ("chacha20-poly1305", Encryption::ChaCha20Poly1305),
    ("aes-ccm-256", Encryption::AesCcm(256)),
    ("aes-ccm-192", Encryption::AesCcm(192)),
    ("aes-ccm-128", Encryption::AesCcm(128)),
    ("aes-cbc-256", Encryption::AesCbc(256)),
    ("aes-cbc-192", Encryption::AesCbc(192)),
    ("aes-cbc-128", Encryption::AesCbc(128)),
    ("aes-ctr-256", Encryption::AesCtr(256)),
    ("aes-ctr-192", Encryption::AesCtr(192)),
    ("aes-ctr-128", Encryption::AesCtr(128)),
    ("3des", Encryption::TripleDes),
    ("des", Encryption::Des),
];

pub(super) const INTEGRITIES: [(&str, Integrity); 7] = [
    ("sha512", Integrity::Sha512),
    ("sha384", Integrity::Sha384),
    ("sha256", Integrity::Sha256),
    ("sha1", Integrity::Sha1),
    ("md5", Integrity::Md5),
    ("aes-xcbc", Integrity::AesXcbc),
    ("aes-cmac", Integrity::AesCmac),
];

pub(super) const PRFS: [(&str, Prf); 7] = [
    ("sha512", Prf::Hmac(Hash::Sha512)),
    ("sha384", Prf::Hmac(Hash::Sha384)),
    ("sha256", Prf::Hmac(Hash::Sha256)),
    ("sha1", Prf::Hmac(Hash::Sha1)),
    ("md5", Prf::Hmac(Hash::Md5)),
    ("aes-xcbc", Prf::AesXcbc),
    ("aes-cmac", Prf::AesCmac),
];

/// A pattern: `head`, then one of the words. The table of commands is made once and lives for ever.
pub(super) fn one_of<T>(head: &str, table: &Table<T>) -> &'static str {
    format!("{head} {}", choice(table)).leak()
}

/// The same, with one to eight of the words.
pub(super) fn some_of<T>(head: &str, table: &Table<T>) -> &'static str {
    let choice = choice(table);
    let more = (1..8).fold(String::new(), |more, _| format!(" [{choice}{more}]"));
    format!("{head} {choice}{more}").leak()
}

fn choice<T>(table: &Table<T>) -> String {
    let words: Vec<_> = table.iter().map(|(word, _)| *word).collect();
    format!("{{{}}}", words.join(" | "))
}

pub(super) fn chosen<T: Copy>(a: &Args, table: &Table<T>) -> Result<T, Fault> {
    let found = table.iter().find(|(word, _)| a.has(word));
    found.map(|(_, value)| *value).ok_or_else(|| Fault::new("incomplete command", "the choice is missing"))
}

/// All that are chosen, in the order in which they stand, each once.
pub(super) fn all_chosen<T: Copy + PartialEq>(a: &Args, table: &Table<T>) -> Vec<T> {
    let mut found = Vec::new();
    for arg in a.iter() {
        if let Some((_, value)) = table.iter().find(|(word, _)| *word == arg.name) {
            super::insert(&mut found, *value);
        }
    }
    found
}

pub(super) fn keyword<T: PartialEq>(table: &Table<T>, value: &T) -> Option<Args> {
    word(table, value).map(|word| Args::new().flag(word))
}

pub(super) fn keywords<T: PartialEq>(args: Args, table: &Table<T>, values: &[T]) -> Args {
    values.iter().filter_map(|value| word(table, value)).fold(args, Args::flag)
}

fn word<T: PartialEq>(table: &Table<T>, value: &T) -> Option<&'static str> {
    table.iter().find(|(_, known)| known == value).map(|(word, _)| *word)
}
