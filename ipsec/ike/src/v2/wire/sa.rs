//! SA, proposal and transform payloads: RFC 7296 section 3.3.

use crate::wire::attribute::{self, Attribute};
use crate::wire::{Malformed, Reader, length16};

/// Protocol identifiers, RFC 7296 section 3.3.1.
pub(crate) const PROTOCOL_NONE: u8 = 0;
pub(crate) const PROTOCOL_IKE: u8 = 1;
pub(crate) const PROTOCOL_AH: u8 = 2;
pub(crate) const PROTOCOL_ESP: u8 = 3;

/// Transform types, RFC 7296 section 3.3.2 and RFC 9370 section 4.
pub(crate) mod kind {
    pub(crate) const ENCRYPTION: u8 = 1;
    pub(crate) const PRF: u8 = 2;
    pub(crate) const INTEGRITY: u8 = 3;
    pub(crate) const KEY_EXCHANGE: u8 = 4;
    pub(crate) const ESN: u8 = 5;
    /// The first of seven additional key exchanges.
    pub(crate) const ADDITIONAL_1: u8 = 6;
    pub(crate) const ADDITIONAL_7: u8 = 12;
}

const KEY_LENGTH: u16 = 14;
const MORE_PROPOSALS: u8 = 2;
const MORE_TRANSFORMS: u8 = 3;

/// Bounds the work that one message can cause.
const MOST_TRANSFORMS: usize = 512;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sa {
    /// Alternatives, best first.
    pub(crate) proposals: Vec<Proposal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) number: u8,
    pub(crate) protocol: u8,
    pub(crate) spi: Vec<u8>,
    /// One of each type is to be chosen; alternatives best first.
    pub(crate) transforms: Vec<Transform>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transform {
    pub(crate) kind: u8,
    pub(crate) id: u16,
    /// The key length attribute.
    pub(crate) bits: Option<u16>,
    /// It has an attribute that we do not know: it must not be chosen.
    pub(crate) foreign: bool,
}

impl Transform {
    pub(crate) const fn new(kind: u8, id: u16) -> Self {
        Self { kind, id, bits: None, foreign: false }
    }
}

impl Proposal {
    pub(crate) fn of(&self, kind: u8) -> impl Iterator<Item = &Transform> {
        self.transforms.iter().filter(move |transform| transform.kind == kind)
    }

    /// The SPI of an ESP proposal, the sender's inbound one.
    pub(crate) fn esp_spi(&self) -> Option<u32> {
        <[u8; 4]>::try_from(self.spi.as_slice()).ok().map(u32::from_be_bytes)
    }

    /// The SPI of a proposal that rekeys an IKE SA.
    pub(crate) fn ike_spi(&self) -> Option<[u8; 8]> {
        self.spi.as_slice().try_into().ok()
    }
}

impl Sa {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let (mut reader, mut proposals, mut room) = (Reader::new(body), Vec::new(), MOST_TRANSFORMS);
        let mut more = true;
        while more {
            let (last, inner) = substructure(&mut reader, MORE_PROPOSALS)?;
            proposals.push(decode_proposal(inner, &mut room)?);
            more = !last;
        }
        if reader.is_empty() { Ok(Self { proposals }) } else { Err(Malformed("bytes-after-last-proposal")) }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (place, proposal) in self.proposals.iter().enumerate() {
            let more = if place + 1 < self.proposals.len() { MORE_PROPOSALS } else { 0 };
            encode_proposal(proposal, more, &mut body);
        }
        body
    }
}

/// Whether it is the last of its kind, and what follows its length.
fn substructure<'a>(reader: &mut Reader<'a>, more: u8) -> Result<(bool, &'a [u8]), Malformed> {
    let next = reader.byte()?;
    reader.byte()?;
    let length = usize::from(reader.short()?).checked_sub(4).ok_or(Malformed("bad-substructure-length"))?;
    let last = match next {
        0 => true,
        _ if next == more => false,
        _ => return Err(Malformed("bad-substructure-type")),
    };
    Ok((last, reader.take(length)?))
}

fn decode_proposal(body: &[u8], room: &mut usize) -> Result<Proposal, Malformed> {
    let mut reader = Reader::new(body);
    let (number, protocol) = (reader.byte()?, reader.byte()?);
    let (spi_length, count) = (reader.byte()?, usize::from(reader.byte()?));
    let spi = reader.take(usize::from(spi_length))?.to_vec();
    *room = room.checked_sub(count.max(1)).ok_or(Malformed("too-many-transforms"))?;
    let mut transforms = Vec::with_capacity(count);
    for place in 1..=count {
        let (last, inner) = substructure(&mut reader, MORE_TRANSFORMS)?;
        if last != (place == count) {
            return Err(Malformed("bad-transform-count"));
        }
        transforms.push(decode_transform(inner)?);
    }
    if reader.is_empty() {
        Ok(Proposal { number, protocol, spi, transforms })
    } else {
        Err(Malformed("bytes-after-last-transform"))
    }
}

fn decode_transform(body: &[u8]) -> Result<Transform, Malformed> {
    let mut reader = Reader::new(body);
    let kind = reader.byte()?;
    reader.byte()?;
    let id = reader.short()?;
    let attributes = attribute::decode_all(reader)?;
    let is_length = |attribute: &&Attribute| attribute.kind == KEY_LENGTH;
    let bits = attributes.iter().find(is_length).map(Attribute::as_number);
    let bits = bits.map(|bits| u16::try_from(bits).unwrap_or(u16::MAX));
    let foreign = attributes.iter().any(|attribute| attribute.kind != KEY_LENGTH);
    Ok(Transform { kind, id, bits, foreign })
}

fn encode_proposal(proposal: &Proposal, more: u8, out: &mut Vec<u8>) {
    let mut inner = Vec::new();
    for (place, transform) in proposal.transforms.iter().enumerate() {
        let more = if place + 1 < proposal.transforms.len() { MORE_TRANSFORMS } else { 0 };
        encode_transform(transform, more, &mut inner);
    }
    let count = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let length = 8 + proposal.spi.len() + inner.len();
    out.extend_from_slice(&[more, 0]);
    out.extend_from_slice(&length16(length).to_be_bytes());
    let (spi, transforms) = (count(proposal.spi.len()), count(proposal.transforms.len()));
    out.extend_from_slice(&[proposal.number, proposal.protocol, spi, transforms]);
    out.extend_from_slice(&proposal.spi);
    out.extend_from_slice(&inner);
}

fn encode_transform(transform: &Transform, more: u8, out: &mut Vec<u8>) {
    let length: u16 = if transform.bits.is_some() { 12 } else { 8 };
    out.extend_from_slice(&[more, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[transform.kind, 0]);
    out.extend_from_slice(&transform.id.to_be_bytes());
    if let Some(bits) = transform.bits {
        Attribute::short(KEY_LENGTH, bits).encode(out);
    }
}
