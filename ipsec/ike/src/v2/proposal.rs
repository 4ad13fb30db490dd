//! Proposals: what we offer, what we choose of a peer's offer, and whether the peer chose from ours
//! (RFC 7296 sections 2.7 and 3.3, RFC 9370 section 2.2.1).
//!
//! Ours and the peer's are compared as they stand on the wire; [`Suite`] and [`Terms`] are what a chosen
//! proposal means.

use base::{Spi, VrfId};
use crypto::dh::Group;
use crypto::prf::Hash;
use std::net::IpAddr;

use super::wire::notify::NO_PROPOSAL_CHOSEN;
use super::wire::sa::{self, Proposal, Sa, Transform, kind};
use crate::config::v2::{self, Encryption, Integrity, Prf};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::record::Fact;

mod esp;
pub(crate) use esp::{Keying, Terms, esp_offer};
mod numbers;
mod text;

/// What protects an IKE SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) encryption: Encryption,
    /// `None` with an AEAD.
    pub(crate) integrity: Option<Integrity>,
    pub(crate) prf: Prf,
    pub(crate) group: Group,
    /// Further key exchanges, in order.
    pub(crate) additional: Vec<Group>,
}

/// The proposals of the first policy that is for this front VRF and address of ours, best first; of the
/// policies that say so explicitly, those that name the address come first.
pub(crate) fn proposals_for(config: &v2::Config, front: VrfId, local: IpAddr) -> Vec<&v2::Proposal> {
    let serves = |policy: &&v2::Policy| {
        policy.front.admits(front) && (policy.local.is_empty() || policy.local.contains(&local))
    };
    let rank = |policy: &&v2::Policy| (policy.local.is_empty(), policy.front == v2::Front::Any);
    let policy = config.policies.iter().filter(serves).min_by_key(rank);
    let names = policy.map(|policy| policy.proposals.as_slice()).unwrap_or_default();
    let named = names.iter().filter_map(|name| config.proposals.iter().find(|one| one.name == *name));
    named.collect()
}

/// What `ours` offers for an IKE SA, AEADs and others in separate proposals; `spi` is empty unless an IKE
/// SA is rekeyed.
pub(crate) fn ike_offer(ours: &[&v2::Proposal], spi: &[u8]) -> Sa {
    let mut proposals = Vec::new();
    for proposal in ours {
        for aead in [true, false] {
            proposals.extend(ike_proposal(proposal, aead, spi));
        }
    }
    numbered(proposals)
}

/// The key exchange method whose public value goes into the first message.
pub(crate) fn first_group(offer: &Sa) -> Option<Group> {
    let mut methods = offer.proposals.iter().flat_map(|proposal| proposal.of(kind::KEY_EXCHANGE));
    methods.find_map(|transform| Group::from_number(transform.id))
}

/// What was chosen: the proposal that answers, without SPI of ours, and whose number it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// One transform of each type; its SPI is the peer's.
    pub(crate) proposal: Proposal,
}

impl Choice {
    /// The SA payload that says so, with our SPI.
    pub(crate) fn answer(&self, spi: &[u8]) -> Sa {
        Sa { proposals: vec![Proposal { spi: spi.to_vec(), ..self.proposal.clone() }] }
    }
}

/// As responder: the first proposal of the peer that fits one of `ours`, and of that what we like best.
/// What was offered and why it does not fit goes to `story`. `keyless`: in IKE_AUTH, where a child takes no
/// key exchange of its own.
pub(crate) fn choose(
    offered: &Sa,
    ours: &Sa,
    keyless: bool,
    story: &mut Vec<Fact>,
) -> Result<Choice, Refusal> {
    let mut first_mismatch = None;
    for proposal in &offered.proposals {
        let verdict = best_of(proposal, ours, keyless);
        let mismatch = verdict.as_ref().err().map(|why| why.as_str().into());
        let offer: Box<str> = text::of(proposal).into();
        story.push(Fact::Offered { number: proposal.number, offer: offer.clone(), mismatch });
        match verdict {
            Ok(proposal) => {
                story.push(Fact::Chosen { what: text::of(&proposal).into() });
                return Ok(Choice { proposal });
            }
            Err(why) => {
                first_mismatch.get_or_insert_with(|| format!("{offer}: {why}"));
            }
        }
    }
    let ours: Vec<String> = ours.proposals.iter().map(text::of).collect();
    let detail = format!(
        "nothing of what the peer offers fits ({}); ours: {}",
        first_mismatch.unwrap_or_else(|| "it offers nothing".to_owned()),
        ours.join("; ")
    );
    let refusal = Refusal::because(Blame::PeerIncompatible, "no-proposal-chosen", detail);
    Err(refusal.telling(NO_PROPOSAL_CHOSEN))
}

