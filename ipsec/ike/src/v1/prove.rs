//! How both sides prove who they are: with a pre-shared key at once, with signatures step by step while
//! workers compute and the certificate is looked at (RFC 2409 sections 5.1 and 5.4, RFC 4945).
//!
//! A message that carries a signature is accepted once the signature fits: until then it may be forged,
//! and the genuine one may still come.

use std::sync::Arc;

use crypto::job::{Failed, Job, Outcome};
use crypto::sign::{Kind, Scheme};
use pki::{Certificate, Trustpoint};

use super::phase1::{self, Accepted, Auth, Mode, Proved, Secured, Step};
use super::session::Session;
use super::{aggressive, main, trust};
use crate::auth::certificate;
use crate::core::Core;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::record::Fact;
use crate::wire::id::{Id, Name};
use crate::wire::notify::{self, Notify};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::{Malformed, cert};
use crate::{Ask, Path};

/// Certificates of one peer: its own and as many CAs as any hierarchy has.
const MOST_CERTIFICATES: usize = 8;

/// Where the proofs stand.
pub(crate) enum State {
    /// Ours: the signature over our identity.
    Signing { secured: Secured, proved: Option<Proved>, id: Vec<u8>, certificates: Vec<Vec<u8>> },
    /// The peer's: whether its signature fits its certificate.
    Verifying(Claimed),
    /// The peer's: whether its certificate is good.
    Validating(Claimed),
}

/// What a peer claims and has not proved yet.
#[derive(Clone)]
pub(crate) struct Claimed {
    secured: Secured,
    proved: Proved,
    /// As they came, its own first.
    certificates: Vec<Vec<u8>>,
    before: Before,
}

/// Where phase 1 was before the claim.
#[derive(Clone)]
pub(crate) enum Before {
    Secured(Secured),
    Opened(aggressive::initiator::Opened),
}

/// The body of our ID payload, and the payloads that prove it.
pub(crate) struct Proof {
    id: Vec<u8>,
    payloads: Vec<(u8, Vec<u8>)>,
}

impl Proof {
    pub(crate) fn push(&self, chain: &mut Builder) {
        chain.push(payload::ID, &self.id);
        self.push_alone(chain);
    }

    /// Without the identity, which went before.
    pub(crate) fn push_alone(&self, chain: &mut Builder) {
        for (kind, body) in &self.payloads {
            chain.push(*kind, body);
        }
    }
}

impl Before {
    fn state(self, session: &Session) -> phase1::State {
        match self {
            Self::Opened(opened) => aggressive::State::ExpectAnswer(opened).into(),
            Self::Secured(secured) => match (secured.agreed.mode, session.initiator) {
                (Mode::Main, true) => main::State::ExpectProof(secured).into(),
                (Mode::Main, false) => main::State::ExpectClaim(secured).into(),
                (Mode::Aggressive, _) => aggressive::State::ExpectConfirmation(secured).into(),
            },
        }
    }

    /// Back to where phase 1 was: the message was not the peer's.
    pub(crate) fn restore(self, session: &Session, refusal: Refusal) -> Step {
        let step = Step::to(self.state(session));
        Step { accepted: Accepted::NotYet, refusal: Some(refusal), ..step }
    }
}

/// We prove who we are, on `path`. `proved`: the peer has done so.
pub(crate) fn prove(
    session: &Session,
    core: &mut Core,
    secured: Secured,
    proved: Option<Proved>,
    path: &Path,
) -> Result<Step, Refusal> {
    let said = secured.values.said.clone().filter(|_| session.initiator);
    let place = proved.as_ref().map_or(&session.place, |proved| &proved.place);
    let profile = place.profile.as_deref();
    let index = core.index.clone();
    match &secured.agreed.auth {
        Auth::Key(_) => {
            let id = said.unwrap_or_else(|| trust::identify(&index, profile, path, None));
            let hash = secured.hash(session.initiator, &id);
            let payloads = vec![(payload::HASH, hash.expose().to_vec())];
            speak(session, core, secured, proved, &Proof { id, payloads })
        }
        Auth::Signature => {
            let trustpoint = trust::signer(&index, profile, &secured);
            let trustpoint = trustpoint.ok_or_else(|| trust::no_certificate(profile))?;
            let id = said.unwrap_or_else(|| trust::identify(&index, profile, path, Some(&trustpoint)));
            sign(session, core, secured, proved, id, &trustpoint)
        }
    }
}

