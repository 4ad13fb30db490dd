//! One IKE SA of version 2 from its first message to its end: who the peer is, how far it is, and the
//! exchanges that run under it (RFC 7296).

use std::collections::{BTreeMap, VecDeque};

use base::{Instant, PolicyId, Spi};
use ipsec::Selector;

use super::opening;
use super::sealed::Reassembly;
use super::state::{Established, State};
use super::task::{self, Task};
use super::window::Window;
use super::wire::header::{Header, exchange as kinds};
use super::wire::payload::Chain;
use crate::config::{Config, Version, v2 as config};
use crate::core::{Asker, Core, Event};
use crate::demux::Peer;
use crate::error::Refusal;
use crate::natt::Nat;
use crate::notice::Blame;
use crate::policy::{self, Place};
use crate::record::{Fact, Story};
use crate::session::{Fate, Message};
use crate::want::Plan;
use crate::wire::header::Cookie;
use crate::{Answer, Child, ChildId, Path, SessionId};

mod clock;
mod exchange;
pub(crate) use exchange::{clear_of, exchange_of};

/// What of a session waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// How it comes to be established.
    Opening,
    /// The task that runs.
    Task,
    /// The response to the peer's request of this message ID.
    Response(u32),
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) path: Path,
    /// Where the peer was first, if it has moved: the configuration knows it by that.
    pub(crate) home: Option<Box<Peer>>,
    /// SPIs: the initiator's, the responder's.
    pub(crate) cookies: (Cookie, Cookie),
    /// We are the original initiator of this IKE SA.
    pub(crate) initiator: bool,
    /// There is no other SA with this peer: IKE_AUTH shall say so.
    pub(crate) first_contact: bool,
    /// As responder not settled before the peer's identity is known.
    pub(crate) place: Place,
    pub(crate) state: State,
    pub(crate) created: Instant,
    /// The session that this one is to replace by reauthentication.
    pub(crate) replaces: Option<SessionId>,
    /// Replaced: this is its end.
    pub(crate) retire_at: Option<Instant>,
    pub(crate) story: Story,
    pub(crate) window: Window,
    pub(crate) reassembly: Reassembly,
    /// What it has to do after what it does.
    pub(crate) tasks: VecDeque<Task>,
    pub(crate) task: Option<Task>,
    /// Requests of the peer whose responses wait for answers, by message ID.
    pub(crate) pending: BTreeMap<u32, (Path, task::Pending)>,
    /// Its children, oldest first.
    pub(crate) children: Vec<ChildRef>,
    /// What it does of its own accord.
    pub(crate) upkeep: task::Upkeep,
    /// When the peer last proved that it is there.
    pub(crate) heard: Instant,
    keepalive_at: Option<Instant>,
    /// One failed negotiation is one line in the log, however often the peer tries.
    complained: bool,
}

/// A child as its session knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChildRef {
    pub(crate) id: ChildId,
    pub(crate) spi_in: Spi,
    pub(crate) spi_out: Spi,
    pub(crate) policy: PolicyId,
    pub(crate) selector: Selector,
    pub(crate) life: Life,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Up,
    /// By one that the peer made: the peer will delete it.
    Replaced,
    /// By one that we made: we delete it.
    Leaving,
}

/// An authentic message of an exchange.
pub(crate) struct Exchange<'a> {
    pub(crate) path: Path,
    /// The type of the exchange.
    pub(crate) kind: u8,
    pub(crate) message_id: u32,
    pub(crate) chain: Chain<'a>,
}

impl Session {
    pub(crate) fn new(
        core: &mut Core,
        path: Path,
        cookies: (Cookie, Cookie),
        initiator: bool,
        place: Place,
        state: State,
    ) -> Self {
        Self {
            id: core.session_id(),
            path,
            home: None,
            cookies,
            initiator,
            first_contact: false,
            place,
            state,
            created: core.now,
            replaces: None,
            retire_at: None,
            story: Story::begin(core.now),
            window: Window::new(),
            reassembly: Reassembly::default(),
            tasks: VecDeque::new(),
            task: None,
            pending: BTreeMap::new(),
            children: Vec::new(),
            upkeep: task::Upkeep::default(),
            heard: core.now,
            keepalive_at: None,
            complained: false,
        }
    }

    /// The one that replaces it after a rekey: established, with its path, place and children, which are
    /// its no longer. Its tasks that wait go along.
    pub(crate) fn successor(
        &mut self,
        core: &mut Core,
        cookies: (Cookie, Cookie),
        initiator: bool,
        established: Established,
    ) -> Box<Self> {
        let state = State::Established(Box::new(established));
        let mut new = Self::new(core, self.path, cookies, initiator, self.place.clone(), state);
        new.home.clone_from(&self.home);
        new.children = std::mem::take(&mut self.children);
        new.tasks = std::mem::take(&mut self.tasks);
        new.story = self.story.clone();
        new.keepalive_at = self.keepalive_at;
        Box::new(new)
    }

