//! The online certificate status protocol (RFC 6960, RFC 9654): one certificate a question, basic responses.

use crypto::prf::Hash;
use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, ObjectIdentifier, OctetString, OctetStringRef};
use der::{Encode as _, Enumerated, Sequence, Tag};

use crate::asn1::{self, Algorithm, Extension, Signed};
use crate::certificate::Certificate;
use crate::path::signed_by;
use crate::revocation::{Revoked, SKEW, Silent};
use crate::{Malformed, Utc, signature};

/// Which certificate is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertId {
    issuer_name: Vec<u8>,
    issuer_key: Vec<u8>,
    serial: Vec<u8>,
}

/// A successful response, read. Whether it may be believed is checked when it is used.
pub struct Response {
    der: Vec<u8>,
    answers: Vec<Answer>,
    /// Certificates that came with it.
    certificates: Vec<Certificate>,
}

struct Answer {
    id: CertId,
    status: Status,
    this_update: u64,
    next_update: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Good,
    Revoked(Revoked),
    Unknown,
}

#[derive(Sequence)]
struct Spki<'a> {
    algorithm: Algorithm<'a>,
    key: BitStringRef<'a>,
}

#[derive(Sequence)]
struct Id<'a> {
    hash: Algorithm<'a>,
    issuer_name: &'a OctetStringRef,
    issuer_key: &'a OctetStringRef,
    serial: AnyRef<'a>,
}

#[derive(Sequence)]
struct Question<'a> {
    id: Id<'a>,
}

#[derive(Sequence)]
struct Questions<'a> {
    list: Vec<Question<'a>>,
    #[asn1(context_specific = "2", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
struct Request<'a> {
    questions: Questions<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
enum Outcome {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SignatureRequired = 5,
    Unauthorized = 6,
}

#[derive(Sequence)]
struct Whole<'a> {
    outcome: Outcome,
    #[asn1(context_specific = "0", optional = "true")]
    body: Option<Body<'a>>,
}

#[derive(Sequence)]
struct Body<'a> {
    kind: ObjectIdentifier,
    response: &'a OctetStringRef,
}

#[derive(Sequence)]
struct Basic<'a> {
    tbs: AnyRef<'a>,
    algorithm: Algorithm<'a>,
    signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", optional = "true")]
    certificates: Option<Vec<AnyRef<'a>>>,
}

#[derive(Sequence)]
struct Data<'a> {
    #[asn1(context_specific = "0", optional = "true")]
    version: Option<u8>,
    responder: AnyRef<'a>,
    produced: GeneralizedTime,
    answers: Vec<Single<'a>>,
    #[asn1(context_specific = "1", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
struct Single<'a> {
    id: Id<'a>,
    status: AnyRef<'a>,
    this_update: GeneralizedTime,
    #[asn1(context_specific = "0", optional = "true")]
    next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

const fn oid(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(dotted)
}

const SHA1: ObjectIdentifier = oid("1.3.14.3.2.26");
const BASIC: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.1");
const NONCE: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.2");

/// How long an answer holds that does not say so itself, in seconds.
const FRESH: u64 = 300;
/// Certificates of one response that may be the responder's.
const RESPONDERS: usize = 4;

const WHAT: &str = "an OCSP response that we can use";

impl CertId {
    pub(crate) fn new(certificate: &Certificate, issuer: &Certificate) -> Result<Self, Malformed> {
        let spki: Spki<'_> = asn1::decode("a public key", &issuer.spki)?;
        Ok(Self {
            issuer_name: Hash::Sha1.digest(&[&certificate.issuer.der]),
            issuer_key: Hash::Sha1.digest(&[spki.key.raw_bytes()]),
            serial: certificate.serial.clone(),
        })
    }

    fn read(id: &Id<'_>) -> der::Result<Option<Self>> {
        let serial = asn1::serial(id.serial)?;
        // We ask with SHA-1, and an answer repeats the question.
        Ok((id.hash.oid == SHA1).then(|| Self {
            issuer_name: id.issuer_name.as_bytes().to_vec(),
            issuer_key: id.issuer_key.as_bytes().to_vec(),
            serial,
        }))
    }
}

/// The question in DER, as it is posted to a responder. The nonce is 1 to 32 random bytes; empty: none, so that a
/// responder may answer from its cache.
pub fn request(id: &CertId, nonce: &[u8]) -> Vec<u8> {
    encode(id, nonce).unwrap_or_default()
}

fn encode(id: &CertId, nonce: &[u8]) -> der::Result<Vec<u8>> {
    // A sign byte keeps a large serial number positive.
    let sign: &[u8] = if id.serial.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    let serial = [sign, &id.serial].concat();
    let nonce = OctetString::new(nonce)?.to_der()?;
    let carried = Extension { id: NONCE, critical: false, value: OctetStringRef::new(&nonce)? };
    let id = Id {
        hash: Algorithm { oid: SHA1, parameters: Some(AnyRef::NULL) },
        issuer_name: OctetStringRef::new(&id.issuer_name)?,
        issuer_key: OctetStringRef::new(&id.issuer_key)?,
        serial: AnyRef::new(Tag::Integer, &serial)?,
    };
    let extensions = (nonce.len() > 2).then(|| vec![carried]);
    Request { questions: Questions { list: vec![Question { id }], extensions } }.to_der()
}

