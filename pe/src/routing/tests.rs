//! The routes of all VRFs: what next hops lead to, and a model of random changes.

use base::PolicyId;
use dataplane::{Labels, Link};
use proptest::prelude::*;

use super::*;

const RED: VrfId = VrfId(1);
const CORE: PortId = PortId(1);
const WAN: PortId = PortId(2);

fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

fn port(id: PortId) -> (PortId, Port) {
    let port = Port {
        id,
        name: format!("port{}", id.0),
        device: format!("port{}", id.0),
        vrf: VrfId::GLOBAL,
        link: Link::Ethernet { mac: [2; 6] },
        mtu: 1500,
        addresses: Vec::new(),
        mpls: id == CORE,
        crypto: id == WAN,
        offload: None,
    };
    (id, port)
}

fn ports() -> BTreeMap<PortId, Port> {
    [port(CORE), port(WAN)].into_iter().collect()
}

fn via(text: &str) -> Target {
    Target::Through(NextHop::In(RED, ip(text)))
}

fn global(text: &str) -> NextHop {
    NextHop::In(VrfId::GLOBAL, ip(text))
}

fn route(distance: u8, to: Target) -> Candidate<Target> {
    let source = if matches!(to, Target::Port(_)) { Source::Connected } else { Source::Static };
    Candidate { distance, metric: 0, source, to, tag: 0 }
}

fn bgp(to: Target) -> Candidate<Target> {
    Candidate { distance: 200, metric: 0, source: Source::Bgp, to, tag: 0 }
}

fn out(port: PortId, gateway: &str, push: &[u32]) -> Way {
    let push: Vec<_> = push.iter().map(|value| label(*value)).collect();
    Way::Out { port, gateway: Some(ip(gateway)), push: Labels::of(&push).unwrap() }
}

/// Two VRFs and two ports: one of the core, one with a crypto map.
fn routing() -> Routing {
    let mut routing = Routing::default();
    let vrfs = [VrfId::GLOBAL, RED].into_iter().collect();
    routing.configure(&vrfs, ports().iter().map(|(id, port)| (*id, port)), Configured::default());
    routing
}

impl Routing {
    fn red(&mut self, prefix: &str, distance: u8, to: Target) {
        self.add(RED, p(prefix), route(distance, to));
    }

    fn core(&mut self, prefix: &str, to: Target) {
        let distance = if matches!(to, Target::Port(_)) { 0 } else { 1 };
        self.add(VrfId::GLOBAL, p(prefix), route(distance, to));
    }

    fn way(&mut self, prefix: &str) -> Option<Way> {
        self.take_changes();
        self.chosen(RED, p(prefix)).map(|chosen| chosen.way)
    }

    /// What changed, in the red VRF: prefix and way now.
    fn changed(&mut self) -> Vec<(String, Option<Way>)> {
        let changes = self.take_changes();
        changes.iter().map(|of| (of.prefix.to_string(), of.after.map(|chosen| chosen.way))).collect()
    }
}

#[test]
fn a_gateway_is_followed_over_several_routes_to_the_wire() {
    let mut routing = routing();
    routing.red("172.16.0.0/12", 1, via("10.9.9.9"));
    routing.red("10.0.0.0/8", 1, via("192.0.2.1"));
    assert_eq!(routing.way("172.16.0.0/12"), None);
    routing.red("192.0.2.0/24", 0, Target::Port(CORE));
    let wire = Some(out(CORE, "192.0.2.1", &[]));
    assert_eq!((routing.way("172.16.0.0/12"), routing.way("10.0.0.0/8")), (wire, wire));
    routing.remove(RED, p("10.0.0.0/8"), Source::Static, via("192.0.2.1"));
    assert_eq!(routing.changed().len(), 2, "the route and the one through it");
}

#[test]
fn a_global_gateway_is_looked_up_in_the_global_table_alone() {
    let mut routing = routing();
    routing.red("192.0.2.0/24", 0, Target::Port(CORE));
    routing.red("0.0.0.0/0", 1, Target::Through(global("192.0.2.1")));
    assert_eq!(routing.way("0.0.0.0/0"), None);
    routing.core("192.0.2.0/24", Target::Port(WAN));
    assert_eq!(routing.way("0.0.0.0/0"), Some(out(WAN, "192.0.2.1", &[])));
}

