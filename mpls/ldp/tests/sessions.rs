//! Discovery and sessions between engines in virtual time.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

mod world;

use std::time::Duration;

use base::{Label, Secret};
use ldp::{Input, Interface, Notice, Source, State, Swap, Unheard};
use world::{World, address, id, label, loopback, on_link, port, prefix, restart, router, via};

#[test]
fn two_routers_hear_each_other_and_the_greater_address_connects() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(1);
    assert!(world.is_up(0, 1));
    assert!(world.nodes[0].connections.is_empty() && world.nodes[1].connections.len() == 1);
    let found = world.nodes[0].ldp.discovered(world.now);
    assert_eq!((found[0].source, found[0].peer), (Source::Link(port(1), on_link(1, 0)), id(1)));
    assert_eq!(found[0].transport, address("10.0.0.2"));
    assert_eq!(world.nodes[0].notices, [Notice::Up(id(1))]);
}

/// Of the session between two neighbours: whether each of them takes nothing that a router passed on.
fn near(world: &World) -> [bool; 2] {
    let connection = |node: usize| world.nodes[node].ldp.neighbours(world.now)[0].connection.clone().unwrap();
    let [passive, active] = [connection(0), connection(1)];
    assert_eq!(world.nodes[0].listening.iter().map(|it| it.near).collect::<Vec<_>>(), [passive.near]);
    assert_eq!(world.nodes[1].near.last(), Some(&active.near));
    [passive.near, active.near]
}

#[test]
fn a_session_is_held_to_its_link_where_both_say_so() {
    for (said, agreed) in [([true, true], true), ([true, false], false), ([false, true], false)] {
        let mut world = World::row(2, |node, config| config.ttl_security = said[node]);
        world.seconds(1);
        assert!(world.is_up(0, 1));
        assert_eq!(near(&world), [agreed; 2], "{said:?}");
        assert_eq!(world.nodes[0].ldp.discovered(world.now)[0].gtsm, said[1]);
    }
}

#[test]
fn a_neighbour_that_is_also_greeted_from_afar_may_be_far_away_at_times() {
    let mut world = World::row(2, |node, config| {
        config.targeted.extend((node == 0).then(|| address("10.0.0.2")));
        config.accept_targeted = node == 1;
    });
    world.seconds(20);
    assert!(world.is_up(0, 1));
    assert_eq!(world.nodes[0].ldp.discovered(world.now).len(), 2, "on the link and from afar");
    assert_eq!(world.nodes[0].listening.iter().map(|it| it.near).collect::<Vec<_>>(), [false]);
    let targeted = world.nodes[0].ldp.discovered(world.now).into_iter();
    let targeted = targeted.filter(|heard| matches!(heard.source, Source::Targeted(_)));
    assert!(targeted.map(|heard| heard.gtsm).eq([false]), "said on links alone");
    assert_eq!(
        world.nodes[1].near,
        [true],
        "nobody told it to greet from afar: what it hears changes nothing"
    );
}

#[test]
fn a_session_begins_anew_with_other_rules_of_distance() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(1);
    world.nodes[1].config.ttl_security = false;
    world.configure(1);
    world.seconds(40);
    assert!(world.is_up(0, 1));
    assert_eq!(near(&world), [false; 2]);
}

#[test]
fn labels_follow_the_routes_and_end_with_penultimate_hop_popping() {
    let mut world = World::row(3, |_, _| {});
    world.seconds(2);
    let middle = world.nodes[1].bound[&loopback(2)];
    assert_eq!(world.lsp(0, loopback(2)), Some(middle));
    assert_eq!(world.lsp(1, loopback(2)), Some(Label::IMPLICIT_NULL));
    let Swap::To(lsp) = world.nodes[1].swaps[&middle] else { panic!() };
    assert_eq!((lsp.label, lsp.next_hop, lsp.peer), (Label::IMPLICIT_NULL, on_link(2, 1), id(2)));
    // Nobody has a path to itself.
    assert_eq!(world.lsp(2, loopback(2)), None);
}

#[test]
fn explicit_null_is_announced_where_it_is_asked_for_and_ends_sessions_held_to_links() {
    let mut world = World::row(2, |node, config| config.explicit_null = node == 1);
    world.seconds(1);
    assert_eq!(world.lsp(0, loopback(1)), Some(Label::IPV4_EXPLICIT_NULL));
    assert_eq!(near(&world), [false; 2], "what comes labelled loses a hop");
    world.nodes[1].config.explicit_null = false;
    world.configure(1);
    world.seconds(20);
    assert_eq!(world.lsp(0, loopback(1)), Some(Label::IMPLICIT_NULL));
    world.route(1, prefix("2001:db8::/64"), Some(ldp::Route::Here));
    assert!(world.is_up(0, 1));
}

