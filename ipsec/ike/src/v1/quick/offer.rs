//! Phase 2 proposals on the wire and which one both sides take: RFC 2407 sections 4.4.4 and 4.5.

use std::time::Duration;

use base::Spi;
use crypto::dh::Group;
use ipsec::{Cipher, Encap, Integrity, Lifetime, Mode, Suite};

use crate::config::Entry;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::wire::attribute::Attribute;
use crate::wire::notify::NO_PROPOSAL_CHOSEN;
use crate::wire::sa::{self, Sa, Transform};

/// Attribute types.
const LIFE_TYPE: u16 = 1;
const LIFE_DURATION: u16 = 2;
const GROUP: u16 = 3;
const MODE: u16 = 4;
const INTEGRITY: u16 = 5;
const KEY_LENGTH: u16 = 6;
/// RFC 4304 section 3.
const ESN: u16 = 11;

const SECONDS: u16 = 1;
const KILOBYTES: u16 = 2;

/// RFC 2407 section 4.5: eight hours if nothing is said.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(28_800);

/// How a child's packets travel, and the values of the mode attribute for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Travel {
    pub(crate) encap: Encap,
    pub(crate) tunnel: u16,
    /// `None`: the proxies are not the endpoints, or transport mode is not configured; tunnel mode is taken
    /// in either case.
    pub(crate) transport: Option<u16>,
}

impl Travel {
    /// Best first.
    fn numbers(self) -> impl Iterator<Item = u16> + Clone {
        self.transport.into_iter().chain([self.tunnel])
    }

    fn mode(self, number: u64) -> Option<Mode> {
        if number == u64::from(self.tunnel) {
            return Some(Mode::Tunnel);
        }
        (self.transport.map(u64::from) == Some(number)).then_some(Mode::Transport)
    }
}

/// What both sides run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) suite: Suite,
    pub(crate) lifetime: Lifetime,
    pub(crate) group: Option<Group>,
    pub(crate) esn: bool,
    pub(crate) encap: Encap,
    pub(crate) mode: Mode,
    /// Our lifetime undercuts the offer: the responder must say so.
    pub(crate) shortened: bool,
}

/// The entry's transform sets, best first, in one proposal.
pub(crate) fn offer(entry: &Entry, travel: Travel, spi: Spi) -> Sa {
    let sequences = entry.replay.esn.then_some(true).into_iter().chain([false]);
    let variants = travel.numbers().flat_map(|mode| {
        let suites = entry.suites.iter().map(move |suite| (mode, *suite));
        suites.flat_map(|(mode, suite)| sequences.clone().map(move |esn| (mode, suite, esn)))
    });
    let variants = variants.filter_map(|(mode, suite, esn)| encode(suite, esn, entry, mode));
    let transforms = (1u8..).zip(variants).map(|(number, transform)| Transform { number, ..transform });
    let spi = spi.0.to_be_bytes().to_vec();
    Sa {
        proposals: vec![sa::Proposal {
            number: 1,
            protocol: sa::PROTOCOL_ESP,
            spi,
            transforms: transforms.collect(),
        }],
    }
}

/// Whether any of it asks for transport mode.
pub(crate) fn asks_transport(offered: &Sa) -> bool {
    let transforms = offered.proposals.iter().flat_map(|proposal| &proposal.transforms);
    transforms.filter_map(|transform| transform.number_of(MODE)).any(|mode| [2, 4, 61444].contains(&mode))
}

/// A transform of the peer against an entry of ours.
pub(crate) struct Compared {
    pub(crate) number: u8,
    /// The suite, if we know it.
    pub(crate) offer: String,
    pub(crate) mismatch: Option<&'static str>,
}

impl Compared {
    fn new(proposal: &sa::Proposal, transform: Option<&Transform>, mismatch: Option<&'static str>) -> Self {
        let suite = transform.and_then(|transform| decode_suite(transform).ok());
        Self {
            number: transform.map_or(proposal.number, |transform| transform.number),
            offer: suite.map_or_else(|| "ESP".to_owned(), |suite| suite.to_string()),
            mismatch,
        }
    }
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = self.mismatch.unwrap_or("atts are acceptable.");
        write!(f, "Checking IPSec proposal, transform {} ({}): {verdict}", self.number, self.offer)
    }
}

