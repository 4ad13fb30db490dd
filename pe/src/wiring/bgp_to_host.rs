//! The connections of BGP and LDP, and what comes in for them and for BFD, as the shell knows them.

use base::VrfId;
use bfd::SessionKey;
use bgp::{Dial, Listener, PeerId};

use crate::stream::{HostFlow, Service, Socket, Streamed, Transport};

/// TCP ports.
const BGP: u16 = 179;
const LDP: u16 = 646;
/// UDP ports of BFD, RFC 5881 and RFC 5883.
const BFD: u16 = 3784;
const BFD_MULTIHOP: u16 = 4784;

pub(crate) fn listen(all: Vec<Listener>) -> Vec<Socket> {
    let socket = |of: Listener| socket(of.peer, of.local, of.password, of.ttl);
    all.into_iter().map(socket).collect()
}

pub(crate) fn dial(to: Dial) -> Socket {
    socket(to.peer, to.local, to.password, to.ttl)
}

fn socket(
    peer: PeerId,
    local: Option<std::net::IpAddr>,
    password: Option<base::Secret>,
    ttl: bgp::TtlRule,
) -> Socket {
    Socket { vrf: peer.vrf, local, remote: peer.address, password, ttl: (ttl.send, ttl.least) }
}

/// LDP's sessions: TTL 255 satisfies who checks, and we do where both said so (RFC 6720).
pub(crate) fn ldp_socket(local: Option<std::net::IpAddr>, with: ldp::Listener) -> Socket {
    let ldp::Listener { from: remote, password, near } = with;
    Socket { vrf: VrfId::GLOBAL, local, remote, password, ttl: (255, if near { 255 } else { 0 }) }
}

pub(crate) fn to_bgp(streamed: Streamed) -> bgp::Input {
    use bgp::ConnectionId as Id;
    match streamed {
        Streamed::Connected(id, local) => bgp::Input::Connected(Id(id), local),
        Streamed::Accepted { id, vrf, remote, local } => {
            bgp::Input::Accepted(Id(id), PeerId { vrf, address: remote }, local)
        }
        Streamed::Bytes(id, bytes) => bgp::Input::Bytes(Id(id), bytes),
        Streamed::Writable(id) => bgp::Input::Writable(Id(id)),
        Streamed::Closed(id) => bgp::Input::Closed(Id(id)),
    }
}

/// LDP does not wait for what it sent.
pub(crate) fn to_ldp(streamed: Streamed) -> Option<ldp::Input> {
    use ldp::ConnectionId as Id;
    Some(match streamed {
        Streamed::Connected(id, local) => ldp::Input::Connected(Id(id), local),
        Streamed::Accepted { id, vrf: _, remote, local } => ldp::Input::Accepted(Id(id), remote, local),
        Streamed::Bytes(id, bytes) => ldp::Input::Bytes(Id(id), bytes),
        Streamed::Closed(id) => ldp::Input::Closed(Id(id)),
        Streamed::Writable(_) => return None,
    })
}

/// What the kernel lets in for these.
pub(crate) fn flows(service: Service, listened: &[Socket]) -> impl Iterator<Item = HostFlow> {
    let port = match service {
        Service::Bgp => BGP,
        Service::Ldp => LDP,
    };
    listened.iter().map(move |socket| HostFlow {
        vrf: socket.vrf,
        remote: Some(socket.remote),
        protocol: Transport::Tcp,
        port,
    })
}

/// Hellos come from anybody.
pub(crate) const HELLOS: HostFlow =
    HostFlow { vrf: VrfId::GLOBAL, remote: None, protocol: Transport::Udp, port: LDP };

pub(crate) fn path(key: &SessionKey) -> HostFlow {
    HostFlow {
        vrf: key.vrf,
        remote: Some(key.remote),
        protocol: Transport::Udp,
        port: if key.port.is_some() { BFD } else { BFD_MULTIHOP },
    }
}