    pub(crate) const fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(established) => Some(established),
            State::Opening(_) | State::Closing(_) => None,
        }
    }

    pub(crate) const fn established_mut(&mut self) -> Option<&mut Established> {
        match &mut self.state {
            State::Established(established) => Some(established),
            State::Opening(_) | State::Closing(_) => None,
        }
    }

    pub(crate) const fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(_))
    }

    pub(crate) const fn asks_first_contact(&self) -> bool {
        self.is_opening()
    }

    pub(crate) fn nat(&self) -> Nat {
        match &self.state {
            State::Opening(opening) => opening.secured.as_ref().map_or_else(Nat::default, |one| one.nat),
            State::Established(sa) => sa.nat,
            State::Closing(_) => Nat::default(),
        }
    }

    /// Between whom the configuration knows it.
    pub(crate) fn home(&self) -> Peer {
        self.home.as_deref().copied().unwrap_or_else(|| self.path.peer())
    }

    /// The peer is there now.
    pub(crate) fn relocate(&mut self, path: Path) {
        let before = self.path.peer();
        if path.peer() != before {
            self.home.get_or_insert_with(|| Box::new(before));
        }
        self.path = path;
    }

    pub(crate) fn asker(&self) -> policy::Asker<'_> {
        let (front, local, remote) = self.home();
        policy::Asker {
            version: Version::V2,
            front,
            inside: self.place.inside,
            local,
            remote,
            profile: self.place.profile.as_deref(),
            identity: self.established().map(|sa| (&sa.identity, None)),
        }
    }

    /// Its profile, as it is configured now.
    pub(crate) fn profile<'a>(&self, config: &'a Config) -> Option<&'a config::Profile> {
        let name = self.place.profile.as_ref()?;
        config.v2.profiles.iter().find(|profile| profile.name == *name)
    }

    pub(crate) fn tell(&mut self, core: &Core, fact: Fact) {
        self.story.tell(core.now, fact);
    }

    /// A datagram with our SPIs.
    pub(crate) fn receive(&mut self, core: &mut Core, message: &Message<'_>) -> Fate {
        let result = match &self.state {
            _ if message.header.is_of_initiator() == self.initiator => {
                Err(Refusal::ignored("initiator-flag-wrong"))
            }
            State::Opening(_) => return opening::receive(self, core, message),
            State::Established(_) | State::Closing(_) => self.receive_sealed(core, message),
        };
        result.unwrap_or_else(|refusal| self.refused(core, &message.path, &refusal))
    }

    /// The answer to a question of ours.
    pub(crate) fn answered(&mut self, core: &mut Core, asker: Asker, answer: Answer) -> Fate {
        match asker {
            Asker::V2(_, Waiting::Opening) => return opening::answered(self, core, answer),
            Asker::V2(_, Waiting::Task) => match self.task.take() {
                Some(mut task) => {
                    let step = task::answered(self, core, &mut task, answer);
                    self.go_on(core, task, step);
                }
                None => release(core, &answer),
            },
            Asker::V2(_, Waiting::Response(id)) => match self.pending.remove(&id) {
                Some((path, pending)) => {
                    let (kind, reply) = task::resume(self, core, pending, answer);
                    let header = Header::v2(self.cookies, kind, 0, id);
                    self.reply(core, &header, path, reply);
                }
                None => release(core, &answer),
            },
            Asker::Main(_) | Asker::Quick(..) | Asker::Life(..) | Asker::Idle(_) | Asker::Name(_) => {}
        }
        Fate::Live
    }

    /// Does this after what it does already.
    pub(crate) fn enqueue(&mut self, core: &mut Core, task: Task) {
        self.tasks.push_back(task);
        self.start(core);
    }

    /// Begins the next task if none runs.
    pub(crate) fn start(&mut self, core: &mut Core) {
        while self.task.is_none()
            && !self.window.is_open()
            && self.upkeep.may_begin()
            && self.established().is_some()
            && let Some(mut task) = self.tasks.pop_front()
        {
            let step = task::begin(self, core, &mut task);
            self.take_step(core, task, step);
        }
    }

    fn go_on(&mut self, core: &mut Core, task: Task, step: task::Step) {
        self.take_step(core, task, step);
        self.start(core);
    }

    fn take_step(&mut self, core: &mut Core, task: Task, step: task::Step) {
        match step {
            task::Step::Request { exchange, chain } => {
                self.task = Some(task);
                self.send_request(core, exchange, &chain);
            }
            task::Step::Waits => self.task = Some(task),
            task::Step::Done => {}
        }
    }

    /// The peer does not answer the task, or not so that it can be understood.
    fn give_up_task(&mut self, core: &mut Core, silent: bool) {
        if let Some(task) = self.task.take() {
            task::abandon(self, core, task, silent);
        }
    }

    pub(crate) fn refused(&mut self, core: &mut Core, path: &Path, refusal: &Refusal) -> Fate {
        let loud = !refusal.detail.is_empty();
        if loud && self.is_opening() {
            self.story.fail(refusal);
        }
        if loud && self.complained && self.is_opening() {
            core.refuse(Some(self.id), path, &Refusal::ignored(refusal.what));
        } else {
            core.refuse(Some(self.id), path, refusal);
        }
        self.complained |= loud;
        if refusal.fatal && self.is_opening() { Fate::Failed } else { Fate::Live }
    }

    /// Opens the negotiation of a child.
    pub(crate) fn negotiate(&mut self, core: &mut Core, plan: Plan) {
        self.enqueue(core, Task::create_child(&plan));
    }

    /// A child is due for a successor.
    pub(crate) fn rekey_child(&mut self, core: &mut Core, child: ChildId) {
        if self.children.iter().any(|known| known.id == child) {
            self.enqueue(core, Task::rekey_child(child));
        } else {
            core.events.push_back(Event::RekeyFailed(child));
        }
    }

    /// They are gone; the peer shall know.
    pub(crate) fn delete_children(&mut self, core: &mut Core, spis: &[Spi]) {
        self.children.retain(|child| !spis.contains(&child.spi_in));
        self.enqueue(core, Task::delete_children(spis.to_vec()));
    }

    /// ESP came that is for no child: does the peer still know this IKE SA?
    pub(crate) fn unknown_spi(&mut self, core: &mut Core, _spi: Spi) {
        self.enqueue(core, Task::liveness());
    }

    /// A child is this session's, by a negotiation that just ended.
    pub(crate) fn add_child(&mut self, child: &Child) {
        let Child { id, spi_in, spi_out, policy, selector, .. } = *child;
        self.children.reserve_exact(1);
        self.children.push(ChildRef { id, spi_in, spi_out, policy, selector, life: Life::Up });
    }

    /// Tells the peer that it ends. `true`: it has to stay until the peer has heard.
    pub(crate) fn close(&mut self, core: &mut Core) -> bool {
        if !matches!(self.state, State::Established(_)) {
            return matches!(self.state, State::Closing(_));
        }
        self.abandon(core);
        self.state.close();
        // What we asked before has to be answered first: the peer may have a window of one.
        if !self.window.is_open() {
            self.tell_end(core);
        }
        true
    }

    fn tell_end(&mut self, core: &mut Core) {
        if let State::Closing(closing) = &mut self.state
            && !std::mem::replace(&mut closing.told, true)
        {
            self.send_request(core, kinds::INFORMATIONAL, &task::delete_ike());
        }
    }

    /// Gives back what its unfinished exchanges hold.
    pub(crate) fn abandon(&mut self, core: &mut Core) {
        opening::abandon(self, core);
        self.give_up_task(core, false);
        for task in std::mem::take(&mut self.tasks) {
            task::abandon(self, core, task, false);
        }
        for (_, pending) in std::mem::take(&mut self.pending).into_values() {
            task::forsake(core, &pending);
        }
    }

    /// When to look for a successor once more.
    pub(crate) const fn renew_at(&mut self, at: Instant) {
        if let State::Established(sa) = &mut self.state {
            sa.rekey_at = Some(at);
        }
    }

    /// Whether it would come about as it is under another configuration.
    pub(crate) fn is_same_under(&self, old: &Config, new: &Config) -> bool {
        let (ours, theirs) = (self.profile(old), self.profile(new));
        let ring = |config: &Config, profile: Option<&config::Profile>| {
            let name = profile?.keyring.as_ref()?;
            config.v2.keyrings.iter().find(|ring| ring.name == *name).cloned()
        };
        ours == theirs && ring(old, ours) == ring(new, theirs) && old.trustpoints == new.trustpoints
    }
}

/// An SPI that nobody waits for any more.
pub(super) fn release(core: &mut Core, answer: &Answer) {
    if let Answer::Spi(Some(spi)) = answer {
        core.release(*spi);
    }
}

/// IOS's word for how far it is.
pub(crate) const fn state_word(session: &Session) -> &'static str {
    match &session.state {
        State::Opening(_) => "IN-NEG",
        State::Established(_) => "READY",
        State::Closing(_) => "DELETE",
    }
}

/// The peer does not answer at all.
pub(crate) fn unanswered(path: &Path) -> Refusal {
    let detail = format!("{} does not answer any more", path.remote.ip());
    Refusal::because(Blame::PeerMisbehaved, "peer-silent", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a tunnel takes besides its keys, its story and the last response.
    #[test]
    fn a_session_and_its_child_are_small() {
        let (session, established) = (size_of::<Session>(), size_of::<Established>());
        let (child, reference) = (crate::child::INSTALLED, size_of::<ChildRef>());
        assert!(session <= 704, "{session}");
        assert!(established <= 320, "{established}");
        assert!(child + reference <= 640, "{child} {reference}");
    }
}
