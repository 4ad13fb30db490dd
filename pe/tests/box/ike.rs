//! Version 2, dynamic maps, host names, call admission and tunnel interfaces, from the configuration to SAs.

use std::time::Duration;

use api::{Admission, ClearSa, Explanation, Ikev2Sa, Outcome, Request, Response, Session, Trace, TraceStep};
use base::PolicyId;
use dataplane::{Event, Hop, Key, Object, Op};
use ipsec::Direction;
use pe::Input;

use crate::network::routes;
use crate::world::{Station, Wire, World};

const HUB: &str = "192.0.2.1";
const ONE: &str = "198.51.100.1";
const TWO: &str = "198.51.100.2";

/// Any peer with the key may come, into the VRF `sites`.
const ROAD: &str = "\
hostname hub
ip vrf sites
 rd 1:1
crypto ikev2 keyring ring
 peer all
  address 0.0.0.0 0.0.0.0
  pre-shared-key shared-by-all
crypto ikev2 profile road
 match identity remote any
 ivrf sites
 authentication local pre-share
 authentication remote pre-share
 keyring local ring
 dpd 10 2 on-demand
crypto ipsec transform-set gcm esp-gcm 256
crypto dynamic-map road 10
 set transform-set gcm
 set ikev2-profile road
crypto map outside 65000 ipsec-isakmp dynamic road
interface Ethernet0/0
 device core0
 ip vrf forwarding sites
 ip address 10.1.0.1 255.255.0.0
interface Ethernet0/1
 device wan0
 ip address 192.0.2.1 255.255.255.0
 crypto map outside
ip route 198.51.100.0 255.255.255.0 192.0.2.254
ip route vrf sites 10.0.0.0 255.0.0.0 192.0.2.254 global
";

/// Opens to the hub for its own network.
const SITE: &str = "\
crypto ikev2 keyring ring
 peer hub
  address 192.0.2.1
  pre-shared-key KEY
crypto ikev2 profile hub
 match identity remote address 192.0.2.1
 authentication local pre-share
 authentication remote pre-share
 keyring local ring
 dpd 10 2 on-demand
crypto ipsec transform-set gcm esp-gcm 256
crypto map up 10 ipsec-isakmp
 set peer PEER
 set transform-set gcm
 set ikev2-profile hub
 match address 101
interface Ethernet0
 device wan0
 ip address ADDRESS 255.255.255.0
 crypto map up
ip route 0.0.0.0 0.0.0.0 198.51.100.254
access-list 101 permit ip NETWORK 0.0.255.255 10.1.0.0 0.0.255.255
";

fn site(address: &str, network: &str, key: &str) -> String {
    let text = SITE.replace("KEY", key).replace("ADDRESS", address);
    text.replace("NETWORK", network).replace("PEER", HUB)
}

fn world(hub: &str, one: &str, two: &str) -> World {
    let stations = vec![
        (HUB, Station::new(1, &["core0", "wan0"], hub)),
        (ONE, Station::new(2, &["wan0"], one)),
        (TWO, Station::new(3, &["wan0"], two)),
    ];
    let wire = |address| Wire { segment: 0, station: address, front: None, address };
    World::new(stations, [HUB, ONE, TWO].map(wire).into())
}

/// Both sites are up.
fn road() -> World {
    let mut world =
        world(ROAD, &site(ONE, "10.2.0.0", "shared-by-all"), &site(TWO, "10.3.0.0", "shared-by-all"));
    world.traffic(ONE, "10.2.0.9", "10.1.0.9");
    world.traffic(TWO, "10.3.0.9", "10.1.0.9");
    world
}

fn sas(world: &mut World, at: &str) -> Vec<Ikev2Sa> {
    let Response::Ikev2Sas(sas) = world.ask(at, Request::ShowIkev2Sas) else { panic!("no SAs") };
    sas
}

fn sessions(world: &mut World, at: &str) -> Vec<Session> {
    let Response::Sessions(sessions) = world.ask(at, Request::ShowSession) else { panic!("no sessions") };
    sessions
}

fn explain(world: &mut World, at: &str, remote: &str) -> Explanation {
    let request = Request::Explain { remote: remote.parse().unwrap(), front: None };
    let Response::Explained(explanation) = world.ask(at, request) else { panic!("not explained") };
    explanation
}

fn trace(world: &mut World, destination: &str) -> Vec<TraceStep> {
    let request = Request::Trace(Trace {
        vrf: Some("sites".to_owned()),
        source: "10.1.0.9".parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: 1,
        source_port: 0,
        destination_port: 0,
        size: 84,
    });
    let Response::Trace(steps) = world.ask(HUB, request) else { panic!("no trace") };
    steps
}

