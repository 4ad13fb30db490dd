//! Two speakers against each other under virtual time, and one against octets that no speaker would send.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test asks for what it expects")]

use core::net::Ipv4Addr;
use core::time::Duration;

use base::{Label, Secret, VrfId};
use proptest::prelude::*;
use vrf::Rd;

use super::*;
use crate::attributes::{Attributes, Origin};
use crate::config::{FamilyConfig, GracefulRestart, LocalAs, Neighbor, Ttl};
use crate::update::Nlri;

mod world;
use world::{World, config, id};

const FAMILIES: [AddressFamily; 2] = [AddressFamily::Ipv4Unicast, AddressFamily::Vpnv4];

fn update(count: u32) -> Update {
    let route = |at: u32| Nlri {
        rd: Some(Rd::As2(65000, 1)),
        prefix: base::Prefix::new(Ipv4Addr::from(at << 8).into(), 24).unwrap(),
        label: Label::new(at),
        path: None,
    };
    let attributes = Attributes {
        origin: Origin::Igp,
        as_path: vec![],
        next_hop: [192, 0, 2, 1].into(),
        med: None,
        local_preference: Some(100),
        atomic_aggregate: false,
        aggregator: None,
        communities: vec![],
        extended: vec![],
        large: vec![],
        originator: None,
        clusters: vec![],
        unknown: vec![],
    };
    Update::Reach {
        family: AddressFamily::Vpnv4,
        attributes: Arc::new(attributes),
        routes: (1..=count).map(route).collect(),
    }
}

#[test]
fn two_speakers_agree_whatever_pieces_their_octets_come_in() {
    for chunk in [1, 7, 100, 65_536] {
        let mut world = World::new();
        world.chunk = chunk;
        world.run(30);
        for side in 0..2 {
            assert_eq!(world.ups(side), 1, "chunks of {chunk}");
            assert_eq!(world.state(side), State::Established);
            let terms = world.sides[side].negotiated(id(side)).unwrap();
            assert_eq!(terms.families.keys().copied().collect::<Vec<_>>(), FAMILIES);
            assert!(!terms.external && terms.four_octet && terms.refresh && terms.enhanced_refresh);
            assert_eq!((terms.hold, terms.message), (Duration::from_secs(90), 65535));
            assert!(terms.families[&AddressFamily::Vpnv4].extended_next_hop);
        }
        let now = world.now;
        world.sides[0].send(now, id(0), &update(3000));
        world.sides[0].send(now, id(0), &Update::EndOfRib(AddressFamily::Vpnv4));
        world.sides[0].refresh(now, id(0), AddressFamily::Vpnv4, Refresh::Request);
        world.settle();
        let mut got = 0;
        let mut order = Vec::new();
        for event in &world.events[1] {
            match event {
                Event::Update(_, Update::Reach { routes, .. }) => got += routes.len(),
                Event::Update(_, Update::EndOfRib(family)) => order.push(format!("end {family} after {got}")),
                Event::Refresh(_, family, what) => order.push(format!("{what:?} {family}")),
                _ => {}
            }
        }
        assert_eq!(order, ["end VPNv4 Unicast after 3000", "Request VPNv4 Unicast"], "chunks of {chunk}");
    }
}

#[test]
fn of_two_connections_the_one_of_the_higher_identifier_stays() {
    let mut world = World::new();
    world.run(30);
    // Side 1 has the higher router ID: what it dialed stays.
    let open = world.open();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].dialed_by, 1);
    assert!(world.dials >= 2, "both dialed");
    assert_eq!(world.notices(0, "refused").len() + world.notices(1, "refused").len(), 0);
}

#[test]
fn a_passive_side_never_dials_and_is_reached() {
    let mut world = World::with(|side, neighbor| neighbor.passive = side == 1);
    world.run(30);
    assert_eq!((world.ups(0), world.ups(1)), (1, 1));
    assert_eq!(world.open()[0].dialed_by, 0);
    world.cut();
    world.reachable = false;
    let before = world.dials;
    world.run(300);
    let by_zero = world.dials - before;
    assert!((25..60).contains(&by_zero), "{by_zero} attempts of one side in 300 s at 10 s less jitter");
}

#[test]
fn an_idle_session_lives_on_keepalives() {
    let mut world = World::new();
    world.run(3600);
    assert_eq!((world.ups(0), world.downs(0).len(), world.downs(1).len()), (1, 0, 0));
    let status = world.sides[0].status().next().unwrap();
    let sent = status.sent.messages;
    assert!((118..165).contains(&sent), "{sent} messages in an hour at 30 s less jitter");
}

