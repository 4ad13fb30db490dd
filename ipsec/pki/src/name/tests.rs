//! Names: parsing, printing, comparing.

use super::*;
use crate::testing::{oid, sequence, tlv};

/// In the order of the DER; each with the tag of its string.
fn dn(parts: &[(&str, u8, &[u8])]) -> Dn {
    let sets: Vec<_> =
        parts.iter().map(|(id, tag, value)| tlv(0x31, &sequence(&[oid(id), tlv(*tag, value)]))).collect();
    Dn::from_der(&sequence(&sets)).unwrap()
}

const C: &str = "2.5.4.6";
const O: &str = "2.5.4.10";
const CN: &str = "2.5.4.3";
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;

#[test]
fn a_name_is_printed_as_ios_does_the_most_specific_first() {
    let name = dn(&[(C, PRINTABLE, b"DE"), (O, UTF8, b"ISP"), (CN, UTF8, b"pe1")]);
    assert_eq!(name.to_string(), "cn=pe1,o=ISP,c=DE");
    assert_eq!(dn(&[("1.2.3.4", UTF8, b"x")]).to_string(), "1.2.3.4=x");
    assert_eq!(Dn::default().to_string(), "");
}

#[test]
fn names_are_equal_without_regard_to_case_spaces_and_kind_of_string() {
    let one = dn(&[(O, UTF8, b"Our  ISP "), (CN, PRINTABLE, b"PE1")]);
    let same = dn(&[(O, PRINTABLE, b"our isp"), (CN, UTF8, b"pe1")]);
    assert_eq!(one, same);
    assert!(one.cmp(&same).is_eq());
    let swapped = dn(&[(CN, UTF8, b"pe1"), (O, UTF8, b"our isp")]);
    assert_ne!(one, swapped, "order counts");
    let longer = dn(&[(O, UTF8, b"our isp"), (CN, UTF8, b"pe1"), (CN, UTF8, b"x")]);
    assert!(one < longer && one != longer);
    assert_ne!(one, dn(&[(O, UTF8, b"ourisp"), (CN, UTF8, b"pe1")]));
}

#[test]
fn no_value_can_pass_for_another_attribute_or_spoil_a_log() {
    let name = dn(&[(CN, UTF8, b"a,o=ISP\n\"b\\")]);
    assert_eq!(name.to_string(), "cn=a\\,o=ISP\\0a\\\"b\\\\");
    let read = Attribute::parse_list(&name.to_string()).unwrap();
    assert_eq!(read, name.attributes);
}

#[test]
fn strings_of_every_kind_are_text_and_the_rest_is_hexadecimal() {
    let value = |tag, bytes: &[u8]| dn(&[(CN, tag, bytes)]).attributes[0].value.clone();
    assert_eq!(value(UTF8, "Zürich".as_bytes()), "Zürich");
    assert_eq!(value(0x14, b"Z\xfcrich"), "Zürich", "teletex as Latin-1");
    assert_eq!(value(0x1e, b"\0Z\0\xfc"), "Zü", "BMP");
    assert_eq!(value(0x02, &[5]), "#020105");
}

#[test]
fn several_attributes_of_one_part_are_read_one_after_the_other() {
    let pair = |id, value: &[u8]| sequence(&[oid(id), tlv(UTF8, value)]);
    let set = tlv(0x31, &[pair("1.2.840.113549.1.9.2", b"pe1.isp"), pair("2.5.4.5", b"1D7EBD4")].concat());
    let name = Dn::from_der(&sequence(&[set])).unwrap();
    assert_eq!(name.to_string(), "serialnumber=1D7EBD4,unstructuredname=pe1.isp");
}

#[test]
fn what_is_no_name_is_refused() {
    for der in [&[][..], &[0x31, 0], &[0x30, 2, 0x30, 0], &[0x30, 4, 0x31, 2, 5, 0], &[0x30, 0, 0]] {
        assert!(Dn::from_der(der).is_err(), "{der:02x?}");
    }
    assert!(Dn::from_der(&[0x30, 0]).unwrap().is_empty());
}

#[test]
fn configuration_writes_attributes_as_people_do() {
    let read = |text| {
        Attribute::parse_list(text).map(|list| {
            list.iter().map(|one| format!("{}={}", one.kind, one.value)).collect::<Vec<_>>().join("|")
        })
    };
    assert_eq!(read("cn=pe1,o=ISP"), Ok("cn=pe1|o=ISP".to_owned()));
    assert_eq!(read(" CN = pe 1 , Country = DE"), Ok("cn=pe 1|c=DE".to_owned()));
    assert_eq!(read("2.5.4.3=x+9.9=y"), Ok("cn=x|9.9=y".to_owned()));
    assert_eq!(read("o=\"A, B\",ou=C\\, D,cn=\\41b"), Ok("o=A, B|ou=C, D|cn=Ab".to_owned()));
    assert_eq!(read("hostname=r1,email=a@b"), Ok("unstructuredname=r1|e=a@b".to_owned()));
    for bad in ["", "cn", "cn=a,", "frobnicate=x", "=x"] {
        assert!(read(bad).is_err(), "{bad}");
    }
    assert!(read("frobnicate=x").unwrap_err().to_string().contains("frobnicate"));
    assert_eq!(read("cn=é\\é\\"), Ok("cn=éé".to_owned()));
}

#[test]
fn a_name_has_all_or_not() {
    let name = dn(&[(C, PRINTABLE, b"DE"), (O, UTF8, b"ISP"), (CN, UTF8, b"pe1")]);
    let has = |text| name.has_all(&Attribute::parse_list(text).unwrap());
    assert!(has("cn=PE1,c=de") && has("o=isp"));
    assert!(!has("cn=pe1,ou=isp") && !has("cn=pe"));
}
