//! SA, proposal and transform payloads: RFC 2408 sections 3.4-3.6 with the IPsec DOI (RFC 2407).

use super::attribute::{self, Attribute};
use super::{Malformed, Reader, payload};

pub(crate) const DOI_IPSEC: u32 = 1;
const SITUATION_IDENTITY_ONLY: u32 = 1;

/// Protocol identifiers, RFC 2407 section 4.4.1.
pub(crate) const PROTOCOL_ISAKMP: u8 = 1;
pub(crate) const PROTOCOL_ESP: u8 = 3;

/// Bounds the work that one message can cause.
const MOST_TRANSFORMS: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sa {
    /// Those with the same number belong together: all or none.
    pub(crate) proposals: Vec<Proposal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) number: u8,
    pub(crate) protocol: u8,
    pub(crate) spi: Vec<u8>,
    /// Alternatives, best first.
    pub(crate) transforms: Vec<Transform>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transform {
    pub(crate) number: u8,
    pub(crate) id: u8,
    pub(crate) attributes: Vec<Attribute>,
}

impl Transform {
    pub(crate) fn number_of(&self, kind: u16) -> Option<u64> {
        self.attributes.iter().find(|attribute| attribute.kind == kind).map(Attribute::as_number)
    }
}

impl Sa {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if reader.long()? != DOI_IPSEC {
            return Err(Malformed("unknown-doi"));
        }
        if reader.long()? != SITUATION_IDENTITY_ONLY {
            return Err(Malformed("unknown-situation"));
        }
        let (mut next, mut proposals, mut room) = (payload::PROPOSAL, Vec::new(), MOST_TRANSFORMS);
        while next == payload::PROPOSAL {
            let (following, body) = payload::one(&mut reader)?;
            proposals.push(decode_proposal(body, &mut room)?);
            next = following;
        }
        Ok(Self { proposals })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut chain = payload::Builder::default();
        for proposal in &self.proposals {
            chain.push(payload::PROPOSAL, &encode_proposal(proposal));
        }
        let mut body = [DOI_IPSEC.to_be_bytes(), SITUATION_IDENTITY_ONLY.to_be_bytes()].concat();
        body.extend_from_slice(chain.bytes());
        body
    }
}

fn decode_proposal(body: &[u8], room: &mut usize) -> Result<Proposal, Malformed> {
    let mut reader = Reader::new(body);
    let (number, protocol) = (reader.byte()?, reader.byte()?);
    let (spi_length, count) = (reader.byte()?, reader.byte()?);
    let spi = reader.take(usize::from(spi_length))?.to_vec();
    *room = room.checked_sub(usize::from(count).max(1)).ok_or(Malformed("too-many-transforms"))?;
    let mut transforms = Vec::new();
    for _ in 0..count {
        transforms.push(decode_transform(payload::one(&mut reader)?.1)?);
    }
    Ok(Proposal { number, protocol, spi, transforms })
}

fn decode_transform(body: &[u8]) -> Result<Transform, Malformed> {
    let mut reader = Reader::new(body);
    let (number, id) = (reader.byte()?, reader.byte()?);
    reader.short()?;
    Ok(Transform { number, id, attributes: attribute::decode_all(reader)? })
}

fn encode_proposal(proposal: &Proposal) -> Vec<u8> {
    let mut chain = payload::Builder::default();
    for transform in &proposal.transforms {
        chain.push(payload::TRANSFORM, &encode_transform(transform));
    }
    let count = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let (spi, transforms) = (count(proposal.spi.len()), count(proposal.transforms.len()));
    let mut body = vec![proposal.number, proposal.protocol, spi, transforms];
    body.extend_from_slice(&proposal.spi);
    body.extend_from_slice(chain.bytes());
    body
}

fn encode_transform(transform: &Transform) -> Vec<u8> {
    let mut body = vec![transform.number, transform.id, 0, 0];
    for attribute in &transform.attributes {
        attribute.encode(&mut body);
    }
    body
}
