//! Messages: their header and which they are, RFC 5036 sections 3.4 and 3.5.

use core::net::IpAddr;

use super::address;
use super::hello::Hello;
use super::initialization::Initialization;
use super::label::LabelMessage;
use super::notification::{Fault, Notification, Status};
use super::tlv::UNKNOWN;

pub(crate) mod kind {
    //! The types of messages, RFC 5036 section 3.7.
    pub(crate) const NOTIFICATION: u16 = 0x0001;
    pub(crate) const HELLO: u16 = 0x0100;
    pub(crate) const INITIALIZATION: u16 = 0x0200;
    pub(crate) const KEEPALIVE: u16 = 0x0201;
    /// RFC 5561 section 5.
    pub(crate) const CAPABILITY: u16 = 0x0202;
    pub(crate) const ADDRESS: u16 = 0x0300;
    pub(crate) const ADDRESS_WITHDRAW: u16 = 0x0301;
    pub(crate) const MAPPING: u16 = 0x0400;
    pub(crate) const REQUEST: u16 = 0x0401;
    pub(crate) const WITHDRAW: u16 = 0x0402;
    pub(crate) const RELEASE: u16 = 0x0403;
    pub(crate) const ABORT: u16 = 0x0404;
}

/// A message whose body is not looked into yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    /// With its U bit.
    pub(crate) kind: u16,
    pub(crate) id: u32,
    body: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Notification(Notification),
    Hello(Hello),
    Initialization(Initialization),
    KeepAlive,
    /// The TLVs of a Capability message.
    Capability(Vec<u8>),
    Address(Vec<IpAddr>),
    AddressWithdraw(Vec<IpAddr>),
    Mapping(LabelMessage),
    Request(LabelMessage),
    Withdraw(LabelMessage),
    Release(LabelMessage),
    Abort(LabelMessage),
    /// Of a type that its sender lets us pass over.
    Strange,
}

impl<'a> Envelope<'a> {
    /// The first message of those in a PDU, and the rest.
    pub(crate) fn take(messages: &'a [u8]) -> Result<(Self, &'a [u8]), Fault> {
        let bad = Fault(Status::BAD_MESSAGE_LENGTH);
        let (&[t0, t1, l0, l1], rest) = messages.split_first_chunk::<4>().ok_or(bad)?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (whole, rest) = rest.split_at_checked(length).ok_or(bad)?;
        let (id, body) = whole.split_first_chunk::<4>().ok_or(bad)?;
        Ok((Self { kind: u16::from_be_bytes([t0, t1]), id: u32::from_be_bytes(*id), body }, rest))
    }

    pub(crate) fn open(self) -> Result<Message, Fault> {
        let body = self.body;
        Ok(match self.kind & !UNKNOWN {
            kind::NOTIFICATION => Message::Notification(Notification::decode(body)?),
            kind::HELLO => Message::Hello(Hello::decode(body)?),
            kind::INITIALIZATION => Message::Initialization(Initialization::decode(body)?),
            kind::KEEPALIVE => Message::KeepAlive,
            kind::CAPABILITY => Message::Capability(body.to_vec()),
            kind::ADDRESS => Message::Address(address::decode(body)?),
            kind::ADDRESS_WITHDRAW => Message::AddressWithdraw(address::decode(body)?),
            kind::MAPPING => Message::Mapping(mapping(body)?),
            kind::REQUEST => Message::Request(LabelMessage::decode(body)?),
            kind::WITHDRAW => Message::Withdraw(LabelMessage::decode(body)?),
            kind::RELEASE => Message::Release(LabelMessage::decode(body)?),
            kind::ABORT => Message::Abort(LabelMessage::decode(body)?),
            _ if self.kind & UNKNOWN != 0 => Message::Strange,
            _ => return Err(Status::UNKNOWN_MESSAGE.into()),
        })
    }
}

impl Message {
    /// Its bytes; several messages only where the addresses do not fit one. `id` gives a number to each.
    pub(crate) fn encode(&self, mut id: impl FnMut() -> u32) -> Vec<Vec<u8>> {
        let mut one = |kind: u16, body: &[u8]| sealed(kind, id(), body);
        let mut body = Vec::new();
        let kind = match self {
            Self::Address(list) => {
                return address::encode(list).iter().map(|body| one(kind::ADDRESS, body)).collect();
            }
            Self::AddressWithdraw(list) => {
                return address::encode(list).iter().map(|body| one(kind::ADDRESS_WITHDRAW, body)).collect();
            }
            Self::Notification(notification) => {
                notification.encode(&mut body);
                kind::NOTIFICATION
            }
            Self::Hello(hello) => {
                hello.encode(&mut body);
                kind::HELLO
            }
            Self::Initialization(initialization) => {
                initialization.encode(&mut body);
                kind::INITIALIZATION
            }
            Self::KeepAlive => kind::KEEPALIVE,
            Self::Capability(tlvs) => {
                body.extend_from_slice(tlvs);
                kind::CAPABILITY
            }
            Self::Mapping(message) => labels(message, &mut body, kind::MAPPING),
            Self::Request(message) => labels(message, &mut body, kind::REQUEST),
            Self::Withdraw(message) => labels(message, &mut body, kind::WITHDRAW),
            Self::Release(message) => labels(message, &mut body, kind::RELEASE),
            Self::Abort(message) => labels(message, &mut body, kind::ABORT),
            Self::Strange => return Vec::new(),
        };
        vec![one(kind, &body)]
    }
}

fn mapping(body: &[u8]) -> Result<LabelMessage, Fault> {
    let message = LabelMessage::decode(body)?;
    if message.label.is_none() { Err(Status::MISSING.into()) } else { Ok(message) }
}

fn labels(message: &LabelMessage, body: &mut Vec<u8>, kind: u16) -> u16 {
    message.encode(body);
    kind
}

fn sealed(kind: u16, id: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).unwrap_or(u16::MAX);
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), &id.to_be_bytes(), body].concat()
}
