//! Phase 1 proposals on the wire and which one both sides take: RFC 2409 appendix A, IKE-03, IKE-04, IKE-05.

use std::time::Duration;

use crypto::dh::Group;

use super::phase1::Mode;
use super::session::Session;
use super::trust::Means;
use crate::Path;
use crate::config::{Authentication, Encryption, Hash, Proposal};
use crate::core::Core;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::record::{Fact, Kind};
use crate::wire::attribute::Attribute;
use crate::wire::notify::NO_PROPOSAL_CHOSEN;
use crate::wire::payload::{self, Chain};
use crate::wire::sa::{self, Sa, Transform};

mod words;
pub(crate) use words::words;
use words::{lacking, no_longer};

/// KEY_IKE, the only transform of phase 1.
const KEY_IKE: u8 = 1;

/// Attribute types.
const ENCRYPTION: u16 = 1;
const HASH: u16 = 2;
const AUTHENTICATION: u16 = 3;
const GROUP: u16 = 4;
pub(crate) const LIFE_TYPE: u16 = 11;
pub(crate) const LIFE_DURATION: u16 = 12;
const KEY_LENGTH: u16 = 14;

pub(crate) const LIFE_SECONDS: u16 = 1;

/// RFC 2409 has no default; this is what IOS lives by.
const DEFAULT_LIFETIME: u64 = 86_400;

/// Bytes of an SA payload that are kept for a peer nobody knows yet: far more than any peer offers.
const LONGEST_OFFER: usize = 8192;

/// Offers of a peer that its story tells of.
const MOST_TOLD: usize = 8;

/// What both sides run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Ours, except for the lifetime: the shorter one.
    pub(crate) proposal: Proposal,
    /// The responder's lifetime undercuts the offer: it must say so.
    pub(crate) shortened: bool,
}

/// Those that we can authenticate with (IKE-05).
pub(crate) fn usable<'a>(
    proposals: &'a [Proposal],
    means: &'a Means,
) -> impl Iterator<Item = &'a Proposal> + Clone {
    proposals.iter().filter(|proposal| means.allow(proposal.authentication, proposal.hash))
}

/// Our proposals as one SA payload; in aggressive mode those of the first one's group.
pub(crate) fn offer(core: &mut Core, proposals: &[Proposal], means: &Means, mode: Mode) -> Option<Sa> {
    for passed in proposals.iter().filter(|proposal| !means.allow(proposal.authentication, proposal.hash)) {
        core.tell(Fact::passed(Kind::Policy, &passed.priority.to_string(), lacking(passed.authentication)));
    }
    let group = usable(proposals, means).next()?.group;
    let all = usable(proposals, means).filter(|one| mode == Mode::Main || one.group == group);
    let transforms = (1u8..).zip(all).map(|(number, proposal)| encode(number, proposal)).collect();
    let proposal = sa::Proposal { number: 1, protocol: sa::PROTOCOL_ISAKMP, spi: Vec::new(), transforms };
    Some(Sa { proposals: vec![proposal] })
}

/// The SA payload of a message 1, as it stands and decoded.
pub(crate) fn read(chain: &Chain<'_>) -> Result<(Vec<u8>, Sa), Refusal> {
    let body = chain.first(payload::SA)?;
    if body.len() > LONGEST_OFFER {
        return Err(Refusal::ignored("offer-too-long"));
    }
    Ok((body.to_vec(), Sa::decode(body)?))
}

/// As responder: our best proposal that any of the peer's equals, and the SA payload that says so.
pub(crate) fn choose(
    core: &mut Core,
    path: &Path,
    means: &Means,
    offered: &Sa,
) -> Result<(Chosen, Sa), Refusal> {
    let config = core.config.clone();
    let ours: Vec<&Proposal> = usable(&config.proposals, means).collect();
    tell_offers(core, &ours, offered);
    for our in &ours {
        for (proposal, transform) in pairs(offered) {
            let theirs = Theirs::decode(transform);
            core.debug(None, path, || compare(our, transform.number, &theirs));
            if let Some(chosen) = theirs.settle(our) {
                let answer = sa::Proposal { transforms: vec![transform.clone()], ..proposal.clone() };
                core.tell(Fact::Chosen { what: words(&chosen.proposal).into() });
                core.tell(Fact::chosen(Kind::Policy, &our.priority.to_string()));
                return Ok((chosen, Sa { proposals: vec![answer] }));
            }
        }
    }
    Err(none_chosen(&config.proposals, &ours, means, offered))
}

/// As initiator: what the peer took of our offer.
pub(crate) fn accepted(proposals: &[Proposal], means: &Means, answer: &Sa) -> Result<Chosen, Refusal> {
    let [proposal] = answer.proposals.as_slice() else { return Err(Refusal::ignored("not-one-proposal")) };
    let [transform] = proposal.transforms.as_slice() else {
        return Err(Refusal::ignored("not-one-transform"));
    };
    let theirs = Theirs::decode(transform);
    let chosen = usable(proposals, means).find_map(|ours| theirs.settle(ours));
    chosen.ok_or(Refusal::ignored("transform-not-offered"))
}

