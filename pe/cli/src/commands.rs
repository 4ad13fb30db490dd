//! Every command, and the request it stands for.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use api::{ClearSa, DebugTopic, Hidden, Ikev2Filter, Request, SaFilter, Trace};

use crate::grammar::{Matched, Row, spi};

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Ask(Request, Look),
    Check(PathBuf),
    /// With the new master key, if it was typed with the command.
    SetMasterKey(Option<Hidden>),
    DropMasterKey,
}

/// How the answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Detail,
    /// `show vrf`: with the address families.
    Families,
    /// `show crypto ikev2 session`: with what each SA made.
    Sessions,
    SessionsDetail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    ShowIsakmpSa,
    ShowIsakmpProfile,
    ShowIsakmpKey,
    ShowIsakmpPolicy,
    ShowIsakmpPeers,
    ShowIkev2Sa,
    ShowIkev2Session,
    ShowIkev2Proposal,
    ShowIkev2Policy,
    ShowIkev2Profile,
    ShowIkev2Stats,
    ShowIpsecSa,
    ShowSession,
    Explain,
    ShowMap,
    ShowDynamicMap,
    ShowIdentity,
    ShowCallAdmission,
    ShowTrustpoints,
    ShowCertificates,
    ShowCrls,
    ShowRoutes,
    ShowVrfs,
    ShowVrfProtocols,
    ShowMpls,
    ShowInterfaces,
    ShowDrops,
    ShowDataplane,
    ShowRunning,
    ShowLog,
    ClearSa,
    ClearSession,
    ClearIsakmp,
    ClearIkev2,
    ClearCallAdmission,
    ClearCrls,
    Debug,
    Undebug,
    Trace,
    Reload,
    Write,
    SetMasterKey,
    DropMasterKey,
    Check,
}

