//! What routes become, and what is read back of them.

use std::collections::BTreeMap;

use base::PortId;
use dataplane::Labels;
use netlink_packet_core::Parseable as _;

use super::*;
use crate::ground::Tunnel;

const RED: VrfId = VrfId(1);
const FRONT: VrfId = VrfId(2);
const WAN: PortId = PortId(1);
const CORE: PortId = PortId(2);

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn port(id: PortId, device: &str, vrf: VrfId, own: &str) -> Port {
    let address = dataplane::Address { address: address(own), length: 24 };
    Port {
        id,
        name: device.to_owned(),
        device: device.to_owned(),
        vrf,
        link: dataplane::Link::Ethernet { mac: [2; 6] },
        mtu: 1500,
        addresses: vec![address],
        mpls: id == CORE,
        crypto: id == WAN,
        offload: None,
    }
}

fn link(index: u32) -> Link {
    let (alias, kind) = (None, crate::ground::Kind::Other);
    Link { index, master: None, enabled: true, running: true, mtu: 1500, alias, kind }
}

/// VRF red inside of a crypto map on port wan of VRF front; port core in the global table.
fn ground() -> Ground {
    let mut ground = Ground::default();
    let place = |device: Option<&str>, table, ttl| {
        let device: Option<Name> = device.map(Name::from);
        Place { device, table, mark: table << 16, alias: None, ttl }
    };
    ground.vrfs = BTreeMap::from([
        (VrfId::GLOBAL, place(None, 254, TtlModel::Uniform)),
        (RED, place(Some("red"), 1001, TtlModel::Pipe)),
        (FRONT, place(Some("front"), 1002, TtlModel::Uniform)),
    ]);
    ground.ports = BTreeMap::from([
        (WAN, port(WAN, "wan", FRONT, "172.18.1.1")),
        (CORE, port(CORE, "core", VrfId::GLOBAL, "192.168.0.1")),
    ]);
    for (index, device) in (1..).zip(["lo", "red", "front", "wan", "core", "ipsec1"]) {
        ground.set_link(&Name::from(device), Some(link(index)));
    }
    let carrier = Carrier::Map { port: WAN, inside: RED };
    let (device, alias) = (Name::from("ipsec1"), Name::from("onramp"));
    let tunnel = Tunnel { device, alias, if_id: 0x4F00_0001, front: FRONT, inside: RED, mtu: 1400 };
    ground.tunnels.insert(carrier, tunnel);
    ground
}

/// The way that a route of `vrf` becomes.
fn made(vrf: VrfId, to: &str, hop: Hop) -> Result<Option<(Key, Thing)>, Unable> {
    things(&Route { vrf, prefix: prefix(to), hop }, &ground()).map(|mut things| things.pop())
}

fn way_of(vrf: VrfId, to: &str, hop: Hop) -> Way {
    match made(vrf, to, hop) {
        Ok(Some((_, Thing::Route(way)))) => way,
        Ok(_) | Err(_) => panic!("no route to {to}"),
    }
}

fn by(port: PortId, gateway: &str, labels: &[u32]) -> Hop {
    let labels: Vec<_> = labels.iter().filter_map(|label| Label::new(*label)).collect();
    let push = Labels::of(&labels).unwrap();
    Hop::Out { port, gateway: Some(address(gateway)), push }
}

/// What the kernel would tell of a request.
fn echoed(request: &Request) -> RouteMessage {
    RouteMessage::parse(request.body.as_slice()).unwrap()
}

#[test]
fn what_is_sent_is_what_is_read_back() {
    let hops = [
        ("10.9.0.0/16", by(CORE, "192.168.0.2", &[2001, 3001])),
        ("10.8.0.0/16", by(CORE, "fe80::1", &[2001])),
        ("2001:db8:9::/48", by(CORE, "192.168.0.2", &[2001])),
        ("2001:db8:8::/48", by(CORE, "fe80::1", &[])),
        ("0.0.0.0/0", by(CORE, "192.168.0.2", &[])),
        ("::/0", Hop::Drop),
        ("10.2.0.0/16", by(WAN, "172.18.1.254", &[])),
        ("10.7.0.1/32", Hop::Local),
        ("10.6.0.0/16", Hop::Lookup(FRONT)),
        ("10.5.0.0/16", Hop::Drop),
    ];
    for (to, hop) in hops {
        let way = way_of(RED, to, hop);
        let requests = set(1001, prefix(to), &way, &ground()).unwrap();
        let read = read(&echoed(&requests[0]), &ground());
        assert!(read == Some((Key::route(1001, prefix(to)), Thing::Route(way.clone()))), "{to} {way:?}");
    }
}

#[test]
fn the_end_of_a_table_is_read_back_as_such() {
    for (key, _) in end(1001) {
        let Key::End(table, prefix) = key else { panic!("no end") };
        let requests = set_end(table, prefix).unwrap();
        assert!(read(&echoed(&requests[0]), &ground()) == Some((key, Thing::End)));
    }
}

