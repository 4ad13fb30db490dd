//! The dataplane itself: ops go in, the kernel is brought to what they want and kept there.

mod hear;

use core::cell::RefCell;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Instant;

use base::SaId;
use dataplane::{Counters, Dataplane, Event, Facts, Feature, Key as Noun, Object, Op, Rejected, SaCounters};
use ipsec::Direction;

use crate::ground::Ground;
use crate::netlink::{Client, Listener, Message, Refused};
use crate::orphans::Orphans;
use crate::request::{Protocol, Request};
use crate::sa::Counted;
use crate::state::{Loss, Refusal, State};
use crate::tally::Tally;
use crate::thing::{Key, Name, Thing};
use crate::translate::{Fault, Site, Translator};
use crate::tunnels::Tunnels;
use crate::unknown::Unknown;
use crate::watch;
use crate::{counters, features, numbers, offload, policy, rule, sa, sysctl, xfrm};

/// The Linux kernel of this network namespace as a dataplane. Dropped, it leaves everything as it is.
pub struct Linux {
    client: RefCell<Client>,
    route: Listener,
    xfrm: Listener,
    ground: Ground,
    translator: Translator,
    tunnels: Tunnels,
    state: State,
    events: VecDeque<Event>,
    features: Vec<Feature>,
    /// What could not be kept as it should be, by key.
    problems: BTreeMap<Key, String>,
    /// Devices that something was lost on, not yet dealt with.
    lost: BTreeMap<Name, Loss>,
    /// Notifications were lost, or everything of a kind was taken away.
    unsure: bool,
    /// Not before this are they read again.
    again: Option<Instant>,
    /// The first ops have come: from then on the kernel is brought to what is wanted.
    begun: bool,
    drops: counters::Drops,
    tally: RefCell<Tally>,
    offloads: offload::Refused,
    unknown: Unknown,
    started: Instant,
    orphans: Orphans,
    /// Labels of an earlier run stood when it started: an orderly stop takes them away.
    resumed: bool,
}

/// Things in one batch: so many notifications of our own doing wait in a listening socket.
const BATCH: usize = 256;
/// Batches before whoever asked gets an answer; the rest follows.
const BATCHES: usize = 100_000;
const PAUSE: Duration = Duration::from_secs(1);
/// Beyond so many SAs one dump is cheaper than questions.
const MANY: usize = 64;

