//! How lines are understood: abbreviations, `no` forms, levels, IPv6 forms, and what is refused.

use config::model::{AclAddress, Binding, PortMatch, RouteHop, Volume, VrfStyle};
use config::{Config, Finding, Severity, parse, print, report};

fn good(text: &str) -> Config {
    let parsed = parse(text).unwrap_or_else(|findings| panic!("{}", report("test", text, &findings)));
    let printed = print(&parsed.config);
    let again =
        parse(&printed).unwrap_or_else(|findings| panic!("{}", report("printed", &printed, &findings)));
    assert!(again.config == parsed.config, "{printed}");
    parsed.config
}

fn errors(text: &str) -> Vec<Finding> {
    let findings = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
    findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect()
}

fn warnings(text: &str) -> Vec<String> {
    let parsed = parse(text).unwrap_or_else(|findings| panic!("{}", report("test", text, &findings)));
    parsed
        .warnings
        .into_iter()
        .map(|finding| format!("{}: {}", &text[finding.span], finding.message))
        .collect()
}

/// The only error, as the words underlined, the message and the hint.
fn fault(text: &str) -> (String, String, String) {
    let errors = errors(text);
    assert_eq!(errors.len(), 1, "{}", report("test", text, &errors));
    (text[errors[0].span.clone()].to_owned(), errors[0].message.clone(), errors[0].help.clone())
}

#[test]
fn any_unambiguous_abbreviation_in_any_case_will_do() {
    let long = "interface Ethernet1/1\n ip address 10.0.0.1 255.255.255.0 secondary\n mpls ip\n";
    let short = "INT e1/1\n ip addr 10.0.0.1 255.255.255.0 SEC\n tag ip\n";
    assert!(good(long) == good(short));
    let long = "crypto isakmp policy 10\n encryption aes 256\n authentication pre-share\n group 14\n";
    assert!(good(long) == good("cry isa pol 10\nencr aes 256\nauth pre\ngr 14\n"));
}

#[test]
fn an_ambiguous_word_is_refused_with_its_candidates() {
    let (words, message, help) = fault("crypto isakmp policy 1\n authentication rsa\n");
    assert_eq!((words.as_str(), message.as_str()), ("rsa", "`rsa` is ambiguous"));
    assert!(help.contains("rsa-sig, rsa-encr"), "{help}");
}

#[test]
fn a_name_may_look_like_a_keyword() {
    let config = good("crypto map ipv6 10 ipsec-isakmp\ncrypto map i 7 ipsec-isakmp\n");
    assert!(config.crypto_maps.contains_key("ipv6") && config.crypto_maps.contains_key("i"));
}

#[test]
fn no_forms_undo_and_are_harmless_when_there_is_nothing_to_undo() {
    let set = "hostname pe1\ninterface eth1\n description x\n ip address 10.0.0.1 255.0.0.0\n ip mtu 1400\n mpls ip\n shutdown\n";
    let unset = "interface eth1\n no description\n no ip address\n no ip mtu\n no tag-switching ip\n no shut\nno hostname\n";
    assert!(good(&format!("{set}{unset}")) == good("interface eth1\n"));
    assert!(good(unset) == good("interface eth1\n"));
    let routes = "ip route 10.0.0.0 255.0.0.0 1.1.1.1\nip route 10.0.0.0 255.0.0.0 1.1.1.2\n";
    assert_eq!(good(&format!("{routes}no ip route 10.0.0.0 255.0.0.0 1.1.1.2")).routes.len(), 1);
    assert!(good(&format!("{routes}no ip route 10.0.0.0 255.0.0.0")).routes.is_empty());
    assert!(
        good("crypto map M 1 ipsec-isakmp\ncrypto map M 2 ipsec-isakmp\nno crypto map M\n")
            == Config::default()
    );
    assert!(!good("no mpls ip propagate-ttl\n").mpls.propagate_ttl);
    assert!(good("no ip source-route\n") == Config::default());
    assert!(good("no ip http server\nno service pad\n") == Config::default());
    assert_eq!(fault("no ip route\n").1, "incomplete command");
}

#[test]
fn what_is_always_in_force_can_be_said_but_not_taken_away() {
    let text = "version 12.2\nip cef\nip subnet-zero\nmpls ip\ncrypto isakmp invalid-spi-recovery\nend\n";
    assert!(good(text) == Config::default());
    assert_eq!(fault("no ip cef\n").1, "this is always in force");
}

