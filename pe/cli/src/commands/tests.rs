//! What each line stands for.

use super::*;
use crate::grammar::parse;

fn ask(line: &str) -> Request {
    let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    match parse(ALL, &words).map(|matched| action(&matched)) {
        Ok(Action::Ask(request, _)) => request,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn ipsec_sas_are_filtered_by_inside_vrf_or_by_a_peer_in_its_front_vrf() {
    assert_eq!(ask("show crypto ipsec sa"), Request::ShowIpsecSa(SaFilter::All));
    assert_eq!(ask("sh cry ips sa vrf red det"), Request::ShowIpsecSa(SaFilter::Inside("red".into())));
    let peer = SaFilter::Peer { front: Some("wan".into()), address: [192, 0, 2, 1].into() };
    assert_eq!(ask("sh cry ips sa peer vrf wan 192.0.2.1"), Request::ShowIpsecSa(peer.clone()));
    assert_eq!(ask("clear crypto sa peer vrf wan 192.0.2.1"), Request::Clear(ClearSa::Sa(peer)));
    assert_eq!(ask("sh cry ips sa map M"), Request::ShowIpsecSa(SaFilter::Map("M".into())));
    assert_eq!(ask("sh cry ips sa int Eth0"), Request::ShowIpsecSa(SaFilter::Interface("Eth0".into())));
}

#[test]
fn every_form_of_clear_means_what_it_says() {
    assert_eq!(ask("clear crypto sa"), Request::Clear(ClearSa::Sa(SaFilter::All)));
    assert_eq!(ask("clear crypto sa counters"), Request::Clear(ClearSa::Counters));
    let spi = ClearSa::Spi { address: [192, 0, 2, 1].into(), spi: 0x1234 };
    assert_eq!(ask("clear crypto sa spi 192.0.2.1 esp 0x1234"), Request::Clear(spi));
    let all = ClearSa::Session { remote: None, front: None };
    assert_eq!(ask("clear crypto session"), Request::Clear(all));
    let one = ClearSa::Session { remote: Some([192, 0, 2, 1].into()), front: Some("wan".into()) };
    assert_eq!(ask("clear crypto session remote 192.0.2.1 fvrf wan"), Request::Clear(one));
    assert_eq!(ask("clear crypto isakmp 7"), Request::Clear(ClearSa::Isakmp { connection: Some(7) }));
    assert_eq!(ask("clear crypto isakmp"), Request::Clear(ClearSa::Isakmp { connection: None }));
}

#[test]
fn a_trace_is_a_ping_unless_it_says_otherwise() {
    let Request::Trace(ping) = ask("trace packet vrf red 10.2.0.1 10.1.0.1") else { panic!("no trace") };
    assert_eq!((ping.protocol, ping.size, ping.vrf.as_deref()), (ICMP, SIZE, Some("red")));
    let Request::Trace(ping) = ask("trace packet 2001:db8::1 2001:db8::2") else { panic!("no trace") };
    assert_eq!(ping.protocol, ICMPV6);
    let Request::Trace(tcp) = ask("trace packet 10.0.0.1 10.0.0.2 tcp 1024 80 size 1400") else {
        panic!("no trace")
    };
    assert_eq!((tcp.protocol, tcp.source_port, tcp.destination_port, tcp.size), (TCP, 1024, 80, 1400));
    let Request::Trace(gre) = ask("trace packet 10.0.0.1 10.0.0.2 protocol 47") else { panic!("no trace") };
    assert_eq!(gre.protocol, 47);
}

#[test]
fn debugging_is_switched_off_in_both_of_ioss_ways() {
    let off = Request::Debug { topic: DebugTopic::Isakmp, on: false };
    assert_eq!(ask("undebug crypto isakmp"), off);
    assert_eq!(ask("no debug crypto isakmp"), off);
    let all = Request::Debug { topic: DebugTopic::All, on: false };
    assert_eq!((ask("undebug all"), ask("no debug all")), (all.clone(), all));
    assert_eq!(ask("debug crypto ipsec"), Request::Debug { topic: DebugTopic::Ipsec, on: true });
}

#[test]
fn one_route_is_asked_for_by_network_or_address() {
    let one = |vrf: Option<&str>, destination: &str| Request::ShowRoute {
        vrf: vrf.map(str::to_owned),
        destination: destination.to_owned(),
    };
    assert_eq!(ask("show ip route vrf red 10.2.0.0/16"), one(Some("red"), "10.2.0.0/16"));
    assert_eq!(ask("show ipv6 route 2001:db8::1"), one(None, "2001:db8::1"));
}

fn bgp(family: BgpFamily, tables: BgpTables, what: BgpWhat) -> Request {
    Request::ShowBgp { scope: BgpScope { family, tables }, what }
}

#[test]
fn tables_of_bgp_have_the_new_and_the_old_spelling() {
    let red = || BgpTables::Vrf("red".into());
    assert_eq!(ask("show ip bgp"), bgp(BgpFamily::Ipv4, BgpTables::All, BgpWhat::All));
    assert_eq!(ask("sh bgp ipv6 uni"), bgp(BgpFamily::Ipv6, BgpTables::All, BgpWhat::All));
    assert_eq!(ask("sh bgp ipv4 uni vrf red"), bgp(BgpFamily::Ipv4, red(), BgpWhat::All));
    for line in ["show bgp vpnv4 unicast all", "show bgp vpnv4 all", "show ip bgp vpnv4 all"] {
        assert_eq!(ask(line), bgp(BgpFamily::Vpnv4, BgpTables::All, BgpWhat::All));
    }
    for line in ["show bgp vpnv4 unicast vrf red 10.0.0.0/8", "show ip bgp vpnv4 vrf red 10.0.0.0/8"] {
        assert_eq!(ask(line), bgp(BgpFamily::Vpnv4, red(), BgpWhat::Prefix("10.0.0.0/8".into())));
    }
    let rd = BgpTables::Rd("65000:1".into());
    assert_eq!(ask("show bgp vpnv6 rd 65000:1"), bgp(BgpFamily::Vpnv6, rd, BgpWhat::All));
}

#[test]
fn what_a_neighbor_is_told_and_tells_is_asked_for_in_its_table() {
    let rr: IpAddr = [10, 255, 0, 9].into();
    let told = bgp(BgpFamily::Vpnv4, BgpTables::All, BgpWhat::To(rr));
    assert_eq!(ask("sh bgp vpnv4 uni all nei 10.255.0.9 adv"), told);
    assert_eq!(ask("sh ip bgp vpnv4 all nei 10.255.0.9 adv"), told);
    let taken = bgp(BgpFamily::Ipv4, BgpTables::All, BgpWhat::From(rr));
    assert_eq!(ask("sh ip bgp nei 10.255.0.9 routes"), taken);
    let sent = bgp(BgpFamily::Ipv6, BgpTables::Vrf("red".into()), BgpWhat::Received(rr));
    assert_eq!(ask("sh bgp ipv6 uni vrf red nei 10.255.0.9 received-routes"), sent);
    let one = |scope| Request::ShowBgpNeighbors { scope, address: Some(rr) };
    assert_eq!(ask("show bgp neighbors 10.255.0.9"), one(None));
    let global = BgpScope { family: BgpFamily::Ipv4, tables: BgpTables::All };
    assert_eq!(ask("show ip bgp neighbors 10.255.0.9"), one(None));
    assert_eq!(ask("show bgp ipv4 unicast neighbors 10.255.0.9"), one(Some(global.clone())));
    assert_eq!(ask("show bgp summary"), Request::ShowBgpSummary { scope: None });
    assert_eq!(ask("sh ip bgp sum"), Request::ShowBgpSummary { scope: Some(global) });
}

#[test]
fn sessions_of_bgp_and_ldp_are_cleared_hard_or_softly_one_or_all() {
    let clear = |vrf: Option<&str>, last: Option<u8>, how| Request::ClearBgp {
        vrf: vrf.map(str::to_owned),
        family: None,
        neighbors: last.map_or(BgpNeighbors::All, |last| BgpNeighbors::Address([10, 0, 0, last].into())),
        how,
    };
    assert_eq!(ask("clear bgp *"), clear(None, None, ClearBgp::Hard));
    assert_eq!(ask("clear ip bgp 10.0.0.1"), clear(None, Some(1), ClearBgp::Hard));
    assert_eq!(ask("clear ip bgp vrf red *"), clear(Some("red"), None, ClearBgp::Hard));
    assert_eq!(ask("clear bgp 10.0.0.1 vrf red soft"), clear(Some("red"), Some(1), ClearBgp::Soft));
    assert_eq!(ask("clear ip bgp 10.0.0.1 soft in"), clear(None, Some(1), ClearBgp::SoftIn));
    assert_eq!(ask("clear bgp 10.0.0.1 out"), clear(None, Some(1), ClearBgp::SoftOut));
    let of_as = |vrf: Option<&str>, family, how| Request::ClearBgp {
        vrf: vrf.map(str::to_owned),
        family,
        neighbors: BgpNeighbors::As(65001),
        how,
    };
    assert_eq!(ask("clear ip bgp 65001"), of_as(None, None, ClearBgp::Hard));
    let vpnv6 = Some(BgpFamily::Vpnv6);
    assert_eq!(ask("clear bgp vpnv6 unicast 65001 soft"), of_as(None, vpnv6, ClearBgp::Soft));
    assert_eq!(
        ask("clear bgp vpnv6 unicast vrf red 65001 out"),
        of_as(Some("red"), vpnv6, ClearBgp::SoftOut)
    );
    assert_eq!(ask("clear mpls ldp neighbor *"), Request::ClearLdp { peer: None });
    let one = Request::ClearLdp { peer: Some([10, 0, 0, 1].into()) };
    assert_eq!(ask("clear mpls ldp neighbor 10.0.0.1"), one);
    let debug = |topic, on| Request::Debug { topic, on };
    assert_eq!(ask("debug ip bgp"), debug(DebugTopic::Bgp, true));
    assert_eq!(ask("undebug bgp"), debug(DebugTopic::Bgp, false));
    assert_eq!(ask("no debug mpls ldp"), debug(DebugTopic::Ldp, false));
}

#[test]
fn the_usual_abbreviations_are_understood() {
    assert_eq!(ask("sh cry isa sa"), Request::ShowIsakmpSa);
    assert_eq!(ask("sh run"), Request::ShowRunningConfig);
    assert_eq!(ask("sh log"), Request::ShowLog);
    assert_eq!(ask("sh int"), Request::ShowInterfaces { name: None });
    assert_eq!(ask("sh ip ro vrf red"), Request::ShowRoutes { vrf: Some("red".into()), ipv6: false });
    assert_eq!(ask("sh ipv6 route"), Request::ShowRoutes { vrf: None, ipv6: true });
    assert_eq!(ask("sh mpls for"), Request::ShowMplsForwarding { vrf: None });
}

#[test]
fn sas_of_version_2_are_cleared_by_what_names_them() {
    let clear = |line: &str| {
        let Request::Clear(ClearSa::Ikev2(filter)) = ask(line) else { panic!("{line}") };
        filter
    };
    assert_eq!(clear("clear crypto ikev2 sa"), Ikev2Filter::All);
    assert_eq!(clear("clear crypto ikev2 sa remote 192.0.2.1"), Ikev2Filter::Remote([192, 0, 2, 1].into()));
    assert_eq!(clear("clear crypto ikev2 sa local 192.0.2.1"), Ikev2Filter::Local([192, 0, 2, 1].into()));
    assert_eq!(clear("clear crypto ikev2 sa fvrf wan"), Ikev2Filter::Front("wan".into()));
    assert_eq!(clear("clear crypto ikev2 sa psh 7"), Ikev2Filter::Id(7));
}

#[test]
fn a_peer_is_explained_in_one_front_vrf_or_in_all() {
    let explain = |front: Option<&str>| Request::Explain {
        remote: [192, 0, 2, 1].into(),
        front: front.map(str::to_owned),
    };
    assert_eq!(ask("sh cry ses 192.0.2.1 expl"), explain(None));
    assert_eq!(ask("show crypto session 192.0.2.1 explain fvrf wan"), explain(Some("wan")));
    assert_eq!(ask("sh cry ses det"), Request::ShowSession);
}

#[test]
fn a_master_key_is_no_request_until_the_old_one_was_asked_for() {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let action = |line: &str| parse(ALL, &words(line)).map(|matched| action(&matched)).ok();
    let typed = Some(Hidden("correct-horse".to_owned()));
    assert_eq!(
        action("key config-key password-encryption correct-horse"),
        Some(Action::SetMasterKey(typed.clone()))
    );
    assert_eq!(action("key config-key password-encryption"), Some(Action::SetMasterKey(None)));
    assert_eq!(action("no key config-key password-encryption"), Some(Action::DropMasterKey));
    assert_eq!(format!("{typed:?}"), "Some(<hidden>)");
}
