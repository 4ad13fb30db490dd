//! PDUs: their header, where one ends in a stream, and how messages are packed into them, RFC 5036 section 3.1.

use core::net::Ipv4Addr;

use super::notification::{Fault, Status};
use crate::LdpId;

/// Octets of a PDU that its length does not count: version and length.
const UNCOUNTED: usize = 4;
const HEADER: usize = 10;
/// The least length: an identifier and the smallest message.
const LEAST: usize = 14;
const VERSION: u16 = 1;

/// What both sides take before they have agreed on more or less, RFC 5036 section 3.5.3.
pub(crate) const DEFAULT_LENGTH: u16 = 4096;

pub(crate) struct Pdu<'a> {
    pub(crate) sender: LdpId,
    /// Messages, one behind the other.
    pub(crate) messages: &'a [u8],
}

impl<'a> Pdu<'a> {
    /// The PDU at the head of `stream` and how many octets it takes; `None`: more must come.
    pub(crate) fn take(stream: &'a [u8], most: u16) -> Result<Option<(Self, usize)>, Fault> {
        let Some((&[v0, v1, l0, l1], _)) = stream.split_first_chunk::<UNCOUNTED>() else { return Ok(None) };
        if u16::from_be_bytes([v0, v1]) != VERSION {
            return Err(Status::BAD_VERSION.into());
        }
        let length = u16::from_be_bytes([l0, l1]);
        if usize::from(length) < LEAST || length > most {
            return Err(Status::BAD_PDU_LENGTH.into());
        }
        let end = UNCOUNTED + usize::from(length);
        let Some(whole) = stream.get(..end) else { return Ok(None) };
        let Some((&[_, _, _, _, a, b, c, d, s0, s1], messages)) = whole.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let sender = LdpId { router: Ipv4Addr::new(a, b, c, d), space: u16::from_be_bytes([s0, s1]) };
        Ok(Some((Self { sender, messages }, end)))
    }
}

/// Messages on their way, packed into PDUs that the peer takes.
pub(crate) struct Outbox {
    sender: LdpId,
    /// The longest PDU, all octets counted.
    pub(crate) most: u16,
    bytes: Vec<u8>,
    /// Where the last PDU begins.
    open: Option<usize>,
}

impl Outbox {
    pub(crate) fn new(sender: LdpId) -> Self {
        Self { sender, most: DEFAULT_LENGTH, bytes: Vec::new(), open: None }
    }

    pub(crate) fn push(&mut self, message: &[u8]) {
        let fits = |start: &usize| self.bytes.len() - start + message.len() <= usize::from(self.most);
        let start = match self.open.filter(fits) {
            Some(start) => start,
            None => self.begin(),
        };
        self.bytes.extend_from_slice(message);
        let length = u16::try_from(self.bytes.len() - start - UNCOUNTED).unwrap_or(u16::MAX);
        if let Some(place) = self.bytes.get_mut(start + 2..start + UNCOUNTED) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.open = None;
        core::mem::take(&mut self.bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn begin(&mut self) -> usize {
        let start = self.bytes.len();
        self.bytes.extend(VERSION.to_be_bytes());
        self.bytes.extend([0, 0]);
        self.bytes.extend(self.sender.router.octets());
        self.bytes.extend(self.sender.space.to_be_bytes());
        self.open = Some(start);
        start
    }
}