/// The policies that send something, with what they permit.
fn carriers(world: &mut World, at: &str) -> Vec<(PolicyId, String)> {
    let policies = world.station(at).policies().filter(|policy| !policy.bundles.is_empty());
    policies.map(|policy| (policy.id, policy.rules[0].selector.to_string())).collect()
}

#[test]
fn a_dynamic_entry_gives_each_peer_a_policy_of_its_own_while_it_is_up() {
    let mut world = road();
    let permitted: Vec<_> = carriers(&mut world, HUB).into_iter().map(|(_, permits)| permits).collect();
    assert_eq!(permitted, ["ip 10.1.0.0/16 10.2.0.0/16", "ip 10.1.0.0/16 10.3.0.0/16"]);
    let hub = world.station(HUB);
    let own = hub.policies().find(|policy| policy.rules.is_empty()).expect("the entry itself");
    assert!(hub.policies().filter(|policy| policy.id != own.id).all(|policy| policy.sequence < own.sequence));
    let sites = hub.vrf(Some("sites"));
    assert!(hub.sas().iter().all(|sa| sa.inside == sites && sa.inside != sa.front));

    world.station(HUB).ops.clear();
    let order = ClearSa::Session { remote: ONE.parse().ok(), front: None };
    world.ask(HUB, Request::Clear(order));
    let left = carriers(&mut world, HUB);
    assert_eq!(left.len(), 1);
    let ops = std::mem::take(&mut world.station(HUB).ops);
    assert_eq!(ops.len(), 3, "a policy and two SAs");
    assert!(ops.iter().all(|op| matches!(op, Op::Unset(key) if *key != Key::Policy(left[0].0))));
}

#[test]
fn a_rekey_under_a_dynamic_entry_keeps_the_policy() {
    let mut world = road();
    let before = carriers(&mut world, HUB);
    let outbound = world.station(HUB).sas().iter().find(|sa| sa.direction == Direction::Out).unwrap().id;
    world.station(HUB).ops.clear();
    world.tell(HUB, Input::Event(Event::Expiring(outbound)));
    let soon = world.now + Duration::from_secs(5);
    world.run_to(soon);
    assert_eq!(carriers(&mut world, HUB), before);
    let touched: Vec<_> = world.station(HUB).ops.iter().map(Op::key).collect();
    assert!(!touched.contains(&Key::Policy(before[1].0)), "the other peer's policy");
    assert!(world.station(HUB).ops.iter().any(|op| {
        matches!(op, Op::Set(Object::Policy(policy))
            if policy.id == before[0].0 && policy.bundles.len() == 1 && policy.bundles[0].outbound != outbound)
    }));
}

#[test]
fn sas_of_version_2_are_shown_with_what_they_made_and_peers_of_a_dynamic_entry_one_by_one() {
    let mut world = road();
    let shown = sas(&mut world, HUB);
    let facts: Vec<_> = shown
        .iter()
        .map(|sa| (sa.remote.to_string(), sa.state.as_str(), sa.children.len(), sa.inside.as_deref()))
        .collect();
    assert_eq!(
        facts,
        [(ONE.to_owned(), "READY", 1, Some("sites")), (TWO.to_owned(), "READY", 1, Some("sites"))]
    );
    assert_eq!(shown[0].profile.as_deref(), Some("road"));
    assert!(shown[0].encryption.as_deref().is_some_and(|of| of.starts_with("aes-gcm")), "{shown:?}");
    assert_eq!(shown[0].children[0].remote.1.to_string(), "10.2.255.255");
    let peers: Vec<_> =
        sessions(&mut world, HUB).into_iter().map(|of| (of.peer.to_string(), of.status)).collect();
    assert_eq!(peers, [(ONE.to_owned(), "UP-ACTIVE".to_owned()), (TWO.to_owned(), "UP-ACTIVE".to_owned())]);
    let isakmp = world.ask(HUB, Request::ShowIsakmpSa);
    assert_eq!(isakmp, Response::IsakmpSas(Vec::new()), "none of these is of version 1");
    let cleared = world.ask(HUB, Request::Clear(ClearSa::Ikev2(api::Ikev2Filter::Id(shown[1].id))));
    assert_eq!((cleared, sas(&mut world, HUB).len()), (Response::Done { count: 1 }, 1));
}

#[test]
fn a_packet_for_a_peer_of_a_dynamic_entry_is_traced_into_its_sa_and_for_nobody_dies() {
    let mut world = road();
    assert!(trace(&mut world, "10.3.0.9").iter().any(|step| step.stage == "sa" && step.text.contains(TWO)));
    let steps = trace(&mut world, "10.4.0.9");
    assert_eq!(steps.last().and_then(|step| step.drop.as_deref()), Some("outside-policy"), "{steps:?}");
}

