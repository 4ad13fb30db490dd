//! What AUTH payloads prove (RFC 7296 section 2.15): the octets that are signed or authenticated, with which
//! key we do it, and by which scheme a peer did.

use std::sync::Arc;

use base::Secret;
use crypto::job::Job;
use crypto::prf::Hash;
use crypto::sign::{Kind, PrivateKey, PublicKey, Scheme};

use super::{certificate, unauthenticated};
use crate::config::Config;
use crate::config::v2::{self as config, Authentication, Prf};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::v2::keys::Keys;
use crate::v2::state::{Capabilities, Secured};
use crate::v2::wire::auth::{Auth, method};
use crate::v2::wire::signature::hash;

const KEY_PAD: &[u8] = b"Key Pad for IKEv2";

/// What the initiator, or the responder, proves that it has sent. `id`: the body of its ID payload;
/// `message_id`: of IKE_AUTH, which counts after IKE_INTERMEDIATE (RFC 9242 section 3.3).
pub(crate) fn octets(
    secured: &Secured,
    keys: &Keys,
    of_initiator: bool,
    id: &[u8],
    message_id: u32,
) -> Vec<u8> {
    let (message, nonce) = if of_initiator {
        (&secured.messages.0, &secured.nonces.1)
    } else {
        (&secured.messages.1, &secured.nonces.0)
    };
    let id = keys.prf.compute(keys.proof_key(of_initiator), &[id]);
    let mut octets = [message.as_slice(), nonce, id.expose()].concat();
    if let Some((initiator, responder)) = &secured.int_auth {
        octets.extend_from_slice(initiator);
        octets.extend_from_slice(responder);
        octets.extend_from_slice(&message_id.to_be_bytes());
    }
    octets
}

/// With a shared key.
pub(crate) fn by_secret(prf: Prf, key: &Secret, octets: &[u8]) -> Auth {
    let padded = prf.compute(key.expose(), &[KEY_PAD]);
    let data = prf.compute(padded.expose(), &[octets]).expose().to_vec();
    Auth { method: method::SHARED_KEY, data }
}

/// How we prove who we are.
#[derive(Clone)]
pub(crate) enum Means {
    Shared(Secret),
    Signature(Signer),
}

/// Our key under a trustpoint, and how it signs for this peer.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) scheme: Scheme,
    method: u8,
    /// DER, ours first.
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) subject: pki::Dn,
    pub(crate) trustpoint: String,
}

impl Means {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Shared(_) => "PSK",
            Self::Signature(signer) => word(signer.key.kind()),
        }
    }

    pub(crate) const fn signer(&self) -> Option<&Signer> {
        match self {
            Self::Shared(_) => None,
            Self::Signature(signer) => Some(signer),
        }
    }
}

pub(crate) const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Rsa(_) => "RSA",
        Kind::EcP256 | Kind::EcP384 | Kind::EcP521 => "ECDSA",
        Kind::Ed25519 => "Ed25519",
    }
}

impl Signer {
    /// The first of the profile's trustpoints that has a key of ours, those first whose CA the peer named.
    pub(crate) fn of(config: &Config, profile: &config::Profile, secured: &Secured) -> Result<Self, Refusal> {
        let credentials = certificate::credentials(config, profile, &secured.authorities);
        let mut why = format!("no trustpoint of profile {} has a key and a certificate", profile.name);
        for (trustpoint, credential) in credentials {
            let kind = credential.key.kind();
            if !suits(&profile.local_authentication, kind) {
                why = format!(
                    "the key of trustpoint {} is {kind}: not what profile {} signs with",
                    trustpoint.name, profile.name
                );
                continue;
            }
            let Some((scheme, method)) = scheme(kind, secured.peer) else {
                why = format!(
                    "the peer verifies no signature that the {kind} key of trustpoint {} makes",
                    trustpoint.name
                );
                continue;
            };
            return Ok(Self {
                key: credential.key.clone(),
                scheme,
                method,
                chain: credential.chain.iter().map(|one| one.der.clone()).collect(),
                subject: credential.chain.first().map(|one| one.subject.clone()).unwrap_or_default(),
                trustpoint: trustpoint.name.clone(),
            });
        }
        Err(unauthenticated("no-certificate", Blame::Refused, why))
    }

    /// The payload that carries a signature.
    pub(crate) fn auth(&self, signature: Vec<u8>) -> Option<Auth> {
        if self.method == method::DIGITAL_SIGNATURE {
            return Auth::signed(self.scheme, &signature);
        }
        Some(Auth { method: self.method, data: signature })
    }
}

