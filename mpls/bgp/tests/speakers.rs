//! Speakers against each other: PE1 and PE2 as clients of a route reflector, sites behind them.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

mod world;

use std::time::Duration;

use base::VrfId;
use bgp::attributes::{NO_ADVERTISE, NO_EXPORT};
use bgp::config::{
    Beyond, FamilyConfig, GracefulRestart, LabelMode, Leak, MaximumPrefix, Neighbor, NextHopSelf, VrfFamily,
};
use bgp::policy::{Community, Entry, Match, PrefixList, PrefixRule, RouteMap, Set};
use bgp::{AddressFamily, ClearHow, Config, Exit, Notice, Own, PeerId, Rule};
use vrf::Source;
use world::{BLUE, RED, World, ip, own, p, vpn, vrf};

const PE1: usize = 0;
const RR: usize = 1;
const PE2: usize = 2;
const CE1: usize = 3;
const CE2: usize = 4;

fn global(address: &str) -> PeerId {
    PeerId { vrf: VrfId::GLOBAL, address: ip(address) }
}

fn pe(router: [u8; 4]) -> Config {
    let mut config = Config::new(65000, router.into());
    let mut reflector = Neighbor::new(65000);
    vpn(&mut reflector);
    config.neighbors.insert(global("10.0.0.9"), reflector);
    config.vrfs.insert(RED, vrf("65000:1", &["65000:1"], &["65000:1"]));
    config.vrfs.insert(BLUE, vrf("65000:2", &["65000:2"], &["65000:2"]));
    config
}

fn reflector() -> Config {
    let mut config = Config::new(65000, [10, 0, 0, 9].into());
    for address in ["10.0.0.1", "10.0.0.2"] {
        let mut client = Neighbor::new(65000);
        vpn(&mut client);
        client.families.get_mut(&AddressFamily::Vpnv4).unwrap().route_reflector_client = true;
        config.neighbors.insert(global(address), client);
    }
    config
}

fn wires() -> Vec<(world::End, world::End)> {
    let end = |node, address: &str| (node, VrfId::GLOBAL, ip(address));
    vec![(end(PE1, "10.0.0.1"), end(RR, "10.0.0.9")), (end(PE2, "10.0.0.2"), end(RR, "10.0.0.9"))]
}

fn core() -> World {
    World::new(vec![pe([10, 0, 0, 1]), reflector(), pe([10, 0, 0, 2])], wires())
}

fn graceful(restart: GracefulRestart) -> World {
    let mut configs = vec![pe([10, 0, 0, 1]), reflector(), pe([10, 0, 0, 2])];
    configs.iter_mut().for_each(|config| config.graceful_restart = Some(restart));
    World::new(configs, wires())
}

/// Both PEs with a site of AS 65100 in VRF red; `terms` of the PEs towards the sites.
fn sites(terms: &FamilyConfig) -> World {
    let (mut configs, mut all) = (vec![pe([10, 0, 0, 1]), reflector(), pe([10, 0, 0, 2])], wires());
    for (node, site) in [(PE1, CE1), (PE2, CE2)] {
        let (ours, theirs) = (format!("172.16.{node}.1"), format!("172.16.{node}.2"));
        let mut neighbor = Neighbor::new(65100);
        neighbor.families.insert(AddressFamily::Ipv4Unicast, terms.clone());
        configs[node].neighbors.insert(PeerId { vrf: RED, address: ip(&theirs) }, neighbor);
        let mut config = Config::new(65100, [172, 16, u8::try_from(node).unwrap(), 2].into());
        let mut neighbor = Neighbor::new(65000);
        neighbor.families.insert(AddressFamily::Ipv4Unicast, FamilyConfig::default());
        config.neighbors.insert(global(&ours), neighbor);
        let mut table = vrf("1:1", &[], &[]);
        table.rd = None;
        config.vrfs.insert(VrfId::GLOBAL, table);
        configs.push(config);
        all.push(((node, RED, ip(&ours)), (site, VrfId::GLOBAL, ip(&theirs))));
    }
    World::new(configs, all)
}

fn family(config: &mut Config, vrf: VrfId) -> &mut VrfFamily {
    config.vrfs.get_mut(&vrf).unwrap().ipv4.as_mut().unwrap()
}

fn terms<'c>(config: &'c mut Config, peer: &str) -> &'c mut FamilyConfig {
    let neighbor = config.neighbors.iter_mut().find(|(id, _)| id.address == ip(peer)).unwrap().1;
    neighbor.families.values_mut().next().unwrap()
}

fn map(matches: Vec<Match>, permit: bool, sets: Vec<Set>) -> RouteMap {
    RouteMap([(10, Entry { permit, matches, sets, next: None })].into())
}

