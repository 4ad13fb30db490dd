//! Every command, and the request it stands for.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use api::{ClearSa, DebugTopic, Request, SaFilter, Trace};

use crate::grammar::{Matched, Row, spi};

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Ask(Request, Look),
    Check(PathBuf),
}

/// How the answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Detail,
    /// `show vrf`: with the address families.
    Families,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    ShowIsakmpSa,
    ShowIsakmpProfile,
    ShowIsakmpKey,
    ShowIsakmpPolicy,
    ShowIpsecSa,
    ShowSession,
    ShowRoutes,
    ShowVrfs,
    ShowVrfProtocols,
    ShowMpls,
    ShowInterfaces,
    ShowDrops,
    ShowRunning,
    ShowLog,
    ClearSa,
    ClearSession,
    ClearIsakmp,
    Debug,
    Undebug,
    Trace,
    Reload,
    Check,
}

/// In the order in which `?` lists them.
pub(crate) const ALL: &[Row<Id>] = &[
    Row { pattern: "show crypto isakmp sa [detail]", id: Id::ShowIsakmpSa },
    Row { pattern: "show crypto isakmp profile", id: Id::ShowIsakmpProfile },
    Row { pattern: "show crypto isakmp key", id: Id::ShowIsakmpKey },
    Row { pattern: "show crypto isakmp policy", id: Id::ShowIsakmpPolicy },
    Row { pattern: "show crypto ipsec sa [vrf VRF] [detail]", id: Id::ShowIpsecSa },
    Row { pattern: "show crypto ipsec sa peer [vrf VRF] ADDRESS [detail]", id: Id::ShowIpsecSa },
    Row { pattern: "show crypto ipsec sa interface NAME [detail]", id: Id::ShowIpsecSa },
    Row { pattern: "show crypto ipsec sa map NAME [detail]", id: Id::ShowIpsecSa },
    Row { pattern: "show crypto session [detail]", id: Id::ShowSession },
    Row { pattern: "show ip route [vrf VRF]", id: Id::ShowRoutes },
    Row { pattern: "show ip vrf [detail]", id: Id::ShowVrfs },
    Row { pattern: "show ipv6 route [vrf VRF]", id: Id::ShowRoutes },
    Row { pattern: "show vrf [detail]", id: Id::ShowVrfProtocols },
    Row { pattern: "show mpls forwarding-table [vrf VRF]", id: Id::ShowMpls },
    Row { pattern: "show interfaces [NAME]", id: Id::ShowInterfaces },
    Row { pattern: "show drops", id: Id::ShowDrops },
    Row { pattern: "show running-config", id: Id::ShowRunning },
    Row { pattern: "show logging", id: Id::ShowLog },
    Row { pattern: "clear crypto sa [vrf VRF]", id: Id::ClearSa },
    Row { pattern: "clear crypto sa peer [vrf VRF] ADDRESS", id: Id::ClearSa },
    Row { pattern: "clear crypto sa interface NAME", id: Id::ClearSa },
    Row { pattern: "clear crypto sa map NAME", id: Id::ClearSa },
    Row { pattern: "clear crypto sa spi ADDRESS esp SPI", id: Id::ClearSa },
    Row { pattern: "clear crypto sa counters", id: Id::ClearSa },
    Row { pattern: "clear crypto session [remote ADDRESS [fvrf VRF]]", id: Id::ClearSession },
    Row { pattern: "clear crypto isakmp [ID]", id: Id::ClearIsakmp },
    Row { pattern: "debug crypto isakmp", id: Id::Debug },
    Row { pattern: "debug crypto ipsec", id: Id::Debug },
    Row { pattern: "undebug crypto isakmp", id: Id::Undebug },
    Row { pattern: "undebug crypto ipsec", id: Id::Undebug },
    Row { pattern: "undebug all", id: Id::Undebug },
    Row { pattern: "no debug crypto isakmp", id: Id::Undebug },
    Row { pattern: "no debug crypto ipsec", id: Id::Undebug },
    Row { pattern: "no debug all", id: Id::Undebug },
    Row { pattern: "trace packet [vrf VRF] SOURCE DESTINATION [size SIZE]", id: Id::Trace },
    Row { pattern: "trace packet [vrf VRF] SOURCE DESTINATION protocol PROTOCOL [size SIZE]", id: Id::Trace },
    Row { pattern: "trace packet [vrf VRF] SOURCE DESTINATION tcp SPORT DPORT [size SIZE]", id: Id::Trace },
    Row { pattern: "trace packet [vrf VRF] SOURCE DESTINATION udp SPORT DPORT [size SIZE]", id: Id::Trace },
    Row { pattern: "reload", id: Id::Reload },
    Row { pattern: "check FILE", id: Id::Check },
];

/// A small packet, such as a ping's.
const SIZE: u16 = 84;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

