//! The keys of an IKE SA and of its children: RFC 7296 sections 2.14, 2.17 and 2.18, with several key
//! exchanges (RFC 9370), post-quantum pre-shared keys (RFC 8784) and IntAuth (RFC 9242).

use base::Secret;
use ipsec::Suite as ChildSuite;

use super::proposal::Suite;
use crate::config::v2::{Encryption, Integrity, Prf};
use crate::wire::header::Cookie;

/// What besides shared secrets goes into every key.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    /// Ni, Nr.
    pub(crate) nonces: (&'a [u8], &'a [u8]),
    /// SPIi, SPIr of the IKE SA that the keys are for.
    pub(crate) spis: (Cookie, Cookie),
}

/// SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi and SK_pr, and whose side we are on. No Debug.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) prf: Prf,
    pub(crate) encryption: Encryption,
    /// `None` with an AEAD.
    pub(crate) integrity: Option<Integrity>,
    /// We are the original initiator.
    pub(crate) initiator: bool,
    /// One key after the other: a tunnel's memory counts.
    material: Secret,
    /// Messages that we have sealed: what makes an IV of a counter mode unique.
    pub(super) sealed: u64,
}

/// Where each key stands in the material.
#[derive(Clone, Copy)]
enum Part {
    Derive,
    AuthenticateI,
    AuthenticateR,
    EncryptI,
    EncryptR,
    ProveI,
    ProveR,
}

const PARTS: [Part; 7] = [
    Part::Derive,
    Part::AuthenticateI,
    Part::AuthenticateR,
    Part::EncryptI,
    Part::EncryptR,
    Part::ProveI,
    Part::ProveR,
];

impl Keys {
    /// After IKE_SA_INIT.
    pub(crate) fn initial(suite: &Suite, initiator: bool, shared: &Secret, inputs: &Inputs<'_>) -> Self {
        let (ni, nr) = inputs.nonces;
        let key = if suite.prf.cuts_nonces() { [half(ni), half(nr)].concat() } else { [ni, nr].concat() };
        Self::expand(suite, initiator, suite.prf.compute(&key, &[shared.expose()]), inputs)
    }

    /// After one more key exchange in IKE_INTERMEDIATE: RFC 9370 section 2.2.2.
    pub(crate) fn further(&self, suite: &Suite, shared: &Secret, inputs: &Inputs<'_>) -> Self {
        let (ni, nr) = inputs.nonces;
        let seed = self.prf.compute(self.part(Part::Derive), &[shared.expose(), ni, nr]);
        Self { sealed: self.sealed, ..Self::expand(suite, self.initiator, seed, inputs) }
    }

    /// Of the IKE SA that replaces this one. `shared`: of each key exchange, in order.
    pub(crate) fn successor(
        &self,
        suite: &Suite,
        initiator: bool,
        shared: &[Secret],
        inputs: &Inputs<'_>,
    ) -> Self {
        let seed = seed(shared, inputs.nonces);
        let seed = self.prf.compute(self.part(Part::Derive), &[seed.expose()]);
        Self::expand(suite, initiator, seed, inputs)
    }

    /// Of a child: those of packets that the initiator of its exchange sends, and of those it receives.
    /// `shared`: of each key exchange, in order; none without perfect forward secrecy.
    pub(crate) fn child(
        &self,
        suite: ChildSuite,
        shared: &[Secret],
        nonces: (&[u8], &[u8]),
    ) -> (ipsec::Keys, ipsec::Keys) {
        let (cipher, integrity) = (suite.cipher.key_len(), suite.integrity.key_len());
        let seed = seed(shared, nonces);
        let length = 2 * (cipher + integrity);
        let material = self.prf.plus(self.part(Part::Derive), &[seed.expose()], length);
        let at = |from: usize, length| {
            Secret::from(material.expose().get(from..from + length).unwrap_or_default())
        };
        let keys = |from| ipsec::Keys { cipher: at(from, cipher), integrity: at(from + cipher, integrity) };
        (keys(0), keys(cipher + integrity))
    }

