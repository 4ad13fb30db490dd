//! The rules that VRFs need of the box: theirs before the one for own addresses of the global table.

use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink::Client;
use crate::request::{CREATE, EXCLUSIVE, Request};

/// Where the kernel puts the rule for VRF devices.
const VRFS: u32 = 1000;
/// Behind that, before the one for the main table (32766).
const LAST: u32 = 32_765;
const LOCAL: u8 = 255;
const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// The kernel asks for addresses of the global table first of all, and would take a VRF's packets for its own
/// where a customer has the same. The new rule comes before the old one goes: no packet is lost.
pub(crate) fn own_addresses_last(client: &mut Client) {
    for family in FAMILIES {
        let old = Request::route(&RouteNetlinkMessage::DelRule(own(family, 0)), 0);
        if make(client, own(family, LAST)) && client.send(&[old]).iter().all(Result::is_ok) {
            tracing::info!("own addresses are looked up behind VRFs now: rule {LAST} in place of rule 0");
        }
    }
}

/// A stranger made a rule or took one away: whichever it was, all is as it should be then.
pub(crate) fn mend(client: &mut Client) {
    for family in FAMILIES {
        let mut vrfs = blank(family, VRFS);
        vrfs.attributes.push(RuleAttribute::L3MDev(true));
        vrfs.attributes.push(RuleAttribute::Protocol(RouteProtocol::Kernel));
        make(client, vrfs);
    }
    own_addresses_last(client);
}

/// Whether the rule is there in the end.
fn make(client: &mut Client, rule: RuleMessage) -> bool {
    let request = Request::route(&RouteNetlinkMessage::NewRule(rule), CREATE | EXCLUSIVE);
    let refused = client.send(&[request]).into_iter().find_map(Result::err);
    let refused = refused.filter(|refused| !refused.already_there());
    if let Some(refused) = &refused {
        tracing::warn!("a rule that VRFs need cannot be made: {refused}");
    }
    refused.is_none()
}

fn own(family: AddressFamily, priority: u32) -> RuleMessage {
    let mut message = blank(family, priority);
    message.header.table = LOCAL;
    message.attributes.push(RuleAttribute::Table(u32::from(LOCAL)));
    message
}

fn blank(family: AddressFamily, priority: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![RuleAttribute::Priority(priority)];
    message
}
