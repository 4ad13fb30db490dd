//! `show mpls ldp neighbor | bindings | discovery`, `clear mpls ldp neighbor`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use api::{
    LdpBinding, LdpBindings, LdpDiscovery, LdpHello, LdpNeighbor, LdpRemoteBinding, LdpSource, Response,
};
use base::{Instant, Label, PortId, Prefix};
use ldp::{Bindings, Discovered, Neighbour, Source};

use super::{PAGE, bad_page, failed};
use crate::Pe;

/// `peer`: a router id, or an address of the peer.
pub(super) fn neighbors(pe: &Pe, now: Instant, peer: Option<IpAddr>) -> Result<Vec<LdpNeighbor>, Response> {
    let local = own_id(running(pe)?.router_id);
    let has = |of: &Neighbour, address| of.peer.router == address || of.addresses.contains(&address);
    let all = pe.ldp.neighbours(now).into_iter();
    let wanted = all.filter(|of| peer.is_none_or(|address| has(of, address)));
    let found: Vec<_> = wanted.map(|of| neighbor(pe, of, &local)).collect();
    match peer.filter(|_| found.is_empty()) {
        Some(peer) => Err(stranger(peer)),
        None => Ok(found),
    }
}

/// A page of bindings.
pub(super) fn bindings(pe: &Pe, after: Option<&str>) -> Result<LdpBindings, Response> {
    running(pe)?;
    let after = after.map(|text| text.parse::<Prefix>().map_err(|_| bad_page())).transpose()?;
    let all = pe.ldp.bindings().into_iter();
    let mut rest = all.skip_while(|(prefix, _)| after.is_some_and(|after| *prefix <= after)).peekable();
    let page: Vec<_> = rest.by_ref().take(PAGE).collect();
    let more = rest.peek().and_then(|_| page.last()).map(|(prefix, _)| prefix.to_string());
    Ok(LdpBindings { bindings: page.into_iter().map(|(prefix, of)| binding(prefix, of)).collect(), more })
}

pub(super) fn discovery(pe: &Pe, now: Instant) -> Result<LdpDiscovery, Response> {
    let config = running(pe)?;
    let interfaces = config.ports.keys().filter_map(|port| port_name(pe, *port));
    let ignored = pe.ldp.unheard().iter().map(|(why, times)| (why.to_string(), *times));
    Ok(LdpDiscovery {
        router_id: config.router_id,
        interfaces: interfaces.collect(),
        hellos: pe.ldp.discovered(now).into_iter().map(|heard| hello(pe, heard)).collect(),
        ignored: ignored.collect(),
    })
}

/// Says how many sessions it concerned; they come back.
pub(super) fn clear(pe: &mut Pe, now: Instant, peer: Option<Ipv4Addr>) -> Result<Response, Response> {
    running(pe)?;
    let all = pe.ldp.neighbours(now).into_iter();
    let count = all.filter(|of| peer.is_none_or(|peer| of.peer.router == peer)).count();
    if let Some(peer) = peer.filter(|_| count == 0) {
        return Err(stranger(peer.into()));
    }
    pe.clear_ldp(now, peer);
    Ok(Response::Done { count })
}

/// The configuration that LDP runs with.
fn running(pe: &Pe) -> Result<Arc<ldp::Config>, Response> {
    let hint = "`mpls ip` on interfaces to other routers, and an IPv4 address for the router id";
    pe.spoken.ldp.clone().ok_or_else(|| failed("LDP not active".to_owned(), Some(hint)))
}

fn stranger(peer: IpAddr) -> Response {
    failed(format!("no LDP neighbor {peer}"), Some("`show mpls ldp neighbor` lists them"))
}

/// With the label space, which is the platform's.
fn own_id(router: Ipv4Addr) -> String {
    ldp::LdpId { router, space: 0 }.to_string()
}

fn port_name(pe: &Pe, port: PortId) -> Option<String> {
    pe.ids.interface(port).map(str::to_owned)
}

fn neighbor(pe: &Pe, of: Neighbour, local: &str) -> LdpNeighbor {
    let connection = of.connection.as_ref();
    let restart = connection.and_then(|connection| connection.graceful_restart);
    LdpNeighbor {
        peer: of.peer.to_string(),
        local: local.to_owned(),
        state: of.state.to_string(),
        local_address: connection.map(|connection| connection.local),
        remote_address: connection.map(|connection| connection.remote),
        active: connection.is_some_and(|connection| connection.active),
        ttl_security: connection.is_some_and(|connection| connection.near),
        messages_sent: connection.map_or(0, |connection| connection.sent),
        messages_received: connection.map_or(0, |connection| connection.received),
        uptime: of.up.map(|up| up.as_secs()),
        keepalive: connection.map(|connection| connection.keepalive.as_secs()),
        sources: of.sources.iter().map(|source| origin(pe, *source)).collect(),
        addresses: of.addresses,
        bindings: of.bindings,
        stale: of.stale,
        stale_left: of.stale_for.map(|left| left.as_secs()),
        restart: restart.map(|(reconnect, recovery)| (reconnect.as_secs(), recovery.as_secs())),
        complaint: of.complaint,
    }
}

fn origin(pe: &Pe, source: Source) -> LdpSource {
    match source {
        Source::Link(port, address) => LdpSource { interface: port_name(pe, port), address },
        Source::Targeted(address) => LdpSource { interface: None, address },
    }
}

fn binding(prefix: Prefix, of: Bindings) -> LdpBinding {
    let in_use = of.in_use.map(|lsp| lsp.peer);
    let remote = of.remote.into_iter().map(|(peer, label, stale)| LdpRemoteBinding {
        peer: peer.to_string(),
        label: label_text(label),
        stale,
        in_use: in_use == Some(peer),
    });
    LdpBinding { prefix: prefix.to_string(), local: of.local.map(label_text), remote: remote.collect() }
}

fn label_text(label: Label) -> String {
    match label {
        Label::IMPLICIT_NULL => "imp-null".to_owned(),
        Label::IPV4_EXPLICIT_NULL | Label::IPV6_EXPLICIT_NULL => "exp-null".to_owned(),
        label => label.to_string(),
    }
}

fn hello(pe: &Pe, heard: Discovered) -> LdpHello {
    let LdpSource { interface, address } = origin(pe, heard.source);
    LdpHello {
        interface,
        source: address,
        peer: heard.peer.to_string(),
        transport: heard.transport,
        hold: heard.hold.map(|(hold, left)| (hold.as_secs(), left.as_secs())),
    }
}
