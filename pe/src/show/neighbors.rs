//! `show bgp summary`, `show bgp neighbors`, `clear bgp`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use api::{
    BgpFamily, BgpFamilyState, BgpFamilySummary, BgpNeighbor, BgpNeighbors, BgpReset, BgpScope, BgpSummary,
    BgpSummaryLine, BgpTables, ClearBgp, Response,
};
use base::{Family, Instant, VrfId};
use bgp::config::{FamilyConfig, Neighbor, NextHopSelf};
use bgp::session::State;
use bgp::{AddressFamily, Clear, ClearHow, FamilyView, NeighborView, PeerId};

use super::bgp::{family_of, is_vpn, neighbor, running};
use super::{failed, vrf_name, vrf_of};
use crate::Pe;

/// No scope: every family of every VRF.
pub(super) fn summary(pe: &Pe, now: Instant, scope: Option<&BgpScope>) -> Result<BgpSummary, Response> {
    let config = running(pe)?;
    let wanted = wanted(pe, scope)?;
    let names = descriptions(pe);
    let mut families: BTreeMap<AddressFamily, Vec<BgpSummaryLine>> = BTreeMap::new();
    for view in pe.bgp.neighbors() {
        let Some(of) = config.neighbors.get(&view.status.peer) else { continue };
        for family in of.families.keys().filter(|family| wanted.has(view.status.peer, **family)) {
            let heading = heading(view.status.peer, *family);
            families.entry(heading).or_default().push(line(pe, now, &view, of, *family, &names));
        }
    }
    let totals = pe.bgp.totals();
    let family =
        |(family, neighbors): (AddressFamily, _)| BgpFamilySummary { family: family.to_string(), neighbors };
    Ok(BgpSummary {
        router_id: config.router_id,
        local_as: config.asn,
        prefixes: totals.prefixes,
        paths: totals.paths,
        attributes: totals.attributes,
        families: families.into_iter().map(family).collect(),
    })
}

pub(super) fn neighbors(
    pe: &Pe,
    now: Instant,
    scope: Option<&BgpScope>,
    address: Option<IpAddr>,
) -> Result<Vec<BgpNeighbor>, Response> {
    let config = running(pe)?;
    let wanted = wanted(pe, scope)?;
    let names = descriptions(pe);
    let mut found = Vec::new();
    for view in pe.bgp.neighbors() {
        let peer = view.status.peer;
        let Some(of) = config.neighbors.get(&peer) else { continue };
        let is_it = address.is_none_or(|address| address == peer.address);
        if is_it && of.families.keys().any(|family| wanted.has(peer, *family)) {
            found.push(whole(pe, now, &view, of, config.asn, &names));
        }
    }
    match address.filter(|_| found.is_empty()) {
        Some(address) => {
            Err(failed(format!("no neighbor {address}"), Some("`show bgp neighbors` lists them")))
        }
        None => Ok(found),
    }
}

/// Says how many neighbours it concerned.
pub(super) fn clear(
    pe: &mut Pe,
    now: Instant,
    (vrf, family): (Option<String>, Option<BgpFamily>),
    neighbors: BgpNeighbors,
    how: ClearBgp,
) -> Result<Response, Response> {
    let tables = vrf.map_or(BgpTables::All, BgpTables::Vrf);
    let scope = BgpScope { family: family.unwrap_or(BgpFamily::Ipv4), tables };
    let peers: Vec<PeerId> = match neighbors {
        BgpNeighbors::Address(address) => vec![neighbor(pe, &scope, address)?],
        BgpNeighbors::All => meant(pe, &scope, family.is_some(), |_| true)?,
        BgpNeighbors::As(asn) => meant(pe, &scope, family.is_some(), |of| of.remote_as == asn)?,
    };
    let hows = match how {
        ClearBgp::Hard => [ClearHow::Hard].as_slice(),
        ClearBgp::SoftIn => &[ClearHow::SoftIn],
        ClearBgp::SoftOut => &[ClearHow::SoftOut],
        ClearBgp::Soft => &[ClearHow::SoftIn, ClearHow::SoftOut],
    };
    for peer in &peers {
        hows.iter().for_each(|how| pe.clear_bgp(now, Clear { peer: Some(*peer), how: *how }));
    }
    Ok(Response::Done { count: peers.len() })
}