#[test]
fn a_silent_peer_is_given_up_after_the_hold_time() {
    let mut world = World::new();
    world.run(30);
    world.silent = true;
    world.run(30 + 55);
    assert!(world.downs(0).is_empty());
    world.run(30 + 95);
    assert_eq!(world.downs(0), ["Hold time expired, graceful false"]);
    assert_eq!(world.notices(0, "sent to"), ["sent to neighbor 10.0.0.2 4/0 (Hold Timer Expired)"]);
}

#[test]
fn a_hold_time_of_zero_is_for_ever() {
    let mut world = World::with(|_, neighbor| neighbor.timers.hold = Duration::ZERO);
    world.run(30);
    world.silent = true;
    world.run(36_000);
    assert_eq!(world.state(0), State::Established);
}

#[test]
fn routes_outlive_a_lost_connection_only_where_restart_was_agreed() {
    for (restart, graceful) in [(None, false), (Some(GracefulRestart::default()), true)] {
        let mut world = World::with_config(|_, config| config.graceful_restart = restart);
        world.run(30);
        let terms = world.sides[0].negotiated(id(0)).unwrap();
        assert_eq!(terms.restart.is_some(), graceful);
        world.cut();
        world.settle();
        assert_eq!(world.downs(0), [format!("Peer closed the session, graceful {graceful}")]);
        world.run(60);
        assert_eq!(world.ups(0), 2, "it comes back");
        let terms = world.sides[0].negotiated(id(0)).unwrap();
        let kept = terms.families[&AddressFamily::Vpnv4].preserved;
        assert_eq!(kept, graceful.then_some(true), "forwarding went on meanwhile");
    }
}

#[test]
fn a_restarting_speaker_says_so_once() {
    let mut world = World::with_config(|side, config| {
        config.graceful_restart = Some(GracefulRestart::default());
        config.restarting = side == 1;
    });
    world.run(30);
    let seen = |world: &World| world.sides[0].negotiated(id(0)).unwrap().restart.unwrap();
    assert!(seen(&world).restarting);
    assert_eq!(
        world.sides[0].negotiated(id(0)).unwrap().families[&AddressFamily::Vpnv4].preserved,
        Some(true)
    );
    assert_eq!(
        world.sides[1].negotiated(id(1)).unwrap().families[&AddressFamily::Vpnv4].preserved,
        Some(false)
    );
    world.cut();
    world.run(90);
    assert!(!seen(&world).restarting);
}

#[test]
fn with_notifications_in_the_bargain_only_a_hard_reset_takes_the_routes() {
    let restarts = |_: usize, config: &mut Config| config.graceful_restart = Some(GracefulRestart::default());
    let mut world = World::with_config(restarts);
    world.run(30);
    world.silent = true;
    world.run(130);
    assert_eq!(world.downs(0), ["Hold time expired, graceful true"], "RFC 8538");

    let mut world = World::with_config(restarts);
    world.run(30);
    let now = world.now;
    world.sides[0].close(now, id(0), &Why::Cleared);
    world.settle();
    assert_eq!(world.downs(0), ["Administrative Reset, graceful false"]);
    assert_eq!(
        world.downs(1),
        ["BGP Notification received: Hard Reset: Administrative Reset, graceful false"]
    );
    world.run(60);
    assert_eq!(world.ups(0), 2);
}

#[test]
fn a_peer_that_connects_anew_after_a_crash_is_believed_if_it_restarts_gracefully() {
    for graceful in [false, true] {
        let mut world = World::with_config(|_, config| {
            config.graceful_restart = graceful.then(GracefulRestart::default);
        });
        world.run(30);
        // Side 1 loses everything without a word, and starts again.
        world.forget(1);
        world.sides[1] = Sessions::new(7);
        let config = world.configs[1].clone();
        let now = world.now;
        world.sides[1].configure(now, Some(&config));
        world.run(45);
        if graceful {
            assert_eq!(world.downs(0), ["Peer restarted, graceful true"], "RFC 4724 section 5");
            assert_eq!(world.ups(0), 2);
        } else {
            assert_eq!(world.downs(0).len(), 0, "the hold timer decides");
            assert!(!world.notices(0, "refused").is_empty());
        }
    }
}

