//! Distinguished names and alternative names (RFC 5280 sections 4.1.2.4 and 4.2.1.6).

use std::net::IpAddr;

/// A distinguished name. Two are equal as RFC 5280 section 7.1 compares them.
#[derive(Clone, Debug, Default)]
pub struct Dn {
    /// DER of the Name, as it stands in an ID payload of type ID_DER_ASN1_DN.
    pub der: Vec<u8>,
    /// In the order of the DER.
    pub attributes: Vec<Attribute>,
}

impl PartialEq for Dn {
    fn eq(&self, other: &Self) -> bool {
        self.attributes.len() == other.attributes.len()
            && self.attributes.iter().zip(&other.attributes).all(|(ours, theirs)| ours.is(theirs))
    }
}

impl Eq for Dn {}

impl Attribute {
    /// Whether both say the same: without regard to case and to the number of spaces.
    pub fn is(&self, other: &Self) -> bool {
        let words = |value: &str| value.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        self.kind == other.kind && words(&self.value) == words(&other.value)
    }
}

/// One `type=value`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// In lower case as IOS and RFC 4514 write it (`cn`, `o`, `ou`, `c`, `l`, `st`, `serialnumber`, `unstructuredname` …),
    /// else the dotted OID.
    pub kind: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AltName {
    Address(IpAddr),
    Dns(String),
    Email(String),
    Directory(Dn),
}

/// One line of a certificate map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    pub field: Field,
    pub test: Test,
    /// Compared without regard to case.
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    SubjectName,
    IssuerName,
    AltSubjectName,
    UnstructuredSubjectName,
    SerialNumber,
    Name,
    ValidStart,
    ExpiresOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    Equal,
    NotEqual,
    Contains,
    NotContains,
    Less,
    GreaterOrEqual,
}
