//! Offers, choices and their words.

use std::time::Duration;

use base::{PolicyId, VrfId};
use ipsec::{Cipher, Lifetime};

use super::esp::{Keying, Terms, esp_offer};
use super::*;
use crate::config::Entry;

fn config(name: &str, encryption: Vec<Encryption>, groups: Vec<Group>) -> v2::Proposal {
    let integrity = vec![Integrity::Sha256, Integrity::Sha1];
    let (prf, additional) = (Vec::new(), Vec::new());
    v2::Proposal { name: name.to_owned(), encryption, integrity, prf, groups, additional }
}

fn mixed() -> v2::Proposal {
    let encryption = vec![Encryption::AesCbc(256), Encryption::AesGcm(128), Encryption::AesGcm(256)];
    config("mixed", encryption, vec![Group::Curve25519, Group::Modp2048])
}

fn entry(suites: &[Suite6], pfs: Option<Group>) -> Entry {
    let local = "192.0.2.1".parse().unwrap();
    let suites =
        suites.iter().map(|(cipher, integrity)| ipsec::Suite { cipher: *cipher, integrity: *integrity });
    let lifetime = Lifetime { time: Duration::from_secs(3600), kilobytes: None };
    Entry { suites: suites.collect(), pfs, lifetime, ..Entry::new(PolicyId(1), VrfId(0), VrfId(1), local) }
}

type Suite6 = (Cipher, ipsec::Integrity);

const GCM: Suite6 = (Cipher::AesGcm(256), ipsec::Integrity::None);
const CBC: Suite6 = (Cipher::AesCbc(128), ipsec::Integrity::Sha1);

fn chosen(theirs: &Sa, ours: &Sa) -> Result<Choice, Refusal> {
    choose(theirs, ours, false, &mut Vec::new())
}

fn suite_of(theirs: &v2::Proposal, ours: &v2::Proposal) -> Suite {
    let choice = chosen(&ike_offer(&[theirs], &[]), &ike_offer(&[ours], &[])).unwrap();
    Suite::of(&choice).unwrap()
}

#[test]
fn aeads_and_others_go_out_as_separate_proposals() {
    let offer = ike_offer(&[&mixed()], &[7; 8]);
    assert_eq!(
        describe(&offer),
        "IKE: AES-GCM-128/AES-GCM-256, PRF SHA256/SHA1, DH 31/14; \
         IKE: AES-CBC-256, PRF SHA256/SHA1, SHA256-128/SHA1-96, DH 31/14"
    );
    assert_eq!(offer.proposals.iter().map(|proposal| proposal.number).collect::<Vec<_>>(), [1, 2]);
    assert!(offer.proposals.iter().all(|proposal| proposal.ike_spi() == Some([7; 8])));
    assert_eq!(first_group(&offer), Some(Group::Curve25519));
}

#[test]
fn of_the_peers_first_proposal_that_fits_we_take_what_we_like_best() {
    let theirs = config(
        "theirs",
        vec![Encryption::AesGcm(256), Encryption::AesGcm(128)],
        vec![Group::Modp2048, Group::Curve25519],
    );
    let suite = suite_of(&theirs, &mixed());
    assert_eq!((suite.encryption, suite.integrity), (Encryption::AesGcm(128), None));
    assert_eq!(suite.group, Group::Curve25519);
    let plain = config("plain", vec![Encryption::Des, Encryption::AesCbc(256)], vec![Group::Modp2048]);
    let suite = suite_of(&plain, &mixed());
    assert_eq!((suite.encryption, suite.integrity), (Encryption::AesCbc(256), Some(Integrity::Sha256)));
}

#[test]
fn what_does_not_fit_is_told_with_the_first_thing_that_does_not() {
    let theirs = config("theirs", vec![Encryption::AesCbc(256)], vec![Group::Modp1024]);
    let mut story = Vec::new();
    let ours = ike_offer(&[&mixed()], &[]);
    let refusal = choose(&ike_offer(&[&theirs], &[]), &ours, false, &mut story).unwrap_err();
    assert_eq!((refusal.what, refusal.notify), ("no-proposal-chosen", Some(NO_PROPOSAL_CHOSEN)));
    let [Fact::Offered { number: 1, offer, mismatch: Some(why) }] = story.as_slice() else {
        panic!("{story:?}")
    };
    assert_eq!(&**offer, "IKE: AES-CBC-256, PRF SHA256/SHA1, SHA256-128/SHA1-96, DH 2");
    assert_eq!(&**why, "DH group: theirs DH 2, ours DH 31/14");
}

#[test]
fn a_transform_that_we_do_not_know_is_not_taken_and_hurts_nobody() {
    let mut theirs = ike_offer(&[&mixed()], &[]);
    let foreign = Transform { foreign: true, bits: Some(128), ..Transform::new(kind::ENCRYPTION, 20) };
    theirs.proposals[0].transforms.insert(0, foreign);
    theirs.proposals[0].transforms.insert(0, Transform::new(kind::ENCRYPTION, 999));
    let choice = chosen(&theirs, &ike_offer(&[&mixed()], &[])).unwrap();
    assert!(!choice.proposal.transforms[0].foreign);
    theirs.proposals[0].transforms.push(Transform::new(77, 1));
    let choice = chosen(&theirs, &ike_offer(&[&mixed()], &[])).unwrap();
    assert_eq!(choice.proposal.number, 2, "of the first one a type is unknown");
}

