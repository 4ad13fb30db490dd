//! What a backend tells the control plane.

use std::net::IpAddr;

use base::{PolicyId, PortId, SaId, Spi, VrfId};
use ipsec::{Encap, Flow};

use crate::SaCounters;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet that a policy protects has no SA; IKE should negotiate for the rule at this index.
    Acquire { policy: PolicyId, rule: usize, flow: Flow },
    /// ESP arrived for one of our addresses with an SPI that no SA holds. At most one a second for each
    /// front VRF and remote.
    UnknownSpi { front: VrfId, local: IpAddr, remote: IpAddr, spi: Spi, encap: Encap },
    /// An SA is near the end of its sequence numbers or its volume: rekey it.
    Expiring(SaId),
    /// Somebody else took an SA away; the peer still has it. Replace it at once: nothing carries its traffic.
    Lost(SaId),
    /// An SA is at its end; it carries nothing any more.
    Expired(SaId),
    /// The newest packet of an inbound SA, an authentic one, came from this UDP port of its peer: a NAT
    /// has given it another. At most one a second for each SA.
    Moved(SaId, u16),
    /// An SA was unset; what it had counted.
    Gone(SaId, SaCounters),
    /// The answer to [`Dataplane::read`](crate::Dataplane::read), in the order of the question; `None`: there
    /// is no such SA.
    Counted(u64, Vec<Option<SaCounters>>),
    /// A next hop's link address is wanted.
    Resolve(PortId, IpAddr),
    /// A packet the backend cannot deal with.
    Punt { port: PortId, vrf: VrfId, packet: Vec<u8> },
    /// A port's carrier changed.
    Link { port: PortId, up: bool },
}
