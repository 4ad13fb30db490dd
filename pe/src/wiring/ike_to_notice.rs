//! What happens to tunnels, told to the operator: numbers become names.

use std::collections::BTreeSet;
use std::net::IpAddr;

use base::VrfId;
use dataplane::Event;
use ike::{Child, DownReason};
use ipsec::{Encap, Sa};

use super::ike_to_ipsec::Pair;
use crate::ids::Ids;
use crate::{Notice, Peer};

/// `times`: how often this was met, for what is counted.
pub(crate) fn named(notice: ike::Notice, times: u64, ids: &Ids) -> Notice {
    match notice {
        ike::Notice::SessionUp { front, inside, remote, port, identity, profile, initiator, .. } => {
            Notice::SessionUp {
                peer: Peer { port: Some(port), ..peer(front, remote, ids) },
                inside: vrf(inside, ids),
                identity,
                profile,
                initiator,
            }
        }
        ike::Notice::SessionDown { front, inside, remote, port, identity, reason, .. } => {
            Notice::SessionDown {
                peer: Peer { port: Some(port), ..peer(front, remote, ids) },
                inside: vrf(inside, ids),
                identity,
                reason,
            }
        }
        ike::Notice::Failed { front, remote, blame, what, detail, .. } => {
            Notice::Failed { peer: peer(front, remote, ids), blame, what, detail }
        }
        ike::Notice::Ignored { front, remote, blame, what } => {
            Notice::Ignored { peer: peer(front, remote, ids), blame, what, times }
        }
        ike::Notice::Debug { session, front, remote, text } => {
            let session = session.map_or(0, |session| session.0);
            Notice::Debug { text: format!("ISAKMP:({session}): {}: {text}", peer(front, remote, ids)) }
        }
    }
}

pub(crate) fn peer(front: VrfId, address: IpAddr, ids: &Ids) -> Peer {
    Peer { address, port: None, front: vrf(front, ids) }
}

pub(crate) fn child_up(child: &Child, rekeyed: bool, ids: &Ids) -> Notice {
    Notice::ChildUp {
        peer: Peer { port: encap_port(child.encap), ..peer(child.front, child.remote, ids) },
        inside: vrf(child.inside, ids),
        flow: child.selector.to_string(),
        inbound: child.spi_in,
        outbound: child.spi_out,
        suite: child.suite.to_string(),
        rekeyed,
    }
}

pub(crate) fn child_down(pair: &Pair, reason: DownReason, ids: &Ids) -> Notice {
    let Sa { front, inside, remote, encap, spi, .. } = &pair.inbound;
    Notice::ChildDown {
        peer: Peer { port: encap_port(*encap), ..peer(*front, *remote, ids) },
        inside: vrf(*inside, ids),
        inbound: *spi,
        reason,
    }
}

/// What the dataplane ran into, where an operator should hear of it; `debug`: also the ordinary.
/// Anybody can send ESP with a made-up source: only of `peers` it is worth a line.
pub(crate) fn event(
    event: &Event,
    peers: &BTreeSet<(VrfId, IpAddr)>,
    ids: &Ids,
    debug: bool,
) -> Option<Notice> {
    match event {
        Event::UnknownSpi { front, local, remote, spi, .. } if peers.contains(&(*front, *remote)) => {
            Some(Notice::UnknownSpi { peer: peer(*front, *remote, ids), local: *local, spi: *spi })
        }
        Event::Acquire { policy, rule, flow } if debug => {
            let entry = ids.entry(*policy)?;
            let text = format!(
                "IPSEC(sa_request): map {} {} on {}, line {}, {} to {} protocol {}",
                entry.map,
                entry.sequence,
                entry.interface,
                rule + 1,
                flow.local,
                flow.remote,
                flow.protocol
            );
            Some(Notice::Debug { text })
        }
        Event::Expiring(sa) if debug => {
            Some(Notice::Debug { text: format!("IPSEC(lifetime_expiry): SA {} runs out, rekeying", sa.0) })
        }
        Event::Lost(sa) if debug => {
            Some(Notice::Debug { text: format!("IPSEC(sa_lost): SA {} was taken away, rekeying", sa.0) })
        }
        Event::Expired(sa) if debug => {
            Some(Notice::Debug { text: format!("IPSEC(lifetime_expiry): SA {} is at its end", sa.0) })
        }
        Event::UnknownSpi { .. }
        | Event::Acquire { .. }
        | Event::Expiring(_)
        | Event::Lost(_)
        | Event::Expired(_)
        | Event::Moved(..)
        | Event::Gone(..)
        | Event::Counted(..)
        | Event::Resolve(..)
        | Event::Punt { .. }
        | Event::Link { .. } => None,
    }
}

fn vrf(id: VrfId, ids: &Ids) -> Option<String> {
    ids.vrf_name(id).map(str::to_owned)
}

const fn encap_port(encap: Encap) -> Option<u16> {
    match encap {
        Encap::Esp => None,
        Encap::Udp { remote, .. } => Some(remote),
    }
}
