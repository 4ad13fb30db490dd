//! The end of the run: who is told, and what the kernel keeps.

use base::Engine;
use config::model::Backend;
use dataplane::Dataplane;
use pe::{Input, Output};
use tokio::sync::oneshot;

use super::Control;

impl<E: Engine<Input = Input, Output = Output>, D: Dataplane> Control<E, D> {
    /// Tells every peer that its SAs end, so that none sends into the void until its next rekey, and takes from the
    /// kernel what it forwards by. Where the kernel is to forward on, neither.
    pub(super) fn farewell(&mut self) {
        if self.beside.keeps_forwarding {
            return;
        }
        let (reply, _gone) = oneshot::channel();
        let id = self.expect_reply(reply);
        let everything = api::ClearSa::Session { remote: None, front: None };
        self.feed(Input::Request(id, api::Request::Clear(everything)));
        self.flush();
        if self.in_force.dataplane == Backend::Linux {
            self.engine.handle(self.now(), Input::Close);
            self.drain();
            self.flush();
        }
    }
}
