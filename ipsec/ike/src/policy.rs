//! Which crypto-map entry a peer gets. The front VRF is part of every question.

use std::net::IpAddr;

use base::VrfId;
use ipsec::Selector;
use pki::{AltName, Certificate};

use crate::config::{Entry, PeerIdentity, Version};
use crate::core::Core;
use crate::demux::Peer;
use crate::error::Refusal;
use crate::index::Index;
use crate::notice::Blame;
use crate::record::{Fact, Kind};
use crate::wire::id::Name;
use crate::wire::notify::INVALID_ID_INFORMATION;

/// Entries that a story tells of.
const MOST_TOLD: usize = 8;

/// The profile and the inside VRF of a session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) profile: Option<String>,
    pub(crate) inside: VrfId,
}

/// Who asks for a child.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) version: Version,
    pub(crate) front: VrfId,
    pub(crate) inside: VrfId,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) profile: Option<&'a str>,
    /// Once the peer has proved it.
    pub(crate) identity: Option<(&'a Name, Option<&'a Certificate>)>,
}

impl Asker<'_> {
    pub(crate) const fn peer(&self) -> Peer {
        (self.front, self.local, self.remote)
    }
}

/// The first entry, by sequence, that has the asker's inside VRF and names it, and admits the proxies
/// (VRF-26, IPS-08).
pub(crate) fn entry_for<'a>(
    index: &'a Index,
    asker: Asker<'_>,
    selector: &Selector,
) -> Result<&'a Entry, Refusal> {
    let entries = entries_for(index, asker)?;
    entries.into_iter().find(|entry| entry_admits(entry, selector)).ok_or_else(|| {
        Refusal::because(
            Blame::Refused,
            "proxy-identities-not-admitted",
            format!(
                "no access list of the peer's crypto-map entries permits {selector}: make them mirror images"
            ),
        )
        .telling(INVALID_ID_INFORMATION)
    })
}

/// The entries that are for this asker, by sequence, the dynamic ones last (IPS-20); at least one.
pub(crate) fn entries_for<'a>(index: &'a Index, asker: Asker<'_>) -> Result<Vec<&'a Entry>, Refusal> {
    let mut entries: Vec<&Entry> =
        index.answering(asker.peer()).filter(|entry| serves(index, entry, asker)).collect();
    entries.sort_by_key(|entry| (entry.dynamic, entry.sequence));
    if entries.is_empty() { Err(no_entry(index, asker)) } else { Ok(entries) }
}

/// Whether an entry is for this asker.
pub(crate) fn serves(index: &Index, entry: &Entry, asker: Asker<'_>) -> bool {
    unfit(index, entry, asker).is_none()
}

/// Why an entry is not for this asker: it must stand on its front VRF and address, lead into its inside VRF,
/// name it as peer unless it is dynamic, and describe its identity if it describes any (DN-02).
fn unfit(index: &Index, entry: &Entry, asker: Asker<'_>) -> Option<String> {
    if entry.version != asker.version {
        return Some("it is for the other version of IKE".to_owned());
    }
    if (entry.front, entry.local) != (asker.front, asker.local) {
        return Some("it stands on another interface".to_owned());
    }
    if entry.inside != asker.inside && !entry.tunnel {
        return Some("it leads into another inside VRF than the peer's profile".to_owned());
    }
    if let Some(profile) = entry.profile.as_deref().filter(|profile| Some(*profile) != asker.profile) {
        return Some(format!("it is for peers of profile {profile}"));
    }
    let is_peer = index.peers(entry).any(|peer| peer == asker.remote);
    let takes_any = entry.dynamic && entry.peers.is_empty();
    if !is_peer && !takes_any {
        return Some(format!("it does not have `set peer {}`", asker.remote));
    }
    let is_described = entry.identities.is_empty()
        || asker.identity.is_none_or(|who| entry.identities.iter().any(|wanted| describes(wanted, who)));
    (!is_described).then(|| "its `set identity` does not describe the peer".to_owned())
}

/// Whether a line of `crypto identity` holds for a peer that proved itself.
fn describes(wanted: &PeerIdentity, (name, certificate): (&Name, Option<&Certificate>)) -> bool {
    match wanted {
        PeerIdentity::Dn(attributes) => {
            let said = if let Name::Dn(dn) = name { Some(dn) } else { None };
            let subject = certificate.map(|certificate| &certificate.subject).or(said);
            subject.is_some_and(|subject| subject.has_all(attributes))
        }
        PeerIdentity::Fqdn(host) => {
            matches!(name, Name::Fqdn(said) if said.eq_ignore_ascii_case(host))
                || certificate.is_some_and(|own| own.proves(&AltName::Dns(host.clone())).is_ok())
        }
    }
}

/// The first line that covers all of it decides, as it does for a packet. A dynamic entry without lines takes
/// what the peer asks for.
pub(crate) fn entry_admits(entry: &Entry, selector: &Selector) -> bool {
    let mut lines = entry.rules.iter();
    (entry.dynamic && entry.rules.is_empty())
        || lines.find(|rule| rule.selector.covers(selector)).is_some_and(|rule| rule.permit)
}

