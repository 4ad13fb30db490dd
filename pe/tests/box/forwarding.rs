//! What the dataplane and the kernel are told of a configuration and of wires.

use std::net::IpAddr;
use std::time::Duration;

use base::{Instant, Prefix};
use dataplane::{Event, Key, Object};
use pe::{Device, Input, Notice};

use crate::configs::PE;
use crate::world::{Station, device};

const NOW: Instant = Instant::from_secs(1);
/// When what still is a problem has been told.
const LATER: Instant = Instant::from_secs(10);

fn pe() -> Station {
    Station::new(1, &["core0", "wan0"], PE)
}

#[test]
fn the_one_box_configuration_becomes_exactly_these_ops() {
    assert_eq!(
        pe().told(),
        [
            "set vrf global",
            "set vrf vpn1",
            "set vrf vpn2",
            "set port Ethernet1/1 on core0 in global mtu 1500 mpls true crypto false",
            "set port Ethernet1/2 on wan0 in global mtu 1500 mpls false crypto true",
            "set port onr-global on onr-global in global mtu 1500 mpls false crypto false",
            "set port onr-vpn1 on onr-vpn1 in vpn1 mtu 1500 mpls false crypto false",
            "set port onr-vpn2 on onr-vpn2 in vpn2 mtu 1500 mpls false crypto false",
            "set policy 1 global/vpn1 true ip 10.1.0.0/16 10.2.0.0/16 through []",
            "set policy 3 global/vpn2 true ip 10.1.0.0/16 10.2.0.0/16 through []",
            "set label 101 pops to vpn1",
            "set label 102 pops to vpn2",
            "set route global 10.1.1.1/32 out Ethernet1/2 via 172.18.1.2",
            "set route global 172.16.1.1/32 out Ethernet1/2 via 172.18.1.2",
            "set route global 172.17.0.0/16 out Ethernet1/1",
            "set route global 172.17.1.1/32 Local",
            "set route global 172.18.1.0/24 out Ethernet1/2",
            "set route global 172.18.1.1/32 Local",
            "set route vpn1 10.1.0.0/16 out Ethernet1/1 via 172.17.1.2 push 201",
            "set route vpn1 10.2.0.0/16 out Ethernet1/2 via 172.18.1.2",
            "set route vpn2 10.1.0.0/16 out Ethernet1/1 via 172.17.1.2 push 202",
            "set route vpn2 10.2.0.0/16 out Ethernet1/2 via 172.18.1.2",
        ]
    );
}

#[test]
fn the_same_configuration_again_changes_nothing() {
    let mut pe = pe();
    assert_eq!(pe.configure(NOW, PE), Ok(0));
}

#[test]
fn a_contradiction_is_refused_and_changes_nothing() {
    let mut pe = pe();
    pe.told();
    let mut config = config::parse(PE).ok().unwrap().config;
    config.mpls.bindings[2].direction = config.mpls.bindings[0].direction;
    let reason = pe.apply_config(NOW, config).unwrap_err();
    assert!(reason.contains("label 101"), "{reason}");
    assert!(pe.told().is_empty());
    assert_eq!(pe.configure(NOW, PE), Ok(0));
}

#[test]
fn an_interface_without_device_takes_its_routes_along_until_the_device_comes() {
    let mut pe = Station::new(1, &["wan0"], PE);
    pe.tick(LATER);
    assert!(pe.log().iter().any(|line| line.contains("Ethernet1/1") && line.contains("core0")));
    let labelled = |pe: &Station| {
        pe.memory
            .values()
            .filter(|o| matches!(o, Object::Route(r) if r.prefix == "10.1.0.0/16".parse().unwrap()))
            .count()
    };
    assert_eq!(labelled(&pe), 0);
    pe.told();
    pe.tell(NOW, Input::Device(device("core0")));
    assert_eq!(labelled(&pe), 2);
    assert!(!pe.told().iter().any(|op| op.contains("Ethernet1/2")), "the other wire is left alone");
    pe.tell(NOW, Input::DeviceGone("core0".to_owned()));
    assert_eq!(labelled(&pe), 0);
}

#[test]
fn a_dark_wire_withdraws_its_routes_and_those_through_it() {
    let mut pe = pe();
    let Some(Object::Port(wan)) =
        pe.memory.values().find(|o| matches!(o, Object::Port(p) if p.device == "wan0")).cloned()
    else {
        panic!("no port")
    };
    pe.told();
    pe.tell(NOW, Input::Event(Event::Link { port: wan.id, up: false }));
    let expected = ["10.2.0.0/16", "172.18.1.1/32", "172.18.1.0/24", "172.16.1.1/32", "10.1.1.1/32"];
    let told = pe.told();
    for prefix in expected {
        assert!(
            told.iter().any(|op| op.starts_with("unset route") && op.ends_with(prefix)),
            "{prefix}: {told:?}"
        );
    }
    assert!(pe.memory.contains_key(&Key::Port(wan.id)), "the port itself stays");
    pe.tell(NOW, Input::Event(Event::Link { port: wan.id, up: true }));
    assert_eq!(pe.told().iter().filter(|op| op.starts_with("set route")).count(), 6);
    assert!(
        pe.log().iter().any(|line| line.contains("UPDOWN: Interface Ethernet1/2, changed state to down"))
    );
}

