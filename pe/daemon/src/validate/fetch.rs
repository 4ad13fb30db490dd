//! Fetches from HTTP servers in the VRF of a trustpoint (VRF-13). A connection of a VRF carries the VRF's mark, by
//! which the kernel hands it to the dataplane, or is bound to the VRF's device where the kernel forwards: routes,
//! labels and crypto maps hold as for any other packet.

use std::fs::{self, DirEntry};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::{Family, Prefix, VrfId};
use config::model::Backend;
use pe::{Host, HostPort};
use socket2::{Domain, Protocol, Socket, Type};

use super::http::{Question, Reply, Url, exchange};
use crate::host::mark;

/// The addresses of a host name, best first; none: nobody knows it.
pub(crate) type Resolve = fn(&str) -> Vec<IpAddr>;

/// Our ports of these connections: the guard lets answers to them in, and nothing that opens a connection. Above the
/// kernel's own choice, so that nothing else has them.
pub(crate) const PORTS: RangeInclusive<u16> = 61_000..=61_127;

/// For one fetch with all its redirections.
const PATIENCE: Duration = Duration::from_secs(8);
/// For one address of a server.
const CONNECT: Duration = Duration::from_secs(3);
/// Addresses of one server.
const ADDRESSES: usize = 3;
const REDIRECTIONS: usize = 3;

pub(crate) struct Network {
    resolve: Resolve,
    host: Mutex<Arc<Host>>,
    next_port: AtomicU16,
}

/// From where a connection is opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) into: Through,
    /// `None`: the kernel chooses.
    pub(crate) source: Option<IpAddr>,
}

/// What leads a packet of ours into its VRF.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Through {
    Global,
    /// A mark, by which the kernel hands it to the dataplane.
    Mark(u32),
    /// The kernel's own device of the VRF.
    Device(String),
}

impl Origin {
    /// Makes `socket` one of its VRF.
    pub(crate) fn place(&self, socket: &Socket) -> io::Result<()> {
        match &self.into {
            Through::Global => Ok(()),
            Through::Mark(mark) => socket.set_mark(*mark),
            Through::Device(device) => socket.bind_device(Some(device.as_bytes())),
        }
    }
}

impl Network {
    pub(super) fn new(resolve: Resolve) -> Self {
        Self { resolve, host: Mutex::default(), next_port: AtomicU16::new(0) }
    }

    pub(super) fn host(&self, host: Arc<Host>) {
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = host;
    }

    /// The body of the answer, at most `limit` bytes; the error is a few words.
    pub(super) fn fetch(
        &self,
        vrf: Option<&str>,
        url: &str,
        question: Question<'_>,
        limit: usize,
    ) -> Result<Vec<u8>, String> {
        let until = Instant::now() + PATIENCE;
        let mut url = Url::parse(url)?;
        for _ in 0..=REDIRECTIONS {
            let stream = self.connect(vrf, &url, until)?;
            match exchange(&mut Timed { stream, until }, &url, question, limit)? {
                Reply::Body(body) => return Ok(body),
                Reply::Moved(location) => url = url.join(&location)?,
            }
        }
        Err(format!("more than {REDIRECTIONS} redirections"))
    }

    fn connect(&self, vrf: Option<&str>, url: &Url, until: Instant) -> Result<TcpStream, String> {
        let literal = url.host.parse().map(|address| vec![address]);
        let addresses = literal.unwrap_or_else(|_| (self.resolve)(&url.host));
        let mut fault = format!("nobody knows an address of {}", url.host);
        for address in addresses.into_iter().take(ADDRESSES) {
            let remote = SocketAddr::new(address, url.port);
            match self.connect_to(vrf, remote, until) {
                Ok(stream) => return Ok(stream),
                Err(why) => fault = format!("{remote}: {why}"),
            }
        }
        Err(fault)
    }

    fn connect_to(&self, vrf: Option<&str>, remote: SocketAddr, until: Instant) -> Result<TcpStream, String> {
        let origin = origin(&self.host.lock().unwrap_or_else(PoisonError::into_inner), vrf, remote.ip())?;
        let patience = CONNECT.min(until.saturating_duration_since(Instant::now()));
        if patience.is_zero() {
            return Err("no time left".to_owned());
        }
        self.open(&origin, remote, patience).map_err(|error| error.to_string())
    }

