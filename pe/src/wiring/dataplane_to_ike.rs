//! What the dataplane runs into becomes an order to IKE.

use dataplane::Event;
use ike::Command;

use super::ike_to_ipsec::Tunnels;

/// `None`: nothing IKE could do about it.
pub(crate) fn command(event: Event, tunnels: &Tunnels) -> Option<Command> {
    match event {
        Event::Acquire { policy, rule, flow } => Some(Command::Acquire { policy, rule, flow }),
        Event::UnknownSpi { front, local, remote, spi, encap: _ } => {
            Some(Command::UnknownSpi { front, local, remote, spi })
        }
        Event::Expiring(sa) => tunnels.child_of(sa).map(Command::Rekey),
        Event::Lost(sa) => tunnels.child_of(sa).map(Command::Lost),
        Event::Expired(sa) => tunnels.child_of(sa).map(Command::Exhausted),
        Event::Moved(sa, port) => tunnels.child_of(sa).map(|child| Command::Moved { child, port }),
        Event::Gone(..)
        | Event::Counted(..)
        | Event::Resolve(..)
        | Event::Punt { .. }
        | Event::Link { .. } => None,
    }
}