    /// A post-quantum pre-shared key goes into what children and proofs are made of (RFC 8784 section 3).
    pub(crate) fn mix(&mut self, ppk: &Secret) {
        let length = self.prf.key_len();
        let material = PARTS.map(|part| match part {
            Part::Derive | Part::ProveI | Part::ProveR => {
                self.prf.plus(ppk.expose(), &[self.part(part)], length)
            }
            Part::AuthenticateI | Part::AuthenticateR | Part::EncryptI | Part::EncryptR => {
                Secret::from(self.part(part))
            }
        });
        self.material = joined(material.iter().map(Secret::expose));
    }

    /// SK_pi or SK_pr.
    pub(crate) fn proof_key(&self, of_initiator: bool) -> &[u8] {
        self.part(if of_initiator { Part::ProveI } else { Part::ProveR })
    }

    /// SK_ei or SK_er, SK_ai or SK_ar: of what the original initiator, or the responder, sends.
    pub(super) fn protection(&self, of_initiator: bool) -> (&[u8], &[u8]) {
        if of_initiator {
            (self.part(Part::EncryptI), self.part(Part::AuthenticateI))
        } else {
            (self.part(Part::EncryptR), self.part(Part::AuthenticateR))
        }
    }

    fn expand(suite: &Suite, initiator: bool, seed: Secret, inputs: &Inputs<'_>) -> Self {
        let Suite { prf, encryption, integrity, .. } = *suite;
        let mut keys = Self { prf, encryption, integrity, initiator, material: Secret::default(), sealed: 0 };
        let length = PARTS.map(|part| keys.length(part)).iter().sum();
        let ((ni, nr), (spi_i, spi_r)) = (inputs.nonces, inputs.spis);
        keys.material = prf.plus(seed.expose(), &[ni, nr, &spi_i, &spi_r], length);
        keys
    }

    fn length(&self, part: Part) -> usize {
        match part {
            Part::Derive | Part::ProveI | Part::ProveR => self.prf.key_len(),
            Part::AuthenticateI | Part::AuthenticateR => self.integrity.map_or(0, super::sealed::mac_key_len),
            Part::EncryptI | Part::EncryptR => super::sealed::key_len(self.encryption),
        }
    }

    fn part(&self, wanted: Part) -> &[u8] {
        let before = PARTS.iter().take(wanted as usize).map(|part| self.length(*part)).sum::<usize>();
        self.material.expose().get(before..before + self.length(wanted)).unwrap_or_default()
    }
}

/// IntAuth of one message: RFC 9242 section 3.3. `before` is that of the message before it in the same
/// direction, `head` and `clear` are what [`int_auth_head`] says and the payloads inside.
pub(crate) fn int_auth(prf: Prf, proof_key: &[u8], before: &[u8], head: &[u8], clear: &[u8]) -> Vec<u8> {
    prf.compute(proof_key, &[before, head, clear]).expose().to_vec()
}

/// SK(0) | Ni | Nr | SK(1) | ... (RFC 9370 sections 2.2.4 and 2.2.5).
fn seed(shared: &[Secret], (ni, nr): (&[u8], &[u8])) -> Secret {
    let (first, others) =
        shared.split_first().map_or((&[][..], &[][..]), |(first, rest)| (first.expose(), rest));
    joined([first, ni, nr].into_iter().chain(others.iter().map(Secret::expose)))
}

fn joined<'a>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> Secret {
    // With its capacity from the start nothing is left behind by a growing buffer.
    let mut bytes = Vec::with_capacity(parts.clone().map(<[u8]>::len).sum());
    parts.for_each(|part| bytes.extend_from_slice(part));
    Secret::from(bytes)
}

fn half(nonce: &[u8]) -> &[u8] {
    nonce.get(..8).unwrap_or(nonce)
}

#[cfg(test)]
mod tests;
