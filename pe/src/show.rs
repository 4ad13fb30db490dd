//! Answers every question an operator may ask, from what is known now and the counters last read.

mod admission;
mod bgp;
mod clear;
mod debug;
mod explain;
mod ikev2;
mod interfaces;
mod ipsec;
mod isakmp;
mod labels;
mod ldp;
mod maps;
mod neighbors;
mod paths;
mod pki;
mod routes;
mod session;

pub(crate) use debug::Debug;

use api::{DebugTopic, Request, Response};
use base::{Instant, VrfId};
use ike::Command;

use crate::{Pe, trace};

/// The facts, or the effect of an order.
pub(crate) fn answer(pe: &mut Pe, now: Instant, request: Request) -> Response {
    respond(pe, now, request).unwrap_or_else(|refusal| refusal)
}

fn respond(pe: &mut Pe, now: Instant, request: Request) -> Result<Response, Response> {
    Ok(match request {
        Request::ShowIsakmpSa => Response::IsakmpSas(isakmp::sas(pe, now)),
        Request::ShowIsakmpProfile => Response::IsakmpProfiles(isakmp::profiles(pe)),
        Request::ShowIsakmpKey => Response::IsakmpKeys(isakmp::keys(pe)),
        Request::ShowIsakmpPolicy => Response::IsakmpPolicies(isakmp::policies(pe)),
        Request::ShowIsakmpPeers => Response::IsakmpPeers(isakmp::peers(pe)),
        Request::ShowIkev2Sas => Response::Ikev2Sas(ikev2::sas(pe, now)),
        Request::ShowIkev2Proposals => Response::Ikev2Proposals(ikev2::proposals(pe)),
        Request::ShowIkev2Policies => Response::Ikev2Policies(ikev2::policies(pe)),
        Request::ShowIkev2Profiles => Response::Ikev2Profiles(ikev2::profiles(pe)),
        Request::ShowIkev2Statistics => Response::Ikev2Statistics(admission::second(pe, now)),
        Request::ShowCallAdmission => Response::Admission(admission::counted(pe)),
        Request::ShowIpsecSa(filter) => Response::IpsecSas(ipsec::flows(pe, now, &filter)?),
        Request::ShowSession => Response::Sessions(session::sessions(pe, now)),
        Request::Explain { remote, front } => {
            Response::Explained(explain::explanation(pe, now, remote, front)?)
        }
        Request::ShowCryptoMaps { name } => Response::Maps(maps::maps(pe, name.as_deref())?),
        Request::ShowDynamicMaps { name } => Response::Maps(maps::dynamic_maps(pe, name.as_deref())?),
        Request::ShowIdentities => Response::Identities(maps::identities(pe)),
        Request::ShowTrustpoints => Response::Trustpoints(pki::trustpoints(pe)),
        Request::ShowCertificates => Response::Certificates(pki::certificates(pe)),
        Request::ShowRoute { vrf, destination } => Response::Routes(routes::one(pe, vrf, &destination)?),
        Request::ShowVrfs => Response::Vrfs(routes::vrfs(pe)),
        request @ (Request::ShowRoutes { .. }
        | Request::ShowMplsForwarding { .. }
        | Request::ShowBgp { .. }
        | Request::ShowLdpBindings) => page(pe, request, None)?,
        Request::More { of, after } => page(pe, *of, Some(&after))?,
        Request::ShowBgpSummary { scope } => {
            Response::BgpSummary(neighbors::summary(pe, now, scope.as_ref())?)
        }
        Request::ShowBgpNeighbors { scope, address } => {
            Response::BgpNeighbors(neighbors::neighbors(pe, now, scope.as_ref(), address)?)
        }
        Request::ShowLdpNeighbors { peer } => Response::LdpNeighbors(ldp::neighbors(pe, now, peer)?),
        Request::ShowLdpDiscovery => Response::LdpDiscovery(ldp::discovery(pe, now)?),
        Request::ShowBfd => Response::Bfd(paths::bfd(pe, now)),
        Request::ShowCryptoRoutes => Response::CryptoRoutes(paths::crypto_routes(pe)),
        Request::ShowRouteMaps { name } => Response::RouteMaps(paths::route_maps(pe, name.as_deref())?),
        Request::ShowPrefixLists { name, ipv6 } => {
            Response::PrefixLists(paths::prefix_lists(pe, name.as_deref(), ipv6)?)
        }
        Request::ShowInterfaces { name } => Response::Interfaces(interfaces::interfaces(pe, name)?),
        Request::ShowDrops => Response::Drops(interfaces::drops(pe)),
        Request::ShowRunningConfig => Response::Text(config::print_hidden(&pe.config)),
        Request::ShowLog => Response::Text(pe.log.text()),
        Request::Clear(what) => clear::clear(pe, now, what)?,
        Request::ClearBgp { vrf, family, neighbors, how } => {
            neighbors::clear(pe, now, (vrf, family), neighbors, how)?
        }
        Request::ClearLdp { peer } => ldp::clear(pe, now, peer)?,
        Request::Debug { topic, on } => debug(pe, now, topic, on),
        Request::Trace(packet) => trace::trace(pe, &packet)?,
        Request::ShowCrls
        | Request::ShowDataplane
        | Request::Reload
        | Request::MasterKey { .. }
        | Request::ShowMasterKey
        | Request::Write => return Err(failed("only the daemon can do this".to_owned(), None)),
    })
}

