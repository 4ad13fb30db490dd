//! Lists of routes as they stand in an UPDATE: RFC 4271 section 4.3, RFC 8277, RFC 4364 section 4.3.4, RFC 4684, RFC 7911.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::{Label, Prefix};
use vrf::{Rd, RouteTarget};

use crate::io::AddressFamily;
use crate::update::{Membership, Nlri};

/// The list cannot be read: RFC 7606 section 5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// What a list says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) family: AddressFamily,
    /// Path identifiers stand in front.
    pub(super) path: bool,
    pub(super) withdrawn: bool,
}

impl Form {
    /// Routes of a kind of route distinguisher that we do not know are left out.
    pub(super) fn read(self, bytes: &[u8]) -> Result<Vec<Nlri>, Invalid> {
        let mut routes = Vec::with_capacity(bytes.len() / self.usual());
        let mut rest = bytes;
        while !rest.is_empty() {
            routes.extend(self.read_one(&mut rest)?);
        }
        Ok(routes)
    }

    fn read_one(self, rest: &mut &[u8]) -> Result<Option<Nlri>, Invalid> {
        let path = if self.path { Some(u32::from_be_bytes(*take(rest)?)) } else { None };
        let [bits] = *take(rest)?;
        let mut bits = bits;
        let mut label = None;
        if self.family.is_labelled() {
            bits = bits.checked_sub(24).ok_or(Invalid)?;
            let octets = *take::<3>(rest)?;
            // RFC 8277 section 2.4: in a withdrawal it means nothing, whatever it is. Section 2.2: it is one label,
            // whatever its bottom bit is.
            label = if self.withdrawn { None } else { Some(read_label(octets)) };
        }
        let mut rd = None;
        let mut known = true;
        if self.family.is_vpn() {
            bits = bits.checked_sub(64).ok_or(Invalid)?;
            rd = read_rd(*take(rest)?);
            known = rd.is_some();
        }
        let prefix = if self.family.is_v6() { prefix_v6(bits, rest) } else { prefix_v4(bits, rest) }?;
        Ok(known.then_some(Nlri { rd, prefix, label, path }))
    }

    /// Octets that a route of the family takes most often, not less.
    const fn usual(self) -> usize {
        match (self.family.is_vpn(), self.family.is_labelled()) {
            (true, _) => 15,
            (false, true) => 7,
            (false, false) => 4,
        }
    }

    pub(super) fn write(self, route: &Nlri, out: &mut Vec<u8>) {
        let mut bits = route.prefix.length();
        if self.family.is_labelled() {
            bits += 24;
        }
        if self.family.is_vpn() {
            bits += 64;
        }
        out.push(bits);
        if self.family.is_labelled() {
            out.extend_from_slice(&write_label(route.label.filter(|_| !self.withdrawn)));
        }
        if self.family.is_vpn() {
            out.extend_from_slice(&write_rd(route.rd.unwrap_or(Rd::As2(0, 0))));
        }
        let octets = octets(route.prefix.length());
        match route.prefix.address() {
            IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()[..octets]),
            IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()[..octets]),
        }
    }
}

fn prefix_v4(bits: u8, rest: &mut &[u8]) -> Result<Prefix, Invalid> {
    let bytes = take_slice(rest, octets(bits))?;
    let mut address = [0; 4];
    address.get_mut(..bytes.len()).ok_or(Invalid)?.copy_from_slice(bytes);
    Prefix::new(Ipv4Addr::from(address).into(), bits).map_err(|_| Invalid)
}

fn prefix_v6(bits: u8, rest: &mut &[u8]) -> Result<Prefix, Invalid> {
    let bytes = take_slice(rest, octets(bits))?;
    let mut address = [0; 16];
    address.get_mut(..bytes.len()).ok_or(Invalid)?.copy_from_slice(bytes);
    Prefix::new(Ipv6Addr::from(address).into(), bits).map_err(|_| Invalid)
}

fn octets(bits: u8) -> usize {
    usize::from(bits).div_ceil(8)
}

fn read_label([a, b, c]: [u8; 3]) -> Label {
    let value = u32::from_be_bytes([0, a, b, c]) >> 4;
    Label::new(value).unwrap_or(Label::LAST)
}

