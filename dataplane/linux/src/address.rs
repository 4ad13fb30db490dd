//! Addresses on devices, with the kernel's own connected routes.
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
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
    /// Without its connected route.
    pub(crate) bare: bool,
}

impl PartialEq for OnDevice {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.bare == other.bare
    }
}

impl Eq for OnDevice {}

/// With another length or without its route it is another address to the kernel.
pub(crate) fn set(
    name: &Name,
    address: IpAddr,
    on: OnDevice,
    held: Option<&Thing>,
    ground: &Ground,
) -> Result<Vec<Request>, Unable> {
    let mut requests = match held {
        Some(Thing::Address(old)) => unset(name, address, *old, ground)?,
        _ => Vec::new(),
    };
    let mut message = message(name, address, on, ground)?;
    message.attributes.push(AddressAttribute::Protocol(PROTOCOL.into()));
    if address.is_ipv6() {
        // Nobody else has it: what waits for the check would not be reachable at once.
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    requests.push(Request::route(&RouteNetlinkMessage::NewAddress(message), CREATE | REPLACE));
    Ok(requests)
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
    let (mut local, mut address, mut ours, mut bare) = (None, None, false, false);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Flags(flags) => bare = flags.contains(AddressFlags::Noprefixroute),
            AddressAttribute::Protocol(protocol) => ours = u8::from(*protocol) == PROTOCOL,
            _ => {}
        }
    }
    let device = ground.device(message.header.index)?.clone();
    let on = OnDevice { length: message.header.prefix_len, ours, bare };
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
