//! Informational exchanges: notifies and deletes, each one message (RFC 2409 section 5.7).
//! What is not authenticated changes nothing.

use std::time::Duration;

use super::session::{Message, Session};
use super::{dpd, offer, quick};
use crate::core::{Core, Event};
use crate::error::Refusal;
use crate::record::Fact;
use crate::wire::attribute;
use crate::wire::delete::Delete;
use crate::wire::header::{Cookie, exchange};
use crate::wire::notify::{self, Notify};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::{Reader, sa};

pub(crate) fn receive(session: &mut Session, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
    if !message.header.is_encrypted() {
        return Err(hear(session, core, message));
    }
    let clear = authenticate(session, message)?;
    let chain = Chain::decode(message.header.next, &clear)?;
    session.use_id(message.header.message_id);
    session.follow(core, &message.path);
    for body in chain.all(payload::NOTIFY) {
        notified(session, core, &Notify::decode(body)?);
    }
    for body in chain.all(payload::DELETE) {
        deleted(session, core, &Delete::decode(body)?);
    }
    Ok(())
}

/// The SAs with these inbound SPIs of ours are gone.
pub(crate) fn delete_children(session: &mut Session, core: &mut Core, spis: &[u32]) {
    let spis = spis.iter().map(|spi| spi.to_be_bytes().to_vec()).collect();
    send(session, core, payload::DELETE, &Delete { protocol: sa::PROTOCOL_ESP, spis }.encode());
}

/// This phase 1 SA is gone.
pub(crate) fn delete_session(session: &mut Session, core: &mut Core) {
    let spis = vec![spi(session.cookies)];
    send(session, core, payload::DELETE, &Delete { protocol: sa::PROTOCOL_ISAKMP, spis }.encode());
}

pub(crate) fn initial_contact(cookies: (Cookie, Cookie)) -> Notify {
    about_session(cookies, notify::INITIAL_CONTACT, Vec::new())
}

/// Our lifetime undercuts the offer: RFC 2407 section 4.6.3.1.
pub(crate) fn announce_lifetime(session: &mut Session, core: &mut Core, lifetime: Duration) {
    let mut data = Vec::new();
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    attribute::Attribute::short(offer::LIFE_TYPE, offer::LIFE_SECONDS).encode(&mut data);
    attribute::Attribute::number(offer::LIFE_DURATION, seconds).encode(&mut data);
    notify(session, core, notify::RESPONDER_LIFETIME, data);
}

/// The message that carries one payload, authenticated and sealed; `None` before phase 1 is complete.
pub(crate) fn message(session: &mut Session, core: &mut Core, kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let id = session.fresh_id(core);
    let phase1 = session.established()?;
    let mut content = Builder::default();
    content.push(kind, body);
    let hash = phase1.keys.authenticate(&[&id.to_be_bytes(), content.bytes()]);
    let mut chain = Builder::default();
    chain.push(payload::HASH, hash.expose()).push(kind, body);
    let iv = phase1.keys.exchange_iv(&phase1.last_block, id);
    let (sealed, _) = phase1.keys.seal(&iv, chain.bytes()).ok()?;
    Some(session.sealed_message(exchange::INFORMATIONAL, id, chain.first(), &sealed))
}

/// An error that the peer cannot authenticate: a hint, no more.
pub(crate) fn tell_in_clear(session: &Session, core: &mut Core, kind: u16) {
    let mut chain = Builder::default();
    chain.push(payload::NOTIFY, &about_session(session.cookies, kind, Vec::new()).encode());
    core.transmit(session.path, session.clear_message(exchange::INFORMATIONAL, &chain));
}

fn send(session: &mut Session, core: &mut Core, kind: u8, body: &[u8]) {
    if let Some(bytes) = message(session, core, kind, body) {
        session.transmit(core, &bytes);
    }
}

/// Remembers what is said in clear, so that a failure can mention it.
fn hear(session: &mut Session, core: &mut Core, message: &Message<'_>) -> Refusal {
    let chain = Chain::decode(message.header.next, message.body);
    let said = chain.and_then(|chain| Notify::decode(chain.first(payload::NOTIFY)?));
    if let Ok(said) = said {
        core.debug(Some(session.id), &message.path, || {
            format!("unauthenticated notify {} ({}) ignored", notify::name(said.kind), said.kind)
        });
        session.hint = Some(notify::name(said.kind));
        core.tell(Fact::Notified { ours: false, name: notify::name(said.kind) });
    }
    Refusal::ignored("unauthenticated-notify")
}

fn authenticate(session: &Session, message: &Message<'_>) -> Result<Vec<u8>, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("informational-before-phase-1"))?;
    let id = message.header.message_id;
    if id == 0 || session.has_used(id) {
        return Err(Refusal::ignored("message-id-used"));
    }
    let iv = phase1.keys.exchange_iv(&phase1.last_block, id);
    let (clear, _) = message.open(&phase1.keys, &iv)?;
    let chain = Chain::decode(message.header.next, &clear)?;
    let (hash, content) = chain.hashed()?;
    let expected = phase1.keys.authenticate(&[&id.to_be_bytes(), content]);
    if crypto::equal(expected.expose(), hash) { Ok(clear) } else { Err(Refusal::ignored("bad-hash")) }
}

fn notified(session: &mut Session, core: &mut Core, said: &Notify) {
    core.debug(Some(session.id), &session.path, || {
        format!("processing NOTIFY {} protocol {}", notify::name(said.kind), said.protocol)
    });
    match said.kind {
        notify::INITIAL_CONTACT => core.events.push_back(Event::InitialContact(session.id)),
        notify::RESPONDER_LIFETIME if said.protocol == sa::PROTOCOL_ISAKMP => {
            let attributes = attribute::decode_all(Reader::new(&said.data)).unwrap_or_default();
            if let Some(seconds) = offer::seconds(&attributes) {
                session.shorten(core, Duration::from_secs(seconds));
            }
        }
        notify::R_U_THERE => {
            dpd::asked(session, core, said);
            notify(session, core, notify::R_U_THERE_ACK, said.data.clone());
        }
        notify::R_U_THERE_ACK if dpd::is_answer(session, said) => dpd::heard(session, core),
        _ if said.is_error() => quick::refused_by_peer(session, core, said),
        _ => {}
    }
}

fn deleted(session: &Session, core: &mut Core, delete: &Delete) {
    match delete.protocol {
        sa::PROTOCOL_ESP => {
            let spis = delete.spis.iter().filter_map(|spi| <[u8; 4]>::try_from(spi.as_slice()).ok());
            let spis = spis.map(u32::from_be_bytes).collect();
            core.events.push_back(Event::ChildrenDeleted(session.id, spis));
        }
        sa::PROTOCOL_ISAKMP if delete.spis.contains(&spi(session.cookies)) => {
            core.events.push_back(Event::SessionDeleted(session.id));
        }
        _ => {}
    }
}

/// A notify about this phase 1 SA.
pub(crate) fn notify(session: &mut Session, core: &mut Core, kind: u16, data: Vec<u8>) {
    let notify = about_session(session.cookies, kind, data);
    send(session, core, payload::NOTIFY, &notify.encode());
}

fn about_session(cookies: (Cookie, Cookie), kind: u16, data: Vec<u8>) -> Notify {
    Notify { protocol: sa::PROTOCOL_ISAKMP, spi: spi(cookies), kind, data }
}

fn spi(cookies: (Cookie, Cookie)) -> Vec<u8> {
    [cookies.0, cookies.1].concat()
}