/// Whether a key of this kind signs as the configuration says.
pub(crate) const fn suits(wanted: &Authentication, kind: Kind) -> bool {
    match wanted {
        Authentication::PreShared(_) => false,
        Authentication::RsaSignature => matches!(kind, Kind::Rsa(_)),
        Authentication::EcdsaSignature => matches!(kind, Kind::EcP256 | Kind::EcP384 | Kind::EcP521),
        Authentication::DigitalSignature => true,
    }
}

/// By RFC 7427 if the peer knows it, else by the methods before it.
fn scheme(kind: Kind, peer: Capabilities) -> Option<(Scheme, u8)> {
    let knows = |number: u16| peer.hashes & (1 << number) != 0;
    let strongest = |first: Hash| {
        let all = [(first, number(first)), (Hash::Sha256, hash::SHA256)];
        let more = [(Hash::Sha384, hash::SHA384), (Hash::Sha512, hash::SHA512)];
        all.into_iter().chain(more).find(|(_, number)| knows(*number)).map(|(hash, _)| hash)
    };
    let digital = |scheme| (scheme, method::DIGITAL_SIGNATURE);
    let curve = |hash, old| match strongest(hash) {
        Some(hash) => digital(Scheme::Ecdsa(hash)),
        None => (Scheme::EcdsaFixed(hash), old),
    };
    Some(match kind {
        Kind::Rsa(_) => match strongest(Hash::Sha256) {
            Some(hash) => digital(Scheme::RsaPss(hash)),
            None => (Scheme::RsaPkcs1(Hash::Sha1), method::RSA),
        },
        Kind::EcP256 => curve(Hash::Sha256, method::ECDSA_256),
        Kind::EcP384 => curve(Hash::Sha384, method::ECDSA_384),
        Kind::EcP521 => curve(Hash::Sha512, method::ECDSA_521),
        Kind::Ed25519 if knows(hash::IDENTITY) => digital(Scheme::Ed25519),
        Kind::Ed25519 => return None,
    })
}

const fn number(hash: Hash) -> u16 {
    match hash {
        Hash::Md5 => 0,
        Hash::Sha1 => hash::SHA1,
        Hash::Sha256 => hash::SHA256,
        Hash::Sha384 => hash::SHA384,
        Hash::Sha512 => hash::SHA512,
    }
}

/// A peer's signature that waits to be verified.
pub(crate) struct Verification {
    pub(crate) key: PublicKey,
    schemes: Vec<Scheme>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Verification {
    pub(crate) fn new(key: PublicKey, auth: &Auth, message: Vec<u8>) -> Result<Self, Refusal> {
        let (schemes, signature) = schemes(auth)?;
        Ok(Self { key, schemes, message, signature })
    }

    /// By the next scheme that it may have been made with; `None`: by none at all.
    pub(crate) fn next(&mut self) -> Option<Job> {
        if self.schemes.is_empty() {
            return None;
        }
        let (key, scheme) = (self.key.clone(), self.schemes.remove(0));
        let (message, signature) = (self.message.clone(), self.signature.clone());
        Some(Job::Verify { key, scheme, message, signature })
    }
}

/// The schemes by which a peer may have made its signature, the likeliest first, and the signature. What
/// method 1 hashes with it does not say.
fn schemes(auth: &Auth) -> Result<(Vec<Scheme>, Vec<u8>), Refusal> {
    let fixed = |hash| Ok((vec![Scheme::EcdsaFixed(hash)], auth.data.clone()));
    match auth.method {
        method::RSA => {
            let hashes = [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
            Ok((hashes.map(Scheme::RsaPkcs1).to_vec(), auth.data.clone()))
        }
        method::ECDSA_256 => fixed(Hash::Sha256),
        method::ECDSA_384 => fixed(Hash::Sha384),
        method::ECDSA_521 => fixed(Hash::Sha512),
        method::DIGITAL_SIGNATURE => match auth.digital_signature()? {
            (Some(scheme), signature) => Ok((vec![scheme], signature.to_vec())),
            (None, _) => {
                let detail = "the peer signs by a scheme that we do not know (RFC 7427)".to_owned();
                Err(unauthenticated("unknown-signature-scheme", Blame::PeerIncompatible, detail))
            }
        },
        other => {
            let detail = format!("the peer proves itself by method {other}, which we do not know");
            Err(unauthenticated("unknown-authentication-method", Blame::PeerIncompatible, detail))
        }
    }
}
