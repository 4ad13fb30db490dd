//! Host names of the configuration: `ip host`, `ip domain name`, `no ip domain lookup`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::VrfId;
use config::Config;
use config::model::Names;

use crate::ids::Ids;

/// What is known of a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing more is asked.
    Addresses(Vec<IpAddr>),
    /// Name servers are asked for this.
    Ask(String),
}

/// `vrf` is where the name is asked for; `None`: the global table.
pub(crate) fn look_up(names: &Names, vrf: Option<&str>, name: &str) -> Known {
    let whole = match &names.domain {
        Some(domain) if !name.contains('.') => format!("{name}.{domain}"),
        Some(_) | None => name.to_owned(),
    };
    let is_it = |of: &str| of.eq_ignore_ascii_case(name) || of.eq_ignore_ascii_case(&whole);
    let mut hosts = names.hosts.iter();
    match hosts.find(|((of_vrf, of), _)| of_vrf.as_deref() == vrf && is_it(of)) {
        Some((_, addresses)) => Known::Addresses(addresses.clone()),
        None if names.lookup => Known::Ask(whole),
        None => Known::Addresses(Vec::new()),
    }
}

/// The name servers of each VRF, in order.
pub(crate) fn servers(config: &Config, ids: &mut Ids) -> BTreeMap<VrfId, Vec<IpAddr>> {
    let mut servers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for server in &config.names.servers {
        servers.entry(ids.vrf(server.vrf.as_deref())).or_default().push(server.address);
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let host = |vrf: Option<&str>, name: &str, last| {
            ((vrf.map(str::to_owned), name.to_owned()), vec![IpAddr::from([192, 0, 2, last])])
        };
        let hosts = [host(None, "hub", 1), host(Some("red"), "hub", 2)].into_iter().collect();
        Names { hosts, domain: Some("example.net".to_owned()), ..Names::default() }
    }

    #[test]
    fn a_host_of_another_vrf_is_another_host() {
        let at = |last| Known::Addresses(vec![IpAddr::from([192, 0, 2, last])]);
        assert_eq!(look_up(&names(), None, "HUB"), at(1));
        assert_eq!(look_up(&names(), Some("red"), "hub"), at(2));
        assert_eq!(look_up(&names(), Some("blue"), "hub"), Known::Ask("hub.example.net".to_owned()));
    }

    #[test]
    fn without_lookup_nobody_is_asked() {
        let names = Names { lookup: false, ..names() };
        assert_eq!(look_up(&names, None, "other.example.org"), Known::Addresses(Vec::new()));
    }

    #[test]
    fn only_a_name_without_a_dot_gets_the_domain() {
        assert_eq!(look_up(&names(), None, "gw.example.org"), Known::Ask("gw.example.org".to_owned()));
    }
}