#[test]
fn a_route_of_one_pe_reaches_the_vrf_of_the_other_with_label_and_goes_with_its_source() {
    let mut world = core();
    world.originate(PE1, RED, "192.168.1.0/24", Some(own()));
    let label = world.nodes[PE1].labels[&mpls::Fec::Vrf(RED)];
    let exit = Exit::Labelled { next_hop: ip("10.0.0.1"), label };
    assert_eq!(world.exit(PE2, RED, "192.168.1.0/24"), Some(exit));
    let path = world.best(PE2, RED, "192.168.1.0/24").unwrap();
    assert_eq!(path.attributes.originator, Some([10, 0, 0, 1].into()));
    assert_eq!(path.attributes.clusters, [std::net::Ipv4Addr::from([10, 0, 0, 9])]);
    assert!(world.nodes[PE1].routes.is_empty() && world.nodes[RR].routes.is_empty());
    world.originate(PE1, RED, "192.168.1.0/24", None);
    assert_eq!(world.exit(PE2, RED, "192.168.1.0/24"), None);
    assert!(world.nodes[PE1].labels.is_empty());
    assert_eq!(world.nodes[RR].bgp.totals().paths, 0);
}

#[test]
fn the_same_prefix_in_two_vrfs_never_mixes() {
    let mut world = core();
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    assert_eq!(world.exit(PE2, BLUE, "10.1.0.0/16"), None);
    world.originate(PE1, BLUE, "10.1.0.0/16", Some(own()));
    let (red, blue) = (world.exit(PE2, RED, "10.1.0.0/16"), world.exit(PE2, BLUE, "10.1.0.0/16"));
    assert!(red.is_some() && blue.is_some() && red != blue);
    world.originate(PE1, RED, "10.1.0.0/16", None);
    assert_eq!((world.exit(PE2, RED, "10.1.0.0/16"), world.exit(PE2, BLUE, "10.1.0.0/16")), (None, blue));
}

#[test]
fn a_vrf_routes_ipv6_and_labels_can_be_per_prefix_or_per_ce() {
    let mut world = core();
    world.configure(PE1, |config| family(config, RED).labels = LabelMode::PerPrefix);
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.originate(PE1, RED, "10.2.0.0/16", Some(own()));
    let exits = ["10.1.0.0/16", "10.2.0.0/16"].map(|prefix| world.exit(PE2, RED, prefix).unwrap());
    assert_ne!(exits[0], exits[1]);
    let behind = |gateway: &str| Some(Own { gateway: Some(ip(gateway)), ..own() });
    world.configure(PE1, |config| family(config, RED).labels = LabelMode::PerCe);
    world.originate(PE1, RED, "10.1.0.0/16", behind("172.16.0.2"));
    world.originate(PE1, RED, "10.2.0.0/16", behind("172.16.0.3"));
    world.originate(PE1, RED, "10.3.0.0/16", behind("172.16.0.2"));
    let exits =
        ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"].map(|prefix| world.exit(PE2, RED, prefix).unwrap());
    assert!(exits[0] == exits[2] && exits[0] != exits[1]);
    assert_eq!(world.nodes[PE1].labels.len(), 2);
}

#[test]
fn soft_clear_and_a_new_inbound_map_ask_for_the_routes_again() {
    let mut world = core();
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.originate(PE1, RED, "10.2.0.0/16", Some(own()));
    let before = world.nodes[PE2].routes.clone();
    world.clear(PE2, ClearHow::SoftIn);
    world.clear(RR, ClearHow::SoftOut);
    assert_eq!(world.nodes[PE2].routes, before);
    world.configure(PE2, |config| {
        let rule = PrefixRule { permit: true, prefix: p("10.1.0.0/16"), lengths: (16, 16) };
        config.policies.prefix_lists.insert("ONE".into(), PrefixList([(5, rule)].into()));
        terms(config, "10.0.0.9").prefix_list_in = Some("ONE".into());
    });
    assert_eq!(
        (world.exit(PE2, RED, "10.1.0.0/16").is_some(), world.exit(PE2, RED, "10.2.0.0/16")),
        (true, None)
    );
    assert_eq!(world.counts(PE2, "10.0.0.9", AddressFamily::Vpnv4), (0, 1));
    world.configure(PE2, |config| terms(config, "10.0.0.9").prefix_list_in = None);
    assert_eq!(world.nodes[PE2].routes, before);
    assert_eq!(world.nodes[PE2].bgp.neighbors()[0].status.dropped, 0);
}

