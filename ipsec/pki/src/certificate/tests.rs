//! Fields, names and identities, of certificates made by OpenSSL and by hand.

use super::*;
use crate::testing::{NOW, Template, extension, key_usage, sequence, tlv};

const PE1: &[u8] = include_bytes!("../../testdata/pe1.pem");
const PE2: &[u8] = include_bytes!("../../testdata/pe2.pem");
const SUB: &[u8] = include_bytes!("../../testdata/sub.pem");

fn read(pem: &[u8]) -> Certificate {
    Certificate::from_pem_bundle(pem).unwrap().remove(0)
}

fn dns(name: &str) -> AltName {
    AltName::Dns(name.to_owned())
}

fn address(text: &str) -> AltName {
    AltName::Address(text.parse().unwrap())
}

#[test]
fn every_field_of_a_certificate_is_read() {
    let pe1 = read(PE1);
    assert_eq!(pe1.subject.to_string(), "ou=Edge,cn=PE1,o=ISP,c=DE");
    assert_eq!(pe1.issuer, read(SUB).subject);
    assert_eq!(pe1.serial_text(), "1002");
    assert_eq!(Utc(pe1.not_before).to_string(), "2020-01-01 00:00:00 UTC");
    assert_eq!(Utc(pe1.not_after).to_string(), "2120-01-01 00:00:00 UTC");
    assert_eq!(pe1.crl_urls, ["http://crl.isp.example/sub.crl"]);
    assert_eq!(pe1.ocsp_urls, ["http://ocsp.isp.example/"]);
    let names: Vec<String> = pe1.alt_names.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["pe1.isp.example", "192.0.2.1", "2001:db8::1", "noc@isp.example", "cn=PE one,o=ISP,c=DE"]
    );
    assert_eq!((pe1.is_ca, pe1.usage(), pe1.key_kind()), (false, Usage::Signature, Some(Kind::EcP256)));
    let sub = read(SUB);
    assert_eq!((sub.is_ca, sub.rest.path_limit, sub.key_kind()), (true, Some(0), Some(Kind::EcP384)));
    assert_eq!(pe1.rest.authority_key, sub.rest.subject_key);
    assert!(sub.rest.subject_key.is_some());
}

/// OpenSSL's subject key identifier is SHA-1 of the key alone; that of a CERTREQ is of the whole SPKI.
#[test]
fn a_ca_is_named_by_the_hash_of_its_whole_public_key() {
    let sub = read(SUB);
    assert_eq!(sub.key_hash(), Hash::Sha1.digest(&[&sub.spki]));
    assert_ne!(Some(sub.key_hash()), sub.rest.subject_key);
    assert_eq!(sub.spki[0], 0x30);
}

#[test]
fn an_alternative_name_proves_an_identity_and_no_other() {
    let pe1 = read(PE1);
    for claim in [dns("PE1.isp.example"), address("192.0.2.1"), address("2001:db8::1")] {
        assert_eq!(pe1.proves(&claim), Ok(()), "{claim}");
    }
    assert_eq!(pe1.proves(&AltName::Email("noc@isp.example".to_owned())), Ok(()));
    assert_eq!(pe1.proves(&AltName::Directory(pe1.subject.clone())), Ok(()));
    let refusal = pe1.proves(&address("192.0.2.2")).unwrap_err();
    assert_eq!(refusal.what, "identity-not-in-certificate");
    assert!(
        refusal.detail.contains("says it is 192.0.2.2") && refusal.detail.contains("pe1.isp.example"),
        "{refusal}"
    );
    for claim in [dns("isp.example"), dns("PE1"), AltName::Email("pe1.isp.example".to_owned())] {
        assert!(pe1.proves(&claim).is_err(), "{claim}");
    }
    assert!(pe1.proves(&AltName::Directory(pe1.issuer.clone())).is_err());
    assert!(pe1.proves(&AltName::Directory(Dn::default())).is_err(), "an empty name proves nothing");
}

#[test]
fn the_subject_proves_a_name_only_where_no_alternative_name_of_its_kind_stands() {
    let pe2 = read(PE2);
    assert_eq!(pe2.subject.to_string(), "unstructuredname=pe2.isp.example,cn=pe2,o=ISP,c=DE");
    assert!(pe2.proves(&dns("pe2.isp.example")).is_err(), "it has DNS names");
    let mut bare = Certificate { alt_names: vec![], ..pe2.clone() };
    bare.subject.attributes.extend(crate::Attribute::parse_list("e=pe2@isp.example").unwrap());
    assert!(bare.proves(&dns("pe2.isp.example")).is_ok() && bare.proves(&dns("pe2")).is_ok());
    assert!(bare.proves(&AltName::Email("pe2@isp.example".to_owned())).is_ok());
    let addressed = Certificate { alt_names: vec![address("192.0.2.9")], ..pe2 };
    assert!(addressed.proves(&dns("pe2.isp.example")).is_ok());
    assert!(addressed.proves(&dns("pe2")).is_err(), "cn only without any alternative name");
}

#[test]
fn key_usage_is_what_show_prints() {
    let usage = |bits: &[u8]| Template::router("r", 1, "r").with(key_usage(bits)).issue(1).usage();
    assert_eq!(Template::router("r", 1, "r").issue(1).usage(), Usage::General);
    assert_eq!(usage(&[0, 2]), Usage::General);
    assert_eq!(usage(&[0]), Usage::Signature);
    assert_eq!(usage(&[2]), Usage::Encryption);
    assert_eq!(usage(&[5, 6]), Usage::Other);
}

#[test]
fn partial_distribution_points_and_other_schemes_are_passed_over() {
    let uri = |url: &str| tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes())));
    let partial = sequence(&[uri("http://a/"), tlv(0x81, &[6, 0x40])]);
    let points = sequence(&[partial, sequence(&[uri("ldap://b/")]), sequence(&[uri("HTTP://c/")])]);
    let own = Template::router("r", 1, "r").with(extension("2.5.29.31", false, &points)).issue(1);
    assert_eq!(own.crl_urls, ["HTTP://c/"]);
}

#[test]
fn what_is_malformed_is_refused() {
    let twice = Template::router("r", 1, "r").with(key_usage(&[0])).with(key_usage(&[0]));
    assert!(Certificate::from_der(&twice.der(1)).unwrap_err().to_string().contains("twice"));
    let broken = Template::router("r", 1, "r").with(extension("2.5.29.19", true, &[4, 0]));
    assert!(Certificate::from_der(&broken.der(1)).unwrap_err().to_string().contains("2.5.29.19"));
    let mut ambiguous = Template::router("r", 1, "r").der(1);
    let outer = ambiguous.windows(5).rposition(|five| five == [6, 3, 0x2b, 0x65, 0x70]).unwrap();
    ambiguous[outer + 4] = 0x71;
    assert!(Certificate::from_der(&ambiguous).unwrap_err().to_string().contains("two signature algorithms"));
    let mut trailing = Template::router("r", 1, "r").der(1);
    trailing.push(0);
    assert!(Certificate::from_der(&trailing).is_err());
}

#[test]
fn no_byte_changed_and_no_cut_makes_a_parser_panic() {
    let whole = read(PE1).der;
    for place in 0..whole.len() {
        let _ = Certificate::from_der(&whole[..place]);
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[place] ^= 1 << bit;
            if let Ok(certificate) = Certificate::from_der(&changed) {
                let _ = (certificate.key_kind(), certificate.status(NOW), certificate.subject.to_string());
            }
        }
    }
}
