//! Two engines of which the one opens tunnels to the other, and what the other needs for each.

use std::collections::VecDeque;
use std::mem::swap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base::{Engine as _, Instant, PolicyId, VrfId};
use ike::{Answer, Ask, AskId, Command, Config, Datagram, Ike, Input, Output};
use ipsec::{Flow, Sad};
use sys::clock::thread_nanos;

use crate::scene::{self, Kind};

/// Tunnels that are opened together: what is under way at once, and what one reading of the clock is shared by.
const CHUNK: u32 = 64;

/// By then nothing is kept for retransmission any more, and no rekey is due yet.
const SETTLED: Duration = Duration::from_secs(400);

/// What one tunnel costs the responder.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Cost {
    /// Nanoseconds of the engine.
    pub(crate) engine: u64,
    /// Nanoseconds of public-key work: key exchanges, signatures, certificates.
    pub(crate) jobs: u64,
    /// Bytes that the engine holds for it.
    pub(crate) memory: i64,
}

/// Opens so many tunnels from one engine to another.
pub(crate) fn run(kind: Kind, tunnels: u32) -> Cost {
    let config = Arc::new(scene::config(kind, tunnels, true));
    let (mut hub, mut spokes) = up(kind, tunnels, &config);
    let (engine, jobs) = (hub.engine / u64::from(tunnels), hub.jobs / u64::from(tunnels));
    let memory = settle(&mut hub, &mut spokes, NOW + SETTLED);
    Cost { engine, jobs, memory: memory / i64::from(tunnels) }
}

/// What openings from random sources cost a responder with a thousand tunnels: each in nanoseconds, and all in bytes.
pub(crate) fn flood(kind: Kind, openings: u32) -> (u64, i64) {
    const TUNNELS: u32 = 1000;
    let config = Arc::new(scene::config(kind, TUNNELS, true));
    let (mut hub, _spokes) = up(kind, TUNNELS, &config);
    let first =
        Side::new(3, Arc::new(scene::config(kind, 1, false))).tell(NOW, vec![Input::Command(acquire(0))]);
    (hub.engine, hub.jobs) = (0, 0);
    let held = sys::heap::held();
    let mut random = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..openings / CHUNK {
        let chunk = (0..CHUNK).map(|_| forged(&first[0], &mut random)).collect();
        drop(hub.tell(NOW, arriving(chunk)));
    }
    let bytes = i64::try_from(sys::heap::held() - held).unwrap_or(0);
    ((hub.engine + hub.jobs) / u64::from(openings), bytes)
}

/// The same message by another initiator, from the address of any customer.
fn forged(message: &Datagram, random: &mut u64) -> Datagram {
    let mut next = || {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random
    };
    let mut path = message.path;
    path.local.set_ip(Ipv4Addr::from(0x0A40_0000 + (next() >> 32) as u32 % 1600).into());
    Datagram { path, bytes: [&next().to_be_bytes(), &message.bytes[8..]].concat() }
}

const NOW: Instant = Instant::from_secs(1);

/// Two engines with so many tunnels between them.
fn up(kind: Kind, tunnels: u32, config: &Arc<Config>) -> (Side, Side) {
    let mut hub = Side::new(1, config.clone());
    let mut spokes = Side::new(2, Arc::new(scene::config(kind, tunnels, false)));
    (hub.engine, hub.jobs) = (0, 0);
    let numbers: Vec<u32> = (0..tunnels).collect();
    for chunk in numbers.chunks(CHUNK as usize) {
        let wants = chunk.iter().map(|number| Input::Command(acquire(*number))).collect();
        talk(&mut hub, &mut spokes, NOW, wants);
    }
    assert_eq!((hub.up, spokes.up), (tunnels, tunnels), "tunnels of {}", kind.name());
    (hub, spokes)
}

/// What the responder holds once all is quiet, beyond an engine that knows nobody. Its configuration is not
/// its own; what it looks up in there is.
fn settle(hub: &mut Side, spokes: &mut Side, end: Instant) -> i64 {
    while let Some(now) =
        [&*hub, spokes].iter().filter_map(|side| side.ike.deadline()).min().filter(|at| *at < end)
    {
        let answers = spokes.tick(now);
        talk(hub, spokes, now, Vec::new());
        let asked = hub.tick(now);
        exchange(hub, spokes, now, (answers, asked));
    }
    let before = sys::heap::held();
    drop(std::mem::replace(&mut hub.ike, Ike::new([3; 32])));
    i64::try_from(before - sys::heap::held()).unwrap_or(0)
}