#[test]
fn routes_of_others_are_not_ours() {
    let way = way_of(RED, "10.9.0.0/16", by(CORE, "192.168.0.2", &[]));
    let requests = set(1001, prefix("10.9.0.0/16"), &way, &ground()).unwrap();
    let mut message = echoed(&requests[0]);
    message.header.protocol = RouteProtocol::Static;
    assert!(read(&message, &ground()).is_none());
}

#[test]
fn nothing_of_another_vrf_leaves_a_crypto_port_in_clear() {
    let way = way_of(RED, "10.2.0.0/16", by(WAN, "172.18.1.254", &[]));
    assert_eq!(way.device(), Some(&Name::from("ipsec1")));
    // No policy: no XFRM interface.
    let way = way_of(VrfId::GLOBAL, "10.2.0.0/16", by(WAN, "172.18.1.254", &[3]));
    assert_eq!(way, Way::Blackhole);
    let Way::Out(out) = way_of(RED, "10.2.0.0/16", by(WAN, "172.18.1.254", &[2001])) else { panic!() };
    assert_eq!((&*out.device, out.push.len()), ("wan", 1), "labels keep a packet in its VPN");
    let Way::Out(out) = way_of(FRONT, "10.2.0.0/16", by(WAN, "172.18.1.254", &[])) else { panic!() };
    assert_eq!(&*out.device, "wan");
}

#[test]
fn behind_a_route_into_a_tunnel_nothing_gets_on() {
    let out = by(WAN, "172.18.1.254", &[]);
    let route = Route { vrf: RED, prefix: prefix("10.2.0.0/16"), hop: out };
    let keys: Vec<Key> = things(&route, &ground()).unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [Key::End(1001, prefix("10.2.0.0/16")), Key::route(1001, prefix("10.2.0.0/16"))]);
    let requests = set_end(1001, prefix("10.2.0.0/16")).unwrap();
    assert!(read(&echoed(&requests[0]), &ground()) == Some((keys[0].clone(), Thing::End)));
}

#[test]
fn a_tunnel_interface_that_is_not_there_is_a_black_hole() {
    assert_eq!(way_of(RED, "10.2.0.0/16", Hop::Protect(base::PolicyId(7))), Way::Blackhole);
}

#[test]
fn what_the_kernel_has_by_itself_is_left_to_it() {
    assert!(made(FRONT, "172.18.1.1/32", Hop::Local) == Ok(None));
    let link = Hop::Out { port: WAN, gateway: None, push: Labels::default() };
    assert!(made(FRONT, "172.18.1.0/24", link) == Ok(None));
    assert!(made(VrfId::GLOBAL, "172.18.1.0/24", link).is_ok_and(|thing| thing.is_some()));
}

#[test]
fn a_labels_ttl_is_that_of_its_vrf() {
    let ttl = |vrf, hop| match way_of(vrf, "10.9.0.0/16", hop) {
        Way::Out(out) => out.ttl,
        Way::Local(_) | Way::Blackhole => panic!("no next hop"),
    };
    assert_eq!(ttl(RED, by(CORE, "192.168.0.2", &[2001])), TtlModel::Pipe);
    assert_eq!(ttl(FRONT, by(CORE, "192.168.0.2", &[2001])), TtlModel::Uniform);
    assert_eq!(ttl(RED, by(CORE, "192.168.0.2", &[3])), TtlModel::Uniform, "nothing to be told apart");
}

#[test]
fn a_route_by_a_device_that_is_down_waits_for_it() {
    let mut ground = ground();
    let way = way_of(RED, "10.9.0.0/16", by(CORE, "192.168.0.2", &[2001]));
    let core = Name::from("core");
    ground.set_link(&core, Some(Link { enabled: false, ..link(5) }));
    let down = set(1001, prefix("10.9.0.0/16"), &way, &ground).err();
    assert_eq!(down, Some(Unable::Wait(core.clone())));
    ground.set_link(&core, None);
    assert_eq!(set(1001, prefix("10.9.0.0/16"), &way, &ground).err(), Some(Unable::Wait(core)));
}

#[test]
fn what_the_kernel_cannot_do_is_said_in_words() {
    let by_v4 = made(RED, "2001:db8::/32", by(CORE, "192.168.0.2", &[]));
    assert!(matches!(by_v4, Err(Unable::Never(reason)) if reason.starts_with("2001:db8::/32")));
    assert!(matches!(made(RED, "10.0.0.0/8", Hop::Lookup(VrfId::GLOBAL)), Err(Unable::Never(_))));
    assert!(matches!(made(VrfId(9), "10.0.0.0/8", Hop::Drop), Err(Unable::Never(_))));
}

#[test]
fn a_route_takes_little_memory() {
    assert_eq!(size_of::<Way>(), 24);
    assert!(size_of::<Out>() <= 56);
}
