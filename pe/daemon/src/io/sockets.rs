//! IKE's sockets at work: the network thread opens and closes them, the control thread waits for them, receives and
//! sends. Takes the non-ESP marker off and puts it on (RFC 3948 section 2.2).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::VrfId;
use ike::{Datagram, Path};
use sys::{Epoll, Waker};
use tracing::error;

use super::udp::IKE_NAT;
use crate::log::Tally;

const MARKER: [u8; 4] = [0; 4];
/// Datagrams that are received at once.
const BURST: usize = 64;
/// Datagrams that wait for their socket: after a restart, ESP makes IKE speak before the kernel is set.
const WAITING: usize = 1024;
/// Until a retransmission makes them worthless.
const WORTH: Duration = Duration::from_secs(2);
/// The number of what is no socket.
const WAKER: u64 = u64::MAX;

/// Where a socket stands; its device belongs to the key because an address may move between ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) front: VrfId,
    pub(crate) local: SocketAddr,
    /// The address is another port's: IKE is heard here too, but leaves by that port.
    pub(crate) borrowed: bool,
    pub(crate) device: String,
}

pub(crate) type Open = BTreeMap<Place, Arc<UdpSocket>>;

/// Clones are of the same sockets.
#[derive(Clone)]
pub(crate) struct Sockets(Arc<Shared>);

struct Shared {
    epoll: Epoll,
    /// Ends the control thread's wait.
    waker: Arc<Waker>,
    state: Mutex<State>,
}

struct State {
    open: Open,
    /// The same, by number.
    heard: Vec<Heard>,
    waiting: Vec<(Instant, Datagram)>,
    buffer: Vec<u8>,
    overflow: Tally,
    unsendable: Tally,
}

struct Heard {
    front: VrfId,
    local: SocketAddr,
    socket: Arc<UdpSocket>,
    /// What the kernel had dropped when it was last asked.
    dropped: u32,
}

impl Sockets {
    pub(crate) fn new() -> io::Result<Self> {
        let (epoll, waker) = (Epoll::new()?, Arc::new(Waker::new()?));
        epoll.add(&*waker, WAKER)?;
        Ok(Self(Arc::new(Shared { epoll, waker, state: Mutex::new(State::new()) })))
    }

