//! Certificate revocation lists (RFC 5280 section 5): complete ones of the issuer itself.

use std::sync::OnceLock;

use der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use der::{Decode as _, Sequence};

use crate::asn1::{self, Algorithm, Extension, Signed, Time};
use crate::certificate::{Certificate, full_name};
use crate::revocation::{OF_OTHERS, Revoked, SKEW, Silent};
use crate::{Dn, Malformed, Utc, pem, signature};

/// A list as it was read; whether its issuer signed it is checked when it is used, once.
pub struct Crl {
    issuer: Dn,
    this_update: u64,
    next_update: u64,
    /// By serial number.
    revoked: Vec<Listed>,
    scope: Scope,
    der: Vec<u8>,
    /// The key that is known to have signed it.
    signer: OnceLock<Vec<u8>>,
}

struct Listed {
    serial: Box<[u8]>,
    revoked: Revoked,
}

/// Which certificates it speaks of (RFC 5280 section 5.2.5).
#[derive(Default)]
struct Scope {
    /// It stands at these URLs; empty: nothing is said.
    urls: Vec<String>,
    only_users: bool,
    only_cas: bool,
}

#[derive(Sequence)]
struct Tbs<'a> {
    version: Option<UintRef<'a>>,
    algorithm: Algorithm<'a>,
    issuer: AnyRef<'a>,
    this_update: Time,
    next_update: Option<Time>,
    revoked: Option<Vec<Entry<'a>>>,
    #[asn1(context_specific = "0", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
struct Entry<'a> {
    serial: AnyRef<'a>,
    date: Time,
    extensions: Option<Vec<Extension<'a>>>,
}

const fn oid(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(dotted)
}

const NUMBER: ObjectIdentifier = oid("2.5.29.20");
const REASON: ObjectIdentifier = oid("2.5.29.21");
const DELTA: ObjectIdentifier = oid("2.5.29.27");
const SCOPE: ObjectIdentifier = oid("2.5.29.28");
const AUTHORITY_KEY: ObjectIdentifier = oid("2.5.29.35");

const WHAT: &str = "a CRL that we can use";

impl Crl {
    /// DER or PEM. Total; the work is bounded by the length. Refuses delta CRLs and those that speak for others than
    /// their issuer.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            let blocks = pem::blocks(bytes, &["X509 CRL"])?;
            return blocks
                .first()
                .map_or_else(|| Err(Malformed::new(WHAT, "it is empty")), |der| Self::from_der(der));
        }
        Self::from_der(bytes)
    }

    fn from_der(der: &[u8]) -> Result<Self, Malformed> {
        let signed: Signed<'_> = asn1::decode(WHAT, der)?;
        let tbs: Tbs<'_> = signed.tbs.decode_as().map_err(malformed)?;
        if tbs.algorithm != signed.algorithm {
            return Err(Malformed::new(WHAT, "it names two signature algorithms"));
        }
        let next_update =
            tbs.next_update.ok_or_else(|| Malformed::new(WHAT, "it does not say until when it holds"))?;
        Ok(Self {
            issuer: Dn::from_der(&asn1::bytes(tbs.issuer))?,
            this_update: tbs.this_update.seconds(),
            next_update: next_update.seconds(),
            revoked: revoked(tbs.revoked.as_deref().unwrap_or_default())?,
            scope: Scope::read(tbs.extensions.as_deref().unwrap_or_default())?,
            der: der.to_vec(),
            signer: OnceLock::new(),
        })
    }

    pub const fn issuer(&self) -> &Dn {
        &self.issuer
    }

    /// Seconds since 1970.
    pub const fn this_update(&self) -> u64 {
        self.this_update
    }

    /// Until when it may be kept, in seconds since 1970.
    pub const fn next_update(&self) -> u64 {
        self.next_update
    }

    /// How many certificates it revokes.
    pub const fn revoked(&self) -> usize {
        self.revoked.len()
    }

    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        self.der.len().saturating_add(self.revoked.len().saturating_mul(64))
    }

    /// Whether `issuer` revoked `certificate`, which it issued.
    pub(crate) fn lookup(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: u64,
    ) -> Result<Option<Revoked>, Silent> {
        self.speaks_for(certificate, issuer)?;
        if self.this_update > now.saturating_add(SKEW) {
            return Err(Silent::new(
                "crl-not-yet-valid",
                format!("it begins at {}, and it is {} here: set the clock", Utc(self.this_update), Utc(now)),
            ));
        }
        if self.next_update < now {
            return Err(Silent::new(
                "crl-expired",
                format!(
                    "it ended at {}, and it is {} here: the CA must publish a new one, or set the clock",
                    Utc(self.next_update),
                    Utc(now)
                ),
            ));
        }
        self.signed_by(issuer)?;
        let place = self.revoked.binary_search_by(|listed| (*listed.serial).cmp(&certificate.serial));
        Ok(place.ok().and_then(|place| self.revoked.get(place)).map(|listed| listed.revoked))
    }

    fn speaks_for(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), Silent> {
        let other = |why: String| Err(Silent::new(OF_OTHERS, why));
        if self.issuer != issuer.subject {
            return other(format!("it is of {}, not of {}", self.issuer, issuer.subject));
        }
        if self.scope.only_users && certificate.is_ca || self.scope.only_cas && !certificate.is_ca {
            return other("it does not speak of certificates of this kind".to_owned());
        }
        let named = &certificate.crl_urls;
        if !self.scope.urls.is_empty()
            && !named.is_empty()
            && !named.iter().any(|url| self.scope.urls.contains(url))
        {
            return other("it is another part of the CA's list than the certificate names".to_owned());
        }
        Ok(())
    }

    fn signed_by(&self, issuer: &Certificate) -> Result<(), Silent> {
        if self.signer.get().is_some_and(|signer| *signer == issuer.spki) {
            return Ok(());
        }
        let forged = |why: String| Silent::new("crl-bad-signature", why);
        if !issuer.rest.may_sign_crls() {
            return Err(forged(format!("the key usage of {} does not let it sign CRLs", issuer.subject)));
        }
        let signed: Signed<'_> = asn1::decode(WHAT, &self.der).map_err(|error| forged(error.to_string()))?;
        signature::check(&signed, issuer.public_key().as_ref())
            .map_err(|fault| forged(fault.refusal("it", &issuer.subject.to_string()).detail))?;
        // Another thread may have found the same.
        let _ = self.signer.set(issuer.spki.clone());
        Ok(())
    }
}