#[test]
fn nothing_unsupported_passes_in_silence() {
    for (line, word) in [
        ("crypto ipsec transform-set T ah-sha-hmac esp-aes", "ah-sha-hmac"),
        ("crypto ipsec transform-set T esp-aes comp-lzs", "comp-lzs"),
        ("crypto map M 10 ipsec-manual", "ipsec-manual"),
        ("crypto isakmp policy 10\n authentication rsa-encr", "rsa-encr"),
        ("crypto isakmp peer hostname a.example", "hostname"),
        ("crypto ikev2 http-url cert", "crypto ikev2 http-url"),
        ("crypto ikev2 certificate-cache 500", "crypto ikev2 certificate-cache"),
        ("crypto ikev2 redirect client max-redirects 3", "crypto ikev2 redirect client"),
        ("crypto ikev2 profile P\n authentication remote eap query-identity", "eap"),
        ("crypto ikev2 profile P\n match address local interface eth0", "match address local interface"),
        ("crypto map M 10 ipsec-isakmp dynamic D discover", "discover"),
        ("crypto dynamic-map D 10\n set peer 10.0.0.1", "set peer"),
        ("crypto pki trustpoint CA\n enrollment url http://ca.example", "enrollment"),
        ("crypto pki authenticate CA", "crypto pki authenticate"),
        ("crypto ca certificate chain CA", "crypto ca certificate chain"),
        ("key config-key password-encryption abc", "key config-key"),
        ("call admission load 100 1", "call admission load"),
        ("access-list 10 permit any", "access-list 10"),
        ("access-list 101 permit tcp any any established", "established"),
        ("access-list 101 permit tcp any any eq www log", "log"),
        ("access-list 101 permit tcp any any log-input", "log-input"),
        ("ip access-list extended T\n 10 deny ip any any log cookie", "log"),
        ("ipv6 access-list T\n permit ipv6 any any log", "log"),
        ("ip source-route", "ip source-route"),
        ("mpls label protocol tdp", "mpls label protocol"),
        ("router ospf 1", "router"),
    ] {
        let (_, message, help) = fault(line);
        assert!(message.contains(word) && message.ends_with("is not supported"), "{line}: {message}");
        assert!(!help.is_empty());
    }
    assert!(fault("interface eth0\n tunnel source eth1\n").1.contains("no tunnel"));
    assert!(fault("interface Dialer0\n ip address 10.0.0.1 255.255.255.255\n").1.contains("Dialer"));
}

#[test]
fn a_tunnel_interface_has_tunnel_lines_and_nothing_of_a_device() {
    let tunnel = |lines: &str| format!("interface tunnel 0\n tunnel source 10.0.0.1\n{lines}");
    let config = good(&tunnel(" tunnel destination a.example\n tunnel mode ipsec ipv4\n"));
    assert!(config.interfaces["Tunnel0"].tunnel.as_ref().is_some_and(|it| it.source.is_some()));
    assert!(good(&tunnel(" no tunnel source\n")) == good("interface Tunnel0\n"));
    assert_eq!(fault(&tunnel(" mtu 1400\n")).0, "mtu 1400");
    assert_eq!(fault(&tunnel(" tunnel mode ipsec ipv6\n")).0, "tunnel source 10.0.0.1");
    let ipsec = " tunnel mode ipsec ipv4\n";
    let inside =
        "crypto ikev2 profile Q\n ivrf red\nip vrf red\ncrypto ipsec profile P\n set ikev2-profile Q\n";
    let bound = tunnel(&format!("{ipsec} tunnel protection ipsec profile P\n"));
    assert_eq!(fault(&format!("{inside}{bound}")).1, "the profile names an inside VRF");
    assert!(warnings(&tunnel(ipsec))[0].contains("`tunnel destination`, `tunnel protection ipsec profile`"));
    assert!(fault(&tunnel(" tunnel mode mpls traffic-eng\n")).1.ends_with("is not supported"));
}

#[test]
fn a_line_of_another_level_is_told_where_it_stands() {
    assert_eq!(fault("set peer 10.0.0.1\n").2, "it stands under `crypto map NAME SEQ ipsec-isakmp`");
}

