//! Traffic selectors: ours and the peer's, and how what a peer asks for is narrowed to what a crypto-map
//! entry permits (RFC 7296 sections 2.9 and 3.13).

use std::net::IpAddr;

use base::{Family, Prefix};
use ipsec::{Flow, Ports, Selector};

use super::wire::notify::TS_UNACCEPTABLE;
use super::wire::ts::TrafficSelector;
use crate::config::Entry;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::policy;

/// Both sides of what is asked for, as seen from this box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) local: Vec<TrafficSelector>,
    pub(crate) remote: Vec<TrafficSelector>,
}

/// What of it we permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Narrowed<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) selector: Selector,
    /// The rest of it may be had with other children: ADDITIONAL_TS_POSSIBLE.
    pub(crate) more: bool,
}

/// What we ask for: our side and the peer's; in front of both the packet that made us ask, if we know it.
pub(crate) fn request(selector: &Selector, trigger: Option<&Flow>) -> Asked {
    let whole = pair(selector);
    let packet = trigger.filter(|flow| selector.matches(flow)).map(|flow| pair(&exact(flow)));
    let pairs = packet.into_iter().chain([whole]);
    let (local, remote): (Vec<_>, Vec<_>) = pairs.unzip();
    Asked { local: deduplicated(local), remote: deduplicated(remote) }
}

/// What we answer with, or ask for if nothing but this will do.
pub(crate) fn exactly(selector: &Selector) -> Asked {
    let (local, remote) = pair(selector);
    Asked { local: vec![local], remote: vec![remote] }
}

/// A packet and nothing else.
pub(crate) fn exact(flow: &Flow) -> Selector {
    let has_ports = flow.local_port != 0 || flow.remote_port != 0;
    let ports = |port| if has_ports { Ports::one(port) } else { Ports::ANY };
    Selector {
        local: Prefix::host(flow.local),
        remote: Prefix::host(flow.remote),
        protocol: Some(flow.protocol),
        local_ports: ports(flow.local_port),
        remote_ports: ports(flow.remote_port),
    }
}

/// As responder: the first permit line, in the order of entries and lines, that has something in common
/// with what the peer asks for. A line that holds the packet which made the peer ask comes first.
pub(crate) fn narrow<'a>(entries: &[&'a Entry], asked: &Asked) -> Result<Narrowed<'a>, Refusal> {
    let trigger = trigger(asked);
    let mut fallback = None;
    for entry in entries {
        for selector in candidates(entry, asked) {
            let found = Narrowed { entry, selector, more: !covers_all(&selector, asked) };
            match &trigger {
                Some(packet) if !selector.covers(packet) => {
                    fallback.get_or_insert(found);
                }
                Some(_) | None => return Ok(with_more(found, entries, asked)),
            }
        }
    }
    fallback.map(|found| with_more(found, entries, asked)).ok_or_else(|| unacceptable(asked))
}

/// As initiator: what the peer made of `wanted`. Whatever it leaves out is left out; what it adds is a
/// breach of the protocol.
pub(crate) fn accepted(answer: &Asked, wanted: &Selector) -> Result<Selector, Refusal> {
    let mut largest: Option<Selector> = None;
    for local in &answer.local {
        for remote in &answer.remote {
            let outside = |what: &TrafficSelector, prefix: Prefix| {
                !prefix.contains(what.first) || !prefix.contains(what.last)
            };
            if outside(local, wanted.local) || outside(remote, wanted.remote) {
                return Err(widened(answer));
            }
            if let Some(selector) = intersect(wanted, local, remote)
                && largest.as_ref().is_none_or(|best| width(best) < width(&selector))
            {
                largest = Some(selector);
            }
        }
    }
    largest.ok_or_else(|| widened(answer))
}

