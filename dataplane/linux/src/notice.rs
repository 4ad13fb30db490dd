//! What the kernel tells of SAs and policies: questions for an SA, ends of SAs, moved peers, and what others changed.

use std::net::IpAddr;

use base::Spi;
use ipsec::{Flow, Ports};

use crate::ground::Ground;
use crate::thing::{Key, Thing};
use crate::xfrm::{ESP, POLICY_LEN, Reader, SA_ID_LEN, SA_LEN, Target, address, attribute, family, message};
use crate::{policy, sa};

pub(crate) enum Notice {
    /// A packet waits for an SA: the ticket stands for a line of an entry of the XFRM interface with this `if_id`, or
    /// where that is zero of the port that has this index.
    Acquire { if_id: u32, device: u32, ticket: u32, flow: Flow },
    /// An SA of this key is near its end.
    Expiring(Key),
    /// It is at its end: the kernel has taken it away.
    Expired(Key),
    /// An authentic packet of this SA came from another address or port, which was this. The kernel tells no mark here.
    Moved { local: IpAddr, spi: Spi, port: u16 },
    /// The kernel has this now.
    Found(Key, Thing),
    /// The kernel no longer has this.
    Gone(Key),
    /// Somebody took everything of a kind away: only a dump tells what there is.
    Flushed,
}

/// `None`: not of ours, or nothing that matters.
pub(crate) fn read(kind: u16, body: &[u8], ground: &Ground) -> Option<Notice> {
    match kind {
        message::ACQUIRE => acquire(body),
        message::EXPIRE => expire(body),
        message::MAPPING => mapping(body),
        message::NEW_SA | message::UPD_SA => sa::read(body).map(|(key, sa)| Notice::Found(key, sa)),
        message::DEL_SA => gone(body),
        message::NEW_POLICY | message::UPD_POLICY => {
            policy::read(body, ground).map(|(key, policy)| Notice::Found(key, policy))
        }
        message::DEL_POLICY => policy::read_gone(body, ground).map(Notice::Gone),
        message::FLUSH_SA | message::FLUSH_POLICY => Some(Notice::Flushed),
        _ => None,
    }
}

/// `struct xfrm_user_acquire`.
fn acquire(body: &[u8]) -> Option<Notice> {
    const LEN: usize = 24 + 16 + 56 + POLICY_LEN + 16;
    let attributes = Reader::new(body.get(LEN..)?).attributes();
    let mut template = attributes.find(attribute::TEMPLATE)?;
    template.skip(24 + 2 + 2 + 16)?;
    let ticket = template.u32()?;
    let mut rest = Reader::new(body);
    rest.skip(24 + 16)?;
    let packet = rest.selector()?.from_source;
    let Target { device, is_ours, .. } = rest.selector()?;
    let protocol = packet.protocol.unwrap_or(0);
    // Of protocols without ports the kernel gives types, codes and keys.
    let port = |ports: Ports| if has_ports(protocol) { ports.first } else { 0 };
    let flow = Flow {
        local: packet.local.address(),
        remote: packet.remote.address(),
        protocol,
        local_port: port(packet.local_ports),
        remote_port: port(packet.remote_ports),
    };
    is_ours.then(|| Notice::Acquire { if_id: attributes.if_id(), device, ticket, flow })
}

/// TCP, UDP, DCCP, SCTP, UDP-Lite.
const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

/// `struct xfrm_user_expire`.
fn expire(body: &[u8]) -> Option<Notice> {
    const LEN: usize = SA_LEN + 8;
    let attributes = Reader::new(body.get(LEN..)?).attributes();
    let (destination, spi) = sa::name(body)?;
    let key = Key::Sa(destination, spi, attributes.mark()?);
    let hard = *body.get(SA_LEN)? != 0;
    Some(if hard { Notice::Expired(key) } else { Notice::Expiring(key) })
}

/// `struct xfrm_user_mapping`.
fn mapping(body: &[u8]) -> Option<Notice> {
    let mut rest = Reader::new(body);
    let (local, spi) = sa_id(&mut rest)?;
    rest.skip(4 + 16 + 16 + 2)?;
    Some(Notice::Moved { local, spi, port: rest.port()? })
}

/// `struct xfrm_usersa_id`, and the SA itself behind it.
fn gone(body: &[u8]) -> Option<Notice> {
    let attributes = Reader::new(body.get(SA_ID_LEN..)?).attributes();
    let (destination, spi) = sa_id(&mut Reader::new(body))?;
    let key = Key::Sa(destination, spi, attributes.mark()?);
    let is_ours = attributes.find(attribute::SA)?.selector()?.is_ours;
    is_ours.then_some(Notice::Gone(key))
}

fn sa_id(rest: &mut Reader<'_>) -> Option<(IpAddr, Spi)> {
    let (destination, spi, outer, protocol) =
        (rest.address()?, rest.spi()?, family(rest.u16()?)?, rest.u8()?);
    rest.skip(1)?;
    (protocol == ESP && spi != 0).then(|| (address(destination, outer), Spi(spi)))
}

#[cfg(test)]
mod tests;