#[test]
fn ipv6_has_its_own_forms() {
    let text = "\
vrf definition red
 rd 65000:1
 address-family ipv4
  route-target both 65000:1
 exit-address-family
 address-family ipv6
  route-target import 65000:2
 exit-address-family
interface eth1
 ipv6 address 2001:db8::1/64
 ipv6 crypto map SIX
interface eth2
 vrf forwarding red
 ip address 10.0.0.1 255.255.255.0
 ipv6 address 2001:db8:1::1/64
 ipv6 address fe80::1/64
ipv6 route ::/0 2001:db8::2
ipv6 route vrf red 2001:db8:2::/48 2001:db8::3 nexthop-vrf default 20
crypto keyring K
 pre-shared-key address ipv6 2001:db8:9::/48 key six
crypto isakmp policy 10
 authentication pre-share
crypto isakmp profile P
 vrf red
 keyring K
 match identity address ipv6 2001:db8:9::/48 red
crypto ipsec transform-set T esp-gcm 256
crypto map ipv6 SIX 10 ipsec-isakmp
 set peer 2001:db8:9::1
 set transform-set T
 set isakmp-profile P
 match address SIXTRAFFIC
ipv6 access-list SIXTRAFFIC
 permit tcp 2001:db8:1::/64 eq www host 2001:db8:2::9
 sequence 5 deny ipv6 any 2001:db8:3::/48
mpls static binding ipv6 vrf red 2001:db8:1::/64 input 17
";
    let config = good(text);
    let red = &config.vrfs["red"];
    assert_eq!(red.style, VrfStyle::Definition);
    assert_eq!(red.ipv4.as_ref().unwrap().export.len(), 1);
    assert_eq!(red.ipv6.as_ref().unwrap().import.len(), 1);
    assert!(matches!(config.routes[1].target, RouteHop::GlobalGateway(_)));
    assert_eq!(config.routes[1].distance, 20);
    assert!(config.crypto_maps["SIX"].ipv6);
    let rules = &config.access_lists["SIXTRAFFIC"].rules;
    assert!(!rules[0].permit && rules[1].source_ports == PortMatch::Eq(80));
    assert_eq!(config.interfaces["eth2"].addresses.len(), 3);
    assert!(matches!(config.mpls.bindings[0].direction, Binding::Input(label) if label.value() == 17));
}

#[test]
fn access_lists_become_the_selectors_they_mean() {
    let config = good(
        "ip access-list extended T\n 20 permit udp host 10.0.0.1 any neq isakmp\n 10 permit ip 10.0.0.0 0.0.5.255 any\n remark nothing\n",
    );
    let rules = &config.access_lists["T"].rules;
    assert!(matches!(rules[0].source, AclAddress::Wildcard(0x0A00_0000, 0x0000_05FF)));
    assert_eq!(rules[0].rules.len(), 4 / 2);
    let ports: Vec<_> = rules[1].rules.iter().map(|rule| rule.selector.remote_ports).collect();
    assert_eq!(ports.iter().map(|p| (p.first, p.last)).collect::<Vec<_>>(), [(0, 499), (501, 65535)]);
}

#[test]
fn access_list_lines_that_mean_nothing_or_too_much_are_refused() {
    assert_eq!(fault("access-list 101 permit ip any eq 80 any\n").0, "eq 80");
    assert_eq!(fault("access-list 101 permit udp any any lt 0\n").0, "lt 0");
    assert_eq!(fault("access-list 101 permit udp any any range 9 7\n").0, "range 9 7");
    assert_eq!(fault("access-list 101 permit ip 0.0.0.0 255.255.0.1 any\n").0, "0.0.0.0 255.255.0.1");
    let twice = "ip access-list extended T\n 10 permit ip any any\n 10 deny ip any any\n";
    assert_eq!(fault(twice).0, "10");
}

#[test]
fn changing_the_vrf_of_an_interface_takes_its_addresses() {
    let text = "ip vrf red\nrd 1:1\ninterface eth1\n ip address 10.0.0.1 255.0.0.0\n ip vrf forwarding red\n";
    assert!(good(text).interfaces["eth1"].addresses.is_empty());
    assert_eq!(warnings(text), ["ip vrf forwarding red: the interface changes its VRF and loses 10.0.0.1/8"]);
}

#[test]
fn weak_algorithms_are_named_whether_written_or_left_to_the_default() {
    let warned = warnings("crypto isakmp policy 10\n hash md5\n");
    assert_eq!(
        warned,
        [
            "crypto isakmp policy 10: DES, IOS's default where none is written, is weak",
            "crypto isakmp policy 10: Diffie-Hellman group 1, IOS's default where none is written, is weak",
            "crypto isakmp policy 10: rsa-sig, IOS's default, needs a certificate of ours: the policy is not used",
            "hash md5: MD5 is weak",
        ]
    );
    assert_eq!(warnings("crypto isakmp policy 10\n encr aes\n auth pre\n gr 14\n"), Vec::<String>::new());
    assert_eq!(warnings("crypto ipsec transform-set T esp-des esp-md5-hmac\n").len(), 1);
    assert_eq!(warnings("crypto ipsec transform-set T esp-gcm\n").len(), 0);
}