fn acquire(number: u32) -> Command {
    let (remote, local) = (scene::inner(number, 1).address(), scene::inner(number, 2).address());
    let flow = Flow { local, remote, protocol: 1, local_port: 0, remote_port: 0 };
    Command::Acquire { policy: PolicyId(number), rule: 0, flow }
}

/// Has the spokes begin with this; then both talk until they fall silent.
fn talk(hub: &mut Side, spokes: &mut Side, now: Instant, begin: Vec<Input>) {
    let first = spokes.tell(now, begin);
    exchange(hub, spokes, now, (first, Vec::new()));
}

fn exchange(hub: &mut Side, spokes: &mut Side, now: Instant, wire: (Vec<Datagram>, Vec<Datagram>)) {
    let (mut to_hub, mut to_spokes) = wire;
    while !to_hub.is_empty() || !to_spokes.is_empty() {
        let from_hub = hub.tell(now, arriving(to_hub));
        let from_spokes = spokes.tell(now, arriving(to_spokes));
        (to_hub, to_spokes) = (from_spokes, from_hub);
    }
}

fn arriving(wire: Vec<Datagram>) -> Vec<Input> {
    let turned = wire.into_iter().map(|mut datagram| {
        swap(&mut datagram.path.local, &mut datagram.path.remote);
        datagram
    });
    turned.map(Input::Datagram).collect()
}

struct Side {
    ike: Ike,
    sad: Sad,
    up: u32,
    engine: u64,
    jobs: u64,
}

impl Side {
    fn new(seed: u8, config: Arc<Config>) -> Self {
        let mut side = Self { ike: Ike::new([seed; 32]), sad: Sad::default(), up: 0, engine: 0, jobs: 0 };
        side.tell(Instant::START, vec![Input::Command(Command::Configure(config))]);
        side
    }

    fn tick(&mut self, now: Instant) -> Vec<Datagram> {
        self.ike.tick(now);
        self.tell(now, Vec::new())
    }

    /// Engine and jobs take turns, so that the clock is read seldom.
    fn tell(&mut self, now: Instant, mut inputs: Vec<Input>) -> Vec<Datagram> {
        let mut sent = Vec::new();
        loop {
            let began = thread_nanos();
            let asked = self.work(now, inputs, &mut sent);
            let worked = thread_nanos();
            let ended = asked.is_empty();
            inputs = asked.into_iter().map(|(id, ask)| Input::Answer(id, answer(ask))).collect();
            self.engine += worked - began;
            self.jobs += thread_nanos() - worked;
            if ended {
                return sent;
            }
        }
    }

    /// What the engine makes of it, and what it wants others to compute.
    fn work(&mut self, now: Instant, inputs: Vec<Input>, sent: &mut Vec<Datagram>) -> Vec<(AskId, Ask)> {
        let (mut inputs, mut asked) = (VecDeque::from(inputs), Vec::new());
        while self.step(now, &mut inputs, sent, &mut asked) {}
        asked
    }

    fn step(
        &mut self,
        now: Instant,
        inputs: &mut VecDeque<Input>,
        sent: &mut Vec<Datagram>,
        asked: &mut Vec<(AskId, Ask)>,
    ) -> bool {
        let input = inputs.pop_front();
        let more = input.is_some();
        input.into_iter().for_each(|input| self.ike.handle(now, input));
        while let Some(output) = self.ike.poll() {
            match output {
                Output::Transmit(datagram) => sent.push(datagram),
                Output::Ask(_, Ask::ReleaseSpi(spi)) => self.sad.release(spi),
                Output::Ask(id, Ask::Spi { random }) => {
                    inputs.push_back(Input::Answer(id, Answer::Spi(self.sad.reserve(random))));
                }
                Output::Ask(id, ask) => asked.push((id, ask)),
                Output::ChildUp(_) => self.up += 1,
                Output::ChildReady(_)
                | Output::ChildReplaced { .. }
                | Output::ChildMoved(..)
                | Output::ChildDown(..)
                | Output::Notice(_) => {}
            }
        }
        more || !inputs.is_empty()
    }
}

fn answer(ask: Ask) -> Answer {
    match ask {
        Ask::Compute(job) => Answer::Computed(job.run()),
        Ask::Validate(request) => Answer::Validated(scene::validate(&request)),
        Ask::Traffic(_) => Answer::Traffic(None),
        Ask::Resolve { .. } => Answer::Resolved(Vec::new()),
        Ask::Spi { .. } | Ask::ReleaseSpi(_) => Answer::Spi(None),
    }
}

/// Where all of it takes place.
pub(crate) const FRONT: VrfId = VrfId(0);
