//! BGP, LDP, BFD, policies, reverse routes and interfaces without a device: as they are pasted, printed and refused.

use std::time::Duration;

use bgp::AddressFamily;
use bgp::policy::{Community, Match, Set};
use config::model::bgp::{Beyond, LabelMode, LocalAs, NextHopSelf, Session, Ttl};
use config::model::{Leak, RemotePeer, ReverseRoute, TunnelMode};
use config::{Config, Severity, parse, print, print_hidden, report};

const CORE: &str = include_str!("examples/l3vpn.conf");

fn good(text: &str) -> Config {
    let parsed = parse(text).unwrap_or_else(|findings| panic!("{}", report("test", text, &findings)));
    let printed = print(&parsed.config);
    let again = parse(&printed).unwrap_or_else(|it| panic!("{}", report("printed", &printed, &it)));
    assert!(again.config == parsed.config, "{printed}");
    assert_eq!(print(&again.config), printed);
    parsed.config
}

/// The only error: the words underlined, the message and the hint.
fn fault(text: &str) -> (String, String, String) {
    let findings = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
    let errors: Vec<_> = findings.iter().filter(|it| it.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{}", report("test", text, &findings));
    assert!(!errors[0].help.is_empty(), "{}", errors[0].message);
    (text[errors[0].span.clone()].to_owned(), errors[0].message.clone(), errors[0].help.clone())
}

fn warnings(text: &str) -> Vec<String> {
    let parsed = parse(text).unwrap_or_else(|findings| panic!("{}", report("test", text, &findings)));
    parsed.warnings.into_iter().map(|it| format!("{}: {}", &text[it.span], it.message)).collect()
}

fn sessions(config: &Config) -> Vec<Session> {
    config.bgp.as_ref().map(|bgp| bgp.sessions()).unwrap_or_default()
}

fn router(lines: &str) -> String {
    format!("router bgp 65000\n bgp router-id 192.0.2.1\n{lines}")
}

#[test]
fn a_provider_edge_in_an_mpls_core_is_understood_as_it_is_pasted() {
    let config = good(CORE);
    assert_eq!(parse(CORE).map(|it| it.warnings).unwrap_or_default(), []);
    let all = sessions(&config);
    let [near, far, ce4, ce6] = all.as_slice() else { panic!("{} sessions", all.len()) };
    let families = |of: &Session| of.neighbor.families.keys().copied().collect::<Vec<_>>();
    assert_eq!(families(near), [AddressFamily::Vpnv4, AddressFamily::Vpnv6, AddressFamily::RouteTarget]);
    assert_eq!(families(far), families(near));
    assert_eq!(near.update_source.as_deref(), Some("Loopback0"));
    assert!(near.neighbor.bfd && near.neighbor.password.is_some() && near.vrf.is_none());
    assert_eq!(near.neighbor.timers.hold, Duration::from_secs(30));
    assert_eq!(families(ce4), [AddressFamily::Ipv4Unicast]);
    assert_eq!((ce4.vrf.as_deref(), ce4.neighbor.remote_as), (Some("red"), 65536));
    let lines = &ce4.neighbor.families[&AddressFamily::Ipv4Unicast];
    assert_eq!((lines.as_override, lines.allowas_in), (true, 3));
    assert_eq!(lines.maximum_prefix.map(|it| it.beyond), Some(Beyond::Restart(Duration::from_secs(300))));
    assert_eq!(ce6.neighbor.ttl, Ttl::Security(1));
    assert_eq!(config.mpls.label_mode("red", base::Family::V4), LabelMode::PerCe);
    assert_eq!(config.mpls.label_mode("blue", base::Family::V4), LabelMode::PerPrefix);
    assert!(config.speaks_ldp() && config.interfaces["core"].mpls);
    assert_eq!(config.router_id().map(|it| it.to_string()).as_deref(), Some("192.0.2.1"));
}

#[test]
fn what_is_printed_stands_by_neighbour_and_hides_passwords() {
    let config = good(CORE);
    let hidden = print_hidden(&config);
    assert!(!hidden.contains("s3cret") && hidden.contains("password <hidden>"), "{hidden}");
    assert_eq!(print(&config), include_str!("golden/l3vpn.conf"));
}

#[test]
fn an_aggregator_hands_each_vpn_over_by_vlan_or_gre() {
    let config = good(include_str!("examples/two-box.conf"));
    let entry = &config.crypto_maps["M"].entries[&10];
    assert!(entry.reverse_route.is_some_and(|it| it.permanent));
    assert!(sessions(&config)[0].neighbor.families.is_empty());
    assert_eq!(config.bgp.as_ref().map(|it| it.asn), Some(65541));
}

#[test]
fn a_vrf_gives_and_takes_routes_of_the_global_table_under_its_family() {
    let maps = "route-map IN permit 10\nroute-map OUT permit 10\n";
    let lines = "  import ipv4 unicast 20 map IN\n  export ipv4 unicast map OUT\n";
    let with = |lines: &str| {
        router(&format!("{maps}vrf definition r\n address-family ipv4\n{lines} address-family ipv6\n"))
    };
    let config = good(&with(lines));
    let four = config.vrfs["r"].ipv4.as_ref().unwrap_or_else(|| panic!("no family"));
    let leak = |map: &str, limit| Some(Leak { map: map.into(), limit });
    assert_eq!((&four.global_import, &four.global_export), (&leak("IN", 20), &leak("OUT", 1000)));
    let undone = "  no import ipv4 unicast\n  no export ipv4 unicast map OUT\n";
    assert!(good(&with(&format!("{lines}{undone}"))) == good(&with("")));
    let of_old = good(&router(&format!("{maps}ip vrf r\n import ipv4 unicast map IN\n")));
    assert_eq!(of_old.vrfs["r"].targets.global_import, leak("IN", Leak::LIMIT));
    let (words, message, _) = fault(&with("  import ipv4 unicast map NOBODY\n"));
    assert_eq!((words.as_str(), message.contains("NOBODY")), ("NOBODY", true));
    for lines in [" import ipv4 unicast map IN\n", " address-family ipv4\n  import ipv6 unicast map IN\n"] {
        let (words, message, help) = fault(&router(&format!("{maps}vrf definition r\n{lines}")));
        assert!(words.starts_with("import ipv"), "{words}");
        assert!(message.contains("of no family, or of another one") && help.contains("address-family"));
    }
    let said = warnings(&format!("{maps}vrf definition r\n address-family ipv4\n{lines}"));
    assert_eq!(said.len(), 2);
    assert_eq!(said[0], "import ipv4 unicast 20 map IN: without BGP it leaks nothing");
}

#[test]
fn no_forms_undo_what_was_said() {
    let bare = router("");
    for (said, undone) in [
        (" bgp cluster-id 7\n", " no bgp cluster-id\n"),
        (" no bgp log-neighbor-changes\n", " bgp log-neighbor-changes\n"),
        (" no bgp fast-external-fallover\n", " bgp fast-external-fallover\n"),
        (" no bgp default ipv4-unicast\n", " bgp default ipv4-unicast\n"),
        (" no bgp default route-target filter\n", " bgp default route-target filter\n"),
        (" bgp graceful-restart restart-time 90\n", " no bgp graceful-restart\n"),
        (" bgp always-compare-med\n", " no bgp always-compare-med\n"),
        (" bgp default local-preference 50\n", " no bgp default local-preference\n"),
        (" timers bgp 3 9\n", " no timers bgp\n"),
        (" neighbor PE peer-group\n", " no neighbor PE peer-group\n"),
        (
            " neighbor 10.0.0.1 remote-as 1\n neighbor 10.0.0.1 weight 4\n",
            " no neighbor 10.0.0.1 remote-as\n no address-family ipv4\n",
        ),
        (" address-family vpnv4\n exit-address-family\n", " no address-family vpnv4\n"),
        (" redistribute static metric 5\n", " no redistribute static\n no address-family ipv4\n"),
        (
            " network 10.0.0.0 mask 255.255.0.0\n",
            " no network 10.0.0.0 mask 255.255.0.0\n no address-family ipv4\n",
        ),
    ] {
        assert!(good(&router(said)) != good(&bare), "{said}");
        assert!(good(&router(&format!("{said}{undone}"))) == good(&bare), "{said}{undone}");
    }
    assert!(good(&format!("{bare}no router bgp 65000\n")) == Config::default());
    let each = [
        ("shutdown", ""),
        ("description", " of a kind"),
        ("local-as", " 65001"),
        ("timers", " 3 9"),
        ("ebgp-multihop", " 4"),
        ("ttl-security hops", " 2"),
        ("password", " k"),
        ("advertisement-interval", " 7"),
        ("transport connection-mode passive", ""),
        ("fall-over bfd", ""),
    ];
    for (line, value) in each {
        let with = router(&format!(" neighbor 10.0.0.1 remote-as 1\n neighbor 10.0.0.1 {line}{value}\n"));
        let without = router(" neighbor 10.0.0.1 remote-as 1\n");
        assert!(good(&with) != good(&without), "{line}");
        assert!(good(&format!("{with} no neighbor 10.0.0.1 {line}\n")) == good(&without), "{line}");
    }
}

#[test]
fn lines_under_the_router_itself_are_of_ipv4() {
    let short = router(
        " neighbor 10.0.0.1 remote-as 65000\n neighbor 10.0.0.1 next-hop-self\n redistribute connected\n network 10.0.0.0\n",
    );
    let long = router(
        " neighbor 10.0.0.1 remote-as 65000\n address-family ipv4 unicast\n  neighbor 10.0.0.1 next-hop-self\n  redistribute connected\n  network 10.0.0.0 mask 255.0.0.0\n exit-address-family\n",
    );
    assert!(good(&short) == good(&long));
    assert!(print(&good(&short)).contains("  network 10.0.0.0\n"));
    let families =
        |text: &str| sessions(&good(text))[0].neighbor.families.keys().copied().collect::<Vec<_>>();
    assert_eq!(families(&short), [AddressFamily::Ipv4Unicast]);
    assert_eq!(families(&router(" neighbor 10.0.0.1 remote-as 1\n")), [AddressFamily::Ipv4Unicast]);
    let off = router(" no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 1\n");
    assert_eq!(families(&off), []);
    let no =
        router(" neighbor 10.0.0.1 remote-as 1\n address-family ipv4\n  no neighbor 10.0.0.1 activate\n");
    assert_eq!(families(&no), []);
    let labelled = router(" neighbor 10.0.0.1 remote-as 1\n neighbor 10.0.0.1 send-label\n");
    assert_eq!(families(&labelled), [AddressFamily::Ipv4Unicast, AddressFamily::Ipv4Labeled]);
}

#[test]
fn a_member_takes_from_its_group_what_it_does_not_say() {
    let text = router(
        " neighbor PE peer-group\n neighbor PE remote-as 65000\n neighbor PE timers 5 15\n neighbor PE password p\n \
         neighbor 10.0.0.1 peer-group PE\n neighbor 10.0.0.1 timers 7 21\n neighbor 10.0.0.2 peer-group PE\n \
         address-family vpnv4\n  neighbor PE activate\n  neighbor PE send-community both\n  \
         neighbor 10.0.0.2 peer-group PE\n  no neighbor 10.0.0.2 activate\n",
    );
    let all = sessions(&good(&text));
    assert_eq!(all.iter().map(|it| it.neighbor.timers.hold.as_secs()).collect::<Vec<_>>(), [21, 15]);
    assert!(all.iter().all(|it| it.neighbor.remote_as == 65000 && it.neighbor.password.is_some()));
    let of = |at: usize| all[at].neighbor.families.get(&AddressFamily::Vpnv4);
    assert!(of(0).is_some_and(|of| of.send_community.standard && of.send_community.extended));
    assert!(of(1).is_none());
}

#[test]
fn what_contradicts_itself_or_is_not_there_is_refused() {
    let peer = " neighbor 10.0.0.1 remote-as 1\n";
    let red = "vrf definition red\n rd 1:1\n address-family ipv4\n";
    for (text, words) in [
        (router(" neighbor 10.0.0.1 shutdown\n"), "neighbor 10.0.0.1 shutdown"),
        (router(" address-family vpnv4\n  neighbor 10.0.0.1 activate\n"), "neighbor 10.0.0.1 activate"),
        (router(" neighbor 10.0.0.1 weight 3\n"), "neighbor 10.0.0.1 weight 3"),
        (router(" neighbor 10.0.0.1 peer-group NONE\n"), "NONE"),
        (router(&format!("{peer} neighbor 10.0.0.1 route-map NONE in\n")), "NONE"),
        (router(&format!("{peer} neighbor 10.0.0.1 prefix-list NONE out\n")), "NONE"),
        (router(&format!("{peer} neighbor 10.0.0.1 update-source Loopback9\n")), "Loopback9"),
        (
            router(&format!("{peer} neighbor 10.0.0.1 route-reflector-client\n")),
            "neighbor 10.0.0.1 route-reflector-client",
        ),
        (router(" redistribute static route-map NONE\n"), "NONE"),
        (router(" address-family ipv4 vrf nowhere\n"), "nowhere"),
        (format!("{red}{}", router(" address-family ipv6 vrf red\n")), "address-family ipv6 vrf red"),
        (
            format!("{red}{}", router(" address-family ipv4 vrf red\n  neighbor 2001:db8::1 remote-as 1\n")),
            "neighbor 2001:db8::1 remote-as 1",
        ),
        (format!("{red}  import map NONE\n"), "NONE"),
        (router(" timers bgp 1 2\n"), "2"),
        (
            router(&format!(
                "{peer} neighbor 10.0.0.1 ebgp-multihop\n neighbor 10.0.0.1 ttl-security hops 1\n"
            )),
            "neighbor 10.0.0.1 ttl-security hops 1",
        ),
        (
            router(" address-family vpnv4\n  no neighbor 10.0.0.1 remote-as\n"),
            "no neighbor 10.0.0.1 remote-as",
        ),
        ("router bgp 1\n".to_owned(), "router bgp 1"),
        ("router bgp 1\n bgp router-id 1.1.1.1\nrouter bgp 2\n".to_owned(), "2"),
        ("router bgp 0\n".to_owned(), "0"),
        (router(" network 10.0.0.1 mask 255.0.0.0\n"), "10.0.0.1"),
        (router(" address-family ipv6\n  network 10.0.0.0\n"), "network 10.0.0.0"),
        ("mpls ldp router-id Loopback0\n".to_owned(), "Loopback0"),
        ("mpls ldp holdtime 90\n".to_owned(), ""),
        ("mpls label mode vrf none protocol bgp-vpnv4 per-ce\n".to_owned(), "none"),
        ("bfd map ipv4 10.0.0.0/8 10.0.0.1/32 NONE\n".to_owned(), "NONE"),
        ("ip route static bfd eth7 10.0.0.1\n".to_owned(), "eth7"),
        ("mpls ldp advertise-labels\n".to_owned(), "mpls ldp advertise-labels"),
        ("no mpls ldp advertise-labels\n".to_owned(), "no mpls ldp advertise-labels"),
        ("no mpls ip propagate-ttl forwarded\n".to_owned(), "no mpls ip propagate-ttl forwarded"),
        (router(" no bgp client-to-client reflection\n"), "no bgp client-to-client reflection"),
        (router(&format!("{peer} neighbor 10.0.0.1 local-as 1\n")), "neighbor 10.0.0.1 local-as 1"),
        (
            router(" neighbor 10.0.0.1 remote-as 65000\n neighbor 10.0.0.1 as-override\n"),
            "neighbor 10.0.0.1 as-override",
        ),
        (
            "crypto map M 1 ipsec-isakmp\n reverse-route remote-peer 2001:db8::1\n".to_owned(),
            "reverse-route remote-peer 2001:db8::1",
        ),
    ] {
        assert_eq!(fault(&text).0, words, "{text}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name_with_what_to_do_instead() {
    let peer = |line: &str| router(&format!(" neighbor 10.0.0.1 remote-as 1\n {line}\n"));
    for (text, word) in [
        ("router ospf 1\n".to_owned(), "ospf"),
        (router(" maximum-paths 4\n"), "maximum-paths"),
        (router(" aggregate-address 10.0.0.0 255.0.0.0\n"), "aggregate-address"),
        (router(" address-family l2vpn evpn\n"), "l2vpn"),
        (router(" redistribute ospf 1\n"), "ospf"),
        (router(" address-family vpnv4\n  redistribute static\n"), "redistribute"),
        (peer("neighbor 10.0.0.1 password 7 0822455D0A16"), "7"),
        (peer("neighbor 10.0.0.1 filter-list 1 in"), "filter-list"),
        (peer("neighbor 10.0.0.1 default-originate route-map X"), "default-originate"),
        ("vrf definition r\nrouter bgp 1\n bgp router-id 1.1.1.1\n address-family ipv4 vrf r\n  bgp router-id 2.2.2.2\n".to_owned(), "bgp router-id"),
        ("interface eth0\n mpls ldp igp sync\n".to_owned(), "mpls ldp igp sync"),
        ("interface eth0\n mpls label protocol tdp\n".to_owned(), "tdp"),
        ("mpls ldp neighbor vrf red 10.0.0.1 password x\n".to_owned(), "mpls ldp neighbor vrf"),
        ("ip route 10.0.0.0 255.0.0.0 10.1.1.1 track 3\n".to_owned(), "track"),
        ("ip community-list expanded X permit .*\n".to_owned(), "expanded"),
        ("route-map X permit 10\n match as-path 3\n".to_owned(), "match as-path"),
        ("route-map X permit 10\n match ip address 101\n".to_owned(), "match ip address"),
        ("vrf definition r\n address-family ipv4\n  import ipv4 multicast map X\n".to_owned(), "import"),
        ("interface eth0.7\n encapsulation dot1Q 7 native\n".to_owned(), "native"),
        ("interface Tunnel0\n tunnel mode gre multipoint\n".to_owned(), "multipoint"),
        ("crypto dynamic-map D 1\n reverse-route static\n".to_owned(), "static"),
        ("crypto ipsec profile P\n reverse-route static\n".to_owned(), "static"),
        ("bfd-template single-hop X\n".to_owned(), "single-hop"),
        ("ip as-path access-list 1 permit ^65000_\n".to_owned(), "ip as-path access-list"),
        ("ip route vrf red 10.0.0.0 255.0.0.0 10.1.1.1 bfd\n".to_owned(), "bfd"),
        ("ip route static bfd vrf red 10.1.1.2 vrf red 10.1.1.1\n".to_owned(), "vrf"),
        ("route-map X permit 10\n set ip next-hop peer-address\n".to_owned(), "peer-address"),
        ("route-map X permit 10\n set extcommunity cost 1 1\n".to_owned(), "cost"),
        ("interface eth0\n mpls mtu 1508\n".to_owned(), "mpls mtu"),
        ("mpls ldp maxhops 9\n".to_owned(), "maxhops"),
        (router(" bgp bestpath med missing-as-worst\n"), "bgp bestpath"),
        (router(" bgp scan-time 5\n"), "scan-time"),
        (router(" bgp nexthop trigger delay 5\n"), "bgp nexthop trigger delay"),
        (router(" timers bgp 10 30 10\n"), "timers bgp"),
        (router(" address-family vpnv4\n  neighbor 10.0.0.1 next-hop-self all\n"), "all"),
        (router(" address-family vpnv4\n  neighbor 10.0.0.1 default-originate\n"), "default-originate"),
        (router(" address-family ipv4\n  bgp dampening\n exit-address-family\n"), "dampening"),
        (router(" default-metric 5\n"), "default-metric"),
        (peer("neighbor 10.0.0.1 timers 10 30 10"), "timers"),
        (peer("neighbor 10.0.0.1 fall-over bfd multi-hop"), "multi-hop"),
        (peer("neighbor 10.0.0.1 local-as 5 no-prepend replace-as dual-as"), "dual-as"),
        (peer("neighbor 10.0.0.1 transport connection-mode active"), "transport connection-mode active"),
        (peer("neighbor 10.0.0.1 advertise additional-paths best 2"), "additional-paths"),
        (peer("network 10.0.0.0 backdoor"), "backdoor"),
    ] {
        let findings = parse(&text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        let named = findings.iter().any(|it| it.message.contains(word) && it.message.ends_with("is not supported"));
        assert!(named, "{}", report("test", &text, &findings));
    }
    assert!(good(&router(" no synchronization\n no auto-summary\n")) == good(&router("")));
}

#[test]
fn what_is_so_anyway_changes_nothing_and_leaves_its_family_alone() {
    let always = [
        "bgp bestpath compare-routerid",
        "bgp client-to-client reflection",
        "bgp deterministic-med",
        "bgp enforce-first-as",
        "bgp nexthop trigger enable",
        "bgp transport path-mtu-discovery",
    ];
    let own = " neighbor 10.0.0.1 remote-as 1\n address-family vpnv4\n  neighbor 10.0.0.1 activate\n";
    let plain = good(&router(own));
    for line in always {
        assert!(good(&router(&format!(" {line}\n{own}"))) == plain, "{line}");
        let inside = own.replace("  neighbor", &format!("  {line}\n  neighbor"));
        assert!(good(&router(&format!("{inside} exit-address-family\n"))) == plain, "{line}");
    }
    for line in ["next-hop-self", "next-hop-unchanged", "soft-reconfiguration inbound"] {
        assert!(good(&router(&format!("{own}  neighbor 10.0.0.1 {line}\n"))) == plain, "{line}");
    }
    let outside = format!(" neighbor 10.0.0.1 transport path-mtu-discovery\n{own}");
    assert!(good(&router(&outside)) == plain);
    assert!(good("ip bgp-community new-format\n") == good(""));
    // Said in a family, it is of the process: the family is over.
    let timers = router(" address-family ipv4\n  bgp log-neighbor-changes\n exit-address-family\n");
    assert!(good(&timers).bgp.is_some_and(|bgp| bgp.log_changes));
}

#[test]
fn who_we_are_to_a_neighbour_and_what_its_next_hop_is_have_three_forms_each() {
    let neighbor = |line: &str| {
        let text = router(&format!(" neighbor 10.0.0.1 remote-as 1\n neighbor 10.0.0.1 {line}\n"));
        sessions(&good(&text)).remove(0).neighbor
    };
    for (line, prepend, replace) in [
        ("local-as 7", true, false),
        ("local-as 7 no-prepend", false, false),
        ("local-as 7 no-prepend replace-as", false, true),
    ] {
        assert_eq!(neighbor(line).local_as, Some(LocalAs { asn: 7, prepend, replace }), "{line}");
    }
    for (line, expected) in [
        ("description plain", NextHopSelf::No),
        ("next-hop-self", NextHopSelf::External),
        ("next-hop-self all", NextHopSelf::All),
    ] {
        let of = neighbor(line).families[&AddressFamily::Ipv4Unicast].next_hop_self;
        assert_eq!(of, expected, "{line}");
    }
}

#[test]
fn policies_are_what_the_engine_knows_them_as() {
    let config = good(
        "ip prefix-list A seq 7 deny 10.1.0.0/16\nip prefix-list A permit 10.0.0.0/8 le 24\n\
         ip prefix-list A permit 10.0.0.0/8 ge 16 le 24\nip prefix-list A permit 0.0.0.0/0 ge 8\n\
         ipv6 prefix-list S permit 2001:db8::/32 ge 48 le 128\nip prefix-list A description whatever\n\
         ip community-list standard C permit 65000:1 no-export\nip community-list 10 deny 1:2:3\n\
         ip extcommunity-list standard E permit rt 65000:1 soo 192.0.2.1:7\n\
         route-map M permit 10\n description first\n match ipv6 address prefix-list S\n match ip address prefix-list A\n \
         match community C exact-match\n match extcommunity E\n match tag 5 6\n match tag 7\n match source-protocol static\n \
         set community 65000:9 1:2:3 additive\n set extcommunity rt 65000:2 65000:3 additive\n set as-path prepend 1.0 65536\n \
         set local-preference 200\n set ip next-hop 192.0.2.9\n set ipv6 next-hop 2001:db8::9\n set origin igp\n continue\n\
         route-map M deny 20\nroute-map N\n match metric 3\n match local-preference 4\n match ip next-hop prefix-list A\n \
         set metric 4\n set weight 5\n set tag 6\n set extcommunity soo 1:1\n set community none\n",
    );
    let list = &config.policies.prefix_lists["A"].0;
    let lengths: Vec<_> = list.iter().map(|(number, rule)| (*number, rule.permit, rule.lengths)).collect();
    assert_eq!(
        lengths,
        [(7, false, (16, 16)), (10, true, (8, 24)), (15, true, (16, 24)), (20, true, (8, 32))]
    );
    assert_eq!(config.policies.prefix_lists["S"].0[&5].lengths, (48, 128));
    assert_eq!(config.policies.community_lists["10"].0, [(false, vec![Community::Large([1, 2, 3])])]);
    let entry = &config.policies.route_maps["M"].0[&10];
    assert_eq!(entry.next, Some(20));
    assert!(matches!(&entry.matches[0], Match::Prefix(names) if *names == ["A", "S"]));
    assert!(entry.matches.contains(&Match::Tag(vec![5, 6, 7])));
    assert!(entry.matches.contains(&Match::Source(vec![vrf::Source::Static, vrf::Source::Reverse])));
    assert!(entry.sets.contains(&Set::Prepend(vec![65536, 65536])));
    assert_eq!(entry.sets.iter().filter(|it| matches!(it, Set::NextHop(_))).count(), 2);
    assert_eq!(config.policies.route_maps["N"].0[&10].sets.len(), 5);
}

#[test]
fn policies_that_mean_nothing_are_refused_and_taken_apart_line_by_line() {
    assert_eq!(fault("ip prefix-list A permit 10.0.0.0/8 ge 24 le 16\n").0, "24");
    assert_eq!(fault("ip prefix-list A permit 10.0.0.0/8 le 7\n").0, "7");
    assert_eq!(fault("ip prefix-list A permit 10.0.0.1/8\n").0, "10.0.0.1/8");
    assert_eq!(fault("ip prefix-list A permit 10.0.0.0/8\nipv6 prefix-list A permit ::/0\n").0, "A");
    assert_eq!(fault("route-map M permit 10\n continue 5\n").0, "5");
    assert_eq!(fault("route-map M permit 10\n continue 30\n").0, "continue 30");
    assert_eq!(fault("route-map M permit 10\n match community NONE\n").0, "NONE");
    let six = "ipv6 prefix-list S permit ::/0\nroute-map M permit 10\n match ip address prefix-list S\n";
    assert_eq!(fault(six).1, "there is no IPv4 prefix list `S`");
    let lists = "ip prefix-list A permit 10.0.0.0/8\nip prefix-list A permit 11.0.0.0/8\n";
    assert_eq!(good(&format!("{lists}no ip prefix-list A seq 5\n")).policies.prefix_lists["A"].0.len(), 1);
    assert!(good(&format!("{lists}no ip prefix-list A\n")) == Config::default());
    let list = "ip community-list standard C permit 1:1\n";
    assert!(good(&format!("{list}no {list}")) == Config::default());
    assert!(good(&format!("{list}no ip community-list standard C\n")) == Config::default());
    let map = "route-map M permit 10\n match tag 1\n set metric 5\nroute-map M permit 20\n";
    assert!(good(&format!("{map}no route-map M\n")) == Config::default());
    assert_eq!(good(&format!("{map}no route-map M permit 10\n")).policies.route_maps["M"].0.len(), 1);
    let bare = good("route-map M permit 10\n");
    assert!(
        good("route-map M permit 10\n match tag 1\n no match tag\n set metric 5\n no set metric\n") == bare
    );
}

#[test]
fn ldp_is_said_as_in_ios() {
    let id = "mpls ldp router-id 192.0.2.1 force\n";
    let text = format!(
        "{id}mpls ldp discovery hello interval 3\nmpls ldp discovery hello holdtime 9\n\
         mpls ldp discovery targeted-hello holdtime 60\nmpls ldp discovery targeted-hello accept\n\
         mpls ldp holdtime 60\nmpls ldp backoff 10 60\nmpls ldp neighbor 192.0.2.2 targeted ldp\n\
         mpls ldp neighbor 192.0.2.2 password 0 s3cret\nmpls ldp explicit-null\nmpls ldp graceful-restart\n\
         mpls ldp graceful-restart timers max-recovery 60\nmpls ldp label\n allocate global host-routes\n\
         interface core\n mpls label protocol ldp\n mpls ldp discovery transport-address interface\n mpls ip\n"
    );
    let config = good(&text);
    let ldp = &config.ldp;
    assert_eq!((ldp.hello.interval, ldp.hello.hold, ldp.targeted_hello.interval), (Some(3), Some(9), None));
    assert!(ldp.graceful_restart.on && ldp.graceful_restart.terms.recovery == Duration::from_secs(60));
    assert!(ldp.host_routes_only && ldp.explicit_null && ldp.accept_targeted);
    assert_eq!(ldp.targeted.len(), 1);
    assert!(!print_hidden(&config).contains("s3cret"));
    let undone = "no mpls ldp discovery hello\nno mpls ldp discovery targeted-hello holdtime\n\
                  no mpls ldp discovery targeted-hello accept\nno mpls ldp holdtime\nno mpls ldp backoff\n\
                  no mpls ldp neighbor 192.0.2.2 targeted\nno mpls ldp neighbor 192.0.2.2 password\n\
                  no mpls ldp explicit-null\nno mpls ldp graceful-restart\n\
                  no mpls ldp graceful-restart timers max-recovery\nno mpls ldp label\nno mpls ldp router-id\n\
                  no mpls label protocol ldp\ninterface core\n no mpls ldp discovery transport-address\n";
    let config = good(&format!("{text}{undone}"));
    assert!(!config.speaks_ldp());
    assert!(
        good("mpls label protocol ldp\ninterface l\n ip address 10.0.0.1 255.0.0.0\n mpls ip\n").speaks_ldp()
    );
    assert_eq!(warnings(id).len(), 1);
}

#[test]
fn bfd_has_timers_by_interface_and_by_template() {
    let config = good(
        "vrf definition red\n address-family ipv4\nbfd-template multi-hop FAR\n interval min-tx 300 min-rx 300 multiplier 3\n\
         bfd map ipv6 2001:db8::/32 ::/0 FAR\nbfd map ipv4 vrf red 10.0.0.0/8 0.0.0.0/0 FAR\ninterface core\n \
         bfd interval 50 min_rx 100 multiplier 5\nip route static bfd core 10.0.0.2\n",
    );
    let timers = config.interfaces["core"].bfd.expect("timers");
    assert_eq!((timers.transmit.as_millis(), timers.receive.as_millis(), timers.multiplier), (50, 100, 5));
    let far = |vrf, remote: &str| config.bfd.multihop(vrf, [192, 0, 2, 1].into(), remote.parse().unwrap());
    assert!(far(Some("red"), "10.1.1.1").is_some_and(|it| it.multiplier == 3));
    assert!(far(None, "10.1.1.1").is_none() && far(Some("red"), "11.1.1.1").is_none());
    let near = "interface e\n ip address 10.0.0.2 255.255.255.0\nrouter bgp 1\n neighbor 10.0.0.1 remote-as 2\n neighbor 10.0.0.1 fall-over bfd\n";
    assert_eq!(
        warnings(near),
        ["neighbor 10.0.0.1 fall-over bfd: `fall-over bfd` has no timers: the path is not watched"]
    );
}

#[test]
fn reverse_routes_are_said_in_every_form_of_the_reference() {
    let entry = |lines: &str| {
        let text = format!(
            "crypto map M 1 ipsec-isakmp\n match address 101\n{lines}access-list 101 permit ip any 10.0.0.0 0.255.255.255\n"
        );
        good(&text).crypto_maps["M"].entries[&1].clone()
    };
    let hop = [192, 0, 2, 9].into();
    for (line, permanent, remote_peer) in [
        (" reverse-route\n", false, None),
        (" reverse-route static\n", true, None),
        (" reverse-route remote-peer\n", false, Some(RemotePeer::Interface)),
        (" reverse-route remote-peer static\n", true, Some(RemotePeer::Interface)),
        (" reverse-route remote-peer 192.0.2.9\n", false, Some(RemotePeer::Hop(hop))),
        (" reverse-route remote-peer 192.0.2.9 gateway static\n", true, Some(RemotePeer::Gateway(hop))),
        (" reverse-route tag 7 static\n", true, None),
    ] {
        assert_eq!(entry(line).reverse_route, Some(ReverseRoute { permanent, remote_peer }), "{line}");
        assert_eq!(entry(&format!("{line} no reverse-route\n")).reverse_route, None);
    }
    let values = entry(" reverse-route tag 7\n set reverse-route distance 20\n");
    assert_eq!((values.reverse_tag, values.reverse_distance), (7, Some(20)));
    let none = entry(" set reverse-route tag 7\n set reverse-route distance 20\n no set reverse-route\n");
    assert_eq!((none.reverse_tag, none.reverse_distance), (0, None));
    let others = good(
        "crypto dynamic-map D 1\n reverse-route remote-peer 192.0.2.9 gateway\ncrypto ipsec profile P\n reverse-route\n set reverse-route tag 3\n",
    );
    assert!(others.dynamic_maps["D"][&1].reverse_route.is_some());
    assert_eq!(others.ipsec_profiles["P"].reverse_tag, 3);
    let any = "crypto map M 1 ipsec-isakmp\n match address 101\n reverse-route\naccess-list 101 permit ip 10.0.0.0 0.255.255.255 any\n";
    assert_eq!(fault(any).0, "reverse-route");
}

#[test]
fn interfaces_without_a_device_have_nothing_of_one() {
    let config = good(
        "ip vrf red\ninterface eth1\ninterface eth1.100\n encapsulation dot1Q 100\n ip vrf forwarding red\n \
         ip address 10.0.0.1 255.255.255.0\ninterface Loopback 0\n ip address 192.0.2.1 255.255.255.255\n\
         interface Tunnel7\n ip vrf forwarding red\n tunnel source 192.0.2.1\n tunnel destination 192.0.2.2\n tunnel key 7\n\
         interface Tunnel8\n tunnel source 2001:db8::1\n tunnel destination 2001:db8::2\n tunnel mode gre ipv6\n mpls ip\n",
    );
    assert_eq!(config.interfaces["eth1.100"].vlan, Some(100));
    assert!(config.interfaces["Loopback0"].loopback);
    let devices: Vec<_> =
        config.interfaces.iter().filter(|(_, it)| it.is_device()).map(|(name, _)| name).collect();
    assert_eq!(devices, ["eth1"]);
    let tunnel = config.interfaces["Tunnel7"].tunnel.as_ref().expect("a tunnel");
    assert_eq!((tunnel.mode, tunnel.key), (TunnelMode::Gre(base::Family::V4), Some(7)));
    let vlan = "interface eth1\ninterface eth1.5\n encapsulation dot1Q 5\n";
    let ends = " tunnel source 192.0.2.1\n tunnel destination 192.0.2.2\n";
    for (text, words) in [
        ("interface eth1\ninterface eth1.5\n".to_owned(), "interface eth1.5"),
        ("interface eth1.5\n encapsulation dot1Q 5\n".to_owned(), "encapsulation dot1Q 5"),
        ("interface eth1\n encapsulation dot1Q 5\n".to_owned(), "encapsulation dot1Q 5"),
        (format!("{vlan}interface eth1.6\n encapsulation dot1Q 5\n"), "encapsulation dot1Q 5"),
        (format!("{vlan} mtu 1400\n"), "mtu 1400"),
        ("interface Loopback0\n device eth3\n".to_owned(), "device eth3"),
        ("interface Loopback0\n mpls ip\n".to_owned(), "mpls ip"),
        (format!("interface Tunnel1\n{ends}interface Tunnel2\n{ends}"), "interface Tunnel2"),
        ("interface Tunnel1\n tunnel destination a.example\n".to_owned(), "tunnel destination a.example"),
        (
            "interface Tunnel1\n tunnel mode gre ipv6\n tunnel source 192.0.2.1\n".to_owned(),
            "tunnel source 192.0.2.1",
        ),
        ("interface Tunnel1\n tunnel mode ipsec ipv4\n tunnel key 5\n".to_owned(), "tunnel key 5"),
        (
            "crypto ipsec profile P\ninterface Tunnel1\n tunnel protection ipsec profile P\n".to_owned(),
            "tunnel protection ipsec profile P",
        ),
        (format!("dataplane linux\ninterface Tunnel1\n{ends}"), "interface Tunnel1"),
    ] {
        assert_eq!(fault(&text).0, words, "{text}");
    }
    good("interface eth1.5\n device eth1.5\n");
    good(&format!("dataplane linux\n{vlan}"));
}

#[test]
fn a_tunnel_of_labels_in_udp_has_no_key_and_needs_labels() {
    let ends = " tunnel source 192.0.2.1\n tunnel destination 192.0.2.2\n";
    let udp = format!("{ends} tunnel mode mpls udp ip\n");
    let six =
        " tunnel source 2001:db8::1\n tunnel destination 2001:db8::2\n tunnel mode mpls udp ipv6\n mpls ip\n";
    let text = format!(
        "interface Tunnel1\n{udp} mpls ip\ninterface Tunnel2\n{six}interface Tunnel3\n{ends} tunnel mode gre ip\n"
    );
    let config = good(&text);
    let mode = |name: &str| config.interfaces[name].tunnel.as_ref().expect("a tunnel").mode;
    assert_eq!(mode("Tunnel1"), TunnelMode::MplsUdp(base::Family::V4));
    assert_eq!(mode("Tunnel2"), TunnelMode::MplsUdp(base::Family::V6));
    let printed = print(&config);
    assert!(
        printed.contains(" tunnel mode mpls udp ip\n") && printed.contains(" tunnel mode mpls udp ipv6\n")
    );
    let warned = warnings(&format!("interface Tunnel1\n{udp}"));
    assert!(matches!(&warned[..], [warning] if warning.contains("it needs `mpls ip`")), "{warned:?}");
    let cases = [
        (format!("interface Tunnel1\n{udp} mpls ip\n tunnel key 7\n"), "tunnel key 7"),
        (
            format!("interface Tunnel1\n{udp} mpls ip\ninterface Tunnel2\n{udp} mpls ip\n"),
            "interface Tunnel2",
        ),
        (
            "interface Tunnel1\n tunnel mode mpls udp ip\n tunnel destination a.example\n".to_owned(),
            "tunnel destination a.example",
        ),
        (
            "interface Tunnel1\n tunnel mode mpls udp ip\n tunnel source 2001:db8::1\n".to_owned(),
            "tunnel source 2001:db8::1",
        ),
        (
            format!(
                "crypto ipsec profile P\ninterface Tunnel1\n{udp} mpls ip\n tunnel protection ipsec profile P\n"
            ),
            "tunnel protection ipsec profile P",
        ),
        (format!("dataplane linux\ninterface Tunnel1\n{udp} mpls ip\n"), "interface Tunnel1"),
    ];
    for (text, words) in cases {
        assert_eq!(fault(&text).0, words, "{text}");
    }
}

#[test]
fn a_password_of_type_6_is_opened_and_printed_sealed() {
    let text = "password encryption aes\nrouter bgp 1\n bgp router-id 1.1.1.1\n neighbor 10.0.0.1 remote-as 2\n \
                neighbor 10.0.0.1 password 6 XYZ\nmpls ldp router-id 1.1.1.1\nmpls ldp neighbor 1.1.1.2 password 6 XYZ\n";
    let open = |sealed: &str| Ok(base::Secret::from(format!("opened {sealed}").into_bytes()));
    let parsed = config::parse_with(text, &open).unwrap_or_else(|it| panic!("{}", report("test", text, &it)));
    let password = sessions(&parsed.config)[0].neighbor.password.clone();
    assert!(password.is_some_and(|it| it.expose() == b"opened XYZ"));
    let printed = config::print_sealed(&parsed.config, &mut |_| "SEALED".to_owned());
    assert_eq!(printed.matches("password 6 SEALED").count(), 2, "{printed}");
    assert!(parse(text).is_err());
}