impl Linux {
    /// Opens the kernel's sockets, tries what it can do, and reads what it has. Nothing of it is changed before
    /// the first [`apply`](Dataplane::apply), which must be the whole plan: what it does not want of ours goes.
    pub fn start() -> Result<Self, String> {
        let say = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("{what}: {error}; the Linux dataplane needs CAP_NET_ADMIN")
        };
        let mut client = Client::open().map_err(say("netlink cannot be opened"))?;
        let route =
            Listener::open(Protocol::Route, &watch::GROUPS).map_err(say("rtnetlink cannot be heard"))?;
        let xfrm = Listener::open(Protocol::Xfrm, &xfrm::GROUPS).map_err(say("XFRM cannot be heard"))?;
        let features = features::probe(&mut client);
        for missing in features.iter().filter(|feature| !feature.found) {
            tracing::warn!("{}: {}", missing.name, missing.state);
        }
        let devices =
            client.dump(&counters::question()).map_err(say("what devices counted cannot be read"))?;
        let mut ground = Ground::default();
        ground.told_direction = features::is_at_least(6, 10);
        let mut linux = Self {
            client: RefCell::new(client),
            route,
            xfrm,
            ground,
            translator: Translator::default(),
            tunnels: Tunnels::default(),
            state: State::default(),
            events: VecDeque::new(),
            features,
            problems: BTreeMap::new(),
            lost: BTreeMap::new(),
            unsure: false,
            again: None,
            begun: false,
            drops: counters::Drops::NONE,
            tally: RefCell::default(),
            offloads: offload::Refused::default(),
            unknown: Unknown::since(Instant::now()),
            started: Instant::now(),
            orphans: Orphans::default(),
            resumed: false,
        };
        linux.resync().map_err(say("the kernel's state cannot be read"))?;
        linux.resumed = linux.state.holdings().any(|(key, _)| matches!(key, Key::Label(_)));
        linux.drops = counters::Drops::since_now(&devices, &linux.ground);
        Ok(linux)
    }

    /// Sends what differs, until nothing does or it cannot be helped.
    fn settle(&mut self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for lost in numbers::go_on(self.client.get_mut(), &mut self.state) {
            self.sa_gone(&lost, Event::Lost);
        }
        for _ in 0..BATCHES {
            let Some(batch) = self.state.batch(&self.ground, BATCH, &mut refusals) else { break };
            let answers = self.client.get_mut().send(&batch.requests);
            self.unsure |= answers.iter().filter_map(|answer| answer.as_ref().err()).any(Refused::is_unknown);
            self.state.answered(batch, answers, &mut refusals);
            refusals.retain(|refusal| !self.offloads.take(refusal, &mut self.state));
            self.hear();
            if self.unsure {
                break;
            }
        }
        for refusal in &refusals {
            self.problems.insert(refusal.key.clone(), refusal.reason.clone());
        }
        self.problems.retain(|key, _| self.state.lacks(key));
        refusals
    }

    /// Reads everything anew where something was missed; where that fails, a second later again.
    fn read_again(&mut self) {
        if !self.unsure || self.again.is_some_and(|again| Instant::now() < again) {
            return;
        }
        self.again = None;
        if let Err(error) = self.resync() {
            tracing::error!("the kernel's state cannot be read: {error}");
            self.again = Some(Instant::now() + PAUSE);
        }
    }

    /// The SAs that should be in the kernel and are not in `found`.
    fn sas_missing(&self, found: &BTreeMap<Key, Thing>) -> Vec<Key> {
        let held = self.translator.sas().filter(|(_, key)| self.state.held(key).is_some());
        held.filter(|(_, key)| !found.contains_key(*key)).map(|(_, key)| key.clone()).collect()
    }

    /// What the SAs that `ops` take away counted.
    fn last_counts(&mut self, ops: &[Op]) -> Vec<(SaId, SaCounters)> {
        let going = ops.iter().filter_map(|op| match op {
            Op::Unset(Noun::Sa(id)) => Some(*id),
            Op::Unset(_) | Op::Set(_) => None,
        });
        let going: Vec<SaId> = going.collect();
        let counts = self.counts(&going);
        going.iter().for_each(|id| self.tally.get_mut().forget(*id));
        going.into_iter().zip(counts).filter_map(|(id, count)| Some((id, count?))).collect()
    }

    fn counts(&self, ids: &[SaId]) -> Vec<Option<SaCounters>> {
        let keys: Vec<Option<Key>> = ids.iter().map(|id| self.translator.place_of(*id).cloned()).collect();
        let wanted: BTreeSet<&Key> = keys.iter().flatten().collect();
        let counted = self.counted(&wanted).unwrap_or_else(|error| {
            tracing::error!("the counters of SAs cannot be read: {error}");
            BTreeMap::new()
        });
        let counted = keys.iter().map(|key| counted.get(key.as_ref()?).copied());
        ids.iter().zip(counted).map(|(id, counted)| Some(self.stamp(*id, counted?))).collect()
    }

    fn stamp(&self, id: SaId, counted: Counted) -> SaCounters {
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.tally.borrow_mut().stamp(id, counted, now)
    }

    fn counted(&self, keys: &BTreeSet<&Key>) -> io::Result<BTreeMap<Key, Counted>> {
        let mut client = self.client.borrow_mut();
        let messages: Vec<Message> = if keys.len() > MANY {
            client.dump(&sa::dump())?
        } else {
            let questions: Vec<Request> = keys.iter().filter_map(|key| sa::question(key)).collect();
            client.ask(&questions)?.into_iter().flatten().collect()
        };
        Ok(messages.iter().filter_map(|message| sa::counted(&message.body)).collect())
    }

    /// The ops that did not come into force, in their order.
    fn rejected(&self, ops: &[Op], faults: Vec<Fault>, refusals: &[Refusal]) -> Result<(), Vec<Rejected>> {
        if faults.is_empty() && refusals.is_empty() {
            return Ok(());
        }
        let indices: BTreeMap<Noun, usize> =
            ops.iter().enumerate().map(|(index, op)| (op.key(), index)).collect();
        let owners = self.translator.owners(indices.keys().copied());
        let owned = refusals.iter().filter_map(|refusal| {
            let object = owners.of(&refusal.key, &self.ground);
            if object.is_none() {
                tracing::warn!("{}: {}", refusal.key, refusal.reason);
            }
            Some(Fault { object: object?, reason: format!("{}: {}", refusal.key, refusal.reason) })
        });
        let mut rejected = BTreeMap::new();
        for Fault { object, reason } in faults.into_iter().chain(owned) {
            if let Some(index) = indices.get(&object) {
                rejected.entry(*index).or_insert(Rejected { index: *index, reason });
            }
        }
        if rejected.is_empty() { Ok(()) } else { Err(rejected.into_values().collect()) }
    }

    /// What an earlier run left is of use until its successor is up.
    fn replace_orphans(&mut self, ops: &[Op]) {
        for op in ops {
            if let Op::Set(Object::Sa(sa)) = op
                && sa.direction == Direction::Out
                && let Some(place) = self.ground.vrfs.get(&sa.front)
            {
                self.orphans.succeeded(place.mark, sa.remote, Instant::now());
            }
        }
    }

    /// Settings and rules of the box as a whole.
    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            sysctl::prepare_box();
            for refused in
                self.client.get_mut().send(&[policy::thresholds()]).into_iter().filter_map(Result::err)
            {
                tracing::warn!(
                    "policies are found slowly: the SPD's hash thresholds cannot be set: {refused}"
                );
            }
            rule::own_addresses_last(self.client.get_mut());
        }
    }

    /// What was taken out of the configuration forwards no more, wherever it falls.
    fn close_ports(&self, ops: &[Op]) {
        for op in ops {
            if let Op::Unset(Noun::Port(id)) = op
                && let Some(port) = self.ground.ports.get(id)
            {
                sysctl::close(&port.device);
            }
        }
    }

    /// A port forwards once it is in its VRF.
    fn open_ports(&self, ops: &[Op]) {
        for op in ops {
            if let Op::Set(Object::Port(port)) = op {
                self.prepare(&Name::from(port.device.as_str()), false);
            }
        }
    }
}

