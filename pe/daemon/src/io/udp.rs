//! Which sockets IKE has: ports 500 and 4500 of each local address, bound to the device, so that the same
//! address in two VRFs is two sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;

use base::Family;
use config::model::Backend;
use pe::HostPort;
use socket2::{Domain, Protocol, Socket, Type};

use super::hold;
use super::reconcile::Present;
use super::sockets::{Open, Place, Sockets};

const IKE: u16 = 500;
pub(super) const IKE_NAT: u16 = 4500;
/// A burst of first messages from many peers waits in the kernel; what came long ago is sent again anyway.
const RECEIVE_BUFFER: u32 = 2 << 20;

/// The sockets that there are, of those who work with them.
pub(crate) struct Udp {
    open: Open,
    sockets: Sockets,
    /// Where the holder of port 4500 listens.
    holder: PathBuf,
}

impl Udp {
    pub(crate) const fn new(sockets: Sockets, holder: PathBuf) -> Self {
        Self { open: BTreeMap::new(), sockets, holder }
    }

    /// Opens what is missing and closes what is not wanted; what stays is not touched. Returns what could not be
    /// opened.
    pub(crate) fn reconcile(&mut self, backend: Backend, ports: &[Present<'_>]) -> Vec<String> {
        let wanted = places(ports.iter().map(|(port, _)| *port));
        let before: Vec<_> = self.open.keys().cloned().collect();
        self.open.retain(|place, _| wanted.contains(place));
        let mut faults = Vec::new();
        for place in wanted {
            if self.open.contains_key(&place) {
                continue;
            }
            match open(&place, backend) {
                Ok(socket) => drop(self.open.insert(place, Arc::new(socket))),
                Err(error) => faults.push(format!("UDP {} on {}: {error}", place.local, place.device)),
            }
        }
        if !self.open.keys().eq(&before) {
            self.sockets.set(self.open.clone());
            faults.extend(self.keep(backend));
        }
        faults
    }

    /// Where the kernel takes ESP from our sockets, they outlive us.
    fn keep(&self, backend: Backend) -> Option<String> {
        let with_esp = self.open.iter().filter(|(place, _)| place.local.port() == IKE_NAT);
        let sockets: Vec<&UdpSocket> = with_esp.map(|(_, socket)| &**socket).collect();
        if backend == Backend::User || sockets.is_empty() {
            hold::release(&self.holder);
            return None;
        }
        let held = hold::hold(&self.holder, sockets.into_iter());
        held.err().map(|error| format!("UDP 4500 will not outlive the daemon: {error}"))
    }
}

fn places<'a>(ports: impl IntoIterator<Item = &'a HostPort>) -> Vec<Place> {
    let place = |port: &HostPort, (borrowed, address): (bool, IpAddr), udp| Place {
        front: port.vrf,
        local: SocketAddr::new(address, udp),
        borrowed,
        device: port.device.clone(),
    };
    let places = ports.into_iter().flat_map(|port| {
        let own = port.addresses.iter().filter(|_| port.ike).map(|on| (false, on.address));
        let ends = own.chain(port.ends.iter().map(|end| (true, *end)));
        ends.flat_map(move |address| [IKE, IKE_NAT].map(|udp| place(port, address, udp)))
    });
    places.collect()
}

fn open(place: &Place, backend: Backend) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(place.local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // A smaller buffer than asked for will do.
    let _ = sys::receive_buffer(socket.as_fd(), RECEIVE_BUFFER);
    socket.bind_device(Some(place.device.as_bytes()))?;
    socket.bind(&place.local.into())?;
    if backend == Backend::Linux {
        share(&socket, place.local)?;
    }
    Ok(socket.into())
}

/// With the ESP of the kernel.
fn share(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    sys::exempt_from_ipsec(socket, Family::of(local.ip()))?;
    if local.port() == IKE_NAT { sys::give_esp_to_kernel(socket) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::port;

    #[test]
    fn one_address_in_two_front_vrfs_is_four_sockets() {
        let (one, two) = (port(1, "wan1", 1, "192.0.2.1"), port(2, "wan2", 2, "192.0.2.1"));
        assert_eq!(places([&one, &two]).len(), 4);
        let mut silent = port(3, "core", 0, "192.0.2.9");
        silent.ike = false;
        assert!(places([&silent]).is_empty());
    }
}
