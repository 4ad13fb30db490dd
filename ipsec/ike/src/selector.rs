//! Selectors as phase 2 identities: RFC 2407 section 4.6.2.

use base::Prefix;
use ipsec::{Ports, Selector};

use crate::error::Refusal;
use crate::notice::Blame;
use crate::wire::id::{Id, Name};
use crate::wire::notify::INVALID_ID_INFORMATION;

/// Our proxy and the peer's. A range of ports has no form there and is widened to all ports.
pub(crate) fn to_ids(selector: &Selector) -> (Id, Id) {
    let id = |prefix: Prefix, ports: Ports| Id {
        name: if prefix.is_host() { Name::Address(prefix.address()) } else { Name::Subnet(prefix) },
        protocol: selector.protocol.unwrap_or(0),
        port: if ports.first == ports.last { ports.first } else { 0 },
    };
    (id(selector.local, selector.local_ports), id(selector.remote, selector.remote_ports))
}

/// What both proxies select, seen from this box.
pub(crate) fn from_ids(local: &Id, remote: &Id) -> Result<Selector, Refusal> {
    let (ours, theirs) = (prefix(&local.name)?, prefix(&remote.name)?);
    if ours.family() != theirs.family() {
        return Err(invalid("proxies-of-two-families", "the proxies are of two address families".into()));
    }
    if local.protocol != remote.protocol {
        return Err(invalid("proxies-of-two-protocols", "the proxies name two protocols".into()));
    }
    let ports = |port| if port == 0 { Ports::ANY } else { Ports::one(port) };
    Ok(Selector {
        local: ours,
        remote: theirs,
        protocol: (local.protocol != 0).then_some(local.protocol),
        local_ports: ports(local.port),
        remote_ports: ports(remote.port),
    })
}

fn prefix(name: &Name) -> Result<Prefix, Refusal> {
    let prefix = match name {
        Name::Address(address) => Some(Prefix::host(*address)),
        Name::Subnet(prefix) => Some(*prefix),
        Name::Range(first, last) => (0..=128)
            .filter_map(|length| Prefix::new(*first, length).ok())
            .find(|prefix| prefix.address() == *first && prefix.last() == *last),
        Name::Fqdn(_) | Name::UserFqdn(_) | Name::KeyId(_) | Name::Dn(_) | Name::Other(..) => None,
    };
    prefix.ok_or_else(|| invalid("proxy-not-a-prefix", format!("the proxy {name} is not an address prefix")))
}

fn invalid(what: &'static str, detail: String) -> Refusal {
    Refusal::because(Blame::PeerIncompatible, what, detail).telling(INVALID_ID_INFORMATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: Name) -> Id {
        Id::any_port(name)
    }

    fn range(first: &str, last: &str) -> Id {
        id(Name::Range(first.parse().unwrap(), last.parse().unwrap()))
    }

    fn subnet(prefix: &str) -> Id {
        id(Name::Subnet(prefix.parse().unwrap()))
    }

    fn refused(local: &Id, remote: &Id) -> &'static str {
        from_ids(local, remote).unwrap_err().what
    }

    #[test]
    fn a_range_is_a_proxy_if_it_is_a_prefix_in_other_words() {
        let selector = from_ids(&range("10.1.0.0", "10.1.255.255"), &subnet("10.2.0.0/16")).unwrap();
        assert_eq!(selector.local, "10.1.0.0/16".parse().unwrap());
        let all = from_ids(&range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), &subnet("2001:db8::/32"));
        assert_eq!(all.unwrap().local, "::/0".parse().unwrap());
        for (first, last) in [("10.1.0.0", "10.1.0.2"), ("10.1.0.9", "10.1.0.1"), ("10.1.0.0", "::1")] {
            assert_eq!(refused(&range(first, last), &subnet("10.2.0.0/16")), "proxy-not-a-prefix");
        }
    }

    #[test]
    fn names_two_families_and_two_protocols_are_no_proxies() {
        let name = id(Name::Fqdn("site.example".into()));
        assert_eq!(refused(&subnet("10.1.0.0/16"), &name), "proxy-not-a-prefix");
        assert_eq!(refused(&subnet("10.1.0.0/16"), &subnet("2001:db8::/32")), "proxies-of-two-families");
        let tcp = Id { protocol: 6, ..subnet("10.2.0.0/16") };
        assert_eq!(refused(&subnet("10.1.0.0/16"), &tcp), "proxies-of-two-protocols");
    }

    #[test]
    fn what_goes_out_as_identities_comes_back_as_the_same_selector() {
        let selector = Selector {
            protocol: Some(6),
            remote_ports: Ports::one(80),
            ..Selector::between("10.1.0.1/32".parse().unwrap(), "10.2.0.0/16".parse().unwrap())
        };
        let (local, remote) = to_ids(&selector);
        assert_eq!(from_ids(&local, &remote).unwrap(), selector);
    }
}
