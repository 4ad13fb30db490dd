//! Identification payloads: RFC 7296 section 3.5. As in version 1, where three bytes had a meaning that
//! are reserved here.

use crate::wire::Malformed;
use crate::wire::id::Id;
pub(crate) use crate::wire::id::Name;

pub(crate) fn decode(body: &[u8]) -> Result<Name, Malformed> {
    match *body {
        [kind, _, _, _, ref data @ ..] => Id::decode(&[&[kind, 0, 0, 0], data].concat()).map(|id| id.name),
        _ => Err(Malformed("truncated")),
    }
}

/// The payload's body: what the AUTH payload's MAC covers as well.
pub(crate) fn encode(name: &Name) -> Vec<u8> {
    Id::any_port(name.clone()).encode()
}
