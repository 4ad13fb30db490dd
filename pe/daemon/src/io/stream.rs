//! TCP for routing protocols: who may connect, and the connections that stand.

mod connection;

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::{Family, VrfId};
use config::model::Backend;
use pe::{Host, Service, Socket, Stream, StreamId, Streamed};
use socket2::{Protocol, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;

use super::place::{Place, socket};
use crate::host;
use crate::queue::Queue;
use connection::Connection;

/// Where connections of a service arrive: RFC 4271 section 4, RFC 5036 section 2.4.2.
const fn port(service: Service) -> u16 {
    match service {
        Service::Bgp => 179,
        Service::Ldp => 646,
    }
}

/// Set in the numbers of connections that were accepted.
const ACCEPTED: StreamId = 1 << 63;
/// Until an attempt to connect is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// For last words to leave.
const FAREWELL: Duration = Duration::from_secs(1);
/// Peers that may connect at the same time.
const BACKLOG: i32 = 128;

/// The connections of all services; a clone is the same.
#[derive(Clone)]
pub(super) struct Streams(Rc<RefCell<State>>);

struct State {
    host: Arc<Host>,
    peers: BTreeMap<Service, Vec<Socket>>,
    listeners: BTreeMap<(Service, Place), Listener>,
    /// To connect.
    attempts: BTreeMap<(Service, StreamId), AbortHandle>,
    connections: BTreeMap<(Service, StreamId), Standing>,
    accepted: StreamId,
    queue: Queue,
    /// Each connection has a copy until it is over.
    alive: mpsc::Sender<Infallible>,
    over: mpsc::Receiver<Infallible>,
}

/// A connection, and where its peer was found when it began: the device that its socket is bound to.
struct Standing {
    connection: Connection,
    vrf: VrfId,
    remote: IpAddr,
    place: Option<Place>,
}

struct Listener {
    socket: Rc<TcpListener>,
    /// Whose segments are signed on it.
    signed: BTreeSet<IpAddr>,
    acceptor: AbortHandle,
}

impl Streams {
    pub(super) fn new(queue: Queue) -> Self {
        let (alive, over) = mpsc::channel(1);
        Self(Rc::new(RefCell::new(State {
            host: Arc::default(),
            peers: BTreeMap::new(),
            listeners: BTreeMap::new(),
            attempts: BTreeMap::new(),
            connections: BTreeMap::new(),
            accepted: ACCEPTED,
            queue,
            alive,
            over,
        })))
    }

    /// Ports came, went, or changed their addresses. What could not be done.
    pub(super) fn host(&self, host: &Arc<Host>) -> Vec<String> {
        self.0.borrow_mut().host = Arc::clone(host);
        self.follow();
        self.listen()
    }

    /// Ends all connections once what they were given has left.
    pub(super) async fn end(&self) {
        let mut over = {
            let mut state = self.0.borrow_mut();
            let none = mpsc::channel(1);
            state.attempts.values().for_each(AbortHandle::abort);
            state.connections.clear();
            state.alive = none.0;
            std::mem::replace(&mut state.over, none.1)
        };
        if timeout(FAREWELL, over.recv()).await.is_err() {
            tracing::warn!("not every neighbour took what it was told at the end");
        }
    }

    /// Ends the connections whose device is not their peer's any more: it may be another VRF's by now.
    fn follow(&self) {
        let mut state = self.0.borrow_mut();
        let State { host, connections, .. } = &mut *state;
        let left = connections.extract_if(.., |_, it| Place::of(host, it.vrf, it.remote) != it.place);
        for ((service, id), _) in left {
            let streams = self.clone();
            spawn_local(async move { streams.tell(service, Streamed::Closed(id)).await });
        }
    }

    /// What could not be done.
    pub(super) fn order(&self, service: Service, order: Stream) -> Vec<String> {
        match order {
            Stream::Listen(peers) => {
                self.0.borrow_mut().peers.insert(service, peers);
                return self.listen();
            }
            Stream::Connect(id, socket) => {
                let attempt = spawn_local(self.clone().connect(service, id, socket)).abort_handle();
                self.0.borrow_mut().attempts.insert((service, id), attempt);
            }
            Stream::Send(id, bytes) => {
                if let Some(it) = self.0.borrow().connections.get(&(service, id)) {
                    it.connection.send(bytes);
                }
            }
            Stream::Close(id) => {
                let mut state = self.0.borrow_mut();
                if let Some(attempt) = state.attempts.remove(&(service, id)) {
                    attempt.abort();
                }
                // What it has been given still leaves.
                state.connections.remove(&(service, id));
            }
        }
        Vec::new()
    }

    /// Opens what is missing, closes what is not wanted, and protects with the keys of now.
    fn listen(&self) -> Vec<String> {
        let mut state = self.0.borrow_mut();
        let State { host, peers, listeners, .. } = &mut *state;
        let mut wanted: BTreeMap<(Service, Place), Vec<&Socket>> = BTreeMap::new();
        for (service, peer) in peers.iter().flat_map(|(service, of)| of.iter().map(|peer| (*service, peer))) {
            if let Some(place) = place_of(host, peer) {
                wanted.entry((service, place)).or_default().push(peer);
            }
        }
        listeners.retain(|key, listener| {
            let keep = wanted.contains_key(key);
            if !keep {
                listener.acceptor.abort();
            }
            keep
        });
        let mut faults = Vec::new();
        for ((service, place), peers) in wanted {
            let fault = |error: io::Error| format!("TCP {} {place}: {error}", port(service));
            let listener = match listeners.entry((service, place.clone())) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(vacant) => match listening(service, &place) {
                    Ok(socket) => vacant.insert(self.start(service, &place, socket)),
                    Err(error) => {
                        faults.push(fault(error));
                        continue;
                    }
                },
            };
            faults.extend(listener.sign(&peers));
            // Who accepts from near by only (RFC 5082) wants the answer to its first segment from there, too.
            let far = peers.iter().map(|peer| peer.ttl.0).max().unwrap_or(1);
            let set = set_ttl(&socket2::SockRef::from(&*listener.socket), place.family, (far, 0));
            faults.extend(set.err().map(fault));
        }
        faults
    }

    fn start(&self, service: Service, place: &Place, socket: TcpListener) -> Listener {
        let socket = Rc::new(socket);
        let acceptor = spawn_local(self.clone().accept(service, place.clone(), Rc::clone(&socket)));
        Listener { socket, signed: BTreeSet::new(), acceptor: acceptor.abort_handle() }
    }

    async fn accept(self, service: Service, place: Place, socket: Rc<TcpListener>) {
        loop {
            let Ok((stream, remote)) = socket.accept().await else {
                // Out of descriptors, or a peer that gave up; neither may spin.
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            // Whoever is not expected is closed without a word.
            if let Some((peer, local)) = self.expected(service, &place, &stream, remote.ip()) {
                self.admit(service, &peer, stream, local).await;
            }
        }
    }

    /// The peer that this is, and our address, if it is one.
    fn expected(
        &self,
        service: Service,
        place: &Place,
        stream: &TcpStream,
        remote: IpAddr,
    ) -> Option<(Socket, IpAddr)> {
        let state = self.0.borrow();
        let local = stream.local_addr().ok()?.ip();
        // On our own ports the mark says the VRF that the first segment came from.
        let mark = socket2::SockRef::from(stream).mark().ok()?;
        if state.host.backend == Backend::User && mark != host::mark(place.vrf) {
            return None;
        }
        let is_it = |peer: &&Socket| {
            peer.vrf == place.vrf && peer.remote == remote && peer.local.is_none_or(|own| own == local)
        };
        state.peers.get(&service)?.iter().find(is_it).map(|peer| (peer.clone(), local))
    }

    async fn admit(&self, service: Service, peer: &Socket, stream: TcpStream, local: IpAddr) {
        if set_ttl(&socket2::SockRef::from(&stream), Family::of(peer.remote), peer.ttl).is_err() {
            return;
        }
        let id = {
            let mut state = self.0.borrow_mut();
            state.accepted += 1;
            state.accepted
        };
        let told = Streamed::Accepted { id, vrf: peer.vrf, remote: peer.remote, local };
        self.begin(service, id, peer, stream, told).await;
    }

    async fn connect(self, service: Service, id: StreamId, socket: Socket) {
        let ready = outgoing(&socket, &self.0.borrow().host);
        let connected = match ready {
            Ok(ready) => {
                timeout(PATIENCE, ready.connect(SocketAddr::new(socket.remote, port(service)))).await
            }
            Err(error) => Ok(Err(error)),
        };
        self.0.borrow_mut().attempts.remove(&(service, id));
        match connected {
            Ok(Ok(stream)) if let Ok(local) = stream.local_addr() => {
                self.begin(service, id, &socket, stream, Streamed::Connected(id, local.ip())).await;
            }
            failed => {
                tracing::debug!("no connection to {}: {failed:?}", socket.remote);
                self.tell(service, Streamed::Closed(id)).await;
            }
        }
    }

    /// A connection stands: the box hears of it before its first bytes.
    async fn begin(&self, service: Service, id: StreamId, peer: &Socket, stream: TcpStream, told: Streamed) {
        let _ = stream.set_nodelay(true);
        let (vrf, remote, place) = (peer.vrf, peer.remote, place_of(&self.0.borrow().host, peer));
        self.tell(service, told).await;
        let queue = self.0.borrow().queue.clone();
        let (connection, life) = connection::start(stream, service, id, queue);
        let standing = Standing { connection, vrf, remote, place };
        self.0.borrow_mut().connections.insert((service, id), standing);
        let (streams, alive) = (self.clone(), self.0.borrow().alive.clone());
        spawn_local(async move {
            life.await;
            drop(alive);
            let ended = streams.0.borrow_mut().connections.remove(&(service, id));
            if ended.is_some() {
                streams.tell(service, Streamed::Closed(id)).await;
            }
        });
    }

    async fn tell(&self, service: Service, what: Streamed) {
        let queue = self.0.borrow().queue.clone();
        connection::tell(&queue, service, what).await;
    }
}

impl Listener {
    /// Segments of peers with a password, and only theirs, are signed.
    fn sign(&mut self, peers: &[&Socket]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut keys = BTreeMap::new();
        for peer in peers {
            keys.extend(peer.password.as_ref().map(|key| (peer.remote, key.expose())));
        }
        for peer in self.signed.iter().filter(|peer| !keys.contains_key(*peer)) {
            faults
                .extend(sys::sign(&*self.socket, *peer, None).err().map(|error| format!("{peer}: {error}")));
        }
        for (peer, key) in &keys {
            let signed = sys::sign(&*self.socket, *peer, Some(key));
            faults.extend(signed.err().map(|error| format!("password of {peer}: {error}")));
        }
        self.signed = keys.into_keys().collect();
        faults
    }
}

fn place_of(host: &Host, peer: &Socket) -> Option<Place> {
    Place::of(host, peer.vrf, peer.remote)
}

fn listening(service: Service, place: &Place) -> io::Result<TcpListener> {
    let any = match place.family {
        Family::V4 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = fresh(place)?;
    // Sockets of several VRFs stand side by side; a device's own comes before one of all devices.
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::new(any, port(service)).into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Ready to connect.
fn outgoing(peer: &Socket, host: &Host) -> io::Result<tokio::net::TcpSocket> {
    let place = place_of(host, peer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its VRF has no device that is up"))?;
    let socket = fresh(&place)?;
    set_ttl(&socket, place.family, peer.ttl)?;
    if let Some(key) = &peer.password {
        sys::sign(&socket, peer.remote, Some(key.expose()))?;
    }
    if let Some(local) = peer.local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    Ok(tokio::net::TcpSocket::from_std_stream(socket.into()))
}

fn fresh(place: &Place) -> io::Result<socket2::Socket> {
    let socket = socket(place.family, Type::STREAM, Protocol::TCP)?;
    socket.bind_device(place.device.as_ref().map(|device| device.as_bytes()))?;
    Ok(socket)
}

fn set_ttl(socket: &socket2::Socket, family: Family, (send, least): (u8, u8)) -> io::Result<()> {
    match family {
        Family::V4 => socket.set_ttl_v4(send.into())?,
        Family::V6 => socket.set_unicast_hops_v6(send.into())?,
    }
    if least > 0 { sys::only_from_within(socket, family, least) } else { Ok(()) }
}