#[test]
fn an_unresolvable_candidate_gives_way_to_a_less_preferred_one() {
    let mut routing = routing();
    routing.red("192.0.2.0/24", 0, Target::Port(CORE));
    routing.red("10.0.0.0/8", 1, via("198.51.100.1"));
    assert_eq!(routing.way("10.0.0.0/8"), None);
    routing.red("10.0.0.0/8", 200, via("192.0.2.9"));
    assert_eq!(routing.way("10.0.0.0/8"), Some(out(CORE, "192.0.2.9", &[])));
    routing.red("10.0.0.0/8", 255, via("192.0.2.1"));
    assert_eq!(routing.way("10.0.0.0/8"), Some(out(CORE, "192.0.2.9", &[])), "255 is never used");
}

#[test]
fn a_route_through_itself_is_a_loop_even_beside_a_default_route() {
    let mut routing = routing();
    routing.red("0.0.0.0/0", 1, Target::Discard);
    routing.red("10.0.0.0/8", 1, via("10.1.1.1"));
    assert_eq!(routing.way("10.0.0.0/8"), None);
    routing.red("10.1.1.0/24", 0, Target::Port(CORE));
    assert_eq!(routing.way("10.0.0.0/8"), Some(out(CORE, "10.1.1.1", &[])));
    routing.remove(RED, p("10.1.1.0/24"), Source::Connected, Target::Port(CORE));
    assert_eq!(routing.way("10.0.0.0/8"), None, "what held it up is gone");
}

#[test]
fn routes_through_each_other_lead_nowhere_and_long_chains_do_not_exhaust_anything() {
    let mut routing = routing();
    routing.red("10.0.0.0/8", 1, via("11.0.0.1"));
    routing.red("11.0.0.0/8", 1, via("10.0.0.1"));
    assert_eq!((routing.way("10.0.0.0/8"), routing.way("11.0.0.0/8")), (None, None));
    let net = |i: u32| Prefix::new(IpAddr::from((0x1400_0000 + (i << 8)).to_be_bytes()), 24).unwrap();
    for i in 0..20_000 {
        let next = NextHop::In(RED, net(i + 1).last());
        routing.add(RED, net(i), route(1, Target::Through(next)));
    }
    routing.add(RED, net(20_000), route(0, Target::Port(CORE)));
    routing.take_changes();
    assert!(routing.chosen(RED, net(0)).is_some());
    routing.remove(RED, net(20_000), Source::Connected, Target::Port(CORE));
    assert_eq!(routing.take_changes().len(), 20_001);
}

#[test]
fn a_vpn_route_needs_a_label_switched_path_and_gets_its_labels() {
    let mut routing = routing();
    routing.core("192.0.2.0/24", Target::Port(CORE));
    routing.core("10.0.0.9/32", Target::Through(global("192.0.2.1")));
    let far = Target::Labelled(global("10.0.0.9"), label(77));
    routing.replace(RED, p("10.1.0.0/16"), Source::Bgp, Some(bgp(far)));
    assert_eq!(routing.way("10.1.0.0/16"), None, "in plain IP the label would be another's");
    let lsp = |value| Some(Lsp { port: CORE, next_hop: ip("192.0.2.1"), label: label(value) });
    routing.set_lsp(p("10.0.0.9/32"), lsp(300));
    assert_eq!(routing.changed(), [("10.1.0.0/16".to_owned(), Some(out(CORE, "192.0.2.1", &[300, 77])))]);
    routing.set_lsp(p("10.0.0.9/32"), lsp(3));
    assert_eq!(routing.way("10.1.0.0/16"), Some(out(CORE, "192.0.2.1", &[77])), "penultimate hop popping");
    routing.set_lsp(p("10.0.0.9/32"), None);
    assert_eq!(routing.way("10.1.0.0/16"), None);
    let near = Target::Labelled(global("192.0.2.7"), label(78));
    routing.replace(RED, p("10.1.0.0/16"), Source::Bgp, Some(bgp(near)));
    assert_eq!(routing.way("10.1.0.0/16"), Some(out(CORE, "192.0.2.7", &[78])), "the next router is the PE");
}