/// RFC 8277 section 2.4: a withdrawal says 0x800000.
fn write_label(label: Option<Label>) -> [u8; 3] {
    let value = label.map_or(0x80_0000, |label| (label.value() << 4) | 1);
    let [_, a, b, c] = value.to_be_bytes();
    [a, b, c]
}

/// RFC 4364 section 4.2.
fn read_rd(octets: [u8; 8]) -> Option<Rd> {
    let [high, low, a, b, c, d, e, f] = octets;
    match u16::from_be_bytes([high, low]) {
        0 => Some(Rd::As2(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))),
        1 => Some(Rd::Ipv4(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, f]))),
        2 => Some(Rd::As4(u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]))),
        _ => None,
    }
}

fn write_rd(rd: Rd) -> [u8; 8] {
    let (kind, [a, b, c, d, e, f]) = value(rd);
    [0, kind, a, b, c, d, e, f]
}

/// The type and the six octets that route distinguishers and route targets have in common.
fn value(rd: Rd) -> (u8, [u8; 6]) {
    match rd {
        Rd::As2(asn, number) => {
            let ([a, b], [c, d, e, f]) = (asn.to_be_bytes(), number.to_be_bytes());
            (0, [a, b, c, d, e, f])
        }
        Rd::Ipv4(address, number) => {
            let ([a, b, c, d], [e, f]) = (address.octets(), number.to_be_bytes());
            (1, [a, b, c, d, e, f])
        }
        Rd::As4(asn, number) => {
            let ([a, b, c, d], [e, f]) = (asn.to_be_bytes(), number.to_be_bytes());
            (2, [a, b, c, d, e, f])
        }
    }
}

/// RFC 4684 section 4. A target that is given in part only stands for all of its AS: more is sent than is wanted, and
/// filtered where it arrives. Kinds of targets that we do not know are left out: we have no routes with them.
pub(super) fn read_memberships(bytes: &[u8]) -> Result<Vec<Membership>, Invalid> {
    let mut memberships = Vec::with_capacity(bytes.len() / 13);
    let mut rest = bytes;
    while !rest.is_empty() {
        let [bits] = *take(&mut rest)?;
        let value = take_slice(&mut rest, octets(bits))?;
        memberships.extend(membership(bits, value)?);
    }
    Ok(memberships)
}

fn membership(bits: u8, value: &[u8]) -> Result<Option<Membership>, Invalid> {
    match (bits, value) {
        (0, []) => Ok(Some(Membership { asn: 0, target: None })),
        (96, &[a, b, c, d, kind, 2, ref target @ ..]) if kind <= 2 => {
            let mut octets = [0; 8];
            octets[1] = kind;
            octets[2..].copy_from_slice(target);
            let target = read_rd(octets).map(RouteTarget);
            Ok(target
                .map(|target| Membership { asn: u32::from_be_bytes([a, b, c, d]), target: Some(target) }))
        }
        (96, _) => Ok(None),
        (32..96, &[a, b, c, d, ..]) => {
            Ok(Some(Membership { asn: u32::from_be_bytes([a, b, c, d]), target: None }))
        }
        _ => Err(Invalid),
    }
}

pub(super) fn write_membership(membership: &Membership, out: &mut Vec<u8>) {
    match membership.target {
        None if membership.asn == 0 => out.push(0),
        None => {
            out.push(32);
            out.extend_from_slice(&membership.asn.to_be_bytes());
        }
        Some(RouteTarget(target)) => {
            let (kind, value) = value(target);
            out.push(96);
            out.extend_from_slice(&membership.asn.to_be_bytes());
            out.extend_from_slice(&[kind, 2]);
            out.extend_from_slice(&value);
        }
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Invalid> {
    let (taken, left) = rest.split_first_chunk().ok_or(Invalid)?;
    *rest = left;
    Ok(taken)
}

fn take_slice<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Invalid> {
    let (taken, left) = rest.split_at_checked(length).ok_or(Invalid)?;
    *rest = left;
    Ok(taken)
}

#[cfg(test)]
mod tests;