#[test]
fn an_mtu_is_raised_lowered_and_given_back_by_reload() {
    let mut pe = pe();
    let with = |line: &str| PE.replace(" device wan0\n", &format!(" device wan0\n{line}"));
    let mtus = |pe: &Station| {
        let port = pe.memory.values().find_map(|object| {
            let Object::Port(port) = object else { return None };
            (port.device == "wan0").then_some(port.mtu)
        });
        let host = pe.host.ports.iter().find(|port| port.device == "wan0");
        (port.unwrap(), host.unwrap().mtu)
    };
    let becomes = |mtu| Input::Device(Device { mtu, ..device("wan0") });
    assert_eq!(mtus(&pe), (1500, 1500));
    pe.configure(NOW, &with(" mtu 1300\n")).unwrap();
    assert_eq!(mtus(&pe), (1300, 1300), "a smaller one holds at once");
    pe.tell(NOW, becomes(1300));
    pe.configure(NOW, &with(" mtu 9000\n")).unwrap();
    assert_eq!(mtus(&pe), (1300, 9000), "a larger one from when the device has it");
    pe.tell(NOW, becomes(9000));
    assert_eq!(mtus(&pe), (9000, 9000));
    pe.configure(NOW, PE).unwrap();
    pe.tell(NOW, Input::Device(Device { mtu: 9000, up: false, ..device("wan0") }));
    assert_eq!(mtus(&pe), (9000, 1500), "without the line it gets its own back");
    pe.tell(NOW, becomes(1400));
    assert_eq!(mtus(&pe), (1400, 1400), "somebody else changed it");
}

#[test]
fn an_ip_mtu_limits_packets_leaves_the_device_alone_and_cannot_exceed_it() {
    let mut pe = pe();
    let with = |line: &str| PE.replace(" device wan0\n", &format!(" device wan0\n{line}"));
    pe.told();
    pe.configure(NOW, &with(" ip mtu 1400\n")).unwrap();
    assert!(pe.told().iter().any(|op| op.contains("Ethernet1/2 on wan0 in global mtu 1400")));
    assert_eq!(pe.host.ports.iter().find(|port| port.device == "wan0").unwrap().mtu, 1500);
    pe.notices.clear();
    pe.configure(NOW, &with(" ip mtu 1600\n")).unwrap();
    assert!(pe.told().iter().any(|op| op.contains("Ethernet1/2 on wan0 in global mtu 1500")));
    pe.tick(LATER);
    let told =
        |pe: &Station| pe.notices.iter().any(|n| matches!(n, Notice::MtuTooLarge { wanted: 1600, .. }));
    assert!(told(&pe), "{:?}", pe.log());
    pe.notices.clear();
    pe.configure(LATER, &with(" mtu 1600\n ip mtu 1600\n")).unwrap();
    pe.tick(LATER + Duration::from_secs(10));
    assert!(!told(&pe));
}

#[test]
fn a_shut_interface_is_no_port_but_stays_guarded_and_goes_down() {
    let mut pe = pe();
    let text = PE.replace(" device wan0\n", " device wan0\n shutdown\n");
    let wan = |pe: &Station| pe.host.ports.iter().find(|port| port.device == "wan0").cloned().unwrap();
    assert!(!wan(&pe).shutdown);
    pe.configure(NOW, &text).unwrap();
    pe.tick(LATER);
    assert_eq!(pe.policies().count(), 0);
    let shut = wan(&pe);
    assert!(shut.shutdown && !shut.ike && shut.addresses.is_empty());
    assert!(!pe.memory.contains_key(&Key::Port(shut.port)));
    assert!(
        pe.notices
            .iter()
            .any(|n| matches!(n, Notice::PortUnusable { interface, .. } if interface == "Ethernet1/2"))
    );
    pe.configure(NOW, PE).unwrap();
    assert!(!wan(&pe).shutdown && wan(&pe).port == shut.port && wan(&pe).ike);
}