/// As initiator: the one proposal of the answer, if every transform of it is one that we offered.
pub(crate) fn accepted(answer: &Sa, offered: &Sa) -> Result<Choice, Refusal> {
    let misbehaved = |detail: String| Refusal::because(Blame::PeerMisbehaved, "bad-choice", detail);
    let [chosen] = answer.proposals.as_slice() else {
        return Err(misbehaved("the peer chose several proposals, or none".to_owned()));
    };
    let ours = offered.proposals.iter().find(|ours| ours.number == chosen.number);
    let of_protocol = ours.filter(|ours| ours.protocol == chosen.protocol);
    let ours =
        of_protocol.ok_or_else(|| misbehaved("the peer chose a proposal that we did not make".into()))?;
    let fits = kinds(chosen, ours).into_iter().all(|kind| {
        let mut theirs = chosen.of(kind);
        match (theirs.next(), theirs.next()) {
            (Some(one), None) => {
                ours.of(kind).any(|our| our == one) || is_none(one) && is_optional(ours, kind)
            }
            (None, _) => is_optional(ours, kind),
            (Some(_), Some(_)) => false,
        }
    });
    if fits {
        Ok(Choice { proposal: chosen.clone() })
    } else {
        Err(misbehaved(format!("the peer chose what we did not offer: {}", text::of(chosen))))
    }
}

impl Suite {
    /// What a chosen proposal for an IKE SA means.
    pub(crate) fn of(choice: &Choice) -> Option<Self> {
        let proposal = &choice.proposal;
        let one = |kind| proposal.of(kind).next();
        let encryption = one(kind::ENCRYPTION).and_then(numbers::encryption)?;
        let integrity = one(kind::INTEGRITY).and_then(numbers::integrity);
        let prf = one(kind::PRF).and_then(numbers::prf)?;
        let group = Group::from_number(one(kind::KEY_EXCHANGE)?.id)?;
        let is_whole = integrity.is_some() != numbers::is_aead(encryption);
        is_whole.then(|| Self { encryption, integrity, prf, group, additional: additional(proposal) })
    }
}

/// The proposals of an offer in words, for the operator.
pub(crate) fn describe(offer: &Sa) -> String {
    offer.proposals.iter().map(text::of).collect::<Vec<_>>().join("; ")
}

/// Additional key exchanges in order, without those that are NONE.
fn additional(proposal: &Proposal) -> Vec<Group> {
    let kinds = kind::ADDITIONAL_1..=kind::ADDITIONAL_7;
    let all = kinds.filter_map(|kind| proposal.of(kind).next());
    all.filter_map(|transform| Group::from_number(transform.id)).collect()
}

fn numbered(mut proposals: Vec<Proposal>) -> Sa {
    proposals.truncate(usize::from(u8::MAX));
    for (number, proposal) in (1..).zip(&mut proposals) {
        proposal.number = number;
    }
    Sa { proposals }
}

fn ike_proposal(config: &v2::Proposal, aead: bool, spi: &[u8]) -> Option<Proposal> {
    let encryption: Vec<_> =
        config.encryption.iter().filter(|one| numbers::is_aead(**one) == aead).copied().collect();
    let integrity = if aead { &[][..] } else { config.integrity.as_slice() };
    if encryption.is_empty() || !aead && integrity.is_empty() {
        return None;
    }
    let mut transforms: Vec<Transform> = encryption.into_iter().map(numbers::of_encryption).collect();
    transforms.extend(prfs(config).into_iter().map(numbers::of_prf));
    transforms.extend(integrity.iter().map(|one| numbers::of_integrity(*one)));
    transforms.extend(config.groups.iter().map(|group| numbers::of_group(kind::KEY_EXCHANGE, *group)));
    for (kind, groups) in (kind::ADDITIONAL_1..=kind::ADDITIONAL_7).zip(&config.additional) {
        transforms.extend(groups.iter().map(|group| numbers::of_group(kind, *group)));
    }
    Some(Proposal { number: 0, protocol: sa::PROTOCOL_IKE, spi: spi.to_vec(), transforms })
}

