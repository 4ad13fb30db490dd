//! Keys against NIST's sample values, and what is beyond them against the RFCs' formulas.

use std::collections::BTreeMap;

use crypto::dh::Group;
use crypto::prf::Hash;
use ipsec::Cipher;

use super::*;

/// See `README.md` beside it.
const PUBLISHED: &str = include_str!("../../../tests/vectors/kdf-v2.txt");

type Record = BTreeMap<String, String>;

fn records() -> Vec<Record> {
    let lines = |record: &str| {
        let lines = record.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once(" = "));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Record>()
    };
    PUBLISHED.split("\n\n").map(lines).filter(|record| !record.is_empty()).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn suite(prf: Prf) -> Suite {
    let (encryption, integrity) = (Encryption::AesCbc(128), Some(Integrity::Sha1));
    Suite { encryption, integrity, prf, group: Group::Modp2048, additional: Vec::new() }
}

fn hash_of(record: &Record) -> Hash {
    match record["hash"].as_str() {
        "sha1" => Hash::Sha1,
        "sha256" => Hash::Sha256,
        "sha384" => Hash::Sha384,
        "sha512" => Hash::Sha512,
        other => panic!("{other}"),
    }
}

struct Sample {
    ni: Vec<u8>,
    nr: Vec<u8>,
    spis: (Cookie, Cookie),
    prf: Prf,
    record: Record,
}

impl Sample {
    fn of(record: Record) -> Self {
        let field = |name: &str| hex(&record[name]);
        let spi = |name: &str| Cookie::try_from(field(name)).unwrap();
        let prf = Prf::Hmac(hash_of(&record));
        Self { ni: field("ni"), nr: field("nr"), spis: (spi("spi_i"), spi("spi_r")), prf, record }
    }

    fn field(&self, name: &str) -> Secret {
        hex(&self.record[name]).into()
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs { nonces: (&self.ni, &self.nr), spis: self.spis }
    }

    fn keys(&self) -> Keys {
        Keys::initial(&suite(self.prf), true, &self.field("gir"), &self.inputs())
    }
}

fn samples() -> Vec<Sample> {
    records().into_iter().map(Sample::of).collect()
}

/// Both keys of a child, as the sample values have them: one after the other.
fn joined_child(keys: &Keys, shared: &[Secret], nonces: (&[u8], &[u8])) -> Vec<u8> {
    let suite = ChildSuite { cipher: Cipher::AesCbc(256), integrity: ipsec::Integrity::Sha1 };
    let (forth, back) = keys.child(suite, shared, nonces);
    let all = [&forth.cipher, &forth.integrity, &back.cipher, &back.integrity];
    all.iter().flat_map(|key| key.expose()).copied().collect()
}

#[test]
fn the_keys_of_an_ike_sa_are_nists() {
    let samples = samples();
    for hash in ["sha1", "sha256", "sha384", "sha512"] {
        assert!(samples.iter().filter(|sample| sample.record["hash"] == hash).count() >= 14);
    }
    for sample in samples {
        let (keys, published) = (sample.keys(), sample.field("dkm"));
        let length = keys.material.len().min(published.len());
        assert!(length >= 100);
        assert_eq!(keys.material.expose()[..length], published.expose()[..length]);
        let parts: [&[u8]; 4] = [&sample.ni, &sample.nr, &sample.spis.0, &sample.spis.1];
        assert!(sample.prf.plus(sample.field("skeyseed").expose(), &parts, published.len()) == published);
    }
}

#[test]
fn the_keys_of_children_are_nists_with_and_without_a_key_exchange() {
    for sample in samples() {
        let (keys, nonces) = (sample.keys(), (sample.ni.as_slice(), sample.nr.as_slice()));
        for (name, shared) in [("dkm_child", vec![]), ("dkm_child_dh", vec![sample.field("gir_new")])] {
            let child = joined_child(&keys, &shared, nonces);
            assert_eq!(child, sample.field(name).expose()[..child.len()], "{name}");
        }
    }
}

