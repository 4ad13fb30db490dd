//! Redirecting peers to another gateway: RFC 5685, in IKE_SA_INIT, and those that are up (section 5) as soon as
//! the configuration sends everybody elsewhere.

use super::task::{Step, Task};
use super::wire::header::exchange;
use super::wire::notify::{self, Notify};
use super::wire::payload::{self, Builder, Chain};
use crate::config::Config;
use crate::config::v2::Gateway;
use crate::engine::Ike;
use crate::session::{Fate, Session};
use crate::wire::id::octets;

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const FQDN: u8 = 3;

/// The data of REDIRECT, if this peer is to be served elsewhere and knows what that means.
pub(crate) fn instead(config: &Config, chain: &Chain<'_>, sessions: usize, nonce: &[u8]) -> Option<Vec<u8>> {
    let redirect = config.v2.redirect.as_ref()?;
    let is_full = redirect.above.is_none_or(|above| sessions >= above as usize);
    let knows = chain.notified(notify::REDIRECT_SUPPORTED) || chain.notified(notify::REDIRECTED_FROM);
    // Who was sent here by another gateway would be sent in circles.
    if !is_full || !knows || chain.notified(notify::REDIRECTED_FROM) {
        return None;
    }
    encode(&redirect.gateway, nonce)
}

impl Ike {
    /// The configuration is another: if it serves nobody here any more, those that are up shall go too.
    pub(crate) fn send_away(&mut self, old: &Config) {
        let always = |config: &Config| config.v2.redirect.clone().filter(|redirect| redirect.above.is_none());
        let redirect = always(&self.core.config).filter(|new| always(old).as_ref() != Some(new));
        let Some(data) = redirect.and_then(|redirect| encode(&redirect.gateway, &[])) else { return };
        let knows = |session: &Session| match session {
            Session::V1(_) => false,
            Session::V2(session) => session.established().is_some_and(|sa| sa.peer.redirect),
        };
        let all = self.sessions.values().filter(|session| knows(session)).map(Session::id);
        for id in all.collect::<Vec<_>>() {
            self.with(id, |session, core| {
                if let Session::V2(session) = session {
                    session.enqueue(core, Task::Redirect(data.clone()));
                }
                Fate::Live
            });
        }
    }
}

/// Tells a peer where to go; it ends the session itself.
pub(super) fn request(data: &[u8]) -> Step {
    let mut chain = Builder::default();
    chain.push(payload::NOTIFY, &Notify::new(notify::REDIRECT, data.to_vec()).encode());
    Step::Request { exchange: exchange::INFORMATIONAL, chain }
}

fn encode(gateway: &Gateway, nonce: &[u8]) -> Option<Vec<u8>> {
    let (kind, name) = match gateway {
        Gateway::Address(address) if address.is_ipv4() => (IPV4, octets(*address)),
        Gateway::Address(address) => (IPV6, octets(*address)),
        Gateway::Fqdn(name) => (FQDN, name.clone().into_bytes()),
    };
    let length = u8::try_from(name.len()).ok()?;
    Some([&[kind, length], name.as_slice(), nonce].concat())
}
