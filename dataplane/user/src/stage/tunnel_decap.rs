//! GRE and MPLS in UDP for one of our addresses: its tunnel by (front VRF, both addresses, GRE key), then what is inside
//! (RFC 2784, RFC 2890, RFC 4023, RFC 6040, RFC 7510).

use core::ops::Range;

use base::VrfId;
use dataplane::{Encapsulation, Port, Tunnel};
use wire::ip::Packet;
use wire::{Malformed, ethernet, gre, mpls, udp};

use crate::graph::{Next, Walk};
use crate::stage::ecn;
use crate::tables::Tables;
use crate::{Drop, Frame, Origin};

/// What a tunnel of ours carried.
struct Inner<'t> {
    port: &'t Port,
    ethertype: u16,
    /// Where it lies in the outer packet.
    at: Range<usize>,
}

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    match open(walk, frame) {
        Ok(next) => next,
        Err(drop) => drop.into(),
    }
}

fn open<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Result<Next<'t>, Drop> {
    let outer = Packet::new_checked(frame.bytes()).map_err(|_| Drop::Malformed)?;
    let congestion = outer.tos;
    let found = if outer.protocol == udp::PROTOCOL {
        in_udp(walk.tables, frame.vrf, &outer)?
    } else {
        in_gre(walk.tables, frame, &outer)?
    };
    let Some(Inner { port, ethertype, at }) = found else { return Ok(Next::Local) };
    frame.keep(at).then_some(()).ok_or(Drop::Malformed)?;
    walk.state.count_in(port.id, frame.len());
    (frame.port, frame.vrf, frame.origin) = (port.id, port.vrf, Origin::Opened);
    let version = match ethertype {
        ethernet::IPV4 => 4,
        ethernet::IPV6 => 6,
        // Labels are never marked on their way in: there is nothing to carry over.
        ethernet::MPLS => return Ok(Next::MplsInput),
        _ => return Err(Drop::GreProtocol),
    };
    if frame.bytes().first().is_none_or(|first| first >> 4 != version) {
        return Err(Drop::GreMalformed);
    }
    ecn::carry(frame, congestion)?;
    Ok(Next::IpInput)
}

fn in_gre<'t>(tables: &'t Tables, frame: &Frame, outer: &Packet<'_>) -> Result<Option<Inner<'t>>, Drop> {
    let (front, local, remote) = (frame.vrf, outer.dst, outer.src);
    // Who has sealed it for this box may mean a tunnel of the kernel's own.
    if frame.origin == Origin::Opened && !tables.has_gre(front, local, remote) {
        return Ok(None);
    }
    let (header, inner) = gre::Header::parse(outer.payload()).map_err(refusal)?;
    let tunnel = Tunnel { front, local, remote, encapsulation: Encapsulation::Gre(header.key) };
    let port = tables.tunnel(&tunnel).ok_or(Drop::NoTunnel)?;
    let end = outer.bytes.len();
    Ok(Some(Inner { port, ethertype: header.protocol, at: end.saturating_sub(inner.len())..end }))
}

/// From elsewhere than a tunnel's far end it is a datagram like any other.
fn in_udp<'t>(tables: &'t Tables, front: VrfId, outer: &Packet<'_>) -> Result<Option<Inner<'t>>, Drop> {
    let (local, remote) = (outer.dst, outer.src);
    let tunnel = Tunnel { front, local, remote, encapsulation: Encapsulation::MplsUdp };
    let Some(port) = tables.tunnel(&tunnel) else { return Ok(None) };
    let datagram = udp::Packet::new_checked(outer.payload()).map_err(|_| Drop::MplsUdpMalformed)?;
    let summed = remote.is_ipv4() || datagram.checksum() != 0;
    if !summed || !datagram.is_intact(remote, local) || datagram.payload().len() < mpls::ENTRY {
        return Err(Drop::MplsUdpMalformed);
    }
    let start = outer.header_len.saturating_add(udp::HEADER);
    let at = start..start.saturating_add(datagram.payload().len());
    Ok(Some(Inner { port, ethertype: ethernet::MPLS, at }))
}

const fn refusal(refusal: Malformed) -> Drop {
    match refusal {
        Malformed::Version | Malformed::Flags => Drop::GreFlags,
        Malformed::Truncated | Malformed::Length | Malformed::Chain | Malformed::Checksum => {
            Drop::GreMalformed
        }
    }
}
