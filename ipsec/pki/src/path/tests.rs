//! Chains good and bad of every kind.

use std::sync::Arc;

use super::*;
use crate::testing::{
    DAY, Known, NOW, Template, basic_constraints, extension, key_usage, purposes, trustpoint,
};
use crate::{Credential, Revocation};

const ROOT: u8 = 1;
const SUB: u8 = 2;
const ROUTER: u8 = 3;

fn root() -> Certificate {
    Template::ca("root", ROOT, "root").issue(ROOT)
}

fn sub() -> Certificate {
    Template::ca("sub", SUB, "root").issue(ROOT)
}

fn router() -> Template {
    Template::router("router", ROUTER, "sub")
}

fn ask(trustpoints: Vec<Trustpoint>, chain: &[Certificate]) -> Result<Validated, Refusal> {
    let chain = chain.iter().map(|one| one.der.clone()).collect();
    let request = Request { chain, trustpoints: trustpoints.into_iter().map(Arc::new).collect() };
    verify(&request, NOW, &Known::default())
}

fn under_root(chain: &[Certificate]) -> Result<Validated, Refusal> {
    ask(vec![trustpoint(vec![root()], &[Revocation::None])], chain)
}

fn refused(outcome: Result<Validated, Refusal>) -> &'static str {
    outcome.expect_err("it was accepted").what
}

#[test]
fn a_chain_to_an_anchor_is_good_in_any_order_and_with_junk_in_it() {
    let own = router().issue(SUB);
    let validated = under_root(&[own.clone(), sub()]).unwrap();
    assert_eq!((validated.certificate, validated.trustpoint.as_str()), (own.clone(), "ISP"));
    let stranger = Template::ca("stranger", 9, "stranger").issue(9);
    let mut chain: Vec<_> = [&own, &stranger, &root(), &sub()].iter().map(|one| one.der.clone()).collect();
    chain.insert(1, vec![0x30, 3, 1]);
    let trustpoints = vec![Arc::new(trustpoint(vec![root()], &[Revocation::None]))];
    assert!(verify(&Request { chain, trustpoints }, NOW, &Known::default()).is_ok());
}

#[test]
fn a_link_the_peer_does_not_send_may_stand_in_the_trustpoint() {
    let own = router().issue(SUB);
    assert_eq!(refused(under_root(std::slice::from_ref(&own))), "unknown-ca");
    assert!(ask(vec![trustpoint(vec![sub()], &[Revocation::None])], std::slice::from_ref(&own)).is_ok());
    let mut ours = trustpoint(vec![root()], &[Revocation::None]);
    let der =
        [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &[7; 32]].concat();
    let key = Arc::new(crypto::sign::PrivateKey::from_der(&der).ok().unwrap());
    ours.credential = Some(Credential { chain: vec![router().issue(SUB), sub()], key });
    assert!(ask(vec![ours], &[own]).is_ok(), "our own chain has it");
}

#[test]
fn any_trustpoint_will_do_and_the_refusal_is_that_of_the_ca_that_knows_the_peer() {
    let other = || trustpoint(vec![Template::ca("other", 8, "other").issue(8)], &[Revocation::None]);
    let ours = || trustpoint(vec![root()], &[Revocation::None]);
    let mut own = router();
    assert!(ask(vec![other(), ours()], &[own.issue(SUB), sub()]).is_ok());
    let mut strict = ours();
    strict.revocation = vec![Revocation::Crl];
    assert_eq!(refused(ask(vec![other(), strict, other()], &[own.issue(SUB), sub()])), "crl-unavailable");
    own.issuer = "nobody";
    let refusal = ask(vec![other()], &[own.issue(SUB)]).unwrap_err();
    assert_eq!(refusal.what, "unknown-ca");
    assert!(refusal.detail.contains("issued by cn=nobody, but trustpoint ISP trusts cn=other"), "{refusal}");
    assert_eq!(refused(ask(vec![], &[own.issue(SUB)])), "no-trustpoint");
}

#[test]
fn nothing_and_junk_are_refused() {
    assert_eq!(refused(under_root(&[])), "no-certificate");
    let request = Request { chain: vec![vec![1, 2, 3]], trustpoints: vec![] };
    assert_eq!(refused(verify(&request, NOW, &Known::default())), "certificate-malformed");
}

#[test]
fn time_counts_for_every_certificate_of_the_chain() {
    let late = |template: Template| Template { from: NOW - 2 * DAY, until: NOW - DAY, ..template };
    let early = |template: Template| Template { from: NOW + DAY, until: NOW + 2 * DAY, ..template };
    let own = router().issue(SUB);
    let refusal = under_root(&[late(router()).issue(SUB), sub()]).unwrap_err();
    assert_eq!(refusal.what, "certificate-expired");
    assert!(
        refusal.detail.contains("cn=router ended at 2030-06-") && refusal.detail.contains("set the clock"),
        "{refusal}"
    );
    assert_eq!(refused(under_root(&[early(router()).issue(SUB), sub()])), "certificate-not-yet-valid");
    let old_sub = late(Template::ca("sub", SUB, "root")).issue(ROOT);
    assert_eq!(refused(under_root(&[own.clone(), old_sub])), "certificate-expired");
    let new_root = early(Template::ca("root", ROOT, "root")).issue(ROOT);
    let outcome = ask(vec![trustpoint(vec![new_root], &[Revocation::None])], &[own, sub()]);
    assert_eq!(refused(outcome), "certificate-not-yet-valid");
}

