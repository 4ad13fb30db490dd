//! A labelled packet: our label says which VRF, or which label comes next (RFC 3031, RFC 3032, RFC 3443).

use base::{Label, VrfId};
use dataplane::{Hop, LabelAction, TtlModel};
use wire::ip;
use wire::mpls::{self, Entry};

use crate::graph::{Next, Trouble, Walk};
use crate::tables::{Out, Way};
use crate::{Drop, Frame, Origin};

/// Explicit nulls on top of each other; nobody sends two.
const NULLS: usize = 2;

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    let Some(port) = walk.tables.port(frame.port) else { return Drop::UnknownPort.into() };
    if !port.mpls {
        return Drop::MplsDisabled.into();
    }
    for _ in 0..=NULLS {
        let Ok((entry, _)) = Entry::parse(frame.bytes()) else { return Drop::LabelStack.into() };
        if entry.ttl <= 1 {
            return Next::Icmp(Trouble::TTL.labelled());
        }
        match entry.label {
            Label::IPV4_EXPLICIT_NULL | Label::IPV6_EXPLICIT_NULL if entry.bottom => {
                return null(walk, frame, entry, port.vrf);
            }
            // RFC 4182: explicit null may stand above other labels.
            Label::IPV4_EXPLICIT_NULL | Label::IPV6_EXPLICIT_NULL => {
                frame.strip(mpls::ENTRY);
            }
            label => return by_label(walk, frame, entry, label),
        }
    }
    Drop::LabelStack.into()
}

fn by_label<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, entry: Entry, label: Label) -> Next<'t> {
    let Some(action) = walk.tables.label(label) else { return Drop::NoLabel.into() };
    walk.state.count_label(label, frame.len());
    match action {
        LabelAction::PopTo(_) if !entry.bottom => Drop::LabelStack.into(),
        LabelAction::PopTo(vrf) => pop(walk, frame, entry, *vrf),
        LabelAction::Swap(next, hop) => swap(walk, frame, entry, *next, hop),
    }
}

/// The label says which family is beneath it (RFC 3032 section 2.1).
fn null<'t>(walk: &Walk<'t, '_>, frame: &mut Frame, entry: Entry, vrf: VrfId) -> Next<'t> {
    let family = if entry.label == Label::IPV4_EXPLICIT_NULL { 4 } else { 6 };
    match frame.bytes().get(mpls::ENTRY).map(|first| first >> 4) {
        Some(version) if version == family => pop(walk, frame, entry, vrf),
        Some(_) | None => Drop::LabelStack.into(),
    }
}

/// The last label goes; ip_input takes this hop's TTL.
fn pop<'t>(walk: &Walk<'t, '_>, frame: &mut Frame, entry: Entry, vrf: VrfId) -> Next<'t> {
    frame.strip(mpls::ENTRY);
    (frame.vrf, frame.origin) = (vrf, Origin::Labelled);
    let model = walk.tables.vrf(vrf).map(|table| table.ttl).unwrap_or_default();
    match model {
        TtlModel::Pipe => Next::IpInput,
        TtlModel::Uniform if lower_ttl(frame, entry.ttl).is_none() => Drop::Malformed.into(),
        TtlModel::Uniform => Next::IpInput,
    }
}

/// A TTL never grows on its way out of a path, or a loop would never end.
fn lower_ttl(frame: &mut Frame, ttl: u8) -> Option<()> {
    let packet = ip::Packet::new_checked(frame.bytes()).ok()?;
    if packet.ttl <= ttl {
        return Some(());
    }
    ip::set_ttl(frame.bytes_mut(), ttl).ok()
}

fn swap<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, entry: Entry, next: Label, hop: &'t Hop) -> Next<'t> {
    let Way::Out(out) = walk.tables.follow(frame.vrf, hop) else { return Drop::NoRoute.into() };
    let ttl = entry.ttl.saturating_sub(1);
    let pushed = out.push().len().saturating_mul(mpls::ENTRY);
    if frame.len().saturating_add(pushed) > usize::from(out.port.mtu) {
        return Next::Icmp(too_big(frame, out.mtu()));
    }
    if out.gateway().is_none() {
        return Drop::NoRoute.into();
    }
    frame.strip(mpls::ENTRY);
    if next == Label::IMPLICIT_NULL {
        if hand_down(frame, entry.bottom, ttl).is_none() {
            return Drop::Malformed.into();
        }
    } else {
        frame.prepend(&Entry { label: next, ttl, ..entry }.to_bytes());
    }
    let bare = next == Label::IMPLICIT_NULL && entry.bottom;
    push(frame, out, entry.tc, ttl, bare);
    frame.labelled = !bare || pushed > 0;
    Next::Neighbour(out)
}

/// The popped label's TTL goes to what was beneath it, unless that has less already.
fn hand_down(frame: &mut Frame, bottom: bool, ttl: u8) -> Option<()> {
    if bottom {
        return lower_ttl(frame, ttl);
    }
    let (entry, _) = Entry::parse(frame.bytes()).ok()?;
    let entry = Entry { ttl: entry.ttl.min(ttl), ..entry };
    entry.emit(frame.bytes_mut()).ok()
}

fn push(frame: &mut Frame, out: Out<'_>, tc: u8, ttl: u8, bare: bool) {
    let mut bottom = bare;
    for label in out.push().iter().rev() {
        frame.prepend(&Entry { label: *label, tc, bottom, ttl }.to_bytes());
        bottom = false;
    }
}

/// The sender knows its packet without our labels.
fn too_big(frame: &Frame, mtu: usize) -> Trouble {
    let mut rest = frame.bytes();
    while let Ok((entry, behind)) = Entry::parse(rest) {
        rest = behind;
        if entry.bottom {
            break;
        }
    }
    Trouble::too_big(mtu.saturating_sub(frame.len().saturating_sub(rest.len()))).labelled()
}
