//! The devices we make: VRF devices, XFRM interfaces and VLANs.
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use dataplane::Port;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, InfoVrf, InfoXfrm, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use crate::ground::{Ground, Kind, Link, OURS, Place, Tunnel};
use crate::request::{CREATE, EXCLUSIVE, Request};
use crate::thing::{Name, Thing, Unable};

/// A device as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) alias: Name,
    pub(crate) make: Make,
    /// The VRF device it is a slave of.
    pub(crate) master: Option<Name>,
    pub(crate) up: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Vrf {
        table: u32,
    },
    Xfrm {
        if_id: u32,
        link: Option<Name>,
        mtu: u32,
    },
    /// `link`: the device whose wire it shares.
    Vlan {
        id: u16,
        link: Name,
    },
}

impl Device {
    /// `None`: the global table, or somebody else's device.
    pub(crate) fn of_vrf(place: &Place) -> Option<Self> {
        let make = Make::Vrf { table: place.table };
        place.alias.clone().map(|alias| Self { alias, make, master: None, up: true })
    }

    pub(crate) fn of_tunnel(tunnel: &Tunnel, ground: &Ground) -> Self {
        let device = |vrf| ground.vrfs.get(vrf).and_then(|place: &Place| place.device.clone());
        let make = Make::Xfrm { if_id: tunnel.if_id, link: device(&tunnel.front), mtu: tunnel.mtu };
        Self { alias: tunnel.alias.clone(), make, master: device(&tunnel.inside), up: true }
    }

    /// That VLAN of the wire of `parent`, for a port in the VRF at `place`.
    pub(crate) fn of_vlan(port: &Port, parent: &Port, id: u16, place: &Place) -> Self {
        let make = Make::Vlan { id, link: Name::from(parent.device.as_str()) };
        let alias = Name::from(format!("{OURS}: {}", port.name));
        Self { alias, make, master: place.device.clone(), up: true }
    }

    /// The device that its outer packets are looked up by, or that its frames pass.
    pub(crate) const fn link(&self) -> Option<&Name> {
        match &self.make {
            Make::Xfrm { link, .. } => link.as_ref(),
            Make::Vlan { link, .. } => Some(link),
            Make::Vrf { .. } => None,
        }
    }

    /// Whether what came through `other` may go on through this one: the same customer, the same underlay.
    pub(crate) fn stands_where(&self, other: &Self) -> bool {
        changes_into(&self.make, &other.make) && self.master == other.master && self.alias == other.alias
    }

    /// A link of ours as a thing.
    pub(crate) fn of_link(link: &Link, ground: &Ground) -> Option<Thing> {
        let alias = link.alias.clone().filter(|alias| alias.starts_with(OURS))?;
        let name = |index: u32| ground.device(index).cloned();
        let make = match link.kind {
            Kind::Vrf(table) => Make::Vrf { table },
            Kind::Xfrm { if_id, link: under } => {
                Make::Xfrm { if_id, link: under.and_then(name), mtu: link.mtu }
            }
            Kind::Vlan { id, link: under } => Make::Vlan { id, link: under.and_then(name)? },
            Kind::Other => return None,
        };
        let master = link.master.and_then(name);
        Some(Thing::Device(Self { alias, make, master, up: link.enabled }))
    }
}

/// A device that is there is changed where it can be, and made anew where not.
pub(crate) fn set(
    name: &Name,
    device: &Device,
    held: Option<&Thing>,
    ground: &Ground,
) -> Result<Vec<Request>, Unable> {
    let index = |device: &Name| ground.index(device).ok_or_else(|| Unable::Wait(device.clone()));
    let link = device.link().map(index).transpose()?;
    let master = device.master.as_ref().map(index).transpose()?;
    let there = ground.links.get(name);
    let begun = there.filter(|link| is_begun(link, &device.make, master, ground)).map(|_| device);
    let old = match held {
        Some(Thing::Device(old)) if there.is_some() => Some(old),
        _ => begun,
    };
    if old.is_none() && there.is_some() {
        return Err(Unable::Never(format!("the device {name} is there already and is not ours")));
    }
    let mut requests = Vec::new();
    match old {
        Some(old) if changes_into(&old.make, &device.make) => {}
        Some(_) => {
            requests.extend(unset(name, ground)?);
            requests.push(create(name, &device.make, link, master));
        }
        None => match astray(device, ground) {
            Some(index) => requests.extend(rename(index, name)),
            None => requests.push(create(name, &device.make, link, master)),
        },
    }
    requests.push(configure(name, device, master));
    Ok(requests)
}

/// The number of the very device, which somebody gave another name.
fn astray(device: &Device, ground: &Ground) -> Option<u32> {
    let link = ground.links.get(ground.with_alias(&device.alias)?)?;
    match Device::of_link(link, ground)? {
        Thing::Device(other) if changes_into(&other.make, &device.make) => Some(link.index),
        _ => None,
    }
}

/// As long as it is up it has to keep its name.
fn rename(index: u32, name: &Name) -> [Request; 2] {
    let mut down = LinkMessage::default();
    down.header.index = index;
    down.header.change_mask = LinkFlags::Up;
    let mut named = LinkMessage::default();
    named.header.index = index;
    named.attributes = vec![LinkAttribute::IfName(name.to_string())];
    [down, named].map(|message| Request::route(&RouteNetlinkMessage::SetLink(message), 0))
}

