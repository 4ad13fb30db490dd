//! Two speakers, 10.0.0.1 and 10.0.0.2, with a network between them that can be slow, silent or cut.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use base::{Instant, VrfId};

use super::FAMILIES;
use crate::config::{Config, FamilyConfig, Neighbor};
use crate::io::{ConnectionId, Output, PeerId};
use crate::session::{Event, Sessions, State};

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) sides: [Sessions; 2],
    pub(super) configs: [Arc<Config>; 2],
    /// All but outputs.
    pub(super) events: [Vec<Event>; 2],
    pub(super) guards: [Vec<bool>; 2],
    notices: [Vec<String>; 2],
    listens: [usize; 2],
    wires: Vec<Wire>,
    pub(super) dials: usize,
    /// Octets that arrive at once.
    pub(super) chunk: usize,
    pub(super) reachable: bool,
    /// What is sent vanishes.
    pub(super) silent: bool,
    /// What is sent by side 0 stays where it is, and no socket becomes writable.
    pub(super) clogged: bool,
}

#[derive(Clone)]
pub(super) struct Wire {
    pub(super) dialed_by: usize,
    ends: [Option<ConnectionId>; 2],
    /// Towards each side.
    octets: [VecDeque<u8>; 2],
}

/// The neighbour of a side.
pub(super) fn id(side: usize) -> PeerId {
    PeerId { vrf: VrfId::GLOBAL, address: address(1 - side).into() }
}

fn address(side: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(side + 1).unwrap())
}