#[test]
fn keepalives_hold_a_session_for_hours() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(4 * 3600);
    assert!(world.is_up(0, 1));
    assert_eq!(world.nodes[0].notices.len(), 1);
}

#[test]
fn a_cut_wire_ends_the_session_by_the_hello_time_and_it_comes_back() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(10);
    world.cut.insert((0, 1));
    world.seconds(9);
    assert!(world.is_up(0, 1));
    world.seconds(7);
    assert_eq!(world.state(0, 1), State::NonExistent);
    assert_eq!(world.nodes[0].notices[1], Notice::Down(id(1), "hello hold time expired".into()));
    assert!(world.nodes[0].lsps.is_empty() && world.nodes[0].ldp.neighbours(world.now).is_empty());
    world.cut.clear();
    world.seconds(10);
    assert!(world.is_up(0, 1));
    assert_eq!(world.lsp(0, loopback(1)), Some(Label::IMPLICIT_NULL));
}

#[test]
fn a_port_that_goes_takes_its_neighbour_along_and_brings_it_back() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(1);
    for _ in 0..3 {
        world.input(0, Input::Interface(port(1), None));
        world.seconds(1);
        assert!(!world.is_up(0, 1));
        let addresses = vec![on_link(0, 1)];
        world.input(0, Input::Interface(port(1), Some(Interface { addresses })));
        world.seconds(8);
        assert!(world.is_up(0, 1));
        assert_eq!(world.lsp(1, loopback(0)), Some(Label::IMPLICIT_NULL));
    }
}

#[test]
fn two_links_between_two_routers_carry_one_session_which_survives_one_of_them() {
    let mut world = World::row(2, |_, _| {});
    // A second port of each, heard under addresses of its own.
    for (node, other) in [(0, 1), (1, 0)] {
        let second = base::PortId(50);
        world.nodes[node].config.ports.insert(second, ldp::config::PortConfig::default());
        world.nodes[node].ports.insert(second, vec![on_link(node, other)]);
        world.start(node);
    }
    world.seconds(1);
    let bytes = hello_of(1, 60);
    let source = address("192.0.2.77");
    world.input(0, Input::Hello { port: Some(base::PortId(50)), source, multicast: true, bytes });
    assert_eq!(world.nodes[0].ldp.neighbours(world.now)[0].sources.len(), 2);
    world.input(0, Input::Interface(port(1), None));
    world.seconds(5);
    assert_eq!(world.state(0, 1), State::Operational);
}

#[test]
fn targeted_neighbours_find_each_other_through_a_router_without_ldp() {
    let mut world = World::new(2);
    world.nodes[0].config.targeted.insert(router(1).into());
    world.nodes[1].config.accept_targeted = true;
    world.start(0);
    world.start(1);
    world.seconds(1);
    assert!(world.is_up(0, 1));
    let found = world.nodes[1].ldp.discovered(world.now);
    assert_eq!(found[0].source, Source::Targeted(router(0).into()));
    world.seconds(600);
    assert!(world.is_up(0, 1));
    // No longer wanted: both part.
    world.nodes[0].config.targeted.clear();
    world.configure(0);
    world.seconds(1);
    assert_eq!((world.state(0, 1), world.state(1, 0)), (State::NonExistent, State::NonExistent));
}

#[test]
fn a_targeted_hello_that_nobody_asked_for_is_counted_and_changes_nothing() {
    let mut world = World::new(2);
    world.nodes[0].config.targeted.insert(router(1).into());
    world.start(0);
    world.start(1);
    world.seconds(31);
    assert!(world.nodes[1].ldp.neighbours(world.now).is_empty());
    assert_eq!(world.nodes[1].ldp.unheard()[&Unheard::Unwanted], 4);
}

#[test]
fn only_the_same_password_connects() {
    let key = |text: &str| Some(Secret::from(text.as_bytes()));
    let mut world = World::row(2, |node, config| {
        config.passwords.insert(router(1 - node), key(["left", "right"][node]).unwrap());
    });
    world.seconds(20);
    assert!(!world.is_up(0, 1));
    world.nodes[1].config.passwords.insert(router(0), key("left").unwrap());
    world.configure(1);
    world.seconds(20);
    assert!(world.is_up(0, 1));
    // Another password ends the session.
    world.nodes[0].config.passwords.clear();
    world.configure(0);
    world.seconds(5);
    assert!(!world.is_up(0, 1));
}

