//! The initiator's side of IKE_SA_INIT.

use base::Secret;
use crypto::dh::{Group, Job};

use super::{push, push_common, push_hashes, secure};
use crate::core::{Asker, Core};
use crate::error::Refusal;
use crate::natt;
use crate::notice::Blame;
use crate::policy::Place;
use crate::record::{Fact, Kind};
use crate::session::Message;
use crate::v2::keys::{Inputs, Keys};
use crate::v2::proposal::{self, Suite};
use crate::v2::session::{Session, Waiting};
use crate::v2::state::{Capabilities, Opening, Secured, State, Step};
use crate::v2::wire::header::{Header, exchange, name};
use crate::v2::wire::ke::{self, KeyExchange};
use crate::v2::wire::notify::{self, Notify};
use crate::v2::wire::payload::{self, Builder, Chain};
use crate::v2::wire::sa::{Sa, kind};
use crate::v2::{cookie, intermediate, mobike, ppk, wire::cert};
use crate::want::Plan;
use crate::wire::header::Cookie;
use crate::{Ask, Path};

/// How often a responder may ask for a cookie or for another key exchange.
const MOST_TRIES: u8 = 5;

/// What the request says.
pub(crate) struct Request {
    offer: Sa,
    group: Group,
    /// `None` while it is being made.
    pair: Option<(Secret, Vec<u8>)>,
    nonce: Vec<u8>,
    cookie: Vec<u8>,
    message: Vec<u8>,
    tries: u8,
}

/// What the response says.
pub(crate) struct Answered {
    suite: Suite,
    nonces: (Vec<u8>, Vec<u8>),
    messages: (Vec<u8>, Vec<u8>),
    peer: Capabilities,
    nat: natt::Nat,
    authorities: Vec<[u8; cert::AUTHORITY]>,
}

/// We open an IKE SA: asks for a key pair.
pub(crate) fn initiate(
    core: &mut Core,
    path: Path,
    place: Place,
    plan: Option<Plan>,
) -> Result<Box<Session>, Refusal> {
    let config = core.config.clone();
    let ours = proposal::proposals_for(&config.v2, path.front, path.local.ip());
    let offer = proposal::ike_offer(&ours, &[]);
    let group = proposal::first_group(&offer).ok_or_else(|| no_proposal(&path))?;
    let mut profiles = super::profiles(&config, &path);
    let profile = profiles.find(|profile| Some(&profile.name) == place.profile.as_ref());
    let profile = profile.ok_or_else(|| no_profile(&place, &path))?;
    let nonce = core.nonce();
    let request =
        Request { offer, group, pair: None, nonce, cookie: Vec::new(), message: Vec::new(), tries: 0 };
    let opening = Opening { plan, ..Opening::new(Step::ExpectPair(request)) };
    let spis = (core.drbg.bytes(), Cookie::default());
    let mut session = Session::new(core, path, spis, true, place, State::Opening(Box::new(opening)));
    session.tell(core, Fact::chosen(Kind::Profile, &profile.name));
    ask_pair(&session, core, group);
    Ok(Box::new(session))
}

fn ask_pair(session: &Session, core: &mut Core, group: Group) {
    let seed = core.drbg.bytes();
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(Job::Generate { group, seed }.into()));
}

/// Our key pair is there: the request goes out.
pub(crate) fn send(
    session: &mut Session,
    core: &mut Core,
    mut request: Request,
    pair: (Secret, Vec<u8>),
) -> Step {
    request.pair = Some(pair);
    transmit(session, core, request)
}

fn transmit(session: &mut Session, core: &mut Core, mut request: Request) -> Step {
    let chain = payloads(session, core, &request);
    let header = Header::v2(session.cookies, exchange::SA_INIT, session.flags(false), 0);
    request.message = Header { next: chain.first(), ..header }.encode(chain.bytes());
    session.window.restart();
    session.window.next_request();
    core.transmit(session.path, request.message.clone());
    let timers = core.config.timers;
    session.window.ask(exchange::SA_INIT, vec![request.message.clone()], core.now, &timers);
    session.tell(core, Fact::Sent { message: name(exchange::SA_INIT, false) });
    Step::ExpectInit(request)
}