/// Which entries were looked at, and why one was taken or not.
pub(crate) fn tell_entries(index: &Index, core: &mut Core, asker: Asker<'_>, selector: &Selector) {
    let mut entries: Vec<&Entry> = index.answering(asker.peer()).take(MOST_TOLD).collect();
    entries.sort_by_key(|entry| (entry.dynamic, entry.sequence));
    for entry in entries {
        let why = unfit(index, entry, asker).or_else(|| {
            (!entry_admits(entry, selector)).then(|| format!("its access list does not permit {selector}"))
        });
        let name = entry.sequence.to_string();
        let Some(why) = why else { return core.tell(Fact::chosen(Kind::Entry, &name)) };
        core.tell(Fact::passed(Kind::Entry, &name, why));
    }
}

fn no_entry(index: &Index, asker: Asker<'_>) -> Refusal {
    let mut near = index
        .answering(asker.peer())
        .filter_map(|entry| Some(format!("; entry {}: {}", entry.sequence, unfit(index, entry, asker)?)));
    let detail = format!(
        "no crypto-map entry on {} of the inside VRF of profile {} has `set peer {}`{}",
        asker.local,
        asker.profile.unwrap_or("(none)"),
        asker.remote,
        near.next().unwrap_or_default(),
    );
    Refusal::because(Blame::Refused, "no-crypto-map-entry", detail).telling(INVALID_ID_INFORMATION)
}

#[cfg(test)]
mod tests {
    use base::PolicyId;
    use ipsec::Rule;

    use super::*;
    use crate::Config;
    use crate::config::Peer;

    fn index(config: Config) -> Index {
        Index::of(config.into())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn selector() -> Selector {
        Selector::between("10.1.0.0/16".parse().unwrap(), "10.2.0.0/16".parse().unwrap())
    }

    fn entry(sequence: u32, front: u32, inside: u32) -> Entry {
        Entry {
            sequence,
            peers: vec![Peer::Address(address("172.16.1.1"))],
            rules: vec![Rule { permit: true, selector: selector() }],
            ..Entry::new(PolicyId(sequence), VrfId(front), VrfId(inside), address("172.18.1.1"))
        }
    }

    fn asker(front: u32, inside: u32) -> Asker<'static> {
        let (local, remote) = (address("172.18.1.1"), address("172.16.1.1"));
        let (front, inside) = (VrfId(front), VrfId(inside));
        Asker { version: Version::V1, front, inside, local, remote, profile: None, identity: None }
    }

    #[test]
    fn entries_of_other_front_and_inside_vrfs_are_passed_over() {
        let entries = vec![entry(1, 1, 8), entry(2, 2, 8), entry(3, 1, 9)];
        let index = index(Config { entries, ..Config::default() });
        let found = |front, inside| entry_for(&index, asker(front, inside), &selector()).map(|e| e.sequence);
        assert_eq!(found(1, 8), Ok(1));
        assert_eq!(found(2, 8), Ok(2));
        assert_eq!(found(1, 9), Ok(3));
        assert_eq!(found(2, 9).unwrap_err().what, "no-crypto-map-entry");
    }

    #[test]
    fn the_lowest_sequence_that_admits_the_proxies_is_taken_whatever_the_order() {
        let mut narrow = entry(5, 0, 1);
        narrow.rules[0].selector.local = "10.1.1.0/24".parse().unwrap();
        let index = index(Config { entries: vec![entry(20, 0, 1), narrow], ..Config::default() });
        assert_eq!(entry_for(&index, asker(0, 1), &selector()).unwrap().sequence, 20);
        let inner = Selector { local: "10.1.1.0/25".parse().unwrap(), ..selector() };
        assert_eq!(entry_for(&index, asker(0, 1), &inner).unwrap().sequence, 5);
    }

    #[test]
    fn dynamic_entries_take_any_peer_after_all_static_ones() {
        let dynamic =
            |sequence| Entry { dynamic: true, peers: vec![], rules: vec![], ..entry(sequence, 0, 1) };
        let other = Entry { peers: vec![Peer::Address(address("172.16.9.9"))], ..dynamic(2) };
        let entries = vec![dynamic(9), dynamic(1), other, entry(20, 0, 1)];
        let index = index(Config { entries, ..Config::default() });
        let found = |selector: &Selector| entry_for(&index, asker(0, 1), selector).map(|e| e.sequence);
        assert_eq!(found(&selector()), Ok(20));
        let strange = Selector::between("10.9.0.0/16".parse().unwrap(), "10.2.0.0/16".parse().unwrap());
        assert_eq!(found(&strange), Ok(1));
        let stranger = Asker { remote: address("198.51.100.7"), ..asker(0, 1) };
        assert_eq!(entry_for(&index, stranger, &selector()).unwrap().sequence, 1);
    }

    #[test]
    fn an_entry_that_describes_identities_is_for_those_alone() {
        let identities = vec![PeerIdentity::Fqdn("site.example".into())];
        let entries = vec![Entry { identities, ..entry(1, 0, 1) }];
        let index = index(Config { entries, ..Config::default() });
        let found = |name: &str| {
            let name = Name::Fqdn(name.to_owned());
            let asker = Asker { identity: Some((&name, None)), ..asker(0, 1) };
            entry_for(&index, asker, &selector()).map(|entry| entry.sequence).map_err(|refusal| refusal.what)
        };
        assert_eq!(found("Site.Example"), Ok(1));
        assert_eq!(found("other.example"), Err("no-crypto-map-entry"));
        assert!(entry_for(&index, asker(0, 1), &selector()).is_ok(), "before anything is proved");
    }
}
