//! Graceful restart, RFC 3478: neighbours that help, and the router that comes back.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

mod world;

use std::time::Duration;

use ldp::{Input, State};
use world::{World, loopback, prefix, restart, via};

fn row() -> World {
    let mut world = World::row(3, |_, config| config.graceful_restart = restart());
    world.seconds(10);
    for node in 0..3 {
        world.nodes[node].history.clear();
    }
    world
}

/// Node 1 comes back; LDP hears of its routes later than of its neighbours.
fn come_back(world: &mut World) {
    world.start(1);
    world.seconds(6);
    world.row_routes(1);
    world.seconds(6);
}

fn gaps(world: &World, node: usize) -> usize {
    world.nodes[node].history.iter().filter(|(_, lsp)| lsp.is_none()).count()
}

#[test]
fn no_path_breaks_anywhere_while_the_sessions_of_the_middle_are_lost() {
    let mut world = row();
    let before: Vec<_> = world.nodes.iter().map(|node| node.lsps.clone()).collect();
    world.lose_sessions(1);
    let neighbour = &world.nodes[0].ldp.neighbours(world.now)[0];
    assert_eq!((neighbour.bindings, neighbour.stale), (3, 0));
    world.seconds(300);
    assert!(world.is_up(0, 1) && world.is_up(1, 2));
    assert_eq!(world.nodes[0].ldp.neighbours(world.now)[0].stale, 0);
    for (node, before) in before.into_iter().enumerate() {
        assert_eq!(world.nodes[node].lsps, before, "node {node}");
        assert_eq!(gaps(&world, node), 0, "node {node}");
    }
}

#[test]
fn the_labels_of_a_router_that_is_away_stand_until_it_is_back_and_says_that_it_kept_nothing() {
    let mut world = row();
    world.crash(1);
    world.seconds(20);
    // Neither its hellos nor its session are there; its labels are.
    assert_eq!(world.state(0, 1), State::NonExistent);
    let neighbour = &world.nodes[0].ldp.neighbours(world.now)[0];
    assert_eq!((neighbour.bindings, neighbour.stale), (3, 3));
    assert!(neighbour.stale_for.unwrap() > Duration::from_secs(90));
    assert_eq!(gaps(&world, 0), 0);
    come_back(&mut world);
    assert!(gaps(&world, 0) > 0);
    assert!(world.lsp(0, loopback(2)).is_some());
}

#[test]
fn a_router_that_never_returns_is_forgotten() {
    let mut world = row();
    world.crash(1);
    world.seconds(110);
    assert_eq!(world.nodes[0].lsps.len(), 2);
    world.seconds(20);
    assert!(world.nodes[0].lsps.is_empty() && world.nodes[0].ldp.neighbours(world.now).is_empty());
}

#[test]
fn what_is_not_told_again_goes_once_the_peer_has_told_everything() {
    let mut world = row();
    let gone = prefix("203.0.113.0/24");
    world.route(1, gone, Some(via(1, 2)));
    world.route(0, gone, Some(via(0, 1)));
    world.route(2, gone, Some(ldp::Route::Here));
    world.seconds(1);
    assert!(world.lsp(0, gone).is_some());
    world.nodes[0].history.clear();
    world.lose_sessions(1);
    // While its sessions are away, the middle loses the route.
    world.route(1, gone, None);
    assert!(world.lsp(0, gone).is_some());
    world.seconds(20);
    assert_eq!((world.lsp(0, gone), world.lsp(1, gone)), (None, None));
    assert_eq!(world.nodes[0].history, [(gone, None)], "nothing else moved");
}

#[test]
fn what_a_peer_that_says_no_end_does_not_tell_again_goes_when_its_time_to_recover_is_over() {
    let mut world = World::row(3, |_, config| config.graceful_restart = restart());
    world.plain.insert(0);
    world.seconds(10);
    let gone = prefix("203.0.113.0/24");
    world.route(1, gone, Some(via(1, 2)));
    world.route(0, gone, Some(via(0, 1)));
    world.route(2, gone, Some(ldp::Route::Here));
    world.seconds(1);
    assert!(world.lsp(0, gone).is_some());
    world.nodes[0].history.clear();
    world.lose_sessions(1);
    world.route(1, gone, None);
    world.seconds(20);
    assert!(world.is_up(0, 1));
    // All but one were told again.
    let neighbour = |world: &World| world.nodes[0].ldp.neighbours(world.now)[0].clone();
    assert_eq!((neighbour(&world).bindings, neighbour(&world).stale), (4, 1));
    let left = neighbour(&world).stale_for.unwrap();
    assert!(left > Duration::from_secs(90) && left <= Duration::from_secs(120), "{left:?}");
    world.run(left - Duration::from_millis(1));
    assert!(world.lsp(0, gone).is_some());
    assert_eq!(world.nodes[0].history, []);
    world.run(Duration::from_millis(2));
    assert_eq!(world.nodes[0].history, [(gone, None)], "nothing else moved");
    assert_eq!((neighbour(&world).bindings, neighbour(&world).stale_for), (3, None));
    assert!(world.is_up(0, 1));
}

#[test]
fn an_operator_who_ends_a_session_means_it() {
    let mut world = row();
    world.input(1, Input::Clear(None));
    world.seconds(10);
    assert_eq!(gaps(&world, 0), 2);
    assert_eq!(world.nodes[0].lsps.len(), 2);
}

#[test]
fn without_graceful_restart_on_both_sides_nothing_is_kept() {
    let mut world = World::row(2, |node, config| {
        config.graceful_restart = restart().filter(|_| node == 0);
    });
    world.seconds(10);
    world.crash(1);
    world.seconds(1);
    assert!(world.nodes[0].lsps.is_empty());
}