fn payloads(session: &Session, core: &Core, request: &Request) -> Builder {
    let mut chain = Builder::default();
    if !request.cookie.is_empty() {
        push(&mut chain, notify::COOKIE, request.cookie.clone());
    }
    let public = request.pair.as_ref().map(|(_, public)| public.as_slice()).unwrap_or_default();
    chain
        .push(payload::SA, &request.offer.encode())
        .push(payload::KEY_EXCHANGE, &ke::encode(request.group.number(), public))
        .push(payload::NONCE, &request.nonce);
    push_common(&mut chain, &core.config, session.cookies, &session.path);
    push_hashes(&mut chain);
    let additional = kind::ADDITIONAL_1..=kind::ADDITIONAL_7;
    let mut transforms = request.offer.proposals.iter().flat_map(|proposal| &proposal.transforms);
    if transforms.any(|transform| additional.contains(&transform.kind)) {
        push(&mut chain, notify::INTERMEDIATE_EXCHANGE_SUPPORTED, Vec::new());
    }
    if ppk::for_initiator(&core.index, session).is_some() {
        push(&mut chain, notify::USE_PPK, Vec::new());
    }
    chain
}

/// A response. Nothing proves that it is the peer's; only who saw the request can make one that fits.
pub(crate) fn receive(session: &mut Session, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
    let header = &message.header;
    session.window.expects(header)?;
    let chain = Chain::decode(header.next, message.body)?;
    let Some(request) = session.take_init_request() else {
        return Err(Refusal::ignored("message-while-computing"));
    };
    session.tell(core, Fact::Received { message: name(exchange::SA_INIT, true) });
    let step = judge(session, core, request, &chain, message);
    session.settle(core, step, None)
}

fn judge(
    session: &mut Session,
    core: &mut Core,
    request: Request,
    chain: &Chain<'_>,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    if chain.has(payload::SA) {
        return accept(session, core, request, chain, message);
    }
    if let Some(cookie) = chain.notify(notify::COOKIE).filter(|one| cookie::LENGTHS.contains(&one.data.len()))
    {
        session.tell(core, Fact::Notified { ours: false, name: notify::name(notify::COOKIE) });
        return again(Request { cookie: cookie.data, ..request })
            .map(|request| transmit(session, core, request));
    }
    let Some(said) = chain.error() else {
        let detail = format!("{} answers IKE_SA_INIT with nothing that helps", session.path.remote.ip());
        return Err(Refusal::because(Blame::PeerMisbehaved, "empty-response", detail));
    };
    session.tell(core, Fact::Notified { ours: false, name: notify::name(said.kind) });
    match said.kind {
        notify::INVALID_KE_PAYLOAD => change_group(session, core, request, &said),
        _ => Err(refused(session, &request, &said)),
    }
}

/// The responder wants another of the key exchanges that we offer.
fn change_group(
    session: &Session,
    core: &mut Core,
    request: Request,
    said: &Notify,
) -> Result<Step, Refusal> {
    let wanted = <[u8; 2]>::try_from(said.data.as_slice()).ok().map(u16::from_be_bytes);
    let offered = |id: u16| {
        let mut all = request.offer.proposals.iter().flat_map(|proposal| proposal.of(kind::KEY_EXCHANGE));
        all.any(|transform| transform.id == id)
    };
    let group =
        wanted.filter(|id| offered(*id) && *id != request.group.number()).and_then(Group::from_number);
    let Some(group) = group else {
        let detail = format!(
            "{} wants a key exchange that we do not offer (group {}): add it to the ikev2 proposal",
            session.path.remote.ip(),
            wanted.map_or_else(|| "unknown".to_owned(), |id| id.to_string())
        );
        return Err(Refusal::because(Blame::PeerIncompatible, "invalid-ke-payload", detail));
    };
    let request = again(Request { group, pair: None, ..request })?;
    ask_pair(session, core, group);
    Ok(Step::ExpectPair(request))
}

fn again(request: Request) -> Result<Request, Refusal> {
    if request.tries == MOST_TRIES {
        let detail = "the peer asks for one cookie or key exchange after the other".to_owned();
        return Err(Refusal::because(Blame::PeerMisbehaved, "too-many-tries", detail));
    }
    Ok(Request { tries: request.tries + 1, ..request })
}

