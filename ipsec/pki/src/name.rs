//! Distinguished names and alternative names (RFC 5280 sections 4.1.2.4, 4.2.1.6 and 7.1).

mod text;

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Sequence, Tag, Tagged};

use crate::Malformed;
use crate::asn1;

/// A distinguished name. Two are equal, and in order, as RFC 5280 section 7.1 compares them. Display is
/// IOS's: the most specific attribute first, `cn=pe1,o=ISP,c=DE`.
#[derive(Clone, Debug, Default)]
pub struct Dn {
    /// DER of the Name, as it stands in an ID payload of type ID_DER_ASN1_DN.
    pub der: Vec<u8>,
    /// In the order of the DER.
    pub attributes: Vec<Attribute>,
}

/// One `type=value`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// In lower case as IOS and RFC 4514 write it (`cn`, `o`, `ou`, `c`, `l`, `st`, `serialnumber`, `unstructuredname` …),
    /// else the dotted OID.
    pub kind: String,
    pub value: String,
}

/// A name that an alternative name of a certificate, or an ID payload of IKE, can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AltName {
    Address(IpAddr),
    Dns(String),
    Email(String),
    Directory(Dn),
}

#[derive(Sequence)]
struct TypeAndValue<'a> {
    kind: ObjectIdentifier,
    value: AnyRef<'a>,
}

impl Dn {
    /// Total; the work is bounded by the length.
    pub fn from_der(der: &[u8]) -> Result<Self, Malformed> {
        let attributes = asn1::decode("a distinguished name", der).and_then(|name| {
            attributes(name).map_err(|error| Malformed::new("a distinguished name", error))
        })?;
        Ok(Self { der: der.to_vec(), attributes })
    }

    pub const fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// The values of one kind of attribute, in the order of the DER.
    pub fn values(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter(move |attribute| attribute.kind == kind).map(|one| one.value.as_str())
    }

    /// Whether all of `wanted` stand in it (DN-01).
    pub fn has_all(&self, wanted: &[Attribute]) -> bool {
        wanted.iter().all(|wanted| self.attributes.iter().any(|attribute| attribute.is(wanted)))
    }
}

fn attributes(name: AnyRef<'_>) -> der::Result<Vec<Attribute>> {
    name.tag().assert_eq(Tag::Sequence)?;
    let mut attributes = Vec::new();
    for set in asn1::each::<AnyRef<'_>>(name)? {
        set.tag().assert_eq(Tag::Set)?;
        attributes.extend(asn1::each::<TypeAndValue<'_>>(set)?.iter().map(Attribute::from));
    }
    Ok(attributes)
}

impl Attribute {
    /// Whether both say the same: without regard to case and to the number of spaces.
    pub fn is(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }

    fn order(&self, other: &Self) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| fold(&self.value).cmp(&fold(&other.value)))
    }
}

/// How values are compared: in lower case, with single spaces.
pub(crate) fn fold(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

impl From<&TypeAndValue<'_>> for Attribute {
    fn from(pair: &TypeAndValue<'_>) -> Self {
        Self { kind: text::kind_of(&pair.kind.to_string()), value: text::value_of(pair.value) }
    }
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Dn {}

impl Ord for Dn {
    fn cmp(&self, other: &Self) -> Ordering {
        let pairs = self.attributes.iter().zip(&other.attributes);
        let differing = pairs.map(|(ours, theirs)| ours.order(theirs)).find(|order| order.is_ne());
        differing.unwrap_or_else(|| self.attributes.len().cmp(&other.attributes.len()))
    }
}

impl PartialOrd for Dn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for AltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Dns(name) | Self::Email(name) => f.write_str(&name.escape_debug().to_string()),
            Self::Directory(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
