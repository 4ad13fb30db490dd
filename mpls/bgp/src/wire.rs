//! BGP messages in our own types, over a codec crate whose types appear in this folder only; RFC 4271 section 4.

mod attributes;

mod family;

mod next_hop;

mod nlri;

mod notification;
pub(crate) use notification::Notification;

mod open;
pub(crate) use open::{Offer, Open, RestartOffer};

mod update;
pub(crate) use update::{Cache, Decoded, Reader, TooLong, Writer};

use rustbgpd_wire as codec;

use crate::io::AddressFamily;
use crate::session::Refresh;

/// A message as it was received. An UPDATE's body is read by `Reader`, which knows what was negotiated.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Open(Open),
    Update(&'a [u8]),
    Notification(Notification),
    Keepalive,
    /// `None`: of a family, or of a kind, that we do not know.
    Refresh(Option<(AddressFamily, Refresh)>),
}

/// The longest message in octets: RFC 4271, RFC 8654.
pub(crate) const LONGEST: u16 = codec::MAX_MESSAGE_LEN;
pub(crate) const LONGEST_EXTENDED: u16 = codec::EXTENDED_MAX_MESSAGE_LEN;

/// The first message of `bytes` and its length, or `None` while it is not there whole.
pub(crate) fn take(bytes: &[u8], longest: u16) -> Result<Option<(Message<'_>, usize)>, Notification> {
    let Some(length) = codec::peek_message_length(bytes, longest)? else { return Ok(None) };
    let kind = bytes[HEADER - 1];
    let least = match kind {
        OPEN => 29,
        UPDATE => 23,
        NOTIFICATION => 21,
        REFRESH => 23,
        _ => HEADER,
    };
    if usize::from(length) < least || (kind == KEEPALIVE && usize::from(length) != HEADER) {
        return Err(Notification::bad_length(length));
    }
    let Some(message) = bytes.get(..usize::from(length)) else { return Ok(None) };
    let body = &message[HEADER..];
    let message = match kind {
        OPEN => Message::Open(Open::read(body)?),
        UPDATE => Message::Update(body),
        NOTIFICATION => Message::Notification(Notification::read(body)),
        REFRESH => Message::Refresh(refresh(message, body)?),
        _ => Message::Keepalive,
    };
    Ok(Some((message, usize::from(length))))
}

/// RFC 7313 section 5: only a wrong length is an error, and only of a message that we know.
fn refresh(message: &[u8], body: &[u8]) -> Result<Option<(AddressFamily, Refresh)>, Notification> {
    let kind = match body[2] {
        0 => Refresh::Request,
        1 => Refresh::Begin,
        2 => Refresh::End,
        _ => return Ok(None),
    };
    if body.len() != 4 {
        return Err(Notification::refresh_length(message));
    }
    let family = family::known(u16::from_be_bytes([body[0], body[1]]), body[3]);
    Ok(family.map(|family| (family, kind)))
}

pub(crate) fn write_keepalive(out: &mut Vec<u8>) {
    let length = u16::try_from(HEADER).unwrap_or(LONGEST);
    codec::BgpHeader { length, message_type: codec::MessageType::Keepalive }.encode(out);
}

pub(crate) fn write_refresh(family: AddressFamily, what: Refresh, out: &mut Vec<u8>) {
    let (afi, safi) = family::codec(family);
    let subtype = match what {
        Refresh::Request => codec::RouteRefreshSubtype::Normal,
        Refresh::Begin => codec::RouteRefreshSubtype::BoRR,
        Refresh::End => codec::RouteRefreshSubtype::EoRR,
    };
    let message = codec::RouteRefreshMessage::new_with_subtype(afi, safi, subtype);
    // 23 octets fit.
    let _ = message.encode(out);
}

const HEADER: usize = 19;
const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;
const REFRESH: u8 = 5;

#[cfg(test)]
mod tests;
