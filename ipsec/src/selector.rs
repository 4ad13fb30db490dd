//! Which inner packets: the selector of RFC 4301 section 4.4.1.1, seen from this box.

use core::fmt;
use core::net::IpAddr;

use base::{Family, Prefix};

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    pub first: u16,
    pub last: u16,
}

/// What an inner packet looks like to a policy. `local` is the source outbound, the destination inbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    pub local: IpAddr,
    pub remote: IpAddr,
    pub protocol: u8,
    /// Zero where the protocol has no ports, and in fragments beyond the first.
    pub local_port: u16,
    pub remote_port: u16,
}

/// A set of flows. Both prefixes are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    pub local: Prefix,
    pub remote: Prefix,
    /// `None`: any protocol.
    pub protocol: Option<u8>,
    pub local_ports: Ports,
    pub remote_ports: Ports,
}

impl Ports {
    pub const ANY: Self = Self { first: 0, last: u16::MAX };

    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    pub const fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    pub fn is_any(self) -> bool {
        self == Self::ANY
    }
}

impl Flow {
    /// The same packet, judged from the other end.
    pub const fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
            protocol: self.protocol,
            local_port: self.remote_port,
            remote_port: self.local_port,
        }
    }
}

impl Selector {
    /// Every protocol and port between two prefixes.
    pub const fn between(local: Prefix, remote: Prefix) -> Self {
        Self { local, remote, protocol: None, local_ports: Ports::ANY, remote_ports: Ports::ANY }
    }

    pub fn family(&self) -> Family {
        self.local.family()
    }

    #[inline]
    pub fn matches(&self, flow: &Flow) -> bool {
        self.protocol.is_none_or(|protocol| protocol == flow.protocol)
            && self.local.contains(flow.local)
            && self.remote.contains(flow.remote)
            && self.local_ports.contains(flow.local_port)
            && self.remote_ports.contains(flow.remote_port)
    }

    /// Whether every flow of `other` is one of ours.
    pub fn covers(&self, other: &Self) -> bool {
        (self.protocol.is_none() || self.protocol == other.protocol)
            && self.local.covers(other.local)
            && self.remote.covers(other.remote)
            && self.local_ports.covers(other.local_ports)
            && self.remote_ports.covers(other.remote_ports)
    }

    /// The selector as the peer sees it.
    pub const fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
            protocol: self.protocol,
            local_ports: self.remote_ports,
            remote_ports: self.local_ports,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            None => f.write_str("ip")?,
            Some(protocol) => write!(f, "{protocol}")?,
        }
        write!(f, " {}{} {}{}", self.local, self.local_ports, self.remote, self.remote_ports)
    }
}

/// Nothing for any port, `:80` for one, `:80-90` for a range.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (0, u16::MAX) => Ok(()),
            (first, last) if first == last => write!(f, ":{first}"),
            (first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(local: &str, remote: &str) -> Selector {
        Selector::between(local.parse().unwrap(), remote.parse().unwrap())
    }

    #[test]
    fn a_narrower_flow_is_covered_and_a_wider_one_is_not() {
        let wide = selector("10.1.0.0/16", "10.2.0.0/16");
        let narrow = Selector { protocol: Some(6), ..selector("10.1.1.0/24", "10.2.0.0/16") };
        assert!(wide.covers(&narrow));
        assert!(!narrow.covers(&wide));
        assert!(!narrow.covers(&Selector { protocol: Some(17), ..narrow }));
    }

    #[test]
    fn the_mirror_of_a_packet_matches_the_mirror_of_its_selector() {
        let selector = Selector { remote_ports: Ports::one(80), ..selector("10.1.0.0/16", "10.2.0.0/16") };
        let flow = Flow {
            local: "10.1.0.9".parse().unwrap(),
            remote: "10.2.0.9".parse().unwrap(),
            protocol: 6,
            local_port: 4000,
            remote_port: 80,
        };
        assert!(selector.matches(&flow));
        assert!(selector.reversed().matches(&flow.reversed()));
        assert!(!selector.matches(&flow.reversed()));
    }
}
