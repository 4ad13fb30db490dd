//! Two engines with an IKE SA and a child between them, and a wire on which every message waits until the test
//! lets it pass.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::{Engine, Instant, PolicyId, Secret, Spi, VrfId};
use crypto::dh::Group;
use ipsec::{Cipher, Flow, Integrity as EspIntegrity, Rule, Selector, Suite as EspSuite};

use crate::config::v2::{self, Encryption, Integrity, Prf};
use crate::config::{Dpd, Entry, Peer, Version};
use crate::engine::Ike;
use crate::natt::Nat;
use crate::policy::Place;
use crate::session::{Fate, Session as Either};
use crate::v2::keys::{Inputs, Keys};
use crate::v2::proposal::Suite;
use crate::v2::sealed::Opened;
use crate::v2::session::Session;
use crate::v2::state::{Capabilities, Established, State};
use crate::v2::task::Task;
use crate::v2::wire::header::{Header, exchange};
use crate::v2::wire::notify::{self, Notify};
use crate::v2::wire::payload::{self, Builder};
use crate::wire::id::Name;
use crate::{
    Answer, Ask, AskId, Child, ChildId, Command, Config, Datagram, DownReason, Endpoints, Input, Notice,
    Output, Path, SessionId, Target, Traffic,
};

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

const ADDRESSES: [&str; 2] = ["192.0.2.1", "198.51.100.1"];
const NETS: [&str; 2] = ["10.1.0.0/16", "10.2.0.0/16"];
const OTHER_NETS: [&str; 2] = ["10.3.0.0/16", "10.4.0.0/16"];

/// What is different from test to test.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) seed: u8,
    pub(super) pfs: [Option<Group>; 2],
    pub(super) additional: Vec<Vec<Group>>,
    /// As each side's proposal has them.
    pub(super) groups: [Vec<Group>; 2],
    pub(super) dpd: Option<Dpd>,
    pub(super) mobike: bool,
    pub(super) nat: Nat,
}

impl Default for Setup {
    fn default() -> Self {
        let groups = vec![Group::EcpP256];
        let (nat, additional) = (Nat::default(), Vec::new());
        Self {
            seed: 1,
            pfs: [None; 2],
            additional,
            groups: [groups.clone(), groups],
            dpd: None,
            mobike: false,
            nat,
        }
    }
}

/// A child as the dataplane has it.
#[derive(Clone)]
pub(super) struct Placed {
    pub(super) child: Child,
    /// It carries outbound traffic.
    pub(super) sends: bool,
}

pub(super) struct Side {
    pub(super) ike: Ike,
    /// Messages on their way to the other side, oldest first.
    pub(super) sent: VecDeque<Datagram>,
    pub(super) placed: BTreeMap<ChildId, Placed>,
    pub(super) down: Vec<(ChildId, DownReason)>,
    /// Why IKE SAs went.
    pub(super) ended: Vec<DownReason>,
    pub(super) moved: Vec<(ChildId, Endpoints)>,
    /// SPIs that are reserved and not given back.
    reserved: BTreeSet<Spi>,
    next_spi: u32,
    /// Questions that are not answered before the test says so.
    pub(super) withheld: Option<Vec<(AskId, Ask)>>,
    pub(super) traffic: Traffic,
}

pub(super) struct Pair {
    pub(super) sides: [Side; 2],
    pub(super) now: Instant,
}

impl Pair {
    pub(super) fn childless(setup: &Setup) -> Self {
        let sides = [A, B].map(|who| Side::new(who, setup));
        let mut pair = Self { sides, now: Instant::from_secs(1) };
        pair.establish(setup);
        pair
    }

    /// With one child.
    pub(super) fn new(setup: &Setup) -> Self {
        let mut pair = Self::childless(setup);
        pair.acquire(A, 0);
        pair.settle();
        assert_eq!((pair.children(A), pair.children(B)), (1, 1));
        pair.sides.iter_mut().for_each(|side| side.down.clear());
        pair
    }