#[test]
fn a_wrong_as_is_named_and_tried_ever_more_seldom() {
    let mut world = World::with(|side, neighbor| {
        if side == 0 {
            neighbor.remote_as = 65009;
        }
    });
    world.run(600);
    let told = world.notices(0, "sent to");
    let text = "sent to neighbor 10.0.0.2 2/2 (Bad Peer AS: its AS is 65000, `remote-as` says 65009)";
    assert_eq!(told[0], text);
    assert!(told.len() < 70, "{} attempts in ten minutes", told.len());
    assert_eq!((world.ups(0), world.ups(1)), (0, 0));
    let status = world.sides[1].status().next().unwrap();
    assert!(status.last.unwrap().1.contains("Bad Peer AS"));
}

#[test]
fn without_a_family_in_common_there_is_no_session() {
    let mut world = World::with(|side, neighbor| {
        let family = if side == 0 { AddressFamily::Vpnv4 } else { AddressFamily::Vpnv6 };
        neighbor.families = [(family, FamilyConfig::default())].into();
    });
    world.run(20);
    assert_eq!((world.ups(0), world.ups(1)), (0, 0));
    let told = [world.notices(0, "2/7"), world.notices(1, "2/7")].concat();
    assert!(told[0].contains("Unsupported Capability"), "{told:?}");
}

#[test]
fn equal_router_ids_are_refused_within_an_as_and_taken_between_two() {
    for external in [false, true] {
        let mut world = World::with_config(|side, config| {
            config.router_id = Ipv4Addr::new(10, 255, 0, 1);
            if external {
                config.asn = if side == 0 { 65000 } else { 65001 };
                let neighbor = config.neighbors.values_mut().next().unwrap();
                neighbor.remote_as = if side == 0 { 65001 } else { 65000 };
            }
        });
        world.run(30);
        assert_eq!(world.ups(0) > 0, external, "RFC 6286");
    }
}

#[test]
fn local_as_is_what_the_neighbour_sees() {
    let mut world = World::with(|side, neighbor| match side {
        0 => {
            let shown = LocalAs { asn: 64_999, prepend: true, replace: false };
            (neighbor.local_as, neighbor.remote_as) = (Some(shown), 65000);
        }
        _ => neighbor.remote_as = 64_999,
    });
    world.run(30);
    let terms = world.sides[0].negotiated(id(0)).unwrap();
    assert!(terms.external);
    assert_eq!((terms.local_as, terms.remote_as), (64_999, 65000));
}

#[test]
fn shutdown_is_told_and_keeps_both_ways_shut() {
    let mut world = World::new();
    world.run(30);
    world.reconfigure(0, |neighbor| neighbor.shutdown = true);
    assert_eq!(world.downs(0), ["Administrative Shutdown, graceful false"]);
    assert_eq!(world.downs(1), ["BGP Notification received: Administrative Shutdown, graceful false"]);
    assert_eq!(world.listens(0), 0);
    world.run(120);
    assert_eq!((world.ups(0), world.state(0)), (1, State::Idle));
    world.reconfigure(0, |neighbor| neighbor.shutdown = false);
    world.run(300);
    assert_eq!(world.ups(0), 2);
}

#[test]
fn a_change_that_matters_ends_the_session_and_no_other_does() {
    type Change = fn(&mut Neighbor);
    let quiet: [Change; 4] = [
        |_| {},
        |neighbor| neighbor.timers.hold = Duration::from_secs(30),
        |neighbor| neighbor.passive = true,
        |neighbor| neighbor.families.values_mut().for_each(|family| family.weight = 7),
    ];
    for change in quiet {
        let mut world = World::new();
        world.run(30);
        world.reconfigure(0, change);
        assert_eq!(world.downs(0).len(), 0);
    }
    let loud: [Change; 5] = [
        |neighbor| neighbor.password = Some(Secret::from(b"x".to_vec())),
        |neighbor| neighbor.ttl = Ttl::Security(1),
        |neighbor| neighbor.local = Some([10, 0, 0, 9].into()),
        |neighbor| neighbor.capability.extended_message = false,
        |neighbor| drop(neighbor.families.remove(&AddressFamily::Vpnv4)),
    ];
    for change in loud {
        let mut world = World::new();
        world.run(30);
        world.reconfigure(0, change);
        assert_eq!(world.downs(0), ["Other Configuration Change, graceful false"]);
        world.run(60);
        assert_eq!(world.ups(0), 2);
    }
}

#[test]
fn a_neighbour_that_is_gone_is_told_so() {
    let mut world = World::new();
    world.run(30);
    let now = world.now;
    world.sides[0].configure(now, None);
    world.settle();
    assert_eq!(world.downs(1), ["BGP Notification received: Peer De-configured, graceful false"]);
    assert_eq!(world.sides[0].status().count(), 0);
    assert_eq!(world.listens(0), 0);
}