pub(super) fn config(side: usize) -> Config {
    let mut config = Config::new(65000, Ipv4Addr::new(10, 255, 0, u8::try_from(side + 1).unwrap()));
    let mut neighbor = Neighbor::new(65000);
    neighbor.families = FAMILIES.map(|family| (family, FamilyConfig::default())).into();
    neighbor.timers.hold = Duration::from_secs(90);
    config.neighbors.insert(id(side), neighbor);
    config
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_config(|_, _| {})
    }

    pub(super) fn with(change: impl Fn(usize, &mut Neighbor)) -> Self {
        Self::with_config(|side, config| {
            config.neighbors.values_mut().for_each(|neighbor| change(side, neighbor))
        })
    }

    pub(super) fn with_config(change: impl Fn(usize, &mut Config)) -> Self {
        let configs = [0, 1].map(|side| {
            let mut config = config(side);
            change(side, &mut config);
            Arc::new(config)
        });
        let mut sides = [Sessions::new(1), Sessions::new(2)];
        for (side, config) in sides.iter_mut().zip(&configs) {
            side.configure(Instant::START, Some(config));
        }
        Self {
            now: Instant::START,
            sides,
            configs,
            events: [vec![], vec![]],
            guards: [vec![], vec![]],
            notices: [vec![], vec![]],
            // Both are there before either starts.
            listens: [1, 1],
            wires: vec![],
            dials: 0,
            chunk: 65_536,
            reachable: true,
            silent: false,
            clogged: false,
        }
    }

    /// Until this second since the start.
    pub(super) fn run(&mut self, until: u64) {
        self.settle();
        loop {
            let next = self.sides.iter().filter_map(Sessions::deadline).min();
            let Some(next) = next.filter(|&next| next <= Instant::from_secs(until)) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            self.sides.iter_mut().for_each(|side| side.tick(now));
            self.settle();
        }
        self.now = Instant::from_secs(until);
    }

    /// Until nothing is on its way any more.
    pub(super) fn settle(&mut self) {
        loop {
            let polled = self.poll();
            let carried = self.carry();
            if !polled && !carried {
                return;
            }
        }
    }

    fn poll(&mut self) -> bool {
        let mut any = false;
        for side in 0..2 {
            while let Some(event) = self.sides[side].poll() {
                any = true;
                match event {
                    Event::Output(output) => self.output(side, output),
                    other => self.events[side].push(other),
                }
            }
        }
        any
    }

    fn output(&mut self, side: usize, output: Output) {
        match output {
            Output::Listen(all) => self.listens[side] = all.len(),
            Output::Connect(connection, _) => self.connect(side, connection),
            Output::Send(connection, bytes) => {
                if let Some(wire) = self.wires.iter_mut().find(|wire| wire.ends[side] == Some(connection))
                    && !self.silent
                {
                    wire.octets[1 - side].extend(bytes);
                }
            }
            Output::Close(connection) => {
                if let Some(wire) = self.wires.iter_mut().find(|wire| wire.ends[side] == Some(connection)) {
                    wire.ends[side] = None;
                }
            }
            Output::Guard(_, guarded) => self.guards[side].push(guarded),
            Output::Notice(notice) => self.notices[side].push(notice.to_string()),
            Output::Watch(..)
            | Output::Unwatch(..)
            | Output::Bind(_)
            | Output::Release(_)
            | Output::Routes(_) => panic!("not of sessions"),
        }
    }

    fn connect(&mut self, side: usize, connection: ConnectionId) {
        self.dials += 1;
        if !self.reachable || self.listens[1 - side] == 0 {
            return self.sides[side].closed(self.now, connection);
        }
        let accepted = ConnectionId(1 << 63 | self.dials as u64);
        let mut ends = [Some(connection), Some(accepted)];
        if side == 1 {
            ends.reverse();
        }
        self.wires.push(Wire { dialed_by: side, ends, octets: [VecDeque::new(), VecDeque::new()] });
        self.sides[side].connected(self.now, connection, address(side).into());
        self.sides[1 - side].accepted(self.now, accepted, id(1 - side), address(1 - side).into());
    }

    fn carry(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.wires.len() {
            for side in 0..2 {
                if self.clogged && side == 1 {
                    continue;
                }
                let wire = &mut self.wires[at];
                let length = wire.octets[side].len().min(self.chunk);
                let bytes: Vec<u8> = wire.octets[side].drain(..length).collect();
                let (here, there) = (wire.ends[side], wire.ends[1 - side]);
                let ended = wire.octets[side].is_empty() && there.is_none() && !self.silent;
                let Some(connection) = here else { continue };
                if !bytes.is_empty() {
                    any = true;
                    self.sides[side].bytes(self.now, connection, &bytes);
                }
                if ended && bytes.is_empty() {
                    any = true;
                    self.wires[at].ends[side] = None;
                    self.sides[side].closed(self.now, connection);
                }
                if let Some(there) = there.filter(|_| !self.silent && self.wires[at].octets[side].is_empty())
                {
                    self.sides[1 - side].writable(there);
                }
            }
        }
        self.wires.retain(|wire| wire.ends.iter().any(Option::is_some));
        any
    }

    /// Every connection breaks.
    pub(super) fn cut(&mut self) {
        for wire in core::mem::take(&mut self.wires) {
            for (side, end) in wire.ends.into_iter().enumerate() {
                if let Some(connection) = end {
                    self.sides[side].closed(self.now, connection);
                }
            }
        }
    }

    /// A side's connections are gone without the other side's knowing.
    pub(super) fn forget(&mut self, side: usize) {
        for wire in &mut self.wires {
            // An end that nobody has: not closed, and deaf.
            wire.ends[side] = Some(ConnectionId(u64::MAX));
        }
    }

    pub(super) fn reconfigure(&mut self, side: usize, change: impl Fn(&mut Neighbor)) {
        let config = Arc::make_mut(&mut self.configs[side]);
        config.neighbors.values_mut().for_each(change);
        let config = self.configs[side].clone();
        self.sides[side].configure(self.now, Some(&config));
        self.settle();
    }

    /// As if the other side had sent it.
    pub(super) fn inject(&mut self, side: usize, kind: u8, body: &[u8]) {
        let length = u16::try_from(19 + body.len()).unwrap().to_be_bytes();
        self.inject_raw(side, &[&[0xFF; 16][..], &length, &[kind], body].concat());
    }

    pub(super) fn inject_raw(&mut self, side: usize, octets: &[u8]) {
        if let Some(wire) = self.wires.first_mut() {
            wire.octets[side].extend(octets);
        }
        self.settle();
    }

    pub(super) fn open(&self) -> Vec<Wire> {
        self.wires.clone()
    }

    pub(super) fn state(&self, side: usize) -> State {
        self.sides[side].status().next().unwrap().state
    }

    pub(super) fn ups(&self, side: usize) -> usize {
        self.events[side].iter().filter(|event| matches!(event, Event::Up(..))).count()
    }

    pub(super) fn downs(&self, side: usize) -> Vec<String> {
        let downs = self.events[side].iter().filter_map(|event| match event {
            Event::Down { graceful, reason, .. } => Some(format!("{reason}, graceful {graceful}")),
            _ => None,
        });
        downs.collect()
    }

    pub(super) fn notices(&self, side: usize, with: &str) -> Vec<String> {
        self.notices[side].iter().filter(|notice| notice.contains(with)).cloned().collect()
    }

    pub(super) fn listens(&self, side: usize) -> usize {
        self.listens[side]
    }
}
