//! Messages of version 1 in several datagrams, as gateways of the field send those that are too long for
//! one: certificates make them so, and IP fragments do not pass every firewall.

use std::collections::BTreeMap;

use crate::error::Refusal;
use crate::wire::fragment::Fragment;
use crate::wire::header::{self, FLAG_ENCRYPTED, Header};
use crate::wire::payload::{self, Builder};

/// UDP payload that passes everywhere IPv6 does, whatever tunnels are on the way.
const LONGEST: usize = 1200;

/// Header of the message, of the payload, and of the fragment.
const OVERHEAD: usize = header::LENGTH + 4 + 4;

/// What an unfinished message may hold.
const MOST_FRAGMENTS: usize = 64;
const MOST_BYTES: usize = 32 * 1024;

/// A message whose fragments come in, in any order. A fragment of another message begins anew.
#[derive(Default)]
pub(crate) struct Assembly {
    id: u16,
    parts: BTreeMap<u8, Vec<u8>>,
    last: Option<u8>,
    bytes: usize,
}

impl Assembly {
    /// The whole message, once it is there.
    pub(crate) fn add(&mut self, fragment: &Fragment<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        if self.id != fragment.id {
            *self = Self { id: fragment.id, ..Self::default() };
        }
        let is_known = self.parts.contains_key(&fragment.number);
        if is_known {
            return Ok(None);
        }
        let is_full = self.parts.len() >= MOST_FRAGMENTS || self.bytes + fragment.data.len() > MOST_BYTES;
        if is_full || self.last.is_some_and(|last| fragment.number > last) {
            *self = Self { id: fragment.id, ..Self::default() };
            return Err(Refusal::ignored("too-many-fragments"));
        }
        self.bytes += fragment.data.len();
        self.parts.insert(fragment.number, fragment.data.to_vec());
        if fragment.is_last {
            self.last = Some(fragment.number);
        }
        Ok(self.is_whole().then(|| std::mem::take(self).parts.into_values().flatten().collect()))
    }

    fn is_whole(&self) -> bool {
        self.last.is_some_and(|last| self.parts.len() == usize::from(last))
    }
}

/// Whether a message needs fragments.
pub(crate) const fn is_long(message: &[u8]) -> bool {
    message.len() > LONGEST
}

/// A message as datagrams that each carry a part of it.
pub(crate) fn split(message: &[u8], id: u16) -> Vec<Vec<u8>> {
    let Ok((header, _)) = Header::decode(message) else { return vec![message.to_vec()] };
    let header = Header { next: payload::FRAGMENT, flags: header.flags & !FLAG_ENCRYPTED, ..header };
    let chunks = message.chunks(LONGEST - OVERHEAD);
    let count = chunks.len();
    let fragment = |(number, data): (u8, &[u8])| {
        let fragment = Fragment { id, number, is_last: usize::from(number) == count, data };
        let mut chain = Builder::default();
        chain.push(payload::FRAGMENT, &fragment.encode());
        header.encode(chain.bytes())
    };
    (1u8..).zip(chunks).map(fragment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::payload::Chain;

    fn long_message() -> Vec<u8> {
        let header = Header {
            initiator: [1; 8],
            responder: [2; 8],
            next: payload::ID,
            version: header::VERSION_1,
            exchange: header::exchange::MAIN,
            flags: FLAG_ENCRYPTED,
            message_id: 0,
        };
        let body: Vec<u8> = (0..5000u32).map(|n| n.to_le_bytes()[0]).collect();
        header.encode(&body)
    }

    fn parts(datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let body = |datagram: &Vec<u8>| {
            let (header, body) = Header::decode(datagram).unwrap();
            assert!(!header.is_encrypted() && datagram.len() <= LONGEST);
            Chain::decode(header.next, body).unwrap().first(payload::FRAGMENT).unwrap().to_vec()
        };
        datagrams.iter().map(body).collect()
    }

    #[test]
    fn a_message_survives_its_fragments_in_any_order_and_number() {
        let message = long_message();
        let mut parts = parts(&split(&message, 7));
        parts.reverse();
        parts.insert(1, parts[0].clone());
        let mut assembly = Assembly::default();
        let mut whole = Vec::new();
        for part in &parts {
            whole.extend(assembly.add(&Fragment::decode(part).unwrap()).unwrap());
        }
        assert_eq!(whole, [message]);
    }

    #[test]
    fn another_message_begins_anew_and_nothing_grows_without_bound() {
        let mut assembly = Assembly::default();
        let fragment = |id, number, data| Fragment { id, number, is_last: false, data };
        for id in 0..1000 {
            assert_eq!(assembly.add(&fragment(id, 1, &[0; 1000])), Ok(None));
        }
        assert_eq!(assembly.bytes, 1000);
        let mut refused = 0;
        for number in 1..=255 {
            refused += usize::from(assembly.add(&fragment(9, number, &[0; 1000])).is_err());
            assert!(assembly.bytes <= MOST_BYTES && assembly.parts.len() <= MOST_FRAGMENTS);
        }
        assert!(refused > 0);
        let last = Fragment { id: 9, number: 2, is_last: true, data: &[1] };
        let mut assembly = Assembly::default();
        assert_eq!(assembly.add(&last), Ok(None));
        assert!(assembly.add(&fragment(9, 3, &[1])).is_err(), "nothing comes after the last one");
    }
}
