//! The initiator's side of IKE_AUTH.

use base::Spi;
use crypto::job::{Job, Outcome};

use super::proof::{self, Means, Signer, Verification};
use super::refusal::{self, cannot_sign, no_ppk, no_proof, no_spi, reconfigured, refused};
use super::{Proven, certificate, establish, own_name, push, push_abilities, unauthenticated};
use crate::config::v2::{self as config, Ppk};
use crate::core::{Asker, Core, Event, WantId};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::record::{Fact, Kind};
use crate::v2::keys::Keys;
use crate::v2::proposal::Keying;
use crate::v2::sealed::Clear;
use crate::v2::session::{Exchange, Session, Waiting};
use crate::v2::state::Step;
use crate::v2::wire::auth::{Auth, method};
use crate::v2::wire::header::exchange;
use crate::v2::wire::notify;
use crate::v2::wire::payload::{self, Builder, Chain};
use crate::v2::wire::sa::Sa;
use crate::v2::wire::{cert, id};
use crate::v2::{child, keyring, ppk, profile};
use crate::wire::id::Name;
use crate::{Answer, Ask};

/// How the initiator gets through IKE_AUTH.
pub(crate) struct Claiming {
    profile: config::Profile,
    means: Means,
    name: Name,
    /// What goes into the keys if the peer has it too.
    ppk: Option<Ppk>,
    auth: Option<Auth>,
    /// The proof without the post-quantum key, for a peer that does not have it.
    without: Option<Auth>,
    offer: Option<Sa>,
    waits: Waits,
}

/// For what.
enum Waits {
    Spi,
    Signature,
    /// Without the post-quantum key.
    SecondSignature,
    Response,
    Validation(Box<Response>),
    Verification(Box<Response>, Verification),
}

/// A response whose sender has not proved yet who it is.
struct Response {
    clear: Clear,
    /// The body of IDr.
    id: Vec<u8>,
    name: Name,
    auth: Auth,
    keys: Keys,
    /// The post-quantum key is in them.
    ppk: bool,
}

/// The key exchanges are done.
pub(crate) fn begin(session: &mut Session, core: &mut Core) -> Result<Step, Refusal> {
    let config = core.config.clone();
    let profile = session.profile(&config).ok_or_else(reconfigured)?.clone();
    let secured = session.secured().ok_or_else(reconfigured)?;
    let ppk = ppk::for_initiator(&core.index, session).cloned();
    if let Some(ppk) = ppk.as_ref().filter(|ppk| ppk.required && !secured.peer.ppk) {
        return Err(no_ppk(ppk));
    }
    let ppk = ppk.filter(|_| secured.peer.ppk);
    let means = means(session, core, &profile)?;
    let name = own_name(&config, &profile, session.path.local.ip(), means.signer());
    if let Means::Signature(signer) = &means {
        session.tell(core, Fact::chosen(Kind::Trustpoint, &signer.trustpoint));
    }
    let claiming =
        Claiming { profile, means, name, ppk, auth: None, without: None, offer: None, waits: Waits::Spi };
    if session.plan().is_some() {
        let random = core.drbg.u32();
        core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Spi { random });
        return Ok(Step::Claiming(Box::new(claiming)));
    }
    if session.secured().is_some_and(|secured| !secured.peer.childless) {
        let detail = "the peer takes no IKE SA without a child (RFC 6023)".to_owned();
        return Err(Refusal::because(Blame::PeerIncompatible, "childless-not-supported", detail));
    }
    prove(session, core, claiming)
}

fn means(session: &mut Session, core: &Core, profile: &config::Profile) -> Result<Means, Refusal> {
    let address = session.path.remote.ip();
    if !matches!(profile.local_authentication, config::Authentication::PreShared(_)) {
        let secured = session.secured().ok_or_else(reconfigured)?;
        return Signer::of(&core.config, profile, secured).map(Means::Signature);
    }
    let peer = keyring::peer_at(&core.index, profile, &session.path);
    if let Some(peer) = peer {
        session.tell(core, Fact::chosen(Kind::Key, &peer.name));
    }
    let key = profile::own_key(profile, peer).ok_or_else(|| {
        let ring = profile.keyring.as_deref().unwrap_or("(none)");
        let detail = format!(
            "no local pre-shared key for {address} in keyring {ring} of profile {}: add a peer with that address or \
             with the host name of the map entry",
            profile.name
        );
        Refusal::because(Blame::Refused, "no-pre-shared-key", detail)
    })?;
    Ok(Means::Shared(key))
}