#[test]
fn a_path_that_pushes_nothing_must_lead_to_where_its_label_ends() {
    let mut routing = routing();
    routing.core("192.0.2.0/24", Target::Port(CORE));
    routing.core("10.0.0.8/32", Target::Through(global("192.0.2.1")));
    // Labelled unicast from the router with the loopback 10.0.0.8, which is two hops away.
    routing.core("10.0.0.9/32", Target::Labelled(global("10.0.0.8"), Label::IMPLICIT_NULL));
    let far = Target::Labelled(global("10.0.0.9"), label(77));
    routing.replace(RED, p("10.1.0.0/16"), Source::Bgp, Some(bgp(far)));
    assert_eq!(routing.way("10.1.0.0/16"), None, "the router between would take the label for its own");
    routing.set_lsp(p("10.0.0.8/32"), Some(Lsp { port: CORE, next_hop: ip("192.0.2.1"), label: label(300) }));
    assert_eq!(routing.way("10.1.0.0/16"), Some(out(CORE, "192.0.2.1", &[300, 77])));
    routing.core("10.0.0.9/32", Target::Labelled(global("10.0.0.8"), label(40)));
    routing.remove(
        VrfId::GLOBAL,
        p("10.0.0.9/32"),
        Source::Static,
        Target::Labelled(global("10.0.0.8"), Label::IMPLICIT_NULL),
    );
    assert_eq!(routing.way("10.1.0.0/16"), Some(out(CORE, "192.0.2.1", &[300, 40, 77])), "LDP, BGP-LU, VPN");
}

#[test]
fn transport_labels_do_not_lead_plain_packets_past_a_crypto_map() {
    let mut routing = routing();
    let mut ports = ports();
    ports.values_mut().for_each(|port| port.mpls = true);
    routing.configure(
        &[VrfId::GLOBAL, RED].into_iter().collect(),
        ports.iter().map(|(id, port)| (*id, port)),
        Configured::default(),
    );
    for (net, port, far) in [("192.0.2.0/24", CORE, "192.0.2.1"), ("198.51.100.0/24", WAN, "198.51.100.1")] {
        routing.core(net, Target::Port(port));
        routing.core("10.0.0.9/32", Target::Labelled(global(far), label(300)));
        routing.red("10.1.0.0/16", 1, Target::Through(global("10.0.0.9")));
        let push: &[u32] = if port == CORE { &[300] } else { &[] };
        assert_eq!(routing.way("10.1.0.0/16"), Some(out(port, far, push)));
        routing.remove(
            VrfId::GLOBAL,
            p("10.0.0.9/32"),
            Source::Static,
            Target::Labelled(global(far), label(300)),
        );
    }
}

#[test]
fn a_watched_next_hop_is_told_of_only_when_it_is_reached_otherwise() {
    let mut routing = routing();
    routing.watch(RED, ip("10.1.1.1"));
    routing.red("10.0.0.0/8", 1, Target::Discard);
    assert_eq!(routing.take_moved().len(), 1);
    routing.red("10.1.0.0/16", 1, Target::Tunnel(PolicyId(1)));
    routing.red("10.2.0.0/16", 1, Target::Tunnel(PolicyId(2)));
    assert_eq!(routing.take_moved().len(), 1);
    routing.remove(RED, p("10.0.0.0/8"), Source::Static, Target::Discard);
    assert!(routing.take_moved().is_empty());
    routing.unwatch(RED, ip("10.1.1.1"));
    assert_eq!(routing.reach(RED, ip("10.1.1.1")), None);
}

#[test]
fn a_vrf_that_goes_takes_its_routes_along() {
    let mut routing = routing();
    routing.red("192.0.2.0/24", 0, Target::Port(CORE));
    routing.red("10.0.0.0/8", 1, via("192.0.2.1"));
    assert_eq!(routing.changed().len(), 2);
    let ports = ports();
    routing.configure(
        &[VrfId::GLOBAL].into_iter().collect(),
        ports.iter().map(|(id, port)| (*id, port)),
        Configured::default(),
    );
    assert!(routing.changed().iter().all(|(_, way)| way.is_none()));
    routing.red("10.0.0.0/8", 1, Target::Discard);
    assert!(routing.changed().is_empty());
    assert_eq!((routing.hops.all().count(), routing.all().count()), (0, 0));
}

