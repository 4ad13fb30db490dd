//! The responder's side of IKE_AUTH: who the peer is settles its profile and inside VRF.

use base::Secret;
use crypto::job::{Job, Outcome};

use super::proof::{self, Means, Signer, Verification};
use super::refusal::{self, cannot_sign, childless, malformed, no_profile, no_spi, reconfigured, wants_eap};
use super::{Proven, certificate, establish, own_name, push, push_abilities, unauthenticated};
use crate::config::v2::{self as config, Authentication, Ppk};
use crate::core::{Asker, Core, Event};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::policy::Place;
use crate::record::{Fact, Kind};
use crate::v2::child::{self, Judged};
use crate::v2::keys::Keys;
use crate::v2::sealed::Clear;
use crate::v2::session::{Exchange, Session, Waiting};
use crate::v2::state::Step;
use crate::v2::wire::auth::{Auth, method};
use crate::v2::wire::header::exchange;
use crate::v2::wire::notify::{self, INVALID_SYNTAX, NO_ADDITIONAL_SAS, Notify};
use crate::v2::wire::payload::{self, Builder, Chain};
use crate::v2::wire::{cert, id};
use crate::v2::{keyring, ppk, profile, sa_init};
use crate::wire::id::Name;
use crate::{Answer, Ask};

/// How the responder gets through IKE_AUTH.
pub(crate) struct Judging {
    message_id: u32,
    clear: Clear,
    /// The body of IDi.
    id: Vec<u8>,
    name: Name,
    auth: Auth,
    profile: Option<config::Profile>,
    /// With the post-quantum key in them if the peer used it.
    keys: Keys,
    ppk: Option<Ppk>,
    /// How the peer proved itself.
    word: &'static str,
    means: Option<Means>,
    /// The first child, or why there is none.
    child: Option<Result<Judged, u16>>,
    waits: Waits,
}

/// For what.
enum Waits {
    Nothing,
    Validation,
    Verification(Verification),
    Spi,
    Signature,
}

impl Judging {
    pub(crate) const fn message_id(&self) -> u32 {
        self.message_id
    }
}

/// The request.
pub(crate) fn receive(
    session: &mut Session,
    core: &mut Core,
    clear: Clear,
    request: &Exchange<'_>,
) -> Result<Step, Refusal> {
    let chain = &request.chain;
    let body = chain.first(payload::ID_INITIATOR).map_err(|_| malformed("it has no IDi"))?;
    let name = id::decode(body).map_err(|_| malformed("its IDi is malformed"))?;
    session.tell(core, Fact::Identity { name: name.to_string().into() });
    let auth = chain.find(payload::AUTHENTICATION).ok_or_else(|| wants_eap(&name))?;
    let judging = Judging {
        message_id: request.message_id,
        id: body.to_vec(),
        auth: Auth::decode(auth).map_err(|_| malformed("its AUTH is malformed"))?,
        name,
        profile: None,
        keys: session.secured().ok_or_else(reconfigured)?.keys.clone(),
        ppk: None,
        word: "PSK",
        means: None,
        child: None,
        waits: Waits::Nothing,
        clear,
    };
    if let Some(secured) = session.secured_mut() {
        secured.authorities = sa_init::authorities(chain);
    }
    if judging.auth.method == method::SHARED_KEY {
        return by_secret(session, core, judging, chain);
    }
    let validation = validation(session, core, chain)?;
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Validate(validation));
    Ok(waiting(judging, Waits::Validation))
}

fn waiting(judging: Judging, waits: Waits) -> Step {
    Step::Judging(Box::new(Judging { waits, ..judging }))
}

/// What was asked has been answered.
pub(crate) fn answered(
    session: &mut Session,
    core: &mut Core,
    mut judging: Box<Judging>,
    answer: Answer,
) -> Result<Step, Refusal> {
    match (std::mem::replace(&mut judging.waits, Waits::Nothing), answer) {
        (Waits::Validation, Answer::Validated(result)) => validated(session, core, *judging, result),
        (Waits::Verification(_), Answer::Computed(Ok(Outcome::Verified))) => welcome(session, core, *judging),
        (Waits::Verification(verification), Answer::Computed(_)) => {
            verify(session, core, *judging, verification)
        }
        (Waits::Spi, Answer::Spi(Some(spi))) => {
            session.hold_spi(spi);
            prove(session, core, *judging)
        }
        (Waits::Spi, Answer::Spi(None)) => {
            core.refuse(Some(session.id), &session.path, &no_spi());
            judging.child = Some(Err(NO_ADDITIONAL_SAS));
            prove(session, core, *judging)
        }
        (Waits::Signature, Answer::Computed(Ok(Outcome::Signed(signature)))) => {
            let auth = judging.means.as_ref().and_then(Means::signer).and_then(|one| one.auth(signature));
            conclude(session, core, *judging, auth.ok_or_else(cannot_sign)?)
        }
        (Waits::Signature, _) => Err(cannot_sign()),
        (waits, _) => Ok(waiting(*judging, waits)),
    }
}