/// The most prefixes of one answer: what a page costs is little beside what else happens meanwhile.
const PAGE: usize = 1000;

/// A part of an answer that may be long; `after`: what the part before said in `more`.
fn page(pe: &Pe, request: Request, after: Option<&str>) -> Result<Response, Response> {
    if let Request::ShowRoutes { vrf, ipv6 } = request {
        return Ok(Response::Routes(routes::tables(pe, vrf, ipv6, after)?));
    }
    if let Request::ShowMplsForwarding { vrf } = request {
        return Ok(Response::MplsForwarding(labels::labels(pe, vrf, after)?));
    }
    if let Request::ShowBgp { scope, what } = request {
        return Ok(Response::Bgp(bgp::routes(pe, &scope, &what, after)?));
    }
    if request == Request::ShowLdpBindings {
        return Ok(Response::LdpBindings(ldp::bindings(pe, after)?));
    }
    Err(bad_page())
}

fn bad_page() -> Response {
    failed(
        "there is no such page".to_owned(),
        Some("`more` of an answer says what the next one is asked for with"),
    )
}

fn debug(pe: &mut Pe, now: Instant, topic: DebugTopic, on: bool) -> Response {
    let is = |of| topic == of || topic == DebugTopic::All;
    if is(DebugTopic::Isakmp) || is(DebugTopic::Ikev2) {
        pe.command(now, Command::Debug(on));
    }
    if is(DebugTopic::Ipsec) {
        pe.debug.ipsec = on;
    }
    if is(DebugTopic::Bgp) {
        pe.debug_bgp(on);
    }
    if is(DebugTopic::Ldp) {
        pe.debug_ldp(now, on);
    }
    Response::Done { count: 1 }
}

fn failed(error: String, hint: Option<&str>) -> Response {
    Response::Failed { error, hint: hint.map(str::to_owned) }
}

/// The VRF of that name; `None` names the global table.
pub(crate) fn vrf_of(pe: &Pe, name: Option<&str>) -> Result<VrfId, Response> {
    let known = name.is_none_or(|name| pe.config.vrfs.contains_key(name));
    let id = pe.ids.known_vrf(name).filter(|_| known);
    id.ok_or_else(|| failed(format!("no VRF {}", name.unwrap_or_default()), Some("`show ip vrf` lists them")))
}

fn vrf_name(pe: &Pe, id: VrfId) -> Option<String> {
    pe.ids.vrf_name(id).map(str::to_owned)
}
