//! The addresses of the lab: the same in all its networks.

use super::scenario::{Cell, Proof, Role};

/// One family's addresses.
pub(super) struct Place {
    pub(super) pe: &'static str,
    pub(super) peer: &'static str,
    /// The router's, on either side; behind them it hides the other side when it does NAT.
    pub(super) router_by_pe: &'static str,
    pub(super) router_by_peer: &'static str,
    /// A host behind us, and one at the peer; of further pairs of networks only the peer's differs.
    pub(super) far: &'static str,
    pub(super) near: [&'static str; 3],
    pub(super) far_network: &'static str,
    pub(super) near_networks: [&'static str; 3],
    /// The same in the words of an access list.
    pub(super) far_listed: &'static str,
    pub(super) near_listed: [&'static str; 3],
}

pub(super) const IPV4: Place = Place {
    pe: "192.0.2.1",
    peer: "198.51.100.2",
    router_by_pe: "192.0.2.254",
    router_by_peer: "198.51.100.254",
    far: "10.1.0.2",
    near: ["10.2.0.1", "10.2.1.1", "10.2.2.1"],
    far_network: "10.1.0.0/24",
    near_networks: ["10.2.0.0/24", "10.2.1.0/24", "10.2.2.0/24"],
    far_listed: "10.1.0.0 0.0.0.255",
    near_listed: ["10.2.0.0 0.0.0.255", "10.2.1.0 0.0.0.255", "10.2.2.0 0.0.0.255"],
};

pub(super) const IPV6: Place = Place {
    pe: "2001:db8:1::1",
    peer: "2001:db8:2::2",
    router_by_pe: "2001:db8:1::ff",
    router_by_peer: "2001:db8:2::ff",
    far: "fd01::2",
    near: ["fd02::1", "fd02:1::1", "fd02:2::1"],
    far_network: "fd01::/64",
    near_networks: ["fd02::/64", "fd02:1::/64", "fd02:2::/64"],
    far_listed: "fd01::/64",
    near_listed: ["fd02::/64", "fd02:1::/64", "fd02:2::/64"],
};

/// What both sides call themselves where an address is not their name.
pub(super) const US: &str = "onramp.example";
pub(super) const THEM: &str = "site.example";

pub(super) const KEY: &str = "shared-secret-of-the-lab";

impl Cell {
    pub(super) const fn place(&self) -> &'static Place {
        if self.scenario.ipv6 { &IPV6 } else { &IPV4 }
    }

    /// Where the peer moves to (MOBIKE); not to where an earlier cell's packets still go.
    pub(super) const fn moved(&self) -> &'static str {
        if self.scenario.nat { "198.51.100.4" } else { "198.51.100.3" }
    }

    /// The peer's address as we see it.
    pub(super) fn remote(&self) -> &'static str {
        if self.nat() == Some(Role::They) { self.place().router_by_pe } else { self.place().peer }
    }

    /// Ours as the peer sees it.
    pub(super) fn local(&self) -> &'static str {
        if self.nat() == Some(Role::We) { self.place().router_by_peer } else { self.place().pe }
    }

    /// Networks that the tunnel connects: the peer's, and the peer's in an access list.
    pub(super) const fn children(&self) -> usize {
        if let Proof::Children(count) = self.scenario.proof { count as usize } else { 1 }
    }
}