#[test]
fn a_transform_set_makes_a_legal_suite_or_is_refused() {
    for bad in ["esp-aes", "esp-gcm esp-sha-hmac", "esp-aes esp-3des esp-sha-hmac", "esp-sha-hmac"] {
        assert_eq!(errors(&format!("crypto ipsec transform-set T {bad}\n")).len(), 1, "{bad}");
    }
    let config = good("crypto ipsec transform-set T esp-sha512 esp-aes 192\n mode tunnel\n");
    assert_eq!(config.transform_sets["T"].suite.to_string(), "esp-aes 192 esp-sha512-hmac");
}

#[test]
fn every_name_used_must_exist() {
    let text = "\
interface eth1
 ip vrf forwarding nowhere
 crypto map NONE
ip route vrf lost 10.0.0.0 255.0.0.0 eth9
crypto isakmp profile P
 keyring K
 match identity address 10.0.0.1 front
";
    let names: Vec<_> = errors(text).into_iter().map(|finding| text[finding.span].to_owned()).collect();
    assert_eq!(names, ["nowhere", "NONE", "lost", "eth9", "K", "front"]);
}

#[test]
fn contradictions_are_refused() {
    let overlap =
        "interface a\n ip address 10.0.0.1 255.255.0.0\ninterface b\n ip address 10.0.1.1 255.255.255.0\n";
    assert_eq!(fault(overlap).0, "ip address 10.0.1.1 255.255.255.0");
    let apart = "ip vrf red\ninterface a\n ip address 10.0.0.1 255.0.0.0\ninterface b\n ip vrf forwarding red\n ip address 10.0.0.1 255.0.0.0\n";
    good(apart);
    assert_eq!(fault("ip vrf a\n rd 1:1\nip vrf b\n rd 1:1\n").0, "rd 1:1");
    assert_eq!(fault("ip route 10.0.0.1 255.255.255.0 1.1.1.1\n").0, "10.0.0.1");
    assert!(fault("ip vrf a\n address-family ipv6\n").2.contains("vrf definition"));
    assert!(
        fault("vrf definition a\ninterface e\n vrf forwarding a\n ip address 10.0.0.1 255.0.0.0\n")
            .1
            .contains("family")
    );
    let labels = "mpls static binding ipv4 10.0.0.0 255.0.0.0 input 16\nmpls static binding ipv4 11.0.0.0 255.0.0.0 16\n";
    assert!(fault(labels).1.contains("label 16"));
    let kept = "mpls label range 100 200\nmpls static binding ipv4 10.0.0.0 255.0.0.0 input 200\n";
    assert!(fault(kept).1.contains("label 200 lies in"));
    good(&kept.replace("input 200", "input 201"));
    assert!(fault("crypto isakmp identity hostname\n").2.contains("hostname NAME"));
}

#[test]
fn numbers_out_of_range_and_half_a_command_say_what_was_expected() {
    assert_eq!(fault("crypto isakmp policy 20000\n").2, "expected a number from 1 to 10000");
    let (words, message, help) = fault("interface eth1\n ip address 10.0.0.1\n");
    assert_eq!(words, "ip address 10.0.0.1");
    assert_eq!(message, "incomplete command");
    assert!(help.contains("a network mask"), "{help}");
    assert_eq!(fault("interface eth1\n shutdown now\n").2, "the command ends before it");
    assert_eq!(fault("interfcae eth1\n ip address 10.0.0.1 255.0.0.0\n").2, "did you mean `interface`?");
}

