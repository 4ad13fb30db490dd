//! Lists good, stale, forged and partial, ours and OpenSSL's.

use super::*;
use crate::testing::{
    DAY, Known, List, NOW, Template, crl_points, extension, key_usage, sequence, tlv, trustpoint,
};
use crate::{Refusal, Request, Revocation, Trustpoint, verify};

const CA: u8 = 1;
const ROUTER: u8 = 2;
const URL: &str = "http://crl.example/a.crl";
const OTHER_URL: &str = "http://crl.example/b.crl";

fn router() -> Template {
    Template::router("router", ROUTER, "ca").with(crl_points(&[URL]))
}

fn strict() -> Trustpoint {
    trustpoint(vec![Template::ca("ca", CA, "ca").issue(CA)], &[Revocation::Crl])
}

fn ask(point: Trustpoint, own: &Template, lists: Vec<(&'static str, Vec<u8>)>) -> Result<(), Refusal> {
    let request = Request { chain: vec![own.der(CA)], trustpoints: vec![point.into()] };
    verify(&request, NOW, &Known { lists, ..Known::default() }).map(drop)
}

fn outcome(list: &List, signer: u8) -> Result<(), Refusal> {
    ask(strict(), &router(), vec![(URL, list.der(signer))])
}

fn refused(list: &List, signer: u8) -> &'static str {
    outcome(list, signer).unwrap_err().what
}

#[test]
fn who_is_not_on_the_list_is_good_and_who_is_was_revoked() {
    assert_eq!(outcome(&List::of("ca"), CA), Ok(()));
    assert_eq!(outcome(&List::of("ca").revoking(&[1], &[]).revoking(&[9, 9], &[]), CA), Ok(()));
    let list = List::of("ca").revoking(&[9], &[]).revoking(&[ROUTER], &[reason(4)]).revoking(&[1], &[]);
    let refusal = outcome(&list, CA).unwrap_err();
    assert_eq!(refusal.what, "certificate-revoked");
    assert!(
        refusal.detail.contains("certificate 02 of cn=router") && refusal.detail.contains("it was replaced"),
        "{refusal}"
    );
}

fn reason(code: u8) -> Vec<u8> {
    extension("2.5.29.21", false, &tlv(0x0a, &[code]))
}

#[test]
fn a_sign_byte_does_not_hide_a_serial_number() {
    let own = Template { serial: vec![0, 0x99], ..router() };
    let list = List::of("ca").revoking(&[0, 0x99], &[]).der(CA);
    assert_eq!(ask(strict(), &own, vec![(URL, list)]).unwrap_err().what, "certificate-revoked");
}

#[test]
fn a_revoked_intermediate_ca_spoils_the_chain() {
    let sub = Template::ca("sub", 5, "ca").with(crl_points(&[URL])).der(CA);
    let own = Template::router("router", ROUTER, "sub").with(crl_points(&[OTHER_URL])).der(5);
    let request = Request { chain: vec![own, sub], trustpoints: vec![strict().into()] };
    let lists = |revoked: &[u8]| {
        let root = List::of("ca").revoking(revoked, &[]).der(CA);
        Known { lists: vec![(URL, root), (OTHER_URL, List::of("sub").der(5))], ..Known::default() }
    };
    assert!(verify(&request, NOW, &lists(&[77])).is_ok());
    assert_eq!(verify(&request, NOW, &lists(&[5])).unwrap_err().what, "certificate-revoked");
}

#[test]
fn a_list_that_is_old_or_early_does_not_count() {
    let refusal = outcome(&List { until: Some(NOW - 1), ..List::of("ca") }, CA).unwrap_err();
    assert_eq!(refusal.what, "crl-expired");
    assert!(refusal.detail.contains("must publish a new one"), "{refusal}");
    assert_eq!(
        refused(&List { from: NOW + DAY, until: Some(NOW + 2 * DAY), ..List::of("ca") }, CA),
        "crl-not-yet-valid"
    );
    assert_eq!(refused(&List { until: None, ..List::of("ca") }, CA), "crl-unavailable");
}

