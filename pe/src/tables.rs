//! What configuration and devices make of the box before any tunnel is up: the ground that `plan` stands on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Label, PolicyId, PortId, VrfId};
use config::Config;
use dataplane::{LabelAction, Port, TtlModel};
use ipsec::Policy;

use crate::Notice;
use crate::ids::Ids;
use crate::wiring::config_to_vrf::Routing;
use crate::wiring::link_to_all::{self, Links, Wire};
use crate::wiring::{config_to_ipsec, config_to_mpls, config_to_vrf};

/// Derived whole whenever the configuration or a wire changes; a tunnel changes nothing here.
#[derive(Default)]
pub(crate) struct Tables {
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
    /// Who may be talked to by IKE, by front VRF.
    pub(crate) peers: BTreeSet<(VrfId, IpAddr)>,
    pub(crate) labels: BTreeMap<Label, LabelAction>,
    pub(crate) routing: Routing,
    /// What cannot be carried out at the moment.
    pub(crate) problems: Vec<Notice>,
}

impl Tables {
    /// Fails where the configuration contradicts itself; says how.
    pub(crate) fn derive(config: &Config, ids: &mut Ids, links: &Links) -> Result<Self, String> {
        let vrfs = config.vrfs.keys().map(|name| ids.vrf(Some(name))).chain([VrfId::GLOBAL]).collect();
        let mut ports = link_to_all::ports(config, ids, links)?;
        let labels = config_to_mpls::labels(config, ids)?;
        let routing = config_to_vrf::routing(config, ids, &ports);
        ports.problems.extend(routing.problems(ids));
        let placed = config_to_ipsec::placed(config, ids);
        let peers = placed.iter().flat_map(|entry| entry.entry.addresses().map(|peer| (entry.front, peer)));
        Ok(Self {
            vrfs,
            ttl: if config.mpls.propagate_ttl { TtlModel::Uniform } else { TtlModel::Pipe },
            peers: peers.collect(),
            dynamic: placed.iter().filter(|entry| entry.is_dynamic()).map(|entry| entry.id).collect(),
            policies: placed
                .iter()
                .map(|entry| (entry.id, config_to_ipsec::policy(config, ids, entry)))
                .collect(),
            ports: ports.ports,
            up: ports.up,
            wires: ports.wires,
            labels,
            routing,
            problems: ports.problems,
        })
    }

    /// The entries of the crypto map on a port, in the order in which they are tried.
    pub(crate) fn policies_of(&self, port: PortId) -> Vec<&Policy> {
        let mut policies: Vec<_> = self.policies.values().filter(|policy| policy.port == port).collect();
        policies.sort_by_key(|policy| policy.sequence);
        policies
    }
}