impl Dataplane for Linux {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Vec<Rejected>> {
        self.hear();
        let last = self.last_counts(ops);
        let first = !self.begun;
        self.begin();
        self.close_ports(ops);
        let mut site = Site { ground: &mut self.ground, tunnels: &mut self.tunnels, state: &mut self.state };
        let faults = self.translator.apply(ops, &mut site);
        if first {
            self.orphans = Orphans::adopt(&mut self.state, &self.ground, Instant::now());
        }
        self.replace_orphans(ops);
        let mut refusals = self.settle();
        if self.unsure {
            self.read_again();
            refusals.extend(self.settle());
        }
        self.open_ports(ops);
        self.events.extend(last.into_iter().map(|(id, counted)| Event::Gone(id, counted)));
        self.rejected(ops, faults, &refusals)
    }

    fn poll(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        self.hear();
        self.read_again();
        self.events.extend(self.orphans.tick(Instant::now(), &mut self.state, &self.tunnels, &self.ground));
        let knows =
            |front, local, spi| self.translator.inbound(local, spi).is_some_and(|sa| sa.front == front);
        self.events.extend(self.unknown.tick(Instant::now(), &self.ground, knows));
        if self.begun && !self.state.is_settled() {
            for refusal in self.settle() {
                tracing::warn!("{}: {}", refusal.key, refusal.reason);
            }
        }
        self.events.pop_front()
    }

    fn counters(&self) -> Counters {
        let (ids, keys): (Vec<SaId>, Vec<&Key>) = self.translator.sas().unzip();
        let counted = self.counted(&keys.iter().copied().collect()).unwrap_or_default();
        let sas = ids.into_iter().zip(keys);
        let sas = sas.filter_map(|(id, key)| Some((id, self.stamp(id, *counted.get(key)?)))).collect();
        let devices = self.client.borrow_mut().dump(&counters::question()).unwrap_or_default();
        let ports = counters::ports(&devices, &self.ground);
        Counters {
            sas,
            ports,
            labels: BTreeMap::new(),
            drops: self.drops.rows(&devices, &self.ground, self.tally.borrow().bad_icvs()),
        }
    }

    fn read(&mut self, question: u64, sas: &[SaId]) {
        let counts = self.counts(sas);
        self.events.push_back(Event::Counted(question, counts));
    }

    fn facts(&self) -> Facts {
        let waiting =
            self.state.waits().map(|(device, count)| format!("{count} things wait for the device {device}"));
        let software = self.offloads.told(
            self.translator.sas().map(|(_, key)| key),
            &self.state,
            &mut self.client.borrow_mut(),
        );
        let software = software.into_iter().map(|(device, reason)| {
            let name = self.ground.device(device).map_or("a device that is gone", |name| name);
            format!("ESP on {name} is done in software: {reason}")
        });
        let problems = self.problems.iter().filter(|(key, _)| self.state.lacks(key));
        let problems = problems.map(|(key, reason)| format!("{key}: {reason}"));
        let problems = problems.chain(waiting).chain(software).collect();
        Facts { backend: "linux", features: self.features.clone(), problems, resumed: self.resumed }
    }
}
