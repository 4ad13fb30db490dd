//! The one rule that VRFs need of the box: own addresses of the global table are looked up after theirs.

use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink::Client;
use crate::request::{CREATE, EXCLUSIVE, Request};

/// Behind the rule for VRF devices (1000), before that for the main table (32766).
const LAST: u32 = 32_765;
const LOCAL: u8 = 255;

/// The kernel asks for addresses of the global table first of all, and would take a VRF's packets for its own
/// where a customer has the same. The new rule comes before the old one goes: no packet is lost.
pub(crate) fn own_addresses_last(client: &mut Client) {
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let new = Request::route(&RouteNetlinkMessage::NewRule(rule(family, LAST)), CREATE | EXCLUSIVE);
        let old = Request::route(&RouteNetlinkMessage::DelRule(rule(family, 0)), 0);
        match client.send(&[new]).into_iter().find_map(Result::err).filter(|refused| !refused.already_there())
        {
            Some(refused) => {
                tracing::warn!("the rule for own addresses cannot be put behind those of VRFs: {refused}");
            }
            None if client.send(&[old]).iter().all(Result::is_ok) => {
                tracing::info!("own addresses are looked up behind VRFs now: rule {LAST} in place of rule 0");
            }
            None => {}
        }
    }
}

fn rule(family: AddressFamily, priority: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family;
    message.header.table = LOCAL;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![RuleAttribute::Priority(priority), RuleAttribute::Table(u32::from(LOCAL))];
    message
}