/// AUTH, by a key at once, by a signature when it is made.
fn prove(session: &mut Session, core: &mut Core, mut claiming: Claiming) -> Result<Step, Refusal> {
    let (with, without) = octets(session, &claiming)?;
    match &claiming.means {
        Means::Shared(key) => {
            let prf = session.secured().ok_or_else(reconfigured)?.keys.prf;
            claiming.auth = Some(proof::by_secret(prf, key, &with));
            claiming.without = without.map(|octets| proof::by_secret(prf, key, &octets));
            Ok(send(session, core, claiming))
        }
        Means::Signature(signer) => {
            sign(session, core, signer, with);
            claiming.waits = Waits::Signature;
            Ok(Step::Claiming(Box::new(claiming)))
        }
    }
}

fn sign(session: &Session, core: &mut Core, signer: &Signer, message: Vec<u8>) {
    let job = Job::Sign { key: signer.key.clone(), scheme: signer.scheme, message };
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job));
}

/// What we prove that we sent; and the same without the post-quantum key if we may do without it.
fn octets(session: &Session, claiming: &Claiming) -> Result<(Vec<u8>, Option<Vec<u8>>), Refusal> {
    let secured = session.secured().ok_or_else(reconfigured)?;
    let (id, message_id) = (id::encode(&claiming.name), session.window.upcoming());
    let plain = proof::octets(secured, &secured.keys, true, &id, message_id);
    let Some(ppk) = &claiming.ppk else { return Ok((plain, None)) };
    let mut keys = secured.keys.clone();
    keys.mix(&ppk.key);
    let mixed = proof::octets(secured, &keys, true, &id, message_id);
    Ok((mixed, (!ppk.required).then_some(plain)))
}

/// What was asked has been answered.
pub(crate) fn answered(
    session: &mut Session,
    core: &mut Core,
    mut claiming: Box<Claiming>,
    answer: Answer,
) -> Result<Step, Refusal> {
    match (std::mem::replace(&mut claiming.waits, Waits::Response), answer) {
        (Waits::Spi, Answer::Spi(Some(spi))) => {
            session.hold_spi(spi);
            prove(session, core, *claiming)
        }
        (Waits::Spi, Answer::Spi(None)) => Err(no_spi()),
        (Waits::Signature, Answer::Computed(Ok(Outcome::Signed(signature)))) => {
            signed(session, core, *claiming, signature)
        }
        (Waits::SecondSignature, Answer::Computed(Ok(Outcome::Signed(signature)))) => {
            claiming.without = claiming.means.signer().and_then(|signer| signer.auth(signature));
            Ok(send(session, core, *claiming))
        }
        (Waits::Signature | Waits::SecondSignature, _) => Err(cannot_sign()),
        (Waits::Validation(response), Answer::Validated(result)) => {
            validated(session, core, claiming, response, result)
        }
        (Waits::Verification(response, verification), Answer::Computed(Ok(Outcome::Verified))) => {
            conclude(session, core, &claiming, *response, proof::word(verification.key.kind()))
        }
        (Waits::Verification(response, verification), Answer::Computed(_)) => {
            verify(session, core, claiming, response, verification)
        }
        (waits, _) => {
            claiming.waits = waits;
            Ok(Step::Claiming(claiming))
        }
    }
}

fn signed(
    session: &mut Session,
    core: &mut Core,
    mut claiming: Claiming,
    signature: Vec<u8>,
) -> Result<Step, Refusal> {
    let signer = claiming.means.signer().ok_or_else(cannot_sign)?;
    claiming.auth = Some(signer.auth(signature).ok_or_else(cannot_sign)?);
    let (_, without) = octets(session, &claiming)?;
    let Some(octets) = without else { return Ok(send(session, core, claiming)) };
    sign(session, core, signer, octets);
    claiming.waits = Waits::SecondSignature;
    Ok(Step::Claiming(Box::new(claiming)))
}

/// The request.
fn send(session: &mut Session, core: &mut Core, mut claiming: Claiming) -> Step {
    let mut chain = Builder::default();
    chain.push(payload::ID_INITIATOR, &id::encode(&claiming.name));
    for der in claiming.means.signer().into_iter().flat_map(|signer| &signer.chain) {
        chain.push(payload::CERTIFICATE, &cert::Certificate::x509(der.clone()).encode());
    }
    let profile = &claiming.profile;
    if session.first_contact || profile.force_initial_contact {
        push(&mut chain, notify::INITIAL_CONTACT, Vec::new());
    }
    if let Some(request) = certificate::request(&core.config, std::iter::once(profile)) {
        chain.push(payload::CERTIFICATE_REQUEST, &request);
    }
    if let Some(auth) = &claiming.auth {
        chain.push(payload::AUTHENTICATION, &auth.encode());
    }
    if let Some((plan, spi)) = session.plan().zip(session.held_spi()) {
        let offer = child::ask(&mut chain, &plan.entry, &plan.selector, Keying::Inherited, spi);
        claiming.offer = Some(offer);
    }
    if let Some(ppk) = &claiming.ppk {
        push(&mut chain, notify::PPK_IDENTITY, ppk::identity(ppk));
    }
    if let Some(without) = &claiming.without {
        push(&mut chain, notify::NO_PPK_AUTH, without.data.clone());
    }
    push_abilities(&mut chain, &core.config, claiming.profile.mobike);
    session.send_request(core, exchange::AUTH, &chain);
    claiming.waits = Waits::Response;
    Step::Claiming(Box::new(claiming))
}