/// As responder: the first offer that the entry has (VRF-26), the peer's SPI, and the SA payload that
/// says so, still with the peer's SPI. Each comparison leaves a line in `trace`, for debugging and for the story.
pub(crate) fn choose(
    entry: &Entry,
    offered: &Sa,
    travel: Travel,
    trace: &mut Vec<Compared>,
) -> Result<(Terms, Spi, Sa), Refusal> {
    for proposal in &offered.proposals {
        let alone = offered.proposals.iter().filter(|other| other.number == proposal.number).count() == 1;
        let Some(spi) = spi(proposal).filter(|_| alone && proposal.protocol == sa::PROTOCOL_ESP) else {
            trace.push(Compared::new(proposal, None, Some("not ESP alone")));
            continue;
        };
        for transform in &proposal.transforms {
            let verdict = decode(transform).and_then(|theirs| theirs.settle(entry, travel));
            trace.push(Compared::new(proposal, Some(transform), verdict.as_ref().err().copied()));
            let Ok(terms) = verdict else { continue };
            let answer = sa::Proposal { transforms: vec![transform.clone()], ..proposal.clone() };
            return Ok((terms, spi, Sa { proposals: vec![answer] }));
        }
    }
    let detail = format!(
        "none of the peer's phase 2 offers is one of this crypto-map entry ({}): {}",
        entry.suites.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        trace.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    );
    Err(Refusal::because(Blame::PeerIncompatible, "no-proposal-chosen", detail).telling(NO_PROPOSAL_CHOSEN))
}

/// As initiator: what the peer took of our offer.
pub(crate) fn accepted(entry: &Entry, answer: &Sa, travel: Travel) -> Result<(Terms, Spi), Refusal> {
    let [proposal] = answer.proposals.as_slice() else { return Err(Refusal::ignored("not-one-proposal")) };
    let [transform] = proposal.transforms.as_slice() else {
        return Err(Refusal::ignored("not-one-transform"));
    };
    let spi = spi(proposal).filter(|_| proposal.protocol == sa::PROTOCOL_ESP);
    let terms =
        decode(transform).and_then(|theirs| theirs.settle(entry, travel)).map_err(Refusal::ignored)?;
    if terms.group != entry.pfs {
        return Err(Refusal::ignored("transform-not-offered"));
    }
    Ok((terms, spi.ok_or(Refusal::ignored("bad-spi"))?))
}

/// The limits that a lifetime notify or a transform states; zero is none.
pub(crate) fn lifetime(attributes: &[Attribute]) -> (Option<Duration>, Option<u32>) {
    let (mut time, mut kilobytes, mut kind) = (None, None, 0);
    for attribute in attributes {
        match attribute.kind {
            LIFE_TYPE => kind = attribute.as_number(),
            LIFE_DURATION if attribute.as_number() == 0 => {}
            LIFE_DURATION if kind == u64::from(SECONDS) => {
                time = Some(Duration::from_secs(attribute.as_number()));
            }
            LIFE_DURATION if kind == u64::from(KILOBYTES) => {
                kilobytes = Some(u32::try_from(attribute.as_number()).unwrap_or(u32::MAX));
            }
            _ => {}
        }
    }
    (time, kilobytes)
}

/// The attributes that state limits.
pub(crate) fn lifetime_attributes(lifetime: Lifetime) -> Vec<Attribute> {
    let seconds = u32::try_from(lifetime.time.as_secs()).unwrap_or(u32::MAX);
    let mut attributes =
        vec![Attribute::short(LIFE_TYPE, SECONDS), Attribute::number(LIFE_DURATION, seconds)];
    if let Some(kilobytes) = lifetime.kilobytes {
        attributes.push(Attribute::short(LIFE_TYPE, KILOBYTES));
        attributes.push(Attribute::number(LIFE_DURATION, kilobytes));
    }
    attributes
}