/// In transport mode through a NAT selectors name addresses that this side of it does not know: RFC 7296
/// section 2.23.1 puts those that we see in their place.
pub(crate) fn translate(asked: &Asked, local: IpAddr, remote: IpAddr) -> Asked {
    let put = |selectors: &[TrafficSelector], address: IpAddr| {
        let host = |one: &TrafficSelector| TrafficSelector { first: address, last: address, ..*one };
        deduplicated(selectors.iter().map(host).collect())
    };
    Asked { local: put(&asked.local, local), remote: put(&asked.remote, remote) }
}

/// And back: the addresses that the peer named, with what `selector` leaves of protocol and ports.
pub(crate) fn restore(asked: &Asked, selector: &Selector) -> Asked {
    let Asked { local, remote } = exactly(selector);
    let put = |ours: Vec<TrafficSelector>, theirs: &[TrafficSelector]| {
        let named = theirs.first().map(|named| (named.first, named.last));
        let back = |one: TrafficSelector| match named {
            Some((first, last)) => TrafficSelector { first, last, ..one },
            None => one,
        };
        ours.into_iter().map(back).collect()
    };
    Asked { local: put(local, &asked.local), remote: put(remote, &asked.remote) }
}

fn pair(selector: &Selector) -> (TrafficSelector, TrafficSelector) {
    let side = |prefix: Prefix, ports| TrafficSelector {
        protocol: selector.protocol.unwrap_or(0),
        ports,
        first: prefix.address(),
        last: prefix.last(),
    };
    (side(selector.local, selector.local_ports), side(selector.remote, selector.remote_ports))
}

fn deduplicated(mut selectors: Vec<TrafficSelector>) -> Vec<TrafficSelector> {
    selectors.dedup();
    selectors
}

/// If both lists begin with one address and go on, that is the packet.
fn trigger(asked: &Asked) -> Option<Selector> {
    let ([local, rest @ ..], [remote, more @ ..]) = (asked.local.as_slice(), asked.remote.as_slice()) else {
        return None;
    };
    let is_packet = local.first == local.last && remote.first == remote.last;
    if !is_packet || rest.is_empty() && more.is_empty() {
        return None;
    }
    whole(local, remote)
}

/// Every permitted selector of an entry that has something in common with what is asked for, in the order
/// of its lines, of each the widest.
fn candidates(entry: &Entry, asked: &Asked) -> Vec<Selector> {
    let pairs =
        || asked.local.iter().flat_map(|local| asked.remote.iter().map(move |remote| (local, remote)));
    if entry.dynamic && entry.rules.is_empty() {
        let mut all: Vec<Selector> = pairs().filter_map(|(local, remote)| whole(local, remote)).collect();
        all.sort_by_key(|selector| std::cmp::Reverse(width(selector)));
        return all;
    }
    let permits = entry.rules.iter().filter(|rule| rule.permit);
    let best = permits.filter_map(|rule| {
        let common = pairs().filter_map(|(local, remote)| intersect(&rule.selector, local, remote));
        common.filter(|selector| policy::entry_admits(entry, selector)).max_by_key(width)
    });
    best.collect()
}

