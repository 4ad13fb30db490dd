//! Doors for fuzzers to what is private: PDUs. They panic if what was decoded does not survive the wire.

use crate::wire::message::{Envelope, Message};
use crate::wire::pdu::{DEFAULT_LENGTH, Outbox, Pdu};

/// Any bytes as a stream of PDUs.
pub fn pdus(mut stream: &[u8]) {
    while let Ok(Some((pdu, length))) = Pdu::take(stream, DEFAULT_LENGTH) {
        let mut rest = pdu.messages;
        while let Ok((envelope, behind)) = Envelope::take(rest) {
            if let Ok(message) = envelope.open() {
                survives(&pdu, &message, envelope.id);
            }
            rest = behind;
        }
        stream = stream.get(length..).unwrap_or_default();
    }
}

/// What we would say of it reads back as the same.
fn survives(pdu: &Pdu<'_>, message: &Message, id: u32) {
    let encoded = message.encode(|| id);
    let mut outbox = Outbox::new(pdu.sender);
    encoded.iter().for_each(|message| outbox.push(message));
    let bytes = outbox.take();
    let Ok(Some((again, _))) = Pdu::take(&bytes, u16::MAX) else { return assert!(encoded.is_empty()) };
    assert_eq!(again.sender, pdu.sender);
    let opened = Envelope::take(again.messages).map(|(envelope, _)| (envelope.id, envelope.open()));
    match (message, opened) {
        (
            Message::Address(list) | Message::AddressWithdraw(list),
            Ok((_, Ok(Message::Address(first) | Message::AddressWithdraw(first)))),
        ) => {
            assert!(list.starts_with(&first));
        }
        (message, opened) => assert_eq!(opened, Ok((id, Ok(message.clone())))),
    }
}