impl Response {
    /// Total; the work is bounded by the length. Refuses a response to another nonce than `nonce`; responders that
    /// answer from a cache send none.
    pub fn read(der: &[u8], nonce: &[u8]) -> Result<Self, Malformed> {
        let whole: Whole<'_> = asn1::decode(WHAT, der)?;
        let body = match (whole.outcome, whole.body) {
            (Outcome::Successful, Some(body)) if body.kind == BASIC => body.response.as_bytes(),
            (Outcome::Successful, _) => return Err(Malformed::new(WHAT, "it is not a basic one")),
            (outcome, _) => {
                return Err(Malformed::new(WHAT, format!("the responder says {}", outcome.text())));
            }
        };
        let basic: Basic<'_> = asn1::decode(WHAT, body)?;
        let data: Data<'_> = basic.tbs.decode_as().map_err(malformed)?;
        answers_nonce(&data, nonce)?;
        let answers =
            data.answers.iter().map(Answer::read).collect::<der::Result<Vec<_>>>().map_err(malformed)?;
        let certificates = basic.certificates.unwrap_or_default().into_iter().take(RESPONDERS);
        Ok(Self {
            der: body.to_vec(),
            answers: answers.into_iter().flatten().collect(),
            certificates: certificates
                .filter_map(|one| Certificate::from_der(&asn1::bytes(one)).ok())
                .collect(),
        })
    }

    /// Until when it may be kept, in seconds since 1970.
    pub fn until(&self) -> u64 {
        self.answers.iter().map(Answer::until).min().unwrap_or_default()
    }

    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        self.der.len().saturating_mul(2)
    }

    /// What it says of a certificate of `issuer`.
    pub(crate) fn status(&self, id: &CertId, issuer: &Certificate, now: u64) -> Result<Status, Silent> {
        let answer = self
            .answers
            .iter()
            .find(|answer| answer.id == *id)
            .ok_or_else(|| Silent::new("ocsp-of-others", "it speaks of another certificate"))?;
        if answer.this_update > now.saturating_add(SKEW) {
            let why = format!(
                "it begins at {}, and it is {} here: set the clock",
                Utc(answer.this_update),
                Utc(now)
            );
            return Err(Silent::new("ocsp-not-yet-valid", why));
        }
        if answer.until() < now {
            let why =
                format!("it ended at {}, and it is {} here: set the clock", Utc(answer.until()), Utc(now));
            return Err(Silent::new("ocsp-expired", why));
        }
        self.signed_for(issuer, now)?;
        Ok(answer.status)
    }

    /// By the CA itself, or by a responder that it appointed (RFC 6960 section 4.2.2.2).
    fn signed_for(&self, issuer: &Certificate, now: u64) -> Result<(), Silent> {
        let forged = |why: &str| Silent::new("ocsp-bad-signature", why);
        let basic: Basic<'_> = asn1::decode(WHAT, &self.der).map_err(|error| forged(&error.to_string()))?;
        let signed = Signed { tbs: basic.tbs, algorithm: basic.algorithm, signature: basic.signature };
        let appointed = self.certificates.iter().filter(|one| is_appointed(one, issuer, now));
        let mut signers = std::iter::once(issuer).chain(appointed);
        if signers.any(|signer| signature::check(&signed, signer.public_key().as_ref()).is_ok()) {
            return Ok(());
        }
        Err(forged("neither the CA nor a responder that it appointed signed it"))
    }
}

fn is_appointed(responder: &Certificate, issuer: &Certificate, now: u64) -> bool {
    responder.issuer == issuer.subject
        && responder.rest.signs_ocsp()
        && responder.rest.may_sign()
        && responder.rest.unknown.is_none()
        && responder.status(now) == crate::Status::InForce
        && signed_by(responder, issuer).is_ok()
}

fn answers_nonce(data: &Data<'_>, nonce: &[u8]) -> Result<(), Malformed> {
    let theirs = data.extensions.iter().flatten().find(|extension| extension.id == NONCE);
    let Some(theirs) = theirs else { return Ok(()) };
    let inner = asn1::decode::<&OctetStringRef>(WHAT, theirs.value.as_bytes()).map(OctetStringRef::as_bytes);
    match inner {
        Ok(theirs) if theirs == nonce => Ok(()),
        Ok(_) | Err(_) => Err(Malformed::new(WHAT, "it answers another question: its nonce is not ours")),
    }
}

impl Answer {
    /// `None`: in terms of another hash than we use.
    fn read(single: &Single<'_>) -> der::Result<Option<Self>> {
        let status = match asn1::context(single.status.header().tag()) {
            Some(0) => Status::Good,
            Some(1) => Status::Revoked(revoked(single.status)?),
            Some(_) | None => Status::Unknown,
        };
        let seconds = |time: GeneralizedTime| time.to_unix_duration().as_secs();
        Ok(CertId::read(&single.id)?.map(|id| Self {
            id,
            status,
            this_update: seconds(single.this_update),
            next_update: single.next_update.map(seconds),
        }))
    }

    fn until(&self) -> u64 {
        self.next_update.unwrap_or_else(|| self.this_update.saturating_add(FRESH))
    }
}

/// A RevokedInfo: the time, and perhaps a reason in a field 0.
fn revoked(status: AnyRef<'_>) -> der::Result<Revoked> {
    let fields = asn1::each::<AnyRef<'_>>(status)?;
    let at = fields.first().map(|time| time.decode_as::<GeneralizedTime>()).transpose()?;
    // An ENUMERATED of one byte inside the field.
    let reason = fields.get(1).and_then(|reason| reason.value().get(2).copied());
    Ok(Revoked {
        at: at.map_or(0, |time| time.to_unix_duration().as_secs()),
        reason: reason.unwrap_or_default(),
    })
}

impl Outcome {
    const fn text(self) -> &'static str {
        match self {
            Self::Successful => "successful",
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SignatureRequired => "sigRequired",
            Self::Unauthorized => "unauthorized: it does not serve this CA",
        }
    }
}

fn malformed(error: der::Error) -> Malformed {
    Malformed::new(WHAT, error)
}

#[cfg(test)]
mod tests;
