//! Proposals for children: ESP, of a crypto-map entry.

use base::Spi;
use crypto::dh::Group;
use ipsec::{Integrity, Suite};

use super::{Choice, additional, numbered, numbers};
use crate::config::Entry;
use crate::v2::wire::sa::{self, Proposal, Sa, Transform, kind};

/// What a chosen proposal for a child means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) suite: Suite,
    pub(crate) esn: bool,
    /// `None`: no perfect forward secrecy.
    pub(crate) group: Option<Group>,
    pub(crate) additional: Vec<Group>,
}

/// How a child's keys are exchanged.
#[derive(Clone, Copy)]
pub(crate) enum Keying<'a> {
    /// In IKE_AUTH: from those of the IKE SA.
    Inherited,
    /// We ask: as the entry says, with these further methods beside a group (RFC 9370).
    Wanted(&'a [Group]),
    /// The peer asks: as the entry says; if it says nothing, as the peer likes it.
    Any(&'a [Group]),
}

/// Without PFS of its own an entry goes along with any group that a peer wants.
const GROUPS: [Group; 12] = [
    Group::Curve25519,
    Group::EcpP256,
    Group::EcpP384,
    Group::EcpP521,
    Group::Modp2048,
    Group::Modp3072,
    Group::Modp4096,
    Group::Modp6144,
    Group::Modp8192,
    Group::Modp1536,
    Group::Modp1024,
    Group::Modp768,
];

/// The entry's transform sets, best first, each a proposal.
pub(crate) fn esp_offer(entry: &Entry, keying: Keying<'_>, spi: Option<Spi>) -> Sa {
    let keys = key_exchanges(entry.pfs, keying);
    let spi = spi.map(|spi| spi.0.to_be_bytes().to_vec()).unwrap_or_default();
    let proposal = |suite: &Suite| {
        let transforms = transforms(*suite, entry.replay.esn, &keys);
        Proposal { number: 0, protocol: sa::PROTOCOL_ESP, spi: spi.clone(), transforms }
    };
    numbered(entry.suites.iter().map(proposal).collect())
}

impl Terms {
    /// `None`: not a combination that we know.
    pub(crate) fn of(choice: &Choice) -> Option<Self> {
        let proposal = &choice.proposal;
        let one = |kind| proposal.of(kind).next();
        let cipher = one(kind::ENCRYPTION).and_then(numbers::cipher)?;
        let integrity = one(kind::INTEGRITY).and_then(numbers::esp_integrity).unwrap_or(Integrity::None);
        let group = one(kind::KEY_EXCHANGE).and_then(|transform| Group::from_number(transform.id));
        let esn = one(kind::ESN).is_some_and(|transform| transform.id == 1);
        let suite = Suite { cipher, integrity };
        let is_whole = cipher.is_aead() == (integrity == Integrity::None);
        is_whole.then(|| Self { suite, esn, group, additional: additional(proposal) })
    }
}

fn transforms(suite: Suite, esn: bool, keys: &[Transform]) -> Vec<Transform> {
    let mut transforms = vec![numbers::of_cipher(suite.cipher)];
    if suite.integrity != Integrity::None {
        transforms.push(numbers::of_esp_integrity(suite.integrity));
    }
    transforms.extend_from_slice(keys);
    if esn {
        transforms.push(Transform::new(kind::ESN, 1));
    }
    transforms.push(Transform::new(kind::ESN, 0));
    transforms
}

fn key_exchanges(pfs: Option<Group>, keying: Keying<'_>) -> Vec<Transform> {
    let also = |also: &[Group], optional: bool| {
        let kinds = (kind::ADDITIONAL_1..=kind::ADDITIONAL_7).zip(also.to_vec());
        let each = kinds.flat_map(move |(kind, group)| {
            let none = optional.then_some(Transform::new(kind, 0));
            core::iter::once(numbers::of_group(kind, group)).chain(none)
        });
        each.collect::<Vec<_>>()
    };
    let method = |group| numbers::of_group(kind::KEY_EXCHANGE, group);
    match (keying, pfs) {
        (Keying::Inherited, _) | (Keying::Wanted(_), None) => Vec::new(),
        (Keying::Wanted(more), Some(group)) => [vec![method(group)], also(more, true)].concat(),
        (Keying::Any(more), Some(group)) => [vec![method(group)], also(more, true)].concat(),
        (Keying::Any(more), None) => {
            let mut all = vec![Transform::new(kind::KEY_EXCHANGE, 0)];
            all.extend(GROUPS.map(method));
            [all, also(more, true)].concat()
        }
    }
}
