//! Any bytes as a certificate, a name, a revocation list, an OCSP response or a chain: read or refused by name, and
//! nothing that an attacker made is good.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pki::ocsp::{CertId, Response, request};
use pki::{AltName, Attribute, Certificate, Crl, Criterion, Dn, Evidence, Field, Revocation, Test, Trustpoint};

const ANCHOR: &[u8] = include_bytes!("../../../ipsec/pki/testdata/sub.pem");
const OWN: &[u8] = include_bytes!("../../../ipsec/pki/testdata/gone.pem");
/// 2030, when the anchor and its list are in force.
const NOW: u64 = 1_909_000_000;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 6 {
        0 => certificate(data),
        1 => drop(Crl::read(data).map(|list| (list.issuer().to_string(), list.revoked(), list.bytes()))),
        2 => drop(Response::read(data, &[7; 16]).map(|response| (response.until(), response.bytes()))),
        3 => Certificate::from_pem_bundle(data).unwrap_or_default().iter().for_each(|one| certificate(&one.der)),
        4 => name(data),
        _ => chain(data),
    }
});

fn certificate(der: &[u8]) {
    let Ok(certificate) = Certificate::from_der(der) else { return };
    assert_eq!(certificate.der, der);
    let again = Dn::from_der(&certificate.subject.der).expect("a name out of a certificate is one");
    assert_eq!(again, certificate.subject);
    let _ = (certificate.key_kind(), certificate.usage(), certificate.serial_text(), certificate.key_hash());
    for claim in &certificate.alt_names {
        let nothing = *claim == AltName::Directory(Dn::default());
        assert_eq!(certificate.proves(claim).is_ok(), !nothing, "its own alternative name");
    }
    let _ = certificate.proves(&AltName::Dns("pe1.isp.example".to_owned()));
    for field in [Field::SubjectName, Field::IssuerName, Field::AltSubjectName, Field::Name, Field::SerialNumber] {
        let holds = |test| Criterion::new(field, test, "cn=pe1, o=isp").is_ok_and(|one| one.holds(&certificate));
        assert!(holds(Test::Contains) != holds(Test::NotContains) && holds(Test::Equal) != holds(Test::NotEqual));
    }
}

/// What is printed is read back as it was.
fn name(data: &[u8]) {
    if let Ok(name) = Dn::from_der(data)
        && !name.is_empty()
    {
        let printed = Attribute::parse_list(&name.to_string());
        assert!(printed.is_ok(), "{name}");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Attribute::parse_list(text);
    }
}

/// A certificate of the peer's, and the list or the answer, are whatever the attacker wants.
fn chain(data: &[u8]) {
    let at = data.first().map_or(0, |length| usize::from(*length) * 16).min(data.len());
    let (sent, said) = data.split_at(at);
    let read = |pem| Certificate::from_pem_bundle(pem).unwrap_or_default();
    let revocation = vec![Revocation::Crl, Revocation::Ocsp];
    let url = Some("http://x/".to_owned());
    let trustpoint = Arc::new(Trustpoint {
        name: "lab".to_owned(),
        vrf: None,
        anchors: read(ANCHOR),
        credential: None,
        revocation,
        crl_url: url.clone(),
        ocsp_url: url,
    });
    let genuine = read(OWN).into_iter().map(|own| own.der);
    let asked = pki::Request { chain: genuine.chain([sent.to_vec()]).collect(), trustpoints: vec![trustpoint] };
    assert!(pki::verify(&asked, NOW, &Attacker(said)).is_err(), "nobody but the CA can say that it is not revoked");
}

struct Attacker<'a>(&'a [u8]);

impl Evidence for Attacker<'_> {
    fn crl(&self, _: Option<&str>, _: &str) -> Result<Arc<Crl>, String> {
        Crl::read(self.0).map(Arc::new).map_err(|error| error.to_string())
    }

    fn ocsp(&self, _: Option<&str>, _: &str, id: &CertId) -> Result<Arc<Response>, String> {
        assert!(!request(id, &[7; 16]).is_empty());
        Response::read(self.0, &[7; 16]).map(Arc::new).map_err(|error| error.to_string())
    }
}
