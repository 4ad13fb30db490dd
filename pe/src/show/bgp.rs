//! `show bgp …`: the tables of BGP, by page.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use api::{BgpFamily, BgpPath, BgpRoute, BgpRoutes, BgpScope, BgpTable, BgpTables, BgpWhat, Response};
use base::{Family, Prefix, VrfId};
use bgp::attributes::{Attributes, LOCAL_AS, NO_ADVERTISE, NO_EXPORT, Origin};
use bgp::{AddressFamily, PathView, PeerId};
use vrf::{Rd, RouteTarget, Source};

use super::routes::entry;
use super::{PAGE, bad_page, failed, vrf_name, vrf_of};
use crate::Pe;

/// One table that is shown: what was learned under a route distinguisher, what a VRF sees, or both where it is the
/// VRF's own.
#[derive(Clone, Copy)]
struct Place {
    rd: Option<Rd>,
    vrf: Option<VrfId>,
}

/// What is asked of each table.
enum What {
    All,
    From(PeerId),
    To(PeerId),
}

/// A page of routes, or the one that was asked for.
pub(super) fn routes(
    pe: &Pe,
    scope: &BgpScope,
    what: &BgpWhat,
    after: Option<&str>,
) -> Result<BgpRoutes, Response> {
    let config = running(pe)?;
    let places = places(pe, scope)?;
    let family = family_of(scope.family);
    let book = Book { pe, family, routers: routers(pe) };
    let (tables, more) = match what {
        BgpWhat::All => book.page(&places, &What::All, after)?,
        BgpWhat::From(address) => book.page(&places, &What::From(neighbor(pe, scope, *address)?), after)?,
        BgpWhat::To(address) => book.page(&places, &What::To(neighbor(pe, scope, *address)?), after)?,
        BgpWhat::Prefix(text) => (book.find(&places, text)?, None),
        BgpWhat::Received(address) => return Err(received(*address)),
    };
    let shown =
        if scope.tables == BgpTables::All || is_vpn(scope.family) { scope.family } else { vpn(family) };
    let (router_id, local_as) = (config.router_id, config.asn);
    Ok(BgpRoutes { router_id, local_as, family: address_family(shown).to_string(), tables, more })
}

/// The configuration that BGP runs with.
pub(super) fn running(pe: &Pe) -> Result<Arc<bgp::Config>, Response> {
    let hint = "`router bgp`, and an IPv4 address of an interface or `bgp router-id`";
    pe.spoken.bgp.clone().ok_or_else(|| failed("BGP not active".to_owned(), Some(hint)))
}

/// A configured neighbour in the VRF that is asked for.
pub(super) fn neighbor(pe: &Pe, scope: &BgpScope, address: IpAddr) -> Result<PeerId, Response> {
    let vrf = match &scope.tables {
        BgpTables::Vrf(name) => vrf_of(pe, Some(name))?,
        BgpTables::All | BgpTables::Rd(_) => VrfId::GLOBAL,
    };
    let peer = PeerId { vrf, address };
    if running(pe)?.neighbors.contains_key(&peer) { Ok(peer) } else { Err(stranger(pe, peer)) }
}

pub(super) fn stranger(pe: &Pe, peer: PeerId) -> Response {
    let place = vrf_name(pe, peer.vrf).map_or_else(String::new, |name| format!(" in vrf {name}"));
    failed(format!("no neighbor {}{place}", peer.address), Some("`show bgp neighbors` lists them"))
}

pub(super) const fn is_vpn(family: BgpFamily) -> bool {
    matches!(family, BgpFamily::Vpnv4 | BgpFamily::Vpnv6)
}

pub(super) const fn family_of(family: BgpFamily) -> Family {
    match family {
        BgpFamily::Ipv4 | BgpFamily::Vpnv4 => Family::V4,
        BgpFamily::Ipv6 | BgpFamily::Vpnv6 => Family::V6,
    }
}

const fn vpn(family: Family) -> BgpFamily {
    match family {
        Family::V4 => BgpFamily::Vpnv4,
        Family::V6 => BgpFamily::Vpnv6,
    }
}