#[test]
fn a_new_outbound_policy_withdraws_what_it_denies_and_only_that() {
    let mut world = core();
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.originate(PE1, BLUE, "10.2.0.0/16", Some(own()));
    world.configure(PE1, |config| {
        let list = bgp::policy::ExtendedList(vec![(
            true,
            vec![bgp::policy::Extended::Target("65000:2".parse().unwrap())],
        )]);
        config.policies.extended_lists.insert("BLUE".into(), list);
        config
            .policies
            .route_maps
            .insert("OUT".into(), map(vec![Match::Extended(vec!["BLUE".into()])], true, vec![]));
        terms(config, "10.0.0.9").route_map_out = Some("OUT".into());
    });
    assert_eq!(
        (world.exit(PE2, RED, "10.1.0.0/16"), world.exit(PE2, BLUE, "10.2.0.0/16").is_some()),
        (None, true)
    );
    assert_eq!(world.counts(PE1, "10.0.0.9", AddressFamily::Vpnv4).0, 1);
}

#[test]
fn routes_of_a_peer_that_restarts_are_kept_until_it_has_told_what_it_has() {
    let mut world = graceful(GracefulRestart::default());
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.originate(PE1, RED, "10.2.0.0/16", Some(own()));
    let before = world.nodes[PE2].routes.clone();
    assert_eq!(before.len(), 2);
    world.nodes[PE1].config.restarting = true;
    world.restart(PE1);
    assert_eq!(world.nodes[PE2].routes, before);
    assert!(world.nodes[RR].bgp.neighbors()[0].stale_until.is_some());
    world.configure(PE1, |_| ());
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.pass(30);
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
    assert_eq!(world.exit(PE2, RED, "10.2.0.0/16"), None);
    assert!(world.nodes[RR].bgp.neighbors()[0].stale_until.is_none());
}

#[test]
fn a_change_of_terms_makes_a_new_session() {
    let mut world = core();
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    for node in [PE1, RR, PE2] {
        world.configure(node, |config| config.graceful_restart = Some(GracefulRestart::default()));
    }
    world.pass(60);
    world.originate(PE1, RED, "10.2.0.0/16", Some(own()));
    assert!(world.exit(PE2, RED, "10.2.0.0/16").is_some());
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
}

#[test]
fn routes_of_a_peer_that_does_not_come_back_go_after_its_restart_time() {
    let restart = GracefulRestart { restart: Duration::from_secs(50), ..GracefulRestart::default() };
    let mut world = graceful(restart);
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.wires.remove(0);
    world.restart(PE1);
    world.pass(48);
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
    world.pass(3);
    assert_eq!(world.exit(PE2, RED, "10.1.0.0/16"), None);
}

#[test]
fn routes_that_are_kept_go_when_their_neighbour_is_configured_not_to_tell_them() {
    let changes: [fn(&mut Config); 3] = [
        |config| config.graceful_restart = None,
        |config| config.neighbors.get_mut(&global("10.0.0.1")).unwrap().remote_as = 65009,
        |config| {
            let neighbor = config.neighbors.get_mut(&global("10.0.0.1")).unwrap();
            neighbor.families = [(AddressFamily::Vpnv6, FamilyConfig::default())].into();
        },
    ];
    for change in changes {
        let mut world = graceful(GracefulRestart::default());
        world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
        world.wires.remove(0);
        world.restart(PE1);
        world.configure(RR, |config| config.local_preference = 90);
        assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
        world.configure(RR, change);
        assert_eq!(world.exit(PE2, RED, "10.1.0.0/16"), None);
        assert!(world.nodes[RR].bgp.neighbors()[0].stale_until.is_none());
    }
}

#[test]
fn without_graceful_restart_routes_go_with_the_session() {
    let mut world = core();
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.cut(PE1);
    assert_eq!(world.exit(PE2, RED, "10.1.0.0/16"), None);
    world.pass(60);
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
}

#[test]
fn a_restarted_speaker_announces_only_when_all_peers_have_told_or_its_time_is_over() {
    let mut configs = vec![pe([10, 0, 0, 1]), reflector(), pe([10, 0, 0, 2])];
    let restart = Some(GracefulRestart::default());
    configs.iter_mut().for_each(|config| config.graceful_restart = restart);
    configs[PE1].restarting = true;
    let mut absent = Neighbor::new(65000);
    vpn(&mut absent);
    configs[PE1].neighbors.insert(global("10.0.0.7"), absent);
    let mut world = World::new(configs, wires());
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.originate(PE2, RED, "10.2.0.0/16", Some(own()));
    assert_eq!(world.exit(PE2, RED, "10.1.0.0/16"), None);
    assert!(world.exit(PE1, RED, "10.2.0.0/16").is_some());
    world.pass(120);
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
}

