//! The report that an operator reads: every fault in one run, each in its place.

use config::{parse, report};

const BAD: &str = "\
hostname pe1
interfcae Ethernet1/1
 ip address 10.0.0.1 255.255.255.0
interface Ethernet1/2
 ip address 10.0.0.1 255.0.255.0
 crypto map nowhere
crypto isakmp policy 10
 authentication pre
 encryption aes
 group 3
crypto isakmp key s3cret adress 10.0.0.2
crypto ipsec transform-set T esp-aes ah-sha-hmac
";

#[test]
fn every_fault_is_reported_in_one_run_underlined_and_with_a_hint() {
    let findings = parse(BAD).err().unwrap();
    assert_eq!(report("pe.conf", BAD, &findings), include_str!("golden/faults.txt"));
}

const ROUTING: &str = "\
vrf definition red
 address-family ipv4
  import map NOWHERE
interface eth1.5
interface Loopback0
 mpls ip
ip prefix-list A permit 10.0.0.0/8 ge 24 le 16
router ospf 1
router bgp 65000
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 password 7 s3cret
 neighbor 10.0.0.1 route-reflector-client
 neighbor 10.0.0.2 shutdown
 aggregate-address 10.0.0.0 255.0.0.0
 address-family vpnv4
  neighbor 10.0.0.1 remote-as 65001
  neighbor 10.0.0.1 activte
 address-family ipv4 vrf blue
  redistribute ospf 1
mpls ldp router-id Loopback1
mpls ldp igp sync holddown 5
crypto map M 10 ipsec-isakmp
 reverse-route
 match address 101
access-list 101 permit ip any any
";

#[test]
fn so_is_every_fault_of_routing() {
    let findings = parse(ROUTING).err().unwrap();
    assert_eq!(report("pe.conf", ROUTING, &findings), include_str!("golden/routing.txt"));
}

#[test]
fn a_report_shows_no_key() {
    let text = "crypto isakmp key s3cret 10.0.0.2\ncrypto isakmp key two s3cret address 10.0.0.1\n";
    let findings = parse(text).err().unwrap();
    let shown = report("f", text, &findings);
    assert!(findings.len() == 2 && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_file_that_is_no_text_is_refused_with_the_place() {
    assert_eq!(config::text(b"hostname a\n".to_vec()), Ok("hostname a\n".to_owned()));
    let fault = config::text(b"hostname a\n desc\xe9 x\n".to_vec()).unwrap_err();
    assert!(fault.starts_with("line 2, column 6:"), "{fault}");
}

#[test]
fn the_first_and_the_last_address_of_a_network_are_no_hosts() {
    let with = |address: &str| parse(&format!("interface Gi0\n ip address {address}\n"));
    for wrong in ["10.0.0.0 255.255.255.0", "10.0.0.255 255.255.255.0"] {
        let findings = with(wrong).err().unwrap_or_default();
        assert!(
            findings.iter().any(|finding| finding.message.contains("not the address of a host")),
            "{wrong}"
        );
    }
    for right in ["10.0.0.0 255.255.255.254", "10.0.0.1 255.255.255.255", "10.0.0.1 255.255.255.252"] {
        assert!(with(right).is_ok(), "{right}");
    }
}

#[test]
fn the_peer_that_is_wrong_is_underlined_not_the_last() {
    let text = "crypto map m 10 ipsec-isakmp\n set peer 192.0.2.1\n set peer 192.0.2.2\n";
    let text = format!("{text}interface Gi0\n ip address 10.0.0.1 255.255.255.0\n crypto map m\n");
    let parsed = parse(&text).expect("warnings only");
    let warning =
        parsed.warnings.iter().find(|finding| finding.message.contains("no pre-shared key")).unwrap();
    assert_eq!(&text[warning.span.clone()], "set peer 192.0.2.1");
}
