//! `show crypto ipsec sa`: each flow of each crypto-map entry, with the SAs that carry it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use api::{IpsecFlow, IpsecSa, Proxy, Response, SaFilter};
use base::{Instant, PolicyId, Prefix, SaId};
use dataplane::SaCounters;
use ike::SessionId;
use ipsec::{Direction, Encap, Mode, Policy, Ports, Sa, Selector};

use super::{failed, vrf_name, vrf_of};
use crate::Pe;
use crate::ids::{EntryName, Ids};
use crate::past::FlowKey;
use crate::wiring::config_to_ipsec::Placed;
use crate::wiring::ike_to_ipsec::Pair;

/// What is asked for again and again while flows are listed.
pub(super) struct Overview<'a> {
    pe: &'a Pe,
    pub(super) placed: Vec<Placed<'a>>,
    pairs: BTreeMap<PolicyId, Vec<(&'a Pair, Child)>>,
}

type BySelector<'a> = BTreeMap<Selector, Vec<(&'a Pair, Child)>>;

/// What IKE knows of a pair.
#[derive(Clone, Copy)]
struct Child {
    session: Option<SessionId>,
    left: Duration,
}

/// By interface and sequence number. An entry without SAs shows each of its permit lines, empty.
pub(super) fn flows(pe: &Pe, now: Instant, filter: &SaFilter) -> Result<Vec<IpsecFlow>, Response> {
    check(pe, filter)?;
    let overview = Overview::new(pe, now);
    let flows = overview.placed.iter().flat_map(|placed| overview.flows_of(placed));
    Ok(flows.filter(|flow| matches(filter, flow)).collect())
}

impl<'a> Overview<'a> {
    pub(super) fn new(pe: &'a Pe, now: Instant) -> Self {
        let mut pairs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for child in pe.ike.children(now) {
            if let Some(pair) = pe.tunnels.pair(child.id).filter(|pair| pair.up) {
                let known = Child { session: child.session, left: child.left };
                pairs.entry(pair.policy).or_default().push((pair, known));
            }
        }
        Self { pe, placed: pe.placed(), pairs }
    }

    pub(super) fn flows_of(&self, placed: &Placed<'_>) -> Vec<IpsecFlow> {
        let Some(policy) = self.pe.tables.policies.get(&placed.id) else { return Vec::new() };
        let mut by_selector = BySelector::new();
        for known in self.pairs.get(&placed.id).into_iter().flatten() {
            by_selector.entry(known.0.inbound.selector).or_default().push(*known);
        }
        let selectors = if placed.is_dynamic() {
            by_selector.keys().copied().collect()
        } else {
            selectors(policy, by_selector.keys().copied())
        };
        let pairs = |selector| by_selector.get(selector).cloned().unwrap_or_default();
        selectors.iter().filter_map(|selector| self.flow(placed, selector, pairs(selector))).collect()
    }

    fn flow(
        &self,
        placed: &Placed<'_>,
        selector: &Selector,
        mut pairs: Vec<(&Pair, Child)>,
    ) -> Option<IpsecFlow> {
        pairs.sort_by_key(|(pair, _)| std::cmp::Reverse(pair.outbound.id));
        let newest = pairs.first();
        let peer = newest.map(|(pair, _)| pair.inbound.remote).or_else(|| placed.addresses().next())?;
        let of = |direction| (placed.id, *selector, direction);
        let sent = pairs.iter().map(|(pair, _)| pair.outbound.id);
        let received = pairs.iter().map(|(pair, _)| pair.inbound.id);
        let (encaps, encaps_bytes, send_errors) = self.sum(&of(Direction::Out), sent);
        let (decaps, decaps_bytes, recv_errors) = self.sum(&of(Direction::In), received);
        Some(IpsecFlow {
            interface: placed.name.interface.clone(),
            map: placed.name.map.clone(),
            sequence: placed.name.sequence,
            local_address: newest.map(|(pair, _)| pair.inbound.local).or(placed.local)?,
            front: vrf_name(self.pe, placed.front),
            inside: vrf_name(self.pe, placed.inside),
            local: proxy(selector.local, selector.protocol, selector.local_ports),
            remote: proxy(selector.remote, selector.protocol, selector.remote_ports),
            peer,
            peer_port: newest.map_or(500, |(pair, _)| port(pair.inbound.encap)),
            connection: newest.and_then(|(_, child)| child.session).map(|session| session.0),
            encaps,
            decaps,
            encaps_bytes,
            decaps_bytes,
            send_errors,
            recv_errors,
            path_mtu: self.mtu(&placed.name),
            inbound: pairs.iter().map(|(pair, child)| self.sa(&pair.inbound, *child)).collect(),
            outbound: pairs.iter().map(|(pair, child)| self.sa(&pair.outbound, *child)).collect(),
        })
    }

    fn sa(&self, sa: &Sa, child: Child) -> IpsecSa {
        let counted = self.pe.counters.sas.get(&sa.id).copied().unwrap_or_default();
        IpsecSa {
            spi: sa.spi.0,
            transform: sa.suite.to_string(),
            mode: mode_word(sa.mode, sa.encap).to_owned(),
            connection: sa.id.0,
            seconds_left: child.left.as_secs(),
            kilobytes_left: sa.kilobytes.map(|limit| u64::from(limit).saturating_sub(counted.bytes / 1024)),
            iv: u16::try_from(sa.suite.cipher.iv_len()).unwrap_or(u16::MAX),
            replay_window: sa.replay.window,
            esn: sa.replay.esn,
            packets: counted.packets,
            bytes: counted.bytes,
            sequence: counted.sequence,
        }
    }

