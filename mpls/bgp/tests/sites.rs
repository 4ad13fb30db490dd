//! What happens to attributes between a site and its PE: AS numbers, route targets, communities that end with an AS.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

mod world;

use base::VrfId;
use bgp::attributes::Attributes;
use bgp::config::{FamilyConfig, LocalAs, Neighbor, SendCommunity};
use bgp::policy::{Entry, RouteMap, Set};
use bgp::{AddressFamily, Config, Own, PeerId};
use vrf::RouteTarget;
use world::{RED, World, ip, own, vpn, vrf};

const PE: usize = 0;
const RR: usize = 1;
const SITE: usize = 2;
const OTHER: usize = 3;

fn neighbor(remote_as: u32) -> Neighbor {
    let send_community = SendCommunity { standard: true, extended: true };
    let family = FamilyConfig { send_community, ..FamilyConfig::default() };
    let mut neighbor = Neighbor::new(remote_as);
    neighbor.families.insert(AddressFamily::Ipv4Unicast, family);
    neighbor
}

const fn peer(vrf: VrfId, address: [u8; 4]) -> PeerId {
    let [a, b, c, d] = address;
    PeerId { vrf, address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d)) }
}

const TO_SITE: PeerId = peer(RED, [172, 16, 1, 2]);
const TO_OTHER: PeerId = peer(RED, [172, 16, 2, 2]);

/// A PE of AS 65000 with a reflector, and two sites of AS 65101 and 65102 in VRF red.
fn network(change: impl FnOnce(&mut Config)) -> World {
    let mut pe = Config::new(65000, [10, 0, 0, 1].into());
    let mut rr = Config::new(65000, [10, 0, 0, 9].into());
    for (config, address) in [(&mut pe, [10, 0, 0, 9]), (&mut rr, [10, 0, 0, 1])] {
        let mut reflected = Neighbor::new(65000);
        vpn(&mut reflected);
        reflected.families.get_mut(&AddressFamily::Vpnv4).unwrap().route_reflector_client = true;
        config.neighbors.insert(peer(VrfId::GLOBAL, address), reflected);
    }
    pe.vrfs.insert(RED, vrf("65000:1", &["65000:1"], &["65000:1"]));
    pe.neighbors.insert(TO_SITE, neighbor(65101));
    pe.neighbors.insert(TO_OTHER, neighbor(65102));
    change(&mut pe);
    let mut configs = vec![pe, rr];
    let mut wires = vec![((PE, VrfId::GLOBAL, ip("10.0.0.1")), (RR, VrfId::GLOBAL, ip("10.0.0.9")))];
    for (node, number) in [(SITE, 1u8), (OTHER, 2)] {
        let mut site = Config::new(65100 + u32::from(number), [172, 16, number, 2].into());
        let ours = [172, 16, number, 1];
        let seen = configs[PE].neighbors[&[TO_SITE, TO_OTHER][usize::from(number) - 1]].shown_as(65000);
        site.neighbors.insert(peer(VrfId::GLOBAL, ours), neighbor(seen));
        let table = bgp::config::Vrf { rd: None, ..vrf("1:1", &[], &[]) };
        site.vrfs.insert(VrfId::GLOBAL, table);
        configs.push(site);
        let theirs = format!("172.16.{number}.2");
        wires.push(((PE, RED, ours.into()), (node, VrfId::GLOBAL, ip(&theirs))));
    }
    World::new(configs, wires)
}

fn always(sets: Vec<Set>) -> RouteMap {
    RouteMap([(10, Entry { permit: true, matches: Vec::new(), sets, next: None })].into())
}

fn at(world: &World, node: usize, vrf: VrfId, prefix: &str) -> Attributes {
    world.best(node, vrf, prefix).unwrap().attributes.as_ref().clone()
}

/// As the reflector has it.
fn reflected(world: &World, prefix: &str) -> Attributes {
    let paths = world.nodes[RR].bgp.vpn_route("65000:1".parse().unwrap(), prefix.parse().unwrap());
    paths[0].attributes.as_ref().clone()
}

fn targets(of: &Attributes) -> Vec<String> {
    of.targets().map(|target| target.to_string()).collect()
}

fn target(text: &str) -> RouteTarget {
    text.parse().unwrap()
}

#[test]
fn local_as_stands_beside_our_own_as_unless_it_is_said_otherwise() {
    // prepend, replace; the path that the other site, and the reflector, see of the site's route and of ours.
    type Row<'r> = ((bool, bool), [&'r [u32]; 3]);
    let rows: [Row<'_>; 3] = [
        ((true, false), [&[64_999, 65000, 65102], &[64_999, 65101], &[64_999, 65000]]),
        ((false, false), [&[64_999, 65000, 65102], &[65101], &[64_999, 65000]]),
        ((false, true), [&[64_999, 65102], &[65101], &[64_999]]),
    ];
    for ((prepend, replace), [to_site, inward, ours]) in rows {
        let shown = LocalAs { asn: 64_999, prepend, replace };
        let mut world = network(|config| config.neighbors.get_mut(&TO_SITE).unwrap().local_as = Some(shown));
        world.originate(SITE, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
        world.originate(OTHER, VrfId::GLOBAL, "10.2.0.0/16", Some(own()));
        world.originate(PE, RED, "10.3.0.0/16", Some(own()));
        assert_eq!(at(&world, SITE, VrfId::GLOBAL, "10.2.0.0/16").as_path, to_site, "{shown:?}");
        assert_eq!(reflected(&world, "10.1.0.0/16").as_path, inward, "{shown:?}");
        assert_eq!(at(&world, SITE, VrfId::GLOBAL, "10.3.0.0/16").as_path, ours, "{shown:?}");
        assert_eq!(at(&world, OTHER, VrfId::GLOBAL, "10.3.0.0/16").as_path, [65000]);
    }
}

