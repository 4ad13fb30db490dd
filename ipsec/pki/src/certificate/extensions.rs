//! The extensions of a certificate that we understand (RFC 5280 section 4.2).

use std::collections::BTreeSet;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Sequence, Tag, Tagged as _};

use super::Usage;
use crate::asn1::{self, Extension};
use crate::{AltName, Malformed};

/// What path validation asks of a certificate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) is_ca: bool,
    /// How many intermediate CAs may stand below it.
    pub(crate) path_limit: Option<u32>,
    /// Bit 0 is digitalSignature; `None`: nothing is said.
    key_usage: Option<u16>,
    /// `None`: nothing is said.
    purposes: Option<Vec<ObjectIdentifier>>,
    purposes_critical: bool,
    pub(crate) subject_key: Option<Vec<u8>>,
    pub(crate) authority_key: Option<Vec<u8>>,
    /// One that is critical and that we do not understand.
    pub(crate) unknown: Option<String>,
    /// id-pkix-ocsp-nocheck.
    pub(crate) no_check: bool,
}

/// Names and addresses that stand in extensions.
#[derive(Default)]
pub(super) struct Names {
    pub(super) alternative: Vec<AltName>,
    pub(super) crl_urls: Vec<String>,
    pub(super) ocsp_urls: Vec<String>,
}

#[derive(Sequence)]
struct BasicConstraints<'a> {
    #[asn1(default = "not")]
    is_ca: bool,
    path_limit: Option<UintRef<'a>>,
}

#[derive(Sequence)]
struct AuthorityKey<'a> {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    id: Option<&'a OctetStringRef>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer: Option<Vec<AnyRef<'a>>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    serial: Option<UintRef<'a>>,
}

#[derive(Sequence)]
struct AccessDescription<'a> {
    method: ObjectIdentifier,
    location: AnyRef<'a>,
}

const fn not() -> bool {
    false
}

const fn oid(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(dotted)
}