#[test]
fn too_many_routes_end_it_for_as_long_as_configured() {
    for (restart, ups) in [(None, 1), (Some(Duration::from_secs(300)), 2)] {
        let mut world = World::new();
        world.run(30);
        let now = world.now;
        let why = Why::MaximumPrefix { family: AddressFamily::Vpnv4, limit: 1000, restart };
        world.sides[0].close(now, id(0), &why);
        world.run(200);
        assert_eq!(world.ups(0), 1, "not yet");
        world.run(700);
        assert_eq!(world.ups(0), ups);
        let now = world.now;
        world.sides[0].close(now, id(0), &Why::Cleared);
        world.run(1000);
        assert_eq!(world.ups(0), ups + 1, "after clear");
    }
}

#[test]
fn bfd_guards_what_is_established_and_its_loss_ends_it() {
    let mut world = World::with(|_, neighbor| neighbor.bfd = true);
    world.run(30);
    assert_eq!(world.guards[0], [true]);
    let now = world.now;
    world.sides[0].path_down(now, id(0));
    world.settle();
    assert_eq!(world.downs(0), ["BFD Down, graceful false"]);
    assert_eq!(world.guards[0], [true, false]);
    world.run(60);
    assert_eq!(world.ups(0), 2);
}

#[test]
fn bfd_of_a_session_that_stands_is_switched_on_and_off_without_touching_it() {
    let mut world = World::new();
    world.run(30);
    world.reconfigure(0, |neighbor| neighbor.bfd = true);
    assert_eq!(world.guards[0], [true]);
    world.reconfigure(0, |neighbor| neighbor.bfd = false);
    assert_eq!((world.guards[0].as_slice(), world.ups(0)), ([true, false].as_slice(), 1));
    world.reconfigure(0, |neighbor| neighbor.bfd = true);
    world.reconfigure(0, |neighbor| (neighbor.bfd, neighbor.local) = (false, Some([192, 0, 2, 77].into())));
    assert_eq!(world.guards[0], [true, false, true, false], "also with a session that ends");
}

#[test]
fn the_link_takes_the_session_of_an_ebgp_neighbour_on_it_along() {
    let cases = [
        (true, true, true, Ttl::Default),
        (true, true, true, Ttl::Security(1)),
        (false, true, true, Ttl::Multihop(2)),
        (false, true, true, Ttl::Security(2)),
        (false, true, false, Ttl::Default),
        (false, false, true, Ttl::Default),
    ];
    for (falls, fast, external, ttl) in cases {
        let mut world = World::with_config(|side, config| {
            config.fast_external_fallover = fast;
            config.graceful_restart = Some(GracefulRestart::default());
            let neighbor = config.neighbors.values_mut().next().unwrap();
            neighbor.ttl = ttl;
            match (external, side) {
                (true, 0) => neighbor.remote_as = 65009,
                (true, _) => config.asn = 65009,
                (false, _) => {}
            }
        });
        world.run(30);
        let now = world.now;
        world.sides[0].link_down(now, id(0));
        let downs: &[&str] = if falls { &["Interface flap, graceful false"] } else { &[] };
        world.settle();
        assert_eq!(world.downs(0), downs, "{fast} {external} {ttl:?}");
        assert_eq!(world.notices(0, "Interface flap").len(), downs.len());
        assert_eq!(world.notices(0, "sent to"), [""; 0], "there is no way to say anything");
        world.run(60);
        assert_eq!(world.ups(0), 1 + downs.len());
    }
}

#[test]
fn a_peer_that_reads_nothing_gets_no_more_and_is_given_up() {
    let mut world = World::new();
    world.run(30);
    world.clogged = true;
    let now = world.now;
    let mut sent = 0;
    while world.sides[0].room(id(0)) {
        world.sides[0].send(now, id(0), &update(3000));
        sent += 1;
        assert!(sent < 100);
    }
    assert!(sent > 3);
    world.settle();
    world.clogged = false;
    world.settle();
    assert!(world.sides[0].room(id(0)));
    assert!(world.events[0].iter().any(|event| matches!(event, Event::Room(_))));
    // The peer's keepalives come, so it lives; it takes nothing.
    world.clogged = true;
    world.forget(1);
    for at in (30..600).step_by(30) {
        world.inject(0, 4, &[]);
        world.run(at);
    }
    assert_eq!(
        world.notices(0, "8/0"),
        ["sent to neighbor 10.0.0.2 8/0 (Send Hold Timer Expired)"],
        "RFC 9687"
    );
}

