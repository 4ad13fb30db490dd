//! Traffic selector payloads: RFC 7296 section 3.13.

use std::fmt;
use std::net::IpAddr;

use base::Family;
use ipsec::Ports;

use crate::wire::id::octets;
use crate::wire::{Malformed, Reader, length16};

const IPV4_RANGE: u8 = 7;
const IPV6_RANGE: u8 = 8;

/// Selectors of other types than ours count too.
const MOST_SELECTORS: usize = 255;

/// One side of a flow. `first` and `last` are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrafficSelector {
    /// Zero: any.
    pub(crate) protocol: u8,
    /// `first` above `last`: the ports are hidden (OPAQUE).
    pub(crate) ports: Ports,
    pub(crate) first: IpAddr,
    pub(crate) last: IpAddr,
}

impl TrafficSelector {
    pub(crate) const fn family(&self) -> Family {
        Family::of(self.first)
    }

    const fn kind(&self) -> u8 {
        match self.family() {
            Family::V4 => IPV4_RANGE,
            Family::V6 => IPV6_RANGE,
        }
    }
}

/// Those of the types that we know; at least one selector must be there.
pub(crate) fn decode(body: &[u8]) -> Result<Vec<TrafficSelector>, Malformed> {
    let mut reader = Reader::new(body);
    let [count, ..] = reader.array::<4>()?;
    if count == 0 {
        return Err(Malformed("no-traffic-selector"));
    }
    let mut selectors = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        selectors.extend(one(&mut reader)?);
    }
    if reader.is_empty() { Ok(selectors) } else { Err(Malformed("bytes-after-last-selector")) }
}

pub(crate) fn encode(selectors: &[TrafficSelector]) -> Vec<u8> {
    let count = selectors.len().min(MOST_SELECTORS);
    let mut body = vec![u8::try_from(count).unwrap_or(u8::MAX), 0, 0, 0];
    for selector in selectors.iter().take(count) {
        let (first, last) = (octets(selector.first), octets(selector.last));
        body.extend_from_slice(&[selector.kind(), selector.protocol]);
        body.extend_from_slice(&length16(8 + first.len() + last.len()).to_be_bytes());
        body.extend_from_slice(&selector.ports.first.to_be_bytes());
        body.extend_from_slice(&selector.ports.last.to_be_bytes());
        body.extend_from_slice(&first);
        body.extend_from_slice(&last);
    }
    body
}

fn one(reader: &mut Reader<'_>) -> Result<Option<TrafficSelector>, Malformed> {
    let (kind, protocol, length) = (reader.byte()?, reader.byte()?, reader.short()?);
    let length = usize::from(length).checked_sub(4).ok_or(Malformed("bad-traffic-selector-length"))?;
    let mut inner = Reader::new(reader.take(length)?);
    if !matches!(kind, IPV4_RANGE | IPV6_RANGE) {
        return Ok(None);
    }
    let ports = Ports { first: inner.short()?, last: inner.short()? };
    let (first, last): (IpAddr, IpAddr) = if kind == IPV4_RANGE {
        (inner.array::<4>()?.into(), inner.array::<4>()?.into())
    } else {
        (inner.array::<16>()?.into(), inner.array::<16>()?.into())
    };
    if !inner.is_empty() {
        return Err(Malformed("bad-traffic-selector-length"));
    }
    Ok(Some(TrafficSelector { protocol, ports, first, last }))
}

impl fmt::Display for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            0 => write!(f, "{}-{}{}", self.first, self.last, self.ports),
            protocol => write!(f, "{protocol} {}-{}{}", self.first, self.last, self.ports),
        }
    }
}