const SUBJECT_KEY: ObjectIdentifier = oid("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
const ALT_NAME: ObjectIdentifier = oid("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
const CRL_POINTS: ObjectIdentifier = oid("2.5.29.31");
/// We ask for no policy, so none can be missing.
const POLICIES: ObjectIdentifier = oid("2.5.29.32");
const AUTHORITY_KEY: ObjectIdentifier = oid("2.5.29.35");
const PURPOSES: ObjectIdentifier = oid("2.5.29.37");
const ACCESS: ObjectIdentifier = oid("1.3.6.1.5.5.7.1.1");
const OCSP: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1");
const NO_CHECK: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.5");
const OCSP_SIGNING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.9");

/// Purposes under which IKE certificates are issued: any; ipsecIKE (RFC 4945 section 5.1.3.12); ipsecEndSystem,
/// ipsecTunnel, ipsecUser of older CAs; iKEIntermediate of Microsoft and Apple; serverAuth and clientAuth.
const IKE_PURPOSES: [ObjectIdentifier; 8] = [
    oid("2.5.29.37.0"),
    oid("1.3.6.1.5.5.7.3.17"),
    oid("1.3.6.1.5.5.7.3.5"),
    oid("1.3.6.1.5.5.7.3.6"),
    oid("1.3.6.1.5.5.7.3.7"),
    oid("1.3.6.1.5.5.8.2.2"),
    oid("1.3.6.1.5.5.7.3.1"),
    oid("1.3.6.1.5.5.7.3.2"),
];

/// Bits of the key usage extension.
const DIGITAL_SIGNATURE: u16 = 1 << 0;
const NON_REPUDIATION: u16 = 1 << 1;
const ENCIPHERMENT: u16 = 1 << 2 | 1 << 3;
const CERTIFICATE_SIGN: u16 = 1 << 5;
const CRL_SIGN: u16 = 1 << 6;

const WHAT: &str = "a certificate";

impl Extensions {
    pub(super) fn read(extensions: &[Extension<'_>]) -> Result<(Self, Names), Malformed> {
        let (mut rest, mut names, mut seen) = (Self::default(), Names::default(), BTreeSet::new());
        for extension in extensions {
            if !seen.insert(extension.id) {
                return Err(Malformed::new(WHAT, format!("it has extension {} twice", extension.id)));
            }
            let known = rest.take(extension).map_err(|error| fault(extension, error))?
                || names.take(extension).map_err(|error| fault(extension, error))?;
            if !known && extension.critical {
                rest.unknown = Some(extension.id.to_string());
            }
        }
        Ok((rest, names))
    }

    /// Whether it is one of these.
    fn take(&mut self, extension: &Extension<'_>) -> der::Result<bool> {
        let value = extension.value.as_bytes();
        match extension.id {
            BASIC_CONSTRAINTS => {
                let constraints = BasicConstraints::from_der(value)?;
                (self.is_ca, self.path_limit) = (constraints.is_ca, constraints.path_limit.map(asn1::small));
            }
            KEY_USAGE => self.key_usage = Some(bits(BitStringRef::from_der(value)?)),
            PURPOSES => {
                self.purposes = Some(Vec::from_der(value)?);
                self.purposes_critical = extension.critical;
            }
            SUBJECT_KEY => {
                self.subject_key = Some(<&OctetStringRef>::from_der(value)?.as_bytes().to_vec());
            }
            AUTHORITY_KEY => {
                self.authority_key = AuthorityKey::from_der(value)?.id.map(|id| id.as_bytes().to_vec());
            }
            NO_CHECK => self.no_check = true,
            POLICIES => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether its key may sign what IKE signs.
    pub(crate) const fn may_sign(&self) -> bool {
        self.may(DIGITAL_SIGNATURE | NON_REPUDIATION)
    }

    pub(crate) const fn may_sign_certificates(&self) -> bool {
        self.may(CERTIFICATE_SIGN)
    }

    pub(crate) const fn may_sign_crls(&self) -> bool {
        self.may(CRL_SIGN)
    }

    const fn may(&self, any: u16) -> bool {
        match self.key_usage {
            Some(usage) => usage & any != 0,
            None => true,
        }
    }

    /// Purposes that exclude IKE count only if the CA insists on them.
    pub(crate) fn serves_ike(&self) -> bool {
        !self.purposes_critical || self.has_purpose(&IKE_PURPOSES)
    }

    pub(crate) fn signs_ocsp(&self) -> bool {
        self.has_purpose(&[OCSP_SIGNING])
    }

    fn has_purpose(&self, any: &[ObjectIdentifier]) -> bool {
        self.purposes.iter().flatten().any(|purpose| any.contains(purpose))
    }

    pub(super) const fn usage(&self) -> Usage {
        match self.key_usage {
            None => Usage::General,
            Some(usage) => {
                match (usage & (DIGITAL_SIGNATURE | NON_REPUDIATION) != 0, usage & ENCIPHERMENT != 0) {
                    (true, true) => Usage::General,
                    (true, false) => Usage::Signature,
                    (false, true) => Usage::Encryption,
                    (false, false) => Usage::Other,
                }
            }
        }
    }
}

impl Names {
    fn take(&mut self, extension: &Extension<'_>) -> der::Result<bool> {
        let value = extension.value.as_bytes();
        match extension.id {
            ALT_NAME => {
                let names = Vec::<AnyRef<'_>>::from_der(value)?;
                self.alternative = names.into_iter().filter_map(asn1::general_name).collect();
            }
            // Hints: one that does not parse is none.
            CRL_POINTS => self.crl_urls = distribution_points(value).unwrap_or_default(),
            ACCESS => self.ocsp_urls = responders(value).unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// HTTP URLs of distribution points that name a whole list of their own issuer.
fn distribution_points(value: &[u8]) -> der::Result<Vec<String>> {
    let mut urls = Vec::new();
    for point in Vec::<AnyRef<'_>>::from_der(value)? {
        point.tag().assert_eq(Tag::Sequence)?;
        let fields = asn1::each::<AnyRef<'_>>(point)?;
        // A field 1 limits the reasons, a field 2 names another issuer.
        if let [name] = fields.as_slice() {
            urls.extend(full_name(*name)?);
        }
    }
    Ok(urls)
}

/// The HTTP URLs of a DistributionPointName in its field 0 (RFC 5280 section 4.2.1.13).
pub(crate) fn full_name(field: AnyRef<'_>) -> der::Result<Vec<String>> {
    let mut urls = Vec::new();
    for choice in asn1::each::<AnyRef<'_>>(field)? {
        if asn1::context(field.tag()) == Some(0) && asn1::context(choice.tag()) == Some(0) {
            urls.extend(asn1::each::<AnyRef<'_>>(choice)?.into_iter().filter_map(asn1::uri).filter(is_http));
        }
    }
    Ok(urls)
}

fn responders(value: &[u8]) -> der::Result<Vec<String>> {
    let access = Vec::<AccessDescription<'_>>::from_der(value)?;
    let ocsp = access.into_iter().filter(|one| one.method == OCSP);
    Ok(ocsp.filter_map(|one| asn1::uri(one.location)).filter(is_http).collect())
}

#[allow(clippy::ptr_arg, reason = "an argument of filter over owned strings")]
fn is_http(url: &String) -> bool {
    url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
}

/// The first sixteen bits, bit 0 of ASN.1 lowest.
fn bits(string: BitStringRef<'_>) -> u16 {
    let set = string.bits().take(16).enumerate().filter(|(_, set)| *set);
    set.fold(0, |bits, (place, _)| bits | 1 << place)
}

fn fault(extension: &Extension<'_>, error: der::Error) -> Malformed {
    Malformed::new(WHAT, format!("extension {}: {error}", extension.id))
}