    fn establish(&mut self, setup: &Setup) {
        let cookies = ([0xa1; 8], [0xb2; 8]);
        let suite = Suite {
            encryption: Encryption::AesGcm(128),
            integrity: None,
            prf: Prf::Hmac(crypto::prf::Hash::Sha256),
            group: setup.groups[A][0],
            additional: setup.additional.iter().map(|one| one[0]).collect(),
        };
        let inputs = Inputs { nonces: (&[1; 32], &[2; 32]), spis: cookies };
        for who in [A, B] {
            let keys = Keys::initial(&suite, who == A, &Secret::from(vec![setup.seed; 32]), &inputs);
            let established = Established {
                keys,
                suite: suite.clone(),
                identity: Name::Address(ADDRESSES[1 - who].parse().unwrap()),
                own: Name::Address(ADDRESSES[who].parse().unwrap()),
                authentication: ("PSK", "PSK"),
                peer: Capabilities { mobike: setup.mobike, redirect: true, ..Capabilities::default() },
                nat: if who == A {
                    setup.nat
                } else {
                    Nat { local: setup.nat.remote, remote: setup.nat.local }
                },
                since: self.now,
                expires: self.now + Duration::from_secs(86_400),
                rekey_at: None,
                lifetime: Duration::from_secs(86_400),
                ppk: false,
            };
            let (now, ike) = (self.now, &mut self.sides[who].ike);
            ike.core.now = now;
            let place = Place { profile: None, inside: VrfId(1) };
            let state = State::Established(Box::new(established));
            let mut session = Session::new(&mut ike.core, path(who), cookies, who == A, place, state);
            crate::v2::task::greet(&mut session, &mut ike.core);
            ike.keep(Either::V2(Box::new(session)));
        }
    }

    /// Traffic wants the child of a rule: 0 is there from the start, 1 is not.
    pub(super) fn acquire(&mut self, who: usize, rule: usize) {
        let nets = if rule == 0 { NETS } else { OTHER_NETS };
        let host = |net: &str| net.parse::<base::Prefix>().unwrap().address();
        let flow = Flow {
            local: host(nets[who]),
            remote: host(nets[1 - who]),
            protocol: 17,
            local_port: 1,
            remote_port: 2,
        };
        self.command(who, Command::Acquire { policy: PolicyId(1), rule, flow });
    }

    pub(super) fn rekey(&mut self, who: usize) {
        let child = self.first(who);
        self.command(who, Command::Rekey(child));
    }

    pub(super) fn delete(&mut self, who: usize) {
        let child = self.first(who);
        self.command(who, Command::Clear(Target::Child(child)));
    }

    pub(super) fn rekey_ike(&mut self, who: usize) {
        self.enqueue(who, Task::rekey_ike());
    }

    pub(super) fn ask_alive(&mut self, who: usize) {
        self.enqueue(who, Task::liveness());
    }

    pub(super) fn close(&mut self, who: usize) {
        let session = self.session(who);
        self.command(who, Command::Clear(Target::Session(session)));
    }

    fn enqueue(&mut self, who: usize, task: Task) {
        let session = self.session(who);
        self.sides[who].ike.with(session, |session, core| {
            let Either::V2(session) = session else { panic!("version 2") };
            session.enqueue(core, task);
            Fate::Live
        });
        self.command(who, Command::Load(0));
    }

    /// `who` is configured to serve nobody any more.
    pub(super) fn redirect(&mut self, who: usize) {
        let old = &self.sides[who].ike.core.config;
        let gateway = v2::Gateway::Address("203.0.113.50".parse().unwrap());
        let redirect = Some(v2::Redirect { above: None, gateway });
        let new = Config { v2: v2::Config { redirect, ..old.v2.clone() }, ..(**old).clone() };
        self.command(who, Command::Configure(new.into()));
    }

    pub(super) fn command(&mut self, who: usize, command: Command) {
        let now = self.now;
        self.sides[who].handle(now, Input::Command(command));
    }

    /// The youngest IKE SA that is up.
    pub(super) fn session(&self, who: usize) -> SessionId {
        let up = self.sides[who].ike.sessions.values().filter(|session| session.established().is_some());
        up.map(Either::id).max().expect("no IKE SA is up")
    }

    /// How many IKE SAs there are, up or closing.
    pub(super) fn sessions(&self, who: usize) -> usize {
        self.sides[who].ike.sessions.len()
    }