#[test]
fn the_shorter_times_hold() {
    let mut world = World::row(2, |node, config| {
        config.hold = Duration::from_secs(if node == 0 { 30 } else { 90 });
        config.hello.hold = Duration::from_secs(if node == 0 { 15 } else { 45 });
    });
    world.seconds(1);
    for node in 0..2 {
        let neighbour = &world.nodes[node].ldp.neighbours(world.now)[0];
        assert_eq!(neighbour.connection.as_ref().unwrap().keepalive, Duration::from_secs(30));
        let (hold, _) = world.nodes[node].ldp.discovered(world.now)[0].hold.unwrap();
        assert_eq!(hold, Duration::from_secs(15));
    }
}

#[test]
fn who_forgets_us_sooner_hears_of_us_more_often() {
    let mut world = World::row(2, |node, config| {
        if node == 1 {
            config.hello =
                ldp::config::Hello { interval: Duration::from_secs(1), hold: Duration::from_secs(3) };
        }
    });
    world.seconds(60);
    assert!(world.is_up(0, 1));
    assert_eq!(world.nodes[1].notices.len(), 1);
}

#[test]
fn clearing_a_neighbour_starts_it_anew() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(1);
    world.input(1, Input::Clear(Some(router(0))));
    world.seconds(2);
    assert!(world.is_up(0, 1));
    assert_eq!(world.nodes[1].notices[1], Notice::Down(id(0), "cleared by the operator".into()));
    assert_eq!(world.nodes[0].notices[1], Notice::Down(id(1), "received: Shutdown".into()));
}

#[test]
fn without_a_configuration_everything_is_taken_back() {
    let mut world = World::row(3, |_, _| {});
    world.seconds(1);
    assert!(!world.nodes[1].lsps.is_empty() && !world.nodes[1].swaps.is_empty());
    world.input(1, Input::Configure(None));
    world.seconds(20);
    let node = &world.nodes[1];
    assert!(node.lsps.is_empty() && node.swaps.is_empty() && node.bound.is_empty());
    assert!(node.ldp.neighbours(world.now).is_empty());
    assert!(world.nodes[0].lsps.is_empty());
    assert_eq!(base::Engine::deadline(&node.ldp), None);
    world.configure(1);
    world.seconds(20);
    assert!(world.is_up(0, 1) && world.is_up(1, 2));
    assert_eq!(world.lsp(0, loopback(2)), Some(world.nodes[1].bound[&loopback(2)]));
}

#[test]
fn a_new_router_id_starts_all_sessions_anew() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(1);
    world.nodes[1].config.router_id = router(7);
    world.nodes[1].config.transport.ipv4 = Some(router(7));
    world.configure(1);
    world.seconds(20);
    let neighbours = world.nodes[0].ldp.neighbours(world.now);
    assert_eq!(
        neighbours.iter().map(|found| (found.peer, found.state)).collect::<Vec<_>>(),
        [(id(7), State::Operational)]
    );
}

#[test]
fn one_after_the_other_may_start_in_any_order() {
    for first in 0..2 {
        let mut world = World::new(2);
        world.join(0, 1);
        world.start(first);
        world.seconds(7);
        world.start(1 - first);
        world.seconds(1);
        assert!(world.is_up(0, 1), "{first} first");
    }
}

#[test]
fn a_restarted_peer_replaces_its_old_session() {
    let mut world = World::row(2, |_, _| {});
    world.seconds(10);
    // It forgets everything without a word, and comes back.
    world.cut.insert((0, 1));
    world.crash(1);
    world.cut.clear();
    world.start(1);
    world.row_routes(1);
    world.seconds(6);
    assert!(world.is_up(0, 1));
    assert_eq!(world.nodes[0].notices[1], Notice::Down(id(1), "the peer connects again".into()));
    assert_eq!(world.lsp(0, loopback(1)), Some(Label::IMPLICIT_NULL));
}

fn hello_of(node: usize, hold: u16) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 30];
    bytes.extend(router(node).octets());
    bytes.extend([0, 0, 1, 0, 0, 20, 0, 0, 0, 1, 4, 0, 0, 4]);
    bytes.extend(hold.to_be_bytes());
    bytes.extend([0, 0, 4, 1, 0, 4]);
    bytes.extend(router(node).octets());
    bytes
}

#[test]
fn routes_that_come_before_or_after_the_session_end_alike() {
    let mut world = World::row(2, |_, config| config.graceful_restart = restart());
    world.seconds(1);
    let later = prefix("203.0.113.0/24");
    world.route(1, later, Some(ldp::Route::Here));
    world.route(0, later, Some(via(0, 1)));
    world.seconds(1);
    assert_eq!(world.lsp(0, later), Some(label(3)));
}
