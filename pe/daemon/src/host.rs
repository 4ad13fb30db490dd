//! What the kernel should hold for us, derived from `pe::Host`: addresses, rules and routes. Pure.
//!
//! Sockets of the box are bound to a device; `oif` and `iif` rules lead them to the table of its VRF.
//! What the kernel itself answers (echo, unreachable, reset) carries the mark of the port that the
//! question came by; a rule on the mark leads it back into the graph by the VRF's TUN, where routes
//! and crypto maps hold as for any other packet.

use std::collections::BTreeSet;
use std::net::IpAddr;

use base::{Family, Prefix, VrfId};
use pe::{Host, HostPort};

/// Marks addresses, rules and routes as ours (`ip … proto 111`), so that stale ones are found.
pub(crate) const PROTOCOL: u8 = 111;

const MAIN: u32 = 254;
const VRF_TABLES: u32 = 1000;
const REPLY_TABLES: u32 = 1_000_000;
/// Before the rule for the main table; rules for devices come before rules for marks.
const DEVICE_RULE: u32 = 1000;
const MARK_RULE: u32 = 1001;
/// Ours, so that a route of the same prefix from somebody else does not clash with it.
const METRIC: u32 = 20;

/// The table of a VRF's routes; the global VRF's is the main one.
pub(crate) const fn table(vrf: VrfId) -> u32 {
    match vrf {
        VrfId::GLOBAL => MAIN,
        VrfId(id) => VRF_TABLES.saturating_add(id),
    }
}

/// The packet mark of a VRF, and the table that leads what the kernel answers back by its TUN.
pub(crate) const fn mark(vrf: VrfId) -> u32 {
    REPLY_TABLES.saturating_add(vrf.0)
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AddressOn {
    pub(crate) device: String,
    pub(crate) address: IpAddr,
    pub(crate) length: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Selector {
    Iif(String),
    Oif(String),
    Mark(u32),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) family: Family,
    pub(crate) priority: u32,
    pub(crate) selector: Selector,
    pub(crate) table: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) table: u32,
    pub(crate) prefix: Prefix,
    pub(crate) device: String,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) metric: u32,
}

/// Everything of ours in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) addresses: BTreeSet<AddressOn>,
    pub(crate) rules: BTreeSet<Rule>,
    pub(crate) routes: BTreeSet<Route>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Address(AddressOn),
    Rule(Rule),
    Route(Route),
}

impl Wanted {
    pub(crate) fn contains(&self, thing: &Thing) -> bool {
        match thing {
            Thing::Address(on) => self.addresses.contains(on),
            Thing::Rule(rule) => self.rules.contains(rule),
            Thing::Route(route) => self.routes.contains(route),
        }
    }

    pub(crate) fn insert(&mut self, thing: Thing) {
        match thing {
            Thing::Address(on) => self.addresses.insert(on),
            Thing::Rule(rule) => self.rules.insert(rule),
            Thing::Route(route) => self.routes.insert(route),
        };
    }

    pub(crate) fn remove(&mut self, thing: &Thing) {
        match thing {
            Thing::Address(on) => self.addresses.remove(on),
            Thing::Rule(rule) => self.rules.remove(rule),
            Thing::Route(route) => self.routes.remove(route),
        };
    }

    pub(crate) fn of(host: &Host) -> Self {
        let mut wanted = Self::default();
        for port in &host.ports {
            wanted.device_rules(port);
            if port.host { wanted.tun(port) } else { wanted.wire(port) }
        }
        for route in &host.routes {
            let Some(port) = host.ports.iter().find(|port| port.port == route.port) else { continue };
            wanted.route(table(route.vrf), route.prefix, port, route.gateway);
        }
        wanted
    }

    fn device_rules(&mut self, port: &HostPort) {
        if port.vrf == VrfId::GLOBAL {
            return;
        }
        for selector in [Selector::Iif(port.device.clone()), Selector::Oif(port.device.clone())] {
            self.rule(DEVICE_RULE, &selector, table(port.vrf));
        }
    }

    fn wire(&mut self, port: &HostPort) {
        for address in &port.addresses {
            self.addresses.insert(AddressOn {
                device: port.device.clone(),
                address: address.address,
                length: address.length,
            });
            if let Ok(prefix) = Prefix::new(address.address, address.length)
                && !prefix.is_host()
            {
                self.route(table(port.vrf), prefix, port, None);
            }
        }
    }

