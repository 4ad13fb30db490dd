//! The ASN.1 of certificates, CRLs and OCSP that they share (RFC 5280 section 4.1), borrowed from their DER.

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, ObjectIdentifier, OctetStringRef, UintRef, UtcTime};
use der::{Choice, Decode, Encode, Reader, Sequence, SliceReader, Tag, Tagged};

use crate::{AltName, Dn, Malformed};

/// What a certificate, a CRL and an OCSP response have around them.
#[derive(Clone, Copy, Sequence)]
pub(crate) struct Signed<'a> {
    pub(crate) tbs: AnyRef<'a>,
    pub(crate) algorithm: Algorithm<'a>,
    pub(crate) signature: BitStringRef<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Sequence)]
pub(crate) struct Algorithm<'a> {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) parameters: Option<AnyRef<'a>>,
}

#[derive(Clone, Copy, Choice)]
pub(crate) enum Time {
    #[asn1(type = "UTCTime")]
    Utc(UtcTime),
    #[asn1(type = "GeneralizedTime")]
    General(GeneralizedTime),
}

#[derive(Clone, Sequence)]
pub(crate) struct Extension<'a> {
    pub(crate) id: ObjectIdentifier,
    #[asn1(default = "not")]
    pub(crate) critical: bool,
    pub(crate) value: &'a OctetStringRef,
}

impl Time {
    /// Seconds since 1970.
    pub(crate) fn seconds(self) -> u64 {
        match self {
            Self::Utc(time) => time.to_unix_duration().as_secs(),
            Self::General(time) => time.to_unix_duration().as_secs(),
        }
    }
}

const fn not() -> bool {
    false
}

/// All of `der` as one `T`; `what` names it in the error.
pub(crate) fn decode<'a, T: Decode<'a, Error = der::Error>>(
    what: &'static str,
    der: &'a [u8],
) -> Result<T, Malformed> {
    T::from_der(der).map_err(|error| Malformed::new(what, error))
}

/// The values of a SEQUENCE OF or SET OF, in any order.
pub(crate) fn each<'a, T: Decode<'a, Error = der::Error>>(list: AnyRef<'a>) -> der::Result<Vec<T>> {
    let mut reader = SliceReader::new(list.value())?;
    let mut values = Vec::new();
    while !reader.is_finished() {
        values.push(T::decode(&mut reader)?);
    }
    Ok(values)
}

/// The DER that `any` was read from: DER has one encoding of it.
pub(crate) fn bytes(any: AnyRef<'_>) -> Vec<u8> {
    any.to_der().unwrap_or_default()
}

/// An INTEGER's magnitude without leading zeros, as serial numbers compare. CAs have issued negative ones,
/// so its sign is not looked at.
pub(crate) fn serial(number: AnyRef<'_>) -> der::Result<Vec<u8>> {
    number.tag().assert_eq(Tag::Integer)?;
    let value = number.value();
    let zeros = value.iter().take_while(|byte| **byte == 0).count();
    Ok(value.get(zeros..).unwrap_or_default().to_vec())
}

/// A small INTEGER; what is larger is as good as without limit.
pub(crate) fn small(number: UintRef<'_>) -> u32 {
    number.as_bytes().try_into().map_or_else(|_| short(number.as_bytes()), u32::from_be_bytes)
}

fn short(bytes: &[u8]) -> u32 {
    match bytes.len() {
        0..4 => bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
        _ => u32::MAX,
    }
}

/// The kinds of GeneralName that matter here; `None`: another one, or not decodable.
pub(crate) fn general_name(name: AnyRef<'_>) -> Option<AltName> {
    let text = || String::from_utf8(name.value().to_vec()).ok();
    match context(name.tag())? {
        1 => text().map(AltName::Email),
        2 => text().map(AltName::Dns),
        4 => Dn::from_der(name.value()).ok().map(AltName::Directory),
        7 => address(name.value()).map(AltName::Address),
        _ => None,
    }
}

/// A GeneralName that is a URI.
pub(crate) fn uri(name: AnyRef<'_>) -> Option<String> {
    (context(name.tag()) == Some(6)).then(|| String::from_utf8(name.value().to_vec()).ok()).flatten()
}

/// The number of a context-specific tag.
pub(crate) fn context(tag: Tag) -> Option<u32> {
    tag.is_context_specific().then(|| tag.number().value())
}

fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(Into::into);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(Into::into)).ok()
}