#[test]
fn the_rest_of_the_language_reads_back() {
    let config = good(
        "\
hostname pe1.example.net
crypto isakmp identity hostname
crypto isakmp nat keepalive 30
crypto isakmp default policy
crypto isakmp key 0 wide address 10.0.0.0 255.0.0.0 no-xauth
crypto isakmp key k address ipv6 2001:db8::/32
crypto isakmp policy 10
 encryption aes 192
 hash sha384
 authentication pre-share
 group 19
 lifetime 3600
crypto isakmp profile P
 description of a kind
 self-identity fqdn
 match identity host a.example
 match identity host domain example
 match identity user u@example
 match identity user domain example
 match identity group g
 match identity address 10.1.0.0 255.255.0.0
crypto ipsec security-association lifetime seconds 1800
crypto ipsec security-association lifetime kilobytes disable
crypto ipsec security-association replay window-size 1024
crypto ipsec df-bit clear
crypto ipsec fragmentation after-encryption
crypto ipsec transform-set A esp-null esp-sha256-hmac
crypto ipsec transform-set B esp-aes 256 esp-sha384-hmac
crypto map M isakmp-profile P
crypto map M 10 ipsec-isakmp
 description first  of   two
 set peer 10.0.0.1
 set peer 10.0.0.2 default
 set transform-set A B
 set pfs
 set security-association lifetime seconds 120
 set security-association lifetime kilobytes disable
 set security-association replay disable
 match address 101
access-list 101 deny 47 any host 10.0.0.9
access-list 101 permit tcp any range 1 9 10.0.0.0 0.255.255.255 gt 1023
interface eth0
 device ens3
 ip address 192.0.2.1 255.255.255.0
 ip address 192.0.3.1 255.255.255.0 secondary
 mtu 9000
 ip mtu 8000
 crypto map M
 crypto ipsec df-bit set
 crypto ipsec fragmentation before-encryption
ip route 10.9.0.0 255.255.0.0 eth0 192.0.2.9 200 tag 7 name far
ip route 10.10.0.0 255.255.0.0 Null 0
mpls label range 1000 2000
mpls static binding ipv4 10.0.0.0 255.0.0.0 output 192.0.2.2 implicit-null
",
    );
    let entry = &config.crypto_maps["M"].entries[&10];
    assert_eq!(entry.addresses().next().unwrap().to_string(), "10.0.0.2");
    assert!(entry.prefers_first);
    assert_eq!(entry.kilobytes, Some(Volume::Disable));
    assert_eq!(entry.description.as_deref(), Some("first  of   two"));
    assert_eq!(entry.replay_window, Some(0));
    assert_eq!(config.profiles[0].matches.len(), 6);
    assert!(matches!(&config.routes[1].target, RouteHop::Null));
    assert_eq!(config.routes[0].name.as_deref(), Some("far"));
    assert_eq!((config.interfaces["eth0"].mtu, config.interfaces["eth0"].ip_mtu), (Some(9000), Some(8000)));
}

#[test]
fn what_is_left_of_an_object_after_its_no_forms_reads_back() {
    let map = "crypto isakmp profile P\ncrypto map M isakmp-profile P\n";
    assert!(good(&format!("{map}no crypto map M isakmp-profile P\n")).crypto_maps.is_empty());
    assert!(good("ip vrf red\n no address-family ipv4\n").vrfs["red"].ipv4.is_some());
    assert!(
        good("access-list 101 permit ip any any\nno access-list 101 permit ip any any\n").access_lists["101"]
            .rules
            .is_empty()
    );
    let limits =
        " set security-association lifetime seconds 900\n set security-association lifetime kilobytes 9000\n";
    let entry = |no: &str| {
        good(&format!("crypto map M 1 ipsec-isakmp\n{limits}{no}")).crypto_maps["M"].entries[&1].clone()
    };
    assert_eq!(entry(" no set security-association lifetime\n").seconds, None);
    assert_eq!(
        entry(" no set security-association lifetime seconds 900\n").kilobytes,
        Some(Volume::Kilobytes(9000))
    );
}

#[test]
fn a_peer_without_a_key_in_its_front_vrf_is_pointed_out() {
    let rest = "\
crypto isakmp policy 1
 encr aes
 auth pre
 group 14
ip vrf front
crypto ipsec transform-set T esp-gcm
crypto map M 1 ipsec-isakmp
 set peer 192.0.2.1
 set transform-set T
 match address 101
access-list 101 permit ip any any
interface e
 ip vrf forwarding front
 ip address 192.0.2.9 255.255.255.0
 crypto map M
";
    let global = format!("crypto isakmp key k address 0.0.0.0 0.0.0.0\n{rest}");
    assert_eq!(warnings(&global), ["set peer 192.0.2.1: no pre-shared key for peer 192.0.2.1"]);
    let ring =
        format!("crypto keyring K vrf front\n pre-shared-key address 192.0.2.0 255.255.255.0 key k\n{rest}");
    assert_eq!(warnings(&ring), Vec::<String>::new());
    let other = format!("crypto keyring K\n pre-shared-key address 192.0.2.0 255.255.255.0 key k\n{rest}");
    assert_eq!(warnings(&other).len(), 1);
}

