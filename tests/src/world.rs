//! The box at work on links in memory: injects marked packets, and watches where each mark leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::{Instant, Label, PortId, Spi, VrfId};
use dataplane::{Dataplane as _, Event, Key, Link, Object, Plan, Port};
use dp_user::nic::{Memory, pair};
use dp_user::{Batch, Engine, Frame, Nic as _};
use ipsec::{Direction, Encap};
use wire::{esp, ethernet, udp};

use crate::judge::{Judge, Place};
use crate::packet::{self, Mark, Shape};
use crate::setup::{self, CORE, PEERS, PUBLIC, Setup, sa, tunnel_of};

/// The VRF that no packet may leave from.
const NOBODY: VrfId = VrfId(u32::MAX);
const IP_IN_IP: u8 = 4;

pub struct World {
    pub setup: Setup,
    pub now: Instant,
    /// What was told since last taken.
    pub events: Vec<Event>,
    /// Where each mark was seen.
    pub seen: BTreeMap<Mark, Vec<Place>>,
    engine: Engine,
    in_force: Plan,
    links: Arc<Mutex<BTreeMap<PortId, Memory>>>,
    batch: Batch,
    judge: Judge,
    owners: BTreeMap<Mark, VrfId>,
    sealers: BTreeMap<(usize, u32), ::esp::Outbound>,
    /// Second fragments that were not sent yet: with their mark and the VRF the first one came to.
    rest: Vec<(Mark, VrfId, Vec<u8>)>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    pub fn new() -> Self {
        let links: Arc<Mutex<BTreeMap<PortId, Memory>>> = Arc::default();
        let opened = Arc::clone(&links);
        let open = move |port: &Port| {
            let (ours, far) = pair(port.link != Link::Host, 256);
            opened.lock().unwrap_or_else(PoisonError::into_inner).insert(port.id, far);
            Ok(Box::new(ours) as Box<dyn dp_user::Nic>)
        };
        let mut world = Self {
            setup: Setup::default(),
            now: Instant::from_secs(1),
            events: Vec::new(),
            seen: BTreeMap::new(),
            engine: Engine::new(Box::new(open)),
            in_force: Plan::default(),
            links,
            batch: Batch::default(),
            judge: Judge::default(),
            owners: BTreeMap::new(),
            sealers: BTreeMap::new(),
            rest: Vec::new(),
        };
        world.configure(|_| {});
        world
    }

    /// Changes the setup, and brings the difference into force.
    pub fn configure(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        let wanted = self.setup.plan();
        self.engine.apply(&self.in_force.toward(&wanted)).expect("a plan that a backend can carry out");
        self.in_force = wanted;
        self.settle();
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.settle();
    }

    /// A mark for a packet of `owner`.
    pub fn mark(&mut self, owner: VrfId) -> Mark {
        let mark = Mark(u32::try_from(self.owners.len()).expect("few packets"));
        self.owners.insert(mark, owner);
        mark
    }

    /// An IP packet that a station sends to the box.
    pub fn send_ip(&mut self, port: PortId, packet: &[u8]) {
        let frame = packet::frame(setup::mac(port, 1), setup::mac(port, 2), ethernet::IPV4, packet);
        self.inject(port, &frame);
    }

    pub fn send_labelled(&mut self, label: Label, ttl: u8, packet: &[u8]) {
        self.send_mpls(&packet::labelled(label, ttl, packet));
    }

    /// A label stack with its packet, from the core.
    pub fn send_mpls(&mut self, packet: &[u8]) {
        let frame = packet::frame(setup::mac(CORE, 1), setup::mac(CORE, 2), ethernet::MPLS, packet);
        self.inject(CORE, &frame);
    }

    /// A packet of the box's own kernel.
    pub fn send_own(&mut self, vrf: VrfId, packet: &[u8]) {
        self.inject(setup::host(vrf), packet);
    }

    /// A whole ESP packet, sealed by a customer's peer, that arrives at a WAN port.
    pub fn send_sealed(&mut self, wan: usize, tunnel: usize, packet: &[u8]) {
        let outer = self.seal(self.setup.customer_at(wan, tunnel), packet, 0);
        self.send_ip(setup::wan(wan), &outer);
    }

    /// The first half of an ESP packet arrives; the other waits for [`send_rest`](Self::send_rest).
    pub fn send_half(&mut self, wan: usize, tunnel: usize, mark: Mark, packet: &[u8], ident: u16) {
        let outer = self.seal(self.setup.customer_at(wan, tunnel), packet, ident);
        let [first, second] = packet::halves(&outer);
        self.rest.push((mark, setup::front_vrf(self.setup.wan_front[wan]), second));
        self.send_ip(setup::wan(wan), &first);
    }