fn by_secret(
    session: &mut Session,
    core: &mut Core,
    mut judging: Judging,
    chain: &Chain<'_>,
) -> Result<Step, Refusal> {
    let config = core.config.clone();
    let mut story = Vec::new();
    let chosen = profile::choose(&config, &session.path, &judging.name, |_| false, &mut story);
    story.into_iter().for_each(|fact| session.tell(core, fact));
    let (profile, name) = (chosen.ok_or_else(|| no_profile(&judging.name))?, &judging.name);
    if !profile::takes_keys(profile) {
        let detail = format!(
            "{name} proves itself with a pre-shared key, which profile {} does not take: see `authentication \
             remote`",
            profile.name
        );
        return Err(unauthenticated("authentication-not-allowed", Blame::Refused, detail));
    }
    let key = key(session, core, profile, name)?;
    judging.profile = Some(profile.clone());
    let (keys, ppk, auth) = keys(session, core, &judging, chain)?;
    let octets = octets(session, &judging, &keys)?;
    if !crypto::equal(&proof::by_secret(keys.prf, &key, &octets).data, &auth.data) {
        let detail = format!(
            "AUTH of {name} is not made with the remote key that profile {} has for it: the pre-shared keys differ",
            profile.name
        );
        return Err(unauthenticated("pre-shared-key-mismatch", Blame::PeerIncompatible, detail));
    }
    (judging.keys, judging.ppk) = (keys, ppk);
    welcome(session, core, judging)
}

fn key(
    session: &mut Session,
    core: &Core,
    profile: &config::Profile,
    name: &Name,
) -> Result<Secret, Refusal> {
    let address = session.path.remote.ip();
    let peer = keyring::peer_of_name(&core.index, profile, name, &session.path);
    if let Some(peer) = peer {
        session.tell(core, Fact::chosen(Kind::Key, &peer.name));
    }
    profile::peer_key(profile, peer).ok_or_else(|| {
        let ring = profile.keyring.as_deref().unwrap_or("(none)");
        let detail = format!(
            "no remote pre-shared key for {name} at {address} in keyring {ring} of profile {}: add a peer with that \
             identity or address",
            profile.name
        );
        unauthenticated("no-pre-shared-key", Blame::Refused, detail)
    })
}

/// The keys that the peer proves itself with: with the post-quantum key that it names if we have that; and
/// what proves it: if we do not, NO_PPK_AUTH.
fn keys(
    session: &Session,
    core: &Core,
    judging: &Judging,
    chain: &Chain<'_>,
) -> Result<(Keys, Option<Ppk>, Auth), Refusal> {
    let peer = judging.profile.as_ref();
    let peer =
        peer.and_then(|profile| keyring::peer_of_name(&core.index, profile, &judging.name, &session.path));
    let ours = peer.and_then(|peer| peer.ppk.as_ref());
    let named = chain.notify(notify::PPK_IDENTITY);
    let mut keys = judging.keys.clone();
    if let Some(ppk) = ours.filter(|ppk| named.as_ref().is_some_and(|said| ppk::is_named(ppk, said))) {
        keys.mix(&ppk.key);
        return Ok((keys, Some(ppk.clone()), judging.auth.clone()));
    }
    if let Some(ppk) = ours.filter(|ppk| ppk.required) {
        let detail = format!(
            "{} does not use the post-quantum key {}, which is required",
            judging.name,
            ppk.id.escape_ascii()
        );
        return Err(unauthenticated("ppk-required", Blame::PeerIncompatible, detail));
    }
    if named.is_none() {
        return Ok((keys, None, judging.auth.clone()));
    }
    let without = chain.notify(notify::NO_PPK_AUTH).ok_or_else(|| {
        let detail = format!("{} insists on a post-quantum key that we do not have for it", judging.name);
        unauthenticated("unknown-ppk", Blame::Refused, detail)
    })?;
    Ok((keys, None, Auth { data: without.data, ..judging.auth.clone() }))
}

fn octets(session: &Session, judging: &Judging, keys: &Keys) -> Result<Vec<u8>, Refusal> {
    let secured = session.secured().ok_or_else(reconfigured)?;
    Ok(proof::octets(secured, keys, true, &judging.id, judging.message_id))
}