fn accept(
    session: &mut Session,
    core: &mut Core,
    request: Request,
    chain: &Chain<'_>,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let config = core.config.clone();
    let choice = proposal::accepted(&Sa::decode(chain.first(payload::SA)?)?, &request.offer)?;
    let suite = Suite::of(&choice).ok_or(Refusal::ignored("bad-transforms"))?;
    let theirs = KeyExchange::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let nonce = ke::decode_nonce(chain.first(payload::NONCE)?)?;
    if theirs.method != suite.group.number() || suite.group != request.group {
        return Err(misbehaved(session, "its public value is not of the group that it chose"));
    }
    let peer = Capabilities::of(chain, &config);
    if !suite.additional.is_empty() && !peer.intermediate {
        return Err(misbehaved(
            session,
            "it chose additional key exchanges and does not know IKE_INTERMEDIATE",
        ));
    }
    session.cookies.1 = message.header.responder;
    session.tell(
        core,
        Fact::Chosen { what: proposal::describe(&Sa { proposals: vec![choice.proposal] }).into() },
    );
    let nat = mobike::detect(&chain.notifies()?, session.cookies, &session.path);
    session.tell(core, Fact::Nat { local: nat.local, remote: nat.remote });
    if nat.any() {
        session.path = natt::float(&session.path);
    }
    session.window.answered();
    let Some((private, _)) = request.pair else { return Err(Refusal::ignored("no-key-pair")) };
    let group = suite.group;
    let job = Job::Finish { group, private, peer: theirs.public };
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job.into()));
    Ok(Step::ExpectShared(Answered {
        suite,
        nonces: (request.nonce, nonce),
        messages: (request.message, message.bytes.to_vec()),
        peer,
        nat,
        authorities: authorities(chain),
    }))
}

/// The shared secret is there.
pub(crate) fn answered(
    session: &mut Session,
    core: &mut Core,
    answered: Answered,
    shared: &Secret,
) -> Result<Step, Refusal> {
    let Answered { suite, nonces, messages, peer, nat, authorities } = answered;
    let inputs = Inputs { nonces: (&nonces.0, &nonces.1), spis: session.cookies };
    let keys = Keys::initial(&suite, true, shared, &inputs);
    let (rounds, int_auth) = (0, None);
    let secured = Secured { suite, keys, nonces, messages, peer, nat, rounds, int_auth, authorities };
    secure(session, secured);
    intermediate::proceed(session, core)
}

pub(crate) fn authorities(chain: &Chain<'_>) -> Vec<[u8; cert::AUTHORITY]> {
    let requests =
        chain.all(payload::CERTIFICATE_REQUEST).filter_map(|body| cert::Request::decode(body).ok());
    let x509 = requests.filter(|request| request.encoding == cert::X509_SIGNATURE);
    x509.flat_map(|request| request.authorities).take(64).collect()
}

fn misbehaved(session: &Session, why: &str) -> Refusal {
    let detail = format!("{}: {why}", session.path.remote.ip());
    Refusal::because(Blame::PeerMisbehaved, "bad-init-response", detail)
}

fn refused(session: &Session, request: &Request, said: &Notify) -> Refusal {
    let peer = session.path.remote.ip();
    match said.kind {
        notify::NO_PROPOSAL_CHOSEN => {
            let detail = format!(
                "{peer} takes none of our proposals, or does not know us: we offered {}",
                proposal::describe(&request.offer)
            );
            Refusal::because(Blame::PeerIncompatible, "no-proposal-chosen", detail)
        }
        kind => {
            let detail = format!("{peer} refuses IKE_SA_INIT: {}", notify::name(kind));
            Refusal::because(Blame::PeerIncompatible, "init-refused", detail)
        }
    }
}

fn no_proposal(path: &Path) -> Refusal {
    let detail = format!(
        "no crypto ikev2 policy serves {} in this front VRF, or its proposals are empty",
        path.local.ip()
    );
    Refusal::because(Blame::Refused, "no-ikev2-policy", detail)
}

fn no_profile(place: &Place, path: &Path) -> Refusal {
    let detail = format!(
        "there is no crypto ikev2 profile {} for {} in this front VRF",
        place.profile.as_deref().unwrap_or("(none)"),
        path.local.ip()
    );
    Refusal::because(Blame::Refused, "no-ikev2-profile", detail)
}
