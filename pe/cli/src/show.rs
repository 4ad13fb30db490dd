//! Answers as IOS prints them.

mod admission;
mod bgp;
mod dataplane;
mod drops;
mod explain;
mod ikev2;
mod interfaces;
mod ipsec;
mod isakmp;
mod ldp;
mod map;
mod mpls;
mod neighbors;
mod paths;
mod pki;
mod routes;
mod session;
mod vrf;

use std::net::IpAddr;

use api::{BgpWhat, ClearSa, Request, Response};
use config::{Finding, Severity};

use crate::commands::Look;

/// The whole text, with its last line ended.
pub(crate) fn render(request: &Request, response: &Response, look: Look) -> String {
    let detail = look == Look::Detail;
    match response {
        Response::IsakmpSas(sas) if detail => isakmp::sas_detail(sas),
        Response::IsakmpSas(sas) => isakmp::sas(sas),
        Response::IsakmpProfiles(profiles) => isakmp::profiles(profiles),
        Response::IsakmpKeys(keys) => isakmp::keys(keys),
        Response::IsakmpPolicies(policies) => isakmp::policies(policies),
        Response::IsakmpPeers(peers) => isakmp::peers(peers),
        Response::Ikev2Sas(sas) => match look {
            Look::Sessions => ikev2::sessions(sas, false),
            Look::SessionsDetail => ikev2::sessions(sas, true),
            Look::Plain | Look::Detail | Look::Families | Look::Labels => ikev2::sas(sas, detail),
        },
        Response::Ikev2Proposals(proposals) => ikev2::proposals(proposals),
        Response::Ikev2Policies(policies) => ikev2::policies(policies),
        Response::Ikev2Profiles(profiles) => ikev2::profiles(profiles),
        Response::Ikev2Statistics(counted) => admission::second(counted),
        Response::Admission(counted) => admission::calls(counted),
        Response::Explained(explanation) => explain::explanation(explanation),
        Response::Maps(entries) => map::entries(entries),
        Response::Identities(identities) => map::identities(identities),
        Response::Trustpoints(trustpoints) => pki::trustpoints(trustpoints),
        Response::Certificates(certificates) => pki::certificates(certificates, now()),
        Response::Crls(crls) => pki::crls(crls),
        Response::MasterKey { is_set } => {
            format!("A master key is {}configured\n", if *is_set { "" } else { "not " })
        }
        Response::IpsecSas(flows) => ipsec::flows(flows, detail),
        Response::Sessions(sessions) => session::sessions(sessions, detail),
        Response::Routes(tables) if matches!(request, Request::ShowRoute { .. }) => routes::entries(tables),
        Response::Routes(tables) => routes::tables(tables),
        Response::Vrfs(vrfs) => vrf::vrfs(vrfs, look),
        Response::MplsForwarding(entries) => mpls::forwarding(entries),
        Response::Bgp(of) => match (request, look) {
            (_, Look::Labels) => bgp::labels(of),
            (Request::ShowBgp { what: BgpWhat::Prefix(_), .. }, _) => bgp::entries(of),
            (_, _) => bgp::tables(of),
        },
        Response::BgpSummary(of) => neighbors::summary(of),
        Response::BgpNeighbors(of) => neighbors::neighbors(of),
        Response::LdpNeighbors(of) => ldp::neighbors(of, detail),
        Response::LdpBindings(of) => ldp::bindings(of),
        Response::LdpDiscovery(of) => ldp::discovery(of, detail),
        Response::Bfd(sessions) => paths::bfd(sessions, detail),
        Response::CryptoRoutes(routes) => paths::crypto_routes(routes),
        Response::RouteMaps(maps) => paths::route_maps(maps),
        Response::PrefixLists(lists) => paths::prefix_lists(lists),
        Response::Interfaces(interfaces) => interfaces::interfaces(interfaces),
        Response::Drops(drops) => drops::drops(drops),
        Response::Dataplane(of) => dataplane::dataplane(of),
        Response::Trace(steps) => drops::trace(steps),
        Response::Text(text) => ended(text),
        Response::Done { count } => done(request, *count),
        Response::Failed { error, hint } => failed(error, hint.as_deref()),
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Only orders are answered with `Done`; questions have answers of their own.
fn done(request: &Request, count: usize) -> String {
    if let Request::Debug { topic, on } = request {
        let topic = match topic {
            api::DebugTopic::Isakmp => "Crypto ISAKMP",
            api::DebugTopic::Ikev2 => "Crypto IKEv2",
            api::DebugTopic::Ipsec => "Crypto IPSEC",
            api::DebugTopic::Bgp => "BGP",
            api::DebugTopic::Ldp => "LDP",
            api::DebugTopic::All => "All",
        };
        return format!("{topic} debugging is {}\n", if *on { "on" } else { "off" });
    }
    if let Request::Clear(ClearSa::Counters | ClearSa::CallAdmission) = request {
        return "Counters cleared\n".to_owned();
    }
    let sealed = "keys encrypted in the configuration file";
    if let Request::MasterKey { new, .. } = request {
        return match new {
            Some(_) => format!("Master key configured; {sealed}: {count}\n"),
            None => "Master key deleted; keys of type 6 are of no use any more\n".to_owned(),
        };
    }
    if *request == Request::Write {
        return format!("Done; {sealed}: {count}\n");
    }
    let clears = matches!(request, Request::Clear(_) | Request::ClearBgp { .. } | Request::ClearLdp { .. });
    let what = if clears { "Cleared" } else { "Done; changes" };
    format!("{what}: {count}\n")
}

fn failed(error: &str, hint: Option<&str>) -> String {
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    format!("% {}{hint}", ended(error))
}

fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// What `check --json` prints.
pub(crate) fn findings(findings: &[Finding]) -> serde_json::Value {
    let one = |finding: &Finding| {
        serde_json::json!({
            "severity": match finding.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "start": finding.span.start,
            "end": finding.span.end,
            "message": finding.message,
            "help": finding.help,
        })
    };
    findings.iter().map(one).collect()
}

/// What `check` says last.
pub(crate) fn verdict(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    format!("{}, {}", counted(errors, "error"), counted(findings.len() - errors, "warning"))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A VRF's name as IOS shows it in a column; nothing: global.
fn name(vrf: Option<&String>) -> &str {
    vrf.map_or("", String::as_str)
}

fn none_or(text: Option<&String>) -> &str {
    text.map_or("(none)", String::as_str)
}

/// `hh:mm:ss`.
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `1d02h` from a day on, else `hh:mm:ss`, as IOS shows uptimes.
fn uptime(seconds: u64) -> String {
    match seconds / 86_400 {
        0 => clock(seconds),
        days => format!("{days}d{:02}h", seconds / 3600 % 24),
    }
}

/// `address/mask` for IPv4, `address/length` for IPv6.
fn network(address: IpAddr, mask: IpAddr) -> String {
    match mask {
        IpAddr::V4(mask) => format!("{address}/{mask}"),
        IpAddr::V6(mask) => format!("{address}/{}", u128::from(mask).leading_ones()),
    }
}

#[cfg(test)]
mod tests;