#[test]
fn the_last_second_still_counts_and_the_next_does_not() {
    let own = Template { from: NOW, until: NOW, ..router() }.issue(SUB);
    assert_eq!(own.status(NOW), Status::InForce);
    assert_eq!((own.status(NOW - 1), own.status(NOW + 1)), (Status::NotYetValid, Status::Expired));
}

#[test]
fn a_namesake_of_the_ca_is_not_the_ca() {
    let own = router().issue(SUB);
    let false_sub = Template::ca("sub", 7, "root").issue(ROOT);
    let refusal = under_root(&[own.clone(), false_sub.clone()]).unwrap_err();
    assert_eq!(refusal.what, "bad-signature");
    assert!(refusal.detail.contains("cn=router is not signed by the key of cn=sub"), "{refusal}");
    assert!(under_root(&[own, false_sub, sub()]).is_ok(), "the true one is found behind the false one");
    let forged_sub = Template::ca("sub", SUB, "root").issue(7);
    assert_eq!(refused(under_root(&[router().issue(SUB), forged_sub])), "bad-signature");
}

#[test]
fn a_changed_certificate_is_refused() {
    let mut der = router().der(SUB);
    let place = der.windows(6).position(|six| six == b"router").unwrap();
    der[place] = b'R';
    let changed = Certificate::from_der(&der).unwrap();
    assert_eq!(refused(under_root(&[changed, sub()])), "bad-signature");
}

#[test]
fn only_a_ca_may_issue() {
    let own = router().issue(SUB);
    let no_ca = Template::router("sub", SUB, "root").issue(ROOT);
    assert_eq!(refused(under_root(&[own.clone(), no_ca.clone()])), "issuer-is-no-ca");
    let outcome = ask(vec![trustpoint(vec![no_ca], &[Revocation::None])], std::slice::from_ref(&own));
    assert_eq!(refused(outcome), "issuer-is-no-ca", "not even a pinned one");
    let signs_no_certificates = Template::ca("sub", SUB, "root").with(key_usage(&[0, 6])).issue(ROOT);
    assert_eq!(refused(under_root(&[own.clone(), signs_no_certificates])), "issuer-may-not-sign");
    let first_version = Template { version: 0, ..Template::router("sub", SUB, "root") }.issue(ROOT);
    assert_eq!(refused(under_root(&[own.clone(), first_version.clone()])), "issuer-is-no-ca");
    let anchor = ask(vec![trustpoint(vec![first_version], &[Revocation::None])], &[own]);
    assert!(anchor.is_ok(), "but as an anchor, where version 1 has no way to say more");
}

#[test]
fn the_path_length_limit_counts_intermediates_that_are_not_self_issued() {
    let limited =
        |limit| Template::router("root", ROOT, "root").with(basic_constraints(true, Some(limit))).issue(ROOT);
    let chain = [router().issue(SUB), sub()];
    let outcome = |limit| ask(vec![trustpoint(vec![limited(limit)], &[Revocation::None])], &chain);
    assert!(outcome(1).is_ok());
    assert_eq!(refused(outcome(0)), "path-length-exceeded");
    let old_root = Template::ca("root", ROOT, "root").issue(5);
    let new_root = Template::router("root", 5, "root").with(basic_constraints(true, Some(1))).issue(5);
    let rolled = [router().issue(SUB), sub(), old_root];
    let outcome = ask(vec![trustpoint(vec![new_root], &[Revocation::None])], &rolled);
    assert!(outcome.is_ok(), "a key rollover does not lengthen the path");
}

#[test]
fn a_chain_has_an_end() {
    const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let ca = |place: usize| {
        let key = u8::try_from(place + 10).unwrap();
        Template::ca(NAMES[place], key, NAMES[place.saturating_sub(1)]).issue(key.saturating_sub(1).max(10))
    };
    let chain_of = |length: usize| {
        let signer = u8::try_from(length + 8).unwrap();
        let own = Template::router("router", ROUTER, NAMES[length - 2]).issue(signer);
        let between = (1..length - 1).rev().map(ca);
        std::iter::once(own).chain(between).collect::<Vec<_>>()
    };
    let anchored = |chain: &[Certificate]| ask(vec![trustpoint(vec![ca(0)], &[Revocation::None])], chain);
    assert!(anchored(&chain_of(8)).is_ok());
    assert_eq!(refused(anchored(&chain_of(9))), "path-too-long");
}

