//! What the protocols are to do: what configuration and wires make of it, told where it is news.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Engine as _, Instant, PortId, Prefix, VrfId};
use bfd::SessionKey;
use bgp::PeerId;

use super::Pe;
use crate::stream::HostFlow;
use crate::wiring::{bgp_to_host, config_to_bfd, config_to_bgp, config_to_ldp, ldp_to_mpls};
use crate::{Network, Notice};

impl Pe {
    /// The configuration or the wires changed: protocols hear of what that changes for them.
    pub(super) fn speak(&mut self, now: Instant) {
        self.speak_bgp(now);
        self.watch_links(now);
        self.speak_ldp(now);
        self.resay_routes(now);
        self.watch_paths(now);
    }

    fn speak_bgp(&mut self, now: Instant) {
        let config = config_to_bgp::bgp_config(&self.config, &self.ids, self.spoken.resumed);
        if self.spoken.bgp.as_deref() != config.as_ref() {
            self.spoken.bgp = config.map(Arc::new);
            self.bgp.handle(now, bgp::Input::Configure(self.spoken.bgp.clone()));
        }
    }

    /// Which neighbours' links are gone.
    fn watch_links(&mut self, now: Instant) {
        let up = self.tables.ports.values().filter(|port| self.tables.up.contains(&port.id));
        let mut links: BTreeMap<VrfId, Vec<Prefix>> = BTreeMap::new();
        for port in up {
            let networks = port.addresses.iter().filter_map(|on| Prefix::new(on.address, on.length).ok());
            links.entry(port.vrf).or_default().extend(networks);
        }
        let is_on = |peer: &PeerId| {
            links.get(&peer.vrf).is_some_and(|all| all.iter().any(|network| network.contains(peer.address)))
        };
        let neighbors = self.spoken.bgp.iter().flat_map(|config| config.neighbors.keys());
        let linked = neighbors.filter(|peer| is_on(peer)).copied().collect();
        let before = std::mem::replace(&mut self.spoken.linked, linked);
        for peer in before.difference(&self.spoken.linked) {
            self.bgp.handle(now, bgp::Input::LinkDown(*peer));
        }
    }

    fn speak_ldp(&mut self, now: Instant) {
        let held = self.spoken.ldp.as_ref().map(|spoken| spoken.router_id);
        let config = config_to_ldp::ldp_config(&self.config, &self.tables.ports, held);
        if self.spoken.ldp.as_deref() != config.as_ref() {
            self.spoken.ldp = config.map(Arc::new);
            self.ldp.handle(now, ldp::Input::Configure(self.spoken.ldp.clone()));
        }
        let runs = self.spoken.ldp.is_some();
        let up = config_to_ldp::labelled(&self.tables.ports).filter(|port| self.tables.up.contains(&port.id));
        let interface = |port: &dataplane::Port| ldp::Interface {
            addresses: port.addresses.iter().map(|on| on.address).collect(),
        };
        let interfaces: BTreeMap<_, _> = up.filter(|_| runs).map(|port| (port.id, interface(port))).collect();
        let before = std::mem::replace(&mut self.spoken.interfaces, interfaces);
        let gone = before.keys().filter(|port| !self.spoken.interfaces.contains_key(port));
        let gone: Vec<_> = gone.map(|port| (*port, None)).collect();
        let new = self.spoken.interfaces.iter().filter(|(port, of)| before.get(port) != Some(of));
        let new: Vec<_> = new.map(|(port, of)| (*port, Some(of.clone()))).collect();
        for (port, of) in gone.into_iter().chain(new) {
            self.ldp.handle(now, ldp::Input::Interface(port, of));
        }
        let addresses = self.routing.own_addresses(VrfId::GLOBAL);
        if runs && self.spoken.addresses != addresses {
            self.spoken.addresses.clone_from(&addresses);
            self.ldp.handle(now, ldp::Input::Addresses(addresses));
        }
    }