/// In the order in which `?` lists them.
pub(crate) const ALL: &[Row<Id>] = &[
    Row { pattern: "show crypto isakmp sa [detail]", id: Id::ShowIsakmpSa },
    Row { pattern: "show crypto isakmp profile", id: Id::ShowIsakmpProfile },
    Row { pattern: "show crypto isakmp key", id: Id::ShowIsakmpKey },
    Row { pattern: "show crypto isakmp policy", id: Id::ShowIsakmpPolicy },
    Row { pattern: "show crypto isakmp peers", id: Id::ShowIsakmpPeers },
    Row { pattern: "show crypto ikev2 sa [detailed]", id: Id::ShowIkev2Sa },
    Row { pattern: "show crypto ikev2 session [detailed]", id: Id::ShowIkev2Session },
    Row { pattern: "show crypto ikev2 profile", id: Id::ShowIkev2Profile },
    Row { pattern: "show crypto ikev2 policy", id: Id::ShowIkev2Policy },
    Row { pattern: "show crypto ikev2 proposal", id: Id::ShowIkev2Proposal },
    Row { pattern: "show crypto ikev2 stats", id: Id::ShowIkev2Stats },
    Row { pattern: "show crypto ipsec sa [vrf VRF] [detail]", id: Id::ShowIpsecSa },
    Row { pattern: "show crypto ipsec sa peer [vrf VRF] ADDRESS [detail]", id: Id::ShowIpsecSa },
    Row { pattern: "show crypto ipsec sa interface NAME [detail]", id: Id::ShowIpsecSa },
    Row { pattern: "show crypto ipsec sa map NAME [detail]", id: Id::ShowIpsecSa },
    Row { pattern: "show crypto session [detail]", id: Id::ShowSession },
    Row { pattern: "show crypto session ADDRESS explain [fvrf VRF]", id: Id::Explain },
    Row { pattern: "show crypto map [NAME]", id: Id::ShowMap },
    Row { pattern: "show crypto dynamic-map [NAME]", id: Id::ShowDynamicMap },
    Row { pattern: "show crypto identity", id: Id::ShowIdentity },
    Row { pattern: "show crypto pki trustpoints", id: Id::ShowTrustpoints },
    Row { pattern: "show crypto pki certificates", id: Id::ShowCertificates },
    Row { pattern: "show crypto pki crls", id: Id::ShowCrls },
    Row { pattern: "show crypto call admission statistics", id: Id::ShowCallAdmission },
    Row { pattern: "show ip route [vrf VRF]", id: Id::ShowRoutes },
    Row { pattern: "show ip vrf [detail]", id: Id::ShowVrfs },
    Row { pattern: "show ipv6 route [vrf VRF]", id: Id::ShowRoutes },
    Row { pattern: "show vrf [detail]", id: Id::ShowVrfProtocols },
    Row { pattern: "show mpls forwarding-table [vrf VRF]", id: Id::ShowMpls },
    Row { pattern: "show interfaces [NAME]", id: Id::ShowInterfaces },
    Row { pattern: "show drops", id: Id::ShowDrops },
    Row { pattern: "show dataplane", id: Id::ShowDataplane },
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
    Row { pattern: "clear crypto ikev2 sa", id: Id::ClearIkev2 },
    Row { pattern: "clear crypto ikev2 sa local ADDRESS", id: Id::ClearIkev2 },
    Row { pattern: "clear crypto ikev2 sa remote ADDRESS", id: Id::ClearIkev2 },
    Row { pattern: "clear crypto ikev2 sa fvrf VRF", id: Id::ClearIkev2 },
    Row { pattern: "clear crypto ikev2 sa psh ID", id: Id::ClearIkev2 },
    Row { pattern: "clear crypto pki crls", id: Id::ClearCrls },
    Row { pattern: "clear crypto call admission statistics", id: Id::ClearCallAdmission },
    Row { pattern: "debug crypto isakmp", id: Id::Debug },
    Row { pattern: "debug crypto ikev2", id: Id::Debug },
    Row { pattern: "debug crypto ipsec", id: Id::Debug },
    Row { pattern: "undebug crypto isakmp", id: Id::Undebug },
    Row { pattern: "undebug crypto ikev2", id: Id::Undebug },
    Row { pattern: "undebug crypto ipsec", id: Id::Undebug },
    Row { pattern: "undebug all", id: Id::Undebug },
    Row { pattern: "no debug crypto isakmp", id: Id::Undebug },
    Row { pattern: "no debug crypto ikev2", id: Id::Undebug },
    Row { pattern: "no debug crypto ipsec", id: Id::Undebug },
    Row { pattern: "no debug all", id: Id::Undebug },
    Row { pattern: "trace packet [vrf VRF] SOURCE DESTINATION [size SIZE]", id: Id::Trace },
    Row { pattern: "trace packet [vrf VRF] SOURCE DESTINATION protocol PROTOCOL [size SIZE]", id: Id::Trace },
    Row { pattern: "trace packet [vrf VRF] SOURCE DESTINATION tcp SPORT DPORT [size SIZE]", id: Id::Trace },
    Row { pattern: "trace packet [vrf VRF] SOURCE DESTINATION udp SPORT DPORT [size SIZE]", id: Id::Trace },
    Row { pattern: "key config-key password-encryption [TEXT]", id: Id::SetMasterKey },
    Row { pattern: "no key config-key password-encryption", id: Id::DropMasterKey },
    Row { pattern: "write [memory]", id: Id::Write },
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
        Id::SetMasterKey => return Action::SetMasterKey(text(matched, "TEXT").map(Hidden)),
        Id::DropMasterKey => return Action::DropMasterKey,
        Id::ShowIsakmpPolicy => Request::ShowIsakmpPolicy,
        Id::ShowIsakmpPeers => Request::ShowIsakmpPeers,
        Id::ShowIkev2Sa | Id::ShowIkev2Session => Request::ShowIkev2Sas,
        Id::ShowIkev2Proposal => Request::ShowIkev2Proposals,
        Id::ShowIkev2Policy => Request::ShowIkev2Policies,
        Id::ShowIkev2Profile => Request::ShowIkev2Profiles,
        Id::ShowIkev2Stats => Request::ShowIkev2Statistics,
        Id::Explain => Request::Explain { remote: address(matched, "ADDRESS"), front: vrf(matched) },
        Id::ShowMap => Request::ShowCryptoMaps { name: text(matched, "NAME") },
        Id::ShowDynamicMap => Request::ShowDynamicMaps { name: text(matched, "NAME") },
        Id::ShowIdentity => Request::ShowIdentities,
        Id::ShowCallAdmission => Request::ShowCallAdmission,
        Id::ShowTrustpoints => Request::ShowTrustpoints,
        Id::ShowCertificates => Request::ShowCertificates,
        Id::ShowCrls => Request::ShowCrls,
        Id::ShowIpsecSa => Request::ShowIpsecSa(filter(matched)),
        Id::ShowSession => Request::ShowSession,
        Id::ShowRoutes => Request::ShowRoutes { vrf: vrf(matched), ipv6: matched.has("ipv6") },
        Id::ShowVrfs | Id::ShowVrfProtocols => Request::ShowVrfs,
        Id::ShowMpls => Request::ShowMplsForwarding { vrf: vrf(matched) },
        Id::ShowInterfaces => Request::ShowInterfaces { name: text(matched, "NAME") },
        Id::ShowDrops => Request::ShowDrops,
        Id::ShowDataplane => Request::ShowDataplane,
        Id::ShowRunning => Request::ShowRunningConfig,
        Id::ShowLog => Request::ShowLog,
        Id::ClearSa => Request::Clear(clear_sa(matched)),
        Id::ClearSession => {
            let remote = matched.value("ADDRESS").map(|_| address(matched, "ADDRESS"));
            Request::Clear(ClearSa::Session { remote, front: vrf(matched) })
        }
        Id::ClearIsakmp => Request::Clear(ClearSa::Isakmp { connection: number(matched, "ID") }),
        Id::ClearIkev2 => Request::Clear(ClearSa::Ikev2(ikev2(matched))),
        Id::ClearCallAdmission => Request::Clear(ClearSa::CallAdmission),
        Id::ClearCrls => Request::Clear(ClearSa::Crls),
        Id::Debug => Request::Debug { topic: topic(matched), on: true },
        Id::Undebug => Request::Debug { topic: topic(matched), on: false },
        Id::Trace => Request::Trace(trace(matched)),
        Id::Reload => Request::Reload,
        Id::Write => Request::Write,
    };
    Action::Ask(request, look(matched))
}

