//! UPDATE to be sent: as many routes in one message as it takes, RFC 4271 section 4.3 and RFC 4760.

use core::net::IpAddr;

use super::{BODY, EXTENDED_LENGTH, OPTIONAL, REACH, UNREACH};
use crate::attributes::Attributes;
use crate::io::AddressFamily;
use crate::update::{Nlri, Update};
use crate::wire::nlri::{self, Form};
use crate::wire::{HEADER, UPDATE, attributes, family, next_hop};

/// Writes what one peer gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) four_octet: bool,
    pub(crate) longest: usize,
}

/// The attributes leave no room for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Writer {
    /// Appends messages to `out` and tells how many. Path identifiers are not sent.
    pub(crate) fn write(self, update: &Update, out: &mut Vec<u8>) -> Result<u64, TooLong> {
        match update {
            Update::Reach { family, attributes, routes } => self.reach(*family, attributes, routes, out),
            Update::Unreach { family, routes } => Ok(self.unreach(*family, routes, out)),
            Update::Wants { attributes, targets } => {
                let family = AddressFamily::RouteTarget;
                let (head, list) = self.multiprotocol(family, attributes)?;
                let room = self.room(&[&head, &list])?;
                Ok(pack(targets, room, nlri::write_membership, |routes| {
                    put(out, &[], &[&head, routes, &list], &[])
                }))
            }
            Update::WantsNot(targets) => {
                let head = unreach_head(AddressFamily::RouteTarget);
                let room = self.longest.saturating_sub(FIXED + head.len());
                Ok(pack(targets, room, nlri::write_membership, |routes| put(out, &[], &[&head, routes], &[])))
            }
            Update::EndOfRib(BODY) => {
                put(out, &[], &[], &[]);
                Ok(1)
            }
            Update::EndOfRib(family) => {
                put(out, &[], &[&unreach_head(*family)], &[]);
                Ok(1)
            }
        }
    }

    fn reach(
        self,
        family: AddressFamily,
        attributes: &Attributes,
        routes: &[Nlri],
        out: &mut Vec<u8>,
    ) -> Result<u64, TooLong> {
        let form = Form { family, path: false, withdrawn: false };
        let write = |route: &Nlri, out: &mut Vec<u8>| form.write(route, out);
        if let (BODY, IpAddr::V4(next_hop)) = (family, attributes.next_hop) {
            let list = attributes::write(attributes, Some(next_hop), self.four_octet).ok_or(TooLong)?;
            let room = self.room(&[&list])?;
            return Ok(pack(routes, room, write, |routes| put(out, &[], &[&list], routes)));
        }
        let (head, list) = self.multiprotocol(family, attributes)?;
        let room = self.room(&[&head, &list])?;
        Ok(pack(routes, room, write, |routes| put(out, &[], &[&head, routes, &list], &[])))
    }

    fn unreach(self, family: AddressFamily, routes: &[Nlri], out: &mut Vec<u8>) -> u64 {
        let form = Form { family, path: false, withdrawn: true };
        let write = |route: &Nlri, out: &mut Vec<u8>| form.write(route, out);
        if family == BODY {
            return pack(routes, self.longest - FIXED, write, |routes| put(out, routes, &[], &[]));
        }
        let head = unreach_head(family);
        pack(routes, self.longest - FIXED - head.len(), write, |routes| put(out, &[], &[&head, routes], &[]))
    }

    /// The begin of MP_REACH_NLRI, which stands first (RFC 7606 section 5.1), and the attributes behind it.
    fn multiprotocol(
        self,
        family: AddressFamily,
        attributes: &Attributes,
    ) -> Result<(Vec<u8>, Vec<u8>), TooLong> {
        let mut head = attribute_head(REACH, family);
        next_hop::write(family, attributes.next_hop, &mut head);
        head.push(0);
        Ok((head, attributes::write(attributes, None, self.four_octet).ok_or(TooLong)?))
    }

    fn room(self, parts: &[&[u8]]) -> Result<usize, TooLong> {
        let used: usize = parts.iter().map(|part| part.len()).sum();
        self.longest.checked_sub(FIXED + used).filter(|&room| room >= LONGEST_ROUTE).ok_or(TooLong)
    }
}

/// Hands on as many routes at a time as there is room for; tells how often.
fn pack<T>(
    routes: &[T],
    room: usize,
    write: impl Fn(&T, &mut Vec<u8>),
    mut message: impl FnMut(&[u8]),
) -> u64 {
    let mut packed = Vec::with_capacity(room.min(routes.len() * LONGEST_ROUTE));
    let mut messages = 0;
    for route in routes {
        let before = packed.len();
        write(route, &mut packed);
        if packed.len() > room {
            message(&packed[..before]);
            messages += 1;
            packed.drain(..before);
        }
    }
    if !packed.is_empty() {
        message(&packed);
        messages += 1;
    }
    messages
}

/// One message. A first attribute that is all of `REACH` or `UNREACH` but its length gets it here.
fn put(out: &mut Vec<u8>, withdrawn: &[u8], attributes: &[&[u8]], routes: &[u8]) {
    let length = |parts: &[&[u8]]| parts.iter().map(|part| part.len()).sum::<usize>();
    let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    out.extend_from_slice(&[0xFF; 16]);
    out.extend_from_slice(&short(FIXED + withdrawn.len() + length(attributes) + routes.len()));
    out.push(UPDATE);
    out.extend_from_slice(&short(withdrawn.len()));
    out.extend_from_slice(withdrawn);
    out.extend_from_slice(&short(length(attributes)));
    let at = out.len();
    for part in attributes {
        out.extend_from_slice(part);
    }
    if let [head, rest @ ..] = attributes
        && matches!(head.get(1), Some(&REACH | &UNREACH))
    {
        let value = head.len() - 4 + rest.first().map_or(0, |routes| routes.len());
        out[at + 2..at + 4].copy_from_slice(&short(value));
    }
    out.extend_from_slice(routes);
}

fn unreach_head(family: AddressFamily) -> Vec<u8> {
    attribute_head(UNREACH, family)
}

fn attribute_head(code: u8, family: AddressFamily) -> Vec<u8> {
    let (afi, safi) = family::numbers(family);
    let [a, b] = afi.to_be_bytes();
    vec![OPTIONAL | EXTENDED_LENGTH, code, 0, 0, a, b, safi]
}

/// Header and both lengths.
const FIXED: usize = HEADER + 4;
/// Length, label, route distinguisher, IPv6 prefix.
const LONGEST_ROUTE: usize = 28;