/// Without a line of its own: the PRF of each integrity algorithm's hash.
fn prfs(config: &v2::Proposal) -> Vec<Prf> {
    if !config.prf.is_empty() {
        return config.prf.clone();
    }
    let mut prfs = Vec::new();
    for prf in config.integrity.iter().map(|integrity| super::sealed::mac(*integrity)) {
        if !prfs.contains(&prf) {
            prfs.push(prf);
        }
    }
    if prfs.is_empty() {
        prfs.extend([Hash::Sha256, Hash::Sha384, Hash::Sha512].map(Prf::Hmac));
    }
    prfs
}

/// The choice from one proposal of the peer; else why none of ours fits, by the one that came closest.
fn best_of(theirs: &Proposal, ours: &Sa, keyless: bool) -> Result<Proposal, String> {
    let mut closest: Option<(usize, String)> = None;
    for one in &ours.proposals {
        match fit(theirs, one, keyless) {
            Ok(transforms) => return Ok(Proposal { transforms, ..theirs.clone() }),
            Err((passed, why)) => {
                if closest.as_ref().is_none_or(|(best, _)| *best < passed) {
                    closest = Some((passed, why));
                }
            }
        }
    }
    Err(closest.map_or_else(|| "we have no proposal".to_owned(), |(_, why)| why))
}

/// One transform of each type; else how many types fit before the first that does not, and why.
fn fit(theirs: &Proposal, ours: &Proposal, keyless: bool) -> Result<Vec<Transform>, (usize, String)> {
    if theirs.protocol != ours.protocol {
        return Err((0, format!("not {}", text::protocol(ours.protocol))));
    }
    let (mut chosen, mut methods) = (Vec::new(), Vec::new());
    for (passed, kind) in kinds(theirs, ours).into_iter().enumerate() {
        if keyless && is_key_exchange(kind) {
            continue;
        }
        let taken = |transform: &Transform| is_key_exchange(kind) && methods.contains(&transform.id);
        match pick(theirs, ours, kind, taken) {
            Some(Some(transform)) => {
                chosen.push(transform);
                if is_key_exchange(kind) && !is_none(&transform) {
                    methods.push(transform.id);
                }
            }
            Some(None) => {}
            None => return Err((passed + 1, text::mismatch(theirs, ours, kind))),
        }
    }
    Ok(chosen)
}

/// What of one type both have, the first in our order; `Some(None)`: neither needs one. No key exchange
/// method is used twice.
fn pick(
    theirs: &Proposal,
    ours: &Proposal,
    kind: u8,
    taken: impl Fn(&Transform) -> bool,
) -> Option<Option<Transform>> {
    let offered = |wanted: &Transform| theirs.of(kind).any(|one| one == wanted);
    if let Some(both) = ours.of(kind).find(|wanted| offered(wanted) && !taken(wanted)) {
        return Some(Some(*both));
    }
    if !is_optional(ours, kind) {
        return None;
    }
    match theirs.of(kind).find(|one| is_none(one)) {
        Some(none) => Some(Some(*none)),
        None => is_optional(theirs, kind).then_some(None),
    }
}

/// A type of which nothing was said, or NONE among others.
fn is_optional(proposal: &Proposal, kind: u8) -> bool {
    proposal.of(kind).next().is_none() || proposal.of(kind).any(is_none)
}

/// NONE of integrity and key exchanges, and 32-bit sequence numbers.
const fn is_none(transform: &Transform) -> bool {
    transform.id == 0 && !matches!(transform.kind, kind::ENCRYPTION | kind::PRF)
}

fn is_key_exchange(kind: u8) -> bool {
    kind == kind::KEY_EXCHANGE || (kind::ADDITIONAL_1..=kind::ADDITIONAL_7).contains(&kind)
}

/// The types that either side names, in order.
fn kinds(one: &Proposal, other: &Proposal) -> Vec<u8> {
    let mut kinds: Vec<u8> =
        one.transforms.iter().chain(&other.transforms).map(|transform| transform.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The peer's SPI in a proposal for a child.
pub(crate) fn spi_of(choice: &Choice) -> Result<Spi, Refusal> {
    let spi = choice.proposal.esp_spi().filter(|spi| *spi != 0);
    spi.map(Spi).ok_or(Refusal::ignored("bad-spi"))
}

#[cfg(test)]
mod tests;