/// As initiator: what the peer took.
pub(crate) fn tell_chosen(session: &Session, core: &mut Core, chosen: &Chosen) {
    core.debug(Some(session.id), &session.path, || {
        format!("atts are acceptable: priority {} policy", chosen.proposal.priority)
    });
    core.tell(Fact::Chosen { what: words(&chosen.proposal).into() });
}

fn pairs(offered: &Sa) -> impl Iterator<Item = (&sa::Proposal, &Transform)> {
    let all = offered.proposals.iter().filter(|proposal| proposal.protocol == sa::PROTOCOL_ISAKMP);
    all.flat_map(|proposal| proposal.transforms.iter().map(move |transform| (proposal, transform)))
}

/// One transform of the peer; what we do not know stands as its number.
struct Theirs {
    is_ike: bool,
    encryption: Result<Encryption, u64>,
    hash: Result<Hash, u64>,
    method: u64,
    authentication: Result<Authentication, u64>,
    group: Result<Group, u64>,
    lifetime: Duration,
}

impl Theirs {
    fn decode(transform: &Transform) -> Self {
        let number = |kind| transform.number_of(kind).unwrap_or_default();
        let seconds = seconds(&transform.attributes).unwrap_or(DEFAULT_LIFETIME);
        Self {
            is_ike: transform.id == KEY_IKE,
            encryption: encryption(number(ENCRYPTION), transform.number_of(KEY_LENGTH)),
            hash: hash(number(HASH)),
            method: number(AUTHENTICATION),
            authentication: authentication(number(AUTHENTICATION)),
            group: group(number(GROUP)),
            lifetime: Duration::from_secs(seconds),
        }
    }

    /// `None`: it is not our proposal.
    fn settle(&self, ours: &Proposal) -> Option<Chosen> {
        let same = self.is_ike
            && self.encryption == Ok(ours.encryption)
            && self.hash == Ok(ours.hash)
            && self.authentication == Ok(ours.authentication)
            && self.group == Ok(ours.group)
            && self.curve_goes_with_hash();
        let proposal = Proposal { lifetime: ours.lifetime.min(self.lifetime), ..*ours };
        same.then_some(Chosen { proposal, shortened: ours.lifetime < self.lifetime })
    }

    /// RFC 4754: each method is a curve and a hash.
    fn curve_goes_with_hash(&self) -> bool {
        match self.method {
            9 => self.hash == Ok(Hash::Sha256),
            10 => self.hash == Ok(Hash::Sha384),
            11 => self.hash == Ok(Hash::Sha512),
            _ => true,
        }
    }

    /// The first thing of it that fits none of `ours`.
    fn mismatch(&self, ours: &[&Proposal]) -> Option<String> {
        let mut left = ours.to_vec();
        left.retain(|our| self.encryption == Ok(our.encryption));
        if left.is_empty() {
            return Some("no policy of ours has this encryption".to_owned());
        }
        left.retain(|our| self.hash == Ok(our.hash));
        if left.is_empty() {
            return Some("no policy with this encryption has this hash".to_owned());
        }
        left.retain(|our| self.authentication == Ok(our.authentication));
        if left.is_empty() {
            return Some(self.authentication.err().and_then(no_longer).map_or_else(
                || "no policy that we have keys for has this authentication".to_owned(),
                str::to_owned,
            ));
        }
        left.retain(|our| self.group == Ok(our.group));
        left.is_empty().then(|| "our policies like it have another Diffie-Hellman group".to_owned())
    }
}

fn encode(number: u8, proposal: &Proposal) -> Transform {
    let (cipher, key_length) = match proposal.encryption {
        Encryption::Des => (1, None),
        Encryption::TripleDes => (5, None),
        Encryption::Aes(bits) => (7, Some(bits)),
    };
    let hash = match proposal.hash {
        Hash::Md5 => 1,
        Hash::Sha1 => 2,
        Hash::Sha256 => 4,
        Hash::Sha384 => 5,
        Hash::Sha512 => 6,
    };
    let authentication = match proposal.authentication {
        Authentication::PreShared => 1,
        Authentication::RsaSignature => 3,
        Authentication::RsaEncryption => 4,
        Authentication::EcdsaSignature => match proposal.hash {
            Hash::Md5 | Hash::Sha1 | Hash::Sha256 => 9,
            Hash::Sha384 => 10,
            Hash::Sha512 => 11,
        },
    };
    let seconds = u32::try_from(proposal.lifetime.as_secs()).unwrap_or(u32::MAX);
    let mut attributes = vec![Attribute::short(ENCRYPTION, cipher)];
    attributes.extend(key_length.map(|bits| Attribute::short(KEY_LENGTH, bits)));
    attributes.extend([
        Attribute::short(HASH, hash),
        Attribute::short(GROUP, proposal.group.number()),
        Attribute::short(AUTHENTICATION, authentication),
        Attribute::short(LIFE_TYPE, LIFE_SECONDS),
        Attribute::number(LIFE_DURATION, seconds),
    ]);
    Transform { number, id: KEY_IKE, attributes }
}

