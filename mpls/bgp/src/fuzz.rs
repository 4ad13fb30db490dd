//! Doors for fuzzers to what is private: messages, and a session in the middle of anything. They panic if routes do not
//! survive the wire, if a session does what none may, or if none can be established afterwards.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Instant, VrfId};

use crate::config::{Config, FamilyConfig, GracefulRestart, Neighbor};
use crate::io::{AddressFamily, ConnectionId, Output, PeerId};
use crate::session::{Event, Refresh, Sessions, State, Why};
use crate::update::{Nlri, Update};
use crate::wire::{self, Cache, LONGEST_EXTENDED, Message, Offer, Open, Reader, Writer};

/// Messages in a row, the first octet says of what session: what is understood is written and understood alike.
pub fn messages(data: &[u8]) {
    let Some((&flags, mut rest)) = data.split_first() else { return };
    let path = flags & 4 == 4;
    let reader = Reader {
        four_octet: flags & 1 == 0,
        external: flags & 2 == 2,
        heard: AddressFamily::ALL.map(|family| (family, path)).into(),
    };
    let mut cache = Cache::default();
    while let Ok(Some((message, length))) = wire::take(rest, LONGEST_EXTENDED) {
        match message {
            Message::Update(body) => {
                let Ok(decoded) = reader.read(body, &mut cache) else { return };
                decoded.updates.into_iter().for_each(|update| survives(&reader, update));
            }
            Message::Open(open) => {
                let mut bytes = Vec::new();
                open.write(&mut bytes);
                let _ = open.offer.missed();
            }
            Message::Notification(notification) => {
                let _ = notification.text();
                notification.write(&mut Vec::new());
            }
            Message::Keepalive | Message::Refresh(_) => {}
        }
        rest = &rest[length..];
    }
}

/// All but path identifiers, which we do not send.
fn survives(reader: &Reader, mut update: Update) {
    if let Update::Reach { routes, .. } | Update::Unreach { routes, .. } = &mut update {
        routes.iter_mut().for_each(|route| route.path = None);
    }
    let reader = Reader { heard: AddressFamily::ALL.map(|family| (family, false)).into(), ..reader.clone() };
    let mut bytes = Vec::new();
    let writer = Writer { four_octet: reader.four_octet, longest: LONGEST_EXTENDED.into() };
    if writer.write(&update, &mut bytes).is_err() {
        return;
    }
    let (mut rest, mut again) = (&bytes[..], Vec::new());
    while let Ok(Some((Message::Update(body), length))) = wire::take(rest, LONGEST_EXTENDED) {
        let decoded = reader.read(body, &mut Cache::default()).map_err(|error| error.text());
        again.extend(decoded.map(|decoded| decoded.updates).unwrap_or_default());
        rest = &rest[length..];
    }
    assert!(rest.is_empty(), "what we wrote can be framed");
    assert_eq!(again.into_iter().reduce(join), Some(update).filter(|update| !is_empty(update)));
}

/// Routes that did not fit into one message.
fn join(first: Update, second: Update) -> Update {
    let joined = |mut routes: Vec<Nlri>, more: Vec<Nlri>| {
        routes.extend(more);
        routes
    };
    match (first, second) {
        (
            Update::Reach { family, attributes, routes },
            Update::Reach { attributes: same, routes: more, .. },
        ) => {
            assert_eq!(attributes, same);
            Update::Reach { family, attributes, routes: joined(routes, more) }
        }
        (Update::Unreach { family, routes }, Update::Unreach { routes: more, .. }) => {
            Update::Unreach { family, routes: joined(routes, more) }
        }
        (first, _) => first,
    }
}

fn is_empty(update: &Update) -> bool {
    match update {
        Update::Reach { routes, .. } | Update::Unreach { routes, .. } => routes.is_empty(),
        Update::Wants { targets, .. } | Update::WantsNot(targets) => targets.is_empty(),
        Update::EndOfRib(_) => false,
    }
}

/// Any course of events for a session: each an octet that says what, one that says how much, and what it needs of the rest.
pub fn session(data: &[u8]) {
    let mut world = World::new();
    let mut rest = data;
    for _ in 0..MOST_EVENTS {
        let Some((&[event, value], behind)) = rest.split_first_chunk() else { break };
        let taken = if event & 15 == 0 { usize::from(value).min(behind.len()) } else { 0 };
        world.happen(event, value, &behind[..taken]);
        rest = &behind[taken..];
    }
    world.is_served();
}

struct World {
    now: Instant,
    sessions: Sessions,
    /// Those that stand or are asked for, and whether they stand.
    connections: BTreeMap<ConnectionId, bool>,
    accepted: u64,
    up: bool,
}

impl World {
    fn new() -> Self {
        let mut sessions = Sessions::new(1);
        sessions.configure(Instant::START, Some(&Arc::new(config())));
        let connections = BTreeMap::new();
        let mut world = Self { now: Instant::START, sessions, connections, accepted: 1 << 63, up: false };
        world.drain();
        world
    }

