//! What a message of rtnetlink tells: of a device, or of a thing that may be ours.
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use netlink_packet_core::{NetlinkDeserializable as _, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;

use crate::ground::{Ground, Link};
use crate::thing::{Key, Name, PROTOCOL, Thing};
use crate::{address, connected, device, label, mark, neighbour, route};

/// What changed.
pub(crate) enum Change {
    /// A device, as it is now; `None`: it is gone.
    Link(Name, Option<Link>),
    /// A thing; `None`: it is gone.
    Thing(Key, Option<Thing>),
    /// A rule came or went.
    Rules,
}

/// The multicast groups of rtnetlink that tell of devices, addresses, neighbours, filters, routes, labels and rules.
pub(crate) const GROUPS: [u32; 10] = [1, 3, 4, 5, 7, 8, 9, 11, 19, 27];

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;

/// `None`: nothing of ours. Junk tells nothing; what [cannot concern us](may_concern_us) need not be asked.
pub(crate) fn read(kind: u16, body: &[u8], ground: &Ground) -> Option<Change> {
    let header = {
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        header
    };
    let found = |found: (Key, Thing)| Change::Thing(found.0, Some(found.1));
    let gone = |gone: (Key, Thing)| Change::Thing(gone.0, None);
    match RouteNetlinkMessage::deserialize(&header, body).ok()? {
        RouteNetlinkMessage::NewLink(message) => {
            device::read(&message).map(|(name, link)| Change::Link(name, Some(link)))
        }
        RouteNetlinkMessage::DelLink(message) => {
            device::read(&message).map(|(name, _)| Change::Link(name, None))
        }
        RouteNetlinkMessage::NewAddress(message) => address::read(&message, ground).map(found),
        RouteNetlinkMessage::DelAddress(message) => address::read(&message, ground).map(gone),
        RouteNetlinkMessage::NewRoute(message) => {
            route::read(&message, ground).or_else(|| label::read(&message, ground)).map(found)
        }
        RouteNetlinkMessage::DelRoute(message) => {
            route::read(&message, ground).or_else(|| label::read(&message, ground)).map(gone)
        }
        RouteNetlinkMessage::NewNeighbour(message) => match neighbour::read(&message, ground) {
            Some(ours) => Some(found(ours)),
            // In the place of ours, if we had one: it is failed first, then taken away.
            None => neighbour::key(&message, ground).map(|key| Change::Thing(key, None)),
        },
        RouteNetlinkMessage::DelNeighbour(message) => {
            neighbour::key(&message, ground).map(|key| Change::Thing(key, None))
        }
        RouteNetlinkMessage::NewTrafficFilter(message) => mark::read(&message, ground).map(found),
        RouteNetlinkMessage::DelTrafficFilter(message) => {
            mark::read_gone(&message, ground).map(|key| Change::Thing(key, None))
        }
        RouteNetlinkMessage::NewRule(_) | RouteNetlinkMessage::DelRule(_) => Some(Change::Rules),
        RouteNetlinkMessage::DelQueueDiscipline(message) => {
            mark::is_of_qdisc(&message, ground).map(|key| Change::Thing(key, None))
        }
        _ => None,
    }
}

/// A look at the fixed part only: thousands of others' changes must cost next to nothing.
pub(crate) fn may_concern_us(kind: u16, body: &[u8]) -> bool {
    match kind {
        // Not those of a bridge, which tell of its ports.
        NEW_LINK | DELETE_LINK => body.first() == Some(&0),
        NEW_ROUTE => body.get(5) == Some(&PROTOCOL),
        // Also those that the kernel had by itself.
        DELETE_ROUTE => body.get(5).is_some_and(|protocol| [PROTOCOL, connected::KERNEL].contains(protocol)),
        _ => true,
    }
}