#[test]
fn liveness_asks_for_the_traffic_of_one_child_and_a_living_peer_stays() {
    let mut world = road();
    let horizon = world.now + Duration::from_secs(300);
    world.run_to(horizon);
    assert_eq!(sas(&mut world, HUB).len(), 2);
}

#[test]
fn a_failed_attempt_is_explained_on_both_sides_and_the_log_has_the_same_reason() {
    let mut world =
        world(ROAD, &site(ONE, "10.2.0.0", "another-key"), &site(TWO, "10.3.0.0", "shared-by-all"));
    world.traffic(ONE, "10.2.0.9", "10.1.0.9");
    for (at, of) in [(HUB, ONE), (ONE, HUB)] {
        let explanation = explain(&mut world, at, of);
        let story = explanation.stories.last().expect("a story");
        let Outcome::Failed { what, detail, .. } = &story.outcome else { panic!("{at}: {story:?}") };
        assert!(!story.steps.is_empty() && story.version == 2);
        let log = world.station(at).log();
        let line = log.iter().find(|line| line.contains("IKE_FAILED")).expect("a line");
        assert!(line.contains(what) && line.contains(detail), "{line}");
    }
    let known = explain(&mut world, ONE, HUB).known;
    assert_eq!((known[0].place.as_str(), known[0].version), ("crypto map up 10 on Ethernet0", 2));
    assert!(explain(&mut world, HUB, "203.0.113.9").stories.is_empty());
}

#[test]
fn a_peer_by_name_is_found_by_ip_host_or_by_asking() {
    let text = site(ONE, "10.2.0.0", "shared-by-all");
    let named = text.replace(&format!("set peer {HUB}"), "set peer hub dynamic");
    let host = format!("{named}ip host hub {HUB}\n");
    let domain = format!("{named}ip domain name example.net\n");
    for (text, asks) in [(host, false), (domain, true)] {
        let mut world = world(ROAD, &text, &site(TWO, "10.3.0.0", "shared-by-all"));
        if asks {
            let name = "hub.example.net".to_owned();
            world.station(ONE).names.insert(name, vec![HUB.parse().unwrap()]);
        }
        world.traffic(ONE, "10.2.0.9", "10.1.0.9");
        world.traffic(ONE, "10.2.0.9", "10.1.0.9");
        assert_eq!(sas(&mut world, HUB).len(), 1, "asks: {asks}");
    }
}

#[test]
fn call_admission_counts_whom_it_refuses() {
    let hub = format!("{ROAD}crypto call admission limit ike sa 1\n");
    let mut world =
        world(&hub, &site(ONE, "10.2.0.0", "shared-by-all"), &site(TWO, "10.3.0.0", "shared-by-all"));
    world.traffic(ONE, "10.2.0.9", "10.1.0.9");
    world.traffic(TWO, "10.3.0.9", "10.1.0.9");
    let counted = |world: &mut World| -> Admission {
        let Response::Admission(counted) = world.ask(HUB, Request::ShowCallAdmission) else { panic!() };
        counted
    };
    let before = counted(&mut world);
    assert_eq!((before.most, before.active, before.incoming_accepted), (1, 1, 1));
    assert!(before.incoming_rejected > 0 && before.rejected_for_limit == before.incoming_rejected);
    world.ask(HUB, Request::Clear(ClearSa::CallAdmission));
    assert_eq!((counted(&mut world).incoming_rejected, counted(&mut world).active), (0, 1));
}

/// A tunnel interface of the VRF `sites` instead of crypto maps.
const TUNNEL: &str = "\
ip vrf sites
 rd 1:1
crypto ikev2 keyring ring
 peer far
  address FAR
  pre-shared-key of-the-tunnel
crypto ikev2 profile far
 match identity remote address FAR
 authentication local pre-share
 authentication remote pre-share
 keyring local ring
crypto ipsec transform-set gcm esp-gcm 256
crypto ipsec profile vti
 set transform-set gcm
 set ikev2-profile far
interface Ethernet0
 device wan0
 ip address NEAR 255.255.255.0
interface Tunnel0
 ip vrf forwarding sites
 ip address INNER 255.255.255.252
 tunnel source Ethernet0
 tunnel destination FAR
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile vti
ip route 0.0.0.0 0.0.0.0 GATEWAY
ip route vrf sites NETWORK 255.255.0.0 Tunnel0
";

fn tunnel(near: &str, far: &str, inner: &str, gateway: &str, network: &str) -> String {
    let text = TUNNEL.replace("NEAR", near).replace("FAR", far).replace("INNER", inner);
    text.replace("GATEWAY", gateway).replace("NETWORK", network)
}