const fn address_family(family: BgpFamily) -> AddressFamily {
    match family {
        BgpFamily::Ipv4 => AddressFamily::Ipv4Unicast,
        BgpFamily::Ipv6 => AddressFamily::Ipv6Unicast,
        BgpFamily::Vpnv4 => AddressFamily::Vpnv4,
        BgpFamily::Vpnv6 => AddressFamily::Vpnv6,
    }
}

fn received(address: IpAddr) -> Response {
    let error = format!("what {address} sent is not kept before policies");
    failed(error, Some("`… routes` shows what was taken in; `clear bgp … soft in` asks for all of it again"))
}

fn places(pe: &Pe, scope: &BgpScope) -> Result<Vec<Place>, Response> {
    match &scope.tables {
        BgpTables::Vrf(name) => {
            let vrf = vrf_of(pe, Some(name))?;
            let rd = pe.config.vrfs.get(name).and_then(|vrf| vrf.rd);
            Ok(vec![Place { rd, vrf: Some(vrf) }])
        }
        BgpTables::All if !is_vpn(scope.family) => Ok(vec![Place { rd: None, vrf: Some(VrfId::GLOBAL) }]),
        BgpTables::All => Ok(all(pe).collect()),
        BgpTables::Rd(text) => {
            let rd: Option<Rd> = text.parse().ok();
            let place = all(pe).find(|place| rd.is_some() && place.rd == rd);
            let hint = "`show bgp vpnv4 unicast all` has them as headings";
            place
                .map(|place| vec![place])
                .ok_or_else(|| failed(format!("no routes under {text}"), Some(hint)))
        }
    }
}

fn all(pe: &Pe) -> impl Iterator<Item = Place> {
    pe.bgp.vpn_tables().into_iter().map(|table| Place { rd: Some(table.rd), vrf: table.vrf })
}

/// Router ids of neighbours whose sessions are up.
fn routers(pe: &Pe) -> BTreeMap<PeerId, Ipv4Addr> {
    let neighbors = pe.bgp.neighbors().into_iter();
    neighbors.filter_map(|view| Some((view.status.peer, view.status.negotiated?.router_id))).collect()
}

struct Book<'a> {
    pe: &'a Pe,
    family: Family,
    routers: BTreeMap<PeerId, Ipv4Addr>,
}

type Page = (Vec<BgpTable>, Option<String>);

