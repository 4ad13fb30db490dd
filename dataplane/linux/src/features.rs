//! What this kernel can do of what we need: tried, not guessed. What is missing is named with its kernel option,
//! module and package.

use std::fs;
use std::path::Path;

use dataplane::Feature;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, InfoVrf, InfoXfrm, LinkAttribute, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage, RouteMplsIpTunnel,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink::Client;
use crate::request::{CREATE, EXCLUSIVE, Request};

/// Tries what can be tried without a trace.
pub(crate) fn probe(client: &mut Client) -> Vec<Feature> {
    let vrf = makes(client, InfoKind::Vrf, InfoData::Vrf(vec![InfoVrf::TableId(PROBE)]));
    let xfrm = makes(client, InfoKind::Xfrm, InfoData::Xfrm(vec![InfoXfrm::IfId(PROBE)]));
    // Whoever asks for it has it loaded; there is no such device to have it on.
    makes(client, InfoKind::Vlan, InfoData::Vlan(vec![InfoVlan::Id(1)]));
    // Likewise; there is no such route.
    let _loaded = client.send(&[Request::route(&RouteNetlinkMessage::NewRoute(labelled()), 0)]);
    let has = |path: &str| Path::new("/proc/sys/net").join(path).exists();
    vec![
        feature("VRF devices", vrf, "CONFIG_NET_VRF (module vrf)"),
        feature("XFRM interfaces", xfrm, "CONFIG_XFRM_INTERFACE (module xfrm_interface)"),
        feature(
            "MPLS",
            has("mpls"),
            "CONFIG_MPLS_ROUTING, CONFIG_MPLS_IPTUNNEL (modules mpls_router, mpls_iptunnel)",
        ),
        feature("VLANs", Path::new("/proc/net/vlan").exists(), "CONFIG_VLAN_8021Q (module 8021q)"),
        feature("IPv6", has("ipv6"), "CONFIG_IPV6"),
        feature("XFRM statistics", Path::new("/proc/net/xfrm_stat").exists(), "CONFIG_XFRM_STATISTICS"),
    ]
}

/// Whether the running kernel is at least this.
pub(crate) fn is_at_least(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

/// Nobody has this table or `if_id`.
const PROBE: u32 = 0x4FFF_FFFF;
const DEVICE: &str = "onramp-probe";

fn makes(client: &mut Client, kind: InfoKind, data: InfoData) -> bool {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(DEVICE.to_owned()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]),
    ];
    let mut gone = LinkMessage::default();
    gone.attributes = vec![LinkAttribute::IfName(DEVICE.to_owned())];
    let made = Request::route(&RouteNetlinkMessage::NewLink(message), CREATE | EXCLUSIVE);
    let gone = Request::route(&RouteNetlinkMessage::DelLink(gone), 0);
    client.send(&[made, gone]).first().is_some_and(Result::is_ok)
}

fn labelled() -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = 32;
    message.attributes = vec![
        RouteAttribute::Destination(std::net::Ipv4Addr::new(192, 0, 2, 255).into()),
        RouteAttribute::Table(PROBE),
        RouteAttribute::EncapType(RouteLwEnCapType::Mpls),
        RouteAttribute::Encap(vec![RouteLwTunnelEncap::Mpls(RouteMplsIpTunnel::Ttl(0))]),
    ];
    message
}

fn feature(name: &str, found: bool, needs: &str) -> Feature {
    let state = if found {
        "ok".to_owned()
    } else {
        format!("missing: needs {needs}; on Debian the package linux-image-amd64 (not -cloud) has it")
    };
    Feature { name: name.to_owned(), state, found }
}
