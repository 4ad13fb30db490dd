//! The five messages about labels and the FECs in them, RFC 5036 sections 3.4.1 and 3.5.7 to 3.5.11, RFC 5918.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::{Family, Label, Prefix};

use super::address::{family_number, family_of, octets};
use super::notification::{Fault, Status};
use super::tlv;

const WILDCARD: u8 = 1;
const PREFIX: u8 = 2;
const TYPED_WILDCARD: u8 = 5;

/// What labels a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    Wildcard,
    Prefix(Prefix),
    /// All prefixes of a family, RFC 5918 section 4.
    All(Family),
}

/// The parameters of a mapping, request, withdraw, release or abort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelMessage {
    pub(crate) fecs: Vec<Element>,
    pub(crate) label: Option<Label>,
    /// The request that a mapping answers or that is aborted.
    pub(crate) request: Option<u32>,
}

impl LabelMessage {
    pub(crate) fn of(prefix: Prefix, label: Option<Label>) -> Self {
        Self { fecs: vec![Element::Prefix(prefix)], label, request: None }
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Fault> {
        let (mut fecs, mut label, mut request) = (None, None, None);
        tlv::each(body, |kind, value| {
            match kind {
                tlv::FEC => fecs = Some(Element::decode_all(value)?),
                tlv::GENERIC_LABEL => label = Some(generic(tlv::exactly(value)?)?),
                tlv::REQUEST_ID => request = Some(u32::from_be_bytes(tlv::exactly(value)?)),
                // Of loop detection, which is off.
                tlv::HOP_COUNT => drop(tlv::exactly::<1>(value)?),
                tlv::PATH_VECTOR if value.len().is_multiple_of(4) => {}
                tlv::PATH_VECTOR => return Err(Status::MALFORMED_TLV.into()),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let fecs = fecs.ok_or(Status::MISSING)?;
        Ok(Self { fecs, label, request })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        Element::put_all(&self.fecs, out);
        if let Some(label) = self.label {
            tlv::put(out, tlv::GENERIC_LABEL, &label.value().to_be_bytes());
        }
        if let Some(request) = self.request {
            tlv::put(out, tlv::REQUEST_ID, &request.to_be_bytes());
        }
    }
}

impl Element {
    pub(crate) fn decode_all(mut rest: &[u8]) -> Result<Vec<Self>, Fault> {
        let mut elements = Vec::new();
        while !rest.is_empty() {
            let (element, behind) = Self::decode(rest)?;
            elements.push(element);
            rest = behind;
        }
        if elements.is_empty() { Err(Status::MALFORMED_TLV.into()) } else { Ok(elements) }
    }

    pub(crate) fn put_all(elements: &[Self], out: &mut Vec<u8>) {
        let mut value = Vec::new();
        elements.iter().for_each(|element| element.encode(&mut value));
        tlv::put(out, tlv::FEC, &value);
    }

    pub(crate) fn covers(self, prefix: Prefix) -> bool {
        match self {
            Self::Wildcard => true,
            Self::Prefix(one) => one == prefix,
            Self::All(family) => family == prefix.family(),
        }
    }

    fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), Fault> {
        match bytes {
            [WILDCARD, rest @ ..] => Ok((Self::Wildcard, rest)),
            [PREFIX, f0, f1, length, rest @ ..] => {
                let (prefix, rest) = prefix(family_of([*f0, *f1])?, *length, rest)?;
                Ok((Self::Prefix(prefix), rest))
            }
            [TYPED_WILDCARD, PREFIX, 2, f0, f1, rest @ ..] => Ok((Self::All(family_of([*f0, *f1])?), rest)),
            [PREFIX, ..] | [TYPED_WILDCARD, PREFIX, ..] | [TYPED_WILDCARD] => {
                Err(Status::MALFORMED_TLV.into())
            }
            _ => Err(Status::UNKNOWN_FEC.into()),
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Wildcard => out.push(WILDCARD),
            Self::Prefix(prefix) => {
                out.push(PREFIX);
                out.extend(family_number(prefix.family()).to_be_bytes());
                out.push(prefix.length());
                let octets = octets(prefix.address());
                out.extend(octets.iter().take(usize::from(prefix.length()).div_ceil(8)));
            }
            Self::All(family) => {
                out.extend([TYPED_WILDCARD, PREFIX, 2]);
                out.extend(family_number(family).to_be_bytes());
            }
        }
    }
}

/// Only as many octets of a prefix are sent as its length needs.
fn prefix(family: Family, length: u8, bytes: &[u8]) -> Result<(Prefix, &[u8]), Fault> {
    let malformed = Fault(Status::MALFORMED_TLV);
    let sent = bytes.split_at_checked(usize::from(length).div_ceil(8));
    let (sent, rest) = sent.filter(|_| length <= family.bits()).ok_or(malformed)?;
    let mut whole = [0; 16];
    whole.iter_mut().zip(sent).for_each(|(place, octet)| *place = *octet);
    let address = match (family, whole) {
        (Family::V4, [a, b, c, d, ..]) => IpAddr::from(Ipv4Addr::new(a, b, c, d)),
        (Family::V6, whole) => IpAddr::from(Ipv6Addr::from(whole)),
    };
    Ok((Prefix::new(address, length).map_err(|_| malformed)?, rest))
}

/// A label that may be announced: one of the two explicit nulls, implicit null, or none of the reserved.
fn generic(octets: [u8; 4]) -> Result<Label, Fault> {
    let nulls = [Label::IPV4_EXPLICIT_NULL, Label::IPV6_EXPLICIT_NULL, Label::IMPLICIT_NULL];
    let announced = |label: &Label| !label.is_reserved() || nulls.contains(label);
    let label = Label::new(u32::from_be_bytes(octets));
    label.filter(announced).ok_or(Fault(Status::MALFORMED_TLV))
}