    fn open(&self, origin: &Origin, remote: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
        origin.place(&socket)?;
        socket.set_reuse_address(true)?;
        let any = match Family::of(remote.ip()) {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        self.bind(&socket, origin.source.unwrap_or(any))?;
        socket.connect_timeout(&remote.into(), patience)?;
        Ok(socket.into())
    }

    /// To the next port of ours that is free.
    fn bind(&self, socket: &Socket, source: IpAddr) -> io::Result<()> {
        let count = PORTS.end() - PORTS.start() + 1;
        let mut outcome = Ok(());
        for _ in 0..count {
            let port = PORTS.start() + self.next_port.fetch_add(1, Ordering::Relaxed) % count;
            outcome = socket.bind(&SocketAddr::new(source, port).into());
            if outcome.as_ref().map_err(io::Error::kind) != Err(io::ErrorKind::AddrInUse) {
                break;
            }
        }
        outcome
    }
}

/// A connection of the global table is the kernel's to route, unless the way leads into the dataplane: then it needs
/// an address of ours.
pub(crate) fn origin(host: &Host, vrf: Option<&str>, remote: IpAddr) -> Result<Origin, String> {
    let Some(name) = vrf else {
        let way = way(host, VrfId::GLOBAL, remote);
        let source = way.and_then(|way| source(host, way, VrfId::GLOBAL, remote));
        return Ok(Origin { into: Through::Global, source });
    };
    let id = *host.vrfs.get(name).ok_or_else(|| format!("there is no VRF {name}"))?;
    if !host.ports.iter().any(|port| port.vrf == id && port.host) {
        return Err(format!("VRF {name} is not up"));
    }
    let way = way(host, id, remote).ok_or_else(|| format!("VRF {name} has no route to {remote}"))?;
    let source =
        source(host, way, id, remote).ok_or_else(|| format!("VRF {name} has no address to ask from"))?;
    let into = match host.backend {
        Backend::User => Through::Mark(mark(id)),
        Backend::Linux => Through::Device(device(name)),
    };
    Ok(Origin { into, source: Some(source) })
}

/// What the Linux dataplane calls a VRF: by its name, unless the kernel takes no device by that name.
fn device(vrf: &str) -> String {
    let all = Path::new("/sys/class/net");
    if all.join(vrf).exists() {
        return vrf.to_owned();
    }
    let alias = format!("onramp: vrf {vrf}");
    let is_it = |device: &DirEntry| {
        fs::read_to_string(device.path().join("ifalias")).is_ok_and(|of| of.trim_end() == alias)
    };
    let found = fs::read_dir(all).into_iter().flatten().flatten().find(is_it);
    found.map_or_else(|| vrf.to_owned(), |device| device.file_name().to_string_lossy().into_owned())
}

/// The port by which packets to `remote` leave.
fn way(host: &Host, vrf: VrfId, remote: IpAddr) -> Option<&HostPort> {
    let of_vrf = |port: &&HostPort| port.vrf == vrf;
    let connected = host.ports.iter().filter(of_vrf).flat_map(|port| {
        let prefix = |on: &dataplane::Address| Prefix::new(on.address, on.length).ok();
        port.addresses.iter().filter_map(prefix).map(move |prefix| (prefix, port))
    });
    let routed = host.routes.iter().filter(|route| route.vrf == vrf).filter_map(|route| {
        let port = host.ports.iter().find(|port| port.port == route.port)?;
        Some((route.prefix, port))
    });
    let leading = connected.chain(routed).filter(|(prefix, _)| prefix.contains(remote));
    leading.max_by_key(|(prefix, _)| prefix.length()).map(|(_, port)| port)
}

/// An address of ours there; of a way that has none, the first one of its VRF.
fn source(host: &Host, way: &HostPort, vrf: VrfId, remote: IpAddr) -> Option<IpAddr> {
    let of_vrf = host.ports.iter().filter(|port| port.vrf == vrf && !port.shutdown);
    let addresses = std::iter::once(way).chain(of_vrf).flat_map(|port| &port.addresses);
    addresses.map(|on| on.address).find(|address| Family::of(*address) == Family::of(remote))
}

/// A connection that ends at some moment, however slowly the other side speaks.
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(too_slow()) } else { Ok(Some(left)) }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server is too slow")
}