fn meant(
    pe: &Pe,
    scope: &BgpScope,
    speaking: bool,
    is_one: impl Fn(&Neighbor) -> bool,
) -> Result<Vec<PeerId>, Response> {
    let (config, wanted) = (running(pe)?, wanted(pe, Some(scope))?);
    let is_meant = |peer: PeerId, of: &Neighbor| {
        let speaks = || of.families.keys().any(|family| wanted.has(peer, *family));
        is_one(of) && wanted.vrf.is_none_or(|vrf| vrf == peer.vrf) && (!speaking || speaks())
    };
    let meant = config.neighbors.iter().filter(|(peer, of)| is_meant(**peer, of));
    Ok(meant.map(|(peer, _)| *peer).collect())
}

/// Which families of which neighbours a scope means.
struct Wanted {
    families: BTreeSet<AddressFamily>,
    vrf: Option<VrfId>,
}

impl Wanted {
    fn has(&self, peer: PeerId, family: AddressFamily) -> bool {
        self.families.contains(&heading(peer, family)) && self.vrf.is_none_or(|vrf| vrf == peer.vrf)
    }
}

fn wanted(pe: &Pe, scope: Option<&BgpScope>) -> Result<Wanted, Response> {
    let Some(scope) = scope else { return Ok(Wanted { families: AddressFamily::ALL.into(), vrf: None }) };
    let vrf = match &scope.tables {
        BgpTables::Vrf(name) => Some(vrf_of(pe, Some(name))?),
        BgpTables::All | BgpTables::Rd(_) => None,
    };
    let families = match (vrf.is_some() || is_vpn(scope.family), family_of(scope.family)) {
        (true, Family::V4) => [AddressFamily::Vpnv4].as_slice(),
        (true, Family::V6) => &[AddressFamily::Vpnv6],
        (false, Family::V4) => &[AddressFamily::Ipv4Unicast, AddressFamily::Ipv4Labeled],
        (false, Family::V6) => &[AddressFamily::Ipv6Unicast, AddressFamily::Ipv6Labeled],
    };
    Ok(Wanted { families: families.iter().copied().collect(), vrf })
}

/// Where IOS shows a neighbour: those of VRFs stand with the VPN neighbours.
const fn heading(peer: PeerId, family: AddressFamily) -> AddressFamily {
    match family {
        AddressFamily::Ipv4Unicast if peer.vrf.0 != VrfId::GLOBAL.0 => AddressFamily::Vpnv4,
        AddressFamily::Ipv6Unicast if peer.vrf.0 != VrfId::GLOBAL.0 => AddressFamily::Vpnv6,
        AddressFamily::Ipv4Unicast
        | AddressFamily::Ipv6Unicast
        | AddressFamily::Ipv4Labeled
        | AddressFamily::Ipv6Labeled
        | AddressFamily::Vpnv4
        | AddressFamily::Vpnv6
        | AddressFamily::RouteTarget => family,
    }
}

type Names = BTreeMap<(Option<String>, IpAddr), String>;

fn descriptions(pe: &Pe) -> Names {
    let sessions = pe.config.bgp.iter().flat_map(|bgp| bgp.sessions());
    sessions.filter_map(|session| Some(((session.vrf, session.address), session.description?))).collect()
}

fn description(pe: &Pe, peer: PeerId, names: &Names) -> Option<String> {
    names.get(&(vrf_name(pe, peer.vrf), peer.address)).cloned()
}

fn line(
    pe: &Pe,
    now: Instant,
    view: &NeighborView,
    of: &Neighbor,
    family: AddressFamily,
    names: &Names,
) -> BgpSummaryLine {
    let (status, counted) = (&view.status, view.families.get(&family).copied().unwrap_or(NOTHING));
    BgpSummaryLine {
        vrf: vrf_name(pe, status.peer.vrf),
        address: status.peer.address,
        remote_as: view.remote_as,
        received: status.received.messages,
        sent: status.sent.messages,
        state: state(view, of),
        uptime: uptime(view, now),
        downtime: downtime(view, now),
        prefixes_accepted: counted.accepted,
        prefixes_sent: counted.sent,
        description: description(pe, status.peer, names),
    }
}