#[test]
fn route_target_constraint_sends_a_peer_only_what_it_wants() {
    let mut configs = vec![pe([10, 0, 0, 1]), reflector(), pe([10, 0, 0, 2])];
    for config in &mut configs {
        for neighbor in config.neighbors.values_mut() {
            let client = neighbor.families[&AddressFamily::Vpnv4].route_reflector_client;
            let family = FamilyConfig { route_reflector_client: client, ..FamilyConfig::default() };
            neighbor.families.insert(AddressFamily::RouteTarget, family);
        }
    }
    configs[PE2].vrfs.remove(&BLUE);
    let mut world = World::new(configs, wires());
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.originate(PE1, BLUE, "10.2.0.0/16", Some(own()));
    world.originate(PE1, BLUE, "10.3.0.0/16", Some(own()));
    assert_eq!(world.counts(RR, "10.0.0.2", AddressFamily::Vpnv4).0, 1);
    assert_eq!(world.counts(RR, "10.0.0.1", AddressFamily::Vpnv4), (0, 3));
    world.configure(PE2, |config| drop(config.vrfs.insert(BLUE, vrf("65000:2", &["65000:2"], &[]))));
    assert_eq!(world.counts(RR, "10.0.0.2", AddressFamily::Vpnv4).0, 3);
    assert!(world.exit(PE2, BLUE, "10.3.0.0/16").is_some());
    world.configure(PE2, |config| drop(config.vrfs.remove(&BLUE)));
    assert_eq!(world.counts(RR, "10.0.0.2", AddressFamily::Vpnv4).0, 1);
    assert_eq!(world.nodes[PE2].bgp.totals().prefixes, 1);
}

#[test]
fn a_reflector_passes_on_what_peers_want() {
    let mut configs = vec![pe([10, 0, 0, 1]), reflector(), pe([10, 0, 0, 2])];
    for config in &mut configs {
        for neighbor in config.neighbors.values_mut() {
            let client = neighbor.families[&AddressFamily::Vpnv4].route_reflector_client;
            let family = FamilyConfig { route_reflector_client: client, ..FamilyConfig::default() };
            neighbor.families.insert(AddressFamily::RouteTarget, family);
        }
    }
    configs[PE2].vrfs.clear();
    let world = World::new(configs, wires());
    let wanted: Vec<_> = world.nodes[PE2].bgp.memberships().filter_map(|(its, _)| its.target).collect();
    assert_eq!(wanted, ["65000:1".parse().unwrap(), "65000:2".parse().unwrap()]);
    // It asks for everything by the default of length zero: GoBGP takes no other without a target.
    let all: Vec<_> = world.nodes[PE2].bgp.memberships().filter(|(its, _)| its.target.is_none()).collect();
    assert!(matches!(&all[..], [(its, _)] if its.asn == 0), "{all:?}");
}

