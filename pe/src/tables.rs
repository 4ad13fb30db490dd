//! What configuration and devices make of the box before any tunnel is up: the ground that `plan` stands on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Label, PolicyId, PortId, VrfId};
use bfd::SessionKey;
use config::Config;
use config::model::Backend;
use dataplane::{Address, LabelAction, Port, TtlModel};
use ipsec::Policy;

use crate::Notice;
use crate::ids::Ids;
use crate::routing::Configured;
use crate::wiring::config_to_ipsec::Placed;
use crate::wiring::config_to_vrf::WaysIn;
use crate::wiring::ipsec_to_vrf::{self, Reverse};
use crate::wiring::link_to_all::{self, Links, Wire};
use crate::wiring::{config_to_ipsec, config_to_mpls, config_to_names, config_to_vrf};

/// Derived whole whenever the configuration or a wire changes; a tunnel changes nothing here.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) backend: Backend,
    pub(crate) vrfs: BTreeSet<VrfId>,
    pub(crate) ttl: TtlModel,
    pub(crate) ports: BTreeMap<PortId, Port>,
    /// Ports that carry packets now.
    pub(crate) up: BTreeSet<PortId>,
    /// What the kernel is to make of the devices, also of those that are no ports: shut.
    pub(crate) wires: BTreeMap<PortId, Wire>,
    /// Without bundles: those come with tunnels. Also policies of absent ports.
    pub(crate) policies: BTreeMap<PolicyId, Policy>,
    /// Those of dynamic maps: what is negotiated under them has policies of its own.
    pub(crate) dynamic: BTreeSet<PolicyId>,
    /// Those of tunnel interfaces: they stand on no port, routes lead to them.
    pub(crate) tunnels: BTreeSet<PolicyId>,
    /// Where tunnels end that end elsewhere than on the port they leave by, by front VRF.
    pub(crate) ends: BTreeSet<(VrfId, IpAddr)>,
    /// Our addresses on interfaces without a device, by inside VRF.
    pub(crate) inner: BTreeMap<VrfId, Vec<Address>>,
    /// Name servers, by VRF.
    pub(crate) servers: BTreeMap<VrfId, Vec<IpAddr>>,
    /// Every VRF but the global table.
    pub(crate) names: BTreeMap<String, VrfId>,
    /// Who may be talked to by IKE, by front VRF.
    pub(crate) peers: BTreeSet<(VrfId, IpAddr)>,
    /// Those bound by hand.
    pub(crate) labels: BTreeMap<Label, LabelAction>,
    pub(crate) reverse: BTreeMap<PolicyId, Reverse>,
    /// What of the wires cannot be carried out at the moment.
    pub(crate) problems: Vec<Notice>,
}

impl Tables {
    /// And the routes that go with it. Fails where the configuration contradicts itself; says how.
    pub(crate) fn derive(
        config: &Config,
        ids: &mut Ids,
        links: &Links,
        stands: &BTreeSet<SessionKey>,
    ) -> Result<(Self, Configured), String> {
        let vrfs = config.vrfs.keys().map(|name| ids.vrf(Some(name))).chain([VrfId::GLOBAL]).collect();
        let mut ports = link_to_all::ports(config, ids, links)?;
        let labels = config_to_mpls::labels(config, ids)?;
        let placed = config_to_ipsec::placed(config, ids);
        let routes = config_to_vrf::routes(config, ids, &ports, &ways_in(&placed), stands);
        let peers = placed.iter().flat_map(|entry| entry.addresses().map(|peer| (entry.front, peer)));
        let inner = inner(config, ids, &placed);
        if config.dataplane == Backend::Linux {
            ports.stand_on_hosts(&inner);
        }
        let tables = Self {
            backend: config.dataplane,
            vrfs,
            ttl: if config.mpls.propagate_ttl { TtlModel::Uniform } else { TtlModel::Pipe },
            peers: peers.collect(),
            inner,
            servers: config_to_names::servers(config, ids),
            names: config.vrfs.keys().map(|name| (name.clone(), ids.vrf(Some(name)))).collect(),
            ends: placed.iter().filter_map(Placed::end_elsewhere).collect(),
            tunnels: placed.iter().filter(|entry| entry.is_tunnel).map(|entry| entry.id).collect(),
            dynamic: placed.iter().filter(|entry| entry.is_dynamic()).map(|entry| entry.id).collect(),
            policies: placed
                .iter()
                .map(|entry| (entry.id, config_to_ipsec::policy(config, ids, entry)))
                .collect(),
            ports: ports.ports,
            up: ports.up,
            wires: ports.wires,
            labels,
            reverse: ipsec_to_vrf::reverse(config, ids, &placed),
            problems: ports.problems,
        };
        Ok((tables, routes))
    }

    /// The entries of the crypto map on a port, in the order in which they are tried.
    pub(crate) fn policies_of(&self, port: PortId) -> Vec<&Policy> {
        let mut policies: Vec<_> = self.policies.values().filter(|policy| policy.port == port).collect();
        policies.sort_by_key(|policy| policy.sequence);
        policies
    }
}

/// Tunnel interfaces by name, with what leads into them.
fn ways_in(placed: &[Placed<'_>]) -> WaysIn {
    let tunnels = placed.iter().filter(|entry| entry.is_tunnel);
    tunnels.map(|entry| (entry.name.interface.clone(), entry.id)).collect()
}

fn inner(config: &Config, ids: &mut Ids, placed: &[Placed<'_>]) -> BTreeMap<VrfId, Vec<Address>> {
    let mut inner: BTreeMap<_, Vec<_>> = BTreeMap::new();
    // Where the kernel forwards, there are no such tunnels.
    let bare = config.interfaces.values().filter(|of| config.dataplane == Backend::User && !of.shutdown);
    for interface in config_to_vrf::loopbacks(config).chain(bare.filter(|of| link_to_all::is_bare(of))) {
        let addresses = link_to_all::addresses(interface);
        inner.entry(ids.vrf(interface.vrf.as_deref())).or_default().extend(addresses);
    }
    for entry in placed.iter().filter(|entry| entry.is_tunnel) {
        inner.entry(entry.inside).or_default().extend(link_to_all::addresses(entry.interface));
    }
    inner
}