fn look(matched: &Matched<Id>) -> Look {
    let detail = matched.has("detail") || matched.has("detailed");
    match (matched.id == Id::ShowIkev2Session, detail) {
        (true, true) => Look::SessionsDetail,
        (true, false) => Look::Sessions,
        (false, true) => Look::Detail,
        (false, false) if matched.id == Id::ShowVrfProtocols => Look::Families,
        (false, false) => Look::Plain,
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
    let topics = [("isakmp", DebugTopic::Isakmp), ("ikev2", DebugTopic::Ikev2), ("ipsec", DebugTopic::Ipsec)];
    let named = topics.into_iter().find(|(word, _)| matched.has(word));
    named.map_or(DebugTopic::All, |(_, topic)| topic)
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

fn ikev2(matched: &Matched<Id>) -> Ikev2Filter {
    if let Some(id) = number(matched, "ID") {
        return Ikev2Filter::Id(id);
    }
    if let Some(front) = vrf(matched) {
        return Ikev2Filter::Front(front);
    }
    match (matched.has("local"), matched.has("remote")) {
        (true, _) => Ikev2Filter::Local(address(matched, "ADDRESS")),
        (_, true) => Ikev2Filter::Remote(address(matched, "ADDRESS")),
        (false, false) => Ikev2Filter::All,
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
mod tests;