const NOTHING: FamilyView = FamilyView { accepted: 0, denied: 0, sent: 0, complete: false, told: false };

fn state(view: &NeighborView, of: &Neighbor) -> String {
    if of.shutdown { "Idle (Admin)".to_owned() } else { word(view.status.state).to_owned() }
}

pub(super) const fn word(state: State) -> &'static str {
    match state {
        State::Idle => "Idle",
        State::Connect => "Connect",
        State::Active => "Active",
        State::OpenSent => "OpenSent",
        State::OpenConfirm => "OpenConfirm",
        State::Established => "Established",
    }
}

fn uptime(view: &NeighborView, now: Instant) -> Option<u64> {
    view.status.negotiated.as_ref().map(|agreed| now.since(agreed.since).as_secs())
}

fn downtime(view: &NeighborView, now: Instant) -> Option<u64> {
    view.status.lost.map(|lost| now.since(lost).as_secs())
}

fn reset(now: Instant, at: Instant, reason: &str) -> BgpReset {
    BgpReset { since: now.since(at).as_secs(), reason: reason.to_owned() }
}

fn whole(pe: &Pe, now: Instant, view: &NeighborView, of: &Neighbor, asn: u32, names: &Names) -> BgpNeighbor {
    let (status, agreed) = (&view.status, view.status.negotiated.as_deref());
    let timer = |agreed: Option<Duration>, own: Duration| agreed.unwrap_or(own).as_secs();
    BgpNeighbor {
        vrf: vrf_name(pe, status.peer.vrf),
        address: status.peer.address,
        description: description(pe, status.peer, names),
        remote_as: view.remote_as,
        local_as: of.shown_as(asn),
        external: agreed.map_or(view.remote_as != asn, |agreed| agreed.external),
        state: state(view, of),
        local_address: agreed.map(|agreed| agreed.local),
        remote_router_id: agreed.map(|agreed| agreed.router_id),
        uptime: uptime(view, now),
        downtime: downtime(view, now),
        hold: timer(agreed.map(|agreed| agreed.hold), of.timers.hold),
        keepalive: timer(agreed.map(|agreed| agreed.keepalive), of.timers.keepalive),
        four_octet_as: agreed.is_some_and(|agreed| agreed.four_octet),
        route_refresh: agreed.is_some_and(|agreed| agreed.refresh),
        enhanced_refresh: agreed.is_some_and(|agreed| agreed.enhanced_refresh),
        extended_message: agreed.is_some_and(|agreed| agreed.message > 4096),
        graceful_restart: agreed.and_then(|agreed| agreed.restart).map(|restart| restart.time.as_secs()),
        stale_left: view.stale_until.map(|until| until.since(now).as_secs()),
        bfd: of.bfd,
        password: of.password.is_some(),
        messages_sent: status.sent.messages,
        messages_received: status.received.messages,
        updates_sent: status.sent.updates,
        updates_received: status.received.updates,
        notifications_sent: status.sent.notifications,
        notifications_received: status.received.notifications,
        established: status.established,
        dropped: status.dropped,
        last_reset: status.last.as_ref().map(|(at, reason)| reset(now, *at, reason)),
        families: of.families.iter().map(|(family, of)| family_state(*family, of, view)).collect(),
    }
}

fn family_state(family: AddressFamily, of: &FamilyConfig, view: &NeighborView) -> BgpFamilyState {
    let counted = view.families.get(&family).copied().unwrap_or(NOTHING);
    BgpFamilyState {
        family: family.to_string(),
        route_reflector_client: of.route_reflector_client,
        next_hop_self: of.next_hop_self != NextHopSelf::No,
        accepted: counted.accepted,
        denied: counted.denied,
        sent: counted.sent,
        maximum_prefix: of.maximum_prefix.map(|maximum| maximum.limit),
        route_map_in: of.route_map_in.clone(),
        route_map_out: of.route_map_out.clone(),
        prefix_list_in: of.prefix_list_in.clone(),
        prefix_list_out: of.prefix_list_out.clone(),
        end_of_rib: counted.complete,
        told: counted.told,
    }
}
