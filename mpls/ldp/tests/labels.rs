//! Bindings between engines in virtual time: both control modes, withdrawal, and paths that change.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

mod world;

use base::Label;
use ldp::config::PortConfig;
use ldp::{Input, LdpId, Notice, Route, Swap};
use world::{World, id, label, loopback, on_link, port, prefix, router, via};

/// A square: 0 to 3 by way of 1 or of 2.
fn square() -> World {
    let mut world = World::new(4);
    for (a, b) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        world.join(a, b);
    }
    for node in 0..4 {
        world.start(node);
        world.route(node, loopback(node), Some(Route::Here));
    }
    for (node, next) in [(0, 1), (1, 3), (2, 3)] {
        world.route(node, loopback(3), Some(via(node, next)));
    }
    world.seconds(10);
    world
}

#[test]
fn a_next_hop_that_changes_finds_its_label_waiting() {
    let mut world = square();
    let [by_one, by_two] = [1, 2].map(|node| world.nodes[node].bound[&loopback(3)]);
    assert_eq!(world.lsp(0, loopback(3)), Some(by_one));
    let sent: usize = world.nodes.iter().map(|node| node.sent.len()).sum();
    world.route(0, loopback(3), Some(via(0, 2)));
    assert_eq!(world.lsp(0, loopback(3)), Some(by_two));
    // Nothing had to be asked, and no path was missing in between.
    assert_eq!(world.nodes.iter().map(|node| node.sent.len()).sum::<usize>(), sent);
    assert!(world.nodes[0].history.iter().all(|(_, lsp)| lsp.is_some()));
    let own = world.nodes[0].bound[&loopback(3)];
    assert!(matches!(world.nodes[0].swaps[&own], Swap::To(lsp) if lsp.label == by_two));
}

#[test]
fn both_bindings_of_a_prefix_are_shown_and_the_one_in_use() {
    let world = square();
    let all = world.nodes[0].ldp.bindings();
    let one = &all[&loopback(3)];
    let by = |node: usize| world.nodes[node].bound[&loopback(3)];
    assert_eq!(one.local, Some(by(0)));
    assert_eq!(one.remote, [(id(1), by(1), false), (id(2), by(2), false)]);
    assert_eq!(one.in_use.unwrap().next_hop, on_link(1, 0));
    assert_eq!(all[&loopback(0)].local, Some(Label::IMPLICIT_NULL));
}

#[test]
fn a_route_that_goes_takes_its_labels_along_everywhere() {
    let mut world = World::row(3, |_, config| config.ordered = true);
    world.seconds(2);
    assert!(world.lsp(0, loopback(2)).is_some());
    let ours = world.nodes[1].bound[&loopback(2)];
    world.route(2, loopback(2), None);
    world.seconds(1);
    assert_eq!((world.lsp(1, loopback(2)), world.lsp(0, loopback(2))), (None, None));
    assert!(!world.nodes[0].ldp.bindings()[&loopback(2)].remote.iter().any(|(peer, ..)| *peer == id(1)));
    // The route is still there: the label stays bound, and leads out without one.
    assert!(matches!(world.nodes[1].swaps[&ours], Swap::Untagged { .. }));
    world.route(1, loopback(2), None);
    world.seconds(1);
    assert!(!world.nodes[1].swaps.contains_key(&ours) && !world.nodes[1].bound.contains_key(&loopback(2)));
    world.route(2, loopback(2), Some(Route::Here));
    world.route(1, loopback(2), Some(via(1, 2)));
    world.seconds(1);
    assert_eq!(world.lsp(0, loopback(2)), Some(world.nodes[1].bound[&loopback(2)]));
}

#[test]
fn a_label_is_given_back_only_when_no_peer_can_use_it_any_more() {
    let mut world = World::row(2, |_, _| {});
    let far = prefix("203.0.113.0/24");
    world.route(0, far, Some(via(0, 1)));
    world.seconds(1);
    let ours = world.nodes[0].bound[&far];
    // The withdrawal is on its way, the release is not back yet.
    world.route(0, far, None);
    assert_eq!(world.nodes[0].bound.get(&far), Some(&ours));
    assert!(!world.nodes[0].swaps.contains_key(&ours));
    world.seconds(1);
    assert_eq!(world.nodes[0].bound.get(&far), None);
    // A peer that is gone has released everything.
    world.route(0, far, Some(via(0, 1)));
    world.seconds(1);
    world.cut.insert((0, 1));
    world.route(0, far, None);
    world.seconds(1);
    assert!(world.nodes[0].bound.contains_key(&far));
    world.seconds(16);
    assert!(!world.nodes[0].bound.contains_key(&far));
}

#[test]
fn a_route_that_flaps_faster_than_releases_come_back_keeps_its_label() {
    let mut world = World::row(2, |_, _| {});
    let far = prefix("203.0.113.0/24");
    world.route(0, far, Some(via(0, 1)));
    world.seconds(1);
    let ours = world.nodes[0].bound[&far];
    for _ in 0..5 {
        world.route(0, far, None);
        world.route(0, far, Some(via(0, 1)));
    }
    world.seconds(1);
    assert_eq!(world.nodes[0].bound.get(&far), Some(&ours));
    assert_eq!(world.nodes[1].ldp.bindings()[&far].remote, [(id(0), ours, false)]);
    world.route(0, far, None);
    world.seconds(1);
    assert_eq!(world.nodes[0].bound.get(&far), None);
}