fn encryption(number: u64, bits: Option<u64>) -> Result<Encryption, u64> {
    match (number, bits) {
        (1, None) => Ok(Encryption::Des),
        (5, None) => Ok(Encryption::TripleDes),
        (7, None | Some(128)) => Ok(Encryption::Aes(128)),
        (7, Some(192)) => Ok(Encryption::Aes(192)),
        (7, Some(256)) => Ok(Encryption::Aes(256)),
        (number, _) => Err(number),
    }
}

const fn hash(number: u64) -> Result<Hash, u64> {
    Ok(match number {
        1 => Hash::Md5,
        2 => Hash::Sha1,
        4 => Hash::Sha256,
        5 => Hash::Sha384,
        6 => Hash::Sha512,
        _ => return Err(number),
    })
}

const fn authentication(number: u64) -> Result<Authentication, u64> {
    Ok(match number {
        1 => Authentication::PreShared,
        3 => Authentication::RsaSignature,
        4 => Authentication::RsaEncryption,
        9..=11 => Authentication::EcdsaSignature,
        _ => return Err(number),
    })
}

/// Version 1 has numbers for MODP and NIST curves alone.
fn group(number: u64) -> Result<Group, u64> {
    let known = matches!(number, 1 | 2 | 5 | 14..=21);
    let group = u16::try_from(number).ok().filter(|_| known).and_then(Group::from_number);
    group.ok_or(number)
}

/// The duration that follows the life type "seconds"; zero sets no limit. Volume has no
/// meaning in phase 1 (IKE-03).
pub(crate) fn seconds(attributes: &[Attribute]) -> Option<u64> {
    let mut kind = u64::from(LIFE_SECONDS);
    for attribute in attributes {
        match attribute.kind {
            LIFE_TYPE => kind = attribute.as_number(),
            LIFE_DURATION if kind == u64::from(LIFE_SECONDS) => {
                return Some(attribute.as_number()).filter(|seconds| *seconds > 0);
            }
            _ => {}
        }
    }
    None
}

fn tell_offers(core: &mut Core, ours: &[&Proposal], offered: &Sa) {
    for (_, transform) in pairs(offered).take(MOST_TOLD) {
        let theirs = Theirs::decode(transform);
        let mismatch = theirs.mismatch(ours).map(String::into_boxed_str);
        core.tell(Fact::Offered { number: transform.number, offer: theirs.to_string().into(), mismatch });
    }
}

fn compare(ours: &Proposal, number: u8, theirs: &Theirs) -> String {
    let verdict = if !theirs.is_ike {
        "transform not understood"
    } else if theirs.encryption != Ok(ours.encryption) {
        "Encryption algorithm offered does not match policy!"
    } else if theirs.hash != Ok(ours.hash) {
        "Hash algorithm offered does not match policy!"
    } else if theirs.authentication != Ok(ours.authentication) {
        "Authentication method offered does not match policy!"
    } else if theirs.group != Ok(ours.group) {
        "Diffie-Hellman group offered does not match policy!"
    } else {
        "atts are acceptable."
    };
    format!("checking ISAKMP transform {number} against priority {} policy: {verdict}", ours.priority)
}

fn none_chosen(all: &[Proposal], ours: &[&Proposal], means: &Means, offered: &Sa) -> Refusal {
    let list = |mut words: Vec<String>| {
        words.dedup();
        if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
    };
    let theirs: Vec<Theirs> = pairs(offered).take(MOST_TOLD).map(|(_, one)| Theirs::decode(one)).collect();
    let why = theirs.first().and_then(|first| first.mismatch(ours));
    let passed = all.iter().filter(|one| !means.allow(one.authentication, one.hash));
    let passed: Vec<String> = passed
        .map(|one| format!("policy {} is left out: {}", one.priority, lacking(one.authentication)))
        .take(2)
        .collect();
    let detail = format!(
        "the peer offers {}; our isakmp policies for it are {}{}{}",
        list(theirs.iter().map(ToString::to_string).collect()),
        list(ours.iter().map(|our| words(our)).collect()),
        why.map_or_else(String::new, |why| format!("; {why}")),
        if passed.is_empty() { String::new() } else { format!(" ({})", passed.join("; ")) },
    );
    Refusal::because(Blame::PeerIncompatible, "no-proposal-chosen", detail).telling(NO_PROPOSAL_CHOSEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_sets_no_limit_to_phase_1_does_not_end_it_at_once() {
        for life in
            [&[][..], &[Attribute::short(LIFE_TYPE, LIFE_SECONDS), Attribute::short(LIFE_DURATION, 0)]]
        {
            let transform = Transform { number: 1, id: KEY_IKE, attributes: life.to_vec() };
            assert_eq!(Theirs::decode(&transform).lifetime, Duration::from_secs(DEFAULT_LIFETIME));
        }
    }
}
