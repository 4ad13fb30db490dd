//! LDP's hellos, RFC 5036 section 2.4.1: UDP port 646, to all routers of a link and to single ones.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::rc::Rc;

use base::{Family, PortId};
use pe::{Hello, Host, HostPort, Input};
use socket2::{Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, spawn_local};

use super::place::{datagram, socket};
use crate::log::Tally;
use crate::queue::{Arrival, Queue};

const LDP: u16 = 646;
const ROUTERS_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const ROUTERS_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// A hello is one short packet.
const LONGEST: usize = 4096;

/// What a socket hears.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ear {
    /// All routers of a port's link.
    Link { port: PortId, device: String, family: Family },
    /// Us alone.
    Targeted(Family),
}

struct Open {
    socket: Rc<UdpSocket>,
    receiver: AbortHandle,
}

pub(super) struct Hellos {
    open: BTreeMap<Ear, Open>,
    /// Said before its socket stood: the newest to each place.
    early: BTreeMap<(Option<PortId>, IpAddr), Hello>,
    queue: Queue,
    unsent: Tally,
}

impl Hellos {
    pub(super) fn new(queue: Queue) -> Self {
        let unsent = Tally::new("LDP hellos not sent: no socket or no buffer for them");
        Self { open: BTreeMap::new(), early: BTreeMap::new(), queue, unsent }
    }

    /// Opens what is missing and closes what is not wanted. What could not be done.
    pub(super) fn reconcile(&mut self, host: &Host, index: impl Fn(&str) -> Option<u32>) -> Vec<String> {
        let wanted = ears(host);
        self.open.retain(|ear, open| {
            let keep = wanted.contains(ear);
            if !keep {
                open.receiver.abort();
            }
            keep
        });
        let mut faults = Vec::new();
        for ear in wanted {
            if self.open.contains_key(&ear) {
                continue;
            }
            match open(&ear, &index) {
                Ok(socket) => self.start(ear, socket),
                Err(error) => faults.push(format!("UDP {LDP} for {ear:?}: {error}")),
            }
        }
        for hello in std::mem::take(&mut self.early).into_values() {
            self.transmit(&hello);
        }
        faults
    }

    fn start(&mut self, ear: Ear, socket: UdpSocket) {
        let socket = Rc::new(socket);
        let receiver =
            spawn_local(receive(Rc::clone(&socket), ear.clone(), self.queue.clone())).abort_handle();
        self.open.insert(ear, Open { socket, receiver });
    }

    /// One that cannot be sent is lost, as on any network; the next one comes soon. But who starts, or has a new port, need
    /// not wait for the next one.
    pub(super) fn send(&mut self, hello: Hello) {
        if self.socket(&hello).is_none() {
            self.early.insert((hello.port, hello.remote), hello);
        } else {
            self.transmit(&hello);
        }
    }

    fn transmit(&mut self, hello: &Hello) {
        let to = SocketAddr::new(hello.remote, LDP).into();
        // Not by tokio: it has yet to learn that a new socket may be written to.
        let sent = self.socket(hello).map(|socket| SockRef::from(socket).send_to(&hello.bytes, &to));
        if sent.is_none_or(|sent| sent.is_err()) {
            self.unsent.add(1);
        }
    }

    fn socket(&self, hello: &Hello) -> Option<&UdpSocket> {
        let family = Family::of(hello.remote);
        let open = self.open.iter().find(|(ear, _)| match ear {
            Ear::Link { port, family: of, .. } => hello.port == Some(*port) && *of == family,
            Ear::Targeted(of) => hello.port.is_none() && *of == family,
        });
        open.map(|(_, open)| &*open.socket)
    }
}

/// A socket for each port and family with an address, and one of each family for what is sent to us alone.
fn ears(host: &Host) -> Vec<Ear> {
    let ports = host.ports.iter().filter(|port| host.hellos.contains(&port.port));
    let link = |port: &HostPort, family| {
        let speaks = port.addresses.iter().any(|on| Family::of(on.address) == family);
        speaks.then(|| Ear::Link { port: port.port, device: port.device.clone(), family })
    };
    let links = ports.flat_map(|port| Family::BOTH.into_iter().filter_map(move |family| link(port, family)));
    let links: Vec<_> = links.collect();
    let targeted = if host.hellos.is_empty() { Vec::new() } else { Family::BOTH.map(Ear::Targeted).to_vec() };
    links.into_iter().chain(targeted).collect()
}

fn open(ear: &Ear, index: impl Fn(&str) -> Option<u32>) -> io::Result<UdpSocket> {
    let (Ear::Link { family, .. } | Ear::Targeted(family)) = ear;
    let socket = socket(*family, Type::DGRAM, Protocol::UDP)?;
    match ear {
        Ear::Link { device, .. } => {
            let index = index(device).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            join(&socket, *family, device, index)?;
        }
        Ear::Targeted(_) => targeted(&socket, *family)?,
    }
    UdpSocket::from_std(socket.into())
}

/// TTL 1: what is said to a link stays there.
fn join(socket: &Socket, family: Family, device: &str, index: u32) -> io::Result<()> {
    socket.bind_device(Some(device.as_bytes()))?;
    match family {
        Family::V4 => {
            socket.bind(&SocketAddr::new(ROUTERS_V4.into(), LDP).into())?;
            socket.join_multicast_v4_n(&ROUTERS_V4, &socket2::InterfaceIndexOrAddress::Index(index))?;
            socket.set_multicast_loop_v4(false)?;
            socket.set_multicast_ttl_v4(1)
        }
        Family::V6 => {
            socket.bind(&SocketAddrV6::new(ROUTERS_V6, LDP, 0, index).into())?;
            socket.join_multicast_v6(&ROUTERS_V6, index)?;
            socket.set_multicast_if_v6(index)?;
            socket.set_multicast_loop_v6(false)?;
            // RFC 7552 section 5.1: IPv6 hellos of a link have hop limit 255, and no other is heard.
            sys::only_near(socket, family)?;
            socket.set_multicast_hops_v6(255)
        }
    }
}

/// Groups that other sockets joined are not its business.
fn targeted(socket: &Socket, family: Family) -> io::Result<()> {
    let any = match family {
        Family::V4 => {
            socket.set_multicast_all_v4(false)?;
            IpAddr::from(Ipv4Addr::UNSPECIFIED)
        }
        Family::V6 => {
            socket.set_multicast_all_v6(false)?;
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        }
    };
    socket.bind(&SocketAddr::new(any, LDP).into())
}

async fn receive(socket: Rc<UdpSocket>, ear: Ear, queue: Queue) {
    let mut buffer = vec![0; LONGEST];
    let (port, multicast) = match ear {
        Ear::Link { port, .. } => (Some(port), true),
        Ear::Targeted(_) => (None, false),
    };
    loop {
        let (bytes, remote) = datagram(&socket, &mut buffer).await;
        let hello = Hello { port, remote, multicast, bytes };
        queue.send(Arrival::Kernel(Input::Hello(hello))).await;
    }
}
