//! Where objects stand in the kernel: the device and table of each VRF, the device of each port, the XFRM
//! interface of each crypto map and tunnel interface.
//!
//! What an earlier run made is known again by its alias: the same carrier gets the same device and `if_id`.

use std::collections::{BTreeMap, BTreeSet};

use base::{PolicyId, PortId, VrfId};
use dataplane::{Port, TtlModel, Vrf};

use crate::thing::Name;
use crate::xfrm::{FIRST_IF_ID, LAST_IF_ID, MARK_MASK, is_ours};

/// Names for numbers, and what is known of the devices behind the names.
#[derive(Default)]
pub(crate) struct Ground {
    pub(crate) vrfs: BTreeMap<VrfId, Place>,
    pub(crate) ports: BTreeMap<PortId, Port>,
    pub(crate) tunnels: BTreeMap<Carrier, Tunnel>,
    /// Every device of this machine by name.
    pub(crate) links: BTreeMap<Name, Link>,
    names: BTreeMap<u32, Name>,
    /// The devices that carry an alias.
    aliases: BTreeMap<Name, Name>,
    by_if_id: BTreeMap<u32, Carrier>,
    /// The number of the last XFRM interface that was made.
    last: u32,
    /// Whether the kernel is told which way an SA goes: Linux 6.10.
    pub(crate) told_direction: bool,
}

/// A VRF in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `None`: the global table has no device.
    pub(crate) device: Option<Name>,
    /// Its routes; 254 (main) for the global table.
    pub(crate) table: u32,
    /// Stands for it as a front VRF in the keys of SAs and policies: in the upper half of the packet mark.
    pub(crate) mark: u32,
    /// What our device of it is called beside its name; `None`: the device is somebody else's.
    pub(crate) alias: Option<Name>,
    pub(crate) ttl: TtlModel,
}

/// What sends through an XFRM interface of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carrier {
    /// The crypto map on a port, for packets of one inside VRF.
    Map { port: PortId, inside: VrfId },
    /// A tunnel interface.
    Interface(PolicyId),
}

/// An XFRM interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tunnel {
    pub(crate) device: Name,
    pub(crate) alias: Name,
    pub(crate) if_id: u32,
    pub(crate) front: VrfId,
    pub(crate) inside: VrfId,
    pub(crate) mtu: u32,
}

/// A device as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    /// The index of the VRF device or bridge that it is a slave of.
    pub(crate) master: Option<u32>,
    /// Administratively up: routes by it are possible.
    pub(crate) enabled: bool,
    /// Up, with carrier.
    pub(crate) running: bool,
    pub(crate) mtu: u32,
    pub(crate) alias: Option<Name>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A VRF device, with its table.
    Vrf(u32),
    Xfrm {
        if_id: u32,
        /// The index of the device that its outer packets are looked up by.
        link: Option<u32>,
    },
    Vlan {
        id: u16,
        /// The index of the device whose wire it shares.
        link: Option<u32>,
    },
    Other,
}

/// What a crypto map or a tunnel interface says of the XFRM interface that it wants.
pub(crate) struct Wish<'a> {
    pub(crate) carrier: Carrier,
    /// The tunnel interface's name in the configuration.
    pub(crate) name: Option<&'a str>,
    pub(crate) front: VrfId,
    pub(crate) inside: VrfId,
    pub(crate) mtu: u32,
}

/// The kernel's number of the table that needs no VRF.
pub(crate) const MAIN: u32 = 254;
/// Begins the alias of every device that we made.
pub(crate) const OURS: &str = "onramp";

const MOST_MARKS: u32 = MARK_MASK >> 16;
const FIRST_TABLE: u32 = 1000;
const NAME_LENGTH: usize = 15;

impl Ground {
    pub(crate) fn index(&self, device: &str) -> Option<u32> {
        self.links.get(device).map(|link| link.index)
    }

    pub(crate) fn device(&self, index: u32) -> Option<&Name> {
        self.names.get(&index)
    }