#[test]
fn a_list_of_another_does_not_count() {
    assert_eq!(refused(&List::of("ca"), 9), "crl-bad-signature");
    assert_eq!(refused(&List::of("other"), CA), "crl-of-others");
    let no_list_signer = Template::ca("ca", CA, "ca").with(key_usage(&[5])).issue(CA);
    let point = trustpoint(vec![no_list_signer], &[Revocation::Crl]);
    let list = List::of("ca").der(CA);
    assert_eq!(ask(point, &router(), vec![(URL, list)]).unwrap_err().what, "crl-bad-signature");
}

#[test]
fn a_list_names_one_signature_algorithm_and_ends_where_it_ends() {
    let mut list = List::of("ca").der(CA);
    list.push(0);
    assert!(Crl::read(&list).is_err());
    list.pop();
    let outer = list.windows(5).rposition(|five| five == [6, 3, 0x2b, 0x65, 0x70]).unwrap();
    list[outer + 4] = 0x71;
    assert!(Crl::read(&list).err().unwrap().to_string().contains("two signature algorithms"));
}

#[test]
fn a_list_signed_for_one_ca_does_not_serve_its_namesake() {
    let list = Crl::read(&List::of("ca").der(CA)).unwrap();
    let (ca, namesake) = (Template::ca("ca", CA, "ca").issue(CA), Template::ca("ca", 9, "ca").issue(9));
    let own = router().issue(CA);
    assert!(list.lookup(&own, &ca, NOW).is_ok());
    assert!(list.lookup(&own, &namesake, NOW).is_err());
    assert!(list.lookup(&own, &ca, NOW).is_ok(), "and again, without a signature to check");
}

fn scope(fields: &[Vec<u8>]) -> Vec<u8> {
    extension("2.5.29.28", true, &sequence(fields))
}

fn point(url: &str) -> Vec<u8> {
    tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes())))
}

#[test]
fn a_part_of_a_list_serves_those_whom_it_is_about() {
    let outcome =
        |fields: &[Vec<u8>]| outcome(&List::of("ca").with(scope(fields)), CA).map_err(|refusal| refusal.what);
    assert_eq!(outcome(&[point(URL)]), Ok(()));
    assert_eq!(outcome(&[point(OTHER_URL)]), Err("crl-of-others"), "another part, served in its place");
    assert_eq!(outcome(&[tlv(0x81, &[0xff])]), Ok(()), "of users only");
    assert_eq!(outcome(&[tlv(0x82, &[0xff])]), Err("crl-of-others"), "of CAs only");
    assert_eq!(outcome(&[tlv(0x83, &[0, 0x80])]), Err("crl-unavailable"), "of some reasons only");
    assert_eq!(outcome(&[tlv(0x84, &[0xff])]), Err("crl-unavailable"), "indirect");
}

#[test]
fn deltas_and_unknown_critical_extensions_are_refused() {
    let critical = |id| extension(id, true, &tlv(2, &[1]));
    assert_eq!(refused(&List::of("ca").with(critical("2.5.29.27")), CA), "crl-unavailable");
    assert_eq!(refused(&List::of("ca").with(critical("1.2.3.4")), CA), "crl-unavailable");
    assert_eq!(refused(&List::of("ca").revoking(&[7], &[critical("2.5.29.29")]), CA), "crl-unavailable");
}

#[test]
fn urls_are_tried_in_the_order_of_the_certificate_unless_one_is_configured() {
    let own = Template::router("router", ROUTER, "ca").with(crl_points(&[URL, OTHER_URL]));
    let good = || List::of("ca").der(CA);
    assert!(ask(strict(), &own, vec![(OTHER_URL, good())]).is_ok());
    let refusal = ask(strict(), &own, vec![]).unwrap_err();
    assert!(refusal.detail.contains(URL) && refusal.detail.contains(OTHER_URL), "{refusal}");
    let mut configured = strict();
    configured.crl_url = Some("http://other.example/".to_owned());
    assert!(ask(configured.clone(), &own, vec![("http://other.example/", good())]).is_ok());
    assert!(ask(configured.clone(), &own, vec![(URL, good())]).is_err());
    let of_root = List::of("root").der(9);
    let both = vec![("http://other.example/", of_root.clone()), (URL, good())];
    assert!(ask(configured.clone(), &own, both).is_ok(), "the configured one is of another CA");
    let silent = Template::router("router", ROUTER, "ca");
    let others = vec![("http://other.example/", of_root)];
    assert_eq!(ask(configured, &silent, others).unwrap_err().what, "crl-of-others");
    let refusal = ask(strict(), &silent, vec![]).unwrap_err();
    assert!(refusal.detail.contains("write crl url"), "{refusal}");
}

