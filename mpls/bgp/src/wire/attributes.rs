//! Path attributes but those that hold routes: from and to the codec's, with the error handling of RFC 7606.

use core::net::{IpAddr, Ipv4Addr};

use rustbgpd_wire as codec;
use rustbgpd_wire::attribute::{decode_path_attributes_revised, encode_path_attributes};
use rustbgpd_wire::{AsPathSegment, ErrorDisposition, PathAttribute};

use super::notification::Notification;
use crate::attributes::{Attributes, Origin, Unknown};

/// Of which session the attributes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) four_octet: bool,
    pub(super) external: bool,
}

/// Attributes as they were received.
#[derive(Clone, Debug)]
pub(super) struct Read {
    /// `None`: the routes are to be taken as withdrawn.
    pub(super) attributes: Option<Attributes>,
    /// The first thing that is wrong with them, whether it cost the routes or an attribute.
    pub(super) problem: Option<String>,
}

/// `next_hop`: of MP_REACH_NLRI; without it the attribute NEXT_HOP counts. What cannot be survived is an error.
pub(super) fn read(bytes: &[u8], next_hop: Option<IpAddr>, context: Context) -> Result<Read, Notification> {
    let decoded = decode_path_attributes_revised(bytes, context.four_octet, !context.external, &[])?;
    let mut problem = decoded.malformed.first().map(|malformed| malformed.error.to_string());
    let worst = decoded.malformed.iter().map(|malformed| malformed.disposition).max();
    let mut attributes = None;
    if worst.is_none_or(|worst| worst == ErrorDisposition::AttributeDiscard) {
        match build(decoded.attributes, next_hop, context.external) {
            Ok(built) => attributes = Some(built),
            Err(why) => problem = Some(why),
        }
    }
    Ok(Read { attributes, problem })
}

/// Of the attributes that were read one by one. The error: why the routes are taken as withdrawn.
fn build(list: Vec<PathAttribute>, next_hop: Option<IpAddr>, external: bool) -> Result<Attributes, String> {
    let mut gathered = Gathered { next_hop, ..Gathered::default() };
    for attribute in list {
        gathered.add(attribute)?;
    }
    if external {
        // RFC 7606 sections 7.5, 7.9 and 7.10.
        gathered.local_preference = None;
        gathered.originator = None;
        gathered.clusters.clear();
    }
    gathered.finish()
}

#[derive(Default)]
struct Gathered {
    origin: Option<Origin>,
    as_path: Option<Vec<u32>>,
    next_hop: Option<IpAddr>,
    med: Option<u32>,
    local_preference: Option<u32>,
    atomic_aggregate: bool,
    aggregator: Option<(u32, Ipv4Addr)>,
    communities: Vec<u32>,
    extended: Vec<[u8; 8]>,
    large: Vec<[u32; 3]>,
    originator: Option<Ipv4Addr>,
    clusters: Vec<Ipv4Addr>,
    unknown: Vec<Unknown>,
}

impl Gathered {
    fn add(&mut self, attribute: PathAttribute) -> Result<(), String> {
        match attribute {
            PathAttribute::Origin(origin) => self.origin = Some(read_origin(origin)),
            PathAttribute::AsPath(path) => self.as_path = Some(read_path(path.segments)?),
            // RFC 4760 section 3: beside MP_REACH_NLRI it means nothing.
            PathAttribute::NextHop(address) => {
                self.next_hop = self.next_hop.or_else(|| Some(address.into()));
            }
            PathAttribute::Med(med) => self.med = Some(med),
            PathAttribute::LocalPref(preference) => self.local_preference = Some(preference),
            PathAttribute::AtomicAggregate => self.atomic_aggregate = true,
            PathAttribute::Aggregator(by) => self.aggregator = Some((by.asn, by.router_id)),
            PathAttribute::Communities(list) | PathAttribute::CommunitiesPartial(list) => {
                self.communities = sorted(list);
            }
            PathAttribute::ExtendedCommunities(list) | PathAttribute::ExtendedCommunitiesPartial(list) => {
                self.extended = sorted(list.into_iter().map(|one| one.as_u64().to_be_bytes()).collect());
            }
            PathAttribute::LargeCommunities(list) | PathAttribute::LargeCommunitiesPartial(list) => {
                let list = list.into_iter().map(|one| [one.global_admin, one.local_data1, one.local_data2]);
                self.large = sorted(list.collect());
            }
            PathAttribute::OriginatorId(id) => self.originator = Some(id),
            PathAttribute::ClusterList(list) => self.clusters = list,
            PathAttribute::Unknown(raw) if raw.flags & OPTIONAL == 0 => {
                return Err(format!("unrecognized well-known attribute {}", raw.type_code));
            }
            PathAttribute::Ipv6ExtendedCommunities(_)
            | PathAttribute::Ipv6ExtendedCommunitiesPartial(_)
            | PathAttribute::PmsiTunnel(_)
            | PathAttribute::PmsiTunnelPartial(_)
            | PathAttribute::OnlyToCustomer(_)
            | PathAttribute::OnlyToCustomerPartial(_)
            | PathAttribute::MpReachNlri(_)
            | PathAttribute::MpUnreachNlri(_)
            | PathAttribute::Unknown(_)
            | _ => self.unknown.extend(keep(&attribute)),
        }
        Ok(())
    }

