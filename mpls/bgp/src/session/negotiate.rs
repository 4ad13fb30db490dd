//! What we offer a neighbour in our OPEN, and what comes of its own: RFC 4271 section 6.2, RFC 5492.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use base::Instant;

use super::{Negotiated, Restart, Terms};
use crate::config::{Config, Neighbor};
use crate::io::AddressFamily;
use crate::wire::{LONGEST, LONGEST_EXTENDED, Notification, Offer, Open, RestartOffer};

/// `known`: there was a session before, so that this speaker did not restart since.
pub(super) fn open(config: &Config, neighbor: &Neighbor, known: bool) -> Open {
    let families = neighbor.families.keys().copied();
    let next_hop = families.clone().filter(|_| neighbor.capability.extended_next_hop);
    let several = neighbor.families.iter().filter(|(_, of)| of.add_path_receive);
    Open {
        asn: neighbor.shown_as(config.asn),
        hold: u16::try_from(neighbor.timers.hold.as_secs()).unwrap_or(u16::MAX),
        router_id: config.router_id,
        offer: Offer {
            families: families.collect(),
            four_octet: true,
            refresh: true,
            enhanced_refresh: true,
            extended_message: neighbor.capability.extended_message,
            restart: config.graceful_restart.map(|restart| RestartOffer {
                restarting: config.restarting && !known,
                notification: true,
                time: u16::try_from(restart.restart.as_secs()).unwrap_or(u16::MAX),
                families: neighbor
                    .families
                    .keys()
                    .map(|&family| (family, config.restarting || known))
                    .collect(),
            }),
            add_path: several.map(|(&family, _)| (family, (true, false))).collect(),
            extended_next_hop: next_hop.filter(|&family| has_ipv4_routes(family)).collect(),
        },
    }
}

const fn has_ipv4_routes(family: AddressFamily) -> bool {
    matches!(family, AddressFamily::Ipv4Unicast | AddressFamily::Ipv4Labeled | AddressFamily::Vpnv4)
}

/// What both agree upon, or why they cannot.
pub(super) fn negotiate(
    ours: &Open,
    theirs: &Open,
    neighbor: &Neighbor,
    local: IpAddr,
    since: Instant,
) -> Result<Negotiated, Notification> {
    let external = neighbor.remote_as != ours.asn;
    acceptable(ours, theirs, neighbor.remote_as, external)?;
    let hold = Duration::from_secs(ours.hold.min(theirs.hold).into());
    let extended = ours.offer.extended_message && theirs.offer.extended_message;
    let common = ours.offer.families.intersection(&theirs.offer.families).copied();
    Ok(Negotiated {
        local,
        local_as: ours.asn,
        remote_as: theirs.asn,
        external,
        router_id: theirs.router_id,
        hold,
        keepalive: neighbor.timers.keepalive.min(hold / 3),
        families: common.map(|family| (family, terms(&ours.offer, &theirs.offer, family))).collect(),
        four_octet: ours.offer.four_octet && theirs.offer.four_octet,
        refresh: ours.offer.refresh && theirs.offer.refresh,
        enhanced_refresh: ours.offer.enhanced_refresh && theirs.offer.enhanced_refresh,
        restart: restart(&ours.offer, &theirs.offer),
        message: if extended { LONGEST_EXTENDED } else { LONGEST }.into(),
        since,
    })
}

fn acceptable(ours: &Open, theirs: &Open, remote_as: u32, external: bool) -> Result<(), Notification> {
    if theirs.asn != remote_as {
        return Err(Notification::bad_as(theirs.asn, remote_as));
    }
    // RFC 6286 section 2.2: only within an AS must identifiers differ.
    if theirs.router_id == Ipv4Addr::UNSPECIFIED || (!external && theirs.router_id == ours.router_id) {
        return Err(Notification::bad_identifier());
    }
    if matches!(theirs.hold, 1 | 2) {
        return Err(Notification::bad_hold_time());
    }
    if ours.offer.families.is_disjoint(&theirs.offer.families) {
        return Err(Notification::no_family(ours.offer.missed()));
    }
    Ok(())
}

fn terms(ours: &Offer, theirs: &Offer, family: AddressFamily) -> Terms {
    let receive = ours.add_path.get(&family).is_some_and(|&(receive, _)| receive);
    let send = theirs.add_path.get(&family).is_some_and(|&(_, send)| send);
    let restart = ours.restart.as_ref().and(theirs.restart.as_ref());
    Terms {
        add_path_receive: receive && send,
        extended_next_hop: ours.extended_next_hop.contains(&family)
            && theirs.extended_next_hop.contains(&family),
        preserved: restart.and_then(|restart| restart.families.get(&family).copied()),
    }
}

fn restart(ours: &Offer, theirs: &Offer) -> Option<Restart> {
    let (ours, theirs) = (ours.restart.as_ref()?, theirs.restart.as_ref()?);
    Some(Restart {
        restarting: theirs.restarting,
        time: Duration::from_secs(theirs.time.into()),
        notification: ours.notification && theirs.notification,
    })
}

/// Whether a session that stands does not fit what is configured now. Timers count from the next session on.
pub(super) fn differs(old: (&Config, &Neighbor), new: (&Config, &Neighbor)) -> bool {
    let terms = |(config, neighbor): (&Config, &Neighbor)| {
        let open = open(config, neighbor, true);
        Open { hold: 0, ..open }
    };
    let ((_, before), (_, after)) = (old, new);
    let link = |neighbor: &Neighbor| (neighbor.remote_as, neighbor.local_as, neighbor.local, neighbor.ttl);
    link(before) != link(after) || before.password != after.password || terms(old) != terms(new)
}
