//! Path attributes in our own types, RFC 4271 section 5 and its extensions.

use core::net::{IpAddr, Ipv4Addr};

use vrf::{Rd, RouteTarget};

/// How a route came into BGP. The order is that of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    Igp,
    Egp,
    #[default]
    Incomplete,
}

/// An optional transitive attribute that we do not know and pass on as partial, RFC 4271 section 5.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unknown {
    pub code: u8,
    pub value: Vec<u8>,
}

/// Everything that the routes of one UPDATE share. Lists of communities are sorted and without duplicates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    pub origin: Origin,
    /// Nearest first. Sets and confederations do not occur: RFC 9774 takes their routes as withdrawn.
    pub as_path: Vec<u32>,
    /// Where packets go. Of a VPN route the route distinguisher in front of the address is zero and not kept, and neither
    /// is the link-local address beside a global one (RFC 2545 section 3): the global one is on the link, too.
    pub next_hop: IpAddr,
    pub med: Option<u32>,
    pub local_preference: Option<u32>,
    pub atomic_aggregate: bool,
    pub aggregator: Option<(u32, Ipv4Addr)>,
    pub communities: Vec<u32>,
    /// As on the wire, RFC 4360: type, subtype, value.
    pub extended: Vec<[u8; 8]>,
    pub large: Vec<[u32; 3]>,
    pub originator: Option<Ipv4Addr>,
    /// Nearest first.
    pub clusters: Vec<Ipv4Addr>,
    pub unknown: Vec<Unknown>,
}

/// RFC 1997: not to anybody, not beyond this AS, not beyond this AS either as there are no confederations.
pub const NO_EXPORT: u32 = 0xFFFF_FF01;
pub const NO_ADVERTISE: u32 = 0xFFFF_FF02;
pub const LOCAL_AS: u32 = 0xFFFF_FF03;

const TARGET: u8 = 2;
const SITE: u8 = 3;

impl Attributes {
    /// Those of a route without any history.
    pub const fn new(origin: Origin, next_hop: IpAddr) -> Self {
        Self {
            origin,
            as_path: Vec::new(),
            next_hop,
            med: None,
            local_preference: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: Vec::new(),
            extended: Vec::new(),
            large: Vec::new(),
            originator: None,
            clusters: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// The AS that the route came from; `None`: our own.
    pub fn neighbor(&self) -> Option<u32> {
        self.as_path.first().copied()
    }

    /// How often an AS stands in the path.
    pub fn occurrences(&self, asn: u32) -> usize {
        self.as_path.iter().filter(|member| **member == asn).count()
    }

    /// Puts ASes in front of the path, the first of them nearest.
    pub fn prepend(&mut self, path: &[u32]) {
        self.as_path.splice(0..0, path.iter().copied());
    }

    pub fn targets(&self) -> impl Iterator<Item = RouteTarget> + '_ {
        self.extended.iter().filter_map(|bytes| of(*bytes, TARGET)).map(RouteTarget)
    }

    pub fn sites(&self) -> impl Iterator<Item = Rd> + '_ {
        self.extended.iter().filter_map(|bytes| of(*bytes, SITE))
    }

    pub fn add_target(&mut self, target: RouteTarget) {
        self.add_extended(bytes(target.0, TARGET));
    }

    pub fn add_site(&mut self, site: Rd) {
        self.add_extended(bytes(site, SITE));
    }

    pub fn clear_targets(&mut self) {
        self.extended.retain(|bytes| of(*bytes, TARGET).is_none());
    }

    pub fn clear_sites(&mut self) {
        self.extended.retain(|bytes| of(*bytes, SITE).is_none());
    }

    fn add_extended(&mut self, community: [u8; 8]) {
        if let Err(at) = self.extended.binary_search(&community) {
            self.extended.insert(at, community);
        }
    }
}

/// An extended community of this subtype, RFC 4360 section 3 and RFC 5668.
fn of(bytes: [u8; 8], subtype: u8) -> Option<Rd> {
    let [kind, sub, a, b, c, d, e, f] = bytes;
    if sub != subtype {
        return None;
    }
    match kind {
        0 => Some(Rd::As2(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))),
        1 => Some(Rd::Ipv4(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, f]))),
        2 => Some(Rd::As4(u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]))),
        _ => None,
    }
}

fn bytes(rd: Rd, subtype: u8) -> [u8; 8] {
    let (kind, [a, b, c, d], [e, f]) = match rd {
        Rd::As2(asn, number) => {
            let ([a, b], [c, d, e, f]) = (asn.to_be_bytes(), number.to_be_bytes());
            (0, [a, b, c, d], [e, f])
        }
        Rd::Ipv4(address, number) => (1, address.octets(), number.to_be_bytes()),
        Rd::As4(asn, number) => (2, asn.to_be_bytes(), number.to_be_bytes()),
    };
    [kind, subtype, a, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        Attributes::new(Origin::Igp, IpAddr::from([192, 0, 2, 1]))
    }

    #[test]
    fn targets_and_sites_of_each_form_are_told_apart() {
        let mut route = attributes();
        for text in ["65000:7", "192.0.2.1:9", "4200000000:3"] {
            route.add_target(text.parse().unwrap());
            route.add_site(text.parse().unwrap());
        }
        route.add_target("65000:7".parse().unwrap());
        assert_eq!((route.extended.len(), route.targets().count(), route.sites().count()), (6, 3, 3));
        assert!(route.targets().any(|target| target.to_string() == "4200000000:3"));
        route.clear_targets();
        assert_eq!((route.targets().count(), route.sites().count()), (0, 3));
    }
}
