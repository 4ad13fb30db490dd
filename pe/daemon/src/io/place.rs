//! Where a socket of a routing protocol stands: the VRF, and the device that keeps it there.

use std::fmt;
use std::net::IpAddr;

use base::{Family, Prefix, VrfId};
use config::model::Backend;
use pe::{Host, HostPort};

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
