//! The chain of payloads and their generic header: RFC 7296 section 3.2.

use super::notify::Notify;
pub(crate) use crate::wire::payload::Builder;
use crate::wire::{Malformed, Reader};

pub(crate) const NONE: u8 = 0;
pub(crate) const SA: u8 = 33;
pub(crate) const KEY_EXCHANGE: u8 = 34;
pub(crate) const ID_INITIATOR: u8 = 35;
pub(crate) const ID_RESPONDER: u8 = 36;
pub(crate) const CERTIFICATE: u8 = 37;
pub(crate) const CERTIFICATE_REQUEST: u8 = 38;
pub(crate) const AUTHENTICATION: u8 = 39;
pub(crate) const NONCE: u8 = 40;
pub(crate) const NOTIFY: u8 = 41;
pub(crate) const DELETE: u8 = 42;
pub(crate) const TS_INITIATOR: u8 = 44;
pub(crate) const TS_RESPONDER: u8 = 45;
/// SK.
pub(crate) const ENCRYPTED: u8 = 46;
pub(crate) const EAP: u8 = 48;
/// SKF, RFC 7383.
pub(crate) const ENCRYPTED_FRAGMENT: u8 = 53;

/// More than any peer sends; a longer chain is refused.
const MOST_PAYLOADS: usize = 64;

pub(crate) const GENERIC_HEADER: usize = 4;
const CRITICAL: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payload<'a> {
    pub(crate) kind: u8,
    /// A recipient that does not know `kind` must refuse the message.
    pub(crate) critical: bool,
    pub(crate) body: &'a [u8],
}

/// The payloads of a message, undecoded, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain<'a> {
    payloads: Vec<Payload<'a>>,
    /// If the last payload is encrypted: the type of the first one in it.
    inner: u8,
}

impl<'a> Chain<'a> {
    /// Splits all of `bytes` into payloads, the first of type `next`. An encrypted payload ends the chain.
    pub(crate) fn decode(next: u8, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (mut next, mut reader, mut chain) = (next, Reader::new(bytes), Self::default());
        while next != NONE {
            if chain.payloads.len() == MOST_PAYLOADS {
                return Err(Malformed("too-many-payloads"));
            }
            let (following, payload) = one(next, &mut reader)?;
            chain.payloads.push(payload);
            next = following;
            if matches!(payload.kind, ENCRYPTED | ENCRYPTED_FRAGMENT) {
                (chain.inner, next) = (next, NONE);
            }
        }
        if reader.is_empty() { Ok(chain) } else { Err(Malformed("bytes-after-last-payload")) }
    }

    /// The body of the first payload of a type.
    pub(crate) fn first(&self, kind: u8) -> Result<&'a [u8], Malformed> {
        self.find(kind).ok_or(Malformed("missing-payload"))
    }

    pub(crate) fn find(&self, kind: u8) -> Option<&'a [u8]> {
        self.all(kind).next()
    }

    pub(crate) fn has(&self, kind: u8) -> bool {
        self.find(kind).is_some()
    }

    pub(crate) fn all(&self, kind: u8) -> impl Iterator<Item = &'a [u8]> {
        self.payloads.iter().filter(move |payload| payload.kind == kind).map(|payload| payload.body)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Payload<'a>> {
        self.payloads.iter()
    }

    /// A payload that we do not know and must: what UNSUPPORTED_CRITICAL_PAYLOAD names.
    pub(crate) fn unsupported(&self) -> Option<u8> {
        let unknown = |payload: &&Payload<'_>| payload.critical && !is_known(payload.kind);
        self.payloads.iter().find(unknown).map(|payload| payload.kind)
    }

    /// Every notify, in order.
    pub(crate) fn notifies(&self) -> Result<Vec<Notify>, Malformed> {
        self.all(NOTIFY).map(Notify::decode).collect()
    }

    /// The first notify of a type; those that are malformed are passed over.
    pub(crate) fn notify(&self, kind: u16) -> Option<Notify> {
        self.all(NOTIFY).filter_map(|body| Notify::decode(body).ok()).find(|notify| notify.kind == kind)
    }

    pub(crate) fn notified(&self, kind: u16) -> bool {
        self.notify(kind).is_some()
    }

    /// The first notify that is an error.
    pub(crate) fn error(&self) -> Option<Notify> {
        self.all(NOTIFY).filter_map(|body| Notify::decode(body).ok()).find(Notify::is_error)
    }

    /// The encrypted payload at the end: its type, the type of the first payload in it, its body.
    pub(crate) fn encrypted(&self) -> Option<(u8, u8, &'a [u8])> {
        let last = self.payloads.last()?;
        matches!(last.kind, ENCRYPTED | ENCRYPTED_FRAGMENT).then_some((last.kind, self.inner, last.body))
    }
}

fn one<'a>(kind: u8, reader: &mut Reader<'a>) -> Result<(u8, Payload<'a>), Malformed> {
    let (next, flags, length) = (reader.byte()?, reader.byte()?, reader.short()?);
    let length = usize::from(length).checked_sub(GENERIC_HEADER).ok_or(Malformed("bad-payload-length"))?;
    Ok((next, Payload { kind, critical: flags & CRITICAL != 0, body: reader.take(length)? }))
}

/// RFC 7296 defines them all, so that none needs the critical bit.
const fn is_known(kind: u8) -> bool {
    matches!(kind, SA..=EAP | ENCRYPTED_FRAGMENT)
}
