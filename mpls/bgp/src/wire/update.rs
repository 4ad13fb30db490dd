//! UPDATE, RFC 4271 section 4.3 and RFC 4760: bytes to `Update`s with the error handling of RFC 7606.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::attributes::{self, Context};
use super::nlri::{self, Form, Invalid};
use super::notification::Notification;
use super::{family, next_hop};
use crate::attributes::Attributes;
use crate::io::AddressFamily;
use crate::update::{Nlri, Update};

mod write;
pub(crate) use write::{TooLong, Writer};

/// Reads what one peer sends.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) four_octet: bool,
    pub(crate) external: bool,
    /// Families that are listened to, and whether their routes have path identifiers.
    pub(crate) heard: BTreeMap<AddressFamily, bool>,
}

/// What an UPDATE says, and what was wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Withdrawals first.
    pub(crate) updates: Vec<Update>,
    pub(crate) problem: Option<(AddressFamily, String)>,
    /// Its routes could not be read, and the session can do without.
    pub(crate) disabled: Option<AddressFamily>,
}

/// The attributes last read: messages in a row often have the same.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    bytes: Vec<u8>,
    next_hop: Option<IpAddr>,
    attributes: Option<Arc<Attributes>>,
}

/// The attributes of an UPDATE, those that hold routes apart.
#[derive(Default)]
struct Parts<'a> {
    reach: Option<&'a [u8]>,
    unreach: Option<&'a [u8]>,
    others: Vec<u8>,
}

impl Reader {
    /// The error: nothing can be trusted, the session is to end.
    pub(crate) fn read(&self, body: &[u8], cache: &mut Cache) -> Result<Decoded, Notification> {
        let (withdrawn, list, routes) =
            split(body).ok_or_else(|| Notification::malformed_list("lengths do not add up"))?;
        let parts = Parts::of(list)?;
        let mut decoded = Decoded::default();
        if let Some(family) = parts.end_of_rib(withdrawn, routes) {
            let heard = self.heard.contains_key(&family);
            decoded.updates.extend(heard.then_some(Update::EndOfRib(family)));
            return Ok(decoded);
        }
        self.body_withdrawn(withdrawn, &mut decoded)?;
        self.unreach(&parts, &mut decoded)?;
        self.reach(&parts, cache, &mut decoded)?;
        self.body_routes(&parts, routes, cache, &mut decoded)?;
        Ok(decoded)
    }

    fn body_withdrawn(&self, bytes: &[u8], decoded: &mut Decoded) -> Result<(), Notification> {
        if let Some(form) = self.form(BODY, true).filter(|_| !bytes.is_empty()) {
            let routes = form.read(bytes).map_err(|Invalid| Notification::invalid_routes(BODY))?;
            decoded.withdraw(BODY, routes);
        }
        Ok(())
    }

    fn unreach(&self, parts: &Parts<'_>, decoded: &mut Decoded) -> Result<(), Notification> {
        let Some(value) = parts.unreach else { return Ok(()) };
        let (family, bytes) =
            head(value).ok_or_else(|| Notification::optional_attribute("MP_UNREACH_NLRI is too short"))?;
        let Some(form) = family.and_then(|family| self.form(family, true)) else { return Ok(()) };
        if form.family == AddressFamily::RouteTarget {
            match nlri::read_memberships(bytes) {
                Ok(targets) => decoded.updates.push(Update::WantsNot(targets)),
                Err(Invalid) => self.unreadable(form.family, decoded)?,
            }
            return Ok(());
        }
        match form.read(bytes) {
            Ok(routes) => decoded.withdraw(form.family, routes),
            Err(Invalid) => self.unreadable(form.family, decoded)?,
        }
        Ok(())
    }

    fn reach(&self, parts: &Parts<'_>, cache: &mut Cache, decoded: &mut Decoded) -> Result<(), Notification> {
        let Some(value) = parts.reach else { return Ok(()) };
        let too_short = || Notification::optional_attribute("MP_REACH_NLRI is too short");
        let (family, rest) = head(value).ok_or_else(too_short)?;
        let (&length, rest) = rest.split_first().ok_or_else(too_short)?;
        let (next_hop, rest) = rest.split_at_checked(usize::from(length)).ok_or_else(too_short)?;
        let (_reserved, bytes) = rest.split_first().ok_or_else(too_short)?;
        let Some(form) = family.and_then(|family| self.form(family, false)) else { return Ok(()) };
        let Some(next_hop) = next_hop::read(form.family, next_hop) else {
            return self.unreadable(form.family, decoded);
        };
        if form.family == AddressFamily::RouteTarget {
            let Ok(targets) = nlri::read_memberships(bytes) else {
                return self.unreadable(form.family, decoded);
            };
            let attributes = self.attributes(parts, Some(next_hop), cache, form.family, decoded)?;
            decoded.updates.push(match attributes {
                Some(attributes) => Update::Wants { attributes, targets },
                None => Update::WantsNot(targets),
            });
            return Ok(());
        }
        let Ok(routes) = form.read(bytes) else { return self.unreadable(form.family, decoded) };
        let attributes = self.attributes(parts, Some(next_hop), cache, form.family, decoded)?;
        decoded.announce(form.family, attributes, routes);
        Ok(())
    }

    fn body_routes(
        &self,
        parts: &Parts<'_>,
        bytes: &[u8],
        cache: &mut Cache,
        decoded: &mut Decoded,
    ) -> Result<(), Notification> {
        if let Some(form) = self.form(BODY, false).filter(|_| !bytes.is_empty()) {
            let routes = form.read(bytes).map_err(|Invalid| Notification::invalid_routes(BODY))?;
            let attributes = self.attributes(parts, None, cache, BODY, decoded)?;
            decoded.announce(BODY, attributes, routes);
        }
        Ok(())
    }

