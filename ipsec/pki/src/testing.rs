//! A certification authority for tests: it issues whatever is asked for, good or bad, with Ed25519.

use std::sync::Arc;

use crypto::sign::{PrivateKey, Scheme};
use der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{DateTime, Encode as _};

use crate::{Certificate, Crl, Evidence, Revocation, Trustpoint, ocsp};

/// The middle of 2030.
pub(crate) const NOW: u64 = 1_909_000_000;
pub(crate) const DAY: u64 = 86_400;

pub(crate) struct Key(PrivateKey);

impl Key {
    pub(crate) fn new(seed: u8) -> Self {
        let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let der = [head.as_slice(), &[seed; 32]].concat();
        Self(PrivateKey::from_der(&der).ok().unwrap())
    }

    pub(crate) fn sign(&self, tbs: &[u8]) -> Vec<u8> {
        let signature = self.0.sign(Scheme::Ed25519, tbs).unwrap();
        sequence(&[tbs.to_vec(), ed25519(), tlv(3, &[vec![0], signature].concat())])
    }
}

/// What a certificate says; `issue` signs it.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) version: u8,
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) from: u64,
    pub(crate) until: u64,
    /// Seed of the subject's key.
    pub(crate) key: u8,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Template {
    /// A router's, of a key made from `key`, issued by `issuer`.
    pub(crate) fn router(subject: &'static str, key: u8, issuer: &'static str) -> Self {
        Self {
            version: 2,
            serial: vec![key],
            issuer,
            subject,
            from: NOW - DAY,
            until: NOW + DAY,
            key,
            extensions: Vec::new(),
        }
    }

    pub(crate) fn ca(subject: &'static str, key: u8, issuer: &'static str) -> Self {
        Self::router(subject, key, issuer).with(basic_constraints(true, None))
    }

    pub(crate) fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Signed by the key made from `signer`.
    pub(crate) fn issue(&self, signer: u8) -> Certificate {
        Certificate::from_der(&self.der(signer)).unwrap()
    }

    pub(crate) fn der(&self, signer: u8) -> Vec<u8> {
        let mut parts = Vec::new();
        if self.version > 0 {
            parts.push(tlv(0xa0, &tlv(2, &[self.version])));
        }
        parts.extend([
            tlv(2, &self.serial),
            ed25519(),
            name(self.issuer),
            sequence(&[utc(self.from), utc(self.until)]),
            name(self.subject),
            Key::new(self.key).0.public().spki().to_vec(),
        ]);
        if !self.extensions.is_empty() {
            parts.push(tlv(0xa3, &sequence(&self.extensions)));
        }
        Key::new(signer).sign(&sequence(&parts))
    }
}

pub(crate) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    let head = match value.len() {
        0..128 => vec![tag, length[1]],
        128..256 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head.as_slice(), value].concat()
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    ObjectIdentifier::new_unwrap(dotted).to_der().unwrap()
}

fn ed25519() -> Vec<u8> {
    sequence(&[oid("1.3.101.112")])
}

/// `cn`, alone; empty: no attribute.
pub(crate) fn name(common: &str) -> Vec<u8> {
    if common.is_empty() {
        return sequence(&[]);
    }
    let pair = sequence(&[oid("2.5.4.3"), tlv(0x0c, common.as_bytes())]);
    sequence(&[tlv(0x31, &pair)])
}

pub(crate) fn utc(seconds: u64) -> Vec<u8> {
    UtcTime::from_date_time(date(seconds)).unwrap().to_der().unwrap()
}

pub(crate) fn general(seconds: u64) -> Vec<u8> {
    GeneralizedTime::from_date_time(date(seconds)).to_der().unwrap()
}

fn date(seconds: u64) -> DateTime {
    DateTime::from_unix_duration(std::time::Duration::from_secs(seconds)).unwrap()
}

pub(crate) fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(id)];
    if critical {
        parts.push(tlv(1, &[0xff]));
    }
    parts.push(tlv(4, value));
    sequence(&parts)
}

