//! What an operator sees and may order.

use std::net::IpAddr;

use api::{DebugTopic, IpsecFlow, Request, Response, SaFilter, Trace, TraceStep};
use base::{Engine as _, Instant, Label, PortId};
use dataplane::{Counters, DropCount, Key, Op, SaCounters};
use ipsec::Direction;
use pe::Input;

use crate::configs::{CPE_A, PE};
use crate::world::{Station, Wire, World};

const PUBLIC: &str = "172.18.1.1";
const A: &str = "172.16.1.1";
const NOW: Instant = Instant::from_secs(1);

fn pe() -> Station {
    Station::new(1, &["core0", "wan0"], PE)
}

fn with_customer_a() -> World {
    let stations = vec![(PUBLIC, pe()), (A, Station::new(2, &["wan0", "lan0"], CPE_A))];
    let wire = |address| Wire { segment: 0, station: address, front: None, address };
    let mut world = World::new(stations, [PUBLIC, A].map(wire).into());
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    world
}

fn trace(vrf: Option<&str>, source: &str, destination: &str, size: u16) -> Request {
    Request::Trace(Trace {
        vrf: vrf.map(str::to_owned),
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: 1,
        source_port: 0,
        destination_port: 0,
        size,
    })
}

fn steps(response: Response) -> Vec<TraceStep> {
    let Response::Trace(steps) = response else { panic!("no trace: {response:?}") };
    steps
}

fn stages(steps: &[TraceStep]) -> Vec<&str> {
    steps.iter().map(|step| step.stage.as_str()).collect()
}

fn flows(response: Response) -> Vec<IpsecFlow> {
    let Response::IpsecSas(flows) = response else { panic!("no flows: {response:?}") };
    flows
}

#[test]
fn a_traced_packet_goes_from_the_core_through_the_tunnel() {
    let mut world = with_customer_a();
    let wan = PortId(world.station(PUBLIC).policies().next().unwrap().port.0);
    let gateway: IpAddr = "172.18.1.2".parse().unwrap();
    world.tell(PUBLIC, Input::Neighbour { port: wan, address: gateway, mac: Some([2; 6]) });
    let steps = steps(world.ask(PUBLIC, trace(Some("vpn1"), "10.1.0.9", "10.2.0.9", 1400)));
    assert_eq!(stages(&steps), ["route", "policy", "sa", "route", "next-hop", "mtu"]);
    assert!(
        steps[0].text.contains("10.2.0.0/16 in vrf vpn1 via 172.18.1.2 out of Ethernet1/2 of vrf global")
    );
    assert!(steps[1].text.contains("crypto map crypmap 1"));
    assert!(steps[2].text.contains("esp-3des esp-sha-hmac") && steps[2].text.contains(A));
    assert!(steps[4].text.contains("0202.0202.0202"));
    // 1500 - 20 outer - 8 SPI and sequence - 8 IV - 12 ICV, whole blocks of 8, less 2 of trailer.
    assert!(steps[5].text.contains("1446 fit") && steps[5].text.contains("46 left"), "{}", steps[5].text);
}

#[test]
fn a_traced_packet_goes_from_the_site_to_the_core_with_its_label() {
    let steps = steps(pe().ask(NOW, trace(Some("vpn2"), "10.2.0.9", "10.1.0.9", 100)));
    assert_eq!(stages(&steps), ["route", "labels", "next-hop", "mtu"]);
    assert!(steps[1].text.contains("202"));
    assert!(steps[2].text.contains("not known"));
    assert!(steps[3].text.contains("1496 fit"), "{}", steps[3].text);
}

#[test]
fn a_traced_packet_dies_by_the_name_of_its_drop() {
    let mut pe = pe();
    let last = |response| steps(response).pop().and_then(|step| step.drop).unwrap_or_default();
    assert_eq!(last(pe.ask(NOW, trace(Some("vpn1"), "10.1.0.9", "10.2.0.9", 100))), "no-sa-yet");
    assert_eq!(last(pe.ask(NOW, trace(Some("vpn1"), "10.9.0.9", "10.2.0.9", 100))), "outside-policy");
    assert_eq!(last(pe.ask(NOW, trace(Some("vpn1"), "10.1.0.9", "192.0.2.1", 100))), "no-route");
    assert_eq!(last(pe.ask(NOW, trace(None, "172.18.1.1", "172.16.1.1", 100))), "");
    let Response::Failed { error, .. } = pe.ask(NOW, trace(Some("vpn9"), "10.1.0.9", "10.2.0.9", 100)) else {
        panic!("vpn9 does not exist")
    };
    assert!(error.contains("vpn9"));
}

