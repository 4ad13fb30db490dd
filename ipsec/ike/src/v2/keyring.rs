//! Keyrings by what they are asked for, so that an answer costs the same in a large ring as in a small one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::Prefix;

use crate::Path;
use crate::config::v2::{Config, Keyring, KeyringPeer, Profile, Remote};
use crate::index::Index;
use crate::wire::id::Name;

/// Where each peer of each ring stands.
#[derive(Default)]
pub(crate) struct Rings(BTreeMap<String, Lines>);

#[derive(Default)]
struct Lines {
    /// Of the ring.
    place: usize,
    addresses: BTreeMap<Prefix, usize>,
    /// In lower case.
    hosts: BTreeMap<String, usize>,
    identities: BTreeMap<Line, usize>,
    /// Of every prefix in both.
    lengths: BTreeSet<u8>,
    has_ppk: bool,
}

/// `identity` of a peer; names in lower case, domains without what is in front of them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Any,
    Address(Prefix),
    Fqdn(String),
    FqdnDomain(String),
    Email(String),
    EmailDomain(String),
    KeyId(Vec<u8>),
}

impl Rings {
    pub(crate) fn of(config: &Config) -> Self {
        let lines = |(place, ring): (usize, &Keyring)| (ring.name.clone(), Lines::of(place, ring));
        Self(config.keyrings.iter().enumerate().map(lines).collect())
    }

    fn of_profile(&self, profile: &Profile) -> Option<&Lines> {
        self.0.get(profile.keyring.as_ref()?)
    }

    /// Whether a peer of the profile may have a post-quantum key.
    pub(crate) fn have_ppk(&self, profile: &Profile) -> bool {
        self.of_profile(profile).is_some_and(|lines| lines.has_ppk)
    }
}

/// Once the peer says who it is: by that, else by where it is.
pub(crate) fn peer_of_name<'a>(
    index: &'a Index,
    profile: &Profile,
    name: &Name,
    path: &Path,
) -> Option<&'a KeyringPeer> {
    let lines = index.rings().of_profile(profile)?;
    let place = lines.describing(name).into_iter().find_map(|line| lines.identities.get(&line));
    peer(index, lines, *place.or_else(|| lines.at(index, path))?)
}

/// As initiator: by the host name under which we open to the peer, else by its address.
pub(crate) fn peer_at<'a>(index: &'a Index, profile: &Profile, path: &Path) -> Option<&'a KeyringPeer> {
    let lines = index.rings().of_profile(profile)?;
    peer(index, lines, *lines.at(index, path)?)
}

fn peer<'a>(index: &'a Index, lines: &Lines, place: usize) -> Option<&'a KeyringPeer> {
    index.config().v2.keyrings.get(lines.place)?.peers.get(place)
}

impl Lines {
    fn of(place: usize, ring: &Keyring) -> Self {
        let mut lines = Self { place, ..Self::default() };
        for (place, peer) in ring.peers.iter().enumerate() {
            lines.has_ppk |= peer.ppk.is_some();
            if let Some(prefix) = peer.address {
                lines.lengths.insert(prefix.length());
                lines.addresses.entry(prefix).or_insert(place);
            }
            if let Some(host) = &peer.hostname {
                lines.hosts.entry(host.to_ascii_lowercase()).or_insert(place);
            }
            let Some(line) = peer.identity.as_ref().map(Line::of) else { continue };
            if let Line::Address(prefix) = &line {
                lines.lengths.insert(prefix.length());
            }
            lines.identities.entry(line).or_insert(place);
        }
        lines
    }

    fn at(&self, index: &Index, path: &Path) -> Option<&usize> {
        let mut hosts = index.hosts_at(path).filter_map(|host| self.hosts.get(&host.to_ascii_lowercase()));
        hosts.next().or_else(|| self.by_address(path.remote.ip()))
    }

    /// The longest prefix, then configuration order.
    fn by_address(&self, address: IpAddr) -> Option<&usize> {
        self.prefixes_of(address).find_map(|prefix| self.addresses.get(&prefix))
    }

    fn prefixes_of(&self, address: IpAddr) -> impl Iterator<Item = Prefix> {
        self.lengths.iter().rev().filter_map(move |length| Prefix::new(address, *length).ok())
    }

