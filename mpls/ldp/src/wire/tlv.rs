//! Type, length, value, RFC 5036 section 3.3: the two bits that say what to do with an unknown one.

use super::notification::{Fault, Status};

pub(crate) const FEC: u16 = 0x0100;
pub(crate) const ADDRESS_LIST: u16 = 0x0101;
pub(crate) const HOP_COUNT: u16 = 0x0103;
pub(crate) const PATH_VECTOR: u16 = 0x0104;
pub(crate) const GENERIC_LABEL: u16 = 0x0200;
pub(crate) const STATUS: u16 = 0x0300;
pub(crate) const EXTENDED_STATUS: u16 = 0x0301;
pub(crate) const RETURNED_PDU: u16 = 0x0302;
pub(crate) const RETURNED_MESSAGE: u16 = 0x0303;
pub(crate) const COMMON_HELLO: u16 = 0x0400;
pub(crate) const IPV4_TRANSPORT: u16 = 0x0401;
pub(crate) const SEQUENCE: u16 = 0x0402;
pub(crate) const IPV6_TRANSPORT: u16 = 0x0403;
pub(crate) const COMMON_SESSION: u16 = 0x0500;
/// RFC 3479 section 8.1, RFC 3478 section 2.
pub(crate) const FT_SESSION: u16 = 0x0503;
/// RFC 5561 section 9.
pub(crate) const DYNAMIC_CAPABILITY: u16 = 0x0506;
/// RFC 5918 section 5.
pub(crate) const TYPED_WILDCARD: u16 = 0x050B;
pub(crate) const REQUEST_ID: u16 = 0x0600;
/// RFC 5919 section 3.
pub(crate) const UNRECOGNIZED_NOTIFICATION: u16 = 0x0603;
/// RFC 7552 section 6.1.1.
pub(crate) const DUAL_STACK: u16 = 0x0701;

/// Set in a type: whoever does not know it shall pass over it in silence.
pub(crate) const UNKNOWN: u16 = 0x8000;
/// The U and F bits are no part of a type.
const TYPE: u16 = 0x3FFF;

/// Calls `take` with each TLV of a message; it says whether it knew the type.
pub(crate) fn each<'a>(
    mut rest: &'a [u8],
    mut take: impl FnMut(u16, &'a [u8]) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let mut strange = false;
    while !rest.is_empty() {
        let Some((&[t0, t1, l0, l1], behind)) = rest.split_first_chunk::<4>() else {
            return Err(Status::BAD_TLV_LENGTH.into());
        };
        let kind = u16::from_be_bytes([t0, t1]);
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (value, behind) = behind.split_at_checked(length).ok_or(Status::BAD_TLV_LENGTH)?;
        strange |= !take(kind & TYPE, value)? && kind & UNKNOWN == 0;
        rest = behind;
    }
    if strange { Err(Status::UNKNOWN_TLV.into()) } else { Ok(()) }
}

/// A value of exactly `N` octets.
pub(crate) fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Fault> {
    value.try_into().map_err(|_| Status::MALFORMED_TLV.into())
}

/// Appends a TLV; `kind` with its U and F bits.
pub(crate) fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend(kind.to_be_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(value);
}
