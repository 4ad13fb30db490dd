//! From a peer's certificate to one that we trust (RFC 5280 section 6), in bounded work.

use crate::certificate::Certificate;
use crate::revocation;
use crate::signature::{self, Fault};
use crate::{Evidence, Refusal, Request, Status, Trustpoint, Utc, Validated, asn1};

/// Certificates between the peer's own and the one we trust, both counted.
const DEPTH: usize = 8;
/// Certificates of one peer that are looked at.
const MOST: usize = 16;
/// Signatures verified for one trustpoint: a chain of a thousand CAs with one name costs no more.
const SIGNATURES: u32 = 32;

/// Whether the peer's certificate is good at `now`, in seconds since 1970, under one of the trustpoints.
///
/// What is accepted beyond RFC 5280, because CAs of the field need it: SHA-1 signatures; RSA keys from 1024 bits; a
/// version 1 certificate as trust anchor; a peer's own certificate that is itself an anchor (then revocation is not
/// asked). What is not: MD5, name constraints and other critical extensions that are unknown.
pub fn verify(request: &Request, now: u64, evidence: &dyn Evidence) -> Result<Validated, Refusal> {
    let (first, others) = request
        .chain
        .split_first()
        .ok_or_else(|| Refusal::new("no-certificate", "the peer sent none: make it send its certificate"))?;
    let own = Certificate::from_der(first).map_err(|error| {
        Refusal::new("certificate-malformed", format!("the peer's certificate is {error}"))
    })?;
    // What else it sent may help; what of it is junk does not.
    let others: Vec<_> = others.iter().take(MOST).filter_map(|der| Certificate::from_der(der).ok()).collect();
    suits_ike(&own)?;
    in_force(&own, now)?;
    let mut refusals = Vec::new();
    for trustpoint in &request.trustpoints {
        match under(trustpoint, &own, &others, now, evidence) {
            Ok(()) => return Ok(Validated { certificate: own, trustpoint: trustpoint.name.clone() }),
            Err(refusal) => refusals.push(refusal),
        }
    }
    Err(most_telling(refusals))
}

/// Of the refusals under several trustpoints the first by a CA that knows the peer.
fn most_telling(refusals: Vec<Refusal>) -> Refusal {
    let telling = refusals.iter().position(|refusal| refusal.what != UNKNOWN_CA).unwrap_or(0);
    let none = || {
        Refusal::new("no-trustpoint", "no trustpoint has a CA certificate: configure crypto pki trustpoint")
    };
    refusals.into_iter().nth(telling).unwrap_or_else(none)
}

const UNKNOWN_CA: &str = "unknown-ca";

fn under(
    trustpoint: &Trustpoint,
    own: &Certificate,
    others: &[Certificate],
    now: u64,
    evidence: &dyn Evidence,
) -> Result<(), Refusal> {
    let ours = trustpoint.credential.iter().flat_map(|credential| credential.chain.iter().skip(1));
    let others: Vec<&Certificate> = ours.chain(others).collect();
    let mut search = Search { trustpoint, others: &others, now, left: SIGNATURES, refusal: None };
    let mut path = vec![own];
    if !search.reaches_anchor(&mut path) {
        return Err(search.refusal.map_or_else(|| unknown_ca(own, trustpoint), |(_, refusal)| refusal));
    }
    for pair in path.windows(2) {
        if let [certificate, issuer] = pair {
            revocation::check(certificate, issuer, trustpoint, now, evidence)?;
        }
    }
    Ok(())
}

struct Search<'a> {
    trustpoint: &'a Trustpoint,
    /// Certificates that may stand between.
    others: &'a [&'a Certificate],
    now: u64,
    left: u32,
    /// Of the longest path so far, and how long it was.
    refusal: Option<(usize, Refusal)>,
}

impl<'a> Search<'a> {
    /// Extends `path` until its last certificate is an anchor.
    fn reaches_anchor(&mut self, path: &mut Vec<&'a Certificate>) -> bool {
        let Some(subject) = path.last().copied() else { return false };
        if self.trustpoint.anchors.contains(subject) {
            return true;
        }
        if path.len() == DEPTH {
            let name = path.first().map(|own| own.subject.to_string()).unwrap_or_default();
            let detail = format!("more than {DEPTH} certificates lead to that of {name}");
            self.note(path.len(), Refusal::new("path-too-long", detail));
            return false;
        }
        let anchors: &'a [Certificate] = &self.trustpoint.anchors;
        let candidates = anchors.iter().chain(self.others.iter().copied());
        let mut found = false;
        for issuer in candidates.filter(|issuer| may_have_issued(issuer, subject)) {
            found = true;
            if path.contains(&issuer) || self.left == 0 {
                continue;
            }
            match self.issued(issuer, path) {
                Ok(()) => {
                    path.push(issuer);
                    if self.reaches_anchor(path) {
                        return true;
                    }
                    path.pop();
                }
                Err(refusal) => self.note(path.len(), refusal),
            }
        }
        if !found {
            self.note(path.len(), unknown_ca(subject, self.trustpoint));
        }
        false
    }

