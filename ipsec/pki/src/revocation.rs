//! Whether a certificate was revoked: the methods of `revocation-check` in their order (REV-1).

use std::sync::Arc;

use crate::certificate::Certificate;
use crate::ocsp::{self, CertId};
use crate::{Crl, Refusal, Revocation, Trustpoint, Utc};

/// Where lists and answers come from: a cache, files and the network. Slow, and asked only when needed. The error says
/// what went wrong, in a few words.
pub trait Evidence {
    /// The list at a URL that is reached in `vrf`.
    fn crl(&self, vrf: Option<&str>, url: &str) -> Result<Arc<Crl>, String>;
    /// What the responder at a URL that is reached in `vrf` says of a certificate.
    fn ocsp(&self, vrf: Option<&str>, url: &str, id: &CertId) -> Result<Arc<ocsp::Response>, String>;
}

/// A moment at which a certificate was revoked, and why (RFC 5280 section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revoked {
    pub(crate) at: u64,
    pub(crate) reason: u8,
}

/// Seconds that the clock of a CA may be ahead of ours.
pub(crate) const SKEW: u64 = 300;

/// URLs of one certificate that are tried: each may take its whole time to fail.
const URLS: usize = 4;
/// A list, but of another CA or of another part of one.
pub(crate) const OF_OTHERS: &str = "crl-of-others";

/// What one method has to say, if anything.
enum Said {
    Good,
    Revoked(Revoked),
    /// The responder answers for the CA and does not know the certificate.
    Unknown,
}

/// Why a method has nothing to say.
pub(crate) struct Silent {
    pub(crate) what: &'static str,
    pub(crate) why: String,
}

impl Silent {
    pub(crate) fn new(what: &'static str, why: impl Into<String>) -> Self {
        Self { what, why: why.into() }
    }
}

/// The next method is asked only if the one before had no answer. A responder that does not know the certificate
/// leaves it to a list, but not to `none`.
pub(crate) fn check(
    certificate: &Certificate,
    issuer: &Certificate,
    trustpoint: &Trustpoint,
    now: u64,
    evidence: &dyn Evidence,
) -> Result<(), Refusal> {
    let asked = Asked { certificate, issuer, trustpoint, now, evidence };
    let (mut silent, mut unknown) = (Vec::new(), false);
    for method in &trustpoint.revocation {
        let said = match method {
            Revocation::None if unknown => continue,
            Revocation::None => Ok(Said::Good),
            Revocation::Crl => asked.crl(),
            Revocation::Ocsp => asked.ocsp(),
        };
        match said {
            Ok(Said::Good) => return Ok(()),
            Ok(Said::Revoked(revoked)) => return Err(asked.revoked(revoked)),
            Ok(Said::Unknown) => {
                unknown = true;
                silent.push(Silent::new("ocsp-unknown", "the OCSP responder does not know it"));
            }
            Err(why) => silent.push(why),
        }
    }
    asked.unanswered(&silent)
}

struct Asked<'a> {
    certificate: &'a Certificate,
    issuer: &'a Certificate,
    trustpoint: &'a Trustpoint,
    now: u64,
    evidence: &'a dyn Evidence,
}

impl Asked<'_> {
    /// A configured list is of one CA; where another one issued the certificate, what that says counts.
    fn crl(&self) -> Result<Said, Silent> {
        let Some(url) = &self.trustpoint.crl_url else { return self.named_crl() };
        match self.crl_at(url) {
            Err(silent) if silent.what == OF_OTHERS && !self.certificate.crl_urls.is_empty() => {
                self.named_crl()
            }
            said => said,
        }
    }

    fn named_crl(&self) -> Result<Said, Silent> {
        let nowhere = "it names no CRL over HTTP: write crl url";
        first(&self.certificate.crl_urls, "crl-unavailable", nowhere, |url| self.crl_at(url))
    }

    fn crl_at(&self, url: &str) -> Result<Said, Silent> {
        let list = self
            .evidence
            .crl(self.trustpoint.vrf.as_deref(), url)
            .map_err(|why| Silent::new("crl-unavailable", format!("CRL {url}: {why}")))?;
        let revoked = list
            .lookup(self.certificate, self.issuer, self.now)
            .map_err(|silent| Silent::new(silent.what, format!("CRL {url}: {}", silent.why)))?;
        Ok(revoked.map_or(Said::Good, Said::Revoked))
    }

    fn ocsp(&self) -> Result<Said, Silent> {
        let configured = self.trustpoint.ocsp_url.as_ref().map(std::slice::from_ref);
        let urls = configured.unwrap_or(&self.certificate.ocsp_urls);
        let nowhere = "it names no OCSP responder: write ocsp url";
        first(urls, "ocsp-unavailable", nowhere, |url| self.ocsp_at(url))
    }

    fn ocsp_at(&self, url: &str) -> Result<Said, Silent> {
        let id = CertId::new(self.certificate, self.issuer)
            .map_err(|error| Silent::new("ocsp-unavailable", error.to_string()))?;
        let response = self
            .evidence
            .ocsp(self.trustpoint.vrf.as_deref(), url, &id)
            .map_err(|why| Silent::new("ocsp-unavailable", format!("OCSP {url}: {why}")))?;
        let status = response
            .status(&id, self.issuer, self.now)
            .map_err(|silent| Silent::new(silent.what, format!("OCSP {url}: {}", silent.why)))?;
        Ok(match status {
            ocsp::Status::Good => Said::Good,
            ocsp::Status::Revoked(revoked) => Said::Revoked(revoked),
            ocsp::Status::Unknown => Said::Unknown,
        })
    }

    fn revoked(&self, revoked: Revoked) -> Refusal {
        let reason = match revoked.reason {
            1 => "its key is compromised",
            2 => "its CA is compromised",
            3 => "its holder's affiliation changed",
            4 => "it was replaced",
            5 => "it is out of use",
            6 => "it is on hold",
            9 => "its privileges were withdrawn",
            10 => "its attribute authority is compromised",
            _ => "the CA gives no reason",
        };
        let (name, serial) = (&self.certificate.subject, self.certificate.serial_text());
        Refusal::new(
            "certificate-revoked",
            format!(
                "the certificate {serial} of {name} was revoked at {}: {reason}; it needs a new one",
                Utc(revoked.at)
            ),
        )
    }

    fn unanswered(&self, silent: &[Silent]) -> Result<(), Refusal> {
        let what = silent.last().map_or("revocation-unknown", |last| last.what);
        let why: Vec<&str> = silent.iter().map(|one| one.why.as_str()).collect();
        Err(Refusal::new(
            what,
            format!(
                "whether {} is revoked cannot be found out: {}; mend that, or put none last in revocation-check of trustpoint {}",
                self.certificate.subject,
                why.join("; "),
                self.trustpoint.name
            ),
        ))
    }
}

/// The first URL that has something to say, in the order of the certificate.
fn first(
    urls: &[String],
    what: &'static str,
    nowhere: &str,
    ask: impl Fn(&str) -> Result<Said, Silent>,
) -> Result<Said, Silent> {
    let mut silent = Vec::new();
    for url in urls.iter().take(URLS) {
        match ask(url) {
            Ok(said) => return Ok(said),
            Err(why) => silent.push(why),
        }
    }
    let what = silent.last().map_or(what, |last| last.what);
    let why: Vec<String> = silent.into_iter().map(|one| one.why).collect();
    Err(Silent::new(what, if why.is_empty() { nowhere.to_owned() } else { why.join("; ") }))
}