struct Theirs {
    suite: Suite,
    mode: u64,
    group: Option<Group>,
    esn: bool,
    time: Duration,
    kilobytes: Option<u32>,
}

impl Theirs {
    fn settle(&self, entry: &Entry, travel: Travel) -> Result<Terms, &'static str> {
        if !entry.suites.contains(&self.suite) {
            return Err("transform proposal not supported for identity");
        }
        let mode = travel.mode(self.mode).ok_or_else(|| {
            if [2, 4, 61444].contains(&self.mode) {
                "transport mode is not configured, or the proxies are not the endpoints"
            } else {
                "encapsulation mode does not fit the path"
            }
        })?;
        if entry.pfs.is_some() && entry.pfs != self.group {
            return Err("PFS group does not match");
        }
        if self.esn && !entry.replay.esn {
            return Err("extended sequence numbers are not configured");
        }
        let offered = Lifetime { time: self.time, kilobytes: self.kilobytes };
        let lifetime = entry.lifetime.shorter(offered);
        let (suite, group, esn, encap) = (self.suite, self.group, self.esn, travel.encap);
        let volume_cut = self.kilobytes.is_some() && lifetime.kilobytes != self.kilobytes;
        let shortened = lifetime.time < self.time || volume_cut;
        Ok(Terms { suite, lifetime, group, esn, encap, mode, shortened })
    }
}

/// `None` for an algorithm that has no number in version 1.
fn encode(suite: Suite, esn: bool, entry: &Entry, mode: u16) -> Option<Transform> {
    let (id, key_length) = match suite.cipher {
        Cipher::Des => (2, None),
        Cipher::TripleDes => (3, None),
        Cipher::Null => (11, None),
        Cipher::AesCbc(bits) => (12, Some(bits)),
        Cipher::AesCtr(bits) => (13, Some(bits)),
        Cipher::AesCcm(bits) => (16, Some(bits)),
        Cipher::AesGcm(bits) => (20, Some(bits)),
        Cipher::ChaCha20Poly1305 => return None,
    };
    let integrity = match suite.integrity {
        Integrity::None => None,
        Integrity::Md5 => Some(1),
        Integrity::Sha1 => Some(2),
        Integrity::Sha256 => Some(5),
        Integrity::Sha384 => Some(6),
        Integrity::Sha512 => Some(7),
        Integrity::AesXcbc => Some(9),
        Integrity::AesCmac => return None,
    };
    let mut attributes = lifetime_attributes(entry.lifetime);
    attributes.extend(entry.pfs.map(|group| Attribute::short(GROUP, group.number())));
    attributes.push(Attribute::short(MODE, mode));
    attributes.extend(integrity.map(|number| Attribute::short(INTEGRITY, number)));
    attributes.extend(key_length.map(|bits| Attribute::short(KEY_LENGTH, bits)));
    attributes.extend(esn.then(|| Attribute::short(ESN, 1)));
    Some(Transform { number: 0, id, attributes })
}

fn decode(transform: &Transform) -> Result<Theirs, &'static str> {
    let group = transform.number_of(GROUP).map(|number| {
        u16::try_from(number).ok().and_then(Group::from_number).ok_or("unknown Diffie-Hellman group")
    });
    let (time, kilobytes) = lifetime(&transform.attributes);
    Ok(Theirs {
        suite: decode_suite(transform)?,
        mode: transform.number_of(MODE).ok_or("no encapsulation mode")?,
        group: group.transpose()?,
        esn: transform.number_of(ESN) == Some(1),
        time: time.unwrap_or(DEFAULT_LIFETIME),
        kilobytes,
    })
}