fn revoked(entries: &[Entry<'_>]) -> Result<Vec<Listed>, Malformed> {
    let mut revoked = entries.iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
    revoked.sort_by(|one, other| one.serial.cmp(&other.serial));
    Ok(revoked)
}

impl Entry<'_> {
    fn read(&self) -> Result<Listed, Malformed> {
        let mut reason = 0;
        for extension in self.extensions.iter().flatten() {
            match extension.id {
                // An ENUMERATED of one byte.
                REASON => reason = extension.value.as_bytes().get(2).copied().unwrap_or_default(),
                id if extension.critical => {
                    return Err(Malformed::new(
                        WHAT,
                        format!("an entry of it has a critical extension {id}"),
                    ));
                }
                _ => {}
            }
        }
        let serial = asn1::serial(self.serial).map_err(malformed)?.into_boxed_slice();
        Ok(Listed { serial, revoked: Revoked { at: self.date.seconds(), reason } })
    }
}

impl Scope {
    fn read(extensions: &[Extension<'_>]) -> Result<Self, Malformed> {
        let mut scope = Self::default();
        for extension in extensions {
            match extension.id {
                DELTA => return Err(Malformed::new(WHAT, "it is a delta CRL; a complete one is needed")),
                SCOPE => scope = Self::distribution(extension.value.as_bytes())?,
                NUMBER | AUTHORITY_KEY => {}
                id if extension.critical => {
                    return Err(Malformed::new(
                        WHAT,
                        format!("it has a critical extension {id}, which is not supported"),
                    ));
                }
                _ => {}
            }
        }
        Ok(scope)
    }

    /// The issuing distribution point.
    fn distribution(value: &[u8]) -> Result<Self, Malformed> {
        let fields = AnyRef::from_der(value).and_then(asn1::each::<AnyRef<'_>>).map_err(malformed)?;
        let mut scope = Self::default();
        for field in fields {
            let set = field.value() == [0xff];
            match asn1::context(field.header().tag()) {
                Some(0) => scope.urls = full_name(field).map_err(malformed)?,
                Some(1) => scope.only_users = set,
                Some(2) => scope.only_cas = set,
                Some(3) => return Err(Malformed::new(WHAT, "it speaks of some reasons only")),
                Some(4 | 5) if set => {
                    return Err(Malformed::new(WHAT, "it is indirect, or of attribute certificates"));
                }
                Some(4 | 5) => {}
                Some(_) | None => return Err(Malformed::new(WHAT, "its scope is not understood")),
            }
        }
        Ok(scope)
    }
}

fn malformed(error: der::Error) -> Malformed {
    Malformed::new(WHAT, error)
}

#[cfg(test)]
mod tests;
