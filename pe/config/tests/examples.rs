//! Configurations as operators paste them.

use config::{Severity, parse, print, print_hidden, report};

/// The static one-box provider edge: two customers with equal inner networks on one public address.
const PE: &str = "\
ip vrf vpn1
 rd 100:1
 route-target export 100:1
 route-target import 100:1
!
ip vrf vpn2
 rd 101:1
 route-target export 101:1
 route-target import 101:1
!
crypto keyring vpn1
 pre-shared-key address 172.16.1.1 key vpn1
crypto keyring vpn2
 pre-shared-key address 10.1.1.1 key vpn2
!
crypto isakmp policy 1
 encr 3des
 authentication pre-share
 group 2
!
crypto isakmp profile vpn1
 vrf vpn1
 keyring vpn1
 match identity address 172.16.1.1 255.255.255.255
!
crypto isakmp profile vpn2
 vrf vpn2
 keyring vpn2
 match identity address 10.1.1.1 255.255.255.255
!
crypto ipsec transform-set vpn1 esp-3des esp-sha-hmac
crypto ipsec transform-set vpn2 esp-3des esp-md5-hmac
!
crypto map crypmap 1 ipsec-isakmp
  set peer 172.16.1.1
  set transform-set vpn1
  set isakmp-profile vpn1
  match address 101
crypto map crypmap 3 ipsec-isakmp
  set peer 10.1.1.1
  set transform-set vpn2
  set isakmp-profile vpn2
  match address 102
!
interface Ethernet1/1
  ip address 172.17.1.1 255.255.0.0
  tag-switching ip
!
interface Ethernet1/2
  ip address 172.18.1.1 255.255.255.0
  crypto map crypmap
!
ip route 172.16.1.1 255.255.255.255 172.18.1.2
ip route 10.1.1.1 255.255.255.255 172.18.1.2
ip route vrf vpn1 10.2.0.0 255.255.0.0 172.18.1.2 global
ip route vrf vpn2 10.2.0.0 255.255.0.0 172.18.1.2 global
!
access-list 101 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
access-list 102 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
";

const CPE: &str = "\
crypto isakmp policy 1
 encr 3des
 authentication pre-share
 group 2
crypto isakmp key vpn2 address 172.18.1.1
crypto ipsec transform-set vpn2 esp-3des esp-md5-hmac
crypto map vpn2 1 ipsec-isakmp
 set peer 172.18.1.1
 set transform-set vpn2
 match address 101
interface FastEthernet0
 ip address 10.1.1.1 255.255.255.0
 crypto map vpn2
";

/// Front VRFs, with the indentation lost on the way.
const FRONT: &str = "\
ip vrf VPN1
rd 1:1
ip vrf VPN2
rd 2:2
crypto keyring VPN1-KEYS vrf VPN1
pre-shared-key address 172.21.25.74 key VPN1
!
crypto keyring VPN2-KEYS vrf VPN2
pre-shared-key address 172.21.21.74 key VPN2
!
crypto isakmp policy 10
authentication pre-share
crypto ipsec transform-set VPN1 esp-des esp-sha-hmac
crypto ipsec transform-set VPN2 esp-3des esp-sha-hmac
!
crypto map VPN1 10 ipsec-isakmp
set peer 172.21.25.74
set transform-set VPN1
match address 101
!
crypto map VPN2 10 ipsec-isakmp
set peer 172.21.21.74
set transform-set VPN2
match address 102
!
interface FastEthernet0/0
interface FastEthernet0/0.1
encapsulation dot1Q 1
ip vrf forwarding VPN1
ip address 172.21.25.73 255.255.255.0
crypto map VPN1
!
interface FastEthernet0/0.2
encapsulation dot1Q 2
ip vrf forwarding VPN2
ip address 172.21.21.73 255.255.255.0
crypto map VPN2
access-list 101 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
access-list 102 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
";

fn good(text: &str) -> config::Parsed {
    parse(text).unwrap_or_else(|findings| panic!("{}", report("test", text, &findings)))
}

#[test]
fn the_classic_provider_edge_is_understood_as_it_is_pasted() {
    let parsed = good(PE);
    let config = &parsed.config;
    assert_eq!(config.vrfs.len(), 2);
    assert_eq!(config.keyrings.len(), 2);
    assert!(config.interfaces["Ethernet1/1"].mpls);
    assert_eq!(config.interfaces["Ethernet1/2"].crypto_map.as_deref(), Some("crypmap"));
    let map = &config.crypto_maps["crypmap"];
    assert_eq!(map.entries.keys().copied().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(map.entries[&3].profile.as_deref(), Some("vpn2"));
    assert_eq!(config.routes.iter().filter(|route| route.vrf.is_some()).count(), 2);
    assert_eq!(config.access_lists["101"].rules, config.access_lists["102"].rules);
    assert!(parsed.warnings.iter().all(|finding| finding.severity == Severity::Warning));
    assert!(parsed.warnings.iter().any(|finding| &PE[finding.span.clone()] == "encr 3des"));
}

#[test]
fn what_is_printed_reads_back_the_same() {
    for text in [PE, CPE, FRONT] {
        let config = good(text).config;
        let printed = print(&config);
        assert!(good(&printed).config == config, "{printed}");
        assert_eq!(print(&good(&printed).config), printed);
    }
}

#[test]
fn a_printed_configuration_looks_like_ios() {
    assert_eq!(print(&good(PE).config), include_str!("golden/pe.conf"));
}

#[test]
fn an_access_list_that_does_not_exist_yet_is_only_a_doubt() {
    let warnings = good(CPE).warnings;
    assert!(warnings.iter().any(|finding| finding.message.contains("no access list `101`")));
}

#[test]
fn lost_indentation_changes_nothing() {
    let flat: String = PE.lines().map(|line| format!("{}\n", line.trim())).collect();
    assert!(good(&flat).config == good(PE).config);
    let front = good(FRONT).config;
    assert_eq!(front.interfaces["FastEthernet0/0.2"].vrf.as_deref(), Some("VPN2"));
    assert_eq!(front.keyrings[1].vrf.as_deref(), Some("VPN2"));
}

#[test]
fn a_sub_interface_needs_its_encapsulation_and_no_native_vlan() {
    let errors = |text: &str| {
        let findings = parse(text).err().unwrap_or_default();
        findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect::<Vec<_>>()
    };
    let bare = errors(&FRONT.replace("encapsulation dot1Q 1\n", ""));
    assert_eq!(bare.len(), 1);
    assert!(
        bare[0].message.contains("no encapsulation") && bare[0].help.contains("dot1Q"),
        "{}",
        bare[0].message
    );
    let native = errors(&FRONT.replace("dot1Q 1", "dot1Q 1 native"));
    assert!(native.iter().any(|it| it.message.contains("native")), "{native:?}");
}

#[test]
fn hidden_printing_shows_no_secret() {
    let text =
        "crypto isakmp key Zq9 address 10.0.0.1\ncrypto keyring K\npre-shared-key address 10.0.0.2 key Zq9\n";
    let config = good(text).config;
    assert!(print(&config).contains("Zq9"));
    let hidden = print_hidden(&config);
    assert!(!hidden.contains("Zq9") && hidden.contains("key <hidden>"), "{hidden}");
}
