//! The keys of phase 1 against the values that NIST published.

use std::time::Duration;

use crypto::dh::Group;

use super::*;
use crate::auth::psk;
use crate::config::Authentication;

const PUBLISHED: &str = include_str!("../../../tests/vectors/kdf-v1.txt");

/// One record of the file.
struct Record(Vec<(&'static str, &'static str)>);

impl Record {
    fn all() -> Vec<Self> {
        let lines = |text: &'static str| {
            Self(
                text.lines()
                    .filter_map(|line| line.split_once(" = "))
                    .filter(|line| !line.0.starts_with('#'))
                    .collect(),
            )
        };
        PUBLISHED.split("\n\n").map(lines).filter(|record| !record.0.is_empty()).collect()
    }

    fn text(&self, name: &str) -> Option<&'static str> {
        self.0.iter().find(|line| line.0 == name).map(|line| line.1)
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let byte = |at| u8::from_str_radix(&self.text(name).unwrap()[at..at + 2], 16).unwrap();
        self.text(name).map(|text| (0..text.len()).step_by(2).map(byte).collect())
    }

    fn hash(&self) -> Hash {
        match self.text("hash") {
            Some("sha1") => Hash::Sha1,
            Some("sha256") => Hash::Sha256,
            Some("sha384") => Hash::Sha384,
            Some("sha512") => Hash::Sha512,
            other => panic!("{other:?}"),
        }
    }

    fn skeyid(&self) -> Secret {
        let (ni, nr) = (self.bytes("ni").unwrap(), self.bytes("nr").unwrap());
        match self.text("method") {
            Some("psk") => psk::skeyid(self.hash(), &self.bytes("psk").unwrap().into(), &ni, &nr),
            Some("dsa") => self.hash().hmac(&[ni, nr].concat(), &[&self.bytes("gxy").unwrap()]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_keys_of_phase_1_are_those_that_nist_published() {
    let records = Record::all();
    for method in ["psk", "dsa"] {
        assert!(records.iter().filter(|record| record.text("method") == Some(method)).count() >= 60);
    }
    for record in records {
        let skeyid = record.skeyid();
        assert_eq!(Some(skeyid.expose().to_vec()), record.bytes("skeyid"));
        let cookie = |name| record.bytes(name).unwrap().try_into().unwrap();
        let proposal = Proposal {
            priority: 1,
            encryption: Encryption::Aes(128),
            hash: record.hash(),
            authentication: Authentication::PreShared,
            group: Group::Modp2048,
            lifetime: Duration::from_secs(86_400),
        };
        let (shared, cookies) = (record.bytes("gxy").unwrap(), (cookie("cky_i"), cookie("cky_r")));
        let keys = Keys::derive(&proposal, skeyid, &shared.into(), cookies);
        assert_eq!(Some(keys.derive.expose().to_vec()), record.bytes("skeyid_d"));
        assert_eq!(Some(keys.authenticate.expose().to_vec()), record.bytes("skeyid_a"));
        assert_eq!(keys.encrypt.expose(), &record.bytes("skeyid_e").unwrap()[..16]);
    }
}

/// RFC 2409 appendix B: blocks of a chain that begins with the PRF of a zero byte.
#[test]
fn a_key_longer_than_the_hash_is_stretched() {
    let short = Secret::from(vec![7; 20]);
    let first = Hash::Sha1.hmac(short.expose(), &[&[0]]);
    let second = Hash::Sha1.hmac(short.expose(), &[first.expose()]);
    let key = stretch(Hash::Sha1, short, 32);
    assert_eq!(key.expose(), &[first.expose(), second.expose()].concat()[..32]);
}