/// What a socket says when its time is over.
fn named(error: io::Error) -> io::Error {
    let over = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    if over { too_slow() } else { error }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(named)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::{JoinHandle, spawn};

    use base::PortId;
    use pe::HostRoute;

    use super::*;
    use crate::host::tests::port;

    /// Answers each connection with the next of `says`; who connected, and what was asked.
    fn server(says: Vec<&'static str>) -> (SocketAddr, JoinHandle<Vec<(u16, String)>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = spawn(move || {
            let answer = |says: &str| {
                let (mut stream, from) = listener.accept().unwrap();
                let mut asked = [0; 4096];
                let count = stream.read(&mut asked).unwrap();
                let _ = stream.write_all(says.as_bytes());
                (from.port(), String::from_utf8_lossy(&asked[..count]).into_owned())
            };
            says.into_iter().map(answer).collect()
        });
        (address, thread)
    }

    fn local(name: &str) -> Vec<IpAddr> {
        if name == "ca.example" { vec![IpAddr::from([127, 0, 0, 1])] } else { Vec::new() }
    }

    #[test]
    fn a_list_is_fetched_by_name_through_a_redirection_from_a_port_of_ours() {
        let (address, server) =
            server(vec!["HTTP/1.0 301 Moved\r\nLocation: /new.crl\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nlist"]);
        let network = Network::new(local);
        let url = format!("http://ca.example:{}/old.crl", address.port());
        assert_eq!(network.fetch(None, &url, Question::Get, 100), Ok(b"list".to_vec()));
        let asked = server.join().unwrap();
        assert!(
            asked[0].1.starts_with("GET /old.crl ") && asked[1].1.starts_with("GET /new.crl "),
            "{asked:?}"
        );
        assert!(asked.iter().all(|(port, _)| PORTS.contains(port)), "{asked:?}");
    }

    #[test]
    fn redirections_end() {
        let (address, _server) = server(vec!["HTTP/1.0 302 Found\r\nLocation: /again\r\n\r\n"; 4]);
        let url = format!("http://{address}/");
        let fault = Network::new(local).fetch(None, &url, Question::Get, 100).unwrap_err();
        assert!(fault.contains("redirections"), "{fault}");
    }

    #[test]
    fn names_that_nobody_knows_and_servers_that_do_not_answer_are_told_apart() {
        let network = Network::new(local);
        let fault = |url: &str| network.fetch(None, url, Question::Get, 100).unwrap_err();
        assert_eq!(fault("http://nowhere.example/"), "nobody knows an address of nowhere.example");
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(fault(&format!("http://{closed}/")).contains("refused"));
        assert!(
            network
                .fetch(Some("red"), &format!("http://{closed}/"), Question::Get, 1)
                .unwrap_err()
                .contains("no VRF red")
        );
    }

    #[test]
    fn a_server_that_drips_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut timed = Timed { stream, until: Instant::now() + Duration::from_millis(50) };
        let fault = exchange(&mut timed, &Url::parse("http://x/").unwrap(), Question::Get, 100).unwrap_err();
        assert_eq!(fault, "the server is too slow");
        assert!(timed.write(b"x").is_err());
    }

    fn two_vrfs() -> Host {
        let (mut one, mut two) = (port(1, "wan1", 1, "192.0.2.1"), port(2, "wan2", 2, "192.0.2.1"));
        one.addresses.extend(port(0, "", 0, "2001:db8::1").addresses);
        two.shutdown = false;
        let tun = |id: u32, vrf| port(id, "tun", vrf, "");
        let route = |vrf: u32, prefix: &str, port: u32| HostRoute {
            vrf: VrfId(vrf),
            prefix: prefix.parse().unwrap(),
            port: PortId(port),
            gateway: None,
        };
        Host {
            ports: vec![one, two, tun(11, 1), tun(12, 2), port(3, "core", 0, "10.0.0.1"), tun(10, 0)],
            routes: vec![
                route(1, "0.0.0.0/0", 1),
                route(2, "198.51.100.0/24", 12),
                route(0, "203.0.113.0/24", 10),
            ],
            vrfs: [
                ("red".to_owned(), VrfId(1)),
                ("blue".to_owned(), VrfId(2)),
                ("void".to_owned(), VrfId(3)),
            ]
            .into(),
            ..Host::default()
        }
    }

    #[test]
    fn a_connection_carries_the_mark_of_its_vrf_and_an_address_of_it() {
        let host = two_vrfs();
        let from = |vrf, remote: &str| origin(&host, vrf, remote.parse().unwrap());
        let address = |text: &str| Some(text.parse().unwrap());
        let red = from(Some("red"), "198.51.100.7").unwrap();
        assert_eq!(red, Origin { into: Through::Mark(1_000_001), source: address("192.0.2.1") });
        let blue = from(Some("blue"), "198.51.100.7").unwrap();
        assert_eq!(
            blue,
            Origin { into: Through::Mark(1_000_002), source: address("192.0.2.1") },
            "through its TUN"
        );
        assert_eq!(from(Some("red"), "2001:db8::9").unwrap().source, address("2001:db8::1"));
        assert!(from(Some("blue"), "8.8.8.8").unwrap_err().contains("no route to 8.8.8.8"));
        assert!(from(Some("void"), "8.8.8.8").unwrap_err().contains("not up"));
    }

    #[test]
    fn where_the_kernel_forwards_a_connection_is_bound_to_the_device_of_its_vrf() {
        let host = Host { backend: Backend::Linux, ..two_vrfs() };
        let red = origin(&host, Some("red"), "198.51.100.7".parse().unwrap()).unwrap();
        assert_eq!(red.into, Through::Device("red".to_owned()));
        assert_eq!(origin(&host, None, "8.8.8.8".parse().unwrap()).unwrap().into, Through::Global);
    }

    #[test]
    fn the_global_table_is_the_kernels_unless_the_way_leads_into_the_dataplane() {
        let host = two_vrfs();
        let from = |remote: &str| origin(&host, None, remote.parse().unwrap()).unwrap();
        assert_eq!(from("8.8.8.8"), Origin { into: Through::Global, source: None });
        assert_eq!(
            from("203.0.113.7"),
            Origin { into: Through::Global, source: Some(IpAddr::from([10, 0, 0, 1])) }
        );
    }
}