fn decode_suite(transform: &Transform) -> Result<Suite, &'static str> {
    let bits = match transform.number_of(KEY_LENGTH) {
        None | Some(128) => 128,
        Some(192) => 192,
        Some(256) => 256,
        Some(_) => return Err("unknown key length"),
    };
    let cipher = match transform.id {
        2 => Cipher::Des,
        3 => Cipher::TripleDes,
        11 => Cipher::Null,
        12 => Cipher::AesCbc(bits),
        13 => Cipher::AesCtr(bits),
        16 => Cipher::AesCcm(bits),
        20 => Cipher::AesGcm(bits),
        _ => return Err("unknown ESP cipher"),
    };
    let integrity = match transform.number_of(INTEGRITY) {
        None => Integrity::None,
        Some(1) => Integrity::Md5,
        Some(2) => Integrity::Sha1,
        Some(5) => Integrity::Sha256,
        Some(6) => Integrity::Sha384,
        Some(7) => Integrity::Sha512,
        Some(9) => Integrity::AesXcbc,
        Some(_) => return Err("unknown integrity algorithm"),
    };
    Ok(Suite { cipher, integrity })
}

/// SPIs below 256 are reserved: RFC 4303 section 2.1.
fn spi(proposal: &sa::Proposal) -> Option<Spi> {
    let number = u32::from_be_bytes(<[u8; 4]>::try_from(proposal.spi.as_slice()).ok()?);
    (number >= 256).then_some(Spi(number))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use base::{PolicyId, VrfId};

    use super::*;
    use crate::wire::attribute::Value;

    const BARE: Travel = Travel { encap: Encap::Esp, tunnel: 1, transport: None };
    const AES_SHA: Suite = Suite { cipher: Cipher::AesCbc(128), integrity: Integrity::Sha1 };

    fn entry(pfs: Option<Group>) -> Entry {
        let local = IpAddr::from([192, 0, 2, 1]);
        Entry { suites: vec![AES_SHA], pfs, ..Entry::new(PolicyId(1), VrfId(0), VrfId(1), local) }
    }

    /// AES without a key length, SHA-1, tunnel mode, and more.
    fn transform(more: &[Attribute]) -> Transform {
        let mut attributes = vec![Attribute::short(MODE, 1), Attribute::short(INTEGRITY, 2)];
        attributes.extend_from_slice(more);
        Transform { number: 1, id: 12, attributes }
    }

    fn proposal(number: u8, protocol: u8, transforms: Vec<Transform>) -> sa::Proposal {
        sa::Proposal { number, protocol, spi: vec![0, 0, 9, number], transforms }
    }

    fn judge(entry: &Entry, proposals: Vec<sa::Proposal>) -> Result<(Terms, Spi), &'static str> {
        let chosen = choose(entry, &Sa { proposals }, BARE, &mut Vec::new());
        chosen.map(|(terms, spi, _)| (terms, spi)).map_err(|refusal| refusal.what)
    }

    fn alone(entry: &Entry, more: &[Attribute]) -> Result<Terms, &'static str> {
        judge(entry, vec![proposal(1, sa::PROTOCOL_ESP, vec![transform(more)])]).map(|(terms, _)| terms)
    }

    #[test]
    fn esp_together_with_ah_is_passed_over_for_esp_alone() {
        const AH: u8 = 2;
        let both =
            || [AH, sa::PROTOCOL_ESP].map(|protocol| proposal(1, protocol, vec![transform(&[])])).to_vec();
        assert_eq!(judge(&entry(None), both()), Err("no-proposal-chosen"));
        let second = proposal(2, sa::PROTOCOL_ESP, vec![transform(&[])]);
        assert_eq!(judge(&entry(None), [both(), vec![second]].concat()).unwrap().1, Spi(0x0902));
    }

    #[test]
    fn the_first_transform_that_suits_is_taken_and_reserved_spis_are_not() {
        let strange = Transform { id: 99, ..transform(&[]) };
        let mut offer = proposal(1, sa::PROTOCOL_ESP, vec![strange, transform(&[])]);
        assert!(judge(&entry(None), vec![offer.clone()]).is_ok());
        offer.spi = vec![0, 0, 0, 255];
        assert_eq!(judge(&entry(None), vec![offer]), Err("no-proposal-chosen"));
    }

    #[test]
    fn aes_without_a_key_length_has_128_bits_and_no_other_mode_is_taken() {
        assert_eq!(alone(&entry(None), &[]).unwrap().suite, AES_SHA);
        assert!(alone(&entry(None), &[Attribute::short(KEY_LENGTH, 256)]).is_err());
        assert!(alone(&entry(None), &[Attribute::short(KEY_LENGTH, 64)]).is_err());
        let udp = Transform {
            attributes: vec![Attribute::short(MODE, 3), Attribute::short(INTEGRITY, 2)],
            ..transform(&[])
        };
        assert!(judge(&entry(None), vec![proposal(1, sa::PROTOCOL_ESP, vec![udp])]).is_err());
    }

    #[test]
    fn transport_mode_is_taken_where_it_is_configured_and_tunnel_mode_as_well() {
        let with = |mode| Transform {
            attributes: vec![Attribute::short(MODE, mode), Attribute::short(INTEGRITY, 2)],
            ..transform(&[])
        };
        let both = Travel { transport: Some(2), ..BARE };
        let mode = |travel, number| {
            let proposals = vec![proposal(1, sa::PROTOCOL_ESP, vec![with(number)])];
            let chosen = choose(&entry(None), &Sa { proposals }, travel, &mut Vec::new());
            chosen.map(|(terms, ..)| terms.mode).map_err(|refusal| refusal.what)
        };
        assert_eq!((mode(both, 2), mode(both, 1)), (Ok(Mode::Transport), Ok(Mode::Tunnel)));
        assert_eq!((mode(BARE, 2), mode(BARE, 1)), (Err("no-proposal-chosen"), Ok(Mode::Tunnel)));
        let offered = offer(&entry(None), both, Spi(300)).proposals[0].transforms.clone();
        let modes: Vec<_> = offered.iter().map(|transform| transform.number_of(MODE)).collect();
        assert_eq!(modes, [Some(2), Some(1)]);
    }

    #[test]
    fn a_group_is_taken_where_none_is_configured_and_demanded_where_one_is() {
        let group = |number| [Attribute::short(GROUP, number)];
        assert_eq!(alone(&entry(None), &group(14)).unwrap().group, Some(Group::Modp2048));
        assert!(alone(&entry(Some(Group::Modp2048)), &[]).is_err());
        assert!(alone(&entry(Some(Group::Modp2048)), &group(2)).is_err());
        assert!(alone(&entry(Some(Group::Modp2048)), &group(14)).is_ok());
        assert!(alone(&entry(None), &group(999)).is_err());
    }

    #[test]
    fn both_forms_of_a_lifetime_say_the_same_and_the_shorter_governs() {
        let limits = |seconds: Attribute, kilobytes: Attribute| {
            [Attribute::short(LIFE_TYPE, 1), seconds, Attribute::short(LIFE_TYPE, 2), kilobytes]
        };
        let long = |bytes: &[u8]| Attribute { kind: LIFE_DURATION, value: Value::Long(bytes.to_vec()) };
        let short = |value| Attribute::short(LIFE_DURATION, value);
        for limits in [limits(short(600), short(5000)), limits(long(&[2, 0x58]), long(&[0, 0, 0x13, 0x88]))] {
            let Terms { lifetime, shortened, .. } = alone(&entry(None), &limits).unwrap();
            assert_eq!((lifetime.time, lifetime.kilobytes), (Duration::from_secs(600), Some(5000)));
            assert!(!shortened);
        }
        for endless in [limits(long(&[0xFF; 12]), long(&[0xFF; 12])), limits(short(0), long(&[0; 4]))] {
            assert_eq!(alone(&entry(None), &endless).unwrap().lifetime, Lifetime::DEFAULT);
        }
        let endless = limits(long(&[0xFF; 12]), long(&[0xFF; 12]));
        assert!(alone(&entry(None), &endless).unwrap().shortened);
        assert_eq!(alone(&entry(None), &[]).unwrap().lifetime, Lifetime::DEFAULT, "eight hours are more");
    }
}