    /// The oldest child.
    pub(super) fn first(&self, who: usize) -> ChildId {
        *self.sides[who].placed.keys().next().expect("no child")
    }

    pub(super) fn children(&self, who: usize) -> usize {
        self.sides[who].placed.len()
    }

    /// The next message of `who`, which must be this one, arrives.
    pub(super) fn pass(&mut self, who: usize, expected: &str) {
        assert_eq!(self.peek(who), expected);
        assert!(self.deliver(who));
    }

    /// It gets lost.
    pub(super) fn lose(&mut self, who: usize, expected: &str) {
        assert_eq!(self.peek(who), expected);
        self.sides[who].sent.pop_front();
    }

    pub(super) fn deliver(&mut self, from: usize) -> bool {
        let Some(Datagram { path, bytes }) = self.sides[from].sent.pop_front() else { return false };
        let path = Path { local: path.remote, remote: path.local, ..path };
        let now = self.now;
        self.sides[1 - from].handle(now, Input::Datagram(Datagram { path, bytes }));
        true
    }

    /// Everything arrives, in turns, until nobody has anything to say.
    pub(super) fn settle(&mut self) {
        for _ in 0..1000 {
            if !(self.deliver(A) | self.deliver(B)) {
                return;
            }
        }
        panic!("they never stop");
    }

    /// As [`settle`](Self::settle), with A at another place.
    pub(super) fn settle_from(&mut self, remote: SocketAddr) {
        for _ in 0..1000 {
            let moved = |path: Path| Path { local: path.remote, remote, ..path };
            let heard =
                self.sides[A].sent.pop_front().map(|sent| Datagram { path: moved(sent.path), ..sent });
            if !(self.deliver(B) | heard.is_some()) {
                return;
            }
            let now = self.now;
            heard.into_iter().for_each(|datagram| self.sides[B].handle(now, Input::Datagram(datagram)));
        }
        panic!("they never stop");
    }

    /// Says something that no task says.
    pub(super) fn tell(&mut self, who: usize, chain: &Builder) {
        let session = self.session(who);
        self.sides[who].ike.with(session, |session, core| {
            let Either::V2(session) = session else { panic!("version 2") };
            session.send_request(core, exchange::INFORMATIONAL, chain);
            Fate::Live
        });
        self.command(who, Command::Load(0));
    }

    /// `who` gets an empty response to its question, sealed as it should be.
    pub(super) fn forge(&mut self, who: usize, asked: &Datagram) {
        let (header, _) = Header::decode(&asked.bytes).unwrap();
        let session = self.session(1 - who);
        self.sides[1 - who].ike.with(session, |session, core| {
            let Either::V2(session) = session else { panic!("version 2") };
            session.send_response(core, header.exchange, header.message_id, &Builder::default());
            Fate::Live
        });
        self.command(1 - who, Command::Load(0));
        assert!(self.deliver(1 - who));
    }