#[test]
fn another_way_to_show_local_as_makes_a_new_session_with_the_same_routes() {
    let shown = |replace| Some(LocalAs { asn: 64_999, prepend: false, replace });
    let mut world = network(|config| config.neighbors.get_mut(&TO_SITE).unwrap().local_as = shown(false));
    world.originate(PE, RED, "10.3.0.0/16", Some(own()));
    world.configure(PE, |config| config.neighbors.get_mut(&TO_SITE).unwrap().local_as = shown(true));
    world.pass(30);
    assert_eq!(at(&world, SITE, VrfId::GLOBAL, "10.3.0.0/16").as_path, [64_999]);
}

#[test]
fn targets_of_our_route_maps_go_out_beside_those_of_the_vrf_and_those_of_a_customer_do_not() {
    let grant = |targets: &[&str]| {
        let targets = targets.iter().map(|text| target(text)).collect();
        always(vec![Set::Target { targets, additive: true }])
    };
    let mut world = network(|config| {
        config.policies.route_maps.insert("HUB".into(), grant(&["65000:55"]));
        let family = config.vrfs.get_mut(&RED).unwrap().ipv4.as_mut().unwrap();
        family.redistribute.iter_mut().for_each(|line| line.route_map = Some("HUB".into()));
        let site = config.neighbors.get_mut(&TO_SITE).unwrap();
        let site = site.families.get_mut(&AddressFamily::Ipv4Unicast).unwrap();
        site.route_map_in = Some("HUB".into());
    });
    world.configure(SITE, |config| {
        config.policies.route_maps.insert("WISH".into(), grant(&["65000:77"]));
        let pe = config.neighbors.values_mut().next().unwrap();
        pe.families.values_mut().for_each(|family| family.route_map_out = Some("WISH".into()));
    });
    world.originate(PE, RED, "10.3.0.0/16", Some(own()));
    world.originate(SITE, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
    for prefix in ["10.1.0.0/16", "10.3.0.0/16"] {
        assert_eq!(targets(&reflected(&world, prefix)), ["65000:1", "65000:55"], "{prefix}");
    }
    world.configure(PE, |config| {
        let family = config.vrfs.get_mut(&RED).unwrap().ipv4.as_mut().unwrap();
        family.export = vec![target("65000:2")];
    });
    for prefix in ["10.1.0.0/16", "10.3.0.0/16"] {
        assert_eq!(targets(&reflected(&world, prefix)), ["65000:2", "65000:55"], "{prefix}");
    }
    world.configure(PE, |config| drop(config.policies.route_maps.insert("HUB".into(), always(vec![]))));
    for prefix in ["10.1.0.0/16", "10.3.0.0/16"] {
        assert_eq!(targets(&reflected(&world, prefix)), ["65000:2"], "{prefix}");
    }
}

#[test]
fn targets_of_the_global_table_are_those_of_no_vrf() {
    let mut world = network(|config| {
        config.vrfs.insert(VrfId::GLOBAL, bgp::config::Vrf { rd: None, ..vrf("1:1", &[], &[]) });
        let family = config.vrfs.get_mut(&VrfId::GLOBAL).unwrap().ipv4.as_mut().unwrap();
        family.redistribute.iter_mut().for_each(|line| line.route_map = Some("RED".into()));
        let sets = vec![Set::Target { targets: vec![target("65000:1")], additive: false }];
        config.policies.route_maps.insert("RED".into(), always(sets));
    });
    world.originate(PE, VrfId::GLOBAL, "10.9.0.0/16", Some(own()));
    assert!(world.best(PE, VrfId::GLOBAL, "10.9.0.0/16").is_some());
    assert!(world.best(PE, RED, "10.9.0.0/16").is_none());
}

#[test]
fn private_ases_are_taken_out_but_for_the_neighbours_own() {
    let mut world = network(|config| {
        let other = config.neighbors.get_mut(&TO_OTHER).unwrap();
        other.families.values_mut().for_each(|family| family.remove_private_as = true);
    });
    world.configure(SITE, |config| {
        let sets = vec![Set::Prepend(vec![65102, 64_600, 3320])];
        config.policies.route_maps.insert("LONG".into(), always(sets));
        let pe = config.neighbors.values_mut().next().unwrap();
        pe.families.values_mut().for_each(|family| family.route_map_out = Some("LONG".into()));
    });
    world.originate(SITE, VrfId::GLOBAL, "10.1.0.0/16", Some(Own { tag: 3, ..own() }));
    assert_eq!(at(&world, PE, RED, "10.1.0.0/16").as_path, [65101, 65102, 64_600, 3320]);
    assert!(world.best(OTHER, VrfId::GLOBAL, "10.1.0.0/16").is_none(), "the loop is seen");
    world.configure(SITE, |config| {
        let sets = vec![Set::Prepend(vec![64_600, 3320])];
        config.policies.route_maps.insert("LONG".into(), always(sets));
    });
    assert_eq!(at(&world, OTHER, VrfId::GLOBAL, "10.1.0.0/16").as_path, [65000, 3320]);
}