#[test]
fn sites_that_share_an_as_need_as_override() {
    let mut world = sites(&FamilyConfig::default());
    world.originate(CE1, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
    assert_eq!(world.exit(CE2, VrfId::GLOBAL, "10.1.0.0/16"), None);
    world.configure(PE2, |config| terms(config, "172.16.2.2").as_override = true);
    assert_eq!(world.exit(CE2, VrfId::GLOBAL, "10.1.0.0/16"), Some(Exit::Gateway(ip("172.16.2.1"))));
    assert_eq!(world.best(CE2, VrfId::GLOBAL, "10.1.0.0/16").unwrap().attributes.as_path, [65000, 65000]);
    world.originate(CE1, VrfId::GLOBAL, "10.1.0.0/16", None);
    assert_eq!(world.exit(CE2, VrfId::GLOBAL, "10.1.0.0/16"), None);
}

#[test]
fn allowas_in_takes_what_has_been_here_so_often_and_no_more() {
    let mut world = sites(&FamilyConfig::default());
    world.originate(CE1, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
    world.configure(CE2, |config| terms(config, "172.16.2.1").allowas_in = 1);
    assert!(world.exit(CE2, VrfId::GLOBAL, "10.1.0.0/16").is_some());
    world.configure(CE2, |config| terms(config, "172.16.2.1").allowas_in = 0);
    assert_eq!(world.exit(CE2, VrfId::GLOBAL, "10.1.0.0/16"), None);
}

#[test]
fn a_route_does_not_return_to_its_site_of_origin() {
    let soo = Some("65000:77".parse().unwrap());
    let mut world = sites(&FamilyConfig { as_override: true, soo, ..FamilyConfig::default() });
    world.originate(CE1, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
    assert_eq!(world.best(PE2, RED, "10.1.0.0/16").unwrap().attributes.sites().next(), soo);
    assert_eq!(world.exit(CE2, VrfId::GLOBAL, "10.1.0.0/16"), None);
    world.configure(PE2, |config| terms(config, "172.16.2.2").soo = Some("65000:78".parse().unwrap()));
    assert!(world.exit(CE2, VrfId::GLOBAL, "10.1.0.0/16").is_some());
}

#[test]
fn too_many_prefixes_warn_end_the_session_or_end_it_for_a_time() {
    let limit = |beyond| Some(MaximumPrefix { limit: 4, warn: 75, beyond });
    let mut world = sites(&FamilyConfig { maximum_prefix: limit(Beyond::Warn), ..FamilyConfig::default() });
    let told = |world: &World| {
        world.nodes[PE1]
            .notices
            .iter()
            .filter(|notice| matches!(notice, Notice::MaximumPrefix { .. }))
            .count()
    };
    for number in 0..3 {
        world.originate(CE1, VrfId::GLOBAL, &format!("10.{number}.0.0/16"), Some(own()));
    }
    assert_eq!(told(&world), 0);
    world.originate(CE1, VrfId::GLOBAL, "10.3.0.0/16", Some(own()));
    world.originate(CE1, VrfId::GLOBAL, "10.4.0.0/16", Some(own()));
    assert_eq!((told(&world), world.nodes[PE1].routes.len()), (2, 5), "near the limit, and beyond it");
    let restart = Beyond::Restart(Duration::from_secs(300));
    world.configure(PE1, |config| terms(config, "172.16.0.2").maximum_prefix = limit(restart));
    world.clear(PE1, ClearHow::SoftIn);
    assert_eq!((told(&world), world.nodes[PE1].routes.len()), (3, 0));
    world.originate(CE1, VrfId::GLOBAL, "10.4.0.0/16", None);
    world.pass(290);
    assert_eq!(world.nodes[PE1].routes.len(), 0);
    world.pass(60);
    assert_eq!(world.nodes[PE1].routes.len(), 4);
}

#[test]
fn of_two_pes_the_nearer_is_used_and_the_other_when_it_goes() {
    let mut world = core();
    world.configure(RR, |config| {
        config.vrfs.insert(RED, vrf("65000:91", &["65000:1"], &[]));
    });
    world.configure(PE2, |config| config.vrfs.get_mut(&RED).unwrap().rd = Some("65000:12".parse().unwrap()));
    world.set_reach(RR, "10.0.0.1", Some(5));
    for pe in [PE1, PE2] {
        world.originate(pe, RED, "10.1.0.0/16", Some(own()));
    }
    let next_hop = |world: &World| match world.exit(RR, RED, "10.1.0.0/16") {
        Some(Exit::Labelled { next_hop, .. }) => Some(next_hop),
        Some(Exit::Gateway(_) | Exit::Vrf(_)) | None => None,
    };
    assert_eq!(next_hop(&world), Some(ip("10.0.0.1")));
    assert_eq!(world.best(RR, RED, "10.1.0.0/16").unwrap().best, Some(Rule::IgpMetric));
    world.set_reach(RR, "10.0.0.1", None);
    assert_eq!(next_hop(&world), Some(ip("10.0.0.2")));
    world.set_reach(RR, "10.0.0.1", Some(50));
    assert_eq!(next_hop(&world), Some(ip("10.0.0.2")));
    world.originate(PE2, RED, "10.1.0.0/16", None);
    assert_eq!(next_hop(&world), Some(ip("10.0.0.1")));
    world.unlabel(RR, "10.0.0.1");
    assert_eq!(next_hop(&world), None, "no labelled way leads there");
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some(), "it is reflected as before");
}

#[test]
fn the_other_pe_stands_ready_behind_a_route_of_the_box_itself() {
    let mut world = core();
    world.configure(PE2, |config| config.vrfs.get_mut(&RED).unwrap().rd = Some("65000:12".parse().unwrap()));
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.originate(PE2, RED, "10.1.0.0/16", Some(own()));
    assert!(matches!(world.exit(PE2, RED, "10.1.0.0/16"), Some(Exit::Labelled { .. })));
    assert_eq!(world.best(PE2, RED, "10.1.0.0/16").unwrap().best, Some(Rule::Weight));
    world.originate(PE1, RED, "10.1.0.0/16", None);
    assert_eq!(world.exit(PE2, RED, "10.1.0.0/16"), None);
}

#[test]
fn vrfs_of_one_box_leak_by_target_and_import_map() {
    let mut world = core();
    world.configure(PE1, |config| {
        family(config, BLUE).import.push("65000:1".parse().unwrap());
        let rule = PrefixRule { permit: true, prefix: p("10.0.0.0/8"), lengths: (8, 32) };
        config.policies.prefix_lists.insert("TEN".into(), PrefixList([(5, rule)].into()));
        let sets = vec![Set::LocalPreference(50), Set::Tag(9)];
        config
            .policies
            .route_maps
            .insert("IN".into(), map(vec![Match::Prefix(vec!["TEN".into()])], true, sets));
        family(config, BLUE).import_map = Some("IN".into());
    });
    world.originate(PE1, RED, "10.1.0.0/16", Some(own()));
    world.originate(PE1, RED, "11.1.0.0/16", Some(own()));
    let route = world.nodes[PE1].routes[&(BLUE, p("10.1.0.0/16"))];
    assert_eq!((route.to, route.tag), (Exit::Vrf(RED), 9));
    assert_eq!(world.exit(PE1, BLUE, "11.1.0.0/16"), None);
    world.originate(PE2, RED, "10.2.0.0/16", Some(own()));
    assert!(matches!(world.exit(PE1, BLUE, "10.2.0.0/16"), Some(Exit::Labelled { .. })));
    world.configure(PE1, |config| family(config, BLUE).import_map = None);
    assert_eq!(world.exit(PE1, BLUE, "11.1.0.0/16"), Some(Exit::Vrf(RED)));
    world.configure(PE1, |config| family(config, BLUE).import.truncate(1));
    assert!(world.nodes[PE1].routes.keys().all(|(vrf, _)| *vrf == RED));
}

/// PE1 with a site in VRF red, whose global table has routes of its own, and gives and takes by `MAP`.
fn leaking(limit: u32) -> World {
    let mut world = sites(&FamilyConfig { as_override: true, ..FamilyConfig::default() });
    world.configure(PE1, |config| {
        config.vrfs.insert(VrfId::GLOBAL, bgp::config::Vrf { rd: None, ..vrf("1:1", &[], &[]) });
        let rule = PrefixRule { permit: true, prefix: p("10.0.0.0/8"), lengths: (8, 32) };
        config.policies.prefix_lists.insert("TEN".into(), PrefixList([(5, rule)].into()));
        let ten = map(vec![Match::Prefix(vec!["TEN".into()])], true, vec![Set::Tag(9)]);
        config.policies.route_maps.insert("MAP".into(), ten);
        let leak = Some(Leak { map: "MAP".into(), limit });
        let red = family(config, RED);
        (red.global_import, red.global_export) = (leak.clone(), leak);
    });
    world
}

#[test]
fn what_a_route_map_permits_is_leaked_between_the_global_table_and_a_vrf() {
    let mut world = leaking(Leak::LIMIT);
    for prefix in ["10.1.0.0/16", "11.1.0.0/16"] {
        world.originate(PE1, VrfId::GLOBAL, prefix, Some(own()));
    }
    let route = world.nodes[PE1].routes[&(RED, p("10.1.0.0/16"))];
    assert_eq!((route.to, route.tag), (Exit::Vrf(VrfId::GLOBAL), 9));
    assert_eq!(world.exit(PE1, RED, "11.1.0.0/16"), None, "denied");
    let path = world.best(PE1, RED, "10.1.0.0/16").unwrap();
    assert_eq!((path.leaked, path.rd, path.path), (Some(VrfId::GLOBAL), None, 0));
    assert_eq!(world.exit(CE1, VrfId::GLOBAL, "10.1.0.0/16"), Some(Exit::Gateway(ip("172.16.0.1"))));
    assert_eq!(world.exit(PE2, RED, "10.1.0.0/16"), None, "no VPN route");
    assert_eq!(world.exit(PE1, BLUE, "10.1.0.0/16"), None);

    world.originate(CE1, VrfId::GLOBAL, "10.2.0.0/16", Some(own()));
    assert_eq!(world.exit(PE1, VrfId::GLOBAL, "10.2.0.0/16"), Some(Exit::Vrf(RED)));
    assert_eq!(world.best(PE1, VrfId::GLOBAL, "10.2.0.0/16").unwrap().leaked, Some(RED));
    world.originate(PE2, RED, "10.3.0.0/16", Some(own()));
    assert!(world.exit(PE1, RED, "10.3.0.0/16").is_some());
    assert_eq!(world.exit(PE1, VrfId::GLOBAL, "10.3.0.0/16"), None, "it stands at another PE");

    world.set_reach(PE1, "172.16.0.2", None);
    assert_eq!(world.exit(PE1, VrfId::GLOBAL, "10.2.0.0/16"), None, "its next hop is gone");
    world.set_reach(PE1, "172.16.0.2", Some(1));
    assert_eq!(world.exit(PE1, VrfId::GLOBAL, "10.2.0.0/16"), Some(Exit::Vrf(RED)));
    world.originate(CE1, VrfId::GLOBAL, "10.2.0.0/16", None);
    world.originate(PE1, VrfId::GLOBAL, "10.1.0.0/16", None);
    assert_eq!(world.exit(PE1, VrfId::GLOBAL, "10.2.0.0/16"), None);
    assert_eq!(
        (world.exit(PE1, RED, "10.1.0.0/16"), world.exit(CE1, VrfId::GLOBAL, "10.1.0.0/16")),
        (None, None)
    );
}

#[test]
fn what_is_leaked_goes_no_further_and_displaces_nothing() {
    let mut world = leaking(Leak::LIMIT);
    world.configure(PE1, |config| {
        let prefer = map(vec![], true, vec![Set::LocalPreference(500), Set::Weight(60000)]);
        config.policies.route_maps.insert("MAP".into(), prefer);
        let red = family(config, RED).clone();
        let blue = family(config, BLUE);
        (blue.global_import, blue.global_export) = (red.global_import, red.global_export);
    });
    world.originate(CE1, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
    assert_eq!(world.exit(PE1, VrfId::GLOBAL, "10.1.0.0/16"), Some(Exit::Vrf(RED)));
    assert_eq!(world.exit(PE1, BLUE, "10.1.0.0/16"), None, "not through the global table into another VRF");
    assert_eq!(world.best(PE1, RED, "10.1.0.0/16").unwrap().leaked, None);
    world.originate(PE1, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
    assert_eq!(
        world.exit(PE1, VrfId::GLOBAL, "10.1.0.0/16"),
        None,
        "the global table has a route of its own"
    );
    assert_eq!(world.exit(PE1, RED, "10.1.0.0/16"), Some(Exit::Gateway(ip("172.16.0.2"))));
    let of_red = world.nodes[PE1].bgp.vrf_route(RED, p("10.1.0.0/16"));
    assert_eq!(of_red.iter().filter(|path| path.leaked == Some(VrfId::GLOBAL)).count(), 1);
    assert_eq!(of_red.iter().find_map(|path| path.best), Some(Rule::Leaked));
    assert_eq!(world.exit(PE1, BLUE, "10.1.0.0/16"), Some(Exit::Vrf(VrfId::GLOBAL)));
    world.originate(PE2, BLUE, "10.1.0.0/16", Some(own()));
    assert!(matches!(world.exit(PE1, BLUE, "10.1.0.0/16"), Some(Exit::Labelled { .. })), "the VPN's own");
    world.originate(CE1, VrfId::GLOBAL, "10.1.0.0/16", None);
    assert_eq!(world.exit(PE1, RED, "10.1.0.0/16"), Some(Exit::Vrf(VrfId::GLOBAL)));
    world.configure(PE1, |config| drop(config.policies.route_maps.remove("MAP")));
    assert_eq!(world.exit(PE1, RED, "10.1.0.0/16"), None, "without its map nothing is leaked");
}

#[test]
fn no_more_prefixes_are_leaked_than_may_be() {
    let mut world = leaking(2);
    world.configure(PE1, |config| config.vrfs.get_mut(&RED).unwrap().name = Some("red".into()));
    world.nodes[PE1].notices.clear();
    let prefixes = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"];
    for prefix in prefixes {
        world.originate(PE1, VrfId::GLOBAL, prefix, Some(own()));
    }
    let leaked = |world: &World| prefixes.map(|prefix| world.exit(PE1, RED, prefix).is_some());
    assert_eq!(leaked(&world), [true, true, false, false]);
    let said: Vec<_> = world.nodes[PE1].notices.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["vrf red takes no more than 2 prefixes of the global table"]);
    let view = |world: &World| world.nodes[PE1].bgp.leaks().next().map(|leak| (leak.taken, leak.waiting));
    assert_eq!(view(&world), Some((2, 2)));
    world.originate(PE1, VrfId::GLOBAL, "10.1.0.0/16", None);
    assert_eq!((leaked(&world), view(&world)), ([false, true, true, false], Some((2, 1))));
    world.originate(PE1, VrfId::GLOBAL, "10.2.0.0/16", Some(Own { metric: 5, ..own() }));
    assert_eq!(world.best(PE1, RED, "10.2.0.0/16").unwrap().attributes.med, Some(5), "no more than before");
    world.originate(PE1, VrfId::GLOBAL, "10.4.0.0/16", None);
    assert_eq!((leaked(&world), view(&world)), ([false, true, true, false], Some((2, 0))));
    world.configure(PE1, |config| family(config, RED).global_import = None);
    assert_eq!((leaked(&world), view(&world)), ([false; 4], Some((0, 0))));
}

#[test]
fn an_export_map_chooses_and_marks_what_goes_out_and_a_new_rd_takes_all_along() {
    let mut world = core();
    world.configure(PE1, |config| {
        let sets = vec![Set::Target { targets: vec!["65000:2".parse().unwrap()], additive: true }];
        config.policies.route_maps.insert("EX".into(), map(vec![Match::Tag(vec![5])], true, sets));
        family(config, RED).export_map = Some("EX".into());
    });
    world.originate(PE1, RED, "10.1.0.0/16", Some(Own { tag: 5, ..own() }));
    world.originate(PE1, RED, "10.2.0.0/16", Some(own()));
    let seen = |world: &World| world.nodes[PE2].routes.keys().copied().collect::<Vec<_>>();
    assert_eq!(seen(&world), [(RED, p("10.1.0.0/16")), (BLUE, p("10.1.0.0/16"))]);
    let label = world.nodes[PE1].labels.clone();
    world.configure(PE1, |config| config.vrfs.get_mut(&RED).unwrap().rd = Some("65000:7".parse().unwrap()));
    assert_eq!(seen(&world), [(RED, p("10.1.0.0/16")), (BLUE, p("10.1.0.0/16"))]);
    assert_eq!(world.nodes[PE1].labels, label);
    let tables = world.nodes[RR].bgp.vpn_tables();
    assert_eq!(tables.iter().map(|table| table.rd.to_string()).collect::<Vec<_>>(), ["65000:7"]);
    world.configure(PE1, |config| drop(config.vrfs.remove(&RED)));
    assert_eq!((seen(&world), world.nodes[PE1].labels.len()), (vec![], 0));
    world.configure(PE1, |config| drop(config.vrfs.insert(RED, vrf("65000:1", &[], &["65000:1"]))));
    assert_eq!(seen(&world), [(RED, p("10.1.0.0/16")), (RED, p("10.2.0.0/16"))]);
}

#[test]
fn well_known_communities_hold_a_route_back() {
    let mut world = sites(&FamilyConfig { as_override: true, ..FamilyConfig::default() });
    let mark = |community| {
        let communities = Some(vec![Community::Standard(community)]);
        map(vec![], true, vec![Set::Community { communities, additive: false }])
    };
    world.configure(PE1, |config| {
        config.policies.route_maps.insert("MARK".into(), mark(NO_EXPORT));
        terms(config, "172.16.0.2").route_map_in = Some("MARK".into());
    });
    world.originate(CE1, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
    assert_eq!(world.exit(CE2, VrfId::GLOBAL, "10.1.0.0/16"), None);
    world.configure(PE1, |config| drop(config.policies.route_maps.insert("MARK".into(), mark(NO_ADVERTISE))));
    assert_eq!(
        (world.exit(PE1, RED, "10.1.0.0/16").is_some(), world.exit(PE2, RED, "10.1.0.0/16")),
        (true, None)
    );
}

#[test]
fn labelled_unicast_swaps_where_we_are_the_next_hop() {
    let labeled = |config: &mut Config, peer: &str, remote: u32| {
        let mut neighbor = Neighbor::new(remote);
        let family = FamilyConfig { next_hop_self: NextHopSelf::All, ..FamilyConfig::default() };
        neighbor.families.insert(AddressFamily::Ipv4Labeled, family);
        config.neighbors.insert(global(peer), neighbor);
    };
    let mut configs: Vec<Config> =
        (1..4).map(|number| Config::new(65000, [10, 0, 0, number].into())).collect();
    for config in &mut configs {
        let mut table = vrf("1:1", &[], &[]);
        table.rd = None;
        config.vrfs.insert(VrfId::GLOBAL, table);
    }
    configs[2].asn = 65001;
    labeled(&mut configs[0], "10.0.0.2", 65000);
    labeled(&mut configs[1], "10.0.0.1", 65000);
    labeled(&mut configs[1], "10.0.0.3", 65001);
    labeled(&mut configs[2], "10.0.0.2", 65000);
    let end = |node, address: &str| (node, VrfId::GLOBAL, ip(address));
    let wires = vec![(end(0, "10.0.0.1"), end(1, "10.0.0.2")), (end(1, "10.0.0.2"), end(2, "10.0.0.3"))];
    let mut world = World::new(configs, wires);
    world.originate(0, VrfId::GLOBAL, "10.0.0.1/32", Some(Own { source: Source::Connected, ..own() }));
    let exit = |next_hop: &str, label| Exit::Labelled { next_hop: ip(next_hop), label };
    assert_eq!(
        world.exit(1, VrfId::GLOBAL, "10.0.0.1/32"),
        Some(exit("10.0.0.1", base::Label::IMPLICIT_NULL))
    );
    let label = world.nodes[1].labels[&mpls::Fec::Prefix(VrfId::GLOBAL, p("10.0.0.1/32"))];
    assert_eq!(world.exit(2, VrfId::GLOBAL, "10.0.0.1/32"), Some(exit("10.0.0.2", label)));
    world.originate(0, VrfId::GLOBAL, "10.0.0.1/32", None);
    assert!(world.nodes[1].labels.is_empty() && world.nodes[2].routes.is_empty());
}

#[test]
fn default_originate_stands_without_a_default_route_and_a_neighbour_that_is_removed_takes_its_routes_along() {
    let mut world = sites(&FamilyConfig { default_originate: true, ..FamilyConfig::default() });
    assert_eq!(world.exit(CE1, VrfId::GLOBAL, "0.0.0.0/0"), Some(Exit::Gateway(ip("172.16.0.1"))));
    world.originate(CE1, VrfId::GLOBAL, "10.1.0.0/16", Some(own()));
    assert!(world.exit(PE2, RED, "10.1.0.0/16").is_some());
    world.configure(PE1, |config| {
        drop(config.neighbors.remove(&PeerId { vrf: RED, address: ip("172.16.0.2") }))
    });
    assert_eq!(world.exit(PE2, RED, "10.1.0.0/16"), None);
    assert_eq!(world.exit(CE1, VrfId::GLOBAL, "0.0.0.0/0"), None);
}
