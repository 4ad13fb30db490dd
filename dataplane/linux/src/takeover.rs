//! Everything that the kernel has and that may be ours: read at start, and when notifications were lost.

use std::collections::BTreeMap;
use std::io;

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::{RouteMessage, RouteProtocol};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::ground::{Ground, Kind, Link, OURS};
use crate::mark::{self, Hook};
use crate::netlink::{Client, Message};
use crate::request::Request;
use crate::thing::{Key, Name, PROTOCOL, Thing};
use crate::watch::{self, Change};
use crate::{policy, sa};

/// Every device.
pub(crate) fn links(client: &mut Client) -> io::Result<BTreeMap<Name, Link>> {
    let question = Request::route(&RouteNetlinkMessage::GetLink(LinkMessage::default()), 0);
    let ground = Ground::default();
    let read = |message: &Message| match watch::read(message.kind, &message.body, &ground) {
        Some(Change::Link(name, Some(link))) => Some((name, link)),
        Some(Change::Link(_, None) | Change::Thing(..) | Change::Rules) | None => None,
    };
    Ok(client.dump(&question)?.iter().filter_map(read).collect())
}

/// Every thing of ours, and every address.
pub(crate) fn things(client: &mut Client, ground: &Ground) -> io::Result<BTreeMap<Key, Thing>> {
    let mut found = BTreeMap::new();
    for question in questions(ground) {
        for message in client.dump(&question)? {
            if let Some(Change::Thing(key, Some(thing))) = watch::read(message.kind, &message.body, ground) {
                found.insert(key, thing);
            }
        }
    }
    found.extend(client.dump(&sa::dump())?.iter().filter_map(|message| sa::read(&message.body)));
    found.extend(
        client.dump(&policy::dump())?.iter().filter_map(|message| policy::read(&message.body, ground)),
    );
    Ok(found)
}

fn questions(ground: &Ground) -> Vec<Request> {
    let route = |family| {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.header.protocol = RouteProtocol::Other(PROTOCOL);
        Request::route(&RouteNetlinkMessage::GetRoute(message), 0)
    };
    let mut questions = vec![
        Request::route(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), 0),
        Request::route(&RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()), 0),
        route(AddressFamily::Inet),
        route(AddressFamily::Inet6),
        route(AddressFamily::Mpls),
    ];
    questions.extend(ground.links.values().filter_map(filters));
    questions
}

/// Of an XFRM interface of ours what enters it, of everything else but VRFs what arrives.
fn filters(link: &Link) -> Option<Request> {
    let ours = link.alias.as_ref().is_some_and(|alias| alias.starts_with(OURS));
    let hook = match link.kind {
        Kind::Vrf(_) => return None,
        Kind::Xfrm { .. } if ours => Hook::Egress,
        Kind::Xfrm { .. } | Kind::Vlan { .. } | Kind::Other => Hook::Ingress,
    };
    mark::question(link.index, hook).ok()
}
