//! Data attributes of transforms and notifies: RFC 2408 section 3.3.

use super::{Malformed, Reader, length16};

/// The bit that says that the value stands in the length's place.
const SHORT: u16 = 0x8000;

/// More than any transform needs.
const MOST_ATTRIBUTES: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Short(u16),
    Long(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) kind: u16,
    pub(crate) value: Value,
}

impl Attribute {
    pub(crate) const fn short(kind: u16, value: u16) -> Self {
        Self { kind: kind & !SHORT, value: Value::Short(value) }
    }

    /// In two bytes if it fits, else in four.
    pub(crate) fn number(kind: u16, value: u32) -> Self {
        match u16::try_from(value) {
            Ok(value) => Self::short(kind, value),
            Err(_) => Self { kind: kind & !SHORT, value: Value::Long(value.to_be_bytes().to_vec()) },
        }
    }

    /// The value as a number; one too large for 64 bits counts as the largest.
    pub(crate) fn as_number(&self) -> u64 {
        match &self.value {
            Value::Short(value) => u64::from(*value),
            Value::Long(bytes) => bytes.iter().fold(0u64, |number, byte| {
                number.checked_mul(256).map_or(u64::MAX, |high| high | u64::from(*byte))
            }),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match &self.value {
            Value::Short(value) => {
                out.extend_from_slice(&(self.kind | SHORT).to_be_bytes());
                out.extend_from_slice(&value.to_be_bytes());
            }
            Value::Long(bytes) => {
                out.extend_from_slice(&self.kind.to_be_bytes());
                out.extend_from_slice(&length16(bytes.len()).to_be_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }
}

/// Every attribute up to the end of `reader`.
pub(crate) fn decode_all(mut reader: Reader<'_>) -> Result<Vec<Attribute>, Malformed> {
    let mut attributes = Vec::new();
    while !reader.is_empty() {
        if attributes.len() == MOST_ATTRIBUTES {
            return Err(Malformed("too-many-attributes"));
        }
        attributes.push(decode(&mut reader)?);
    }
    Ok(attributes)
}

fn decode(reader: &mut Reader<'_>) -> Result<Attribute, Malformed> {
    let (kind, value) = (reader.short()?, reader.short()?);
    if kind & SHORT != 0 {
        return Ok(Attribute::short(kind, value));
    }
    Ok(Attribute { kind, value: Value::Long(reader.take(usize::from(value))?.to_vec()) })
}