    /// The device that has this alias, whatever its name is.
    pub(crate) fn with_alias(&self, alias: &str) -> Option<&Name> {
        self.aliases.get(alias)
    }

    /// Whether a device has come, gone or changed; the link as it was.
    pub(crate) fn set_link(&mut self, device: &Name, link: Option<Link>) -> Option<Link> {
        let old = self.links.remove(device);
        if let Some(old) = &old {
            self.names.remove(&old.index);
            old.alias.as_ref().map(|alias| self.aliases.remove(alias));
        }
        if let Some(link) = link {
            self.names.insert(link.index, device.clone());
            if let Some(alias) = &link.alias {
                self.aliases.insert(alias.clone(), device.clone());
            }
            self.links.insert(device.clone(), link);
        }
        old
    }

    /// The carrier of an `if_id` that is in use.
    pub(crate) fn carrier(&self, if_id: u32) -> Option<&Carrier> {
        self.by_if_id.get(&if_id)
    }

    /// The carrier that has this device.
    pub(crate) fn carrier_of(&self, device: &str) -> Option<&Carrier> {
        let mut tunnels = self.tunnels.iter();
        tunnels.find(|(_, tunnel)| &*tunnel.device == device).map(|(carrier, _)| carrier)
    }

    /// The port on this device.
    pub(crate) fn port_on(&self, device: &str) -> Option<&Port> {
        self.ports.values().find(|port| port.device == device)
    }

    /// Gives a VRF its device, table and mark, the same each time. Says why not.
    pub(crate) fn place_vrf(&mut self, vrf: &Vrf) -> Result<(), String> {
        let (device, table, alias) = match &vrf.name {
            None => (None, MAIN, None),
            Some(name) => {
                let (device, table, alias) = self.stand(vrf.id, name)?;
                (Some(device), table, alias)
            }
        };
        let mark = self.mark(vrf.id, table);
        self.vrfs.insert(vrf.id, Place { device, table, mark, alias, ttl: vrf.ttl });
        Ok(())
    }

    /// Gives a carrier its device and `if_id`: those it has, or had in an earlier run, else new ones.
    pub(crate) fn place_tunnel(&mut self, wish: &Wish<'_>) -> &Tunnel {
        let carrier = wish.carrier;
        let (device, alias, if_id) = match self.tunnels.get(&carrier) {
            Some(tunnel) => (tunnel.device.clone(), tunnel.alias.clone(), tunnel.if_id),
            None => self.new_tunnel(wish),
        };
        self.by_if_id.insert(if_id, carrier);
        let tunnel = Tunnel { device, alias, if_id, front: wish.front, inside: wish.inside, mtu: wish.mtu };
        self.tunnels.entry(carrier).insert_entry(tunnel).into_mut()
    }

    pub(crate) fn remove_tunnel(&mut self, carrier: Carrier) -> Option<Tunnel> {
        let tunnel = self.tunnels.remove(&carrier)?;
        self.by_if_id.remove(&tunnel.if_id);
        Some(tunnel)
    }

    /// Device, table, and the alias if the device is ours.
    fn stand(&self, id: VrfId, name: &str) -> Result<(Name, u32, Option<Name>), String> {
        let alias = Name::from(format!("{OURS}: vrf {name}"));
        let known = self.aliases.get(&alias).cloned();
        let device = known.unwrap_or_else(|| vrf_device(id, name));
        match self.links.get(&device) {
            Some(Link { kind: Kind::Vrf(table), alias: given, .. }) => {
                let ours = given.as_ref() == Some(&alias);
                Ok((device, *table, ours.then_some(alias)))
            }
            Some(_) => {
                Err(format!("the device {device} is there already and is no VRF: rename one of the two"))
            }
            None => {
                let old = self.vrfs.get(&id).filter(|place| place.device.as_ref() == Some(&device));
                let table = old.map_or_else(|| self.free_table(id), |place| place.table);
                Ok((device, table, Some(alias)))
            }
        }
    }