    /// `None`: the routes are to be taken as withdrawn.
    fn attributes(
        &self,
        parts: &Parts<'_>,
        next_hop: Option<IpAddr>,
        cache: &mut Cache,
        family: AddressFamily,
        decoded: &mut Decoded,
    ) -> Result<Option<Arc<Attributes>>, Notification> {
        if let Some(attributes) = &cache.attributes
            && cache.next_hop == next_hop
            && cache.bytes == parts.others
        {
            return Ok(Some(attributes.clone()));
        }
        let context = Context { four_octet: self.four_octet, external: self.external };
        let read = attributes::read(&parts.others, next_hop, context)?;
        let clean = read.problem.is_none();
        if let Some(problem) = read.problem {
            decoded.problem = Some((family, problem));
        }
        let attributes = read.attributes.map(Arc::new);
        // What is wrong is to be told every time.
        if clean {
            cache.bytes.clone_from(&parts.others);
            cache.next_hop = next_hop;
            cache.attributes.clone_from(&attributes);
        }
        Ok(attributes)
    }

    fn form(&self, family: AddressFamily, withdrawn: bool) -> Option<Form> {
        self.heard.get(&family).map(|&path| Form { family, path, withdrawn })
    }

    /// RFC 7606 sections 5.3 and 7.11: the family is given up, or with the last one the session.
    fn unreadable(&self, family: AddressFamily, decoded: &mut Decoded) -> Result<(), Notification> {
        let error = Notification::invalid_routes(family);
        if self.heard.len() < 2 {
            return Err(error);
        }
        decoded.problem = Some((family, error.text()));
        decoded.disabled = Some(family);
        Ok(())
    }
}

impl Decoded {
    fn withdraw(&mut self, family: AddressFamily, routes: Vec<Nlri>) {
        if !routes.is_empty() {
            self.updates.push(Update::Unreach { family, routes });
        }
    }

    fn announce(
        &mut self,
        family: AddressFamily,
        attributes: Option<Arc<Attributes>>,
        mut routes: Vec<Nlri>,
    ) {
        let Some(attributes) = attributes else {
            for route in &mut routes {
                route.label = None;
            }
            return self.withdraw(family, routes);
        };
        if !routes.is_empty() {
            self.updates.push(Update::Reach { family, attributes, routes });
        }
    }
}

impl<'a> Parts<'a> {
    /// An attribute that ends beyond the list is left to `attributes::read`, with all that follows.
    fn of(list: &'a [u8]) -> Result<Self, Notification> {
        let mut parts = Self::default();
        let mut rest = list;
        while let Some((flags, code, value, whole)) = attribute(rest) {
            let slot = match code {
                REACH => &mut parts.reach,
                UNREACH => &mut parts.unreach,
                _ => {
                    parts.others.extend_from_slice(whole);
                    rest = &rest[whole.len()..];
                    continue;
                }
            };
            // RFC 7606 section 3 (c) and (g): these cannot be taken as withdrawn.
            if flags & CLASS != OPTIONAL {
                return Err(Notification::optional_attribute(format!(
                    "flags {flags:#04x} of attribute {code}"
                )));
            }
            if slot.replace(value).is_some() {
                return Err(Notification::malformed_list("MP_REACH_NLRI or MP_UNREACH_NLRI stands twice"));
            }
            rest = &rest[whole.len()..];
        }
        parts.others.extend_from_slice(rest);
        Ok(parts)
    }

    /// RFC 4724 section 2: nothing at all, or a withdrawal of nothing.
    fn end_of_rib(&self, withdrawn: &[u8], routes: &[u8]) -> Option<AddressFamily> {
        if !(withdrawn.is_empty() && routes.is_empty() && self.others.is_empty() && self.reach.is_none()) {
            return None;
        }
        match self.unreach {
            None => Some(BODY),
            Some(&[a, b, safi]) => family::known(u16::from_be_bytes([a, b]), safi),
            Some(_) => None,
        }
    }
}

/// Withdrawn routes, attributes, routes.
fn split(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&length, rest) = body.split_first_chunk()?;
    let (withdrawn, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(length)))?;
    let (&length, rest) = rest.split_first_chunk()?;
    let (attributes, routes) = rest.split_at_checked(usize::from(u16::from_be_bytes(length)))?;
    Some((withdrawn, attributes, routes))
}

/// Flags, type, value, and the whole.
fn attribute(list: &[u8]) -> Option<(u8, u8, &[u8], &[u8])> {
    let (&flags, &code) = (list.first()?, list.get(1)?);
    let (start, length) = if flags & EXTENDED_LENGTH == 0 {
        (3, usize::from(*list.get(2)?))
    } else {
        (4, usize::from(u16::from_be_bytes([*list.get(2)?, *list.get(3)?])))
    };
    Some((flags, code, list.get(start..start + length)?, list.get(..start + length)?))
}

/// AFI and SAFI in front of both kinds of routes.
fn head(value: &[u8]) -> Option<(Option<AddressFamily>, &[u8])> {
    let (&[a, b, safi], rest) = value.split_first_chunk()?;
    Some((family::known(u16::from_be_bytes([a, b]), safi), rest))
}

/// The family whose routes stand in the message itself.
const BODY: AddressFamily = AddressFamily::Ipv4Unicast;
const REACH: u8 = 14;
const UNREACH: u8 = 15;
const OPTIONAL: u8 = 0x80;
const EXTENDED_LENGTH: u8 = 0x10;
/// Optional, transitive and partial.
const CLASS: u8 = 0xE0;

#[cfg(test)]
mod tests;
