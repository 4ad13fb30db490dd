//! IPv6, alone and beside IPv4, RFC 7552.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

mod world;

use std::net::{IpAddr, Ipv6Addr};

use base::{Label, Prefix};
use ldp::{Config, Notice, Route, Source, State, Unheard};
use world::{World, id, on_link, port, prefix, router};

fn six(node: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, node as u16 + 1)
}

fn link_local(node: usize) -> IpAddr {
    Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, node as u16 + 1).into()
}

/// Two routers with both families on their link, and a route by IPv6 link-local addresses each way.
fn two(change: impl Fn(usize, &mut Config)) -> World {
    let mut world = World::new(2);
    world.join(0, 1);
    for node in 0..2 {
        world.nodes[node].config.transport.ipv6 = Some(six(node));
        change(node, &mut world.nodes[node].config);
        world.nodes[node].ports.get_mut(&port(1 - node)).unwrap().push(link_local(node));
        world.nodes[node].addresses.extend([six(node).into(), link_local(node)]);
        world.start(node);
        let there = Prefix::host(six(1 - node).into());
        world.route(node, Prefix::host(six(node).into()), Some(Route::Here));
        world.route(node, there, Some(Route::Via { port: port(1 - node), next_hop: link_local(1 - node) }));
        let there = Prefix::host(router(1 - node).into());
        world.route(node, Prefix::host(router(node).into()), Some(Route::Here));
        world.route(
            node,
            there,
            Some(Route::Via { port: port(1 - node), next_hop: on_link(1 - node, node) }),
        );
    }
    world.seconds(10);
    world
}

fn session_ends(world: &World) -> (IpAddr, IpAddr) {
    let neighbour = &world.nodes[0].ldp.neighbours(world.now)[0];
    let connection = neighbour.connection.as_ref().unwrap();
    (connection.local, connection.remote)
}

#[test]
fn both_families_share_one_session_over_ipv6_unless_both_prefer_ipv4() {
    for prefer_ipv4 in [false, true] {
        let world = two(|_, config| config.transport.prefer_ipv4 = prefer_ipv4);
        assert!(world.is_up(0, 1));
        let expected: (IpAddr, IpAddr) =
            if prefer_ipv4 { (router(0).into(), router(1).into()) } else { (six(0).into(), six(1).into()) };
        assert_eq!(session_ends(&world), expected);
        assert_eq!(world.nodes[0].connections.len() + world.nodes[1].connections.len(), 1);
        let lsp = world.nodes[0].lsps[&Prefix::host(six(1).into())];
        assert_eq!((lsp.label, lsp.next_hop), (Label::IMPLICIT_NULL, link_local(1)));
        assert!(world.lsp(0, Prefix::host(router(1).into())).is_some());
    }
}

#[test]
fn neighbours_of_different_preference_refuse_each_other_by_name() {
    let world = two(|node, config| config.transport.prefer_ipv4 = node == 0);
    assert_eq!(world.state(0, 1), State::NonExistent);
    assert_eq!(world.nodes[0].notices, [Notice::Refused(id(1), "Transport Connection Mismatch".into())]);
}

#[test]
fn ipv6_alone_is_enough() {
    let world = two(|_, config| config.transport.ipv4 = None);
    assert!(world.is_up(0, 1));
    assert_eq!(session_ends(&world), (six(0).into(), six(1).into()));
    assert_eq!(world.lsp(0, Prefix::host(six(1).into())), Some(Label::IMPLICIT_NULL));
    // A neighbour of one family hears nothing of the other one.
    assert_eq!(world.lsp(0, Prefix::host(router(1).into())), None);
}

#[test]
fn a_neighbour_with_ipv4_only_hears_nothing_of_ipv6() {
    let mut world = two(|node, config| {
        if node == 1 {
            config.transport.ipv6 = None;
        }
    });
    assert!(world.is_up(0, 1));
    assert_eq!(session_ends(&world), (router(0).into(), router(1).into()));
    assert_eq!(world.lsp(1, Prefix::host(six(0).into())), None);
    assert_eq!(world.lsp(1, Prefix::host(router(0).into())), Some(Label::IMPLICIT_NULL));
    let addresses = world.nodes[1].ldp.neighbours(world.now)[0].addresses.clone();
    assert!(addresses.iter().all(IpAddr::is_ipv4) && !addresses.is_empty());
    // It learns IPv6, and both move over to it.
    world.nodes[1].config.transport.ipv6 = Some(six(1));
    world.configure(1);
    world.seconds(30);
    assert_eq!(session_ends(&world), (six(0).into(), six(1).into()));
}

#[test]
fn explicit_null_of_ipv6_is_another_label() {
    let world = two(|_, config| config.explicit_null = true);
    assert_eq!(world.lsp(0, Prefix::host(six(1).into())), Some(Label::IPV6_EXPLICIT_NULL));
    assert_eq!(world.lsp(0, Prefix::host(router(1).into())), Some(Label::IPV4_EXPLICIT_NULL));
}

#[test]
fn an_ipv6_link_hello_comes_from_a_link_local_address_or_is_not_heard() {
    let mut world = two(|_, _| {});
    let sources = |world: &World| world.nodes[0].ldp.discovered(world.now).len();
    let before = sources(&world);
    let hello = |source: IpAddr| ldp::Input::Hello {
        port: Some(port(1)),
        source,
        multicast: true,
        bytes: vec![0, 1, 0, 22, 9, 9, 9, 9, 0, 0, 1, 0, 0, 12, 0, 0, 0, 1, 4, 0, 0, 4, 0, 15, 0, 0],
    };
    world.input(0, hello("2001:db8::9".parse().unwrap()));
    assert_eq!(sources(&world), before);
    assert_eq!(world.nodes[0].ldp.unheard()[&Unheard::NotLinkLocal], 1);
    // Nor can a session end at a link-local address.
    world.input(0, hello("fe80::9".parse().unwrap()));
    assert_eq!(world.nodes[0].ldp.unheard()[&Unheard::Transport], 1);
    world.input(0, hello("192.0.2.9".parse().unwrap()));
    assert_eq!(sources(&world), before + 1);
    let sources: Vec<_> = world.nodes[0].ldp.discovered(world.now).iter().map(|found| found.source).collect();
    assert!(sources.contains(&Source::Link(port(1), "192.0.2.9".parse().unwrap())));
    assert_eq!(prefix("2001:db8::/64").length(), 64);
}
