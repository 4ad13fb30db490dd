//! Sockets of routing protocols: where one stands, the VRF and the device that keeps it there, and what all have in common.

use std::net::IpAddr;
use std::time::Duration;
use std::{fmt, io};

use base::{Family, Prefix, VrfId};
use config::model::Backend;
use pe::{Host, HostPort};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// Sockets of the same place share a listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) vrf: VrfId,
    pub(super) family: Family,
    /// `None`: any device of the global table.
    pub(super) device: Option<String>,
}

impl Place {
    /// `None`: the VRF has no device now.
    ///
    /// The global table's sockets hear all its devices, so that a session between loopbacks outlives a link. Where the
    /// kernel has VRF devices, a socket on that of its VRF does the same. Where it has none, the peer's network decides,
    /// and what is further away is behind a label or a tunnel: it comes by the VRF's TUN.
    pub(super) fn of(host: &Host, vrf: VrfId, peer: IpAddr) -> Option<Self> {
        let device = match (vrf, host.backend) {
            (VrfId::GLOBAL, _) => None,
            (_, Backend::Linux) => Some(named(host, vrf)?),
            (_, Backend::User) => Some(device(host, vrf, peer)?.device.clone()),
        };
        Some(Self { vrf, family: Family::of(peer), device })
    }
}

fn named(host: &Host, vrf: VrfId) -> Option<String> {
    host.vrfs.iter().find(|(_, id)| **id == vrf).map(|(name, _)| name.clone())
}

fn device(host: &Host, vrf: VrfId, peer: IpAddr) -> Option<&HostPort> {
    let mut ports = host.ports.iter().filter(|port| port.vrf == vrf && !port.shutdown);
    let reaches = |port: &&HostPort| {
        let networks = port.addresses.iter().filter_map(|on| Prefix::new(on.address, on.length).ok());
        !port.host && networks.into_iter().any(|network| network.contains(peer))
    };
    ports.clone().find(reaches).or_else(|| ports.find(|port| port.host))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.device {
            Some(device) => write!(f, "on {device}"),
            None => f.write_str("in the global table"),
        }
    }
}

/// Internetwork control, RFC 4594 section 3.1.
const TOS: u32 = 0xc0;

/// A new socket, of one family alone.
pub(super) fn socket(family: Family, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    match family {
        Family::V4 => socket.set_tos_v4(TOS)?,
        Family::V6 => {
            socket.set_only_v6(true)?;
            socket.set_tclass_v6(TOS)?;
        }
    }
    Ok(socket)
}

/// The next datagram, and who sent it.
pub(super) async fn datagram(socket: &UdpSocket, buffer: &mut [u8]) -> (Vec<u8>, IpAddr) {
    loop {
        if let Ok((length, remote)) = socket.recv_from(buffer).await {
            return (buffer.get(..length).unwrap_or_default().to_vec(), remote.ip());
        }
        // An ICMP error of an earlier datagram, or a device that went; neither may spin.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::port;

    fn host(backend: Backend) -> Host {
        let mut door = port(9, "tun-red", 2, "");
        door.host = true;
        let ports = vec![door, port(3, "eth3", 2, "192.0.2.1"), port(4, "eth4", 3, "192.0.2.1")];
        let vrfs = [("red".to_owned(), VrfId(2)), ("blue".to_owned(), VrfId(3))].into();
        Host { backend, ports, vrfs, ..Host::default() }
    }

    fn device(backend: Backend, vrf: u32, remote: &str) -> Option<Option<String>> {
        Place::of(&host(backend), VrfId(vrf), remote.parse().unwrap()).map(|place| place.device)
    }

    #[test]
    fn the_same_peer_in_two_vrfs_is_reached_by_two_devices() {
        assert_eq!(device(Backend::User, 2, "192.0.2.2"), Some(Some("eth3".to_owned())));
        assert_eq!(device(Backend::User, 3, "192.0.2.2"), Some(Some("eth4".to_owned())));
        assert_eq!(device(Backend::Linux, 3, "192.0.2.2"), Some(Some("blue".to_owned())));
    }

    #[test]
    fn a_peer_behind_a_tunnel_is_reached_by_the_tun_of_its_vrf() {
        assert_eq!(device(Backend::User, 2, "10.9.9.9"), Some(Some("tun-red".to_owned())));
        assert_eq!(device(Backend::User, 3, "10.9.9.9"), None, "there is none");
    }

    #[test]
    fn the_global_table_hears_all_its_devices() {
        assert_eq!(device(Backend::User, 0, "10.9.9.9"), Some(None));
        assert_eq!(device(Backend::Linux, 0, "10.9.9.9"), Some(None));
    }
}
