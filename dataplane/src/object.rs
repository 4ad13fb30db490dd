//! The seven nouns, their keys, and the two verbs.

use std::net::IpAddr;

use base::{Label, PolicyId, PortId, Prefix, SaId, VrfId};
use ipsec::{Offload, Policy, Sa};

use crate::{Hop, LabelAction};

/// RFC 3443: whether a packet's IP TTL is visible to the label-switched path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TtlModel {
    /// The IP TTL is copied into the label and back: `mpls ip propagate-ttl`.
    #[default]
    Uniform,
    /// The path counts as one hop; the label starts at 255.
    Pipe,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vrf {
    pub id: VrfId,
    /// As configured; `None`: the global table.
    pub name: Option<String>,
    pub ttl: TtlModel,
}

/// An interface address with the length of its connected prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub address: IpAddr,
    pub length: u8,
}

/// What is at the other side of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A wire with Ethernet frames, and our address on it.
    Ethernet { mac: [u8; 6] },
    /// A VLAN (802.1Q) on the wire of another port, which it shares a link address with. Frames without tag are that
    /// port's own.
    Vlan { parent: PortId, id: u16, mac: [u8; 6] },
    /// The far end of a tunnel without protection.
    Tunnel(Tunnel),
    /// The kernel of this box: packets of the port's VRF that are for the box itself.
    Host,
}

/// A tunnel without protection: all that its outer packets are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    /// The VRF of the outer packets.
    pub front: VrfId,
    pub local: IpAddr,
    pub remote: IpAddr,
    pub encapsulation: Encapsulation,
}

/// What stands between the outer IP header of a tunnel and the packet in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encapsulation {
    /// GRE (RFC 2784) with this key, if it has one (RFC 2890): IPv4, IPv6 and labels (RFC 4023).
    Gre(Option<u32>),
    /// UDP to [`UDP_PORT`](Self::UDP_PORT) (RFC 7510): labels alone. The source port is the flow's, and no part of
    /// what the tunnel is known by.
    MplsUdp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub id: PortId,
    /// The interface's name in the configuration.
    pub name: String,
    /// The Linux device; of a tunnel and a VLAN one that the backend makes, if it makes one.
    pub device: String,
    pub vrf: VrfId,
    pub link: Link,
    /// The largest IP packet or label stack with its packet, in bytes.
    pub mtu: u16,
    /// Primary first.
    pub addresses: Vec<Address>,
    /// Whether labelled packets are accepted: `mpls ip`.
    pub mpls: bool,
    /// Whether it carries a crypto map, even one without a usable entry: then nothing of another VRF
    /// leaves in clear.
    pub crypto: bool,
    /// What its network card is asked to do for the SAs of tunnels that end on it.
    pub offload: Option<Offload>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub port: PortId,
    pub address: IpAddr,
    pub mac: [u8; 6],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub vrf: VrfId,
    pub prefix: Prefix,
    pub hop: Hop,
}

/// One thing that a backend knows. No Debug: an SA holds keys.
#[derive(Clone, PartialEq, Eq)]
pub enum Object {
    Vrf(Vrf),
    Port(Port),
    Neighbour(Neighbour),
    Sa(Sa),
    Policy(Policy),
    Label { label: Label, action: LabelAction },
    Route(Route),
}

/// An object's name. The order is the order of dependency: what is named later may refer to what is
/// named earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Vrf(VrfId),
    Port(PortId),
    Neighbour(PortId, IpAddr),
    Sa(SaId),
    Policy(PolicyId),
    Label(Label),
    Route(VrfId, Prefix),
}

/// Idempotent: safe to send again.
#[derive(Clone, PartialEq, Eq)]
pub enum Op {
    Set(Object),
    Unset(Key),
}

impl Encapsulation {
    /// RFC 7510 section 3.
    pub const UDP_PORT: u16 = 6635;

    /// Bytes of its header.
    pub const fn length(self) -> u16 {
        match self {
            Self::Gre(None) => 4,
            Self::Gre(Some(_)) | Self::MplsUdp => 8,
        }
    }
}

impl Object {
    pub fn key(&self) -> Key {
        match self {
            Self::Vrf(vrf) => Key::Vrf(vrf.id),
            Self::Port(port) => Key::Port(port.id),
            Self::Neighbour(neighbour) => Key::Neighbour(neighbour.port, neighbour.address),
            Self::Sa(sa) => Key::Sa(sa.id),
            Self::Policy(policy) => Key::Policy(policy.id),
            Self::Label { label, .. } => Key::Label(*label),
            Self::Route(route) => Key::Route(route.vrf, route.prefix),
        }
    }
}

impl Op {
    pub fn key(&self) -> Key {
        match self {
            Self::Set(object) => object.key(),
            Self::Unset(key) => *key,
        }
    }
}