#[test]
fn flows_show_their_sas_and_what_was_counted_since_the_counters_were_cleared() {
    let mut world = with_customer_a();
    let mut counters = Counters::default();
    for sa in world.station(PUBLIC).sas() {
        let packets = if sa.direction == Direction::In { 7 } else { 5 };
        counters.sas.insert(sa.id, SaCounters { packets, bytes: 100 * packets, ..SaCounters::default() });
    }
    world.tell(PUBLIC, Input::Counters(counters));
    let shown = flows(world.ask(PUBLIC, Request::ShowIpsecSa(SaFilter::All)));
    assert_eq!(shown.len(), 2, "one flow an entry, also where no SA is up");
    let (flow, empty) = (&shown[0], &shown[1]);
    assert_eq!((flow.interface.as_str(), flow.map.as_str(), flow.sequence), ("Ethernet1/2", "crypmap", 1));
    assert_eq!((flow.front.as_deref(), flow.inside.as_deref()), (None, Some("vpn1")));
    assert_eq!((flow.encaps, flow.decaps, flow.decaps_bytes), (5, 7, 700));
    assert_eq!(
        (flow.local.address.to_string(), flow.local.mask.to_string()),
        ("10.1.0.0".into(), "255.255.0.0".into())
    );
    assert_eq!((flow.inbound.len(), flow.outbound.len()), (1, 1));
    assert!((1..=3600).contains(&flow.inbound[0].seconds_left));
    assert_eq!(flow.outbound[0].transform, "esp-3des esp-sha-hmac");
    assert!(empty.inbound.is_empty() && empty.connection.is_none());
    world.ask(PUBLIC, Request::Clear(api::ClearSa::Counters));
    assert_eq!(flows(world.ask(PUBLIC, Request::ShowIpsecSa(SaFilter::All)))[0].encaps, 0);
}

#[test]
fn a_flows_counters_go_on_when_its_sas_are_replaced_and_begin_anew_when_cleared() {
    let mut world = with_customer_a();
    let old: Vec<_> = world.station(PUBLIC).sas().into_iter().map(|sa| sa.id).collect();
    world.ask(PUBLIC, Request::Clear(api::ClearSa::Sa(SaFilter::All)));
    for sa in old {
        let counted = SaCounters { packets: 4, bytes: 400, ..SaCounters::default() };
        world.tell(PUBLIC, Input::Event(dataplane::Event::Gone(sa, counted)));
    }
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    let sas = world.station(PUBLIC).sas().into_iter().map(|sa| sa.id).collect::<Vec<_>>();
    let fresh = |id| (id, SaCounters { packets: 1, bytes: 100, ..SaCounters::default() });
    let counters = Counters { sas: sas.into_iter().map(fresh).collect(), ..Counters::default() };
    world.tell(PUBLIC, Input::Counters(counters));
    let shown = flows(world.ask(PUBLIC, Request::ShowIpsecSa(SaFilter::All)));
    assert_eq!((shown[0].encaps, shown[0].decaps, shown[0].decaps_bytes), (5, 5, 500));
    assert_eq!(shown[1].encaps, 0, "the other customer's flow is alike but for its VRF");
    world.ask(PUBLIC, Request::Clear(api::ClearSa::Counters));
    assert_eq!(flows(world.ask(PUBLIC, Request::ShowIpsecSa(SaFilter::All)))[0].encaps, 0);
}

#[test]
fn an_sa_that_ran_out_says_so_and_traffic_replaces_it() {
    let mut world = with_customer_a();
    let sa = world.station(PUBLIC).sas()[0].id;
    world.tell(PUBLIC, Input::Event(dataplane::Event::Expired(sa)));
    let log = world.station(PUBLIC).log();
    let down = log.iter().find(|line| line.contains("IPSEC_SA_DOWN")).expect("a line");
    assert!(down.contains("volume or sequence numbers used up"), "{down}");
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    assert_eq!(world.station(PUBLIC).sas().len(), 2);
}

#[test]
fn a_line_of_isakmp_debugging_names_its_session_once() {
    let mut world = with_customer_a();
    world.ask(PUBLIC, Request::Debug { topic: DebugTopic::All, on: true });
    world.ask(PUBLIC, Request::Clear(api::ClearSa::Session { remote: None, front: None }));
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    let log = world.station(PUBLIC).log();
    let lines: Vec<_> = log.iter().filter(|line| line.contains("ISAKMP:(")).collect();
    assert!(!lines.is_empty());
    assert!(lines.iter().all(|line| line.matches("ISAKMP:(").count() == 1), "{lines:?}");
}