    /// Time passes for both; nothing that is sent meanwhile gets through.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let deadlines = self.sides.iter().filter_map(|side| side.ike.deadline());
            let Some(next) = deadlines.min().filter(|next| *next <= end) else { break };
            self.now = next.max(self.now);
            for who in [A, B] {
                let now = self.now;
                self.sides[who].tick(now);
            }
        }
        self.now = end;
    }

    /// Time passes, and everything that is sent arrives.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.sides.iter().filter_map(|side| side.ike.deadline()).min()
            && next <= end
        {
            self.wait(next.since(self.now));
            self.settle();
        }
        self.now = end;
    }

    /// What the next message of `who` says: exchange, `?` or `=`, and what matters in it.
    pub(super) fn peek(&self, who: usize) -> String {
        let Some(datagram) = self.sides[who].sent.front() else { return "nothing".to_owned() };
        let (header, body) = Header::decode(&datagram.bytes).unwrap();
        let kind = match header.exchange {
            exchange::CREATE_CHILD_SA => "CREATE",
            exchange::INFORMATIONAL => "INFO",
            exchange::FOLLOWUP_KE => "FOLLOWUP",
            other => panic!("exchange {other}"),
        };
        let mark = if header.is_response() { '=' } else { '?' };
        let words = self.open(1 - who, &header, body);
        format!("{kind}{mark} {words}").trim_end().to_owned()
    }

    fn open(&self, reader: usize, header: &Header, body: &[u8]) -> String {
        let spis = (header.initiator, header.responder);
        let all = self.sides[reader].ike.sessions.values();
        let mut known = all.filter_map(|session| match session {
            Either::V2(session) if session.cookies == spis => session.state.keys(),
            Either::V1(_) | Either::V2(_) => None,
        });
        let Some(keys) = known.next() else { return "of an unknown IKE SA".to_owned() };
        let Ok(Opened::Whole(clear)) = keys.open(header, body) else { return "unreadable".to_owned() };
        let chain = clear.chain().unwrap();
        let words = chain.iter().filter_map(|one| word(one.kind, one.body));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Both have the same children, of each selector one that carries traffic both ways, one IKE SA, and no
    /// SPI that nobody uses.
    pub(super) fn agree(&self) {
        let [a, b] = &self.sides;
        let spis = |side: &Side, mirrored: bool| {
            let all = side.placed.values().map(|placed| (placed.child.spi_in, placed.child.spi_out));
            all.map(|(spi_in, spi_out)| if mirrored { (spi_out, spi_in) } else { (spi_in, spi_out) })
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(spis(a, false), spis(b, true), "children are not each other's");
        for side in &self.sides {
            let held: BTreeSet<Spi> = side.placed.values().map(|placed| placed.child.spi_in).collect();
            assert_eq!(side.reserved, held, "reserved and used SPIs differ");
            let selectors: BTreeSet<Selector> = side.placed.values().map(|one| one.child.selector).collect();
            assert_eq!(selectors.len(), side.placed.len(), "two children for one selector");
            assert!(side.placed.values().all(|one| one.sends), "a child that only receives is left");
            let known: BTreeSet<ChildId> = side.known().into_iter().collect();
            assert_eq!(known, side.placed.keys().copied().collect(), "sessions and dataplane differ");
        }
        for placed in a.placed.values() {
            let peer = b.placed.values().find(|one| one.child.spi_in == placed.child.spi_out).unwrap();
            assert!(
                placed.child.keys_out == peer.child.keys_in && placed.child.keys_in == peer.child.keys_out
            );
        }
        assert_eq!((self.sessions(A), self.sessions(B)), (1, 1), "one IKE SA is left");
        let cookies = |side: &Side| side.ike.sessions.values().next().unwrap().cookies();
        assert_eq!(cookies(a), cookies(b));
    }
}

impl Side {
    fn new(who: usize, setup: &Setup) -> Self {
        let mut side = Self {
            ike: Ike::new([setup.seed.wrapping_mul(2).wrapping_add(u8::try_from(who).unwrap()); 32]),
            sent: VecDeque::new(),
            placed: BTreeMap::new(),
            down: Vec::new(),
            ended: Vec::new(),
            moved: Vec::new(),
            reserved: BTreeSet::new(),
            next_spi: if who == A { 0xa000 } else { 0xb000 },
            withheld: None,
            traffic: Traffic::default(),
        };
        side.ike.handle(Instant::START, Input::Command(Command::Configure(config(who, setup).into())));
        side
    }

    pub(super) fn arrive(&mut self, now: Instant, input: Input) {
        self.handle(now, input);
    }

    fn handle(&mut self, now: Instant, input: Input) {
        self.ike.handle(now, input);
        self.drain(now);
        self.tick(now);
    }

    fn tick(&mut self, now: Instant) {
        if self.ike.deadline().is_some_and(|at| at <= now) {
            self.ike.tick(now);
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.ike.poll() {
            match output {
                Output::Transmit(datagram) => self.sent.push_back(datagram),
                Output::Ask(id, ask) => self.ask(now, id, ask),
                Output::ChildReady(child) => self.place(*child, false),
                Output::ChildUp(child) => self.place(*child, true),
                Output::ChildReplaced { old, new } => {
                    self.placed.get_mut(&old).expect("replaces one that is not there").sends = false;
                    self.place(*new, true);
                }
                Output::ChildMoved(id, endpoints) => self.moved.push((id, endpoints)),
                Output::ChildDown(id, reason) => {
                    let gone = self.placed.remove(&id).expect("down and was not there");
                    assert!(self.reserved.remove(&gone.child.spi_in));
                    self.down.push((id, reason));
                }
                Output::Notice(Notice::SessionDown { reason, .. }) => self.ended.push(reason),
                Output::Notice(_) => {}
            }
        }
    }

    fn place(&mut self, child: Child, sends: bool) {
        assert!(self.reserved.contains(&child.spi_in));
        self.placed.insert(child.id, Placed { child, sends });
    }

    fn ask(&mut self, now: Instant, id: AskId, ask: Ask) {
        match (&mut self.withheld, ask) {
            (_, Ask::ReleaseSpi(spi)) => assert!(self.reserved.remove(&spi), "{spi} was not reserved"),
            (Some(withheld), ask) => withheld.push((id, ask)),
            (None, ask) => self.answer(now, id, ask),
        }
    }

    fn answer(&mut self, now: Instant, id: AskId, ask: Ask) {
        let answer = match ask {
            Ask::Spi { .. } => {
                self.next_spi += 1;
                self.reserved.insert(Spi(self.next_spi));
                Answer::Spi(Some(Spi(self.next_spi)))
            }
            Ask::Compute(job) => Answer::Computed(job.run()),
            Ask::Traffic(_) => Answer::Traffic(Some(self.traffic)),
            Ask::ReleaseSpi(_) | Ask::Validate(_) | Ask::Resolve { .. } => panic!("not asked here"),
        };
        self.handle(now, Input::Answer(id, answer));
    }

    /// What was withheld is answered now.
    pub(super) fn release(&mut self, now: Instant) {
        for (id, ask) in self.withheld.take().unwrap_or_default() {
            self.answer(now, id, ask);
        }
    }

    fn known(&self) -> Vec<ChildId> {
        let all = self.ike.sessions.values().filter_map(|session| match session {
            Either::V2(session) => Some(session),
            Either::V1(_) => None,
        });
        all.flat_map(|session| session.children.iter().map(|child| child.id)).collect()
    }
}

fn word(kind: u8, body: &[u8]) -> Option<String> {
    Some(match kind {
        payload::SA => "SA".to_owned(),
        payload::KEY_EXCHANGE => "KE".to_owned(),
        payload::DELETE if body[0] == 1 => "D(IKE)".to_owned(),
        payload::DELETE => format!("D({})", body[3]),
        payload::NOTIFY => notify::name(Notify::decode(body).unwrap().kind).to_owned(),
        _ => return None,
    })
}

pub(super) fn path(who: usize) -> Path {
    let address = |who: usize| SocketAddr::new(ADDRESSES[who].parse::<IpAddr>().unwrap(), 4500);
    Path { front: VrfId(0), local: address(who), remote: address(1 - who), marker: true }
}

fn config(who: usize, setup: &Setup) -> Config {
    let rule = |nets: [&str; 2]| Rule {
        permit: true,
        selector: Selector::between(nets[who].parse().unwrap(), nets[1 - who].parse().unwrap()),
    };
    let entry = Entry {
        version: Version::V2,
        peers: vec![Peer::Address(ADDRESSES[1 - who].parse().unwrap())],
        suites: vec![EspSuite { cipher: Cipher::AesGcm(128), integrity: EspIntegrity::None }],
        rules: vec![rule(NETS), rule(OTHER_NETS)],
        pfs: setup.pfs[who],
        ..Entry::new(PolicyId(1), VrfId(0), VrfId(1), ADDRESSES[who].parse().unwrap())
    };
    let proposal = v2::Proposal {
        name: "one".to_owned(),
        encryption: vec![Encryption::AesGcm(128)],
        integrity: vec![Integrity::Sha256],
        prf: Vec::new(),
        groups: setup.groups[who].clone(),
        additional: setup.additional.clone(),
    };
    let policy = v2::Policy {
        name: "one".to_owned(),
        front: v2::Front::Any,
        local: Vec::new(),
        proposals: vec!["one".to_owned()],
    };
    let v2 = v2::Config {
        proposals: vec![proposal],
        policies: vec![policy],
        dpd: setup.dpd,
        ..v2::Config::default()
    };
    Config { entries: vec![entry], v2, ..Config::default() }
}