    /// All routes that protocols may want, for what they want may be another now. Those of BGP itself are none.
    fn resay_routes(&mut self, now: Instant) {
        let named = self.routing.named().map(|(vrf, prefix, chosen)| ((vrf, prefix), Some(chosen)));
        let mut routes: BTreeMap<_, _> = named.collect();
        for ((vrf, prefix, _), _) in self.reverse.all() {
            routes.entry((vrf, prefix)).or_insert_with(|| self.routing.chosen(vrf, prefix));
        }
        for said in self.spoken.originated.keys() {
            routes.entry(*said).or_insert(None);
        }
        for said in self.spoken.classes.keys() {
            routes.entry((VrfId::GLOBAL, *said)).or_insert(None);
        }
        for ((vrf, prefix), chosen) in routes {
            self.originate(now, vrf, prefix, chosen);
            if vrf == VrfId::GLOBAL {
                self.classify(now, prefix, chosen);
            }
        }
    }

    pub(super) fn watch_paths(&mut self, now: Instant) {
        let neighbors = self.spoken.bgp.iter().flat_map(|config| &config.neighbors);
        let sources = neighbors.filter_map(|(peer, of)| Some((*peer, of.local?))).collect();
        let Self { config, ids, routing, spoken, tables, .. } = self;
        let mut paths = config_to_bfd::sessions(config, ids, routing, &spoken.guarded, &sources);
        paths.retain(|path, _| path.port.is_none_or(|port| tables.up.contains(&port)));
        if self.spoken.paths == paths {
            return;
        }
        let before = std::mem::replace(&mut self.spoken.paths, paths.clone());
        self.bfd.handle(now, bfd::Input::Configure(paths));
        self.refresh_host();
        let gone: Vec<_> = before.into_keys().filter(|path| !self.spoken.paths.contains_key(path)).collect();
        gone.into_iter().for_each(|path| self.path_gone(now, path));
    }

    /// It failed with the port or the route that it took; one that is only not to be watched any more did not.
    fn path_gone(&mut self, now: Instant, path: SessionKey) {
        let leads = match path.port {
            Some(port) => self.tables.up.contains(&port),
            None => self.routing.reach(path.vrf, path.remote).is_some_and(|reach| reach.plain.is_ok()),
        };
        if leads {
            self.spoken.stands.remove(&path);
        } else if self.spoken.stands.contains(&path) {
            let vrf = self.ids.vrf_name(path.vrf).map(str::to_owned);
            let failed = Network::Bfd { vrf, remote: path.remote, up: false, diagnostic: "path down" };
            self.notice(now, Notice::Network(failed));
            self.path(now, path, false);
        }
    }

    /// What labels of ours mean now, told by the next plan.
    pub(super) fn relabel(&mut self) {
        self.labels.refresh_all(&self.routing);
        for (label, swap) in &self.spoken.swaps {
            self.labels.set(*label, Some(ldp_to_mpls::action(*swap, &self.routing)));
        }
    }

    /// Protocols that are configured and cannot start.
    pub(super) fn idle(&self) -> impl Iterator<Item = Notice> {
        let bgp = self.config.bgp.is_some() && self.spoken.bgp.is_none();
        let ldp = self.config.speaks_ldp() && self.spoken.ldp.is_none();
        let idle = [("BGP", Self::NO_BGP_ID, bgp), ("LDP", Self::NO_LDP_ID, ldp)];
        let idle = idle.into_iter().filter(|(.., idle)| *idle);
        idle.map(|(protocol, reason, _)| Notice::Network(Network::Idle { protocol, reason }))
    }

    const NO_BGP_ID: &str = "no interface has an IPv4 address for its router id (`bgp router-id A.B.C.D`)";
    const NO_LDP_ID: &str = "no interface has an IPv4 address for its router id (`mpls ldp router-id`)";

    /// What the kernel lets in for the protocols.
    pub(super) fn flows(&self) -> Vec<HostFlow> {
        let tcp = self.spoken.listened.iter();
        let tcp = tcp.flat_map(|(service, sockets)| bgp_to_host::flows(*service, sockets));
        let hellos = self.spoken.ldp.iter().map(|_| bgp_to_host::HELLOS);
        let paths = self.spoken.paths.keys().map(bgp_to_host::path);
        let all: BTreeSet<_> = tcp.chain(hellos).chain(paths).collect();
        all.into_iter().collect()
    }

    /// Where LDP looks for neighbours.
    pub(super) fn hello_ports(&self) -> Vec<PortId> {
        self.spoken.interfaces.keys().copied().collect()
    }

    /// A text that was stored before the program started anew.
    pub(super) fn restore(&mut self, text: &str) {
        self.labels.restore(text);
    }
}