pub(crate) fn unset(name: &Name, ground: &Ground) -> Result<Vec<Request>, Unable> {
    let Some(index) = ground.index(name) else { return Ok(Vec::new()) };
    let mut message = LinkMessage::default();
    message.header.index = index;
    Ok(vec![Request::route(&RouteNetlinkMessage::DelLink(message), 0)])
}

/// Name and description of the device that a message of the kernel tells of.
pub(crate) fn read(message: &LinkMessage) -> Option<(Name, Link)> {
    let flags = message.header.flags;
    let mut name = None;
    let mut link = Link {
        index: message.header.index,
        master: None,
        enabled: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        mtu: 0,
        alias: None,
        kind: Kind::Other,
    };
    let mut under = None;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Link(index) => under = Some(*index).filter(|index| *index != 0),
            LinkAttribute::IfName(text) => name = Some(Name::from(text.as_str())),
            LinkAttribute::Controller(index) => link.master = Some(*index).filter(|index| *index != 0),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::IfAlias(alias) => link.alias = Some(Name::from(alias.as_str())),
            LinkAttribute::LinkInfo(infos) => link.kind = kind(infos),
            _ => {}
        }
    }
    if let Kind::Vlan { link, .. } = &mut link.kind {
        *link = under;
    }
    Some((name?, link))
}

fn kind(infos: &[LinkInfo]) -> Kind {
    let data = infos.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vrf(data)) => data.iter().find_map(|one| match one {
            InfoVrf::TableId(table) => Some(Kind::Vrf(*table)),
            _ => None,
        }),
        LinkInfo::Data(InfoData::Xfrm(data)) => {
            let if_id =
                data.iter().find_map(|one| if let InfoXfrm::IfId(id) = one { Some(*id) } else { None })?;
            let link =
                data.iter().find_map(|one| if let InfoXfrm::Link(at) = one { Some(*at) } else { None });
            Some(Kind::Xfrm { if_id, link: link.filter(|link| *link != 0) })
        }
        LinkInfo::Data(InfoData::Vlan(data)) => data.iter().find_map(|one| match one {
            InfoVlan::Id(id) => Some(Kind::Vlan { id: *id, link: None }),
            _ => None,
        }),
        _ => None,
    });
    data.unwrap_or(Kind::Other)
}

/// Whether it was made for this, and has no alias yet. A VLAN in use is somebody else's.
fn is_begun(link: &Link, make: &Make, master: Option<u32>, ground: &Ground) -> bool {
    match (link.kind, make) {
        (Kind::Xfrm { if_id, .. }, Make::Xfrm { if_id: wanted, .. }) => if_id == *wanted,
        (Kind::Vlan { id, link: under }, Make::Vlan { id: wanted, link: parent }) => {
            let unused = link.alias.is_none() && !link.enabled && link.master == master;
            unused && id == *wanted && under == ground.index(parent)
        }
        (Kind::Xfrm { .. } | Kind::Vlan { .. } | Kind::Vrf(_) | Kind::Other, _) => false,
    }
}

/// Whether one can become the other without losing its number.
fn changes_into(old: &Make, new: &Make) -> bool {
    match (old, new) {
        (Make::Vrf { table: old }, Make::Vrf { table: new }) => old == new,
        (Make::Xfrm { if_id: a, link: from, .. }, Make::Xfrm { if_id: b, link: to, .. }) => {
            a == b && from == to
        }
        (Make::Vlan { .. }, Make::Vlan { .. }) => old == new,
        (Make::Vrf { .. } | Make::Xfrm { .. } | Make::Vlan { .. }, _) => false,
    }
}

/// With its master, without which it would be in the global table.
fn create(name: &Name, make: &Make, link: Option<u32>, master: Option<u32>) -> Request {
    let mut under = None;
    let (kind, data) = match make {
        Make::Vrf { table } => (InfoKind::Vrf, InfoData::Vrf(vec![InfoVrf::TableId(*table)])),
        Make::Xfrm { if_id, .. } => {
            let link = link.map(InfoXfrm::Link);
            (InfoKind::Xfrm, InfoData::Xfrm([InfoXfrm::IfId(*if_id)].into_iter().chain(link).collect()))
        }
        Make::Vlan { id, .. } => {
            under = link.map(LinkAttribute::Link);
            (InfoKind::Vlan, InfoData::Vlan(vec![InfoVlan::Id(*id)]))
        }
    };
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_string()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]),
    ];
    message.attributes.extend(master.map(LinkAttribute::Controller).into_iter().chain(under));
    Request::route(&RouteNetlinkMessage::NewLink(message), CREATE | EXCLUSIVE)
}

/// What cannot be said when a device is made. By name: a new one has no number yet.
fn configure(name: &Name, device: &Device, master: Option<u32>) -> Request {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_string()),
        LinkAttribute::IfAlias(device.alias.to_string()),
        LinkAttribute::Controller(master.unwrap_or(0)),
    ];
    if let Make::Xfrm { mtu, .. } = device.make {
        message.attributes.push(LinkAttribute::Mtu(mtu));
    }
    if device.up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    Request::route(&RouteNetlinkMessage::SetLink(message), 0)
}