impl Book<'_> {
    /// At most [`PAGE`] prefixes are looked at, whether they are shown or not.
    fn page(&self, places: &[Place], what: &What, after: Option<&str>) -> Result<Page, Response> {
        let mark = after.map(mark).transpose()?;
        let (mut tables, mut room) = (Vec::new(), PAGE);
        for place in places.iter().skip_while(|place| mark.is_some_and(|(rd, _)| place.rd < rd)) {
            let behind = mark.filter(|(rd, _)| place.rd == *rd).map(|(_, prefix)| prefix);
            let prefixes = self.prefixes(*place, behind, room);
            let last = prefixes.last().copied();
            room -= prefixes.len();
            let routes = self.routes(*place, what, &prefixes);
            if !routes.is_empty() {
                tables.push(self.table(*place, routes));
            }
            if let Some(last) = last.filter(|_| room == 0) {
                let rd = place.rd.map_or_else(|| "-".to_owned(), |rd| rd.to_string());
                return Ok((tables, Some(format!("{rd} {last}"))));
            }
        }
        Ok((tables, None))
    }

    fn table(&self, place: Place, routes: Vec<BgpRoute>) -> BgpTable {
        let vrf = place.vrf.and_then(|vrf| vrf_name(self.pe, vrf));
        BgpTable { rd: place.rd.map(|rd| rd.to_string()), vrf, routes }
    }

    fn prefixes(&self, place: Place, after: Option<Prefix>, count: usize) -> Vec<Prefix> {
        let bgp = &self.pe.bgp;
        let seen = place.vrf.map(|vrf| bgp.vrf_prefixes(vrf, self.family, after, count));
        let learned = place.rd.map(|rd| bgp.vpn_prefixes(rd, self.family, after, count));
        match (seen, learned) {
            (Some(one), None) | (None, Some(one)) => one,
            (one, other) => {
                let both: BTreeSet<_> = one.into_iter().chain(other).flatten().collect();
                both.into_iter().take(count).collect()
            }
        }
    }

    fn routes(&self, place: Place, what: &What, prefixes: &[Prefix]) -> Vec<BgpRoute> {
        let is_wanted = |path: &PathView| match what {
            What::From(peer) => path.peer == Some(*peer),
            What::All | What::To(_) => true,
        };
        if let What::To(peer) = what {
            return self.told(place, *peer, prefixes);
        }
        let route = |prefix: &Prefix| {
            let paths = self.paths(place, *prefix).into_iter().filter(is_wanted);
            let paths: Vec<_> = paths.map(|path| self.own_or_learned(place, *prefix, path)).collect();
            (!paths.is_empty()).then(|| BgpRoute { prefix: prefix.to_string(), paths })
        };
        prefixes.iter().filter_map(route).collect()
    }

    /// What a neighbour is told of these, as it is sent.
    fn told(&self, place: Place, peer: PeerId, prefixes: &[Prefix]) -> Vec<BgpRoute> {
        let vpn = place.rd.filter(|_| peer.vrf == VrfId::GLOBAL);
        let families = match (vpn, self.family) {
            (Some(_), Family::V4) => [AddressFamily::Vpnv4].as_slice(),
            (Some(_), Family::V6) => &[AddressFamily::Vpnv6],
            (None, Family::V4) => &[AddressFamily::Ipv4Unicast, AddressFamily::Ipv4Labeled],
            (None, Family::V6) => &[AddressFamily::Ipv6Unicast, AddressFamily::Ipv6Labeled],
        };
        let told = families.iter().flat_map(|family| self.pe.bgp.advertised(peer, *family, vpn, prefixes));
        let route = |(nlri, attributes): (bgp::update::Nlri, Arc<Attributes>)| {
            let paths = self.paths(place, nlri.prefix);
            let best = paths.into_iter().find(|path| path.best.is_some())?;
            let path = self.path(PathView { attributes, label: nlri.label, ..best });
            Some(BgpRoute { prefix: nlri.prefix.to_string(), paths: vec![path] })
        };
        told.filter_map(route).collect()
    }

    /// One network, or the longest that holds an address, in each table.
    fn find(&self, places: &[Place], text: &str) -> Result<Vec<BgpTable>, Response> {
        let network = text.parse::<Prefix>().ok().filter(|_| text.contains('/'));
        let address = network.map_or_else(|| text.parse().ok(), |network| Some(network.address()));
        let Some(address) = address.filter(|address| Family::of(*address) == self.family) else {
            return Err(failed(format!("{text} is no network or address of this family"), None));
        };
        let bits = self.family.bits();
        let lengths = network.map_or(0..=bits, |network| network.length()..=network.length());
        let table = |place: &Place| {
            let networks = lengths.clone().rev().filter_map(|length| Prefix::new(address, length).ok());
            let mut routes = networks.map(|network| self.routes(*place, &What::All, &[network]));
            Some(self.table(*place, routes.find(|routes| !routes.is_empty())?))
        };
        let tables: Vec<_> = places.iter().filter_map(table).collect();
        if tables.is_empty() { Err(failed("Network not in table".to_owned(), None)) } else { Ok(tables) }
    }

    /// In a VRF's own table also what the VRF does not see, and its own routes as they are exported.
    fn paths(&self, place: Place, prefix: Prefix) -> Vec<PathView> {
        let learned = place.rd.map_or_else(Vec::new, |rd| self.pe.bgp.vpn_route(rd, prefix));
        let Some(vrf) = place.vrf else { return learned };
        let mut seen = self.pe.bgp.vrf_route(vrf, prefix);
        for path in learned {
            let is_it = |it: &&mut PathView| {
                let here = it.leaked.is_none() && it.rd.is_none_or(|rd| Some(rd) == place.rd);
                here && (it.peer, it.path) == (path.peer, path.path)
            };
            match seen.iter_mut().find(is_it) {
                Some(it) if it.rd.is_none() => it.attributes = path.attributes,
                Some(_) => {}
                None => seen.push(PathView { best: None, ..path }),
            }
        }
        seen
    }

    /// A route of the box itself is shown with the gateway that it leads to there.
    fn own_or_learned(&self, place: Place, prefix: Prefix, view: PathView) -> BgpPath {
        let vrf = view.leaked.or(place.vrf).filter(|_| view.peer.is_none());
        let vrf = vrf.filter(|_| view.attributes.next_hop.is_unspecified());
        let chosen = vrf.and_then(|vrf| Some((vrf, self.pe.routing.chosen(vrf, prefix)?)));
        let gateway = chosen.and_then(|(vrf, chosen)| entry(self.pe, vrf, prefix, chosen).next_hop);
        let path = self.path(view);
        BgpPath { next_hop: gateway.unwrap_or(path.next_hop), ..path }
    }

    fn path(&self, view: PathView) -> BgpPath {
        let of = &view.attributes;
        BgpPath {
            from: view.peer.map(|peer| peer.address),
            from_router_id: view.peer.and_then(|peer| self.routers.get(&peer).copied()),
            source: view.peer.is_none().then(|| source(view.source).to_owned()),
            external: view.external,
            next_hop: of.next_hop,
            igp_metric: view.metric,
            med: of.med,
            local_preference: of.local_preference,
            weight: view.weight,
            as_path: of.as_path.clone(),
            origin: origin(of.origin).to_owned(),
            atomic_aggregate: of.atomic_aggregate,
            aggregator: of.aggregator,
            communities: of.communities.iter().map(|one| community(*one)).collect(),
            extended_communities: of.extended.iter().map(|one| extended(of, *one)).collect(),
            large_communities: of.large.iter().map(|[a, b, c]| format!("{a}:{b}:{c}")).collect(),
            originator: of.originator,
            clusters: of.clusters.clone(),
            label: view.label.map(base::Label::value),
            local_label: view.local_label.map(base::Label::value),
            aggregate: view.aggregate.and_then(|vrf| vrf_name(self.pe, vrf)),
            path_id: view.path,
            tag: view.tag,
            imported_from: view.rd.map(|rd| rd.to_string()),
            leaked_from: view.leaked.map(|vrf| vrf_name(self.pe, vrf).unwrap_or_else(|| "global".to_owned())),
            stale: view.stale,
            best: view.best.map(|rule| rule.to_string()),
        }
    }
}

