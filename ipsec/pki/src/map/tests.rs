//! Criteria of certificate maps against a certificate made by OpenSSL.

use super::*;

fn holds(field: Field, test: Test, value: &str) -> bool {
    let pe2 = Certificate::from_pem_bundle(include_bytes!("../../testdata/pe2.pem")).unwrap().remove(0);
    Criterion::new(field, test, value).unwrap().holds(&pe2)
}

#[test]
fn subject_and_issuer_are_compared_by_attributes() {
    use Field::{IssuerName, SubjectName};
    use Test::{Contains, Equal, NotContains, NotEqual};
    assert!(holds(SubjectName, Contains, "o = isp") && holds(SubjectName, Contains, "CN=pe2, o=ISP"));
    assert!(holds(SubjectName, Contains, "cn=pe"), "as text it would be a part");
    assert!(!holds(SubjectName, Contains, "cn=e2"), "but not this");
    assert!(holds(SubjectName, Contains, "isp"), "text without a type is looked for in all values");
    assert!(!holds(SubjectName, Contains, "ou=isp"));
    assert!(holds(SubjectName, NotContains, "ou=isp") && !holds(SubjectName, NotContains, "o=isp"));
    assert!(
        holds(IssuerName, Equal, "cn=isp sub,o=isp,c=de")
            && holds(IssuerName, Equal, "c=DE,o=ISP,cn=ISP Sub")
    );
    assert!(!holds(IssuerName, Equal, "cn=isp sub,o=isp") && holds(IssuerName, NotEqual, "cn=isp sub,o=isp"));
}

#[test]
fn alternative_names_names_of_any_kind_and_unstructured_names() {
    use Field::{AltSubjectName, Name, UnstructuredSubjectName};
    use Test::{Contains, Equal, NotContains};
    assert!(holds(AltSubjectName, Equal, "PE1.isp.example") && holds(AltSubjectName, Equal, "192.0.2.1"));
    assert!(holds(AltSubjectName, Contains, "isp.example") && !holds(AltSubjectName, Equal, "isp.example"));
    assert!(holds(AltSubjectName, Contains, "cn=pe one"), "a directory name");
    assert!(
        holds(Name, Contains, "cn=pe2")
            && holds(Name, Contains, "cn=isp sub")
            && holds(Name, Contains, "noc@")
    );
    assert!(holds(Name, NotContains, "nobody"));
    assert!(holds(UnstructuredSubjectName, Equal, "PE2.isp.example"));
    assert!(
        holds(UnstructuredSubjectName, Contains, "isp") && !holds(UnstructuredSubjectName, Contains, "pe1")
    );
}

#[test]
fn serial_numbers_are_hexadecimal() {
    use Field::SerialNumber;
    use Test::{Contains, Equal, NotEqual};
    assert!(holds(SerialNumber, Equal, "1003") && holds(SerialNumber, Equal, "0x00 10 03"));
    assert!(holds(SerialNumber, Contains, "00") && holds(SerialNumber, NotEqual, "1002"));
}

#[test]
fn dates_are_compared_in_both_forms() {
    use Field::{ExpiresOn, ValidStart};
    use Test::{Equal, GreaterOrEqual, Less, NotEqual};
    assert!(
        holds(ValidStart, Equal, "01 01 2020 00:00:00")
            && holds(ValidStart, GreaterOrEqual, "jan 01 2020 00:00:00")
    );
    assert!(
        holds(ValidStart, Less, "January 01 2020 00:00:01")
            && !holds(ValidStart, Less, "01 01 2020 00:00:00")
    );
    assert!(
        holds(ExpiresOn, GreaterOrEqual, "Dec 31 2119 23:59:59")
            && holds(ExpiresOn, NotEqual, "01 01 2020 00:00:00")
    );
}

#[test]
fn a_test_the_field_does_not_have_and_a_date_that_is_none_are_refused() {
    let refused = |field, test, value| Criterion::new(field, test, value).unwrap_err().to_string();
    assert!(refused(Field::SubjectName, Test::Less, "x").contains("eq, ne, co and nc"));
    assert!(refused(Field::ExpiresOn, Test::Contains, "01 01 2020 00:00:00").contains("lt and ge"));
    for date in
        ["", "tomorrow", "32 01 2020 00:00:00", "01 01 2020", "01 01 2020 24:00:00", "foo 01 2020 00:00:00"]
    {
        assert!(refused(Field::ExpiresOn, Test::Less, date).contains("write"), "{date}");
    }
}