fn sign(
    session: &Session,
    core: &mut Core,
    secured: Secured,
    proved: Option<Proved>,
    id: Vec<u8>,
    trustpoint: &Trustpoint,
) -> Result<Step, Refusal> {
    let credential = trustpoint.credential.as_ref().ok_or_else(|| trust::no_certificate(None))?;
    core.tell(Fact::chosen(crate::record::Kind::Trustpoint, &trustpoint.name));
    let message = secured.hash(session.initiator, &id).expose().to_vec();
    let job = Job::Sign { key: credential.key.clone(), scheme: scheme(credential.key.kind()), message };
    let certificates = credential.chain.iter().map(|certificate| certificate.der.clone()).collect();
    // The peer's message counts from here on: nothing of it can be forged any more.
    let accepted = proved.as_ref().map_or(Accepted::This, |proved| Accepted::Earlier(proved.digest.clone()));
    let state = State::Signing { secured, proved, id, certificates };
    Ok(Step { accepted, ..Step::to(state.into()).asking(Ask::Compute(job)) })
}

/// Our proof is made: the message that carries it.
fn speak(
    session: &Session,
    core: &mut Core,
    secured: Secured,
    proved: Option<Proved>,
    proof: &Proof,
) -> Result<Step, Refusal> {
    match (secured.agreed.mode, session.initiator, proved) {
        (Mode::Main, true, _) => main::initiator::send_claim(session, core, secured, proof),
        (Mode::Main, false, Some(proved)) => main::responder::answer(session, core, &secured, proved, proof),
        (Mode::Aggressive, true, Some(proved)) => {
            aggressive::initiator::confirm(session, core, secured, proved, proof)
        }
        (Mode::Aggressive, false, _) => Ok(aggressive::responder::answer(session, core, secured, proof)),
        (_, _, None) => Err(Refusal::ignored("answer-out-of-place")),
    }
}

/// The peer proves who it is in the message that came by this path and is decrypted in `chain`.
pub(crate) fn examine(
    session: &Session,
    core: &mut Core,
    secured: Secured,
    chain: &Chain<'_>,
    message: (&Path, &crate::window::Digest),
    before: Before,
) -> Result<Step, Refusal> {
    let said = secured.values.said.clone().filter(|_| !session.initiator);
    let id = said.as_deref().ok_or(()).or_else(|()| chain.first(payload::ID));
    let id = id.map_err(|_| mismatch(session, &secured))?;
    let hash = secured.hash(!session.initiator, id);
    if secured.agreed.auth == Auth::Signature {
        let claimed = claimed(session, core, secured, chain, message, before, id)?;
        return verify(claimed, hash.expose(), chain.first(payload::SIGNATURE)?);
    }
    let proof = chain.first(payload::HASH).map_err(|_| mismatch(session, &secured))?;
    if !crypto::equal(hash.expose(), proof) {
        return Err(mismatch(session, &secured));
    }
    let name = Id::decode(id).map_err(|malformed| Refusal::from(malformed).fatal())?.name;
    core.tell(Fact::Identity { name: name.to_string().into() });
    let place = trust::place(session, core, &secured, &name, None)?;
    let proved = proved(chain, message, name, place, None);
    proceed(session, core, secured, proved)
}

fn proved(
    chain: &Chain<'_>,
    (path, digest): (&Path, &crate::window::Digest),
    name: Name,
    place: crate::policy::Place,
    certificate: Option<Arc<Certificate>>,
) -> Proved {
    let mut notifies = chain.all(payload::NOTIFY).filter_map(|body| Notify::decode(body).ok());
    let initial_contact = notifies.any(|notify| notify.kind == notify::INITIAL_CONTACT);
    Proved { name, place, certificate, initial_contact, path: *path, digest: digest.clone() }
}

