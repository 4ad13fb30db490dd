//! The end of the run: who is told, and what the kernel keeps.

use api::{BgpNeighbors, ClearBgp, ClearSa, Request};
use base::Engine;
use config::model::Backend;
use dataplane::Dataplane;
use pe::{Input, Output};
use tokio::sync::oneshot;

use super::Control;

impl<E: Engine<Input = Input, Output = Output>, D: Dataplane> Control<E, D> {
    /// Tells every peer that its SAs end, so that none sends into the void until its next rekey, and every neighbour that
    /// its session does, so that none keeps our routes for a restart (RFC 4724, RFC 3478); takes from the kernel what it
    /// forwards by. Where the kernel is to forward on, none of it.
    pub(super) fn farewell(&mut self) {
        if self.beside.keeps_forwarding {
            return;
        }
        for request in goodbyes() {
            let (reply, _gone) = oneshot::channel();
            let id = self.expect_reply(reply);
            self.feed(Input::Request(id, request));
        }
        self.flush();
        if self.in_force.dataplane == Backend::Linux {
            self.engine.handle(self.now(), Input::Close);
            self.drain();
            self.flush();
        }
    }
}

/// Tunnels first: that their routes go is still told.
fn goodbyes() -> [Request; 3] {
    let tunnels = ClearSa::Session { remote: None, front: None };
    let bgp =
        Request::ClearBgp { vrf: None, family: None, neighbors: BgpNeighbors::All, how: ClearBgp::Hard };
    [Request::Clear(tunnels), bgp, Request::ClearLdp { peer: None }]
}