#[test]
fn the_keys_of_a_successor_come_from_nists_seed() {
    for sample in samples() {
        let (inputs, prf) = (sample.inputs(), sample.prf);
        let new = sample.keys().successor(&suite(prf), true, &[sample.field("gir_new")], &inputs);
        let parts: [&[u8]; 4] = [&sample.ni, &sample.nr, &sample.spis.0, &sample.spis.1];
        let expected = prf.plus(sample.field("skeyseed_rekey").expose(), &parts, new.material.len());
        assert!(new.material == expected);
    }
}

fn keys(prf: Prf) -> Keys {
    let inputs = Inputs { nonces: (&[1; 32], &[2; 16]), spis: ([3; 8], [4; 8]) };
    Keys::initial(&suite(prf), true, &Secret::from(vec![5; 32]), &inputs)
}

#[test]
fn each_side_seals_with_what_the_other_opens_with() {
    let ours = keys(Prf::Hmac(Hash::Sha256));
    let (encrypt, authenticate) = ours.protection(true);
    assert_eq!((encrypt.len(), authenticate.len()), (16, 20));
    let all: Vec<u8> = PARTS.iter().flat_map(|part| ours.part(*part)).copied().collect();
    assert_eq!(all, ours.material.expose(), "every part stands once, in order");
}

/// RFC 7296 section 2.14: these two take the first 8 bytes of each nonce.
#[test]
fn prfs_of_aes_cut_the_nonces_for_the_seed_alone() {
    for prf in [Prf::AesXcbc, Prf::AesCmac] {
        let seed = prf.compute(&[[1; 8], [2; 8]].concat(), &[&[5; 32]]);
        let length = keys(prf).material.len();
        let expected = prf.plus(seed.expose(), &[&[1; 32], &[2; 16], &[3; 8], &[4; 8]], length);
        assert!(keys(prf).material == expected);
    }
}

/// RFC 9370 sections 2.2.2, 2.2.4.
#[test]
fn further_key_exchanges_go_into_the_seed() {
    let prf = Prf::Hmac(Hash::Sha384);
    let inputs = Inputs { nonces: (&[6; 32], &[7; 32]), spis: ([8; 8], [9; 8]) };
    let (ours, shared) = (keys(prf), [vec![10; 32], vec![11; 32]].map(Secret::from));
    let derive = ours.part(Part::Derive);
    let expand =
        |seed: Secret, length| prf.plus(seed.expose(), &[&[6; 32], &[7; 32], &[8; 8], &[9; 8]], length);

    let further = ours.further(&suite(prf), &shared[0], &inputs);
    let seed = prf.compute(derive, &[&[10; 32], &[6; 32], &[7; 32]]);
    assert!(further.material == expand(seed, further.material.len()));

    let new = ours.successor(&suite(prf), true, &shared, &inputs);
    let seed = prf.compute(derive, &[&[10; 32], &[6; 32], &[7; 32], &[11; 32]]);
    assert!(new.material == expand(seed, new.material.len()));

    let child = joined_child(&ours, &shared, inputs.nonces);
    let seed = [vec![10; 32], vec![6; 32], vec![7; 32], vec![11; 32]].concat();
    assert_eq!(child, prf.plus(derive, &[&seed], child.len()).expose());
}

/// RFC 8784 section 3: SK_d, SK_pi and SK_pr change, what protects messages does not.
#[test]
fn a_ppk_goes_into_what_children_and_proofs_are_made_of() {
    let before = keys(Prf::Hmac(Hash::Sha256));
    let mut after = before.clone();
    let ppk = Secret::from(b"post-quantum".to_vec());
    after.mix(&ppk);
    for part in [Part::Derive, Part::ProveI, Part::ProveR] {
        let expected = after.prf.plus(ppk.expose(), &[before.part(part)], after.prf.key_len());
        assert_eq!(after.part(part), expected.expose());
    }
    assert_eq!(after.protection(true), before.protection(true));
    assert_eq!(after.protection(false), before.protection(false));
}
