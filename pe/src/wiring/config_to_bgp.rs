//! `router bgp` as the engine wants it: VRFs by number, groups filled in, sources as addresses.

use std::collections::BTreeMap;

use base::{Family, VrfId};
use bgp::config::{Neighbor, VrfFamily};
use bgp::{AddressFamily, PeerId};
use config::Config;
use config::model::bgp::{Bgp, Redistribute, Session};
use config::model::{Targets, Vrf, VrfStyle};

use super::config_to_ipsec::local_address;
use crate::ids::Ids;

/// `None`: no BGP, or no router id to be had.
pub(crate) fn bgp_config(config: &Config, ids: &Ids, restarting: bool) -> Option<bgp::Config> {
    let written = config.bgp.as_ref()?;
    let router_id = written.router_id.or_else(|| config.router_id())?;
    let defaults = bgp::Config::new(written.asn, router_id);
    let sessions = written.sessions();
    Some(bgp::Config {
        cluster_id: written.cluster_id,
        local_preference: written.local_preference.unwrap_or(defaults.local_preference),
        fast_external_fallover: written.fast_external_fallover,
        always_compare_med: written.always_compare_med,
        graceful_restart: written.graceful_restart,
        target_filter: written.target_filter,
        restarting,
        neighbors: sessions.into_iter().filter_map(|session| neighbor(config, ids, session)).collect(),
        vrfs: vrfs(config, written, ids),
        policies: config.policies.clone(),
        ..defaults
    })
}

fn neighbor(config: &Config, ids: &Ids, session: Session) -> Option<(PeerId, Neighbor)> {
    let vrf = ids.known_vrf(session.vrf.as_deref())?;
    let source = session.update_source.as_ref().and_then(|name| config.interfaces.get(name));
    let local = source.and_then(|interface| local_address(interface, Family::of(session.address)));
    Some((PeerId { vrf, address: session.address }, Neighbor { local, ..session.neighbor }))
}

fn vrfs(config: &Config, written: &Bgp, ids: &Ids) -> BTreeMap<VrfId, bgp::config::Vrf> {
    let named = config.vrfs.iter().filter_map(|(name, vrf)| {
        let family =
            |family, own: Option<&Targets>| own.map(|own| of_vrf(config, written, (name, vrf), family, own));
        let unsaid = Targets::default();
        let plain = vrf.style == VrfStyle::Ip;
        let ipv4 = vrf.ipv4.as_ref().or_else(|| plain.then_some(&unsaid));
        let of = bgp::config::Vrf {
            name: Some(name.clone()),
            rd: vrf.rd,
            ipv4: family(Family::V4, ipv4),
            ipv6: family(Family::V6, vrf.ipv6.as_ref()),
        };
        Some((ids.known_vrf(Some(name))?, of))
    });
    let global = bgp::config::Vrf {
        ipv4: Some(family(written, None, Family::V4)),
        ipv6: Some(family(written, None, Family::V6)),
        ..bgp::config::Vrf::default()
    };
    named.chain([(VrfId::GLOBAL, global)]).collect()
}

/// What is said of the VRF as a whole holds for both families.
fn of_vrf(
    config: &Config,
    written: &Bgp,
    (name, vrf): (&String, &Vrf),
    of: Family,
    own: &Targets,
) -> VrfFamily {
    let all = &vrf.targets;
    VrfFamily {
        import: all.import.iter().chain(&own.import).copied().collect(),
        export: all.export.iter().chain(&own.export).copied().collect(),
        import_map: own.import_map.clone().or_else(|| all.import_map.clone()),
        export_map: own.export_map.clone().or_else(|| all.export_map.clone()),
        global_import: own.global_import.clone().or_else(|| all.global_import.clone()),
        global_export: own.global_export.clone().or_else(|| all.global_export.clone()),
        labels: config.mpls.label_mode(name, of),
        ..family(written, Some(name), of)
    }
}

fn family(written: &Bgp, vrf: Option<&String>, of: Family) -> VrfFamily {
    let unicast = match of {
        Family::V4 => AddressFamily::Ipv4Unicast,
        Family::V6 => AddressFamily::Ipv6Unicast,
    };
    let Some(lines) = written.families.get(&(unicast, vrf.cloned())) else { return VrfFamily::default() };
    let redistribute: Vec<Redistribute> = lines.redistribute.clone();
    VrfFamily {
        distance: lines.distance.unwrap_or_default(),
        redistribute,
        networks: lines.networks.clone(),
        ..VrfFamily::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_hear_of_a_restart_only_where_packets_were_forwarded_meanwhile() {
        let text = "interface Loopback0\n ip address 10.0.0.1 255.255.255.255\nrouter bgp 65000\n \
                    bgp graceful-restart\n neighbor 192.0.2.1 remote-as 65000\n";
        let config = config::parse(text).unwrap().config;
        for resumed in [true, false] {
            assert_eq!(bgp_config(&config, &Ids::default(), resumed).unwrap().restarting, resumed);
        }
    }
}
