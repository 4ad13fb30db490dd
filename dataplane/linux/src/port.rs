//! Somebody's devices as our ports: each is a slave of its VRF's device.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};

use crate::ground::{Ground, Link};
use crate::request::Request;
use crate::thing::{Name, Thing, Unable};

/// Whose slave a port is; `None`: it is in the global table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slave(pub(crate) Option<Name>);

pub(crate) fn set(name: &Name, slave: &Slave, ground: &Ground) -> Result<Vec<Request>, Unable> {
    let index = |device: &Name| ground.index(device).ok_or_else(|| Unable::Wait(device.clone()));
    let (port, master) = (index(name)?, slave.0.as_ref().map(index).transpose()?);
    let mut message = LinkMessage::default();
    message.header.index = port;
    message.attributes.push(LinkAttribute::Controller(master.unwrap_or(0)));
    Ok(vec![Request::route(&RouteNetlinkMessage::SetLink(message), 0)])
}

/// A port that is ours no more stays where it is: what it carried must not get into the global table.
pub(crate) fn unset(_: &Name, _: &Ground) -> Result<Vec<Request>, Unable> {
    Ok(Vec::new())
}

pub(crate) fn of_link(link: &Link, ground: &Ground) -> Thing {
    Thing::Port(Slave(link.master.and_then(|master| ground.device(master).cloned())))
}
