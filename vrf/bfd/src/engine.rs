//! The engine: finds the session of a packet, and runs the timers of all.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{Engine, Instant, PortId, VrfId};

use crate::fsm::words;
use crate::packet::Packet;
use crate::session::{News, Session};
use crate::{Input, Output, Refusal, SessionKey, State, Status, Timers};

/// Source ports, RFC 5881 section 4.
const FIRST_PORT: u16 = 49152;

/// What a packet that is not from further away arrives with.
const ADJACENT: u8 = 255;

/// BFD for the whole box.
pub struct Bfd {
    now: Instant,
    sessions: BTreeMap<SessionKey, Session>,
    /// Our discriminators; each counts in its VRF only.
    discriminators: BTreeMap<(VrfId, u32), SessionKey>,
    ports: BTreeSet<u16>,
    last_port: u16,
    due: BTreeSet<(Instant, SessionKey)>,
    refused: BTreeMap<Refusal, u64>,
    random: u64,
    out: VecDeque<Output>,
}

/// Where a packet came from and went to.
struct Arrival {
    vrf: VrfId,
    port: PortId,
    local: IpAddr,
    remote: IpAddr,
    multihop: bool,
    ttl: u8,
}

impl Engine for Bfd {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        self.now = now;
        match input {
            Input::Configure(wanted) => self.configure(&wanted),
            Input::Packet { vrf, port, local, remote, multihop, ttl, bytes } => {
                let arrival = Arrival { vrf, port, local, remote, multihop, ttl };
                if let Err(refusal) = self.receive(&arrival, &bytes) {
                    *self.refused.entry(refusal).or_default() += 1;
                }
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        self.now = now;
        while let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, key));
            self.run(key);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl Bfd {
    /// An engine without sessions. Jitter and discriminators come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::START,
            sessions: BTreeMap::new(),
            discriminators: BTreeMap::new(),
            ports: BTreeSet::new(),
            last_port: u16::MAX,
            due: BTreeSet::new(),
            refused: BTreeMap::new(),
            random: seed,
            out: VecDeque::new(),
        }
    }

    /// What `show bfd neighbors` prints.
    pub fn sessions(&self, now: Instant) -> impl Iterator<Item = Status> {
        self.sessions.iter().map(move |(key, session)| Status::of(*key, session, now))
    }

    /// Packets that changed nothing, by reason.
    pub fn refused(&self) -> &BTreeMap<Refusal, u64> {
        &self.refused
    }

    fn configure(&mut self, wanted: &BTreeMap<SessionKey, Timers>) {
        let gone: Vec<SessionKey> =
            self.sessions.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        for key in gone {
            self.with(key, |session, now| session.shut(now));
        }
        for (key, timers) in wanted {
            match self.sessions.get(key) {
                None => self.open(*key, *timers),
                Some(session) if session.timers == *timers && session.leaves.is_none() => {}
                Some(_) => self.with(*key, |session, now| session.configure(*timers, now)),
            }
        }
    }

    fn open(&mut self, key: SessionKey, timers: Timers) {
        let discriminator = self.free_discriminator(key.vrf);
        let source_port = self.free_port();
        let session = Session::new(timers, discriminator, source_port, self.now);
        self.discriminators.insert((key.vrf, discriminator), key);
        self.due.extend(session.deadline().map(|at| (at, key)));
        self.sessions.insert(key, session);
    }

    fn receive(&mut self, arrival: &Arrival, bytes: &[u8]) -> Result<(), Refusal> {
        if !arrival.multihop && arrival.ttl != ADJACENT {
            return Err(Refusal::TimeToLive);
        }
        let packet = Packet::decode(bytes)?;
        let key = self.find(arrival, packet.yours).ok_or(Refusal::NoSession)?;
        if self.sessions.get(&key).is_none_or(|session| session.state == State::AdminDown) {
            return Err(Refusal::AdminDown);
        }
        self.with(key, |session, now| session.hear(packet, now));
        Ok(())
    }

    /// By our discriminator, before the peer knows it by addresses; in any case the addresses, the kind and the VRF must be
    /// those of the session.
    fn find(&self, arrival: &Arrival, yours: u32) -> Option<SessionKey> {
        let &Arrival { vrf, local, remote, multihop, port, .. } = arrival;
        let by_addresses = SessionKey { vrf, local, remote, port: (!multihop).then_some(port) };
        if yours == 0 {
            return self.sessions.contains_key(&by_addresses).then_some(by_addresses);
        }
        self.discriminators.get(&(vrf, yours)).copied().filter(|key| *key == by_addresses)
    }

    /// Runs the timers of a session.
    fn run(&mut self, key: SessionKey) {
        let now = self.now;
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(session) = self.sessions.get(&key) else { return };
        if past(session.leaves) {
            return self.forget(key);
        }
        let (expired, speaks) = (past(session.expires), past(session.next));
        self.with(key, |session, now| {
            let failed = expired && session.expire(now);
            News { changed: failed, speak: speaks || failed, last: false }
        });
    }

    /// Lets a session work, tells what it has to tell, and sets its timers.
    fn with<N: Into<News>>(&mut self, key: SessionKey, work: impl FnOnce(&mut Session, Instant) -> N) {
        let Some(mut session) = self.sessions.remove(&key) else { return };
        if let Some(at) = session.deadline() {
            self.due.remove(&(at, key));
        }
        let news = work(&mut session, self.now).into();
        if news.changed {
            self.out.push_back(changed(key, &session));
        }
        if news.last {
            self.transmit(key, &mut session, true);
        }
        self.pace(key, &mut session, news);
        self.due.extend(session.deadline().map(|at| (at, key)));
        self.sessions.insert(key, session);
    }

    /// Speaks if it is time to, and says when it will be again.
    fn pace(&mut self, key: SessionKey, session: &mut Session, news: News) {
        let soon = session.interval().map(|interval| self.now + self.jitter(interval, session));
        let due = session.next.is_some_and(|at| at <= self.now) || (news.speak && !news.last);
        if due && soon.is_some() {
            self.transmit(key, session, false);
            session.next = soon;
        } else {
            // A shorter interval holds at once; a longer one after the packet that is under way.
            session.next = soon.map(|soon| session.next.map_or(soon, |next| next.min(soon)));
        }
    }

    fn transmit(&mut self, key: SessionKey, session: &mut Session, last: bool) {
        let bytes = session.packet(last).encode();
        self.out.push_back(Output::Transmit { key, source_port: session.source_port, bytes });
    }

    /// 75 to 100 percent of an interval, to 90 if one lost packet is a failure, RFC 5880 section 6.8.7.
    fn jitter(&mut self, interval: Duration, session: &Session) -> Duration {
        let range = if session.timers.multiplier <= 1 { 150 } else { 250 };
        let share = 750 + self.draw() % (range + 1);
        interval * u32::try_from(share).unwrap_or(750) / 1000
    }

    fn forget(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.remove(&key) else { return };
        self.discriminators.remove(&(key.vrf, session.discriminator));
        self.ports.remove(&session.source_port);
    }

    fn free_discriminator(&mut self, vrf: VrfId) -> u32 {
        loop {
            let drawn = u32::try_from(self.draw() >> 32).unwrap_or(1);
            if drawn != 0 && !self.discriminators.contains_key(&(vrf, drawn)) {
                return drawn;
            }
        }
    }

    /// One that no session has, if there is any.
    fn free_port(&mut self) -> u16 {
        let ahead = (self.last_port..=u16::MAX).skip(1).chain(FIRST_PORT..=self.last_port);
        let free = ahead.into_iter().find(|port| !self.ports.contains(port));
        self.last_port = free.unwrap_or(FIRST_PORT);
        self.ports.insert(self.last_port);
        self.last_port
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl From<()> for News {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// That the peer switched the session off is no failure, RFC 5882 section 3.2.
fn changed(key: SessionKey, session: &Session) -> Output {
    let off = session.heard.is_some_and(|heard| heard.state == State::AdminDown);
    let state = if session.state == State::Down && off { State::AdminDown } else { session.state };
    Output::Changed { key, state, diagnostic: words(session.diagnostic.code()) }
}
