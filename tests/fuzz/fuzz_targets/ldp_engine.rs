//! Any course of hellos, connections, messages and routes for an LDP engine: it never panics, never gives back a label
//! that it does not hold, and without a configuration everything is taken back.
#![no_main]

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use base::{Engine, Instant, Label, PortId, Prefix};
use ldp::config::{GracefulRestart, PortConfig};
use ldp::{Config, ConnectionId, Input, Interface, Ldp, Output, Route};
use libfuzzer_sys::fuzz_target;
use mpls::Fec;

const PORT: PortId = PortId(1);
/// The first number of a connection that the other side opened.
const ACCEPTED: u64 = 1 << 63;

struct Box {
    ldp: Ldp,
    now: Instant,
    bound: BTreeSet<Fec>,
    swaps: BTreeSet<Label>,
    lsps: BTreeSet<Prefix>,
    connections: Vec<ConnectionId>,
    accepted: u64,
}

fuzz_target!(|data: &[u8]| {
    let Some((&flags, mut rest)) = data.split_first() else { return };
    let mut world = Box::new(flags);
    while let Some((&[event, value], behind)) = rest.split_first_chunk::<2>() {
        let length = if event & 8 == 8 { usize::from(value).min(behind.len()) } else { 0 };
        let (bytes, behind) = behind.split_at(length);
        world.happen(event, value, bytes);
        rest = behind;
    }
    world.input(Input::Configure(None));
    assert!(world.lsps.is_empty() && world.swaps.is_empty() && world.bound.is_empty());
    assert!(world.ldp.neighbours(world.now).is_empty());
});

impl Box {
    fn new(flags: u8) -> Self {
        let mut config = Config::new([10, 0, 0, 2].into());
        config.ports.insert(PORT, PortConfig::default());
        config.ordered = flags & 1 == 1;
        config.explicit_null = flags & 2 == 2;
        config.accept_targeted = flags & 4 == 4;
        config.graceful_restart = (flags & 8 == 8).then(GracefulRestart::default);
        config.transport.ipv6 = (flags & 16 == 16).then_some(core::net::Ipv6Addr::from_bits(5));
        let addresses = vec![IpAddr::from([192, 0, 2, 2]), "fe80::2".parse().unwrap()];
        let mut world = Self {
            ldp: Ldp::new(),
            now: Instant::START,
            bound: BTreeSet::new(),
            swaps: BTreeSet::new(),
            lsps: BTreeSet::new(),
            connections: Vec::new(),
            accepted: ACCEPTED,
        };
        world.input(Input::Interface(PORT, Some(Interface { addresses })));
        world.input(Input::Configure(Some(Arc::new(config))));
        world
    }

    fn happen(&mut self, event: u8, value: u8, bytes: &[u8]) {
        let peer = IpAddr::from([10, 0, 0, value & 3]);
        let prefix = Prefix::host([10, 1, 0, value & 7].into());
        let via = Route::Via { port: PORT, next_hop: [192, 0, 2, value >> 4].into() };
        let connection = self.connections.get(usize::from(value)).or(self.connections.last()).copied();
        match (event & 15, connection) {
            (0, _) => self.wait(Duration::from_millis(u64::from(value) * 200)),
            (1, _) => self.input(Input::Route(prefix, Some(via))),
            (2, _) => self.input(Input::Route(prefix, Some(Route::Here))),
            (3, _) => self.input(Input::Route(prefix, None)),
            (4, _) => {
                self.accepted += 1;
                let connection = ConnectionId(self.accepted);
                self.connections.push(connection);
                self.input(Input::Accepted(connection, peer, [10, 0, 0, 2].into()));
            }
            (5, Some(connection)) => self.input(Input::Connected(connection, [10, 0, 0, 2].into())),
            (6, Some(connection)) => self.input(Input::Closed(connection)),
            (7, _) => self.open(value & 3),
            (8, _) => self.hello(peer, value & 1 == 1, bytes.to_vec()),
            (9, _) => self.hello(peer, value & 1 == 1, pdu(value & 3, 0x0100, bytes)),
            (10, Some(connection)) => self.input(Input::Bytes(connection, bytes.to_vec())),
            (kind, Some(connection)) => {
                let kinds = [0x0001, 0x0300, 0x0301, 0x0400, 0x0401, 0x0402, 0x0403, 0x0202];
                let kind = kinds[usize::from(kind ^ event >> 4) & 7];
                (0..4).for_each(|peer| self.input(Input::Bytes(connection, pdu(peer, kind, bytes))));
            }
            (_, None) => self.input(Input::Clear(None)),
        }
    }

    /// A neighbour with a session, as far as it goes.
    fn open(&mut self, peer: u8) {
        let address = IpAddr::from([10, 0, 0, peer]);
        self.hello(address, true, pdu(peer, 0x0100, &[4, 0, 0, 4, 0, 15, 0, 0]));
        if self.connections.len() < 64 {
            self.happen(4, peer, &[]);
        }
        let Some(connection) = self.connections.last().copied() else { return };
        self.input(Input::Connected(connection, [10, 0, 0, 2].into()));
        let common = [5, 0, 0, 14, 0, 1, 0, 60, 0, 0, 0, 0, 10, 0, 0, 2, 0, 0];
        let restart = [0x85, 3, 0, 12, 0, 1, 0, 0, 0, 0, 0xFF, 0, 0, 0, 0xFF, 0];
        let session = [&common[..], &restart].concat();
        self.input(Input::Bytes(connection, pdu(peer, 0x0200, &session)));
        self.input(Input::Bytes(connection, pdu(peer, 0x0201, &[])));
    }

    fn hello(&mut self, source: IpAddr, multicast: bool, bytes: Vec<u8>) {
        self.input(Input::Hello { port: Some(PORT), source, multicast, bytes });
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.ldp.tick(self.now);
        self.drain();
    }

    fn input(&mut self, input: Input) {
        self.ldp.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.ldp.poll() {
            match output {
                Output::Bind(fec) => {
                    assert!(self.bound.insert(fec), "asked twice for {fec}");
                    let Fec::Prefix(_, prefix) = fec else { panic!("{fec}") };
                    let IpAddr::V4(address) = prefix.address() else { panic!("{fec}") };
                    let label = Label::new(100 + u32::from(address.octets()[3]));
                    self.ldp.handle(self.now, Input::Bound(fec, label));
                }
                Output::Release(fec) => assert!(self.bound.remove(&fec), "{fec} was not bound"),
                Output::Lsp(prefix, lsp) => keep(&mut self.lsps, prefix, lsp.is_some()),
                Output::Swap(label, swap) => keep(&mut self.swaps, label, swap.is_some()),
                Output::Connect { connection, .. } => self.connections.push(connection),
                Output::Hello { .. }
                | Output::Listen(_)
                | Output::Send(..)
                | Output::Close(_)
                | Output::Notice(_) => {}
            }
        }
    }
}

fn keep<T: Ord>(set: &mut BTreeSet<T>, value: T, there: bool) {
    if there {
        set.insert(value);
    } else {
        assert!(set.remove(&value), "taken back what was not put out");
    }
}

/// A message of router 10.0.0.`peer` in a PDU.
fn pdu(peer: u8, kind: u16, body: &[u8]) -> Vec<u8> {
    let [message, whole] = [4, 14].map(|more| (body.len() as u16 + more).to_be_bytes());
    [&[0, 1][..], &whole, &[10, 0, 0, peer, 0, 0], &kind.to_be_bytes(), &message, &[0; 4], body].concat()
}