    /// Packets, bytes and errors since the counters were cleared, also of SAs that are gone.
    fn sum(&self, flow: &FlowKey, sas: impl Iterator<Item = SaId>) -> (u64, u64, u64) {
        let past = self.pe.past.of(flow);
        sas.fold((past.packets, past.bytes, past.errors), |(packets, bytes, errors), id| {
            let of = |sas: &BTreeMap<SaId, SaCounters>| sas.get(&id).copied().unwrap_or_default();
            let (now, then) = (of(&self.pe.counters.sas), of(&self.pe.cleared));
            (
                packets + now.packets.saturating_sub(then.packets),
                bytes + now.bytes.saturating_sub(then.bytes),
                errors + now.errors.saturating_sub(then.errors),
            )
        })
    }

    fn mtu(&self, name: &EntryName) -> u16 {
        let port = self.pe.ids.known_port(&name.interface);
        port.and_then(|port| self.pe.tables.ports.get(&port)).map_or(0, |port| port.mtu)
    }
}

/// Names in a filter must exist, or an empty answer would mislead.
pub(super) fn check(pe: &Pe, filter: &SaFilter) -> Result<(), Response> {
    match filter {
        SaFilter::All => Ok(()),
        SaFilter::Inside(vrf) => vrf_of(pe, Some(vrf)).map(|_| ()),
        SaFilter::Peer { front, .. } => vrf_of(pe, front.as_deref()).map(|_| ()),
        SaFilter::Interface(name) => known(pe.config.interfaces.keys(), name, "interface"),
        SaFilter::Map(name) => known(pe.config.crypto_maps.keys(), name, "crypto map"),
    }
}

pub(super) fn entry_matches(ids: &Ids, policy: &Policy, filter: &SaFilter) -> bool {
    let entry = ids.entry(policy.id);
    match filter {
        SaFilter::Interface(name) => entry.is_some_and(|entry| entry.interface.eq_ignore_ascii_case(name)),
        SaFilter::Map(name) => entry.is_some_and(|entry| entry.map == *name),
        SaFilter::All | SaFilter::Inside(_) | SaFilter::Peer { .. } => false,
    }
}

const fn mode_word(mode: Mode, encap: Encap) -> &'static str {
    match (mode, encap) {
        (Mode::Tunnel, Encap::Esp) => "Tunnel",
        (Mode::Tunnel, Encap::Udp { .. }) => "Tunnel UDP-Encaps",
        (Mode::Transport, Encap::Esp) => "Transport",
        (Mode::Transport, Encap::Udp { .. }) => "Transport UDP-Encaps",
    }
}

fn known<'a>(mut names: impl Iterator<Item = &'a String>, name: &str, what: &str) -> Result<(), Response> {
    let found = names.any(|known| known.eq_ignore_ascii_case(name));
    if found { Ok(()) } else { Err(failed(format!("no {what} {name}"), None)) }
}

/// The peer is qualified by the front VRF, the bare VRF is the inside one (VRF-20).
fn matches(filter: &SaFilter, flow: &IpsecFlow) -> bool {
    match filter {
        SaFilter::All => true,
        SaFilter::Inside(vrf) => flow.inside.as_ref() == Some(vrf),
        SaFilter::Peer { front, address } => flow.front == *front && flow.peer == *address,
        SaFilter::Interface(name) => flow.interface.eq_ignore_ascii_case(name),
        SaFilter::Map(name) => flow.map == *name,
    }
}

/// What was negotiated, and the permit lines of which nothing was, in the order of the lines.
fn selectors(policy: &Policy, negotiated: impl Iterator<Item = Selector> + Clone) -> Vec<Selector> {
    let mut shown = BTreeSet::new();
    let mut selectors = Vec::new();
    for rule in policy.rules.iter().filter(|rule| rule.permit) {
        let carried: Vec<_> = negotiated.clone().filter(|selector| rule.selector.covers(selector)).collect();
        let empty = carried.is_empty().then_some(rule.selector);
        selectors.extend(carried.into_iter().chain(empty).filter(|selector| shown.insert(*selector)));
    }
    selectors
}

fn proxy(prefix: Prefix, protocol: Option<u8>, ports: Ports) -> Proxy {
    Proxy {
        address: prefix.address(),
        mask: prefix.mask(),
        protocol: protocol.unwrap_or(0),
        port: if ports.first == ports.last { ports.first } else { 0 },
    }
}

const fn port(encap: Encap) -> u16 {
    match encap {
        Encap::Esp => 500,
        Encap::Udp { remote, .. } => remote,
    }
}

/// Whether `address` is the far end of a pair.
pub(super) fn is_peer(pair: &Pair, address: IpAddr) -> bool {
    pair.inbound.remote == address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_has_its_word_as_it_is_and_in_udp() {
        let udp = Encap::Udp { local: 4500, remote: 4500 };
        let words = |encap| [Mode::Tunnel, Mode::Transport].map(|mode| mode_word(mode, encap));
        assert_eq!(words(Encap::Esp), ["Tunnel", "Transport"]);
        assert_eq!(words(udp), ["Tunnel UDP-Encaps", "Transport UDP-Encaps"]);
    }
}
