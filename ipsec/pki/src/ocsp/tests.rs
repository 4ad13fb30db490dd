//! Answers good, bad and forged, ours and OpenSSL's.

use super::*;
use crate::Certificate;
use crate::testing::{
    DAY, Key, Known, NOW, Template, general, key_usage, name, oid as oid_der, purposes, responder, sequence,
    tlv, trustpoint,
};
use crate::{Refusal, Request, Revocation, verify};

const CA: u8 = 1;
const ROUTER: u8 = 2;
const RESPONDER: u8 = 3;
const URL: &str = "http://ocsp.example/";
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

fn ca() -> Certificate {
    Template::ca("ca", CA, "ca").issue(CA)
}

fn router() -> Certificate {
    Template::router("router", ROUTER, "ca").with(responder(URL)).issue(CA)
}

/// What a responder says.
struct Reply {
    status: Vec<u8>,
    from: u64,
    until: Option<u64>,
    nonce: Vec<u8>,
    certificate: Option<Certificate>,
    about: Certificate,
}

fn good() -> Reply {
    Reply {
        status: tlv(0x80, &[]),
        from: NOW - DAY,
        until: Some(NOW + DAY),
        nonce: Vec::new(),
        certificate: None,
        about: router(),
    }
}

fn revoked() -> Vec<u8> {
    tlv(0xa1, &[general(NOW - DAY), tlv(0xa0, &tlv(0x0a, &[1]))].concat())
}

impl Reply {
    fn data(&self) -> Vec<u8> {
        let id = CertId::new(&self.about, &ca()).unwrap();
        let id = sequence(&[
            sequence(&[oid_der("1.3.14.3.2.26")]),
            tlv(4, &id.issuer_name),
            tlv(4, &id.issuer_key),
            tlv(2, &id.serial),
        ]);
        let mut single = vec![id, self.status.clone(), general(self.from)];
        single.extend(self.until.map(|until| tlv(0xa0, &general(until))));
        let mut data = vec![tlv(0xa1, &name("ca")), general(NOW), sequence(&[sequence(&single)])];
        if !self.nonce.is_empty() {
            let value = tlv(4, &tlv(4, &self.nonce));
            data.push(tlv(0xa1, &sequence(&[sequence(&[oid_der("1.3.6.1.5.5.7.48.1.2"), value])])));
        }
        sequence(&data)
    }

    fn signed(&self, signer: u8) -> Vec<u8> {
        let mut basic = Key::new(signer).sign(&self.data());
        if let Some(certificate) = &self.certificate {
            let whole: Signed<'_> = asn1::decode("", &basic).unwrap();
            let parts = [
                asn1::bytes(whole.tbs),
                whole.algorithm.to_der().unwrap(),
                whole.signature.to_der().unwrap(),
            ];
            basic = sequence(&[parts.concat(), tlv(0xa0, &sequence(std::slice::from_ref(&certificate.der)))]);
        }
        wrapped(&basic)
    }
}

fn wrapped(basic: &[u8]) -> Vec<u8> {
    let body = sequence(&[oid_der("1.3.6.1.5.5.7.48.1.1"), tlv(4, basic)]);
    sequence(&[tlv(0x0a, &[0]), tlv(0xa0, &body)])
}

/// What comes of it if a responder answers so and `methods` are configured.
fn outcome(answer: Vec<u8>, methods: &[Revocation]) -> Result<(), Refusal> {
    let request =
        Request { chain: vec![router().der], trustpoints: vec![trustpoint(vec![ca()], methods).into()] };
    let known = Known { answers: vec![(URL, answer)], ..Known::default() };
    verify(&request, NOW, &known).map(drop)
}

fn refused(answer: Vec<u8>) -> &'static str {
    outcome(answer, &[Revocation::Ocsp]).unwrap_err().what
}

#[test]
fn the_ca_itself_may_answer_good_and_revoked() {
    assert_eq!(outcome(good().signed(CA), &[Revocation::Ocsp]), Ok(()));
    let refusal = outcome(Reply { status: revoked(), ..good() }.signed(CA), &[Revocation::Ocsp]).unwrap_err();
    assert_eq!(refusal.what, "certificate-revoked");
    assert!(refusal.detail.contains("its key is compromised"), "{refusal}");
    let last = [Revocation::Ocsp, Revocation::None];
    assert!(
        outcome(Reply { status: revoked(), ..good() }.signed(CA), &last).is_err(),
        "none does not excuse it"
    );
}

#[test]
fn unknown_is_left_to_a_list_but_not_to_none() {
    let unknown = || Reply { status: tlv(0x82, &[]), ..good() }.signed(CA);
    assert_eq!(refused(unknown()), "ocsp-unknown");
    assert_eq!(outcome(unknown(), &[Revocation::Ocsp, Revocation::None]).unwrap_err().what, "ocsp-unknown");
    let lists = crate::testing::List::of("ca").der(CA);
    let mut point = trustpoint(vec![ca()], &[Revocation::Ocsp, Revocation::Crl]);
    point.crl_url = Some("http://crl.example/".to_owned());
    let known = Known { answers: vec![(URL, unknown())], lists: vec![("http://crl.example/", lists)] };
    let request = Request { chain: vec![router().der], trustpoints: vec![point.into()] };
    assert!(verify(&request, NOW, &known).is_ok());
}

