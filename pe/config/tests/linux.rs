//! `dataplane linux`: how it is written, and what is refused with it.

use config::model::Backend;
use config::{Severity, parse, print};
use ipsec::Offload;

/// The words that are underlined and what is said of them, of the only error.
fn fault(text: &str) -> (&str, String) {
    let findings = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
    let errors: Vec<_> = findings.iter().filter(|it| it.severity == Severity::Error).collect();
    let [error] = errors[..] else { panic!("{findings:?}") };
    assert!(!error.help.is_empty());
    (&text[error.span.clone()], error.message.clone())
}

#[test]
fn the_dataplane_is_chosen_by_a_line_and_printed_where_it_is_not_the_default() {
    let chosen = |text| parse(text).unwrap_or_else(|it| panic!("{it:?}")).config;
    let linux = chosen("dataplane linux\n");
    assert_eq!(linux.dataplane, Backend::Linux);
    assert!(print(&linux).contains("dataplane linux\n"));
    for text in ["dataplane user\n", "dataplane linux\nno dataplane\n", ""] {
        assert_eq!(chosen(text).dataplane, Backend::User, "{text}");
        assert!(!print(&chosen(text)).contains("dataplane"));
    }
}

#[test]
fn what_the_kernel_cannot_do_is_refused_where_it_is_written() {
    let set = "crypto ipsec transform-set T esp-gcm\n";
    for (line, words) in [
        ("crypto ipsec df-bit set", "crypto ipsec df-bit set"),
        ("interface eth0\n crypto ipsec df-bit set", "crypto ipsec df-bit set"),
        (&format!("{set} mode transport"), "mode transport"),
        (
            "crypto ipsec security-association esn\ncrypto map M 10 ipsec-isakmp\n \
             set security-association replay disable",
            "set security-association replay disable",
        ),
        ("ip vrf red\ninterface eth0\n ip vrf forwarding red\n mpls ip", "mpls ip"),
        (
            "ipv6 access-list A\n permit ipv6 any any\ncrypto map ipv6 M 10 ipsec-isakmp\n match address A\n\
             interface eth0\n ipv6 crypto map M",
            "match address A",
        ),
        ("ip vrf eth0\ninterface wan\n device eth0", "ip vrf eth0"),
        (
            "route-map M\nrouter bgp 1\n bgp router-id 192.0.2.1\nvrf definition r\n address-family ipv6\n  \
             import ipv6 unicast map M",
            "import ipv6 unicast map M",
        ),
    ] {
        assert_eq!(fault(&format!("dataplane linux\n{line}\n")).0, words);
        assert!(parse(&format!("{line}\n")).is_ok(), "the userspace dataplane can: {line}");
    }
}

#[test]
fn a_network_card_is_asked_for_help_by_the_kernel_alone() {
    let text = "interface eth0\n crypto ipsec offload packet\n";
    assert_eq!(fault(text).0, "crypto ipsec offload packet");
    let config = parse(&format!("dataplane linux\n{text}")).unwrap_or_else(|it| panic!("{it:?}")).config;
    assert_eq!(config.interfaces["eth0"].offload, Some(Offload::Packet));
    assert!(print(&config).contains(" crypto ipsec offload packet\n"));
    let tunnel =
        "dataplane linux\ninterface Tunnel0\n tunnel mode ipsec ipv4\n crypto ipsec offload crypto\n";
    assert!(fault(tunnel).1.contains("no network card"));
}