    /// What ends a wait.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.0.waker)
    }

    /// Waits for datagrams, until woken, or until `patience` has passed; what has come. What the kernel has no room for
    /// it drops: under overload the newest.
    pub(crate) fn receive(&self, patience: Duration) -> Vec<Datagram> {
        let mut datagrams = Vec::new();
        let ready: Vec<u64> = match self.0.epoll.wait(patience) {
            Ok(ready) => ready.collect(),
            Err(error) => {
                error!("IKE cannot wait for datagrams: {error}");
                std::thread::sleep(patience);
                return datagrams;
            }
        };
        if ready.contains(&WAKER) {
            self.0.waker.drain();
        }
        let mut state = self.lock();
        for number in &ready {
            state.receive(*number, BURST / ready.len(), &mut datagrams);
        }
        datagrams
    }

    /// What cannot be sent at once is lost, as on any network; IKE sends again. Without a socket it waits for one.
    pub(crate) fn send(&self, datagrams: impl IntoIterator<Item = Datagram>) {
        let (mut state, now) = (self.lock(), Instant::now());
        datagrams.into_iter().for_each(|datagram| state.send(now, datagram));
    }

    /// From now on these. What waited for one of them leaves.
    pub(super) fn set(&self, open: Open) {
        let mut state = self.lock();
        for old in &state.heard {
            // It is there: it was added.
            let _ = self.0.epoll.remove(&*old.socket);
        }
        let listen = |(number, (place, socket)): (u64, (&Place, &Arc<UdpSocket>))| {
            if let Err(error) = self.0.epoll.add(&**socket, number) {
                error!("IKE does not hear {} on {}: {error}", place.local, place.device);
            }
            Heard { front: place.front, local: place.local, socket: Arc::clone(socket), dropped: 0 }
        };
        state.heard = (0..).zip(&open).map(listen).collect();
        state.open = open;
        let waited = std::mem::take(&mut state.waiting).into_iter();
        waited
            .filter(|(since, _)| since.elapsed() < WORTH)
            .for_each(|(since, datagram)| state.send(since, datagram));
    }

    /// What no socket was there for.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new() -> Self {
        Self {
            open: Open::new(),
            heard: Vec::new(),
            waiting: Vec::new(),
            buffer: vec![0; usize::from(u16::MAX)],
            overflow: Tally::new("IKE datagrams dropped: they come faster than they are answered"),
            unsendable: Tally::new("IKE datagrams not sent: no socket or no buffer for them"),
        }
    }

    /// At most so many, so that no socket is heard alone.
    fn receive(&mut self, number: u64, most: usize, datagrams: &mut Vec<Datagram>) {
        let heard = usize::try_from(number).ok().and_then(|number| self.heard.get_mut(number));
        let Some(Heard { front, local, socket, dropped }) = heard else { return };
        for _ in 0..most.max(1) {
            // An error is of an earlier datagram, or there is none any more.
            let Ok((length, remote)) = socket.recv_from(&mut self.buffer) else { return };
            let payload = self.buffer.get(..length).unwrap_or_default();
            if let Some((marker, bytes)) = decode(local.port(), payload) {
                let path = Path { front: *front, local: *local, remote, marker };
                datagrams.push(Datagram { path, bytes: bytes.to_vec() });
            }
        }
        let now = sys::dropped(&**socket).unwrap_or(*dropped);
        self.overflow.add(u64::from(now.wrapping_sub(std::mem::replace(dropped, now))));
    }

    fn send(&mut self, since: Instant, datagram: Datagram) {
        let path = &datagram.path;
        let (front, local) = (path.front, path.local);
        let first = Place { front, local, borrowed: false, device: String::new() };
        let next = self.open.range(first..).next();
        let socket = next.filter(|(place, _)| place.front == front && place.local == local);
        let bytes = encode(path.marker, &datagram.bytes);
        match socket {
            Some((_, socket)) if socket.send_to(&bytes, path.remote).is_ok() => {}
            None if self.waiting.len() < WAITING => self.waiting.push((since, datagram)),
            Some(_) | None => self.unsendable.add(1),
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

fn encode(marker: bool, message: &[u8]) -> Cow<'_, [u8]> {
    if marker { Cow::Owned([&MARKER, message].concat()) } else { Cow::Borrowed(message) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Sockets on the loopback, each at the place that it is told to stand for.
    pub(crate) fn opened(places: impl IntoIterator<Item = Place>) -> (Sockets, Vec<SocketAddr>) {
        let (sockets, mut open, mut ports) = (Sockets::new().unwrap(), Open::new(), Vec::new());
        for place in places {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            ports.push(socket.local_addr().unwrap());
            open.insert(place, Arc::new(socket));
        }
        sockets.set(open);
        (sockets, ports)
    }

    pub(crate) fn place(front: u32, udp: u16, borrowed: bool) -> Place {
        let local = SocketAddr::new([192, 0, 2, 1].into(), udp);
        Place { front: VrfId(front), local, borrowed, device: String::new() }
    }

    fn datagram(place: &Place, remote: SocketAddr, marker: bool, bytes: &[u8]) -> Datagram {
        Datagram {
            path: Path { front: place.front, local: place.local, remote, marker },
            bytes: bytes.into(),
        }
    }

    #[test]
    fn the_marker_comes_off_port_4500_and_everything_else_there_is_not_ike() {
        assert_eq!(decode(IKE_NAT, &[0, 0, 0, 0, 7, 8]), Some((true, [7, 8].as_slice())));
        assert_eq!(decode(IKE_NAT, &[0, 0, 1, 0, 7, 8]), None, "an SPI: ESP");
        assert_eq!(decode(IKE_NAT, &[0xff]), None, "a keepalive");
        assert_eq!(decode(500, &[0, 0, 0, 0, 7]), Some((false, [0, 0, 0, 0, 7].as_slice())));
    }

    #[test]
    fn what_is_encoded_decodes_and_a_keepalive_goes_out_bare() {
        assert_eq!(decode(IKE_NAT, &encode(true, &[1, 2])), Some((true, [1, 2].as_slice())));
        assert_eq!(encode(false, &[0xff])[..], [0xff]);
    }

    #[test]
    fn what_is_sent_before_its_socket_is_open_waits_but_not_for_long() {
        let sockets = Sockets::new().unwrap();
        sockets.send([datagram(&place(0, 500, false), "192.0.2.2:500".parse().unwrap(), false, &[1])]);
        sockets.set(Open::new());
        assert_eq!(sockets.waiting(), 1, "still no socket");
        sockets.lock().waiting[0].0 -= WORTH;
        sockets.set(Open::new());
        assert_eq!(sockets.waiting(), 0);
    }

    #[test]
    fn a_datagram_leaves_by_the_socket_of_its_front_vrf_and_not_by_a_borrowed_one() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let places = [place(1, 500, false), place(1, 500, true), place(2, 500, false)];
        let (sockets, ports) = opened(places.clone());
        for of in [2, 0] {
            sockets.send([datagram(&places[of], peer.local_addr().unwrap(), false, &[7])]);
            assert_eq!(peer.recv_from(&mut [0; 8]).unwrap(), (1, ports[of]));
        }
    }

    #[test]
    fn a_datagram_is_received_where_its_socket_stands_and_only_while_it_is_wanted() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = peer.local_addr().unwrap();
        let places = [place(1, 500, false), place(2, IKE_NAT, true)];
        let (sockets, ports) = opened(places.clone());
        peer.send_to(&[0, 0, 0, 0, 9], ports[1]).unwrap();
        assert_eq!(sockets.receive(Duration::from_secs(60)), [datagram(&places[1], from, true, &[9])]);
        peer.send_to(&[1, 2, 3, 4, 9], ports[1]).unwrap();
        peer.send_to(&[5], ports[0]).unwrap();
        assert_eq!(sockets.receive(Duration::from_secs(60)), [datagram(&places[0], from, false, &[5])]);
        sockets.set(Open::new());
        assert!(UdpSocket::bind(ports[0]).is_ok(), "it is closed");
        assert!(sockets.receive(Duration::ZERO).is_empty());
    }

    #[test]
    fn many_on_one_socket_do_not_keep_those_on_another_waiting() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let places = [place(1, 500, false), place(2, 500, false)];
        let (sockets, ports) = opened(places.clone());
        assert!((0..100).all(|_| peer.send_to(&[1], ports[0]).is_ok()));
        peer.send_to(&[2], ports[1]).unwrap();
        let first = sockets.receive(Duration::from_secs(60));
        assert!(first.len() <= BURST && first.iter().any(|one| one.path.front == VrfId(2)));
        let rest = sockets.receive(Duration::ZERO).len() + sockets.receive(Duration::ZERO).len();
        assert_eq!(first.len() + rest, 101);
    }
}