pub(crate) fn basic_constraints(ca: bool, limit: Option<u8>) -> Vec<u8> {
    let mut parts = vec![];
    if ca {
        parts.push(tlv(1, &[0xff]));
    }
    parts.extend(limit.map(|limit| tlv(2, &[limit])));
    extension("2.5.29.19", true, &sequence(&parts))
}

/// `bits`: as RFC 5280 numbers them.
pub(crate) fn key_usage(bits: &[u8]) -> Vec<u8> {
    let octet = bits.iter().fold(0_u8, |octet, bit| octet | 0x80 >> bit);
    let unused = u8::try_from(octet.trailing_zeros().min(7)).unwrap();
    extension("2.5.29.15", true, &tlv(3, &[unused, octet]))
}

pub(crate) fn purposes(critical: bool, purposes: &[&str]) -> Vec<u8> {
    let purposes: Vec<_> = purposes.iter().map(|purpose| oid(purpose)).collect();
    extension("2.5.29.37", critical, &sequence(&purposes))
}

pub(crate) fn crl_points(urls: &[&str]) -> Vec<u8> {
    let point = |url: &&str| sequence(&[tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes())))]);
    extension("2.5.29.31", false, &sequence(&urls.iter().map(point).collect::<Vec<_>>()))
}

pub(crate) fn responder(url: &str) -> Vec<u8> {
    let access = sequence(&[oid("1.3.6.1.5.5.7.48.1"), tlv(0x86, url.as_bytes())]);
    extension("1.3.6.1.5.5.7.1.1", false, &sequence(&[access]))
}

/// A list of `issuer`, in force for a day, signed by the key made from `signer`.
pub(crate) struct List {
    pub(crate) issuer: &'static str,
    pub(crate) from: u64,
    pub(crate) until: Option<u64>,
    pub(crate) revoked: Vec<Vec<u8>>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl List {
    pub(crate) fn of(issuer: &'static str) -> Self {
        let until = Some(NOW + DAY);
        Self { issuer, from: NOW - DAY, until, revoked: Vec::new(), extensions: Vec::new() }
    }

    pub(crate) fn revoking(mut self, serial: &[u8], extensions: &[Vec<u8>]) -> Self {
        let mut parts = vec![tlv(2, serial), utc(NOW - DAY)];
        if !extensions.is_empty() {
            parts.push(sequence(extensions));
        }
        self.revoked.push(sequence(&parts));
        self
    }

    pub(crate) fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    pub(crate) fn der(&self, signer: u8) -> Vec<u8> {
        let mut parts = vec![tlv(2, &[1]), ed25519(), name(self.issuer), utc(self.from)];
        parts.extend(self.until.map(utc));
        if !self.revoked.is_empty() {
            parts.push(sequence(&self.revoked));
        }
        if !self.extensions.is_empty() {
            parts.push(tlv(0xa0, &sequence(&self.extensions)));
        }
        Key::new(signer).sign(&sequence(&parts))
    }
}

/// Lists by URL, and what responders say; the network of tests.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) lists: Vec<(&'static str, Vec<u8>)>,
    pub(crate) answers: Vec<(&'static str, Vec<u8>)>,
}

impl Evidence for Known {
    fn crl(&self, _vrf: Option<&str>, url: &str) -> Result<Arc<Crl>, String> {
        let (_, der) = self.lists.iter().find(|(known, _)| *known == url).ok_or("no answer")?;
        Crl::read(der).map(Arc::new).map_err(|error| error.to_string())
    }

    fn ocsp(&self, _vrf: Option<&str>, url: &str, _id: &ocsp::CertId) -> Result<Arc<ocsp::Response>, String> {
        let (_, der) = self.answers.iter().find(|(known, _)| *known == url).ok_or("no answer")?;
        ocsp::Response::read(der, &[]).map(Arc::new).map_err(|error| error.to_string())
    }
}

pub(crate) fn trustpoint(anchors: Vec<Certificate>, revocation: &[Revocation]) -> Trustpoint {
    Trustpoint {
        name: "ISP".to_owned(),
        vrf: None,
        anchors,
        credential: None,
        revocation: revocation.to_vec(),
        crl_url: None,
        ocsp_url: None,
    }
}