#[test]
fn what_is_stale_early_or_of_others_does_not_count() {
    assert_eq!(refused(Reply { until: Some(NOW - 1), ..good() }.signed(CA)), "ocsp-expired");
    assert_eq!(refused(Reply { from: NOW + 2 * SKEW, ..good() }.signed(CA)), "ocsp-not-yet-valid");
    let ahead = Reply { from: NOW + SKEW / 2, ..good() }.signed(CA);
    assert_eq!(outcome(ahead, &[Revocation::Ocsp]), Ok(()), "a clock a little ahead");
    let about = Template::router("other", 9, "ca").issue(CA);
    assert_eq!(refused(Reply { about, ..good() }.signed(CA)), "ocsp-of-others");
}

#[test]
fn an_answer_without_an_end_holds_only_for_minutes() {
    assert_eq!(refused(Reply { until: None, ..good() }.signed(CA)), "ocsp-expired");
    assert_eq!(
        outcome(Reply { until: None, from: NOW - 60, ..good() }.signed(CA), &[Revocation::Ocsp]),
        Ok(())
    );
}

#[test]
fn nobody_answers_for_the_ca_but_whom_it_appointed() {
    let signer = |template: Template, issuer: u8| {
        Reply { certificate: Some(template.issue(issuer)), ..good() }.signed(RESPONDER)
    };
    let plain = || Template::router("responder", RESPONDER, "ca");
    let appointed = || plain().with(purposes(false, &[OCSP_SIGNING]));
    assert_eq!(outcome(signer(appointed(), CA), &[Revocation::Ocsp]), Ok(()));
    assert_eq!(refused(good().signed(RESPONDER)), "ocsp-bad-signature", "no certificate with it");
    assert_eq!(refused(signer(plain(), CA)), "ocsp-bad-signature", "not appointed");
    assert_eq!(refused(signer(appointed(), RESPONDER)), "ocsp-bad-signature", "appointed by itself");
    let old = Template { until: NOW - 1, ..appointed() };
    assert_eq!(refused(signer(old, CA)), "ocsp-bad-signature", "no longer appointed");
    assert_eq!(refused(signer(appointed().with(key_usage(&[2])), CA)), "ocsp-bad-signature");
    let elsewhere = Template { issuer: "other", ..appointed() };
    assert_eq!(refused(signer(elsewhere, CA)), "ocsp-bad-signature");
}

#[test]
fn a_changed_answer_is_refused() {
    let answer = Reply { status: revoked(), ..good() }.signed(CA);
    let plain = good().data();
    let changed = wrapped(&sequence(&[
        plain,
        sequence(&[oid_der("1.3.101.112")]),
        tlv(3, &answer[answer.len() - 65..]),
    ]));
    assert_eq!(refused(changed), "ocsp-bad-signature");
}

#[test]
fn a_failing_responder_says_why_and_the_next_method_is_asked() {
    let later = sequence(&[tlv(0x0a, &[3])]);
    let refusal = outcome(later.clone(), &[Revocation::Ocsp]).unwrap_err();
    assert_eq!(refusal.what, "ocsp-unavailable");
    assert!(refusal.detail.contains("tryLater"), "{refusal}");
    assert_eq!(outcome(later, &[Revocation::Ocsp, Revocation::None]), Ok(()));
}

#[test]
fn an_answer_to_another_nonce_is_refused_and_one_without_is_not() {
    let answer = Reply { nonce: vec![7; 16], ..good() }.signed(CA);
    assert!(Response::read(&answer, &[7; 16]).is_ok());
    assert!(Response::read(&answer, &[8; 16]).is_err());
    assert!(Response::read(&answer, &[]).is_err(), "we asked without one");
    assert!(Response::read(&good().signed(CA), &[7; 16]).is_ok());
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

    fn status(answer: &[u8], own: &Certificate) -> Result<Status, &'static str> {
        let sub = certificate!("sub");
        let id = CertId::new(own, &sub).unwrap();
        let nonce = nonce_of(answer);
        Response::read(answer, &nonce).unwrap().status(&id, &sub, NOW).map_err(|silent| silent.what)
    }

    /// The 16 bytes after the OID of the nonce.
    fn nonce_of(answer: &[u8]) -> Vec<u8> {
        let id = oid_der("1.3.6.1.5.5.7.48.1.2");
        let place = answer.windows(id.len()).position(|bytes| bytes == id);
        place.map(|place| answer[place + id.len() + 4..][..16].to_vec()).unwrap_or_default()
    }

    #[test]
    fn our_question_is_openssls() {
        let id = CertId::new(&certificate!("pe1"), &certificate!("sub")).unwrap();
        let theirs = include_bytes!("../../testdata/pe1.req");
        assert_eq!(request(&id, &nonce_of(theirs)), theirs);
        assert_eq!(request(&id, &[]).len(), theirs.len() - 37, "no extension at all");
    }

    #[test]
    fn its_answers_are_read() {
        let (pe1, gone) = (certificate!("pe1"), certificate!("gone"));
        assert_eq!(status(include_bytes!("../../testdata/pe1-sub.resp"), &pe1), Ok(Status::Good));
        assert_eq!(status(include_bytes!("../../testdata/pe1-responder.resp"), &pe1), Ok(Status::Good));
        let answer = status(include_bytes!("../../testdata/gone-responder.resp"), &gone);
        assert!(matches!(answer, Ok(Status::Revoked(Revoked { reason: 1, .. }))), "{answer:?}");
        assert_eq!(status(include_bytes!("../../testdata/pe1-sub.resp"), &gone), Err("ocsp-of-others"));
        let stranger = Certificate { serial: vec![0x77, 0x77], ..pe1 };
        assert_eq!(status(include_bytes!("../../testdata/unknown.resp"), &stranger), Ok(Status::Unknown));
    }
}
