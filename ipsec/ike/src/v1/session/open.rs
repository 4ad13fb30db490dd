//! How a session begins: we open phase 1, or somebody opens it with us.

use super::{Message, Session};
use crate::core::{Asker, Core};
use crate::error::Refusal;
use crate::policy::Place;
use crate::record::{Fact, Story};
use crate::v1::phase1::State;
use crate::v1::{aggressive, main};
use crate::wire::header::{Cookie, exchange};
use crate::{Ask, Path};

/// How phase 1 begins, as initiator.
pub(crate) enum Opening {
    Main(main::initiator::Offered),
    /// With what message 1 needs before it can go out.
    Aggressive(aggressive::initiator::Offered, Ask),
}

impl Session {
    /// We open phase 1.
    pub(crate) fn initiate(core: &mut Core, path: Path, place: Place, opening: Opening) -> Self {
        let cookies = (core.drbg.bytes(), Cookie::default());
        let (state, ask, mode) = match opening {
            Opening::Main(offered) => (main::State::ExpectSa(offered).into(), None, "Main"),
            Opening::Aggressive(offered, ask) => {
                (aggressive::State::ExpectKeyPair(offered).into(), Some(ask), "Aggressive")
            }
        };
        let mut session = Self::new(core, path, cookies, place, state);
        session.initiator = true;
        core.debug(Some(session.id), &path, || format!("beginning {mode} Mode exchange"));
        if let Some(message) = session.first_message(core) {
            session.send(core, message, true);
        }
        ask.into_iter().for_each(|ask| core.ask(Asker::Main(session.id), ask));
        session.listen(core);
        session
    }

    fn first_message(&self, core: &Core) -> Option<Vec<u8>> {
        let State::Main(state) = &self.state else { return None };
        let main::State::ExpectSa(offered) = state.as_ref() else { return None };
        Some(main::initiator::first_message(self, core, offered))
    }

    /// Somebody opens phase 1 with us. What is found out on the way goes into `story`.
    pub(crate) fn respond(
        core: &mut Core,
        message: &Message<'_>,
        story: &mut Story,
    ) -> Result<Self, Refusal> {
        let aggressive = message.header.exchange == exchange::AGGRESSIVE;
        let name = if aggressive { "aggressive mode 1" } else { "main mode 1" };
        core.tell(Fact::Received { message: name });
        let opened = if aggressive {
            Self::answer_aggressive(core, message)
        } else {
            Self::answer_main(core, message)
        };
        story.listen(core);
        let mut session = opened?;
        session.hear_vendors(core, message);
        story.listen(core);
        Ok(session)
    }

    fn answer_main(core: &mut Core, message: &Message<'_>) -> Result<Self, Refusal> {
        let agreed = main::responder::open(core, message)?;
        let cookies = (message.header.initiator, core.drbg.bytes());
        let place = Place { profile: None, inside: message.path.front };
        let state = main::State::ExpectKey(agreed.clone()).into();
        let mut session = Self::new(core, message.path, cookies, place, state);
        let reply = main::responder::second_message(&session, core, &agreed);
        session.window.accept(message.digest.clone());
        session.send(core, reply, false);
        Ok(session)
    }

    fn answer_aggressive(core: &mut Core, message: &Message<'_>) -> Result<Self, Refusal> {
        let (place, opened, ask) = aggressive::responder::open(core, message)?;
        let cookies = (message.header.initiator, core.drbg.bytes());
        let state = aggressive::State::ExpectAgreement(opened).into();
        let mut session = Self::new(core, message.path, cookies, place, state);
        session.window.accept(message.digest.clone());
        core.ask(Asker::Main(session.id), ask);
        Ok(session)
    }
}