#[test]
fn a_key_of_a_ring_that_another_profile_names_is_none() {
    let rest = "\
crypto isakmp profile P
 keyring default
 keyring K
 match identity address 192.0.2.1
crypto ipsec transform-set T esp-gcm
crypto map M 1 ipsec-isakmp
 set peer 192.0.2.1
 set transform-set T
 match address 101
access-list 101 permit ip any any
interface e
 ip address 192.0.2.9 255.255.255.0
 crypto map M
";
    let policy = "crypto isakmp policy 1\n encr aes\n auth pre\n group 14\n";
    let bare = ["set peer 192.0.2.1: no pre-shared key for peer 192.0.2.1"];
    let ring = "crypto keyring K\n pre-shared-key address 192.0.2.1 key k\n";
    let global = "crypto keyring K\ncrypto isakmp key k address 192.0.2.1\n";
    for keys in [ring, global] {
        let text = format!("{policy}{keys}{rest}");
        assert_eq!(warnings(&text), bare);
        let named = format!("{text}crypto map M 1\n set isakmp-profile P\n");
        assert_eq!(warnings(&named), Vec::<String>::new());
        let free = format!("{text}crypto isakmp profile P\n no keyring\n");
        assert_eq!(warnings(&free), Vec::<String>::new());
    }
}

#[test]
fn the_ring_of_the_global_keys_can_be_named_but_not_made() {
    let config = good("crypto isakmp profile P\n keyring default\n match identity group g\n");
    assert_eq!(config.profiles[0].keyrings, ["default"]);
    let (words, _, help) = fault("crypto keyring default\n");
    assert_eq!(words, "default");
    assert!(help.contains("crypto isakmp key"), "{help}");
}

#[test]
fn reserved_labels_mean_what_their_family_says_or_are_refused() {
    let out = |binding: &str, label: &str| {
        let config = good(&format!("mpls static binding {binding} output 192.0.2.2 {label}\n"));
        let Binding::Output { label, .. } = config.mpls.bindings[0].direction else { panic!("not out") };
        label.value()
    };
    let (four, six) = ("ipv4 10.0.0.0 255.0.0.0", "ipv6 2001:db8::/32");
    for (label, means4, means6) in
        [("explicit-null", 0, 2), ("implicit-null", 3, 3), ("3", 3, 3), ("16", 16, 16)]
    {
        assert_eq!((out(four, label), out(six, label)), (means4, means6), "{label}");
    }
    assert_eq!((out(four, "0"), out(six, "2")), (0, 2));
    let refused = |binding: &str, what: &str| {
        let (words, message, help) = fault(&format!("mpls static binding {binding} {what}\n"));
        assert!(message.contains("reserved") && help.contains("16 to 1048575"), "{message}: {help}");
        assert!(what.ends_with(&words), "{words}");
    };
    for label in [1, 4, 7, 15] {
        refused(four, &format!("output 192.0.2.2 {label}"));
        refused(six, &format!("input {label}"));
    }
    refused(four, "output 192.0.2.2 2");
    refused(four, "input 3");
    refused(four, "explicit-null");
    let two = format!("mpls static binding {four} 17\nmpls static binding {four} output 192.0.2.2 18\n");
    assert_eq!(
        good(&format!("{two}no mpls static binding {four} output 192.0.2.2 18\n")).mpls.bindings.len(),
        1
    );
    assert!(good(&format!("{two}no mpls static binding {four}\n")).mpls.bindings.is_empty());
    assert!(
        fault(&format!("{two}no mpls static binding {four} output 192.0.2.2 5\n")).1.contains("reserved")
    );
}

#[test]
fn the_order_of_families_in_the_text_does_not_matter() {
    let six = "ipv6 route ::/0 2001:db8::1\ncrypto isakmp key six address ipv6 ::/0\nmpls static binding ipv6 ::/0 input 16\n";
    let four = "ip vrf red\nip route vrf red 0.0.0.0 0.0.0.0 192.0.2.1\ncrypto isakmp key four address 0.0.0.0 0.0.0.0\n\
                mpls static binding ipv4 vrf red 10.0.0.0 255.0.0.0 input 17\n";
    assert!(good(&format!("{six}{four}")) == good(&format!("{four}{six}")));
}
