//! One IKE SA of either version, as the rest of the engine sees it.

use base::{Instant, Spi};

use crate::config::Version;
use crate::core::{Asker, Core, WantId};
use crate::demux::Peer;
use crate::error::Refusal;
use crate::natt::Nat;
use crate::notice::Notice;
use crate::policy::{self, Place};
use crate::record::{Record, Story};
use crate::want::Plan;
use crate::window::Digest;
use crate::wire::header::{Cookie, Header};
use crate::wire::id::Name;
use crate::{Answer, ChildId, DownReason, Path, SessionId, Traffic, v1, v2};

/// A datagram on its way through the engine.
pub(crate) struct Message<'a> {
    pub(crate) path: Path,
    pub(crate) header: Header,
    /// What follows the header.
    pub(crate) body: &'a [u8],
    /// All of it.
    pub(crate) bytes: &'a [u8],
    pub(crate) digest: Digest,
}

/// Whether a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Live,
    /// It was not established and will not be; that has been reported.
    Failed,
    Down(DownReason),
    /// It was ended before, and now the peer knows.
    Closed,
}

/// Boxed: sessions move in and out of the engine's table.
pub(crate) enum Session {
    V1(Box<v1::session::Session>),
    V2(Box<v2::session::Session>),
}

/// What holds of an established session of either version.
#[derive(Clone, Copy)]
pub(crate) struct Established<'a> {
    pub(crate) identity: &'a Name,
    pub(crate) since: Instant,
    pub(crate) expires: Instant,
}

macro_rules! either {
    ($session:expr, $one:ident => $value:expr) => {
        match $session {
            Session::V1($one) => $value,
            Session::V2($one) => $value,
        }
    };
}

impl Session {
    pub(crate) const fn version(&self) -> Version {
        match self {
            Self::V1(_) => Version::V1,
            Self::V2(_) => Version::V2,
        }
    }

    pub(crate) const fn id(&self) -> SessionId {
        either!(self, one => one.id)
    }

    pub(crate) const fn path(&self) -> Path {
        either!(self, one => one.path)
    }

    /// Between whom the configuration knows it, wherever the peer has moved since.
    pub(crate) fn home(&self) -> Peer {
        match self {
            Self::V1(one) => one.path.peer(),
            Self::V2(one) => one.home(),
        }
    }

    /// Those of version 2; in version 1 children are nobody's.
    pub(crate) fn children(&self) -> Vec<ChildId> {
        match self {
            Self::V1(_) => Vec::new(),
            Self::V2(one) => one.children.iter().map(|child| child.id).collect(),
        }
    }

    /// The peer has proved that it is there.
    pub(crate) const fn set_path(&mut self, path: Path) {
        either!(self, one => one.path = path);
    }

    /// Initiator's, responder's: in version 2 they are called SPIs.
    pub(crate) const fn cookies(&self) -> (Cookie, Cookie) {
        either!(self, one => one.cookies)
    }

    pub(crate) const fn initiator(&self) -> bool {
        either!(self, one => one.initiator)
    }

    pub(crate) const fn place(&self) -> &Place {
        either!(self, one => &one.place)
    }

    pub(crate) const fn created(&self) -> Instant {
        either!(self, one => one.created)
    }

    /// The session that this one is to replace.
    pub(crate) const fn replaces(&self) -> Option<SessionId> {
        either!(self, one => one.replaces)
    }

    pub(crate) const fn set_replaces(&mut self, old: Option<SessionId>) {
        either!(self, one => one.replaces = old);
    }

    /// Replaced, and this is its end.
    pub(crate) const fn retire_at(&self) -> Option<Instant> {
        either!(self, one => one.retire_at)
    }

    pub(crate) const fn retire(&mut self, at: Instant) {
        either!(self, one => one.retire_at = Some(at));
    }

    pub(crate) fn set_story(&mut self, story: Story) {
        either!(self, one => one.story = story);
    }

    pub(crate) const fn story(&self) -> &Story {
        either!(self, one => &one.story)
    }