#[test]
fn a_route_without_next_hop_is_told_once_it_has_lasted() {
    let text = format!("{PE}ip route vrf vpn1 10.7.0.0 255.255.0.0 192.0.2.9\n");
    let mut world = World::new(vec![(PUBLIC, Station::new(1, &["core0", "wan0"], &text))], Vec::new());
    let told = |world: &mut World| {
        world.station(PUBLIC).log().iter().filter(|line| line.contains("10.7.0.0/16")).count()
    };
    assert_eq!(told(&mut world), 0);
    world.run_to(Instant::from_secs(30));
    assert_eq!(told(&mut world), 1);
}

#[test]
fn flows_are_chosen_by_inside_vrf_peer_interface_and_map() {
    let mut pe = pe();
    let mut count = |filter| {
        let Response::IpsecSas(flows) = pe.ask(NOW, Request::ShowIpsecSa(filter)) else { return None };
        Some(flows.len())
    };
    assert_eq!(count(SaFilter::Inside("vpn2".into())), Some(1));
    assert_eq!(count(SaFilter::Peer { front: None, address: A.parse().unwrap() }), Some(1));
    assert_eq!(count(SaFilter::Peer { front: Some("vpn1".into()), address: A.parse().unwrap() }), Some(0));
    assert_eq!(count(SaFilter::Interface("ethernet1/2".into())), Some(2));
    assert_eq!(count(SaFilter::Map("crypmap".into())), Some(2));
    assert_eq!(count(SaFilter::Map("nomap".into())), None);
}

#[test]
fn phase_one_is_shown_with_both_vrfs_and_its_algorithms() {
    let mut world = with_customer_a();
    let Response::IsakmpSas(sas) = world.ask(PUBLIC, Request::ShowIsakmpSa) else { panic!("no SAs") };
    let sa = &sas[0];
    assert_eq!((sa.front.as_deref(), sa.inside.as_deref()), (None, Some("vpn1")));
    assert_eq!((sa.state.as_str(), sa.remote.to_string()), ("QM_IDLE", A.to_owned()));
    assert_eq!(
        (sa.encryption.as_deref(), sa.hash.as_deref(), sa.group),
        (Some("3des"), Some("sha"), Some(2))
    );
    assert_eq!(sa.authentication.as_deref(), Some("pre-share"));
    assert_eq!((sa.profile.as_deref(), sa.identity.as_deref()), (Some("vpn1"), Some(A)));
    assert!(!sa.initiator && !sa.nat && sa.lifetime_left.is_some());
}

#[test]
fn routes_tell_where_their_next_hop_was_found_and_what_they_push() {
    let mut pe = pe();
    let request = Request::ShowRoutes { vrf: Some("vpn1".into()), ipv6: false };
    let Response::Routes(tables) = pe.ask(NOW, request) else { panic!("no routes") };
    let route = |prefix: &str| tables[0].routes.iter().find(|route| route.prefix == prefix).unwrap();
    let (site, core) = (route("10.2.0.0/16"), route("10.1.0.0/16"));
    assert_eq!((site.code.as_str(), site.distance, site.global), ("S", 1, true));
    assert_eq!(site.interface.as_deref(), Some("Ethernet1/2"));
    assert_eq!(core.labels, [201]);
    let Response::Routes(tables) = pe.ask(NOW, Request::ShowRoutes { vrf: None, ipv6: false }) else {
        panic!()
    };
    let codes: Vec<_> = tables[0].routes.iter().map(|route| route.code.as_str()).collect();
    assert_eq!(codes, ["S", "S", "C", "L", "C", "L"]);
}

#[test]
fn vrfs_labels_interfaces_keys_and_policies_are_listed() {
    let mut pe = pe();
    let Response::Vrfs(vrfs) = pe.ask(NOW, Request::ShowVrfs) else { panic!("no VRFs") };
    assert_eq!((vrfs[0].name.as_str(), vrfs[0].rd.as_deref()), ("vpn1", Some("100:1")));
    assert_eq!(vrfs[1].import, ["101:1"]);
    let Response::MplsForwarding(labels) = pe.ask(NOW, Request::ShowMplsForwarding { vrf: None }) else {
        panic!()
    };
    let shown: Vec<_> = labels
        .entries
        .iter()
        .map(|label| (label.local, label.outgoing.as_str(), label.vrf.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            (Some(101), "Pop Label", Some("vpn1")),
            (Some(102), "Pop Label", Some("vpn2")),
            (None, "201", Some("vpn1")),
            (None, "202", Some("vpn2")),
        ]
    );
    assert_eq!(labels.entries[2].interface.as_deref(), Some("Ethernet1/1"));
    let Response::Interfaces(interfaces) = pe.ask(NOW, Request::ShowInterfaces { name: None }) else {
        panic!()
    };
    assert_eq!((interfaces[1].device.as_str(), interfaces[1].up, interfaces[1].mtu), ("wan0", true, 1500));
    let Response::IsakmpKeys(keys) = pe.ask(NOW, Request::ShowIsakmpKey) else { panic!("no keys") };
    assert_eq!((keys[1].keyring.as_str(), keys[1].peer.as_str()), ("vpn2", "10.1.1.1"));
    let Response::IsakmpPolicies(policies) = pe.ask(NOW, Request::ShowIsakmpPolicy) else {
        panic!("no policies")
    };
    assert_eq!(
        (policies[0].encryption.as_str(), policies[0].group, policies[0].lifetime),
        ("3des", 2, 86_400)
    );
    let Response::IsakmpProfiles(profiles) = pe.ask(NOW, Request::ShowIsakmpProfile) else {
        panic!("no profiles")
    };
    assert_eq!(profiles[0].identities, ["address 172.16.1.1 255.255.255.255"]);
    assert_eq!(profiles[0].bindings, ["Ethernet1/2 (172.18.1.1:global)"]);
}