#[test]
fn the_answer_of_a_peer_must_come_from_the_offer() {
    let ours = ike_offer(&[&mixed()], &[]);
    let answer = chosen(&ours, &ours).unwrap().answer(&[]);
    assert!(accepted(&answer, &ours).is_ok());
    let change = |work: fn(&mut Sa)| {
        let mut changed = answer.clone();
        work(&mut changed);
        accepted(&changed, &ours).map(|_| ()).map_err(|refusal| refusal.what)
    };
    assert_eq!(change(|sa| sa.proposals[0].number = 9), Err("bad-choice"));
    assert_eq!(change(|sa| sa.proposals[0].transforms[0].bits = Some(192)), Err("bad-choice"));
    assert_eq!(change(|sa| sa.proposals.push(sa.proposals[0].clone())), Err("bad-choice"));
    assert_eq!(
        change(|sa| sa.proposals[0].transforms.retain(|one| one.kind != kind::PRF)),
        Err("bad-choice")
    );
    assert_eq!(
        change(|sa| {
            let again = sa.proposals[0].transforms[0];
            sa.proposals[0].transforms.push(again);
        }),
        Err("bad-choice")
    );
    assert_eq!(change(|sa| sa.proposals[0].transforms.push(Transform::new(kind::INTEGRITY, 0))), Ok(()));
}

#[test]
fn no_key_exchange_may_be_left_out_of_the_answer() {
    let ours = esp_offer(&entry(&[GCM], Some(Group::EcpP256)), Keying::Wanted(&[]), Some(Spi(0x1000)));
    let mut answer = chosen(&ours, &ours).unwrap().answer(&[0, 0, 16, 0]);
    assert_eq!(Terms::of(&accepted(&answer, &ours).unwrap()).unwrap().group, Some(Group::EcpP256));
    answer.proposals[0].transforms.iter_mut().for_each(|transform| {
        if transform.kind == kind::KEY_EXCHANGE {
            transform.id = 0;
        }
    });
    assert_eq!(accepted(&answer, &ours).unwrap_err().what, "bad-choice");
}

#[test]
fn additional_key_exchanges_are_chosen_in_order_and_none_twice() {
    let hybrid = |additional| v2::Proposal { additional, ..mixed() };
    let kem = vec![Group::MlKem768, Group::MlKem1024];
    let suite = suite_of(&hybrid(vec![kem.clone(), kem.clone()]), &hybrid(vec![kem.clone(), kem.clone()]));
    assert_eq!(suite.additional, [Group::MlKem768, Group::MlKem1024]);
    let once = ike_offer(&[&hybrid(vec![kem])], &[]);
    assert!(chosen(&once, &ike_offer(&[&mixed()], &[])).is_err(), "we have none");
    assert!(chosen(&ike_offer(&[&mixed()], &[]), &once).is_err(), "the peer has none");
}

#[test]
fn an_additional_key_exchange_that_may_be_none_is_left_out_by_who_has_none() {
    let ours =
        esp_offer(&entry(&[GCM], Some(Group::EcpP256)), Keying::Wanted(&[Group::MlKem768]), Some(Spi(1)));
    let with = |also: &[Group]| {
        let theirs = esp_offer(&entry(&[GCM], Some(Group::EcpP256)), Keying::Any(also), None);
        let answer = chosen(&ours, &theirs).unwrap();
        Terms::of(&accepted(&answer.answer(&[1; 4]), &ours).unwrap()).unwrap().additional
    };
    assert_eq!(with(&[Group::MlKem768]), [Group::MlKem768]);
    assert_eq!(with(&[]), []);
}

#[test]
fn each_transform_set_is_a_proposal_for_a_child() {
    let esn = Entry { replay: ipsec::Replay { window: 64, esn: true }, ..entry(&[GCM, CBC], None) };
    let offer = esp_offer(&esn, Keying::Inherited, Some(Spi(0xabcd_ef01)));
    assert_eq!(
        describe(&offer),
        "ESP: AES-GCM-256, ESN/32-bit numbers; ESP: AES-CBC-128, SHA1-96, ESN/32-bit numbers"
    );
    assert_eq!(offer.proposals[1].esp_spi(), Some(0xabcd_ef01));
}

