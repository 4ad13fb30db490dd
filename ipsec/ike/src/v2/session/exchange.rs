//! Messages under the keys of an IKE SA: opened and sealed, in fragments if they are long, answered again if
//! they are repeated (RFC 7296 section 2.1).

use super::{Exchange, Session};
use crate::Path;
use crate::core::Core;
use crate::error::Refusal;
use crate::record::Fact;
use crate::session::{Fate, Message};
use crate::v2::keys::Keys;
use crate::v2::rekey_ike;
use crate::v2::sealed::{Clear, Opened};
use crate::v2::state::State;
use crate::v2::task;
use crate::v2::window::Repeated;
use crate::v2::wire::header::{FLAG_INITIATOR, FLAG_RESPONSE, Header, name};
use crate::v2::wire::payload::{Builder, Chain};

impl Session {
    /// Once established.
    pub(super) fn receive_sealed(&mut self, core: &mut Core, message: &Message<'_>) -> Result<Fate, Refusal> {
        let header = &message.header;
        if self.repeat(core, message) {
            return Ok(Fate::Live);
        }
        if header.is_response() {
            self.window.expects(header)?
        } else {
            self.window.admits(header)?
        }
        let keys = self.keys().ok_or(Refusal::ignored("no-keys"))?;
        let clear = match keys.open(header, message.body)? {
            Opened::Whole(clear) => clear,
            Opened::Fragment(fragment) => match self.reassembly.push(header, fragment)? {
                Some(clear) => clear,
                None => return Ok(Fate::Live),
            },
        };
        self.heard = core.now;
        if header.is_response() {
            self.conclude(core, message, &clear)
        } else {
            self.respond(core, message, &clear)
        }
    }

    /// Whether it is a request that came before; if it was answered, answers it with the same bytes.
    pub(crate) fn repeat(&self, core: &mut Core, message: &Message<'_>) -> bool {
        match self.window.repeated(message) {
            Repeated::New => return false,
            Repeated::Pending => {}
            Repeated::Answered(datagrams) => {
                datagrams.into_iter().for_each(|bytes| core.transmit(message.path, bytes));
            }
        }
        true
    }

    /// A response to the request of ours that is open.
    fn conclude(&mut self, core: &mut Core, message: &Message<'_>, clear: &Clear) -> Result<Fate, Refusal> {
        let chain = clear.chain();
        self.window.answered();
        self.reassembly.forget(true, message.header.message_id + 1);
        if let State::Closing(closing) = &self.state {
            let told = closing.told;
            self.tell_end(core);
            return Ok(if told { Fate::Closed } else { Fate::Live });
        }
        let chain = chain.inspect_err(|_| self.give_up_task(core, false))?;
        let Some(mut task) = self.task.take() else { return Ok(Fate::Live) };
        let exchange = exchange_of(message, chain);
        let step = task::conclude(self, core, &mut task, &exchange);
        self.go_on(core, task, step);
        Ok(Fate::Live)
    }

    /// A request of the peer.
    fn respond(&mut self, core: &mut Core, message: &Message<'_>, clear: &Clear) -> Result<Fate, Refusal> {
        let header = message.header;
        if rekey_ike::is_called(self, core, clear) {
            return Ok(Fate::Live);
        }
        self.window.accept(message);
        self.reassembly.forget(false, header.message_id + 1);
        let chain = match clear.chain() {
            Ok(chain) => chain,
            Err(refusal) => {
                self.reply(core, &header, message.path, task::malformed());
                return Err(refusal);
            }
        };
        let reply = match chain.unsupported() {
            Some(kind) => task::unsupported(kind),
            None if self.established().is_none() => task::Reply::Response(Builder::default()),
            None => task::respond(self, core, &exchange_of(message, chain)),
        };
        self.reply(core, &header, message.path, reply);
        self.start(core);
        Ok(Fate::Live)
    }

    /// By the way that the request came, which may be one that the peer only tries (RFC 4555 section 3.10).
    pub(super) fn reply(&mut self, core: &mut Core, header: &Header, path: Path, reply: task::Reply) {
        match reply {
            task::Reply::Response(chain) => {
                self.respond_by(core, path, (header.exchange, header.message_id), &chain)
            }
            task::Reply::Waits(pending) => {
                self.pending.insert(header.message_id, (path, pending));
            }
        }
    }

    /// Sends a request, sealed, and again until the response comes.
    pub(crate) fn send_request(&mut self, core: &mut Core, kind: u8, chain: &Builder) {
        let id = self.window.next_request();
        let header = Header::v2(self.cookies, kind, self.flags(false), id);
        if let Some(datagrams) = self.seal(core, header, chain) {
            self.told(core, name(kind, false));
            datagrams.iter().for_each(|bytes| core.transmit(self.path, bytes.clone()));
            self.window.ask(kind, datagrams, core.now, &core.config.timers);
        }
    }

    /// Sends the response to a request of the peer, and again when that is repeated.
    pub(crate) fn send_response(&mut self, core: &mut Core, kind: u8, message_id: u32, chain: &Builder) {
        self.respond_by(core, self.path, (kind, message_id), chain);
    }

    fn respond_by(&mut self, core: &mut Core, path: Path, (kind, message_id): (u8, u32), chain: &Builder) {
        let header = Header::v2(self.cookies, kind, self.flags(true), message_id);
        if let Some(datagrams) = self.seal(core, header, chain) {
            self.told(core, name(kind, true));
            datagrams.iter().for_each(|bytes| core.transmit(path, bytes.clone()));
            self.window.answer(message_id, datagrams, core.now);
        }
    }

    /// Only how a session comes up and why it fails makes a story.
    fn told(&mut self, core: &Core, message: &'static str) {
        if self.established().is_none() {
            self.tell(core, Fact::Sent { message });
        }
    }

    fn seal(&mut self, core: &mut Core, header: Header, chain: &Builder) -> Option<Vec<Vec<u8>>> {
        let most = self.most_bytes(core);
        let clear = clear_of(chain);
        let keys = self.state.keys_mut()?;
        match keys.seal_within(&mut core.drbg, header, &clear, most) {
            Ok(datagrams) => Some(datagrams),
            Err(refusal) => {
                core.refuse(Some(self.id), &self.path, &refusal);
                None
            }
        }
    }

    /// Of one message or fragment.
    fn most_bytes(&self, core: &Core) -> usize {
        match core.config.v2.fragmentation.filter(|_| self.state.fragments()) {
            Some(mtu) => usize::from(mtu).saturating_sub(self.path.overhead()).max(256),
            None => usize::MAX,
        }
    }

    pub(crate) const fn flags(&self, response: bool) -> u8 {
        (if self.initiator { FLAG_INITIATOR } else { 0 }) | (if response { FLAG_RESPONSE } else { 0 })
    }

    fn keys(&self) -> Option<&Keys> {
        self.state.keys()
    }
}

pub(crate) const fn exchange_of<'a>(message: &Message<'_>, chain: Chain<'a>) -> Exchange<'a> {
    let header = &message.header;
    Exchange { path: message.path, kind: header.exchange, message_id: header.message_id, chain }
}

pub(crate) fn clear_of(chain: &Builder) -> Clear {
    Clear { first: chain.first(), bytes: chain.bytes().to_vec() }
}

impl Path {
    /// Bytes of an IP packet before the message.
    const fn overhead(&self) -> usize {
        let header = if self.remote.is_ipv4() { 20 } else { 40 };
        header + 8 + if self.marker { 4 } else { 0 }
    }
}