/// Certificates and identity of a peer that signs; nothing of it is believed yet.
fn claimed(
    session: &Session,
    core: &mut Core,
    secured: Secured,
    chain: &Chain<'_>,
    message: (&Path, &crate::window::Digest),
    before: Before,
    id: &[u8],
) -> Result<Claimed, Refusal> {
    let name = Id::decode(id)?.name;
    let certificates = chain.all(payload::CERTIFICATE).filter_map(|body| cert::decode(body).ok().flatten());
    let certificates: Vec<Vec<u8>> = certificates.take(MOST_CERTIFICATES).map(<[u8]>::to_vec).collect();
    let own = certificates.first().ok_or_else(no_certificate_sent)?;
    let own = Certificate::from_der(own).map_err(|_| Malformed("bad-certificate"))?;
    core.tell(Fact::Identity { name: name.to_string().into() });
    let place = session.place.clone();
    let proved = proved(chain, message, name, place, Some(Arc::new(own)));
    Ok(Claimed { secured, proved, certificates, before })
}

fn verify(claimed: Claimed, hash: &[u8], signature: &[u8]) -> Result<Step, Refusal> {
    let key = claimed.proved.certificate.as_ref().and_then(|own| own.public_key());
    let proposal = &claimed.secured.agreed.chosen.proposal;
    let key = key.filter(|key| trust::suits(key.kind(), proposal.authentication, proposal.hash));
    let key = key.ok_or_else(|| Refusal::ignored("unsuitable-public-key"))?;
    let (message, signature) = (hash.to_vec(), signature.to_vec());
    let job = Job::Verify { scheme: scheme(key.kind()), key, message, signature };
    let step = Step::to(State::Verifying(claimed).into()).asking(Ask::Compute(job));
    Ok(Step { accepted: Accepted::NotYet, ..step })
}

/// What is signed is a hash already.
const fn scheme(kind: Kind) -> Scheme {
    match kind {
        Kind::Rsa(_) => Scheme::RsaRaw,
        Kind::EcP256 | Kind::EcP384 | Kind::EcP521 | Kind::Ed25519 => Scheme::EcdsaRaw,
    }
}

/// A worker has signed or verified.
pub(crate) fn computed(
    session: &Session,
    core: &mut Core,
    state: &State,
    outcome: Result<Outcome, Failed>,
) -> Result<Step, Refusal> {
    match (state, outcome) {
        (State::Signing { secured, proved, id, certificates }, Ok(Outcome::Signed(signature))) => {
            let certificates = certificates.iter().map(|der| (payload::CERTIFICATE, cert::encode(der)));
            let payloads = certificates.chain([(payload::SIGNATURE, signature)]).collect();
            let proof = Proof { id: id.clone(), payloads };
            speak(session, core, secured.clone(), proved.clone(), &proof)
        }
        (State::Signing { .. }, Err(_)) => {
            let detail = "our private key cannot make this signature: check the trustpoint's key".to_owned();
            Err(Refusal::because(Blame::Local, "cannot-sign", detail).fatal())
        }
        (State::Verifying(claimed), Ok(Outcome::Verified)) => validate(session, core, claimed.clone()),
        (State::Verifying(claimed), Err(_)) => {
            Ok(claimed.before.clone().restore(session, bad_signature(&claimed.proved.name)))
        }
        (State::Signing { .. } | State::Verifying(_) | State::Validating(_), _) => {
            Err(Refusal::ignored("answer-out-of-place"))
        }
    }
}

/// The sender holds the key of its certificate: is that one good, under the trustpoints of its profile?
fn validate(session: &Session, core: &mut Core, mut claimed: Claimed) -> Result<Step, Refusal> {
    let Claimed { secured, proved, certificates, .. } = &mut claimed;
    let own = proved.certificate.clone();
    proved.place = trust::place(session, core, secured, &proved.name, own.as_deref())?;
    let trustpoints = trust::trustpoints(&core.index, proved.place.profile.as_deref());
    let ask = Ask::Validate(pki::Request { chain: certificates.clone(), trustpoints });
    let step = Step::to(State::Validating(claimed).into()).asking(ask);
    Ok(Step { accepted: Accepted::NotYet, ..step })
}