    fn finish(self) -> Result<Attributes, String> {
        let next_hop = self.next_hop.ok_or("NEXT_HOP is missing")?;
        if !super::next_hop::valid(next_hop) {
            return Err(format!("next hop {next_hop} cannot be a router"));
        }
        Ok(Attributes {
            origin: self.origin.ok_or("ORIGIN is missing")?,
            as_path: self.as_path.ok_or("AS_PATH is missing")?,
            next_hop,
            med: self.med,
            local_preference: self.local_preference,
            atomic_aggregate: self.atomic_aggregate,
            aggregator: self.aggregator,
            communities: self.communities,
            extended: self.extended,
            large: self.large,
            originator: self.originator,
            clusters: self.clusters,
            unknown: self.unknown,
        })
    }
}

const fn read_origin(origin: codec::Origin) -> Origin {
    match origin {
        codec::Origin::Igp => Origin::Igp,
        codec::Origin::Egp => Origin::Egp,
        codec::Origin::Incomplete => Origin::Incomplete,
    }
}

/// Segments of more than 255 ASes come as several; sets do not come here.
fn read_path(segments: Vec<AsPathSegment>) -> Result<Vec<u32>, String> {
    let mut path = Vec::new();
    for segment in segments {
        let (AsPathSegment::AsSequence(part) | AsPathSegment::AsSet(part)) = segment;
        if part.is_empty() {
            return Err("AS_PATH has an empty segment".into());
        }
        path.extend(part);
    }
    Ok(path)
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}

/// What we do not know is kept as it is on the wire, whether the codec knows it or not. It ends here if it is not
/// transitive.
fn keep(attribute: &PathAttribute) -> Option<Unknown> {
    let mut bytes = Vec::new();
    encode_path_attributes(core::slice::from_ref(attribute), &mut bytes, true, false).ok()?;
    let (&[flags, code], rest) = bytes.split_first_chunk()?;
    let value = rest.get(if flags & EXTENDED_LENGTH == 0 { 1 } else { 2 }..)?;
    (flags & TRANSITIVE != 0).then(|| Unknown { code, value: value.to_vec() })
}

/// `next_hop`: written as the attribute NEXT_HOP.
pub(super) fn write(
    attributes: &Attributes,
    next_hop: Option<Ipv4Addr>,
    four_octet: bool,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    encode_path_attributes(&list(attributes, next_hop), &mut out, four_octet, false).ok()?;
    Some(out)
}

/// In the order of their numbers.
fn list(attributes: &Attributes, next_hop: Option<Ipv4Addr>) -> Vec<PathAttribute> {
    let path = Some(&attributes.as_path).filter(|path| !path.is_empty());
    let segments = path.map(|path| AsPathSegment::AsSequence(path.clone())).into_iter().collect();
    let mut list = vec![
        PathAttribute::Origin(write_origin(attributes.origin)),
        PathAttribute::AsPath(codec::AsPath { segments }),
    ];
    list.extend(next_hop.map(PathAttribute::NextHop));
    list.extend(attributes.med.map(PathAttribute::Med));
    list.extend(attributes.local_preference.map(PathAttribute::LocalPref));
    list.extend(attributes.atomic_aggregate.then_some(PathAttribute::AtomicAggregate));
    list.extend(attributes.aggregator.map(|(asn, router_id)| {
        PathAttribute::Aggregator(codec::Aggregator { asn, router_id, partial: false })
    }));
    list.extend(filled(&attributes.communities).map(PathAttribute::Communities));
    list.extend(attributes.originator.map(PathAttribute::OriginatorId));
    list.extend(filled(&attributes.clusters).map(PathAttribute::ClusterList));
    list.extend(filled(&attributes.extended).map(|communities| {
        let raw = communities.into_iter().map(u64::from_be_bytes);
        PathAttribute::ExtendedCommunities(raw.map(codec::ExtendedCommunity::new).collect())
    }));
    list.extend(filled(&attributes.large).map(|communities| {
        let large = communities.into_iter().map(|[admin, a, b]| codec::LargeCommunity::new(admin, a, b));
        PathAttribute::LargeCommunities(large.collect())
    }));
    list.extend(attributes.unknown.iter().map(|unknown| {
        PathAttribute::Unknown(codec::RawAttribute {
            flags: OPTIONAL | TRANSITIVE | PARTIAL,
            type_code: unknown.code,
            data: unknown.value.clone().into(),
        })
    }));
    list
}

/// An attribute without a value is not sent.
fn filled<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

const fn write_origin(origin: Origin) -> codec::Origin {
    match origin {
        Origin::Igp => codec::Origin::Igp,
        Origin::Egp => codec::Origin::Egp,
        Origin::Incomplete => codec::Origin::Incomplete,
    }
}

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const PARTIAL: u8 = 0x20;
const EXTENDED_LENGTH: u8 = 0x10;