/// Where the page before ended.
fn mark(text: &str) -> Result<(Option<Rd>, Prefix), Response> {
    let (rd, prefix) = text.split_once(' ').ok_or_else(bad_page)?;
    let rd = if rd == "-" { None } else { Some(rd.parse().map_err(|_| bad_page())?) };
    Ok((rd, prefix.parse().map_err(|_| bad_page())?))
}

pub(super) const fn source(source: Source) -> &'static str {
    match source {
        Source::Connected => "connected",
        Source::Local => "local",
        Source::Static => "static",
        Source::Reverse => "reverse",
        Source::Bgp => "bgp",
    }
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Igp => "IGP",
        Origin::Egp => "EGP",
        Origin::Incomplete => "incomplete",
    }
}

fn community(value: u32) -> String {
    match value {
        NO_EXPORT => "no-export".to_owned(),
        NO_ADVERTISE => "no-advertise".to_owned(),
        LOCAL_AS => "local-AS".to_owned(),
        _ => format!("{}:{}", value >> 16, value & 0xFFFF),
    }
}

/// One that is neither a target nor a site of origin is shown as it stands on the wire.
fn extended(of: &Attributes, bytes: [u8; 8]) -> String {
    let alone = Attributes { extended: vec![bytes], ..Attributes::new(of.origin, of.next_hop) };
    let target = alone.targets().next().map(|RouteTarget(target)| format!("RT:{target}"));
    let site = || alone.sites().next().map(|site| format!("SoO:{site}"));
    target.or_else(site).unwrap_or_else(|| format!("0x{:016X}", u64::from_be_bytes(bytes)))
}