pub(crate) fn action(matched: &Matched<Id>) -> Action {
    let request = match matched.id {
        Id::Check => return Action::Check(matched.value("FILE").unwrap_or_default().into()),
        Id::ShowIsakmpSa => Request::ShowIsakmpSa,
        Id::ShowIsakmpProfile => Request::ShowIsakmpProfile,
        Id::ShowIsakmpKey => Request::ShowIsakmpKey,
        Id::ShowIsakmpPolicy => Request::ShowIsakmpPolicy,
        Id::ShowIpsecSa => Request::ShowIpsecSa(filter(matched)),
        Id::ShowSession => Request::ShowSession,
        Id::ShowRoutes => Request::ShowRoutes { vrf: vrf(matched), ipv6: matched.has("ipv6") },
        Id::ShowVrfs | Id::ShowVrfProtocols => Request::ShowVrfs,
        Id::ShowMpls => Request::ShowMplsForwarding { vrf: vrf(matched) },
        Id::ShowInterfaces => Request::ShowInterfaces { name: text(matched, "NAME") },
        Id::ShowDrops => Request::ShowDrops,
        Id::ShowRunning => Request::ShowRunningConfig,
        Id::ShowLog => Request::ShowLog,
        Id::ClearSa => Request::Clear(clear_sa(matched)),
        Id::ClearSession => {
            let remote = matched.value("ADDRESS").map(|_| address(matched, "ADDRESS"));
            Request::Clear(ClearSa::Session { remote, front: vrf(matched) })
        }
        Id::ClearIsakmp => Request::Clear(ClearSa::Isakmp { connection: number(matched, "ID") }),
        Id::Debug => Request::Debug { topic: topic(matched), on: true },
        Id::Undebug => Request::Debug { topic: topic(matched), on: false },
        Id::Trace => Request::Trace(trace(matched)),
        Id::Reload => Request::Reload,
    };
    Action::Ask(request, look(matched))
}

fn look(matched: &Matched<Id>) -> Look {
    if matched.has("detail") {
        Look::Detail
    } else if matched.id == Id::ShowVrfProtocols {
        Look::Families
    } else {
        Look::Plain
    }
}

fn text(matched: &Matched<Id>, name: &str) -> Option<String> {
    matched.value(name).map(str::to_owned)
}

fn vrf(matched: &Matched<Id>) -> Option<String> {
    text(matched, "VRF")
}

fn number<N: std::str::FromStr>(matched: &Matched<Id>, name: &str) -> Option<N> {
    matched.value(name)?.parse().ok()
}

/// The grammar has seen that it is an address.
fn address(matched: &Matched<Id>, name: &str) -> IpAddr {
    number(matched, name).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn topic(matched: &Matched<Id>) -> DebugTopic {
    match (matched.has("isakmp"), matched.has("ipsec")) {
        (true, _) => DebugTopic::Isakmp,
        (_, true) => DebugTopic::Ipsec,
        (false, false) => DebugTopic::All,
    }
}

fn filter(matched: &Matched<Id>) -> SaFilter {
    let name = || text(matched, "NAME").unwrap_or_default();
    if matched.has("peer") {
        return SaFilter::Peer { front: vrf(matched), address: address(matched, "ADDRESS") };
    }
    if matched.has("interface") {
        return SaFilter::Interface(name());
    }
    if matched.has("map") {
        return SaFilter::Map(name());
    }
    vrf(matched).map_or(SaFilter::All, SaFilter::Inside)
}

fn clear_sa(matched: &Matched<Id>) -> ClearSa {
    if matched.has("counters") {
        return ClearSa::Counters;
    }
    match matched.value("SPI").and_then(spi) {
        Some(spi) => ClearSa::Spi { address: address(matched, "ADDRESS"), spi },
        None => ClearSa::Sa(filter(matched)),
    }
}

fn trace(matched: &Matched<Id>) -> Trace {
    let source = address(matched, "SOURCE");
    let ping = if source.is_ipv4() { ICMP } else { ICMPV6 };
    let protocol = match (matched.has("tcp"), matched.has("udp")) {
        (true, _) => TCP,
        (_, true) => UDP,
        (false, false) => number(matched, "PROTOCOL").unwrap_or(ping),
    };
    Trace {
        vrf: vrf(matched),
        source,
        destination: address(matched, "DESTINATION"),
        protocol,
        source_port: number(matched, "SPORT").unwrap_or_default(),
        destination_port: number(matched, "DPORT").unwrap_or_default(),
        size: number(matched, "SIZE").unwrap_or(SIZE),
    }
}

#[cfg(test)]
mod tests {
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
        let Request::Trace(gre) = ask("trace packet 10.0.0.1 10.0.0.2 protocol 47") else {
            panic!("no trace")
        };
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
    fn the_usual_abbreviations_are_understood() {
        assert_eq!(ask("sh cry isa sa"), Request::ShowIsakmpSa);
        assert_eq!(ask("sh run"), Request::ShowRunningConfig);
        assert_eq!(ask("sh log"), Request::ShowLog);
        assert_eq!(ask("sh int"), Request::ShowInterfaces { name: None });
        assert_eq!(ask("sh ip ro vrf red"), Request::ShowRoutes { vrf: Some("red".into()), ipv6: false });
        assert_eq!(ask("sh ipv6 route"), Request::ShowRoutes { vrf: None, ipv6: true });
        assert_eq!(ask("sh mpls for"), Request::ShowMplsForwarding { vrf: None });
    }
}