#[test]
fn the_running_configuration_hides_secrets_and_the_log_keeps_notices() {
    let mut pe = pe();
    let Response::Text(text) = pe.ask(NOW, Request::ShowRunningConfig) else { panic!("no text") };
    assert!(text.contains("crypto map crypmap 1 ipsec-isakmp") && !text.contains("secret-of"));
    let Response::Text(log) = pe.ask(NOW, Request::ShowLog) else { panic!("no log") };
    assert!(log.contains("CONFIG_I"));
}

#[test]
fn drops_of_the_dataplane_and_refusals_of_ike_are_rows_of_one_table() {
    let mut world = with_customer_a();
    let drops = vec![DropCount { name: "no-sa", meaning: "x", packets: 3 }];
    world.tell(PUBLIC, Input::Counters(Counters { drops, ..Counters::default() }));
    let path = ike::Path {
        front: base::VrfId::GLOBAL,
        local: format!("{PUBLIC}:500").parse().unwrap(),
        remote: "192.0.2.66:500".parse().unwrap(),
        marker: false,
    };
    for _ in 0..5 {
        world.tell(PUBLIC, Input::Ike(ike::Datagram { path, bytes: vec![0xff; 40] }));
    }
    let Response::Drops(drops) = world.ask(PUBLIC, Request::ShowDrops) else { panic!("no drops") };
    assert_eq!((drops[0].name.as_str(), drops[0].packets), ("no-sa", 3));
    assert_eq!(
        drops.iter().filter(|drop| drop.name.starts_with("ike-")).map(|drop| drop.packets).sum::<u64>(),
        5
    );
    let told = world.station(PUBLIC).log().iter().filter(|line| line.contains("IKMP_REFUSED")).count();
    assert_eq!(told, 3, "the first, the second and the fourth");
}

#[test]
fn debugging_tells_more_only_while_it_is_on() {
    let mut world = with_customer_a();
    world.ask(PUBLIC, Request::Debug { topic: DebugTopic::Ipsec, on: true });
    let policy = world.station(PUBLIC).policies().nth(1).unwrap().id;
    world.acquire(PUBLIC, policy, "10.1.0.9", "10.2.0.9");
    let told = |world: &mut World| {
        world.station(PUBLIC).log().iter().filter(|line| line.starts_with("IPSEC(sa_request)")).count()
    };
    assert_eq!(told(&mut world), 1);
    world.ask(PUBLIC, Request::Debug { topic: DebugTopic::Ipsec, on: false });
    world.acquire(PUBLIC, policy, "10.1.0.9", "10.2.0.9");
    assert_eq!(told(&mut world), 1);
}

#[test]
fn at_the_end_routes_into_tunnels_stay_and_block_and_all_else_that_forwards_goes() {
    let mut world = with_customer_a();
    let station = world.station(PUBLIC);
    station.pe.handle(NOW, Input::Close);
    let Some(pe::Output::Apply(ops)) = station.pe.poll() else { panic!("nothing goes") };
    let goes = |key: Key| ops.contains(&Op::Unset(key));
    let vpn1 = station.vrf(Some("vpn1"));
    let route = |prefix: &str| Key::Route(vpn1, prefix.parse().unwrap());
    assert!(goes(route("10.1.0.0/16")), "to the core, under labels");
    assert!(!goes(route("10.2.0.0/16")), "to the customer, through its tunnel");
    assert!(goes(Key::Label(Label::new(101).unwrap())));
    assert!(station.sas().iter().all(|sa| goes(Key::Sa(sa.id))));
    assert!(ops.iter().all(|op| !matches!(op.key(), Key::Vrf(_) | Key::Port(_) | Key::Policy(_))));
}
