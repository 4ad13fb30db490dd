//! Numbers for names: a VRF, an interface or a crypto-map entry keeps its number across reconfigurations.

use std::collections::BTreeMap;

use base::{PolicyId, PortId, VrfId};

/// Everything that ever had a name here. Numbers are never reused, so a late event about something
/// that is gone cannot hit something new.
#[derive(Clone, Default)]
pub(crate) struct Ids {
    vrfs: Numbers<String>,
    ports: Numbers<PortName>,
    policies: Numbers<EntryName>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PortName {
    /// An interface of the configuration.
    Interface(String),
    /// The way to the kernel for one VRF.
    Host(VrfId),
}

/// A crypto-map entry as it stands on one interface, or a tunnel interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryName {
    pub(crate) interface: String,
    pub(crate) map: String,
    pub(crate) sequence: u32,
    /// Its number in the dynamic map that stands at that place.
    pub(crate) dynamic: Option<u32>,
}

impl Ids {
    /// The VRF's number; `None` is the global table.
    pub(crate) fn vrf(&mut self, name: Option<&str>) -> VrfId {
        name.map_or(VrfId::GLOBAL, |name| VrfId(self.vrfs.number(name.to_owned())))
    }

    pub(crate) fn port(&mut self, name: PortName) -> PortId {
        PortId(self.ports.number(name))
    }

    pub(crate) fn policy(&mut self, name: EntryName) -> PolicyId {
        PolicyId(self.policies.number(name))
    }

    /// A policy that has no name: it is gone for good once it is gone.
    pub(crate) fn nameless_policy(&mut self) -> PolicyId {
        PolicyId(self.policies.next())
    }

    /// A VRF that exists already.
    pub(crate) fn known_vrf(&self, name: Option<&str>) -> Option<VrfId> {
        match name {
            None => Some(VrfId::GLOBAL),
            Some(name) => self.vrfs.known(&name.to_owned()).map(VrfId),
        }
    }

    pub(crate) fn known_port(&self, interface: &str) -> Option<PortId> {
        self.ports.known(&PortName::Interface(interface.to_owned())).map(PortId)
    }

    /// `None`: the global table.
    pub(crate) fn vrf_name(&self, id: VrfId) -> Option<&str> {
        self.vrfs.name(id.0).map(String::as_str)
    }

    pub(crate) fn interface(&self, id: PortId) -> Option<&str> {
        match self.ports.name(id.0)? {
            PortName::Interface(name) => Some(name),
            PortName::Host(_) => None,
        }
    }

    pub(crate) fn entry(&self, id: PolicyId) -> Option<&EntryName> {
        self.policies.name(id.0)
    }
}

/// Counts names from 1 in the order in which they are first met.
#[derive(Clone)]
struct Numbers<N> {
    numbers: BTreeMap<N, u32>,
    names: BTreeMap<u32, N>,
    last: u32,
}

impl<N> Default for Numbers<N> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), names: BTreeMap::new(), last: 0 }
    }
}

impl<N: Clone + Ord> Numbers<N> {
    fn number(&mut self, name: N) -> u32 {
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = self.next();
        self.names.insert(number, name.clone());
        self.numbers.insert(name, number);
        number
    }

    fn next(&mut self) -> u32 {
        self.last = self.last.saturating_add(1);
        self.last
    }

    fn known(&self, name: &N) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    fn name(&self, number: u32) -> Option<&N> {
        self.names.get(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_no_number_serves_twice() {
        let mut ids = Ids::default();
        let red = ids.vrf(Some("red"));
        let blue = ids.vrf(Some("blue"));
        assert_ne!(red, blue);
        assert_eq!(ids.vrf(Some("red")), red);
        assert_eq!(ids.vrf_name(blue), Some("blue"));
        assert_eq!((ids.vrf(None), ids.vrf_name(VrfId::GLOBAL)), (VrfId::GLOBAL, None));
    }

    #[test]
    fn an_unknown_name_is_not_the_global_table() {
        assert_eq!(Ids::default().known_vrf(Some("red")), None);
    }
}
