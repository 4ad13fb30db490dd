//! What senders are told: errors (RFC 1812 section 4.3.2, RFC 4443, RFC 4950) and answers to pings, in
//! the VRF that the packet was in.

use std::net::IpAddr;

use base::{Family, VrfId};
use dataplane::LabelAction;
use wire::icmp::{self, Problem};
use wire::ip::Packet;
use wire::{checksum, ip, mpls};

use crate::graph::{Next, Trouble, Walk};
use crate::{Drop, Frame, Origin};

/// Labels looked at and told of.
const DEPTH: usize = 8;
/// Room for the longest ICMP error.
const ROOM: usize = 1280;

/// Tells the sender if that is allowed; the packet itself is dropped.
pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &Frame, trouble: Trouble) -> Next<'t> {
    let (stack, original) = if trouble.labelled { split(frame.bytes()) } else { (Vec::new(), frame.bytes()) };
    if icmp::may_answer(original, trouble.problem) {
        answer(walk, frame, trouble.problem, &stack, original);
    }
    trouble.drop.into()
}

/// `None` if the answer cannot be sent.
fn answer(
    walk: &mut Walk<'_, '_>,
    frame: &Frame,
    problem: Problem,
    stack: &[mpls::Entry],
    original: &[u8],
) -> Option<()> {
    let asker = Packet::new_checked(original).ok()?.src;
    let inside = vrf_of(walk, frame, stack);
    let own = own_address(walk, frame, inside.unwrap_or(frame.vrf), asker)?;
    if !walk.state.limits.icmp(inside.unwrap_or(frame.vrf), walk.now) {
        return None;
    }
    let mut child = walk.child(frame);
    child.blank().get_mut(..ROOM)?;
    let length = icmp::emit(child.blank(), own, asker, problem, original, stack).ok()?;
    child.received(length);
    child.origin = Origin::Own;
    match inside {
        Some(vrf) => {
            child.vrf = vrf;
            walk.later(child, Next::IpLookup);
        }
        // In transit we do not know the VRF: the far end of the path does (RFC 3032 section 2.3.2).
        None => {
            for entry in stack.iter().rev() {
                child.prepend(&mpls::Entry { ttl: u8::MAX, ..*entry }.to_bytes());
            }
            walk.later(child, Next::MplsInput);
        }
    }
    Some(())
}

/// The label stack, and the packet behind it; nothing if the stack does not end.
fn split(bytes: &[u8]) -> (Vec<mpls::Entry>, &[u8]) {
    let mut stack = Vec::new();
    let mut rest = bytes;
    while let Ok((entry, behind)) = mpls::Entry::parse(rest) {
        (rest, _) = (behind, stack.push(entry));
        if entry.bottom {
            return (stack, rest);
        }
        if stack.len() >= DEPTH {
            break;
        }
    }
    (stack, &[])
}

/// The VRF to answer in; `None` if the packet was in transit under labels.
fn vrf_of(walk: &Walk<'_, '_>, frame: &Frame, stack: &[mpls::Entry]) -> Option<VrfId> {
    let Some(bottom) = stack.last() else { return Some(frame.vrf) };
    if bottom.label.is_reserved() {
        return Some(frame.vrf);
    }
    match walk.tables.label(bottom.label) {
        Some(LabelAction::PopTo(vrf)) => Some(*vrf),
        Some(LabelAction::Swap(..)) | None => None,
    }
}

/// An address of the port that the packet came by if that is in this VRF, else of the VRF; the other if there
/// is none.
fn own_address(walk: &Walk<'_, '_>, frame: &Frame, vrf: VrfId, asker: IpAddr) -> Option<IpAddr> {
    let port = walk.tables.port(frame.port);
    let of_port = || {
        let mut addresses = port?.addresses.iter().map(|own| own.address);
        addresses.find(|own| own.is_ipv4() == asker.is_ipv4())
    };
    let of_vrf = || walk.tables.vrf(vrf).and_then(|table| table.own(asker));
    match port {
        Some(port) if port.vrf == vrf => of_port().or_else(of_vrf),
        _ => of_vrf().or_else(of_port),
    }
}

/// Turns a ping around; its checksums stay right but for the one byte of the kind.
pub(crate) fn echo<'t>(frame: &mut Frame) -> Next<'t> {
    match reply(frame.bytes_mut()) {
        Some(()) => {
            frame.origin = Origin::Own;
            Next::IpLookup
        }
        None => Drop::Malformed.into(),
    }
}

const TTL: u8 = 64;

fn reply(bytes: &mut [u8]) -> Option<()> {
    let packet = Packet::new_checked(bytes).ok()?;
    let (family, at) = (packet.family(), packet.header_len);
    let (addresses, half, kind) = match family {
        Family::V4 => (12..20, 4, 0),
        Family::V6 => (8..40, 16, 129),
    };
    ip::set_ttl(bytes, TTL).ok()?;
    bytes.get_mut(addresses)?.rotate_left(half);
    let [was, code, c0, c1] = bytes.get_mut(at..)?.first_chunk_mut::<4>()?;
    let old = u16::from_be_bytes([*was, *code]);
    *was = kind;
    let sum = checksum::replace(u16::from_be_bytes([*c0, *c1]), old, u16::from_be_bytes([kind, *code]));
    [*c0, *c1] = sum.to_be_bytes();
    Some(())
}