/// The verdict on the peer's certificate.
pub(crate) fn validated(
    session: &Session,
    core: &mut Core,
    state: &State,
    verdict: Result<pki::Validated, pki::Refusal>,
) -> Result<Step, Refusal> {
    let State::Validating(claimed) = state else { return Err(Refusal::ignored("answer-out-of-place")) };
    let Claimed { secured, mut proved, .. } = claimed.clone();
    let good = verdict.map_err(|refused| refused_certificate(&proved, &refused))?;
    core.tell(Fact::chosen(crate::record::Kind::Trustpoint, &good.trustpoint));
    let is_named = certificate::proves(&good.certificate, &proved.name);
    is_named.map_err(|refusal| refusal.telling(notify::AUTHENTICATION_FAILED).fatal())?;
    proved.certificate = Some(Arc::new(good.certificate));
    proceed(session, core, secured, proved)
}

/// The peer is who it says: our own proof is next, or phase 1 is complete.
fn proceed(session: &Session, core: &mut Core, secured: Secured, proved: Proved) -> Result<Step, Refusal> {
    match (secured.agreed.mode, session.initiator) {
        (Mode::Main, true) => Ok(main::initiator::complete(core, &secured, proved)),
        (Mode::Main, false) => {
            let path = proved.path;
            prove(session, core, secured, Some(proved), &path)
        }
        (Mode::Aggressive, true) => aggressive::initiator::accept(session, core, secured, proved),
        (Mode::Aggressive, false) => Ok(aggressive::responder::complete(core, &secured, proved)),
    }
}

/// The CAs under which a certificate of the peer would be good: bodies of our requests.
pub(crate) fn our_requests(session: &Session, core: &Core, auth: &Auth) -> Vec<Vec<u8>> {
    if *auth != Auth::Signature {
        return Vec::new();
    }
    let profile = session.place.profile.as_deref();
    let trustpoints = trust::trustpoints(&core.index, profile);
    let anchors = trustpoints.iter().flat_map(|trustpoint| &trustpoint.anchors);
    anchors.map(|anchor| cert::encode(&anchor.subject.der)).collect()
}

/// The message was not made with our key, or with the keys that we agreed on.
pub(crate) fn mismatch(session: &Session, secured: &Secured) -> Refusal {
    let remote = session.path.remote.ip();
    match &secured.agreed.auth {
        Auth::Key(key) => {
            let detail = format!(
                "the proof of {remote} is not made with our key for it (keyring {}): the pre-shared keys differ; \
                 set the same one on both sides",
                key.ring
            );
            Refusal::because(Blame::PeerIncompatible, "pre-shared-key-mismatch", detail)
        }
        Auth::Signature => Refusal::ignored("undecipherable-claim"),
    }
}

fn bad_signature(name: &Name) -> Refusal {
    let detail = format!(
        "the signature of {name} does not fit the certificate that came with it: the peer signs with another key"
    );
    Refusal::because(Blame::PeerMisbehaved, "bad-signature", detail)
}

fn no_certificate_sent() -> Refusal {
    let detail = "the peer signs but sends no certificate: let it send one (`send certificate always`)";
    Refusal::because(Blame::PeerIncompatible, "no-certificate-sent", detail.to_owned())
}

fn refused_certificate(proved: &Proved, refused: &pki::Refusal) -> Refusal {
    let detail = format!("the certificate of {} is not accepted: {}", proved.name, refused.detail);
    Refusal::because(Blame::Refused, refused.what, detail).telling(notify::INVALID_CERTIFICATE).fatal()
}

/// IOS has no word of its own for signatures.
pub(crate) const fn word(state: &State) -> &'static str {
    let (State::Signing { secured, .. }
    | State::Verifying(Claimed { secured, .. })
    | State::Validating(Claimed { secured, .. })) = state;
    match secured.agreed.mode {
        Mode::Main => "MM_KEY_EXCH",
        Mode::Aggressive => "AG_INIT_EXCH",
    }
}

impl From<State> for phase1::State {
    fn from(state: State) -> Self {
        Self::Proving(Box::new(state))
    }
}