#[test]
fn extended_numbers_are_used_if_both_want_them_and_refused_if_we_do_not() {
    let esn = Entry { replay: ipsec::Replay { window: 64, esn: true }, ..entry(&[GCM], None) };
    let offer = |entry: &Entry| esp_offer(entry, Keying::Inherited, Some(Spi(1)));
    let terms =
        |theirs: &Entry, ours: &Entry| Terms::of(&chosen(&offer(theirs), &offer(ours)).unwrap()).unwrap().esn;
    let plain = entry(&[GCM], None);
    assert!(terms(&esn, &esn));
    assert!(!terms(&esn, &plain) && !terms(&plain, &esn));
    let mut only = offer(&esn);
    only.proposals[0].transforms.retain(|one| one.kind != kind::ESN || one.id == 1);
    let mut story = Vec::new();
    assert!(choose(&only, &offer(&plain), false, &mut story).is_err());
    let told = story[0].to_string();
    assert!(told.ends_with("sequence numbers: theirs ESN, ours 32-bit numbers"), "{told}");
}

#[test]
fn a_group_that_we_ask_for_is_a_must_and_without_one_the_peers_will_do() {
    let group = |entry: &Entry| esp_offer(entry, Keying::Wanted(&[]), Some(Spi(1)));
    let answer = |theirs: &Entry, ours: &Entry| {
        let ours = esp_offer(ours, Keying::Any(&[]), None);
        chosen(&group(theirs), &ours)
            .map(|choice| Terms::of(&choice).unwrap().group)
            .map_err(|refusal| refusal.what)
    };
    let (none, ecp, modp) =
        (entry(&[GCM], None), entry(&[GCM], Some(Group::EcpP256)), entry(&[GCM], Some(Group::Modp2048)));
    assert_eq!(answer(&ecp, &none), Ok(Some(Group::EcpP256)));
    assert_eq!(answer(&none, &none), Ok(None));
    assert_eq!(answer(&none, &ecp), Err("no-proposal-chosen"));
    assert_eq!(answer(&modp, &ecp), Err("no-proposal-chosen"));
}

#[test]
fn in_ike_auth_key_exchanges_are_passed_over() {
    let theirs = esp_offer(&entry(&[CBC], Some(Group::EcpP256)), Keying::Wanted(&[]), Some(Spi(1)));
    let ours = esp_offer(&entry(&[CBC], Some(Group::Modp2048)), Keying::Inherited, None);
    let choice = choose(&theirs, &ours, true, &mut Vec::new()).unwrap();
    assert!(choice.proposal.of(kind::KEY_EXCHANGE).next().is_none());
}

#[test]
fn an_aead_beside_an_integrity_algorithm_is_refused() {
    let mut theirs = esp_offer(&entry(&[GCM], None), Keying::Inherited, Some(Spi(1)));
    theirs.proposals[0].transforms.push(Transform::new(kind::INTEGRITY, 2));
    let ours = esp_offer(&entry(&[GCM], None), Keying::Inherited, None);
    assert!(chosen(&theirs, &ours).is_err());
    theirs.proposals[0].transforms.push(Transform::new(kind::INTEGRITY, 0));
    assert!(chosen(&theirs, &ours).is_ok(), "NONE is as good as nothing");
}

#[test]
fn the_policy_that_names_most_decides_which_proposals_go_out() {
    let policy = |name: &str, front, local: &[&str]| v2::Policy {
        name: name.to_owned(),
        front,
        local: local.iter().map(|address| address.parse().unwrap()).collect(),
        proposals: vec![name.to_owned()],
    };
    let policies = vec![
        policy("any", v2::Front::Any, &[]),
        policy("one", v2::Front::Vrf(VrfId(1)), &[]),
        policy("local", v2::Front::Vrf(VrfId(1)), &["192.0.2.1"]),
    ];
    let named = |name: &str| v2::Proposal { name: name.to_owned(), ..mixed() };
    let proposals = vec![named("any"), named("one"), named("local")];
    let config = v2::Config { policies, proposals, ..v2::Config::default() };
    let found = |front, local: &str| {
        let found = proposals_for(&config, VrfId(front), local.parse().unwrap());
        found.iter().map(|proposal| proposal.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(1, "192.0.2.1"), ["local"]);
    assert_eq!(found(1, "192.0.2.2"), ["one"]);
    assert_eq!(found(2, "192.0.2.1"), ["any"]);
}

#[test]
fn every_algorithm_survives_its_number() {
    for bits in [128, 192, 256] {
        for cipher in [Cipher::AesCbc(bits), Cipher::AesCtr(bits), Cipher::AesGcm(bits), Cipher::AesCcm(bits)]
        {
            assert_eq!(numbers::cipher(&numbers::of_cipher(cipher)), Some(cipher));
        }
    }
    for cipher in [Cipher::Null, Cipher::Des, Cipher::TripleDes, Cipher::ChaCha20Poly1305] {
        assert_eq!(numbers::cipher(&numbers::of_cipher(cipher)), Some(cipher));
    }
    let hashes = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
    for prf in hashes.map(Prf::Hmac).into_iter().chain([Prf::AesXcbc, Prf::AesCmac]) {
        assert_eq!(numbers::prf(&numbers::of_prf(prf)), Some(prf));
    }
    assert_eq!(numbers::cipher(&Transform { bits: Some(127), ..Transform::new(kind::ENCRYPTION, 12) }), None);
    assert_eq!(numbers::cipher(&Transform::new(kind::ENCRYPTION, 12)), None, "AES without a length");
}