/// The response.
pub(crate) fn receive(
    session: &mut Session,
    core: &mut Core,
    claiming: Box<Claiming>,
    clear: Clear,
    response: &Exchange<'_>,
) -> Result<Step, Refusal> {
    let chain = &response.chain;
    let Some(auth) = chain.find(payload::AUTHENTICATION) else {
        return Err(chain.error().map_or_else(no_proof, |said| refused(session, &said)));
    };
    let body = chain.first(payload::ID_RESPONDER).map_err(|_| no_proof())?;
    let name = id::decode(body)?;
    session.tell(core, Fact::Identity { name: name.to_string().into() });
    let auth = Auth::decode(auth)?;
    let (keys, ppk) = keys(session, &claiming, chain)?;
    let id = body.to_vec();
    let response = Response { clear, id, name, auth, keys, ppk };
    if response.auth.method == method::SHARED_KEY {
        return by_secret(session, core, claiming, response);
    }
    let validation = validation(session, core, &claiming.profile, chain)?;
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Validate(validation));
    Ok(waiting(claiming, Waits::Validation(Box::new(response))))
}

fn waiting(mut claiming: Box<Claiming>, waits: Waits) -> Step {
    claiming.waits = waits;
    Step::Claiming(claiming)
}

/// With the post-quantum key if the peer has it too.
fn keys(session: &Session, claiming: &Claiming, chain: &Chain<'_>) -> Result<(Keys, bool), Refusal> {
    let mut keys = session.secured().ok_or_else(reconfigured)?.keys.clone();
    match &claiming.ppk {
        Some(ppk) if chain.notified(notify::PPK_IDENTITY) => {
            keys.mix(&ppk.key);
            Ok((keys, true))
        }
        Some(ppk) if ppk.required => Err(no_ppk(ppk)),
        Some(_) | None => Ok((keys, false)),
    }
}

fn by_secret(
    session: &mut Session,
    core: &mut Core,
    claiming: Box<Claiming>,
    response: Response,
) -> Result<Step, Refusal> {
    let (profile, name) = (&claiming.profile, &response.name);
    is_admitted(profile, name, false)?;
    let peer = keyring::peer_of_name(&core.index, profile, name, &session.path);
    if !profile::takes_keys(profile) {
        let detail = format!(
            "{name} proves itself with a pre-shared key, which profile {} does not take",
            profile.name
        );
        return Err(unauthenticated("authentication-not-allowed", Blame::Refused, detail));
    }
    let key = profile::peer_key(profile, peer).ok_or_else(|| {
        let detail =
            format!("no remote pre-shared key for {name} in the keyring of profile {}", profile.name);
        unauthenticated("no-pre-shared-key", Blame::Refused, detail)
    })?;
    let expected = proof::by_secret(response.keys.prf, &key, &peer_octets(session, &response)?);
    if !crypto::equal(&expected.data, &response.auth.data) {
        let detail = format!(
            "AUTH of {name} is not made with the remote key that we have for it: the pre-shared keys differ"
        );
        return Err(unauthenticated("pre-shared-key-mismatch", Blame::PeerIncompatible, detail));
    }
    conclude(session, core, &claiming, response, "PSK")
}

fn peer_octets(session: &Session, response: &Response) -> Result<Vec<u8>, Refusal> {
    let secured = session.secured().ok_or_else(reconfigured)?;
    let message_id = session.window.upcoming().saturating_sub(1);
    Ok(proof::octets(secured, &response.keys, false, &response.id, message_id))
}

fn validation(
    session: &mut Session,
    core: &Core,
    profile: &config::Profile,
    chain: &Chain<'_>,
) -> Result<pki::Request, Refusal> {
    let chain = certificate::chain_of(chain);
    if chain.is_empty() {
        let detail = format!("{} signs and sends no certificate", session.path.remote.ip());
        return Err(unauthenticated("no-peer-certificate", Blame::PeerIncompatible, detail));
    }
    let trustpoints = certificate::trustpoints(&core.config, &profile.verify);
    Ok(pki::Request { chain, trustpoints: trustpoints.into_iter().cloned().collect() })
}