/// Under which trustpoints the peer's certificate may be good: those of every profile that it might get.
fn validation(session: &Session, core: &Core, chain: &Chain<'_>) -> Result<pki::Request, Refusal> {
    let chain = certificate::chain_of(chain);
    if chain.is_empty() {
        let detail = format!("{} signs and sends no certificate", session.path.remote.ip());
        return Err(unauthenticated("no-peer-certificate", Blame::PeerIncompatible, detail));
    }
    let mut trustpoints = Vec::new();
    let profiles = sa_init::profiles(&core.config, &session.path);
    for profile in profiles.filter(|profile| certificate::takes_certificates(profile)) {
        for trustpoint in certificate::trustpoints(&core.config, &profile.verify) {
            if !trustpoints.contains(trustpoint) {
                trustpoints.push(trustpoint.clone());
            }
        }
    }
    Ok(pki::Request { chain, trustpoints })
}

fn validated(
    session: &mut Session,
    core: &mut Core,
    mut judging: Judging,
    result: Result<pki::Validated, pki::Refusal>,
) -> Result<Step, Refusal> {
    let pki::Validated { certificate, trustpoint } = result.map_err(|why| refusal::bad_certificate(&why))?;
    session.tell(core, Fact::chosen(Kind::Trustpoint, &trustpoint));
    let (config, name) = (core.config.clone(), &judging.name);
    let is_mapped = |profile: &config::Profile| certificate::is_mapped(&config, profile, &certificate);
    let mut story = Vec::new();
    let chosen = profile::choose(&config, &session.path, name, is_mapped, &mut story);
    story.into_iter().for_each(|fact| session.tell(core, fact));
    let profile = chosen.ok_or_else(|| no_profile(name))?;
    if !profile.verify.is_empty() && !profile.verify.contains(&trustpoint) {
        let detail = format!(
            "the certificate of {name} is good under trustpoint {trustpoint}, which profile {} does not name",
            profile.name
        );
        return Err(unauthenticated("wrong-trustpoint", Blame::Refused, detail));
    }
    let key = certificate::key_of(profile, &certificate, name, is_mapped(profile))?;
    judging.profile = Some(profile.clone());
    judging.word = proof::word(key.kind());
    let chain = judging.clear.chain()?;
    let (keys, ppk, auth) = keys(session, core, &judging, &chain)?;
    let verification = Verification::new(key, &auth, octets(session, &judging, &keys)?)?;
    (judging.keys, judging.ppk) = (keys, ppk);
    verify(session, core, judging, verification)
}

fn verify(
    session: &Session,
    core: &mut Core,
    judging: Judging,
    mut verification: Verification,
) -> Result<Step, Refusal> {
    let job = verification.next().ok_or_else(|| refusal::bad_signature(&judging.name))?;
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job));
    Ok(waiting(judging, Waits::Verification(verification)))
}

/// The peer is who it says. Its profile settles the inside VRF, and that what its first child may be.
fn welcome(session: &mut Session, core: &mut Core, mut judging: Judging) -> Result<Step, Refusal> {
    let profile = judging.profile.as_ref().ok_or_else(reconfigured)?;
    let inside = profile.inside.unwrap_or(session.path.front);
    session.place = Place { profile: Some(profile.name.clone()), inside };
    judging.means = Some(means(session, core, &judging, profile)?);
    let chain = judging.clear.chain()?;
    if !chain.has(payload::SA) {
        if !profile.childless {
            return Err(childless(profile));
        }
        return prove(session, core, judging);
    }
    match child::judge(session, core, &chain, true, &[]) {
        Ok(judged) => {
            judging.child = Some(Ok(judged));
            let random = core.drbg.u32();
            core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Spi { random });
            Ok(waiting(judging, Waits::Spi))
        }
        Err(refusal) => {
            core.refuse(Some(session.id), &session.path, &refusal);
            session.tell(core, Fact::Note(format!("no child: {}", refusal.detail).into()));
            judging.child = Some(Err(refusal.notify.unwrap_or(INVALID_SYNTAX)));
            prove(session, core, judging)
        }
    }
}

