//! The routes that the kernel makes by itself for each address: connected and local ones. It makes them once; where
//! a stranger takes one away, it is put back as it was.
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use std::net::IpAddr;

use base::Prefix;
use netlink_packet_core::{NetlinkDeserializable as _, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};

use crate::request::{CREATE, Request};

/// `RTPROT_KERNEL`.
pub(crate) const KERNEL: u8 = 2;

/// A route that is gone.
pub(crate) struct Connected {
    /// Of its device.
    pub(crate) index: u32,
    destination: Prefix,
    message: RouteMessage,
}

/// A route of the kernel's own that this message says is gone.
pub(crate) fn taken(kind: u16, body: &[u8]) -> Option<Connected> {
    let mut header = NetlinkHeader::default();
    header.message_type = kind;
    let RouteNetlinkMessage::DelRoute(message) = RouteNetlinkMessage::deserialize(&header, body).ok()? else {
        return None;
    };
    let (mut destination, mut index) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(v4)) => destination = Some(IpAddr::V4(*v4)),
            RouteAttribute::Destination(RouteAddress::Inet6(v6)) => destination = Some(IpAddr::V6(*v6)),
            RouteAttribute::Oif(oif) => index = Some(*oif),
            _ => {}
        }
    }
    let destination = Prefix::new(destination?, message.header.destination_prefix_length).ok()?;
    (u8::from(message.header.protocol) == KERNEL).then_some(Connected { index: index?, destination, message })
}

impl Connected {
    /// Whether the kernel made it for this address.
    pub(crate) fn is_of(&self, address: IpAddr, length: u8) -> bool {
        self.destination == Prefix::host(address) || Ok(self.destination) == Prefix::new(address, length)
    }

    /// The route as it was.
    pub(crate) fn again(self) -> Request {
        let mut message = self.message;
        message.header.flags = Default::default();
        message.attributes.retain(|attribute| {
            matches!(
                attribute,
                RouteAttribute::Destination(_)
                    | RouteAttribute::Oif(_)
                    | RouteAttribute::Table(_)
                    | RouteAttribute::Priority(_)
                    | RouteAttribute::PrefSource(_)
            )
        });
        Request::route(&RouteNetlinkMessage::NewRoute(message), CREATE)
    }
}
