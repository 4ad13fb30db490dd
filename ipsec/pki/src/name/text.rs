//! Distinguished names as text: read from configuration and written (RFC 4514 with IOS's habits).

use std::fmt;

use der::Tag;
use der::Tagged as _;
use der::asn1::AnyRef;

use super::{Attribute, Dn};
use crate::Malformed;
use crate::asn1;

/// The short name that we write, its OID, and other names that we read.
const KINDS: [(&str, &str, &[&str]); 22] = [
    ("cn", "2.5.4.3", &["commonname"]),
    ("sn", "2.5.4.4", &["surname"]),
    ("serialnumber", "2.5.4.5", &[]),
    ("c", "2.5.4.6", &["country"]),
    ("l", "2.5.4.7", &["locality"]),
    ("st", "2.5.4.8", &["s", "sp", "state"]),
    ("street", "2.5.4.9", &["streetaddress"]),
    ("o", "2.5.4.10", &["organization"]),
    ("ou", "2.5.4.11", &["organizationalunit"]),
    ("title", "2.5.4.12", &["t"]),
    ("postalcode", "2.5.4.17", &[]),
    ("name", "2.5.4.41", &[]),
    ("givenname", "2.5.4.42", &["gn", "g"]),
    ("initials", "2.5.4.43", &[]),
    ("generationqualifier", "2.5.4.44", &[]),
    ("dnqualifier", "2.5.4.46", &[]),
    ("uid", "0.9.2342.19200300.100.1.1", &["userid"]),
    ("dc", "0.9.2342.19200300.100.1.25", &["domaincomponent"]),
    ("e", "1.2.840.113549.1.9.1", &["emailaddress", "email", "ea"]),
    ("unstructuredname", "1.2.840.113549.1.9.2", &["hostname"]),
    ("unstructuredaddress", "1.2.840.113549.1.9.8", &["ipaddress"]),
    ("organizationidentifier", "2.5.4.97", &[]),
];

/// What stands between two attributes, as it does in RFC 4514 and in multi-valued parts.
const SEPARATORS: [char; 3] = [',', '+', ';'];

/// Kinds of string with a byte a character, or in UTF-8.
const PLAIN: [Tag; 6] = [
    Tag::Utf8String,
    Tag::PrintableString,
    Tag::Ia5String,
    Tag::TeletexString,
    Tag::NumericString,
    Tag::VisibleString,
];

impl Attribute {
    /// Reads `cn=pe1,o=ISP` (RFC 4514, also with spaces around the marks); `\` and double quotes protect
    /// what would separate. At least one attribute.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, Malformed> {
        split(text).iter().map(|part| Self::parse(part)).collect()
    }

    fn parse(part: &str) -> Result<Self, Malformed> {
        let (kind, value) = part
            .split_once('=')
            .ok_or_else(|| Malformed::new("type=value", format!("\"{}\" has no =", part.trim())))?;
        let kind = kind.trim().to_lowercase();
        let known = KINDS
            .iter()
            .find(|(short, oid, others)| kind == *short || kind == *oid || others.contains(&kind.as_str()));
        let dotted = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_digit() || c == '.');
        let kind = match known {
            Some((short, _, _)) => (*short).to_owned(),
            None if dotted => kind,
            None => return Err(Malformed::new("an attribute of a name", format!("\"{kind}\" is not known"))),
        };
        Ok(Self { kind, value: unquote(value) })
    }
}

/// At separators that nothing protects.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in text.chars() {
        if !quoted && !escaped && SEPARATORS.contains(&c) {
            parts.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// The value without its protection and without spaces around it.
fn unquote(value: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), value.trim().chars());
    while let Some(c) = rest.next() {
        match c {
            '"' => {}
            '\\' => out.extend(escaped(&mut rest)),
            _ => out.extend(c.to_string().bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What follows a backslash: two hexadecimal digits are one byte, anything else is itself.
fn escaped(rest: &mut std::str::Chars<'_>) -> Vec<u8> {
    let two = rest.as_str().get(..2).filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if let Some(byte) = two.and_then(|two| u8::from_str_radix(two, 16).ok()) {
        rest.next();
        rest.next();
        return vec![byte];
    }
    rest.next().map(|c| c.to_string().into_bytes()).unwrap_or_default()
}

pub(super) fn kind_of(oid: &str) -> String {
    let known = KINDS.iter().find(|(_, known, _)| *known == oid);
    known.map_or(oid, |(short, _, _)| short).to_owned()
}

/// A DirectoryString or IA5String as text; anything else as `#` and its DER in hexadecimal.
pub(super) fn value_of(value: AnyRef<'_>) -> String {
    let bytes = value.value();
    let tag = value.tag();
    if PLAIN.contains(&tag) {
        return plain(bytes);
    }
    if tag == Tag::BmpString && bytes.len().is_multiple_of(2) {
        return wide(bytes);
    }
    format!("#{}", hex(&asn1::bytes(value)))
}

/// UTF-8; what is not is Latin-1, as old CAs write it.
fn plain(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

fn wide(bytes: &[u8]) -> String {
    let units =
        bytes.chunks_exact(2).map(|two| two.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, attribute) in self.attributes.iter().rev().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{attribute}")?;
        }
        Ok(())
    }
}

/// What would separate is escaped, and what would spoil a line of a log.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.kind)?;
        for c in self.value.chars() {
            match c {
                '\\' | '"' => write!(f, "\\{c}")?,
                _ if SEPARATORS.contains(&c) => write!(f, "\\{c}")?,
                _ if c.is_control() => {
                    c.to_string().bytes().try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
                }
                _ => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}