#[test]
fn the_methods_are_asked_in_order_and_none_is_a_last_resort() {
    let with = |methods: &[Revocation], lists| {
        let point = Trustpoint { revocation: methods.to_vec(), ..strict() };
        ask(point, &router(), lists).map_err(|refusal| refusal.what)
    };
    let revoking = || vec![(URL, List::of("ca").revoking(&[ROUTER], &[]).der(CA))];
    assert_eq!(with(&[Revocation::Crl, Revocation::None], vec![]), Ok(()));
    assert_eq!(with(&[Revocation::Crl, Revocation::None], revoking()), Err("certificate-revoked"));
    assert_eq!(with(&[Revocation::None, Revocation::Crl], revoking()), Ok(()));
    assert_eq!(with(&[Revocation::Crl, Revocation::Ocsp], vec![]), Err("ocsp-unavailable"));
    assert_eq!(with(&[Revocation::Ocsp, Revocation::Crl], revoking()), Err("certificate-revoked"));
    assert_eq!(with(&[], vec![]), Err("revocation-unknown"));
}

/// OpenSSL made it; see `testdata/README.md`.
#[test]
fn a_list_of_openssl_revokes_one_and_not_the_other() {
    let list = Crl::read(include_bytes!("../../testdata/sub.crl")).unwrap();
    let read = |pem: &[u8]| Certificate::from_pem_bundle(pem).unwrap().remove(0);
    let sub = read(include_bytes!("../../testdata/sub.pem"));
    let (pe1, gone) =
        (read(include_bytes!("../../testdata/pe1.pem")), read(include_bytes!("../../testdata/gone.pem")));
    assert_eq!((list.issuer().to_string(), list.revoked()), ("cn=ISP Sub,o=ISP,c=DE".to_owned(), 1));
    assert!(list.lookup(&pe1, &sub, NOW).is_ok_and(|revoked| revoked.is_none()));
    let revoked = list.lookup(&gone, &sub, NOW).ok().flatten().unwrap();
    assert_eq!((revoked.reason, Utc(revoked.at).to_string()), (1, "2026-11-20 22:56:50 UTC".to_owned()));
}

/// Answers nothing, but remembers in which VRFs it was asked.
#[derive(Default)]
struct Listener(std::cell::RefCell<Vec<String>>);

impl crate::Evidence for Listener {
    fn crl(&self, vrf: Option<&str>, url: &str) -> Result<std::sync::Arc<Crl>, String> {
        self.0.borrow_mut().push(format!("{vrf:?} {url}"));
        Err("silent".to_owned())
    }

    fn ocsp(
        &self,
        vrf: Option<&str>,
        url: &str,
        _: &crate::ocsp::CertId,
    ) -> Result<std::sync::Arc<crate::ocsp::Response>, String> {
        self.0.borrow_mut().push(format!("{vrf:?} {url}"));
        Err("silent".to_owned())
    }
}

#[test]
fn lists_and_responders_are_asked_in_the_vrf_of_the_trustpoint() {
    let mut point = strict();
    point.revocation = vec![Revocation::Crl, Revocation::Ocsp];
    (point.vrf, point.ocsp_url) = (Some("mgmt".to_owned()), Some("http://ocsp.example/".to_owned()));
    let request = Request { chain: vec![router().der(CA)], trustpoints: vec![point.into()] };
    let listener = Listener::default();
    let refusal = verify(&request, NOW, &listener).unwrap_err();
    assert_eq!(
        *listener.0.borrow(),
        [format!("Some(\"mgmt\") {URL}"), "Some(\"mgmt\") http://ocsp.example/".to_owned()]
    );
    assert!(
        refusal.detail.contains("CRL http://crl.example/a.crl: silent; OCSP http://ocsp.example/: silent"),
        "{refusal}"
    );
}
