//! `interface`: addresses, VRF, and the kinds that have no device.

use std::net::IpAddr;

use base::Family;
use ike::config::Peer;
use ipsec::{DfBit, Fragmentation, Offload};

use super::{BfdTimers, LdpTransport};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    pub description: Option<String>,
    /// `device DEV`; `None`: the Linux device of the interface's own name.
    pub device: Option<String>,
    pub vrf: Option<String>,
    /// Primary first, then `secondary` and IPv6 addresses in order.
    pub addresses: Vec<InterfaceAddress>,
    /// `mtu`: what the device is to have, in bytes; `None`: what it had of itself.
    pub mtu: Option<u16>,
    /// `ip mtu`: what leaves may be no longer, in bytes; `None`: as long as the device carries.
    pub ip_mtu: Option<u16>,
    pub mpls: bool,
    pub crypto_map: Option<String>,
    /// `crypto map ipv6`.
    pub crypto_map_ipv6: Option<String>,
    pub df: Option<DfBit>,
    pub fragmentation: Option<Fragmentation>,
    /// `crypto ipsec offload`, of the tunnels that end here. Only with the Linux dataplane.
    pub offload: Option<Offload>,
    pub shutdown: bool,
    /// `Some` exactly for `interface TunnelN`: a static virtual tunnel interface (VTI-01), or one
    /// without protection.
    pub tunnel: Option<Tunnel>,
    /// `interface LoopbackN`: addresses without a device.
    pub loopback: bool,
    /// `encapsulation dot1Q N`: the interface `PARENT.N` is this VLAN of `PARENT`, which exists and has a device.
    pub vlan: Option<u16>,
    /// `bfd interval`: paths of one hop out of this interface can be watched.
    pub bfd: Option<BfdTimers>,
    /// `mpls ldp discovery transport-address`.
    pub ldp_transport: Option<LdpTransport>,
}

/// The `tunnel` lines of an interface. It is incomplete without source and destination, and with IPsec without profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    pub source: Option<TunnelSource>,
    /// Without IPsec always an address.
    pub destination: Option<Peer>,
    pub mode: TunnelMode,
    /// `tunnel key`: only with GRE (RFC 2890).
    pub key: Option<u32>,
    /// `tunnel vrf`: the front VRF; the interface's own VRF is the inside one.
    pub vrf: Option<String>,
    /// `tunnel protection ipsec profile`: only with IPsec.
    pub profile: Option<String>,
}

/// `tunnel mode`, with the family of the outer packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelMode {
    /// `gre ip|ipv6` (RFC 2784).
    Gre(Family),
    /// `mpls udp ip|ipv6` (RFC 7510): labels alone. Without `mpls ip` it is incomplete, too.
    MplsUdp(Family),
    /// `ipsec ipv4|ipv6`.
    Ipsec(Family),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelSource {
    /// Its first address of the outer family.
    Interface(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    pub address: IpAddr,
    pub length: u8,
    pub secondary: bool,
}

impl Default for TunnelMode {
    /// As in IOS.
    fn default() -> Self {
        Self::Gre(Family::V4)
    }
}

impl Tunnel {
    /// Of IPsec: the family of the outer packets.
    pub const fn ipsec(&self) -> Option<Family> {
        match self.mode {
            TunnelMode::Ipsec(family) => Some(family),
            TunnelMode::Gre(_) | TunnelMode::MplsUdp(_) => None,
        }
    }

    /// Without protection: the family of the outer packets.
    pub const fn bare(&self) -> Option<Family> {
        match self.mode {
            TunnelMode::Gre(family) | TunnelMode::MplsUdp(family) => Some(family),
            TunnelMode::Ipsec(_) => None,
        }
    }
}

/// The interface of which `NAME.N` is a sub-interface, by name.
pub fn parent(name: &str) -> Option<&str> {
    let (parent, number) = name.rsplit_once('.')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !parent.is_empty()).then_some(parent)
}

impl Interface {
    /// Whether a Linux device is behind it: it is no tunnel, loopback or VLAN.
    pub const fn is_device(&self) -> bool {
        self.tunnel.is_none() && !self.loopback && self.vlan.is_none()
    }
}
