//! A peer that moves: MOBIKE as responder (RFC 4555), and the NAT that gives it another address (RFC 7296
//! section 2.23).

use std::net::{IpAddr, SocketAddr};

use crypto::prf::Hash;

use super::session::{Exchange, Session};
use super::task::{Step, Task};
use super::wire::header::exchange;
use super::wire::notify::{
    COOKIE2, NAT_DETECTION_DESTINATION_IP, NAT_DETECTION_SOURCE_IP, NO_NATS_ALLOWED, Notify,
    UNEXPECTED_NAT_DETECTED, UPDATE_SA_ADDRESSES,
};
use super::wire::payload::{self, Builder};
use crate::Path;
use crate::core::{Core, Event};
use crate::error::Refusal;
use crate::natt::Nat;
use crate::wire::header::Cookie;
use crate::wire::id::octets;
use crate::wire::natd;

/// The question whether the peer really is where it says that it is.
pub(crate) struct Routability {
    cookie: [u8; 16],
}

/// What a request says of addresses.
pub(super) fn respond(
    session: &mut Session,
    core: &mut Core,
    request: &Exchange<'_>,
    notifies: &[Notify],
    answer: &mut Builder,
) {
    let find = |kind| notifies.iter().find(|notify| notify.kind == kind);
    let mut push = |notify: &Notify| {
        answer.push(payload::NOTIFY, &notify.encode());
    };
    let is_crossed = find(NO_NATS_ALLOWED).is_some_and(|notify| notify.data != seen(&request.path));
    if is_crossed {
        push(&Notify::new(UNEXPECTED_NAT_DETECTED, Vec::new()));
    }
    if find(NAT_DETECTION_SOURCE_IP).is_some() {
        describe(session.cookies, &request.path).iter().for_each(&mut push);
    }
    if let Some(cookie) = find(COOKIE2) {
        push(&Notify::new(COOKIE2, cookie.data.clone()));
    }
    let may_move = session.established().is_some_and(|sa| sa.peer.mobike);
    if may_move && !is_crossed && find(UPDATE_SA_ADDRESSES).is_some() {
        relocate(session, core, &request.path, notifies);
    }
}

/// An authentic message, newer than all before, came by another path: a NAT in front of the peer gave it
/// another address.
pub(super) fn follow(session: &mut Session, core: &mut Core, path: &Path) {
    let follows = session.established().is_some_and(|sa| sa.nat.remote && !sa.peer.mobike);
    if follows && *path != session.path && path.local == session.path.local {
        session.relocate(*path);
        core.events.push_back(Event::Relocated(session.id));
    }
}

/// IKE goes there at once; the children once the peer has answered from there.
fn relocate(session: &mut Session, core: &mut Core, path: &Path, notifies: &[Notify]) {
    let nat = detect(notifies, session.cookies, path);
    let is_same = session.path == *path && session.nat() == nat;
    session.relocate(*path);
    if let Some(sa) = session.established_mut() {
        sa.nat = nat;
    }
    session.plan_keepalive(core);
    if !is_same {
        session.tasks.retain(|task| !matches!(task, Task::Route(_)));
        session.tasks.push_front(Task::Route(Routability { cookie: core.drbg.bytes() }));
    }
}

impl Routability {
    pub(super) fn request(&self) -> Step {
        let mut chain = Builder::default();
        chain.push(payload::NOTIFY, &Notify::new(COOKIE2, self.cookie.to_vec()).encode());
        Step::Request { exchange: exchange::INFORMATIONAL, chain }
    }

    pub(super) fn conclude(&self, session: &Session, core: &mut Core, response: &Exchange<'_>) {
        let echo = response.chain.notify(COOKIE2).map(|notify| notify.data);
        if echo.as_deref() == Some(&self.cookie) {
            core.events.push_back(Event::Relocated(session.id));
        } else {
            core.refuse(Some(session.id), &response.path, &Refusal::ignored("no-return-routability"));
        }
    }
}

/// What we see of the path: source and destination of what we send.
pub(crate) fn describe(cookies: (Cookie, Cookie), path: &Path) -> [Notify; 2] {
    let digest = |address| natd::digest(Hash::Sha1, cookies, address);
    [
        Notify::new(NAT_DETECTION_SOURCE_IP, digest(path.local)),
        Notify::new(NAT_DETECTION_DESTINATION_IP, digest(path.remote)),
    ]
}

/// Compares what the peer sees of the path with what we see; a peer that says nothing sees no NAT.
pub(crate) fn detect(notifies: &[Notify], cookies: (Cookie, Cookie), path: &Path) -> Nat {
    let is_other = |kind, address: SocketAddr| {
        let expected = natd::digest(Hash::Sha1, cookies, address);
        let mut said = notifies.iter().filter(|notify| notify.kind == kind).peekable();
        said.peek().is_some() && said.all(|notify| notify.data != expected)
    };
    Nat {
        local: is_other(NAT_DETECTION_DESTINATION_IP, path.local),
        remote: is_other(NAT_DETECTION_SOURCE_IP, path.remote),
    }
}

/// A request's addresses and ports as NO_NATS_ALLOWED says them: source, destination (RFC 4555 section
/// 4.2.6).
fn seen(path: &Path) -> Vec<u8> {
    let address = |address: IpAddr| octets(address);
    let ports = [path.remote.port().to_be_bytes(), path.local.port().to_be_bytes()].concat();
    [address(path.remote.ip()), address(path.local.ip()), ports].concat()
}