    fn tun(&mut self, port: &HostPort) {
        // Without their networks: those are behind tunnels, and the VRF's routes lead there.
        for on in &port.addresses {
            let length = Family::of(on.address).bits();
            self.addresses.insert(AddressOn { device: port.device.clone(), address: on.address, length });
        }
        self.rule(MARK_RULE, &Selector::Mark(mark(port.vrf)), mark(port.vrf));
        for family in Family::BOTH {
            self.route(mark(port.vrf), Prefix::any(family), port, None);
        }
    }

    fn rule(&mut self, priority: u32, selector: &Selector, table: u32) {
        for family in Family::BOTH {
            self.rules.insert(Rule { family, priority, selector: selector.clone(), table });
        }
    }

    fn route(&mut self, table: u32, prefix: Prefix, port: &HostPort, gateway: Option<IpAddr>) {
        let device = port.device.clone();
        self.routes.insert(Route { table, prefix, device, gateway, metric: METRIC });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use base::PortId;
    use dataplane::Address;
    use pe::HostRoute;

    use super::*;

    pub(crate) fn port(id: u32, device: &str, vrf: u32, address: &str) -> HostPort {
        HostPort {
            port: PortId(id),
            device: device.to_owned(),
            vrf: VrfId(vrf),
            host: address.is_empty(),
            mtu: 1500,
            addresses: address.parse().map(|address| Address { address, length: 24 }).into_iter().collect(),
            ike: !address.is_empty(),
            ends: Vec::new(),
            shutdown: false,
        }
    }

    #[test]
    fn two_front_vrfs_with_one_address_keep_a_table_each() {
        let host = Host {
            ports: vec![port(1, "wan1", 1, "192.0.2.1"), port(2, "wan2", 2, "192.0.2.1")],
            routes: vec![HostRoute {
                vrf: VrfId(2),
                prefix: Prefix::any(Family::V4),
                port: PortId(2),
                gateway: "192.0.2.254".parse().ok(),
            }],
            ..Host::default()
        };
        let wanted = Wanted::of(&host);
        let places: Vec<_> =
            wanted.routes.iter().map(|r| (r.table, r.prefix.to_string(), r.device.as_str())).collect();
        assert_eq!(
            places,
            [
                (1001, "192.0.2.0/24".to_owned(), "wan1"),
                (1002, "0.0.0.0/0".to_owned(), "wan2"),
                (1002, "192.0.2.0/24".to_owned(), "wan2"),
            ]
        );
        assert_eq!(wanted.rules.len(), 8, "iif and oif, two families, two devices");
        assert!(wanted.rules.iter().all(|rule| match &rule.selector {
            Selector::Iif(device) | Selector::Oif(device) => {
                rule.table == if device == "wan1" { 1001 } else { 1002 }
            }
            Selector::Mark(_) => false,
        }));
    }

    #[test]
    fn the_global_vrf_lives_in_the_main_table_without_rules_for_its_devices() {
        let wanted = Wanted::of(&Host {
            ports: vec![port(1, "wan", 0, "192.0.2.1")],
            routes: Vec::new(),
            ..Host::default()
        });
        assert!(wanted.rules.is_empty());
        assert_eq!(wanted.routes.first().map(|route| route.table), Some(MAIN));
    }

    #[test]
    fn what_the_kernel_answers_goes_back_by_the_tun_of_the_vrf_it_was_asked_in() {
        let wanted = Wanted::of(&Host {
            ports: vec![port(7, "tun-red", 3, "")],
            routes: Vec::new(),
            ..Host::default()
        });
        let marked: Vec<_> =
            wanted.rules.iter().filter(|rule| rule.selector == Selector::Mark(1_000_003)).collect();
        assert_eq!(marked.len(), 2);
        assert!(marked.iter().all(|rule| rule.table == 1_000_003 && rule.priority > DEVICE_RULE));
        assert_eq!(wanted.routes.iter().filter(|r| r.table == 1_000_003 && r.device == "tun-red").count(), 2);
        assert!(wanted.addresses.is_empty());
    }
}