    /// Every line that describes a name, the most precise first.
    fn describing(&self, name: &Name) -> Vec<Line> {
        let lower = |text: &str| text.to_ascii_lowercase();
        let rest = |text: &str, mark| text.split_once(mark).map(|(_, rest)| lower(rest));
        let mut lines: Vec<Line> = match name {
            Name::Address(address) => self.prefixes_of(*address).map(Line::Address).collect(),
            Name::Fqdn(host) => {
                let domain = rest(host, '.').map(Line::FqdnDomain);
                std::iter::once(Line::Fqdn(lower(host))).chain(domain).collect()
            }
            Name::UserFqdn(user) => {
                let domain = rest(user, '@').map(Line::EmailDomain);
                std::iter::once(Line::Email(lower(user))).chain(domain).collect()
            }
            Name::KeyId(id) => vec![Line::KeyId(id.clone())],
            Name::Subnet(_) | Name::Range(..) | Name::Dn(_) | Name::Other(..) => Vec::new(),
        };
        lines.push(Line::Any);
        lines
    }
}

impl Line {
    fn of(remote: &Remote) -> Self {
        let lower = |text: &str| text.to_ascii_lowercase();
        match remote {
            Remote::Any => Self::Any,
            Remote::Address(prefix) => Self::Address(*prefix),
            Remote::Fqdn(host) => Self::Fqdn(lower(host)),
            Remote::FqdnDomain(domain) => Self::FqdnDomain(lower(domain.trim_start_matches('.'))),
            Remote::Email(user) => Self::Email(lower(user)),
            Remote::EmailDomain(domain) => Self::EmailDomain(lower(domain.trim_start_matches('@'))),
            Remote::KeyId(id) => Self::KeyId(id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use base::VrfId;

    use super::*;
    use crate::config;
    use crate::config::v2::{Authentication, Front};

    fn named(name: &str, address: Option<&str>, identity: Option<Remote>) -> KeyringPeer {
        KeyringPeer {
            name: name.into(),
            address: address.map(|prefix| prefix.parse().unwrap()),
            hostname: None,
            identity,
            local_key: None,
            remote_key: None,
            ppk: None,
        }
    }

    fn profile() -> Profile {
        Profile {
            name: "profile".into(),
            front: Front::Any,
            local: vec![],
            remote: vec![Remote::Any],
            certificate_maps: vec![],
            inside: None,
            identity: None,
            local_authentication: Authentication::PreShared(None),
            remote_authentication: vec![Authentication::PreShared(None)],
            keyring: Some("ring".into()),
            sign: vec![],
            verify: vec![],
            lifetime: Duration::from_secs(86_400),
            reauthentication: false,
            dpd: None,
            nat_keepalive: None,
            force_initial_contact: false,
            mobike: true,
            childless: false,
        }
    }

    #[test]
    fn the_most_precise_line_is_found_by_name_and_the_address_comes_after() {
        let peers = vec![
            named("any", None, Some(Remote::Any)),
            named("domain", None, Some(Remote::FqdnDomain(".Example.com".into()))),
            named("host", None, Some(Remote::Fqdn("PE.example.com".into()))),
            named("wide", Some("10.0.0.0/8"), None),
            named("narrow", Some("10.1.0.0/16"), None),
            named("subnet", None, Some(Remote::Address("192.0.2.0/24".parse().unwrap()))),
        ];
        let ring = |peers| Keyring { name: "ring".into(), peers };
        let profile = profile();
        let found = |peers: &[KeyringPeer], name: Name, address: &str| {
            let v2 = Config { keyrings: vec![ring(peers.to_vec())], ..Config::default() };
            let index = Index::of(config::Config { v2, ..config::Config::default() }.into());
            let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 500);
            let path = Path { front: VrfId(0), local: at("192.0.2.1"), remote: at(address), marker: false };
            peer_of_name(&index, &profile, &name, &path).map(|peer| peer.name.clone())
        };
        let host = |text: &str| Name::Fqdn(text.into());
        assert_eq!(found(&peers, host("pe.EXAMPLE.com"), "10.1.0.1").as_deref(), Some("host"));
        assert_eq!(found(&peers, host("ce.example.com"), "10.1.0.1").as_deref(), Some("domain"));
        let address = |text: &str| Name::Address(text.parse().unwrap());
        assert_eq!(found(&peers, address("192.0.2.9"), "10.1.0.1").as_deref(), Some("subnet"));
        assert_eq!(found(&peers, host("other"), "10.1.0.1").as_deref(), Some("any"));
        assert_eq!(found(&peers[1..], host("other"), "10.1.0.1").as_deref(), Some("narrow"));
        assert_eq!(found(&peers[1..], host("other"), "10.2.0.1").as_deref(), Some("wide"));
        assert_eq!(found(&peers[1..], host("other"), "11.0.0.1"), None);
    }
}
