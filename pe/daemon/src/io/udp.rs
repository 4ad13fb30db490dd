//! IKE's sockets: ports 500 and 4500 of each local address, bound to the device, so that the same
//! address in two VRFs is two sockets. Puts the non-ESP marker on and takes it off (RFC 3948 section 2.2).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use base::{Family, VrfId};
use config::model::Backend;
use ike::{Datagram, Path};
use pe::HostPort;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, spawn_local};

use super::hold;
use crate::log::Tally;
use crate::queue::Queue;

const IKE: u16 = 500;
const IKE_NAT: u16 = 4500;
const MARKER: [u8; 4] = [0; 4];
/// A burst of first messages from many peers waits in the kernel.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams that wait for their socket: after a restart, ESP makes IKE speak before the kernel is set.
const WAITING: usize = 1024;
/// Until a retransmission makes them worthless.
const WORTH: Duration = Duration::from_secs(2);

/// Where a socket stands; its device belongs to the key because an address may move between ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    front: VrfId,
    local: SocketAddr,
    /// The address is another port's: IKE is heard here too, but leaves by that port.
    borrowed: bool,
    device: String,
}

struct Open {
    socket: Rc<UdpSocket>,
    receiver: AbortHandle,
}

pub(crate) struct Sockets {
    open: BTreeMap<Place, Open>,
    waiting: Vec<(Instant, Datagram)>,
    queue: Queue,
    /// Where the holder of port 4500 listens.
    holder: PathBuf,
    overflow: Rc<RefCell<Tally>>,
    unsendable: Tally,
}

impl Sockets {
    pub(crate) fn new(queue: Queue, holder: PathBuf) -> Self {
        Self {
            open: BTreeMap::new(),
            waiting: Vec::new(),
            queue,
            holder,
            overflow: Rc::new(RefCell::new(Tally::new("IKE datagrams dropped: the queue is full"))),
            unsendable: Tally::new("IKE datagrams not sent: no socket or no buffer for them"),
        }
    }

    /// Opens what is missing and closes what is not wanted; what stays is not touched. What waited for a
    /// socket leaves. Returns what could not be opened.
    pub(crate) fn reconcile(&mut self, backend: Backend, ports: &[&HostPort]) -> Vec<String> {
        let wanted = places(ports);
        let before: Vec<_> = self.open.keys().cloned().collect();
        self.open.retain(|place, open| {
            let keep = wanted.contains(place);
            if !keep {
                open.receiver.abort();
            }
            keep
        });
        let mut faults = Vec::new();
        for place in wanted {
            if self.open.contains_key(&place) {
                continue;
            }
            match open(&place, backend) {
                Ok(socket) => self.start(place, socket),
                Err(error) => faults.push(format!("UDP {} on {}: {error}", place.local, place.device)),
            }
        }
        if !self.open.keys().eq(&before) {
            faults.extend(self.keep(backend));
        }
        let waited = std::mem::take(&mut self.waiting).into_iter();
        waited
            .filter(|(since, _)| since.elapsed() < WORTH)
            .for_each(|(since, datagram)| self.send_or_wait(since, datagram));
        faults
    }

    /// Where the kernel takes ESP from our sockets, they outlive us.
    fn keep(&self, backend: Backend) -> Option<String> {
        let with_esp = self.open.iter().filter(|(place, _)| place.local.port() == IKE_NAT);
        let sockets: Vec<&UdpSocket> = with_esp.map(|(_, open)| &*open.socket).collect();
        if backend == Backend::User || sockets.is_empty() {
            hold::release(&self.holder);
            return None;
        }
        let held = hold::hold(&self.holder, sockets.into_iter());
        held.err().map(|error| format!("UDP 4500 will not outlive the daemon: {error}"))
    }

    fn start(&mut self, place: Place, socket: UdpSocket) {
        let socket = Rc::new(socket);
        let (queue, overflow) = (self.queue.clone(), Rc::clone(&self.overflow));
        let receiver = spawn_local(receive(Rc::clone(&socket), place.front, place.local, queue, overflow))
            .abort_handle();
        self.open.insert(place, Open { socket, receiver });
    }

    /// A datagram that cannot be sent is lost, as on any network; IKE sends again.
    pub(crate) fn send(&mut self, datagram: Datagram) {
        self.send_or_wait(Instant::now(), datagram);
    }

