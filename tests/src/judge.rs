//! Whose a packet is where it leaves: by its port, label or SA, read from the wire alone.

use std::collections::BTreeMap;

use base::{PortId, VrfId};
use dataplane::{Link, Port};
use ipsec::Direction;
use wire::ip::Packet;
use wire::{esp, ethernet, mpls, udp};

use crate::setup::{self, CORE, CUSTOMERS, front_of, front_vrf, inside_vrf, sa};

/// Where a packet was seen to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under a label of this VRF.
    Labelled(VrfId),
    /// In the tunnel of this customer.
    Sealed(usize),
    /// As it is, by a port of this VRF.
    Clear(PortId, VrfId),
}

impl Place {
    /// The only VRF whose packets may leave there.
    pub fn vrf(self) -> VrfId {
        match self {
            Self::Labelled(vrf) | Self::Clear(_, vrf) => vrf,
            Self::Sealed(customer) => inside_vrf(customer),
        }
    }
}

/// Packets of the far ends' links that are still in pieces, by port.
#[derive(Default)]
pub struct Judge {
    pieces: BTreeMap<PortId, Vec<u8>>,
}

impl Judge {
    /// Where a frame left, and the packet inside; `None` while pieces are missing; the fault, if it may
    /// not be there at all.
    pub fn place(&mut self, port: &Port, frame: &[u8]) -> Result<Option<(Place, Vec<u8>)>, String> {
        let clear = Place::Clear(port.id, port.vrf);
        if port.link == Link::Host {
            return Ok(Some((clear, frame.to_vec())));
        }
        let (header, packet) = ethernet::Header::parse(frame).map_err(|_| "no Ethernet header")?;
        let (ours, theirs) = (setup::mac(port.id, 1), setup::mac(port.id, 2));
        if (header.src, header.dst) != (ours, theirs) {
            return Err(format!("{:?} sends to {:?} on port {}", header.src, header.dst, port.id.0));
        }
        if header.ethertype == ethernet::MPLS {
            return labelled(port, packet).map(Some);
        }
        let Some(packet) = self.whole(port.id, packet) else { return Ok(None) };
        place(clear, packet).map(Some)
    }

    /// Fragments leave one behind the other, so they are joined as they come.
    fn whole(&mut self, port: PortId, bytes: &[u8]) -> Option<Vec<u8>> {
        let Ok(packet) = Packet::new_checked(bytes) else { return Some(bytes.to_vec()) };
        let Some(fragment) = packet.fragment else { return Some(bytes.to_vec()) };
        let held = self.pieces.entry(port).or_default();
        if fragment.offset == 0 {
            *held = packet.bytes[..packet.header_len].to_vec();
        }
        held.extend_from_slice(packet.payload());
        (!fragment.more).then(|| unfragmented(std::mem::take(held)))
    }
}

/// Only the parts that [`open`] looks at are put right.
fn unfragmented(mut packet: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes();
    if packet.len() >= wire::ipv4::HEADER {
        packet[2..4].copy_from_slice(&length);
        packet[6..8].fill(0);
    }
    packet
}

fn labelled(port: &Port, packet: &[u8]) -> Result<(Place, Vec<u8>), String> {
    let (entry, inner) = mpls::Entry::parse(packet).map_err(|_| "no label")?;
    if port.id != CORE {
        return Err(format!("a labelled packet leaves by port {}", port.id.0));
    }
    match setup::vrf_of_label_out(entry.label) {
        // What is in transit may have a stack of its own.
        Some(vrf) if entry.bottom || vrf == setup::TRANSIT => place(Place::Labelled(vrf), inner.to_vec()),
        Some(_) | None => Err(format!("label {} means nothing there", entry.label)),
    }
}

/// What is sealed is in its tunnel, which lies in its own front VRF alone.
fn place(around: Place, packet: Vec<u8>) -> Result<(Place, Vec<u8>), String> {
    match open(&packet) {
        Some((customer, _)) if front_vrf(front_of(customer)) != around.vrf() => {
            Err(format!("the tunnel of customer {customer} leaves at {around:?}"))
        }
        Some((customer, inner)) => Ok((Place::Sealed(customer), inner)),
        None => Ok((around, packet)),
    }
}

/// Tries the keys of every customer's tunnel: which one opens the packet, and what is inside.
fn open(packet: &[u8]) -> Option<(usize, Vec<u8>)> {
    let packet = Packet::new_checked(packet).ok()?;
    let sealed = match packet.protocol {
        esp::PROTOCOL => packet.payload(),
        udp::PROTOCOL => {
            let datagram = udp::Packet::new_checked(packet.payload()).ok()?;
            (datagram.dst_port() == esp::NATT_PORT).then(|| datagram.payload())?
        }
        _ => return None,
    };
    let (header, _) = esp::Header::parse(sealed).ok()?;
    (0..CUSTOMERS).find_map(|customer| {
        let sa = sa(customer, header.spi.0 & 0xFFFF, Direction::Out);
        if sa.spi != header.spi {
            return None;
        }
        let mut bytes = sealed.to_vec();
        let opened = ::esp::Inbound::new(&sa).ok()?.open(&mut bytes).ok()?;
        Some((customer, bytes[opened.payload].to_vec()))
    })
}
