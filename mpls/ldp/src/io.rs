//! What goes into the engine and what comes out. LDP lives in the global table.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base::{Label, PortId, Prefix, Secret};
use mpls::Fec;

use crate::{Config, Notice};

/// LSR id and label space, RFC 5036 section 2.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LdpId {
    pub router: Ipv4Addr,
    pub space: u16,
}

/// One TCP connection. The engine numbers those that it asks for, with the upper bit clear; the shell those that it
/// accepts, with the upper bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A port with `mpls ip` that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub addresses: Vec<IpAddr>,
}

pub enum Input {
    /// `None`: no LDP.
    Configure(Option<Arc<Config>>),
    /// A port came up, changed its addresses, or (`None`) went.
    Interface(PortId, Option<Interface>),
    /// All addresses of the box in the global table: what Address messages say.
    Addresses(Vec<IpAddr>),
    /// A UDP datagram to port 646. `port`: where it came in; `None` only to one address, from further away.
    Hello {
        port: Option<PortId>,
        source: IpAddr,
        multicast: bool,
        bytes: Vec<u8>,
    },
    /// A connection that was asked for stands; our address of it.
    Connected(ConnectionId, IpAddr),
    /// Somebody connected to our port 646: their address and ours.
    Accepted(ConnectionId, IpAddr, IpAddr),
    Bytes(ConnectionId, Vec<u8>),
    Closed(ConnectionId),
    /// The route in use of the global table, or `None`: gone.
    Route(Prefix, Option<Route>),
    /// The answer to `Bind`; `None`: there is no label left.
    Bound(Fec, Option<Label>),
    /// `clear mpls ldp neighbor`; `None`: all.
    Clear(Option<Ipv4Addr>),
}

/// Where a prefix of the global table goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A network or an address of ours: the path ends here.
    Here,
    Via {
        port: PortId,
        next_hop: IpAddr,
    },
}

pub enum Output {
    /// A hello; out of a port to all routers there (TTL 1, hop limit 255), or (`None`) to one address, from our
    /// transport address of its family. From port 646 to port 646.
    Hello {
        port: Option<PortId>,
        to: IpAddr,
        bytes: Vec<u8>,
    },
    /// Whose connections to port 646 are accepted: only from these. All sessions send with TTL and hop limit 255.
    Listen(Vec<Listener>),
    Connect {
        connection: ConnectionId,
        local: IpAddr,
        remote: IpAddr,
        password: Option<Secret>,
        near: bool,
    },
    Send(ConnectionId, Vec<u8>),
    /// After what was sent is on its way.
    Close(ConnectionId),
    /// A label of ours is wanted for a prefix of the global table; answered by `Input::Bound`.
    Bind(Fec),
    Release(Fec),
    /// What reaches a prefix label-switched. `None`: nothing any more.
    Lsp(Prefix, Option<Lsp>),
    /// What to do with packets that carry a label of ours. `None`: nothing any more.
    Swap(Label, Option<Swap>),
    Notice(Notice),
}

/// A neighbour that may connect. No Debug: it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Listener {
    pub from: IpAddr,
    pub password: Option<Secret>,
    /// Nothing is taken that a router passed on: TTL and hop limit must be 255 (RFC 6720, RFC 7552 section 9).
    pub near: bool,
}

/// The way of a prefix: what its next hop wants to see on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lsp {
    pub port: PortId,
    pub next_hop: IpAddr,
    /// May be implicit null (nothing is pushed) or explicit null.
    pub label: Label,
    pub peer: LdpId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// Implicit null: it is removed, penultimate hop popping.
    To(Lsp),
    /// The next hop has no label for it: whole packets would leave unlabelled, which is right only at the bottom of the
    /// stack (IOS: `No Label`).
    Untagged { port: PortId, next_hop: IpAddr },
}

impl fmt::Display for LdpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.router, self.space)
    }
}
