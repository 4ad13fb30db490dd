//! The chain of payloads and their generic header: RFC 2408 section 3.2.

use super::{Malformed, Reader, length16};

pub(crate) const NONE: u8 = 0;
pub(crate) const SA: u8 = 1;
pub(crate) const PROPOSAL: u8 = 2;
pub(crate) const TRANSFORM: u8 = 3;
pub(crate) const KEY_EXCHANGE: u8 = 4;
pub(crate) const ID: u8 = 5;
pub(crate) const CERTIFICATE: u8 = 6;
pub(crate) const CERTIFICATE_REQUEST: u8 = 7;
pub(crate) const HASH: u8 = 8;
pub(crate) const SIGNATURE: u8 = 9;
pub(crate) const NONCE: u8 = 10;
pub(crate) const NOTIFY: u8 = 11;
pub(crate) const DELETE: u8 = 12;
pub(crate) const VENDOR: u8 = 13;
pub(crate) const NAT_DETECTION: u8 = 20;
/// As in the drafts that became RFC 3947.
pub(crate) const NAT_DETECTION_DRAFT: u8 = 130;
/// Part of a message that is too long for one datagram.
pub(crate) const FRAGMENT: u8 = 132;

/// More than any peer sends; a longer chain is refused.
const MOST_PAYLOADS: usize = 64;

const GENERIC_HEADER: usize = 4;

/// The payloads of a message, undecoded, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain<'a> {
    payloads: Vec<(u8, &'a [u8])>,
    /// All of them with their headers, without the padding that follows.
    bytes: &'a [u8],
}

impl<'a> Chain<'a> {
    /// Splits `bytes` into payloads, the first of type `next`. What follows the last one is padding.
    pub(crate) fn decode(next: u8, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (mut next, mut reader) = (next, Reader::new(bytes));
        let mut payloads = Vec::new();
        while next != NONE {
            if payloads.len() == MOST_PAYLOADS {
                return Err(Malformed("too-many-payloads"));
            }
            let (following, body) = one(&mut reader)?;
            payloads.push((next, body));
            next = following;
        }
        let used = bytes.len() - reader.rest().len();
        Ok(Self { payloads, bytes: bytes.get(..used).unwrap_or(bytes) })
    }

    /// The body of the first payload of a type.
    pub(crate) fn first(&self, kind: u8) -> Result<&'a [u8], Malformed> {
        self.all(kind).next().ok_or(Malformed("missing-payload"))
    }

    pub(crate) fn all(&self, kind: u8) -> impl Iterator<Item = &'a [u8]> {
        self.payloads.iter().filter(move |payload| payload.0 == kind).map(|payload| payload.1)
    }

    /// If the first payload is a HASH: its body, and all bytes after it (RFC 2409 section 5.5).
    pub(crate) fn hashed(&self) -> Result<(&'a [u8], &'a [u8]), Malformed> {
        match self.payloads.first() {
            Some((HASH, body)) => {
                Ok((body, self.bytes.get(GENERIC_HEADER + body.len()..).unwrap_or_default()))
            }
            Some(_) | None => Err(Malformed("hash-payload-not-first")),
        }
    }
}

/// The type of the payload after it, and its body.
pub(crate) fn one<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), Malformed> {
    let next = reader.byte()?;
    reader.byte()?;
    let length = usize::from(reader.short()?);
    let body = length.checked_sub(GENERIC_HEADER).ok_or(Malformed("bad-payload-length"))?;
    Ok((next, reader.take(body)?))
}

/// Strings payloads together.
#[derive(Default)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
    first: u8,
    /// Where the type of the payload to come is to be written.
    link: Option<usize>,
}

impl Builder {
    pub(crate) fn push(&mut self, kind: u8, body: &[u8]) -> &mut Self {
        match self.link.and_then(|link| self.bytes.get_mut(link)) {
            Some(next) => *next = kind,
            None => self.first = kind,
        }
        self.link = Some(self.bytes.len());
        self.bytes.extend_from_slice(&[NONE, 0]);
        self.bytes.extend_from_slice(&length16(GENERIC_HEADER + body.len()).to_be_bytes());
        self.bytes.extend_from_slice(body);
        self
    }

    /// The type of the first payload.
    pub(crate) const fn first(&self) -> u8 {
        self.first
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