fn validated(
    session: &mut Session,
    core: &mut Core,
    claiming: Box<Claiming>,
    response: Box<Response>,
    result: Result<pki::Validated, pki::Refusal>,
) -> Result<Step, Refusal> {
    let pki::Validated { certificate, trustpoint } = result.map_err(|why| refusal::bad_certificate(&why))?;
    session.tell(core, Fact::chosen(Kind::Trustpoint, &trustpoint));
    let (profile, name) = (&claiming.profile, &response.name);
    let is_mapped = certificate::is_mapped(&core.config, profile, &certificate);
    is_admitted(profile, name, is_mapped)?;
    let key = certificate::key_of(profile, &certificate, name, is_mapped)?;
    let verification = Verification::new(key, &response.auth, peer_octets(session, &response)?)?;
    verify(session, core, claiming, response, verification)
}

fn verify(
    session: &Session,
    core: &mut Core,
    claiming: Box<Claiming>,
    response: Box<Response>,
    mut verification: Verification,
) -> Result<Step, Refusal> {
    let job = verification.next().ok_or_else(|| refusal::bad_signature(&response.name))?;
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job));
    Ok(waiting(claiming, Waits::Verification(response, verification)))
}

/// The peer is who it says: the IKE SA is established, with its first child if the peer wants that.
fn conclude(
    session: &mut Session,
    core: &mut Core,
    claiming: &Claiming,
    response: Response,
    word: &'static str,
) -> Result<Step, Refusal> {
    let Response { clear, name, keys, ppk, .. } = response;
    let chain = clear.chain()?;
    let opening = session.take_opening().ok_or_else(reconfigured)?;
    let secured = opening.secured.ok_or_else(reconfigured)?;
    let nonces = secured.nonces.clone();
    let mobike = claiming.profile.mobike && chain.notified(notify::MOBIKE_SUPPORTED);
    let authentication = (claiming.means.word(), word);
    let profile = &claiming.profile;
    let own = claiming.name.clone();
    let proven = Proven { profile, identity: name, own, authentication, keys, ppk, mobike };
    establish(session, core, secured, proven);
    if chain.notified(notify::INITIAL_CONTACT) {
        core.events.push_back(Event::InitialContact(session.id));
    }
    core.events.push_back(Event::Established(session.id));
    if let Some((plan, spi)) = opening.plan.zip(opening.spi) {
        let made = claiming
            .offer
            .as_ref()
            .ok_or_else(reconfigured)
            .and_then(|offer| child::accepted(&plan.entry, &plan.selector, offer, &chain));
        match made {
            Ok(agreed) => first_child(session, core, &agreed, spi, (&nonces.0, &nonces.1), plan.want),
            Err(refusal) => no_child(session, core, &refusal, spi, plan.want, chain.has(payload::SA)),
        }
    }
    session.start(core);
    Ok(Step::Over)
}

fn first_child(
    session: &mut Session,
    core: &mut Core,
    agreed: &child::Agreed,
    spi: Spi,
    nonces: (&[u8], &[u8]),
    want: WantId,
) {
    let Some(sa) = session.established() else { return };
    let keys = sa.keys.child(agreed.terms.suite, &[], nonces);
    let child = child::make(session, core, agreed, spi, keys, true);
    session.add_child(&child);
    core.events.push_back(Event::ChildMade { child, replaces: None, want: Some(want) });
}

/// The IKE SA stands without it. A child that the peer takes for made has to be deleted there.
fn no_child(session: &mut Session, core: &mut Core, refusal: &Refusal, spi: Spi, want: WantId, made: bool) {
    core.refuse(Some(session.id), &session.path, refusal);
    session.tell(core, Fact::Note(refusal.detail.as_str().into()));
    core.release(spi);
    if made {
        session.delete_children(core, &[spi]);
    }
    core.events.push_back(Event::NegotiationFailed { session: session.id, want, silent: false });
}

/// Who answers must be one of the profile's peers.
fn is_admitted(profile: &config::Profile, name: &Name, is_mapped: bool) -> Result<(), Refusal> {
    if is_mapped || profile::admits(profile, name).is_some() {
        return Ok(());
    }
    let detail = format!(
        "the peer is {name}, which profile {} does not match: add a `match identity remote`",
        profile.name
    );
    Err(unauthenticated("identity-not-matched", Blame::Refused, detail))
}