    fn note(&mut self, length: usize, refusal: Refusal) {
        if self.refusal.as_ref().is_none_or(|(longest, _)| *longest < length) {
            self.refusal = Some((length, refusal));
        }
    }

    /// Whether `issuer` may have signed and did sign the last of `path`.
    fn issued(&mut self, issuer: &Certificate, path: &[&Certificate]) -> Result<(), Refusal> {
        self.left -= 1;
        let Some(subject) = path.last() else { return Ok(()) };
        let intermediates = path.iter().skip(1).filter(|one| !one.is_self_issued()).count();
        may_issue(issuer, self.trustpoint.anchors.contains(issuer), intermediates)?;
        in_force(issuer, self.now)?;
        signed_by(subject, issuer).map_err(|fault| {
            fault.refusal(&format!("the certificate of {}", subject.subject), &issuer.subject.to_string())
        })
    }
}

/// By name, and by key identifier where both have one.
fn may_have_issued(issuer: &Certificate, subject: &Certificate) -> bool {
    let same_key = match (&issuer.rest.subject_key, &subject.rest.authority_key) {
        (Some(ours), Some(theirs)) => ours == theirs,
        (_, None) | (None, _) => true,
    };
    issuer.subject == subject.issuer && same_key
}

pub(crate) fn signed_by(subject: &Certificate, issuer: &Certificate) -> Result<(), Fault> {
    let signed = asn1::decode("a certificate", &subject.der).map_err(|_| Fault::Forged)?;
    signature::check(&signed, issuer.public_key().as_ref())
}

fn may_issue(issuer: &Certificate, anchor: bool, intermediates: usize) -> Result<(), Refusal> {
    let name = &issuer.subject;
    understood(issuer)?;
    let old_anchor = anchor && issuer.first_version;
    if !issuer.is_ca && !old_anchor {
        return Err(Refusal::new(
            "issuer-is-no-ca",
            format!("{name} issued a certificate, but its own does not say that it is a CA"),
        ));
    }
    if !issuer.rest.may_sign_certificates() {
        return Err(Refusal::new(
            "issuer-may-not-sign",
            format!("the key usage of {name} does not let it sign certificates"),
        ));
    }
    if issuer
        .rest
        .path_limit
        .is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| intermediates > limit))
    {
        return Err(Refusal::new(
            "path-length-exceeded",
            format!("{name} allows fewer CAs below it than the {intermediates} that stand there"),
        ));
    }
    Ok(())
}

/// What the peer's own certificate must allow.
fn suits_ike(own: &Certificate) -> Result<(), Refusal> {
    let name = &own.subject;
    understood(own)?;
    if own.public_key().is_none() {
        return Err(Fault::Key.refusal("", &name.to_string()));
    }
    if !own.rest.may_sign() {
        return Err(Refusal::new(
            "key-usage",
            format!("the key usage of {name} does not let it sign: issue it with digitalSignature"),
        ));
    }
    if !own.rest.serves_ike() {
        return Err(Refusal::new(
            "extended-key-usage",
            format!(
                "the extended key usage of {name} is critical and excludes IKE: issue it with ipsecIKE or without any"
            ),
        ));
    }
    Ok(())
}

fn understood(certificate: &Certificate) -> Result<(), Refusal> {
    certificate.rest.unknown.as_ref().map_or(Ok(()), |oid| {
        let name = &certificate.subject;
        Err(Refusal::new(
            "unknown-critical-extension",
            format!("the certificate of {name} has a critical extension {oid}, which is not supported"),
        ))
    })
}

fn in_force(certificate: &Certificate, now: u64) -> Result<(), Refusal> {
    let (name, now_text) = (&certificate.subject, Utc(now));
    match certificate.status(now) {
        Status::InForce => Ok(()),
        Status::Expired => Err(Refusal::new(
            "certificate-expired",
            format!(
                "the certificate of {name} ended at {}, and it is {now_text} here: renew it, or set the clock",
                Utc(certificate.not_after)
            ),
        )),
        Status::NotYetValid => Err(Refusal::new(
            "certificate-not-yet-valid",
            format!(
                "the certificate of {name} begins at {}, and it is {now_text} here: set the clock, here or at its CA",
                Utc(certificate.not_before)
            ),
        )),
    }
}

fn unknown_ca(subject: &Certificate, trustpoint: &Trustpoint) -> Refusal {
    let anchors: Vec<String> = trustpoint.anchors.iter().map(|anchor| anchor.subject.to_string()).collect();
    Refusal::new(
        UNKNOWN_CA,
        format!(
            "{} is issued by {}, but trustpoint {} trusts {}: add the CA to a trustpoint, or make the peer send the CAs between",
            subject.subject,
            subject.issuer,
            trustpoint.name,
            if anchors.is_empty() { "nobody".to_owned() } else { anchors.join(" and ") }
        ),
    )
}

#[cfg(test)]
mod tests;
