//! What routing protocols want of the kernel's sockets: TCP for BGP and LDP alike, hellos, BFD.

use std::net::IpAddr;

use base::{PortId, Secret, VrfId};

/// Whose connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Bgp,
    Ldp,
}

/// A connection of its service. We number those that we ask for, the shell those that it accepts, with the upper bit set.
pub type StreamId = u64;

/// Both ends of a connection that is or may be. No Debug: it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Socket {
    pub vrf: VrfId,
    /// `None`: any address of ours.
    pub local: Option<IpAddr>,
    pub remote: IpAddr,
    /// TCP-MD5, RFC 2385.
    pub password: Option<Secret>,
    /// TTL or hop limit: what is sent, and the least that is accepted (RFC 5082).
    pub ttl: (u8, u8),
}

pub enum Stream {
    /// All whose connections to the service's port are accepted; others are refused.
    Listen(Vec<Socket>),
    Connect(StreamId, Socket),
    Send(StreamId, Vec<u8>),
    /// After what was sent is on its way.
    Close(StreamId),
}

pub enum Streamed {
    /// One that was asked for stands; our address of it.
    Connected(StreamId, IpAddr),
    /// Somebody of the list connected: their address and ours.
    Accepted {
        id: StreamId,
        vrf: VrfId,
        remote: IpAddr,
        local: IpAddr,
    },
    Bytes(StreamId, Vec<u8>),
    /// All that was sent is on its way.
    Writable(StreamId),
    /// It ended, or never came about.
    Closed(StreamId),
}

/// A UDP datagram of LDP, port 646, in the global table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Where it leaves, to all routers there (`remote` is the group), or where it came in; `None`: wherever the way to
    /// `remote` leads.
    pub port: Option<PortId>,
    pub remote: IpAddr,
    pub multicast: bool,
    pub bytes: Vec<u8>,
}

/// Packets of other machines that the kernel may see on the wires of a VRF, beside those of IKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostFlow {
    pub vrf: VrfId,
    /// `None`: from anybody.
    pub remote: Option<IpAddr>,
    pub protocol: Transport,
    /// Ours; of TCP it may also be theirs.
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    Tcp,
    Udp,
}