fn with_more<'a>(found: Narrowed<'a>, entries: &[&'a Entry], asked: &Asked) -> Narrowed<'a> {
    let beyond = |selector: &Selector| !found.selector.covers(selector);
    let more = found.more && entries.iter().any(|entry| candidates(entry, asked).iter().any(beyond));
    Narrowed { more, ..found }
}

fn covers_all(selector: &Selector, asked: &Asked) -> bool {
    let covers = |prefix: Prefix, ports: Ports, one: &TrafficSelector| {
        prefix.contains(one.first)
            && prefix.contains(one.last)
            && ports.covers(one.ports)
            && (selector.protocol.is_none() || selector.protocol == Some(one.protocol))
    };
    asked.local.iter().all(|one| covers(selector.local, selector.local_ports, one))
        && asked.remote.iter().all(|one| covers(selector.remote, selector.remote_ports, one))
}

fn whole(local: &TrafficSelector, remote: &TrafficSelector) -> Option<Selector> {
    let family = local.family();
    let any = Selector::between(Prefix::any(family), Prefix::any(family));
    intersect(&any, local, remote)
}

/// What a line and one pair have in common; of a range that is no prefix the largest prefix in it.
fn intersect(line: &Selector, local: &TrafficSelector, remote: &TrafficSelector) -> Option<Selector> {
    let protocol = common_protocol(common_protocol(line.protocol, local.protocol)?, remote.protocol)?;
    Some(Selector {
        local: common_prefix(line.local, local)?,
        remote: common_prefix(line.remote, remote)?,
        protocol,
        local_ports: common_ports(line.local_ports, local.ports)?,
        remote_ports: common_ports(line.remote_ports, remote.ports)?,
    })
}

fn common_protocol(ours: Option<u8>, theirs: u8) -> Option<Option<u8>> {
    match (ours, theirs) {
        (ours, 0) => Some(ours),
        (None, theirs) => Some(Some(theirs)),
        (Some(ours), theirs) => (ours == theirs).then_some(Some(ours)),
    }
}

fn common_ports(ours: Ports, theirs: Ports) -> Option<Ports> {
    let common = Ports { first: ours.first.max(theirs.first), last: ours.last.min(theirs.last) };
    // Hidden ports (OPAQUE) are what is left of a protocol whose ports nobody sees.
    let is_opaque = theirs.first > theirs.last;
    (common.first <= common.last && !is_opaque).then_some(common)
}

fn common_prefix(ours: Prefix, theirs: &TrafficSelector) -> Option<Prefix> {
    if ours.family() != theirs.family() || theirs.first > theirs.last {
        return None;
    }
    largest_prefix(ours.address().max(theirs.first), ours.last().min(theirs.last))
}

/// The largest prefix between two addresses, the first one of that size.
fn largest_prefix(first: IpAddr, last: IpAddr) -> Option<Prefix> {
    let bits = Family::of(first).bits();
    let (low, high) = (number(first), number(last));
    (0..=bits).find_map(|length| {
        let size = 1u128.checked_shl(u32::from(bits - length)).unwrap_or(0);
        // All of IPv6 is one more than a number can hold.
        let ones = size.wrapping_sub(1);
        let start = low.checked_add(ones)? & !ones;
        let end = start.checked_add(ones)?;
        (low <= start && end <= high).then(|| Prefix::new(address(first, start), length).ok())?
    })
}

const fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits() as u128,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address with this number, of the family of `like`.
fn address(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        IpAddr::V6(_) => IpAddr::V6(number.into()),
    }
}

/// Orders selectors by how much they hold.
fn width(selector: &Selector) -> (u16, bool, u32) {
    let bits = u16::from(selector.family().bits());
    let addresses = 2 * bits - u16::from(selector.local.length()) - u16::from(selector.remote.length());
    let ports = |ports: Ports| u32::from(ports.last - ports.first);
    (addresses, selector.protocol.is_none(), ports(selector.local_ports) + ports(selector.remote_ports))
}

fn words(selectors: &[TrafficSelector]) -> String {
    selectors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn unacceptable(asked: &Asked) -> Refusal {
    let detail = format!(
        "no access list of the peer's crypto-map entries permits anything between {} here and {} there: make \
         them mirror images",
        words(&asked.local),
        words(&asked.remote)
    );
    Refusal::because(Blame::Refused, "traffic-selectors-not-admitted", detail).telling(TS_UNACCEPTABLE)
}

fn widened(answer: &Asked) -> Refusal {
    let detail = format!(
        "the peer answered with traffic selectors that we did not ask for: {} here, {} there",
        words(&answer.local),
        words(&answer.remote)
    );
    Refusal::because(Blame::PeerMisbehaved, "traffic-selectors-widened", detail)
}

#[cfg(test)]
mod tests;