    /// A half that waits arrives at a WAN port. In another internet than the first half it belongs to
    /// nothing.
    pub fn send_rest(&mut self, index: usize, wan: usize) {
        if self.rest.is_empty() {
            return;
        }
        let (mark, front, second) = self.rest.remove(index % self.rest.len());
        if front != setup::front_vrf(self.setup.wan_front[wan]) {
            self.owners.insert(mark, NOBODY);
        }
        self.send_ip(setup::wan(wan), &second);
    }

    /// First fragments that never get a second one.
    pub fn send_lonely_fragments(&mut self, wan: usize, count: u16) {
        for ident in 0..count {
            let whole = packet::ip(PEERS[2], PUBLIC, esp::PROTOCOL, 64, false, 5000 + ident, &[0; 64]);
            self.send_ip(setup::wan(wan), &packet::halves(&whole)[0]);
        }
    }

    /// ESP with an SPI that nobody has.
    pub fn send_unknown(&mut self, wan: usize, spi: Spi) {
        let header = esp::Header { spi, sequence: 1 };
        let sealed = [&header.to_bytes()[..], &[0; 40]].concat();
        let packet = packet::ip(PEERS[0], PUBLIC, esp::PROTOCOL, 64, false, 0, &sealed);
        self.send_ip(setup::wan(wan), &packet);
    }

    /// Hands the box a frame, and judges whatever leaves.
    pub fn inject(&mut self, port: PortId, frame: &[u8]) {
        if let Some(link) = self.links().get_mut(&port) {
            let mut batch = Batch::default();
            batch.push(Frame::of(frame));
            link.send(&mut batch);
        }
        self.settle();
    }

    fn links(&self) -> std::sync::MutexGuard<'_, BTreeMap<PortId, Memory>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&mut self) {
        self.engine.run(self.now);
        self.events.extend(std::iter::from_fn(|| self.engine.poll()));
        let mut left = Vec::new();
        for (port, link) in self.links.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            link.receive(&mut self.batch);
            while let Some(frame) = self.batch.pop() {
                left.push((*port, frame.bytes().to_vec()));
                self.batch.recycle(frame);
            }
        }
        left.into_iter().for_each(|(port, frame)| self.watch(port, &frame));
    }

    /// A packet left: may it?
    fn watch(&mut self, port: PortId, frame: &[u8]) {
        let Some(Object::Port(port)) = self.in_force.get(&Key::Port(port)) else {
            panic!("a packet left by port {}, which is gone", port.0)
        };
        let place = self.judge.place(port, frame).unwrap_or_else(|fault| panic!("{fault}\n{frame:02x?}"));
        let Some((place, packet)) = place else { return };
        for mark in Mark::all_in(&packet) {
            if let Some(owner) = self.owners.get(&mark) {
                assert_eq!(place.vrf(), *owner, "{mark:?} crossed: it left at {place:?}");
                self.seen.entry(mark).or_default().push(place);
            }
        }
    }

    /// As the customer's peer sends it.
    fn seal(&mut self, customer: usize, inner: &[u8], ident: u16) -> Vec<u8> {
        let generation = self.setup.generation[customer];
        let sa = sa(customer, generation, Direction::In);
        let sealer = self.sealers.entry((customer, generation));
        let sealer = sealer.or_insert_with(|| ::esp::Outbound::new(&sa).expect("a key that fits"));
        let (start, end) = (::esp::HEADROOM, ::esp::HEADROOM + inner.len());
        let mut room = [&[0; ::esp::HEADROOM][..], inner, &[0; ::esp::TAILROOM]].concat();
        let sealed = sealer.seal(&mut room, start..end, IP_IN_IP).expect("room enough");
        let (protocol, body) = match sa.encap {
            Encap::Esp => (esp::PROTOCOL, room[sealed].to_vec()),
            Encap::Udp { .. } => (udp::PROTOCOL, packet::datagram(4500, 4500, &room[sealed])),
        };
        packet::ip(PEERS[tunnel_of(customer)], PUBLIC, protocol, 64, false, ident, &body)
    }

    /// Everything that was taken away is back, what waited is dead, and nothing was seen yet.
    pub fn restore(&mut self) {
        self.configure(|setup| {
            setup.masked = BTreeSet::new();
            setup.narrow = false;
        });
        self.wait(Duration::from_secs(31));
        self.wait(Duration::from_secs(1));
        self.seen.clear();
        self.events.clear();
        self.rest.clear();
    }

    /// A plain packet with a fresh mark of `owner`.
    pub fn plain(&mut self, owner: VrfId, src: Ipv4Addr, dst: Ipv4Addr) -> (Mark, Vec<u8>) {
        let mark = self.mark(owner);
        (mark, packet::marked(mark, src, dst, Shape::PLAIN))
    }
}
