//! Neighbours of the kernel: the link address of a next hop, where it is told and not asked for.
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use std::net::IpAddr;

use dataplane::Neighbour;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourHeader, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteProtocol, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::ground::Ground;
use crate::request::{CREATE, REPLACE, Request};
use crate::route::up;
use crate::thing::{Key, Name, PROTOCOL, Thing, Unable};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

pub(crate) fn things(neighbour: &Neighbour, ground: &Ground) -> Result<Vec<(Key, Thing)>, Unable> {
    let Neighbour { port, address, mac } = neighbour;
    let Some(port) = ground.ports.get(port) else {
        return Err(Unable::Never(format!("port {} of neighbour {address} is not there", port.0)));
    };
    let key = Key::Neighbour(Name::from(port.device.as_str()), *address);
    Ok(vec![(key, Thing::Neighbour(Mac(*mac)))])
}

pub(crate) fn set(device: &Name, address: IpAddr, mac: Mac, ground: &Ground) -> Result<Vec<Request>, Unable> {
    let mut message = blank(address, up(device, ground)?.index);
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    message.attributes.push(NeighbourAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
    Ok(vec![Request::route(&RouteNetlinkMessage::NewNeighbour(message), CREATE | REPLACE)])
}

/// Nothing where the device is gone: it took its neighbours with it.
pub(crate) fn unset(device: &Name, address: IpAddr, ground: &Ground) -> Result<Vec<Request>, Unable> {
    let message = |index| RouteNetlinkMessage::DelNeighbour(blank(address, index));
    Ok(ground.index(device).map(|index| Request::route(&message(index), 0)).into_iter().collect())
}

/// Ours only.
pub(crate) fn read(message: &NeighbourMessage, ground: &Ground) -> Option<(Key, Thing)> {
    let (mut address, mut mac, mut ours) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(IpAddr::V4(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => address = Some(IpAddr::V6(*v6)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok().map(Mac),
            NeighbourAttribute::Protocol(protocol) => ours = *protocol == RouteProtocol::Other(PROTOCOL),
            _ => {}
        }
    }
    if !ours || message.header.state != NeighbourState::Permanent {
        return None;
    }
    let device = ground.device(message.header.ifindex)?.clone();
    Some((Key::Neighbour(device, address?), Thing::Neighbour(mac?)))
}

/// What a message is about, whosever it is.
pub(crate) fn key(message: &NeighbourMessage, ground: &Ground) -> Option<Key> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    });
    Some(Key::Neighbour(ground.device(message.header.ifindex)?.clone(), address?))
}

fn blank(address: IpAddr, ifindex: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header = NeighbourHeader {
        family: match address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        },
        ifindex,
        state: NeighbourState::Permanent,
        kind: RouteType::Unicast,
        ..NeighbourHeader::default()
    };
    message.attributes.push(NeighbourAttribute::Destination(address.into()));
    message
}

#[cfg(test)]
mod tests;