fn means(
    session: &mut Session,
    core: &Core,
    judging: &Judging,
    profile: &config::Profile,
) -> Result<Means, Refusal> {
    if !matches!(profile.local_authentication, Authentication::PreShared(_)) {
        let secured = session.secured().ok_or_else(reconfigured)?;
        return Signer::of(&core.config, profile, secured).map(Means::Signature);
    }
    let peer = keyring::peer_of_name(&core.index, profile, &judging.name, &session.path);
    let key = profile::own_key(profile, peer).ok_or_else(|| {
        let detail = format!(
            "no local pre-shared key for {} in the keyring of profile {}",
            judging.name, profile.name
        );
        unauthenticated("no-pre-shared-key", Blame::Refused, detail)
    })?;
    Ok(Means::Shared(key))
}

/// Our own AUTH, by a key at once, by a signature when it is made.
fn prove(session: &mut Session, core: &mut Core, judging: Judging) -> Result<Step, Refusal> {
    let secured = session.secured().ok_or_else(reconfigured)?;
    let id = id::encode(&own_id(session, core, &judging)?);
    let octets = proof::octets(secured, &judging.keys, false, &id, judging.message_id);
    match judging.means.as_ref().ok_or_else(reconfigured)? {
        Means::Shared(key) => {
            let auth = proof::by_secret(judging.keys.prf, key, &octets);
            conclude(session, core, judging, auth)
        }
        Means::Signature(signer) => {
            let job = Job::Sign { key: signer.key.clone(), scheme: signer.scheme, message: octets };
            core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job));
            Ok(waiting(judging, Waits::Signature))
        }
    }
}

fn own_id(session: &Session, core: &Core, judging: &Judging) -> Result<Name, Refusal> {
    let profile = judging.profile.as_ref().ok_or_else(reconfigured)?;
    let signer = judging.means.as_ref().and_then(Means::signer);
    Ok(own_name(&core.config, profile, session.path.local.ip(), signer))
}

/// The response: the IKE SA is established.
fn conclude(session: &mut Session, core: &mut Core, judging: Judging, auth: Auth) -> Result<Step, Refusal> {
    let request = judging.clear.chain()?;
    let name = own_id(session, core, &judging)?;
    let profile = judging.profile.as_ref().ok_or_else(reconfigured)?;
    let mobike = profile.mobike && request.notified(notify::MOBIKE_SUPPORTED);
    let chain = response(session, core, &judging, &auth, &name, mobike);
    session.send_response(core, exchange::AUTH, judging.message_id, &chain);
    let opening = session.take_opening().ok_or_else(reconfigured)?;
    let secured = opening.secured.ok_or_else(reconfigured)?;
    let nonces = secured.nonces.clone();
    let ours = judging.means.as_ref().map_or("", Means::word);
    let ppk = judging.ppk.is_some();
    let (identity, authentication, keys) = (judging.name.clone(), (ours, judging.word), judging.keys.clone());
    let proven = Proven { profile, identity, own: name, authentication, keys, ppk, mobike };
    establish(session, core, secured, proven);
    if request.notified(notify::INITIAL_CONTACT) {
        core.events.push_back(Event::InitialContact(session.id));
    }
    core.events.push_back(Event::Established(session.id));
    if let Some((Ok(judged), spi)) = judging.child.zip(opening.spi)
        && let Some(sa) = session.established()
    {
        let keys = sa.keys.child(judged.agreed.terms.suite, &[], (&nonces.0, &nonces.1));
        let child = child::make(session, core, &judged.agreed, spi, keys, false);
        session.add_child(&child);
        core.events.push_back(Event::ChildMade { child, replaces: None, want: None });
    }
    Ok(Step::Over)
}

fn response(
    session: &Session,
    core: &Core,
    judging: &Judging,
    auth: &Auth,
    name: &Name,
    mobike: bool,
) -> Builder {
    let mut chain = Builder::default();
    chain.push(payload::ID_RESPONDER, &id::encode(name));
    let signer = judging.means.as_ref().and_then(Means::signer);
    for der in signer.into_iter().flat_map(|signer| &signer.chain) {
        chain.push(payload::CERTIFICATE, &cert::Certificate::x509(der.clone()).encode());
    }
    chain.push(payload::AUTHENTICATION, &auth.encode());
    if session.first_contact {
        push(&mut chain, notify::INITIAL_CONTACT, Vec::new());
    }
    match (&judging.child, session.held_spi()) {
        (Some(Ok(judged)), Some(spi)) => child::answer(&mut chain, judged, spi),
        (Some(Err(kind)), _) => drop(chain.push(payload::NOTIFY, &Notify::new(*kind, Vec::new()).encode())),
        (Some(Ok(_)) | None, _) => {}
    }
    if judging.ppk.is_some() {
        push(&mut chain, notify::PPK_IDENTITY, Vec::new());
    }
    push_abilities(&mut chain, &core.config, mobike);
    chain
}
