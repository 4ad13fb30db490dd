//! Labels of the kernel: what becomes of a packet whose top label is ours (RFC 3031, RFC 3443).
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use std::net::IpAddr;

use base::Label;
use dataplane::{Hop, LabelAction, TtlModel};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMplsTtlPropagation, RouteProtocol,
    RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::ground::Ground;
use crate::request::{CREATE, EXCLUSIVE, REPLACE, Request};
use crate::route::{self, labels, on_the_wire, place, stack};
use crate::thing::{Key, Name, PROTOCOL, Thing, Unable};

/// The one table that labels are in, as the kernel calls it.
const TABLE: u8 = 254;
/// Of a label, in bits.
const LENGTH: u8 = 20;

/// Where a labelled packet goes once its top label is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) device: Name,
    /// `None`: into the VRF of the device, or with `lo` into the global table.
    pub(crate) via: Option<IpAddr>,
    /// What takes the label's place, outermost first.
    pub(crate) push: Box<[Label]>,
    /// Whether a TTL goes on in what was beneath the last label.
    pub(crate) ttl: TtlModel,
}

/// What a label is in the kernel: nothing where it leads nowhere.
pub(crate) fn things(
    label: Label,
    action: &LabelAction,
    ground: &Ground,
) -> Result<Vec<(Key, Thing)>, Unable> {
    let forward = match action {
        LabelAction::PopTo(vrf) => {
            let place = place(*vrf, ground)?;
            let device = place.device.clone().unwrap_or_else(|| Name::from("lo"));
            Forward { device, via: None, push: Box::default(), ttl: place.ttl }
        }
        LabelAction::Swap(next, Hop::Out { port, gateway: Some(via), push }) => {
            let Some(port) = ground.ports.get(port) else {
                return Err(Unable::Never(format!("port {} of label {label} is not there", port.0)));
            };
            let stack: Vec<Label> = push.iter().copied().chain([*next]).collect();
            let device = Name::from(port.device.as_str());
            Forward { device, via: Some(*via), push: on_the_wire(&stack), ttl: TtlModel::Uniform }
        }
        LabelAction::Swap(..) => return Ok(Vec::new()),
    };
    Ok(vec![(Key::Label(label), Thing::Label(forward))])
}

/// A label of somebody else's is left to them: the kernel refuses ours.
pub(crate) fn set(
    label: Label,
    forward: &Forward,
    held: Option<&Thing>,
    ground: &Ground,
) -> Result<Vec<Request>, Unable> {
    if label.is_reserved() {
        return Err(Unable::Never(format!("label {label} is reserved")));
    }
    let Forward { device, via, push, ttl } = forward;
    let mut message = blank(label);
    message.attributes.push(RouteAttribute::Oif(route::up(device, ground)?.index));
    message.attributes.extend(via.map(|via| RouteAttribute::Via(RouteVia::from(via))));
    if !push.is_empty() {
        message.attributes.push(RouteAttribute::NewDestination(stack(push)));
    }
    message.attributes.push(RouteAttribute::TtlPropagate(match ttl {
        TtlModel::Uniform => RouteMplsTtlPropagation::Enabled,
        TtlModel::Pipe => RouteMplsTtlPropagation::Disabled,
    }));
    let flags = if held.is_some() { REPLACE } else { EXCLUSIVE };
    Ok(vec![Request::route(&RouteNetlinkMessage::NewRoute(message), CREATE | flags)])
}

pub(crate) fn unset(label: Label) -> Result<Vec<Request>, Unable> {
    Ok(vec![Request::route(&RouteNetlinkMessage::DelRoute(blank(label)), 0)])
}

/// Ours only, and only what still has its device.
pub(crate) fn read(message: &RouteMessage, ground: &Ground) -> Option<(Key, Thing)> {
    let header = &message.header;
    if header.address_family != AddressFamily::Mpls || header.protocol != RouteProtocol::Other(PROTOCOL) {
        return None;
    }
    let (mut label, mut device, mut via) = (None, None, None);
    let (mut push, mut ttl) = (Box::default(), TtlModel::Uniform);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Mpls(entry)) => label = Label::new(entry.label),
            RouteAttribute::Oif(index) => device = ground.device(*index).cloned(),
            RouteAttribute::Via(hop) => via = route::hop(hop),
            RouteAttribute::NewDestination(stack) => push = labels(stack),
            RouteAttribute::TtlPropagate(RouteMplsTtlPropagation::Disabled) => ttl = TtlModel::Pipe,
            _ => {}
        }
    }
    Some((Key::Label(label?), Thing::Label(Forward { device: device?, via, push, ttl })))
}

fn blank(label: Label) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: AddressFamily::Mpls,
        destination_prefix_length: LENGTH,
        table: TABLE,
        protocol: RouteProtocol::Other(PROTOCOL),
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    let entry =
        stack(&[label]).into_iter().map(|entry| RouteAttribute::Destination(RouteAddress::Mpls(entry)));
    message.attributes.extend(entry);
    message
}

#[cfg(test)]
mod tests;
