//! The initiator's side of IKE_AUTH.

use base::Spi;
use crypto::job::{Failed, Job, Outcome};
use crypto::sign::Scheme;

use super::proof::{self, Means, Signer};
use super::{Proven, certificate, establish, own_name, push, push_abilities, unauthenticated};
use crate::auth::certificate::proves;
use crate::config::v2::{self as config, Ppk};
use crate::core::{Asker, Core, Event, WantId};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::record::{Fact, Kind};
use crate::v2::keys::Keys;
use crate::v2::proposal::Keying;
use crate::v2::sealed::Clear;
use crate::v2::session::{Exchange, Session, Waiting};
use crate::v2::state::{Secured, Step};
use crate::v2::wire::auth::{Auth, method};
use crate::v2::wire::header::exchange;
use crate::v2::wire::notify::{self, Notify};
use crate::v2::wire::payload::{self, Builder, Chain};
use crate::v2::wire::sa::Sa;
use crate::v2::wire::{cert, id};
use crate::v2::{child, ppk, profile};
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
    Verification(Box<Response>, Vec<Scheme>),
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
    verified: Option<crypto::sign::PublicKey>,
}

/// The key exchanges are done.
pub(crate) fn begin(session: &mut Session, core: &mut Core) -> Result<Step, Refusal> {
    let config = core.config.clone();
    let profile = session.profile(&config).ok_or_else(reconfigured)?.clone();
    let secured = session.secured().ok_or_else(reconfigured)?;
    let ppk = ppk::for_initiator(&config, session).cloned();
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
    let peer = profile::peer_of_address(&core.config, profile, address);
    if let Some(peer) = peer {
        session.tell(core, Fact::chosen(Kind::Key, &peer.name));
    }
    let key = profile::own_key(profile, peer).ok_or_else(|| {
        let ring = profile.keyring.as_deref().unwrap_or("(none)");
        let detail = format!(
            "no local pre-shared key for {address} in keyring {ring} of profile {}: add a peer with that address",
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
        (Waits::Verification(response, schemes), Answer::Computed(result)) => {
            verified(session, core, claiming, response, schemes, result)
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
    let response = Response { clear, id, name, auth, keys, ppk, verified: None };
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
    let peer = profile::peer_of_name(&core.config, profile, name, session.path.remote.ip());
    if !profile::takes_keys(profile) {
        let detail = format!("{name} proves itself with a pre-shared key, which profile {} does not take", profile.name);
        return Err(unauthenticated("authentication-not-allowed", Blame::Refused, detail));
    }
    let key = profile::peer_key(profile, peer).ok_or_else(|| {
        let detail = format!("no remote pre-shared key for {name} in the keyring of profile {}", profile.name);
        unauthenticated("no-pre-shared-key", Blame::Refused, detail)
    })?;
    let expected = proof::by_secret(response.keys.prf, &key, &peer_octets(session, &response)?);
    if !crypto::equal(&expected.data, &response.auth.data) {
        let detail = format!("AUTH of {name} is not made with the remote key that we have for it: the pre-shared keys differ");
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
    mut response: Box<Response>,
    result: Result<pki::Validated, pki::Refusal>,
) -> Result<Step, Refusal> {
    let pki::Validated { certificate, trustpoint } = result.map_err(|refusal| bad_certificate(&refusal))?;
    session.tell(core, Fact::chosen(Kind::Trustpoint, &trustpoint));
    let (profile, name) = (&claiming.profile, &response.name);
    let is_mapped = certificate::is_mapped(&core.config, profile, &certificate);
    is_admitted(profile, name, is_mapped)?;
    if !is_mapped
        && let Err(refusal) = proves(&certificate, name) {
        return Err(refusal.telling(notify::AUTHENTICATION_FAILED));
    }
    let key = certificate.public_key().ok_or_else(bad_key)?;
    if !profile.remote_authentication.iter().any(|one| proof::suits(one, key.kind())) {
        return Err(wrong_kind(profile, name, key.kind()));
    }
    let (schemes, _) = proof::schemes(&response.auth)?;
    response.verified = Some(key);
    verify_next(session, core, claiming, response, schemes)
}

fn verify_next(
    session: &Session,
    core: &mut Core,
    claiming: Box<Claiming>,
    response: Box<Response>,
    mut schemes: Vec<Scheme>,
) -> Result<Step, Refusal> {
    let key = response.verified.clone().ok_or_else(bad_key)?;
    let (_, signature) = proof::schemes(&response.auth)?;
    if schemes.is_empty() {
        return Err(bad_signature(&response.name));
    }
    let (scheme, message) = (schemes.remove(0), peer_octets(session, &response)?);
    let job = Job::Verify { key, scheme, message, signature };
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job));
    Ok(waiting(claiming, Waits::Verification(response, schemes)))
}

fn verified(
    session: &mut Session,
    core: &mut Core,
    claiming: Box<Claiming>,
    response: Box<Response>,
    schemes: Vec<Scheme>,
    result: Result<Outcome, Failed>,
) -> Result<Step, Refusal> {
    match result {
        Ok(Outcome::Verified) => {
            let word = response.verified.as_ref().map_or("", |key| proof::word(key.kind()));
            conclude(session, core, &claiming, *response, word)
        }
        Ok(Outcome::Exchanged(_) | Outcome::Signed(_)) | Err(_) => {
            verify_next(session, core, claiming, response, schemes)
        }
    }
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
    let proven = Proven { profile, identity: name, authentication, keys, ppk, mobike };
    establish(session, core, secured, proven);
    if chain.notified(notify::INITIAL_CONTACT) {
        core.events.push_back(Event::InitialContact(session.id));
    }
    core.events.push_back(Event::Established(session.id));
    if let Some((plan, spi)) = opening.plan.zip(opening.spi) {
        let made = claiming.offer.as_ref().ok_or_else(reconfigured).and_then(|offer| {
            child::accepted(&plan.entry, &plan.selector, offer, &chain)
        });
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
fn no_child(
    session: &mut Session,
    core: &mut Core,
    refusal: &Refusal,
    spi: Spi,
    want: WantId,
    made: bool,
) {
    core.refuse(Some(session.id), &session.path, refusal);
    session.tell(core, Fact::Note(refusal.detail.as_str().into()));
    core.release(spi);
    if made {
        session.delete_children(core, &[spi]);
    }
    core.events.push_back(Event::NegotiationFailed { session: session.id, want, silent: false });
}

/// The peer refuses IKE_AUTH.
pub(crate) fn refused(session: &mut Session, said: &Notify) -> Refusal {
    let (peer, name) = (session.path.remote.ip(), notify::name(said.kind));
    let advice = match said.kind {
        notify::AUTHENTICATION_FAILED => {
            "it does not know our identity, or our key or certificate is not what it expects; its log says which"
        }
        notify::INVALID_SYNTAX => "it does not understand our message",
        notify::NO_PROPOSAL_CHOSEN | notify::TS_UNACCEPTABLE => "it wants no IKE SA without this child",
        notify::FAILED_CP_REQUIRED | notify::INTERNAL_ADDRESS_FAILURE => {
            "it wants to hand out an address, which we do not ask for"
        }
        notify::SINGLE_PAIR_REQUIRED => "it wants one pair of addresses for each child",
        _ => "its log says why",
    };
    let what = if said.kind == notify::AUTHENTICATION_FAILED { "authentication-failed" } else { "auth-refused" };
    Refusal::because(Blame::PeerIncompatible, what, format!("{peer} refuses IKE_AUTH: {name}: {advice}"))
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

pub(super) fn bad_certificate(refusal: &pki::Refusal) -> Refusal {
    unauthenticated(refusal.what, Blame::PeerIncompatible, refusal.detail.clone())
}

pub(super) fn wrong_kind(profile: &config::Profile, name: &Name, kind: crypto::sign::Kind) -> Refusal {
    let detail = format!(
        "{name} signs with {kind}, which profile {} does not take: see `authentication remote`",
        profile.name
    );
    unauthenticated("authentication-not-allowed", Blame::Refused, detail)
}

pub(super) fn bad_key() -> Refusal {
    let detail = "the key in the peer's certificate is of a kind or length that we do not verify with";
    unauthenticated("unsuitable-key", Blame::PeerIncompatible, detail.to_owned())
}

pub(super) fn bad_signature(name: &Name) -> Refusal {
    let detail = format!("the signature of {name} is not made with the key of its certificate");
    unauthenticated("bad-signature", Blame::PeerMisbehaved, detail)
}

pub(super) fn cannot_sign() -> Refusal {
    let detail = "our key does not sign as the peer needs it".to_owned();
    unauthenticated("cannot-sign", Blame::Local, detail)
}

pub(super) fn no_spi() -> Refusal {
    Refusal::because(Blame::Local, "no-spi-left", "every inbound SPI is taken".to_owned())
}

fn no_proof() -> Refusal {
    let detail = "the response has no IDr or no AUTH".to_owned();
    Refusal::because(Blame::PeerMisbehaved, "no-authentication", detail)
}

fn no_ppk(ppk: &Ppk) -> Refusal {
    let detail = format!(
        "the peer does not have the post-quantum key {}, which is required",
        ppk.id.escape_ascii()
    );
    Refusal::because(Blame::PeerIncompatible, "ppk-required", detail)
}

pub(super) fn reconfigured() -> Refusal {
    Refusal::because(Blame::Local, "reconfigured", "the profile is gone".to_owned())
}
