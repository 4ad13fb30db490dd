//! What goes into the box and what comes out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base::{PortId, Prefix, SaId, VrfId};
use bfd::SessionKey;
use config::Config;
use config::model::Backend;
use dataplane::{Address, Counters, Event, Op};

use crate::stream::{Hello, HostFlow, Service, Stream, Streamed};

/// What was loaded for the trustpoints of a configuration, by name.
pub type Trustpoints = Arc<BTreeMap<String, Arc<pki::Trustpoint>>>;

/// Ties a reply to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A network device of this machine, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    pub mac: [u8; 6],
    pub mtu: u16,
    pub up: bool,
}

pub enum Input {
    /// Apply this configuration, with what its trustpoints loaded: the difference to the one in force, all
    /// or nothing. Answered by `Output::Configured`.
    Configure(Arc<Config>, Trustpoints),
    /// An IKE message, without non-ESP marker.
    Ike(ike::Datagram),
    /// Boxed: a certificate makes it large.
    Answer(ike::AskId, Box<ike::Answer>),
    Event(Event),
    /// How busy this machine is, in percent; told while a limit is configured (CAC-03).
    Load(u8),
    /// What the dataplane counted; sent before each request that shows counters.
    Counters(Counters),
    /// A device appeared or changed. Sent for every device before the first `Configure`.
    Device(Device),
    /// A device is gone.
    DeviceGone(String),
    /// The kernel learnt or (`None`) lost a neighbour.
    Neighbour {
        port: PortId,
        address: IpAddr,
        mac: Option<[u8; 6]>,
    },
    /// Of a routing protocol's connections.
    Stream(Service, Streamed),
    Hello(Hello),
    /// A BFD packet.
    Bfd(bfd::Input),
    /// What `Output::Keep` said last before a restart; before the first `Configure`.
    Kept(String),
    /// Packets were forwarded while no daemon ran, as an earlier one had said; before the first `Configure`.
    Resumed,
    Request(RequestId, api::Request),
    /// The end: what is forwarded by is taken away, but for policies and the routes into tunnels, which block then.
    Close,
}

pub enum Output {
    Ike(ike::Datagram),
    /// For a worker thread or the network: a `Compute`, `Validate` or `Resolve`. Comes back as `Input::Answer`.
    Ask(ike::AskId, ike::Ask),
    /// For `Dataplane::read`.
    Read(u64, Vec<SaId>),
    Apply(Vec<Op>),
    /// The kernel's part of what should be; always after the `Apply` that opened its ports.
    Host(Arc<Host>),
    Stream(Service, Stream),
    Hello(Hello),
    /// A BFD packet, from a port of the ephemeral range that belongs to the session, with TTL 255.
    Bfd {
        key: SessionKey,
        source_port: u16,
        bytes: Vec<u8>,
    },
    /// A text to store in place of the one before, so that labels outlive a restart.
    Keep(String),
    Configured(Result<Summary, String>),
    Reply(RequestId, api::Response),
    /// The operator asked to read the configuration file again; the reply is the shell's to give.
    Reload(RequestId),
    Notice(crate::Notice),
}

/// What a `Configure` changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub ops: usize,
}

/// What the kernel should hold for us: addresses, per-VRF tables and the sockets of control protocols.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Who forwards. The kernel, if it does, needs nothing of what follows but sockets and devices that are up.
    pub backend: Backend,
    pub ports: Vec<HostPort>,
    pub routes: Vec<HostRoute>,
    /// By name; the global table has none.
    pub vrfs: BTreeMap<String, VrfId>,
    /// Name servers, by the VRF in which they are reached; asked in order.
    pub servers: BTreeMap<VrfId, Vec<IpAddr>>,
    /// What routing protocols receive from elsewhere.
    pub flows: Vec<HostFlow>,
    /// Ports on which LDP looks for neighbours.
    pub hellos: Vec<PortId>,
    /// Paths that BFD watches.
    pub bfd: Vec<SessionKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub port: PortId,
    pub device: String,
    pub vrf: VrfId,
    /// `true`: the TUN of its VRF, that the dataplane made; `false`: a wire.
    pub host: bool,
    /// What the device is to have, in bytes; packets may have a lower limit.
    pub mtu: u16,
    pub addresses: Vec<Address>,
    /// Whether IKE listens on these addresses.
    pub ike: bool,
    /// Addresses of ours on other interfaces of the VRF where tunnels end: IKE listens on them here too.
    pub ends: Vec<IpAddr>,
    /// Administratively down: guarded, without addresses, and no port of the dataplane.
    pub shutdown: bool,
}

/// A route for packets of the box itself, in the kernel table of its VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoute {
    pub vrf: VrfId,
    pub prefix: Prefix,
    pub port: PortId,
    pub gateway: Option<IpAddr>,
}
