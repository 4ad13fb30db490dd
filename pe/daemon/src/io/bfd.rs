//! BFD's packets, RFC 5881 and RFC 5883: to UDP ports 3784 and 4784, from a port of each session's own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base::{Family, PortId, VrfId};
use pe::{BfdInput, Host, Input, SessionKey};
use socket2::{Protocol, SockRef, Type};
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, spawn_local};

use super::place::{Place, datagram, socket};
use crate::log::Tally;
use crate::queue::{Arrival, Queue};

const SINGLE_HOP: u16 = 3784;
const MULTIHOP: u16 = 4784;
/// RFC 5881 section 5.
const TTL: u8 = 255;
/// A control packet with authentication has at most 52 bytes.
const LONGEST: usize = 128;

/// Sessions whose packets arrive alike share a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ear {
    vrf: VrfId,
    local: IpAddr,
    /// Of a single-hop session.
    port: Option<PortId>,
    device: Option<String>,
}

pub(super) struct Detectors {
    host: Arc<Host>,
    ears: BTreeMap<Ear, AbortHandle>,
    mouths: BTreeMap<(SessionKey, u16), UdpSocket>,
    queue: Queue,
    unsent: Tally,
}

impl Detectors {
    pub(super) fn new(queue: Queue) -> Self {
        let unsent = Tally::new("BFD packets not sent: no socket or no buffer for them");
        Self { host: Arc::default(), ears: BTreeMap::new(), mouths: BTreeMap::new(), queue, unsent }
    }

    /// Opens what is missing and closes what is not wanted. What could not be done.
    pub(super) fn reconcile(&mut self, host: &Arc<Host>) -> Vec<String> {
        let moved = host.ports != self.host.ports;
        self.host = Arc::clone(host);
        self.mouths.retain(|(key, _), _| !moved && host.bfd.contains(key));
        let wanted: BTreeSet<Ear> = host.bfd.iter().filter_map(|key| ear(host, key)).collect();
        self.ears.retain(|ear, receiver| {
            let keep = wanted.contains(ear);
            if !keep {
                receiver.abort();
            }
            keep
        });
        let mut faults = Vec::new();
        for ear in wanted {
            if self.ears.contains_key(&ear) {
                continue;
            }
            match open(&ear) {
                Ok(socket) => {
                    let receiver = spawn_local(receive(socket, ear.clone(), self.queue.clone()));
                    self.ears.insert(ear, receiver.abort_handle());
                }
                Err(error) => faults.push(format!("BFD at {}: {error}", ear.local)),
            }
        }
        faults
    }

    /// A packet that cannot be sent is lost, as on any network.
    pub(super) fn send(&mut self, key: SessionKey, source_port: u16, bytes: &[u8]) {
        if !self.mouths.contains_key(&(key, source_port)) {
            let opened = ear(&self.host, &key).and_then(|ear| bound(&ear, source_port).ok());
            self.mouths.extend(opened.map(|socket| ((key, source_port), socket)));
        }
        let to = SocketAddr::new(key.remote, udp_port(key.port)).into();
        // Not by tokio: it has yet to learn that a new socket may be written to.
        let mouth = self.mouths.get(&(key, source_port)).map(SockRef::from);
        if mouth.is_none_or(|mouth| mouth.send_to(bytes, &to).is_err()) {
            self.unsent.add(1);
        }
    }
}

const fn udp_port(port: Option<PortId>) -> u16 {
    match port {
        Some(_) => SINGLE_HOP,
        None => MULTIHOP,
    }
}

/// `None`: there is no device for it now.
fn ear(host: &Host, key: &SessionKey) -> Option<Ear> {
    let device = match key.port {
        Some(id) => Some(device(host, key.vrf, id)?.to_owned()),
        None => Place::of(host, key.vrf, key.remote)?.device,
    };
    Some(Ear { vrf: key.vrf, local: key.local, port: key.port, device })
}

/// That of the port; a tunnel has none, and is spoken on by the TUN of its VRF.
fn device(host: &Host, vrf: VrfId, port: PortId) -> Option<&str> {
    let own = host.ports.iter().find(|of| of.port == port);
    let found = own.or_else(|| host.ports.iter().find(|of| of.host && of.vrf == vrf));
    found.map(|of| of.device.as_str())
}

fn open(ear: &Ear) -> io::Result<UdpSocket> {
    let socket = bound(ear, udp_port(ear.port))?;
    if ear.port.is_some() {
        sys::only_near(&socket, Family::of(ear.local))?;
    }
    Ok(socket)
}

fn bound(ear: &Ear, port: u16) -> io::Result<UdpSocket> {
    let socket = socket(Family::of(ear.local), Type::DGRAM, Protocol::UDP)?;
    match ear.local {
        IpAddr::V4(_) => socket.set_ttl_v4(TTL.into())?,
        IpAddr::V6(_) => socket.set_unicast_hops_v6(TTL.into())?,
    }
    socket.bind_device(ear.device.as_ref().map(|device| device.as_bytes()))?;
    socket.bind(&SocketAddr::new(ear.local, port).into())?;
    UdpSocket::from_std(socket.into())
}

async fn receive(socket: UdpSocket, ear: Ear, queue: Queue) {
    let mut buffer = [0; LONGEST];
    loop {
        let (bytes, remote) = datagram(&socket, &mut buffer).await;
        let packet = BfdInput::Packet {
            vrf: ear.vrf,
            port: ear.port.unwrap_or_default(),
            local: ear.local,
            remote,
            multihop: ear.port.is_none(),
            // The socket hears nothing else where it matters.
            ttl: TTL,
            bytes,
        };
        queue.send(Arrival::Kernel(Input::Bfd(packet))).await;
    }
}
