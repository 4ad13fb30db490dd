//! Messages in fragments: RFC 7383. A fragment proves that it is the peer's before it is kept.

use std::collections::BTreeMap;

use crypto::drbg::Drbg;

use super::{Clear, Keys};
use crate::error::Refusal;
use crate::v2::wire::header::Header;
use crate::v2::wire::payload::{ENCRYPTED_FRAGMENT, NONE};

/// Bytes of fragment number and total.
pub(super) const NUMBERS: usize = 4;

/// Fragments of one message, bytes of one message, messages at once.
const MOST_FRAGMENTS: u16 = 256;
const MOST_BYTES: usize = 65_536;
const MOST_MESSAGES: usize = 4;

/// A part of a message; authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// From 1.
    pub(crate) number: u16,
    pub(crate) total: u16,
    /// Type of the first payload; only the first fragment knows.
    pub(crate) first: u8,
    pub(crate) clear: Vec<u8>,
}

/// What has come of messages that are not whole yet.
#[derive(Clone, Default)]
pub(crate) struct Reassembly {
    /// By whether it is a response, and by its ID.
    pub(super) messages: BTreeMap<(bool, u32), Partial>,
}

#[derive(Clone)]
pub(super) struct Partial {
    total: u16,
    bytes: usize,
    fragments: BTreeMap<u16, Fragment>,
}

impl Reassembly {
    /// Keeps one more fragment; the message if that was the last one missing. One that says another total
    /// than those before belongs to a message cut anew if it is cut smaller, else it is old.
    pub(crate) fn push(&mut self, header: &Header, fragment: Fragment) -> Result<Option<Clear>, Refusal> {
        let Fragment { number, total, .. } = fragment;
        if number == 0 || number > total || total > MOST_FRAGMENTS {
            return Err(Refusal::ignored("bad-fragment-number"));
        }
        let key = (header.is_response(), header.message_id);
        if self.messages.get(&key).is_some_and(|partial| partial.total < total) {
            self.messages.remove(&key);
        }
        self.make_room(key);
        let empty = || Partial { total, bytes: 0, fragments: BTreeMap::new() };
        let partial = self.messages.entry(key).or_insert_with(empty);
        if total < partial.total || partial.fragments.contains_key(&number) {
            return Err(Refusal::ignored("old-fragment"));
        }
        partial.bytes += fragment.clear.len();
        if partial.bytes > MOST_BYTES {
            self.messages.remove(&key);
            return Err(Refusal::ignored("fragmented-message-too-long"));
        }
        partial.fragments.insert(number, fragment);
        if partial.fragments.len() < usize::from(total) {
            return Ok(None);
        }
        Ok(self.messages.remove(&key).map(|partial| partial.join()))
    }

    /// Messages before this ID will not be completed any more.
    pub(crate) fn forget(&mut self, response: bool, before: u32) {
        self.messages.retain(|(is_response, id), _| *is_response != response || *id >= before);
    }

    /// The message that has waited for the lowest ID goes.
    fn make_room(&mut self, key: (bool, u32)) {
        if !self.messages.contains_key(&key) && self.messages.len() >= MOST_MESSAGES {
            self.messages.pop_first();
        }
    }
}

impl Partial {
    fn join(self) -> Clear {
        let first = self.fragments.get(&1).map_or(NONE, |fragment| fragment.first);
        let bytes = self.fragments.into_values().flat_map(|fragment| fragment.clear).collect();
        Clear { first, bytes }
    }
}

impl Keys {
    /// The message, in fragments if it would be longer than `most` bytes.
    pub(crate) fn seal_within(
        &mut self,
        drbg: &mut Drbg,
        header: Header,
        clear: &Clear,
        most: usize,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        if clear.bytes.len() <= self.room(most, 0) {
            return Ok(vec![self.seal(drbg, header, clear.first, &clear.bytes)?]);
        }
        let parts = clear.bytes.chunks(self.room(most, NUMBERS).max(1));
        let total = u16::try_from(parts.len()).unwrap_or(u16::MAX);
        if total > MOST_FRAGMENTS {
            return Ok(vec![self.seal(drbg, header, clear.first, &clear.bytes)?]);
        }
        let numbered = (1u16..).zip(parts);
        let sealed = numbered.map(|(number, part)| {
            let numbers = [number.to_be_bytes(), total.to_be_bytes()].concat();
            let first = if number == 1 { clear.first } else { NONE };
            self.seal_as(drbg, header, (ENCRYPTED_FRAGMENT, first), &numbers, part)
        });
        sealed.collect()
    }
}
