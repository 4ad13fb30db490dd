//! Host names become addresses: by the name servers of the configuration, each asked in its VRF (RFC 1035),
//! else by the resolver of this machine.

mod message;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::VrfId;
use pe::Host;
use socket2::{Domain, Protocol, Socket, Type};

use crate::validate::{Origin, PORTS, origin};
use message::{Answer, Kind};

const DNS: u16 = 53;
/// For one question to one server.
const PATIENCE: Duration = Duration::from_secs(2);
/// Times that a server is asked before the next one is.
const TRIES: usize = 2;
/// No answer by UDP is longer, for we do not say that we take longer ones.
const LONGEST: usize = 512;

/// Who is asked, and how they are reached.
#[derive(Default)]
pub(crate) struct Names(Mutex<Arc<Host>>);

impl Names {
    /// What is in force from now on.
    pub(crate) fn host(&self, host: &Arc<Host>) {
        *self.lock() = Arc::clone(host);
    }

    /// By the servers of the front VRF; where it has none, by those of the global table; where there are none
    /// at all, by this machine's resolver.
    pub(crate) fn resolve(&self, front: VrfId, name: &str) -> Vec<IpAddr> {
        // Not in the head of the `match`: the lock would be held while it asks.
        let known = servers(&self.lock().servers, front);
        match known {
            Some((vrf, servers)) => self.ask(vrf, &servers, name),
            None => resolve(name),
        }
    }

    fn ask(&self, vrf: VrfId, servers: &[IpAddr], name: &str) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for kind in [Kind::V4, Kind::V6] {
            let answers = servers.iter().find_map(|server| self.question(vrf, *server, name, kind));
            addresses.extend(answers.unwrap_or_default());
        }
        addresses
    }

    /// `None`: the server says nothing of use, the next one may.
    fn question(&self, vrf: VrfId, server: IpAddr, name: &str, kind: Kind) -> Option<Vec<IpAddr>> {
        let origin = self.origin(vrf, server)?;
        (0..TRIES).find_map(|_| exchange(&origin, server, name, kind).ok()?)
    }

    fn origin(&self, vrf: VrfId, server: IpAddr) -> Option<Origin> {
        let host = self.lock();
        let name = host.vrfs.iter().find(|(_, id)| **id == vrf).map(|(name, _)| name.as_str());
        origin(&host, name, server).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Host>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn servers(all: &BTreeMap<VrfId, Vec<IpAddr>>, front: VrfId) -> Option<(VrfId, Vec<IpAddr>)> {
    let mut vrfs = [front, VrfId::GLOBAL].into_iter();
    vrfs.find_map(|vrf| Some((vrf, all.get(&vrf)?.clone())))
}

/// By the resolver of this machine (`/etc/hosts`, `/etc/resolv.conf`), which speaks for the box as a whole.
/// Each address once, in the resolver's order.
pub(crate) fn resolve(name: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for found in (name, 0).to_socket_addrs().into_iter().flatten() {
        if !addresses.contains(&found.ip()) {
            addresses.push(found.ip());
        }
    }
    addresses
}

fn exchange(origin: &Origin, server: IpAddr, name: &str, kind: Kind) -> io::Result<Option<Vec<IpAddr>>> {
    let id = random()?;
    let Some(question) = message::question(id, name, kind) else { return Ok(Some(Vec::new())) };
    let socket = open(origin, server, id)?;
    socket.send(&question)?;
    let until = Instant::now() + PATIENCE;
    let mut buffer = [0; LONGEST];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        match message::answer(buffer.get(..length).unwrap_or_default(), &question, kind) {
            Answer::NotOurs => {}
            Answer::Failed => return Ok(None),
            Answer::Addresses(addresses) => return Ok(Some(addresses)),
        }
    }
}

/// From one of the ports that the guard lets answers in to, chosen by `random`.
fn open(origin: &Origin, server: IpAddr, random: u16) -> io::Result<UdpSocket> {
    let remote = SocketAddr::new(server, DNS);
    let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?;
    origin.place(&socket)?;
    let any = if server.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) };
    let count = PORTS.end() - PORTS.start() + 1;
    let port = |step: u16| PORTS.start() + random.wrapping_add(step) % count;
    let bind = |step| socket.bind(&SocketAddr::new(origin.source.unwrap_or(any), port(step)).into());
    (0..count).find(|step| bind(*step).is_ok()).ok_or(io::ErrorKind::AddrInUse)?;
    socket.connect(&remote.into())?;
    Ok(socket.into())
}

fn random() -> io::Result<u16> {
    let mut bytes = [0; 2];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u16::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread::spawn;

    use super::*;

    #[test]
    fn a_front_vrf_asks_its_own_servers_else_those_of_the_global_table() {
        let red = VrfId(1);
        let server = |last| vec![IpAddr::from([192, 0, 2, last])];
        let both = BTreeMap::from([(VrfId::GLOBAL, server(1)), (red, server(2))]);
        assert_eq!(servers(&both, red), Some((red, server(2))));
        assert_eq!(servers(&both, VrfId(2)), Some((VrfId::GLOBAL, server(1))));
        assert_eq!(servers(&BTreeMap::from([(red, server(2))]), VrfId::GLOBAL), None);
    }

    #[test]
    fn a_server_that_does_not_answer_is_given_up() {
        let names = Names::default();
        let servers = BTreeMap::from([(VrfId::GLOBAL, vec![IpAddr::from([127, 0, 0, 77])])]);
        names.host(&Arc::new(Host { servers, ..Host::default() }));
        let (told, answer) = channel();
        spawn(move || told.send(names.resolve(VrfId(1), "gw.example")));
        assert_eq!(answer.recv_timeout(Duration::from_secs(60)), Ok(Vec::new()));
    }

    #[test]
    fn without_servers_the_machine_is_asked() {
        let names = Names::default();
        assert_eq!(names.resolve(VrfId(1), "192.0.2.7"), [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(names.resolve(VrfId::GLOBAL, "no such name"), Vec::<IpAddr>::new());
    }
}
