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

#[test]
fn a_report_shows_no_key() {
    let text = "crypto isakmp key s3cret 10.0.0.2\ncrypto isakmp key two s3cret address 10.0.0.1\n";
    let findings = parse(text).err().unwrap();
    let shown = report("f", text, &findings);
    assert!(findings.len() == 2 && !shown.contains("s3cret"), "{shown}");
}