    pub(crate) fn established(&self) -> Option<Established<'_>> {
        match self {
            Self::V1(one) => one.established().map(|phase1| Established {
                identity: &phase1.identity,
                since: phase1.since,
                expires: phase1.expires,
            }),
            Self::V2(one) => one.established().map(|sa| Established {
                identity: &sa.identity,
                since: sa.since,
                expires: sa.expires,
            }),
        }
    }

    /// On its way to being established, by us.
    pub(crate) fn is_opening(&self) -> bool {
        match self {
            Self::V1(one) => one.initiator && one.established().is_none(),
            Self::V2(one) => one.initiator && one.is_opening(),
        }
    }

    pub(crate) fn nat(&self) -> Nat {
        either!(self, one => one.nat())
    }

    pub(crate) fn asker(&self) -> policy::Asker<'_> {
        either!(self, one => one.asker())
    }

    /// Whose child it was opened for, in versions that open both at once; nobody's from now on.
    pub(crate) fn take_want(&mut self) -> Option<WantId> {
        match self {
            Self::V1(_) => None,
            Self::V2(one) => one.take_want(),
        }
    }

    /// Whether it is about to say if this is the first contact with the peer.
    pub(crate) const fn asks_first_contact(&self) -> bool {
        match self {
            Self::V1(one) => one.asks_first_contact(),
            Self::V2(one) => one.asks_first_contact(),
        }
    }

    pub(crate) const fn set_first_contact(&mut self, is_first: bool) {
        either!(self, one => one.first_contact = is_first);
    }

    /// A datagram with its cookies.
    pub(crate) fn receive(&mut self, core: &mut Core, message: &Message<'_>) -> Fate {
        if message.header.version >> 4 != number(self.version()) {
            core.refuse(None, &message.path, &Refusal::ignored("message-of-another-version"));
            return Fate::Live;
        }
        either!(self, one => one.receive(core, message))
    }

    pub(crate) fn answered(&mut self, core: &mut Core, asker: Asker, answer: Answer) -> Fate {
        either!(self, one => one.answered(core, asker, answer))
    }

    pub(crate) fn tick(&mut self, core: &mut Core) -> Fate {
        either!(self, one => one.tick(core))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        either!(self, one => one.deadline())
    }

    /// Its peer's life is in doubt: so many of its children have been asked what they carried.
    pub(crate) fn counting(&mut self, core: &mut Core, children: usize) -> Fate {
        match self {
            Self::V1(one) => v1::dpd::counting(one, core, children),
            Self::V2(one) => {
                v2::liveness::counting(one, core, children);
                Fate::Live
            }
        }
    }

    /// One of them answered: what it has carried since it was last asked.
    pub(crate) fn counted(&mut self, core: &mut Core, more: Traffic) -> Fate {
        match self {
            Self::V1(one) => v1::dpd::counted(one, core, more),
            Self::V2(one) => {
                v2::liveness::counted(one, core, more);
                Fate::Live
            }
        }
    }

    /// What is due once it is established, apart from what the engine does.
    pub(crate) fn greet(&mut self, core: &mut Core) {
        match self {
            Self::V1(one) => one.greet(core),
            Self::V2(one) => v2::task::greet(one, core),
        }
    }

    /// Opens the negotiation of a child.
    pub(crate) fn negotiate(&mut self, core: &mut Core, plan: Plan) {
        match self {
            Self::V1(one) => drop(v1::quick::initiate(one, core, plan)),
            Self::V2(one) => one.negotiate(core, plan),
        }
    }

    /// A child of version 2 is due for a successor.
    pub(crate) fn rekey_child(&mut self, core: &mut Core, child: ChildId) -> Fate {
        if let Self::V2(one) = self {
            one.rekey_child(core, child);
        }
        Fate::Live
    }

    /// Tells the peer that the SAs which we receive on these SPIs are gone.
    pub(crate) fn delete_children(&mut self, core: &mut Core, spis: &[Spi]) {
        match self {
            Self::V1(one) => {
                let spis: Vec<u32> = spis.iter().map(|spi| spi.0).collect();
                v1::informational::delete_children(one, core, &spis);
            }
            Self::V2(one) => one.delete_children(core, spis),
        }
    }

    /// ESP came with an SPI that nobody holds: the peer shall hear of it if that helps.
    pub(crate) fn unknown_spi(&mut self, core: &mut Core, spi: Spi) {
        match self {
            Self::V1(one) => v1::informational::delete_children(one, core, &[spi.0]),
            Self::V2(one) => one.unknown_spi(core, spi),
        }
    }

    /// Tells the peer that it ends. `true`: it has to stay until the peer has heard.
    pub(crate) fn close(&mut self, core: &mut Core) -> bool {
        match self {
            Self::V1(one) => {
                v1::informational::delete_session(one, core);
                false
            }
            Self::V2(one) => one.close(core),
        }
    }

    /// Gives back what its unfinished exchanges hold.
    pub(crate) fn abandon(&mut self, core: &mut Core) {
        match self {
            Self::V1(one) => v1::quick::abandon_all(one, core),
            Self::V2(one) => one.abandon(core),
        }
    }

    /// When to look for a successor once more.
    pub(crate) const fn renew_at(&mut self, at: Instant) {
        either!(self, one => one.renew_at(at));
    }

    pub(crate) fn up_notice(&self) -> Option<Notice> {
        Some(Notice::SessionUp {
            session: self.id(),
            front: self.path().front,
            inside: self.place().inside,
            local: self.path().local.ip(),
            remote: self.path().remote.ip(),
            port: self.path().remote.port(),
            identity: self.established()?.identity.to_string(),
            profile: self.place().profile.clone(),
            initiator: self.initiator(),
        })
    }

    pub(crate) fn down_notice(&self, reason: DownReason) -> Option<Notice> {
        Some(Notice::SessionDown {
            session: self.id(),
            front: self.path().front,
            inside: self.place().inside,
            remote: self.path().remote.ip(),
            port: self.path().remote.port(),
            identity: self.established()?.identity.to_string(),
            reason,
        })
    }

    /// Its story so far.
    pub(crate) fn record(&self) -> Record {
        self.story().record(Some(self.id()), self.version(), &self.path(), self.initiator())
    }
}

impl v1::session::Session {
    fn answered(&mut self, core: &mut Core, asker: Asker, answer: Answer) -> Fate {
        match asker {
            Asker::Main(_) => self.answered_phase1(core, answer),
            Asker::Quick(_, id) => v1::quick::answered(self, core, id, answer),
            Asker::Life(..) | Asker::Idle(_) | Asker::Name(_) | Asker::V2(..) => Fate::Live,
        }
    }
}

/// The major version in a header.
pub(crate) const fn number(version: Version) -> u8 {
    match version {
        Version::V1 => 1,
        Version::V2 => 2,
    }
}
