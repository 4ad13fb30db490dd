//! Phase 1 proposals on the wire and which one both sides take: RFC 2409 appendix A, IKE-03, IKE-04.

use std::time::Duration;

use crypto::dh::Group;

use crate::config::{Authentication, Encryption, Hash, Proposal};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::wire::attribute::Attribute;
use crate::wire::notify::NO_PROPOSAL_CHOSEN;
use crate::wire::sa::{self, Sa, Transform};

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

/// What both sides run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Ours, except for the lifetime: the shorter one.
    pub(crate) proposal: Proposal,
    /// The responder's lifetime undercuts the offer: it must say so.
    pub(crate) shortened: bool,
}

/// Our proposals as one SA payload. Those that we cannot authenticate with are left out (IKE-05).
pub(crate) fn offer(proposals: &[Proposal]) -> Option<Sa> {
    let transforms: Vec<Transform> = (1u8..).zip(usable(proposals)).map(|(n, p)| encode(n, p)).collect();
    let proposal = sa::Proposal { number: 1, protocol: sa::PROTOCOL_ISAKMP, spi: Vec::new(), transforms };
    (!proposal.transforms.is_empty()).then(|| Sa { proposals: vec![proposal] })
}

/// As responder: our best proposal that any of the peer's equals, and the SA payload that says so. Each
/// comparison leaves a line in `trace`.
pub(crate) fn choose(
    proposals: &[Proposal],
    offered: &Sa,
    trace: &mut Vec<String>,
) -> Result<(Chosen, Sa), Refusal> {
    let pairs = || {
        let all = offered.proposals.iter().filter(|proposal| proposal.protocol == sa::PROTOCOL_ISAKMP);
        all.flat_map(|proposal| proposal.transforms.iter().map(move |transform| (proposal, transform)))
    };
    for ours in usable(proposals) {
        for (proposal, transform) in pairs() {
            let theirs = decode(transform);
            trace.push(compare(ours, transform.number, theirs.as_ref()));
            let Some(theirs) = theirs.filter(|theirs| theirs.same_suite(ours)) else { continue };
            let answer = sa::Proposal { transforms: vec![transform.clone()], ..proposal.clone() };
            return Ok((theirs.settle(ours), Sa { proposals: vec![answer] }));
        }
    }
    Err(none_chosen(proposals, pairs().map(|(_, transform)| transform)))
}

/// As initiator: what the peer took of our offer.
pub(crate) fn accepted(proposals: &[Proposal], answer: &Sa) -> Result<Chosen, Refusal> {
    let [proposal] = answer.proposals.as_slice() else { return Err(Refusal::ignored("not-one-proposal")) };
    let [transform] = proposal.transforms.as_slice() else {
        return Err(Refusal::ignored("not-one-transform"));
    };
    let theirs = decode(transform).ok_or(Refusal::ignored("unknown-transform"))?;
    let ours = usable(proposals).find(|ours| theirs.same_suite(ours));
    ours.map(|ours| theirs.settle(ours)).ok_or(Refusal::ignored("transform-not-offered"))
}

#[derive(Clone, Copy)]
struct Theirs {
    encryption: Encryption,
    hash: Hash,
    authentication: Authentication,
    group: Group,
    lifetime: Duration,
}

impl Theirs {
    fn same_suite(&self, ours: &Proposal) -> bool {
        self.encryption == ours.encryption
            && self.hash == ours.hash
            && self.authentication == ours.authentication
            && self.group == ours.group
    }

    fn settle(&self, ours: &Proposal) -> Chosen {
        let proposal = Proposal { lifetime: ours.lifetime.min(self.lifetime), ..*ours };
        Chosen { proposal, shortened: ours.lifetime < self.lifetime }
    }
}

fn usable(proposals: &[Proposal]) -> impl Iterator<Item = &Proposal> {
    proposals.iter().filter(|proposal| proposal.authentication == Authentication::PreShared)
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

/// `None` if any of it is unknown to us.
fn decode(transform: &Transform) -> Option<Theirs> {
    if transform.id != KEY_IKE {
        return None;
    }
    let encryption = match (transform.number_of(ENCRYPTION)?, transform.number_of(KEY_LENGTH)) {
        (1, None) => Encryption::Des,
        (5, None) => Encryption::TripleDes,
        (7, None) => Encryption::Aes(128),
        (7, Some(bits @ (128 | 192 | 256))) => Encryption::Aes(u16::try_from(bits).ok()?),
        _ => return None,
    };
    let hash = match transform.number_of(HASH)? {
        1 => Hash::Md5,
        2 => Hash::Sha1,
        4 => Hash::Sha256,
        5 => Hash::Sha384,
        6 => Hash::Sha512,
        _ => return None,
    };
    let authentication = match transform.number_of(AUTHENTICATION)? {
        1 => Authentication::PreShared,
        3 => Authentication::RsaSignature,
        4 => Authentication::RsaEncryption,
        _ => return None,
    };
    let group = Group::from_number(u16::try_from(transform.number_of(GROUP)?).ok()?)?;
    let seconds = seconds(&transform.attributes).unwrap_or(DEFAULT_LIFETIME).max(1);
    Some(Theirs { encryption, hash, authentication, group, lifetime: Duration::from_secs(seconds) })
}

/// The duration that follows the life type "seconds". Volume has no meaning in phase 1 (IKE-03).
pub(crate) fn seconds(attributes: &[Attribute]) -> Option<u64> {
    let mut kind = u64::from(LIFE_SECONDS);
    for attribute in attributes {
        match attribute.kind {
            LIFE_TYPE => kind = attribute.as_number(),
            LIFE_DURATION if kind == u64::from(LIFE_SECONDS) => return Some(attribute.as_number()),
            _ => {}
        }
    }
    None
}

fn compare(ours: &Proposal, number: u8, theirs: Option<&Theirs>) -> String {
    let verdict = match theirs {
        None => "transform not understood",
        Some(theirs) if theirs.encryption != ours.encryption => {
            "Encryption algorithm offered does not match policy!"
        }
        Some(theirs) if theirs.hash != ours.hash => "Hash algorithm offered does not match policy!",
        Some(theirs) if theirs.authentication != ours.authentication => {
            "Authentication method offered does not match policy!"
        }
        Some(theirs) if theirs.group != ours.group => "Diffie-Hellman group offered does not match policy!",
        Some(_) => "atts are acceptable.",
    };
    format!("checking ISAKMP transform {number} against priority {} policy: {verdict}", ours.priority)
}

fn none_chosen<'a>(proposals: &[Proposal], offered: impl Iterator<Item = &'a Transform>) -> Refusal {
    let word = |encryption, hash, group: Group| format!("{encryption:?}/{hash:?}/group {}", group.number());
    let theirs = offered.take(8).map(|transform| match decode(transform) {
        Some(their) => word(their.encryption, their.hash, their.group),
        None => "not understood".to_owned(),
    });
    let ours = usable(proposals).map(|our| word(our.encryption, our.hash, our.group));
    let list = |mut words: Vec<String>| {
        words.dedup();
        if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
    };
    let detail = format!(
        "the peer offers {}; our isakmp policies with pre-shared keys are {}",
        list(theirs.collect()),
        list(ours.collect())
    );
    Refusal::because(Blame::PeerIncompatible, "no-proposal-chosen", detail).telling(NO_PROPOSAL_CHOSEN)
}