#[test]
fn the_better_distance_wins_and_a_worse_one_steps_in() {
    let floating =
        "ip route 192.0.2.0 255.255.255.0 172.17.1.9 200\nip route 192.0.2.0 255.255.255.0 172.18.1.9\n";
    let mut pe = Station::new(1, &["core0", "wan0"], &format!("{PE}{floating}"));
    assert!(pe.told().contains(&"set route global 192.0.2.0/24 out Ethernet1/2 via 172.18.1.9".to_owned()));
    pe.tell(NOW, Input::DeviceGone("wan0".to_owned()));
    assert!(pe.told().contains(&"set route global 192.0.2.0/24 out Ethernet1/1 via 172.17.1.9".to_owned()));
}

#[test]
fn neighbours_come_and_go_with_one_op_each() {
    let mut pe = pe();
    let port = pe.policies().next().unwrap().port;
    let address: IpAddr = "172.18.1.2".parse().unwrap();
    pe.told();
    pe.tell(NOW, Input::Neighbour { port, address, mac: Some([2; 6]) });
    pe.tell(NOW, Input::Neighbour { port, address, mac: Some([2; 6]) });
    pe.tell(NOW, Input::Neighbour { port, address, mac: None });
    assert_eq!(pe.told().len(), 2);
    pe.tell(NOW, Input::Neighbour { port, address, mac: Some([2; 6]) });
    pe.tell(NOW, Input::DeviceGone("wan0".to_owned()));
    pe.tell(NOW, Input::Device(device("wan0")));
    assert!(
        !pe.memory.contains_key(&Key::Neighbour(port, address)),
        "what was learnt on a gone device is forgotten"
    );
}

#[test]
fn the_kernel_sends_clear_packets_of_its_own_vrf_only() {
    let pe = pe();
    let port = |name: &str| pe.host.ports.iter().find(|port| port.device == name).unwrap();
    assert!(port("wan0").ike && !port("core0").ike);
    let via = |vrf: &str, prefix: &str| {
        let prefix: Prefix = prefix.parse().unwrap();
        let vrf = port(&format!("onr-{vrf}")).vrf;
        let route = pe.host.routes.iter().find(|route| (route.vrf, route.prefix) == (vrf, prefix)).unwrap();
        (pe.host.ports.iter().find(|port| port.port == route.port).unwrap().device.as_str(), route.gateway)
    };
    assert_eq!(via("global", "172.16.1.1/32"), ("wan0", Some("172.18.1.2".parse().unwrap())));
    assert_eq!(via("vpn1", "10.2.0.0/16"), ("onr-vpn1", None));
    assert_eq!(via("vpn2", "10.1.0.0/16"), ("onr-vpn2", None));
}

#[test]
fn what_a_tunnel_of_the_front_vrf_protects_the_kernel_does_not_send_in_clear() {
    let inside = format!("{}ip route 10.1.5.0 255.255.255.0 172.16.1.2\n", crate::configs::CPE_A);
    let pe = Station::new(1, &["wan0", "lan0"], &inside);
    let device = |prefix: &str| {
        let prefix: Prefix = prefix.parse().unwrap();
        let route = pe.host.routes.iter().find(|route| route.prefix == prefix).unwrap();
        pe.host.ports.iter().find(|port| port.port == route.port).unwrap().device.as_str()
    };
    assert_eq!(device("10.1.0.0/16"), "onr-global");
    assert_eq!(device("10.1.5.0/24"), "onr-global");
    assert_eq!(device("172.18.1.1/32"), "wan0");
    assert_eq!(device("0.0.0.0/0"), "wan0");
}

#[test]
fn a_transport_label_goes_outside_the_label_of_the_vrf() {
    let far = "ip route 192.0.2.1 255.255.255.255 172.17.1.2\n\
               mpls static binding ipv4 192.0.2.1 255.255.255.255 output 172.17.1.2 300\n\
               mpls static binding ipv4 vrf vpn1 10.7.0.0 255.255.0.0 output 192.0.2.1 207\n";
    let mut pe = Station::new(1, &["core0", "wan0"], &format!("{PE}{far}"));
    let told = pe.told();
    assert!(
        told.contains(&"set route global 192.0.2.1/32 out Ethernet1/1 via 172.17.1.2 push 300".to_owned()),
        "{told:?}"
    );
    assert!(
        told.contains(
            &"set route vpn1 10.7.0.0/16 out Ethernet1/1 via 172.17.1.2 push 300 push 207".to_owned()
        )
    );
}

#[test]
fn a_label_is_not_pushed_out_of_a_port_without_mpls() {
    let mut pe = Station::new(1, &["core0", "wan0"], &PE.replace(" tag-switching ip\n", ""));
    assert!(!pe.told().iter().any(|op| op.contains("10.1.0.0/16 out")));
    pe.tick(LATER);
    assert!(
        pe.log().iter().any(|line| line.contains("10.1.0.0/16 in vrf vpn1") && line.contains("`mpls ip`"))
    );
}