    fn free_table(&self, id: VrfId) -> u32 {
        let placed = self.vrfs.iter().filter(|(other, _)| **other != id).map(|(_, place)| place.table);
        let devices = self.links.values().filter_map(|link| match link.kind {
            Kind::Vrf(table) => Some(table),
            Kind::Xfrm { .. } | Kind::Vlan { .. } | Kind::Other => None,
        });
        let taken: BTreeSet<u32> = placed.chain(devices).collect();
        (FIRST_TABLE + (id.0 & 0xFFFF)..).find(|table| !taken.contains(table)).unwrap_or(u32::MAX)
    }

    /// From the table, which is the same after a restart.
    fn mark(&self, id: VrfId, table: u32) -> u32 {
        let others = self.vrfs.iter().filter(|(other, _)| **other != id);
        let taken: BTreeSet<u32> = others.map(|(_, place)| place.mark).collect();
        let free = |half: &u32| *half != 0 && !taken.contains(&(*half << 16));
        let first = table & MOST_MARKS;
        (first..=MOST_MARKS).chain(1..first).find(free).unwrap_or(0) << 16
    }

    fn new_tunnel(&mut self, wish: &Wish<'_>) -> (Name, Name, u32) {
        let alias = Name::from(self.alias(wish));
        if let Some(device) = self.aliases.get(&alias)
            && let Some(Link { kind: Kind::Xfrm { if_id, .. }, .. }) = self.links.get(device)
            && !self.by_if_id.contains_key(if_id)
        {
            return (device.clone(), alias, *if_id);
        }
        let if_id = self.free_if_id();
        let wanted = wish.name.filter(|name| fits(name) && !self.links.contains_key(*name));
        let numbered = || Name::from(format!("ipsec{}", if_id - FIRST_IF_ID));
        (wanted.map_or_else(numbered, Name::from), alias, if_id)
    }

    fn alias(&self, wish: &Wish<'_>) -> String {
        let vrf = |id: VrfId| {
            let place = self.vrfs.get(&id).and_then(|place| place.device.clone());
            place.unwrap_or_else(|| Name::from("global"))
        };
        match wish.carrier {
            Carrier::Interface(_) => format!("{OURS}: {}", wish.name.unwrap_or("tunnel")),
            Carrier::Map { port, inside } => {
                let port = self.ports.get(&port).map_or("?", |port| port.name.as_str());
                format!("{OURS}: crypto map on {port}, vrf {}", vrf(inside))
            }
        }
    }

    /// Beyond every one that was ever seen: one that is not in use may still be in the kernel.
    fn free_if_id(&mut self) -> u32 {
        if self.last == 0 {
            let seen = self.links.values().filter_map(|link| match link.kind {
                Kind::Xfrm { if_id, .. } if is_ours(if_id) => Some(if_id - FIRST_IF_ID),
                Kind::Xfrm { .. } | Kind::Vlan { .. } | Kind::Vrf(_) | Kind::Other => None,
            });
            self.last = seen.max().unwrap_or(0);
        }
        loop {
            self.last = self.last % (LAST_IF_ID - FIRST_IF_ID) + 1;
            let name = format!("ipsec{}", self.last);
            let if_id = FIRST_IF_ID + self.last;
            if !self.by_if_id.contains_key(&if_id) && !self.links.contains_key(name.as_str()) {
                return if_id;
            }
        }
    }
}

/// What a VRF is called as a device.
fn vrf_device(id: VrfId, name: &str) -> Name {
    if fits(name) { Name::from(name) } else { Name::from(format!("vrf{}", id.0)) }
}

/// Whether the kernel takes this as a device's name.
fn fits(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%');
    !name.is_empty()
        && name.len() <= NAME_LENGTH
        && name.bytes().all(plain)
        && !matches!(name, "." | ".." | "lo" | "all" | "default")
}

#[cfg(test)]
mod tests;