    fn send_or_wait(&mut self, since: Instant, datagram: Datagram) {
        let path = &datagram.path;
        let (front, local) = (path.front, path.local);
        let first = Place { front, local, borrowed: false, device: String::new() };
        let next = self.open.range(first..).next();
        let open = next.filter(|(place, _)| place.front == path.front && place.local == path.local);
        let bytes = encode(path.marker, &datagram.bytes);
        match open {
            Some((_, open)) if open.socket.try_send_to(&bytes, path.remote).is_ok() => {}
            None if self.waiting.len() < WAITING => self.waiting.push((since, datagram)),
            Some(_) | None => self.unsendable.add(),
        }
    }
}

fn places(ports: &[&HostPort]) -> Vec<Place> {
    let place = |port: &HostPort, (borrowed, address): (bool, IpAddr), udp| Place {
        front: port.vrf,
        local: SocketAddr::new(address, udp),
        borrowed,
        device: port.device.clone(),
    };
    let places = ports.iter().flat_map(|port| {
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
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind_device(Some(place.device.as_bytes()))?;
    socket.bind(&place.local.into())?;
    if backend == Backend::Linux {
        share(&socket, place.local)?;
    }
    UdpSocket::from_std(socket.into())
}

/// With the ESP of the kernel.
fn share(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    sys::exempt_from_ipsec(socket, Family::of(local.ip()))?;
    if local.port() == IKE_NAT { sys::give_esp_to_kernel(socket) } else { Ok(()) }
}

async fn receive(
    socket: Rc<UdpSocket>,
    front: VrfId,
    local: SocketAddr,
    queue: Queue,
    overflow: Rc<RefCell<Tally>>,
) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let Ok((length, remote)) = socket.recv_from(&mut buffer).await else {
            // An ICMP error of an earlier datagram, or a device that went; neither may spin.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let Some((marker, bytes)) = buffer.get(..length).and_then(|bytes| decode(local.port(), bytes)) else {
            continue;
        };
        let path = Path { front, local, remote, marker };
        if !queue.offer(Datagram { path, bytes: bytes.to_vec() }) {
            overflow.borrow_mut().add();
        }
    }
}

/// The IKE message of a UDP payload and whether a marker stood before it. `None`: ESP, which the
/// dataplane has seen, or a NAT keepalive.
fn decode(port: u16, payload: &[u8]) -> Option<(bool, &[u8])> {
    match port {
        IKE_NAT => payload.strip_prefix(&MARKER).map(|message| (true, message)),
        _ => Some((false, payload)),
    }
}

fn encode(marker: bool, message: &[u8]) -> Vec<u8> {
    let marker: &[u8] = if marker { &MARKER } else { &[] };
    [marker, message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::port;

    #[test]
    fn the_marker_comes_off_port_4500_and_everything_else_there_is_not_ike() {
        assert_eq!(decode(IKE_NAT, &[0, 0, 0, 0, 7, 8]), Some((true, [7, 8].as_slice())));
        assert_eq!(decode(IKE_NAT, &[0, 0, 1, 0, 7, 8]), None, "an SPI: ESP");
        assert_eq!(decode(IKE_NAT, &[0xff]), None, "a keepalive");
        assert_eq!(decode(IKE, &[0, 0, 0, 0, 7]), Some((false, [0, 0, 0, 0, 7].as_slice())));
    }

    #[test]
    fn what_is_encoded_decodes_and_a_keepalive_goes_out_bare() {
        assert_eq!(decode(IKE_NAT, &encode(true, &[1, 2])), Some((true, [1, 2].as_slice())));
        assert_eq!(encode(false, &[0xff]), [0xff]);
    }

    #[test]
    fn what_is_sent_before_its_socket_is_open_waits_but_not_for_long() {
        let mut sockets = Sockets::new(crate::queue::queue().0, PathBuf::new());
        let path = Path {
            front: VrfId::GLOBAL,
            local: "192.0.2.1:500".parse().unwrap(),
            remote: "192.0.2.2:500".parse().unwrap(),
            marker: false,
        };
        sockets.send(Datagram { path, bytes: vec![1] });
        sockets.reconcile(Backend::User, &[]);
        assert_eq!(sockets.waiting.len(), 1, "still no socket");
        sockets.waiting[0].0 -= WORTH;
        sockets.reconcile(Backend::User, &[]);
        assert!(sockets.waiting.is_empty());
    }

    #[test]
    fn one_address_in_two_front_vrfs_is_four_sockets() {
        let (one, two) = (port(1, "wan1", 1, "192.0.2.1"), port(2, "wan2", 2, "192.0.2.1"));
        assert_eq!(places(&[&one, &two]).len(), 4);
        let mut silent = port(3, "core", 0, "192.0.2.9");
        silent.ike = false;
        assert!(places(&[&silent]).is_empty());
    }
}