fn tunnels() -> World {
    let hub = tunnel(HUB, ONE, "10.255.0.1", "192.0.2.254", "10.2.0.0");
    let one = tunnel(ONE, HUB, "10.255.0.2", "198.51.100.254", "10.1.0.0");
    let mut world = world(&hub, &one, &site(TWO, "10.3.0.0", "x"));
    let soon = world.now + Duration::from_secs(5);
    world.run_to(soon);
    world
}

#[test]
fn a_tunnel_interface_comes_up_by_itself_and_routes_lead_into_it() {
    let mut world = tunnels();
    // Both ends open at once: one of the two pairs goes after its grace.
    let later = world.now + Duration::from_secs(65);
    world.run_to(later);
    for at in [HUB, ONE] {
        let station = world.station(at);
        let sites = station.vrf(Some("sites"));
        assert_eq!(station.sas().len(), 2, "{at}");
        assert!(station.sas().iter().all(|sa| sa.inside == sites && sa.front != sites));
        let policies: Vec<_> = station.policies().collect();
        assert_eq!((policies.len(), policies[0].bundles.is_empty()), (1, false));
    }
    let hub = world.station(HUB);
    let (sites, policy) = (hub.vrf(Some("sites")), hub.policies().next().unwrap().id);
    let into = |object: &Object| matches!(object, Object::Route(route) if route.hop == Hop::Protect(policy));
    assert!(into(&hub.memory[&Key::Route(sites, "10.2.0.0/16".parse().unwrap())]));
    assert!(into(&hub.memory[&Key::Route(sites, "10.255.0.0/30".parse().unwrap())]));
    let wan = hub.host.ports.iter().find(|port| port.device == "wan0").unwrap();
    assert!(wan.ike, "IKE listens though no crypto map stands there");
    let steps = trace(&mut world, "10.2.0.9");
    assert!(steps[0].text.contains("leads into Tunnel0"), "{steps:?}");
    assert!(steps.iter().any(|step| step.stage == "sa" && step.text.contains(ONE)), "{steps:?}");
    assert_eq!(sessions(&mut world, HUB)[0].interface, "Tunnel0");
}

#[test]
fn a_tunnel_interface_that_went_down_comes_back_without_traffic_and_leaves_no_clear_path() {
    let mut world = tunnels();
    world.ask(HUB, Request::Clear(ClearSa::Session { remote: None, front: None }));
    let hub = world.station(HUB);
    assert!(hub.sas().is_empty());
    let sites = hub.vrf(Some("sites"));
    let route = &hub.memory[&Key::Route(sites, "10.2.0.0/16".parse().unwrap())];
    assert!(matches!(route, Object::Route(route) if matches!(route.hop, Hop::Protect(_))), "it stays shut");
    let later = world.now + Duration::from_secs(60);
    world.run_to(later);
    assert!(world.station(HUB).sas().iter().any(|sa| sa.direction == Direction::Out));
}

#[test]
fn a_tunnel_interface_has_reverse_routes_for_what_its_peer_narrows_it_to_and_none_for_everything() {
    let hub = tunnel(HUB, ONE, "10.255.0.1", "192.0.2.254", "10.2.0.0");
    let (line, own) = (" set ikev2-profile far\n", "ip route vrf sites 10.2.0.0 255.255.0.0 Tunnel0\n");
    assert!(hub.contains(line) && hub.contains(own), "{hub}");
    let hub = hub.replace(line, &format!("{line} reverse-route\n")).replace(own, "");
    let open = tunnel(ONE, HUB, "10.255.0.2", "198.51.100.254", "10.1.0.0");
    let narrow = site(ONE, "10.2.0.0", "of-the-tunnel");
    for (one, expected) in [(open, vec![]), (narrow, vec![("10.2.0.0/16", "Tunnel0")])] {
        let mut world = world(&hub, &one, &site(TWO, "10.3.0.0", "x"));
        let after = |world: &mut World, seconds| {
            let later = world.now + Duration::from_secs(seconds);
            world.run_to(later);
            let all = routes(world, HUB, Some("sites")).into_iter().filter(|route| route.source == "reverse");
            all.map(|route| (route.prefix, route.interface.unwrap())).collect::<Vec<_>>()
        };
        let expected: Vec<_> = expected.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        assert_eq!(after(&mut world, 5), expected);
        assert!(!world.station(HUB).sas().is_empty(), "{:#?}", world.station(HUB).log());
        world.ask(HUB, Request::Clear(ClearSa::Session { remote: None, front: None }));
        assert_eq!(after(&mut world, 0), []);
        assert_eq!(after(&mut world, 60), expected);
    }
}