#[test]
fn a_candidate_of_bgp_is_small() {
    assert!(size_of::<Candidate<To>>() <= 24, "{}", size_of::<Candidate<To>>());
}

/// A step of the property test: a prefix, where it leads, and whether it goes.
fn step() -> impl Strategy<Value = (Prefix, Target, bool)> {
    let prefix = (0..8_u32, 0..3_u8).prop_map(|(net, size)| {
        Prefix::new(IpAddr::from((net << 29 | 0x0101).to_be_bytes()), [1, 3, 32][usize::from(size)])
    });
    let target = prop_oneof![
        (0..8_u32).prop_map(|net| Target::Through(NextHop::In(
            RED,
            IpAddr::from((net << 29 | 0x0101).to_be_bytes())
        ))),
        Just(Target::Port(CORE)),
        Just(Target::Discard),
    ];
    (prefix, target, any::<bool>()).prop_map(|(prefix, target, goes)| (prefix.unwrap(), target, goes))
}

proptest! {
    /// What was told step by step, what is chosen now, and what a box that starts with all of it chooses are the same.
    #[test]
    fn changes_lead_to_what_a_fresh_start_finds(steps in prop::collection::vec(step(), 1..60)) {
        let mut routing = routing();
        let mut told = BTreeMap::new();
        let mut held = BTreeMap::new();
        for (prefix, target, goes) in steps {
            if goes {
                routing.remove(RED, prefix, route(1, target).source, target);
                held.remove(&(prefix, target));
            } else {
                routing.red(&prefix.to_string(), 1, target);
                held.insert((prefix, target), ());
            }
            for change in routing.take_changes() {
                prop_assert_eq!(told.get(&change.prefix).copied(), change.before.map(|of| of.way));
                match change.after {
                    Some(chosen) => told.insert(change.prefix, chosen.way),
                    None => told.remove(&change.prefix),
                };
            }
        }
        let now: BTreeMap<_, _> = routing.all().map(|(_, prefix, chosen)| (prefix, chosen.way)).collect();
        let mut fresh = self::routing();
        for (prefix, target) in held.keys().rev() {
            fresh.red(&prefix.to_string(), 1, *target);
        }
        fresh.take_changes();
        let anew: BTreeMap<_, _> = fresh.all().map(|(_, prefix, chosen)| (prefix, chosen.way)).collect();
        prop_assert_eq!(&told, &now);
        prop_assert_eq!(&now, &anew);
    }
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// `cargo test --release -p pe scale -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
#[expect(clippy::disallowed_types, reason = "what is measured is time")]
fn scale() {
    for count in [1, 10_000, 1_000_000_u32] {
        let vrfs = 1000.min(count);
        let mut routing = Routing::default();
        let all = (0..=vrfs).map(VrfId).collect();
        routing.configure(&all, ports().iter().map(|(id, port)| (*id, port)), Configured::default());
        routing.core("192.0.2.0/24", Target::Port(CORE));
        routing.take_changes();
        let (start, before) = (std::time::Instant::now(), resident());
        for number in 0..count {
            let prefix =
                Prefix::new(IpAddr::from((0x0A00_0000 + ((number / vrfs) << 8)).to_be_bytes()), 24).unwrap();
            let to = Target::Labelled(global("192.0.2.7"), label(1000 + number % 1000));
            routing.replace(VrfId(number % vrfs + 1), prefix, Source::Bgp, Some(bgp(to)));
            if number % 1000 == 999 {
                assert_eq!(routing.take_changes().len(), 1000);
            }
        }
        routing.take_changes();
        let (added, memory) = (start.elapsed(), resident().saturating_sub(before));
        let start = std::time::Instant::now();
        routing.replace(VrfId(1), p("10.0.0.0/24"), Source::Bgp, None);
        assert_eq!(routing.take_changes().len(), 1);
        let one = start.elapsed();
        let start = std::time::Instant::now();
        routing.remove(VrfId::GLOBAL, p("192.0.2.0/24"), Source::Connected, Target::Port(CORE));
        let lost = routing.take_changes().len();
        println!(
            "{count} routes: {:?} and {} bytes each; one change {one:?}; {lost} lost with their next hop in {:?}",
            added / count,
            memory / count as usize,
            start.elapsed()
        );
    }
}
