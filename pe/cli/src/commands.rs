//! Every command, and the request it stands for.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use api::{
    BgpFamily, BgpNeighbors, BgpScope, BgpTables, BgpWhat, ClearBgp, ClearSa, DebugTopic, Hidden,
    Ikev2Filter, Request, SaFilter, Trace,
};

use crate::grammar::{Matched, spi};

mod table;
pub(crate) use table::{ALL, Id};

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
    /// `show bgp … labels`.
    Labels,
    /// `show crypto ikev2 session`: with what each SA made.
    Sessions,
    SessionsDetail,
}

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
        Id::ShowRoutes => routes(matched),
        Id::ShowVrfs | Id::ShowVrfProtocols => Request::ShowVrfs,
        Id::ShowMpls => Request::ShowMplsForwarding { vrf: vrf(matched) },
        Id::ShowBgp | Id::ShowBgpLabels => Request::ShowBgp { scope: scope(matched), what: what(matched) },
        Id::ShowBgpSummary => Request::ShowBgpSummary { scope: some_scope(matched) },
        Id::ShowBgpNeighbors => {
            let address = number(matched, "ADDRESS");
            Request::ShowBgpNeighbors { scope: some_scope(matched), address }
        }
        Id::ShowLdpNeighbors => Request::ShowLdpNeighbors { peer: number(matched, "ADDRESS") },
        Id::ShowLdpBindings => Request::ShowLdpBindings,
        Id::ShowLdpDiscovery => Request::ShowLdpDiscovery,
        Id::ShowBfd => Request::ShowBfd,
        Id::ShowCryptoRoutes => Request::ShowCryptoRoutes,
        Id::ShowRouteMaps => Request::ShowRouteMaps { name: text(matched, "NAME") },
        Id::ShowPrefixLists => {
            Request::ShowPrefixLists { name: text(matched, "NAME"), ipv6: matched.has("ipv6") }
        }
        Id::ShowInterfaces => Request::ShowInterfaces { name: text(matched, "NAME") },
        Id::ShowDrops => Request::ShowDrops,
        Id::ShowDataplane => Request::ShowDataplane,
        Id::ShowRunning => Request::ShowRunningConfig,
        Id::ShowLog => Request::ShowLog,
        Id::ClearSa => Request::Clear(clear_sa(matched)),
        Id::ClearSession => Request::Clear(session(matched)),
        Id::ClearIsakmp => Request::Clear(ClearSa::Isakmp { connection: number(matched, "ID") }),
        Id::ClearIkev2 => Request::Clear(ClearSa::Ikev2(ikev2(matched))),
        Id::ClearCallAdmission => Request::Clear(ClearSa::CallAdmission),
        Id::ClearCrls => Request::Clear(ClearSa::Crls),
        Id::ClearBgp => {
            let family = matched.has("unicast").then(|| scope(matched).family);
            Request::ClearBgp { vrf: vrf(matched), family, neighbors: whom(matched), how: how(matched) }
        }
        Id::ClearLdp => Request::ClearLdp { peer: number(matched, "ROUTER") },
        Id::Debug => Request::Debug { topic: topic(matched), on: true },
        Id::Undebug => Request::Debug { topic: topic(matched), on: false },
        Id::Trace => Request::Trace(trace(matched)),
        Id::Reload => Request::Reload,
        Id::Write => Request::Write,
    };
    Action::Ask(request, look(matched))
}

fn routes(matched: &Matched<Id>) -> Request {
    match text(matched, "PREFIX") {
        Some(destination) => Request::ShowRoute { vrf: vrf(matched), destination },
        None => Request::ShowRoutes { vrf: vrf(matched), ipv6: matched.has("ipv6") },
    }
}

fn session(matched: &Matched<Id>) -> ClearSa {
    let remote = matched.value("ADDRESS").map(|_| address(matched, "ADDRESS"));
    ClearSa::Session { remote, front: vrf(matched) }
}

fn look(matched: &Matched<Id>) -> Look {
    let detail = ["detail", "details", "detailed"].iter().any(|word| matched.has(word));
    if matched.id == Id::ShowBgpLabels {
        return Look::Labels;
    }
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
    let topics = [
        ("isakmp", DebugTopic::Isakmp),
        ("ikev2", DebugTopic::Ikev2),
        ("ipsec", DebugTopic::Ipsec),
        ("bgp", DebugTopic::Bgp),
        ("ldp", DebugTopic::Ldp),
    ];
    let named = topics.into_iter().find(|(word, _)| matched.has(word));
    named.map_or(DebugTopic::All, |(_, topic)| topic)
}

/// `show ip bgp` means IPv4.
fn scope(matched: &Matched<Id>) -> BgpScope {
    let families = [("vpnv4", BgpFamily::Vpnv4), ("vpnv6", BgpFamily::Vpnv6), ("ipv6", BgpFamily::Ipv6)];
    let family = families.into_iter().find(|(word, _)| matched.has(word));
    let tables = match (text(matched, "RD"), vrf(matched)) {
        (Some(rd), _) => BgpTables::Rd(rd),
        (None, Some(vrf)) => BgpTables::Vrf(vrf),
        (None, None) => BgpTables::All,
    };
    BgpScope { family: family.map_or(BgpFamily::Ipv4, |(_, family)| family), tables }
}

/// `show bgp summary` names no family: all are meant. As in IOS, `show ip bgp neighbors` does not leave any out either.
fn some_scope(matched: &Matched<Id>) -> Option<BgpScope> {
    let is_old = matched.has("ip") && matched.id == Id::ShowBgpSummary;
    let is_named = is_old || ["unicast", "vpnv4", "vpnv6"].into_iter().any(|word| matched.has(word));
    is_named.then(|| scope(matched))
}

fn what(matched: &Matched<Id>) -> BgpWhat {
    let address = || address(matched, "ADDRESS");
    if matched.has("advertised-routes") {
        BgpWhat::To(address())
    } else if matched.has("received-routes") {
        BgpWhat::Received(address())
    } else if matched.has("routes") {
        BgpWhat::From(address())
    } else {
        text(matched, "PREFIX").map_or(BgpWhat::All, BgpWhat::Prefix)
    }
}

fn whom(matched: &Matched<Id>) -> BgpNeighbors {
    let address = number(matched, "NEIGHBOR").map(BgpNeighbors::Address);
    let or_as = || number(matched, "NEIGHBOR").map(BgpNeighbors::As);
    address.or_else(or_as).unwrap_or(BgpNeighbors::All)
}

fn how(matched: &Matched<Id>) -> ClearBgp {
    match (matched.has("soft"), matched.has("in"), matched.has("out")) {
        (_, true, _) => ClearBgp::SoftIn,
        (_, _, true) => ClearBgp::SoftOut,
        (true, false, false) => ClearBgp::Soft,
        (false, false, false) => ClearBgp::Hard,
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
