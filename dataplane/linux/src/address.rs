//! Addresses on devices, with the kernel's own connected routes.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::ground::Ground;
use crate::request::{CREATE, REPLACE, Request};
use crate::thing::{Key, Name, PROTOCOL, Thing, Unable};

/// An address as it stands on a device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnDevice {
    /// Of the connected prefix.
    pub(crate) length: u8,
    /// Set by us; what others set we use, and leave.
    pub(crate) ours: bool,
}

impl PartialEq for OnDevice {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length
    }
}

impl Eq for OnDevice {}

pub(crate) fn set(
    name: &Name,
    address: IpAddr,
    on: OnDevice,
    ground: &Ground,
) -> Result<Vec<Request>, Unable> {
    let mut message = message(name, address, on, ground)?;
    message.attributes.push(AddressAttribute::Protocol(PROTOCOL.into()));
    if let IpAddr::V6(_) = address {
        // Nobody else has it: what waits for the check would not be reachable at once.
        message.attributes.push(AddressAttribute::Flags(netlink_packet_route::address::AddressFlags::Nodad));
    }
    Ok(vec![Request::route(&RouteNetlinkMessage::NewAddress(message), CREATE | REPLACE)])
}

pub(crate) fn unset(
    name: &Name,
    address: IpAddr,
    on: OnDevice,
    ground: &Ground,
) -> Result<Vec<Request>, Unable> {
    if !on.ours {
        return Ok(Vec::new());
    }
    let message = message(name, address, on, ground)?;
    Ok(vec![Request::route(&RouteNetlinkMessage::DelAddress(message), 0)])
}

/// Also what is not ours: whoever asks decides.
pub(crate) fn read(message: &AddressMessage, ground: &Ground) -> Option<(Key, Thing)> {
    let (mut local, mut address, mut ours) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Protocol(protocol) => ours = u8::from(*protocol) == PROTOCOL,
            _ => {}
        }
    }
    let device = ground.device(message.header.index)?.clone();
    let on = OnDevice { length: message.header.prefix_len, ours };
    Some((Key::Address(device, local.or(address)?), Thing::Address(on)))
}

fn message(name: &Name, address: IpAddr, on: OnDevice, ground: &Ground) -> Result<AddressMessage, Unable> {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = on.length;
    message.header.index = ground.index(name).ok_or_else(|| Unable::Wait(name.clone()))?;
    message.header.scope = AddressScope::Universe;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    Ok(message)
}