    fn happen(&mut self, event: u8, value: u8, bytes: &[u8]) {
        let live: Vec<ConnectionId> = self.connections.keys().copied().collect();
        let connection =
            live.get(usize::from(event >> 4) % live.len().max(1)).copied().unwrap_or(ConnectionId(0));
        match event & 15 {
            0 => self.sessions.bytes(self.now, connection, bytes),
            1 => self.say(connection, value),
            2 => self.connect(connection),
            3 => self.accept(),
            4 => {
                self.connections.remove(&connection);
                self.sessions.closed(self.now, connection);
            }
            5 => self.sessions.writable(connection),
            6 => self.wait(Duration::from_secs(value.into())),
            7 => self.sessions.close(self.now, PEER, &Why::Cleared),
            8 => self.sessions.path_down(self.now, PEER),
            9 => self.sessions.send(self.now, PEER, &Update::EndOfRib(AddressFamily::Vpnv4)),
            10 => self.sessions.refresh(self.now, PEER, AddressFamily::Vpnv4, Refresh::Request),
            11 => self.sessions.link_down(self.now, PEER),
            _ => self.wait(Duration::from_millis(u64::from(value) * 10)),
        }
        self.drain();
    }

    /// As a peer that means well.
    fn say(&mut self, connection: ConnectionId, what: u8) {
        let mut bytes = Vec::new();
        match what % 4 {
            0 => open().write(&mut bytes),
            1 => wire::write_keepalive(&mut bytes),
            2 => wire::write_refresh(AddressFamily::Vpnv4, Refresh::Request, &mut bytes),
            _ => {
                let writer = Writer { four_octet: true, longest: LONGEST_EXTENDED.into() };
                let _ = writer.write(&Update::EndOfRib(AddressFamily::Vpnv4), &mut bytes);
            }
        }
        self.sessions.bytes(self.now, connection, &bytes);
    }

    fn connect(&mut self, connection: ConnectionId) {
        if let Some(stands) = self.connections.get_mut(&connection)
            && !core::mem::replace(stands, true)
        {
            self.sessions.connected(self.now, connection, LOCAL.into());
        }
    }

    fn accept(&mut self) {
        self.accepted += 1;
        let connection = ConnectionId(self.accepted);
        self.connections.insert(connection, true);
        self.sessions.accepted(self.now, connection, PEER, LOCAL.into());
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.sessions.tick(self.now);
    }

    fn drain(&mut self) {
        while let Some(event) = self.sessions.poll() {
            match event {
                Event::Up(..) => assert!(!core::mem::replace(&mut self.up, true), "up twice"),
                Event::Down { .. } => assert!(core::mem::replace(&mut self.up, false), "down twice"),
                Event::Update(..) | Event::Refresh(..) | Event::Disabled(..) => {
                    assert!(self.up, "heard of nobody")
                }
                Event::Room(_) => {}
                Event::Output(output) => self.output(output),
            }
        }
        assert!(self.connections.len() <= 3, "connections are given back");
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Connect(connection, _) => {
                self.connections.insert(connection, false);
            }
            Output::Send(connection, _) => {
                assert_eq!(self.connections.get(&connection), Some(&true), "sent on what does not stand");
            }
            Output::Close(connection) => {
                assert!(self.connections.remove(&connection).is_some(), "closed what is closed");
            }
            Output::Listen(_)
            | Output::Watch(..)
            | Output::Unwatch(..)
            | Output::Bind(_)
            | Output::Release(_)
            | Output::Routes(_)
            | Output::Guard(..)
            | Output::Notice(_) => {}
        }
    }

    /// Whatever was: a peer that is there and means well has its session within the longest pause.
    fn is_served(&mut self) {
        for connection in core::mem::take(&mut self.connections).into_keys() {
            self.sessions.closed(self.now, connection);
        }
        self.drain();
        for _ in 0..ENOUGH {
            if self.sessions.status().all(|status| status.state == State::Established) {
                return;
            }
            for connection in self.connections.clone().into_keys() {
                self.connect(connection);
                self.drain();
                self.say(connection, 0);
                self.say(connection, 1);
                self.drain();
            }
            self.wait(Duration::from_secs(10));
            self.drain();
        }
        panic!("no session");
    }
}

fn config() -> Config {
    let mut config = Config::new(65000, LOCAL);
    config.graceful_restart = Some(GracefulRestart::default());
    let mut neighbor = Neighbor::new(65000);
    neighbor.bfd = true;
    neighbor.families = AddressFamily::ALL.map(|family| (family, FamilyConfig::default())).into();
    config.neighbors.insert(PEER, neighbor);
    config
}

fn open() -> Open {
    let offer =
        Offer { families: AddressFamily::ALL.into(), four_octet: true, refresh: true, ..Offer::default() };
    Open { asn: 65000, hold: 90, router_id: Ipv4Addr::new(192, 0, 2, 9), offer }
}

const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: PeerId =
    PeerId { vrf: VrfId::GLOBAL, address: core::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)) };
/// More would only be slower.
const MOST_EVENTS: usize = 500;
/// Of ten seconds.
const ENOUGH: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_course_of_events_leaves_a_session_that_works(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            super::session(&data);
        }

        #[test]
        fn what_is_understood_of_octets_at_random_survives(data in proptest::collection::vec(any::<u8>(), 0..60)) {
            let length = u16::try_from(data.len() + 23).unwrap().to_be_bytes();
            let [high, low] = u16::try_from(data.len()).unwrap().to_be_bytes();
            let message = [&[0][..], &[0xFF; 16], &length, &[2, 0, 0, high, low], &data].concat();
            super::messages(&message);
        }
    }
}