#[test]
fn in_ordered_control_a_label_waits_for_the_one_further_on_and_in_independent_control_it_does_not() {
    for ordered in [true, false] {
        let mut world = World::row(3, |_, config| config.ordered = ordered);
        let far = prefix("203.0.113.0/24");
        world.route(1, far, Some(via(1, 2)));
        world.route(0, far, Some(via(0, 1)));
        world.seconds(2);
        assert_eq!(world.lsp(0, far).is_none(), ordered);
        world.route(2, far, Some(Route::Here));
        world.seconds(1);
        assert_eq!(world.lsp(0, far), Some(world.nodes[1].bound[&far]));
        world.route(2, far, None);
        world.seconds(1);
        assert_eq!(world.lsp(0, far).is_none(), ordered);
    }
}

#[test]
fn in_ordered_control_what_leaves_the_network_here_has_a_label() {
    let mut world = World::row(2, |_, config| config.ordered = true);
    let customer = prefix("203.0.113.0/24");
    let out = Route::Via { port: base::PortId(9), next_hop: world::address("192.0.2.99") };
    world.route(1, customer, Some(out));
    world.route(0, customer, Some(via(0, 1)));
    world.seconds(1);
    let ours = world.nodes[1].bound[&customer];
    assert_eq!(world.lsp(0, customer), Some(ours));
    assert!(matches!(world.nodes[1].swaps[&ours], Swap::Untagged { port, .. } if port == base::PortId(9)));
}

#[test]
fn labelled_packets_leave_only_through_ports_with_mpls() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(1);
    assert!(world.lsp(0, loopback(1)).is_some());
    world.nodes[0].config.targeted.insert(router(1).into());
    world.nodes[1].config.accept_targeted = true;
    world.configure(0);
    world.configure(1);
    world.seconds(1);
    world.nodes[0].config.ports.remove(&port(1));
    world.configure(0);
    world.seconds(1);
    assert!(world.is_up(0, 1));
    assert_eq!(world.lsp(0, loopback(1)), None);
    world.nodes[0].config.ports.insert(port(1), PortConfig::default());
    world.configure(0);
    assert!(world.lsp(0, loopback(1)).is_some());
}

#[test]
fn only_host_routes_get_labels_if_so_configured() {
    let mut world = World::row(2, |_, config| config.host_routes_only = true);
    let network = prefix("203.0.113.0/24");
    world.route(1, network, Some(Route::Here));
    world.route(0, network, Some(via(0, 1)));
    world.seconds(1);
    assert_eq!((world.lsp(0, network), world.lsp(0, loopback(1))), (None, Some(Label::IMPLICIT_NULL)));
    world.nodes[1].config.host_routes_only = false;
    world.configure(1);
    world.nodes[0].config.host_routes_only = false;
    world.configure(0);
    world.seconds(1);
    assert_eq!(world.lsp(0, network), Some(Label::IMPLICIT_NULL));
}

#[test]
fn an_address_that_moves_to_another_peer_takes_the_paths_along() {
    let mut world = square();
    let moved = world::address("198.18.0.1");
    let far = prefix("203.0.113.0/24");
    for node in [1, 2] {
        world.route(node, far, Some(via(node, 3)));
    }
    world.route(0, far, Some(Route::Via { port: port(1), next_hop: moved }));
    world.seconds(1);
    assert_eq!(world.lsp(0, far), None);
    let say = |world: &mut World, node: usize, has: bool| {
        let mut addresses = world.nodes[node].addresses.clone();
        addresses.extend(has.then_some(moved));
        world.input(node, Input::Addresses(addresses));
        world.seconds(1);
    };
    let peer = |world: &World| world.nodes[0].lsps.get(&far).map(|lsp| lsp.peer);
    say(&mut world, 1, true);
    assert_eq!(peer(&world), Some(id(1)));
    // A second claim does not take it away from the first.
    say(&mut world, 2, true);
    assert_eq!(peer(&world), Some(id(1)));
    say(&mut world, 1, false);
    assert_eq!(peer(&world), Some(id(2)));
    say(&mut world, 2, false);
    assert_eq!(peer(&world), None::<LdpId>);
}

#[test]
fn when_there_is_no_label_left_the_operator_hears_of_it_and_a_new_route_asks_again() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(1);
    world.nodes[0].last_label = 0;
    let far = prefix("203.0.113.0/24");
    world.route(0, far, Some(via(0, 1)));
    world.seconds(1);
    assert_eq!(world.nodes[0].notices.last(), Some(&Notice::NoLabel(far.to_string())));
    world.nodes[0].last_label = u32::MAX;
    world.route(0, far, Some(via(0, 1)));
    world.seconds(1);
    assert_eq!(world.nodes[1].ldp.bindings()[&far].remote, [(id(0), world.nodes[0].bound[&far], false)]);
}

#[test]
fn a_network_that_becomes_ours_changes_its_label_and_back() {
    let mut world = World::row(2, |_, _| {});
    let net = prefix("203.0.113.0/24");
    world.route(0, net, Some(via(0, 1)));
    world.route(1, net, Some(via(1, 0)));
    world.seconds(1);
    assert_eq!(world.lsp(0, net), Some(world.nodes[1].bound[&net]));
    world.route(1, net, Some(Route::Here));
    world.seconds(1);
    assert_eq!(world.lsp(0, net), Some(label(3)));
    assert_eq!(world.nodes[1].bound.get(&net), None);
    world.route(1, net, Some(via(1, 0)));
    world.seconds(1);
    assert_eq!(world.lsp(0, net), Some(world.nodes[1].bound[&net]));
}