#[test]
fn circles_and_crowds_of_namesakes_end() {
    let one = Template::ca("one", 4, "two").issue(5);
    let two = Template::ca("two", 5, "one").issue(4);
    let own = Template::router("router", ROUTER, "one").issue(4);
    assert!(under_root(&[own, one, two]).is_err());
    let crowd = (0..60).map(|serial| Template { serial: vec![serial], ..Template::ca("x", 4, "x") }.issue(4));
    let own = Template::router("router", ROUTER, "x").issue(4);
    let chain: Vec<_> = std::iter::once(own).chain(crowd).collect();
    assert!(under_root(&chain).is_err());
}

#[test]
fn a_critical_extension_that_nobody_knows_is_refused_anywhere() {
    let strange = |critical| extension("1.2.3.4", critical, &[5, 0]);
    let name_constraints = extension("2.5.29.30", true, &[0x30, 0]);
    assert!(under_root(&[router().with(strange(false)).issue(SUB), sub()]).is_ok());
    let outcome = under_root(&[router().with(strange(true)).issue(SUB), sub()]);
    assert_eq!(refused(outcome), "unknown-critical-extension");
    let sub = Template::ca("sub", SUB, "root").with(name_constraints).issue(ROOT);
    assert_eq!(refused(under_root(&[router().issue(SUB), sub])), "unknown-critical-extension");
}

#[test]
fn a_router_needs_a_key_that_may_sign() {
    let outcome = |usage: &[u8]| under_root(&[router().with(key_usage(usage)).issue(SUB), sub()]);
    assert!(outcome(&[0]).is_ok());
    assert!(outcome(&[1]).is_ok());
    assert_eq!(refused(outcome(&[2, 3])), "key-usage");
}

#[test]
fn purposes_that_exclude_ike_count_only_if_critical() {
    let outcome =
        |critical, purpose| under_root(&[router().with(purposes(critical, &[purpose])).issue(SUB), sub()]);
    let (ike, code_signing) = ("1.3.6.1.5.5.7.3.17", "1.3.6.1.5.5.7.3.3");
    assert!(outcome(true, ike).is_ok());
    assert!(outcome(false, code_signing).is_ok());
    assert_eq!(refused(outcome(true, code_signing)), "extended-key-usage");
}

#[test]
fn a_pinned_router_needs_no_ca_but_must_be_in_force() {
    let own = Template::router("router", ROUTER, "router").issue(ROUTER);
    let pinned = |own: &Certificate| {
        ask(vec![trustpoint(vec![own.clone()], &[Revocation::Crl])], std::slice::from_ref(own))
    };
    assert!(pinned(&own).is_ok(), "nobody could revoke it but who pinned it");
    let old = Template { until: NOW - 1, ..Template::router("router", ROUTER, "router") }.issue(ROUTER);
    assert_eq!(refused(pinned(&old)), "certificate-expired");
    let impostor = Template::router("router", 9, "router").issue(9);
    let outcome = ask(vec![trustpoint(vec![own], &[Revocation::None])], &[impostor]);
    assert_eq!(refused(outcome), "issuer-is-no-ca");
}

/// OpenSSL made these; see `testdata/README.md`.
mod openssl {
    use super::*;

    macro_rules! certificate {
        ($name:literal) => {
            Certificate::from_pem_bundle(include_bytes!(concat!("../../testdata/", $name, ".pem")))
                .unwrap()
                .remove(0)
        };
    }

    fn under(anchor: Certificate, chain: &[Certificate]) -> Result<Validated, Refusal> {
        ask(vec![trustpoint(vec![anchor], &[Revocation::None])], chain)
    }

    #[test]
    fn chains_of_every_algorithm_are_good() {
        for own in [certificate!("pe1"), certificate!("pe2")] {
            assert!(under(certificate!("root"), &[own, certificate!("sub")]).is_ok());
        }
        for own in [
            certificate!("pss"),
            certificate!("sha1"),
            certificate!("rsa1024"),
            certificate!("rsa4096"),
            certificate!("p521"),
        ] {
            let name = own.subject.to_string();
            assert!(under(certificate!("root"), &[own]).is_ok(), "{name}");
        }
        assert!(under(certificate!("v1"), &[certificate!("old")]).is_ok(), "a version 1 root");
    }

    #[test]
    fn what_is_too_weak_is_refused() {
        assert_eq!(refused(under(certificate!("root"), &[certificate!("md5")])), "weak-signature");
        assert_eq!(refused(under(certificate!("root"), &[certificate!("rsa768")])), "weak-key");
    }

    #[test]
    fn a_chain_of_another_root_is_refused() {
        let chain = [certificate!("pe1"), certificate!("sub")];
        assert_eq!(refused(under(certificate!("v1"), &chain)), "unknown-ca");
    }
}