#[test]
fn malformed_routes_are_withdrawn_and_told_once_a_second() {
    let mut world = World::new();
    world.run(30);
    // ORIGIN alone, 203.0.113.0/24.
    let body = [0, 0, 0, 4, 0x40, 1, 1, 0, 24, 203, 0, 113];
    for _ in 0..5 {
        world.inject(0, 2, &body);
    }
    let gone = |event: &&Event| matches!(event, Event::Update(_, Update::Unreach { .. }));
    assert_eq!(world.events[0].iter().filter(gone).count(), 5);
    let told = world.notices(0, "malformed");
    assert_eq!(told, ["neighbor 10.0.0.2 sent a malformed UPDATE: NEXT_HOP is missing"]);
    assert_eq!(world.state(0), State::Established);
}

#[test]
fn a_family_that_cannot_be_read_is_given_up_alone() {
    let mut world = World::new();
    world.run(30);
    // MP_UNREACH_NLRI of VPNv4 with a route of 200 bits.
    let body = [0, 0, 0, 8, 0x80, 15, 5, 0, 1, 128, 200, 0];
    world.inject(0, 2, &body);
    let disabled = |event: &Event| matches!(event, Event::Disabled(_, AddressFamily::Vpnv4));
    assert!(world.events[0].iter().any(disabled));
    let now = world.now;
    world.sides[1].send(now, id(1), &update(1));
    world.sides[1].send(now, id(1), &Update::EndOfRib(AddressFamily::Ipv4Unicast));
    world.settle();
    let heard = world.events[0].iter().filter(|event| matches!(event, Event::Update(..))).count();
    assert_eq!(heard, 1, "of IPv4 alone");
    // Of the other one, too: nothing is left.
    world.inject(0, 2, &[0, 2, 33, 1, 0, 0]);
    assert_eq!(world.downs(0).len(), 1);
    assert!(world.notices(0, "3/10").len() == 1);
}

#[test]
fn sockets_are_asked_for_as_the_neighbour_wants_them() {
    for (external, ttl, send, least) in [
        (false, Ttl::Default, 255, 0),
        (true, Ttl::Default, 1, 0),
        (true, Ttl::Multihop(4), 4, 0),
        (true, Ttl::Security(2), 255, 254),
    ] {
        let mut config = config(0);
        let neighbor = config.neighbors.values_mut().next().unwrap();
        neighbor.ttl = ttl;
        neighbor.remote_as = if external { 65009 } else { 65000 };
        neighbor.password = Some(Secret::from(b"md5".to_vec()));
        neighbor.local = Some([10, 0, 0, 1].into());
        let mut sessions = Sessions::new(1);
        sessions.configure(Instant::START, Some(&Arc::new(config)));
        let mut seen = 0;
        while let Some(Event::Output(output)) = sessions.poll() {
            let (rule, local, password) = match output {
                Output::Listen(all) => (all[0].ttl, all[0].local, all[0].password.is_some()),
                Output::Connect(_, dial) => (dial.ttl, dial.local, dial.password.is_some()),
                _ => continue,
            };
            assert_eq!((rule.send, rule.least), (send, least));
            assert!(local.is_some() && password);
            seen += 1;
        }
        assert_eq!(seen, 2);
    }
}

#[test]
fn strangers_are_refused() {
    let mut world = World::new();
    world.run(30);
    let stranger = PeerId { vrf: VrfId(7), address: id(0).address };
    let now = world.now;
    world.sides[0].accepted(now, ConnectionId(1 << 63 | 99), stranger, [10, 0, 0, 1].into());
    let closed = core::iter::from_fn(|| world.sides[0].poll())
        .any(|event| matches!(event, Event::Output(Output::Close(ConnectionId(id))) if id == 1 << 63 | 99));
    assert!(closed, "the VRF is part of who a peer is");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn junk_ends_a_session_at_most(junk in proptest::collection::vec(any::<u8>(), 1..100), kind in 1_u8..7, framed: bool) {
        let mut world = World::new();
        world.run(30);
        if framed {
            world.inject(0, kind, &junk);
        } else {
            world.inject_raw(0, &junk);
        }
        world.run(300);
        prop_assert_eq!(world.state(0), State::Established);
        prop_assert!(world.downs(0).len() <= 1);
    }
}
