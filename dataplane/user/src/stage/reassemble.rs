//! Fragments of outer packets for us are joined before decapsulation, bounded in each front VRF
//! (RFC 791 section 3.2, RFC 8200 section 4.5, RFC 5722).

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{Family, Instant, VrfId};
use wire::ip::Packet;
use wire::{ip, ipv4, ipv6};

use crate::drop::Drops;
use crate::graph::{Next, Walk};
use crate::state::State;
use crate::{Drop, Frame, LONGEST};

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    let State { pieces, drops, .. } = walk.state;
    match pieces.add(frame.vrf, frame.bytes(), walk.now, drops) {
        Ok(None) => Next::Held,
        Ok(Some(whole)) => {
            let mut joined = Frame::new(whole.len().max(LONGEST));
            joined.fill(&whole);
            (joined.port, joined.vrf, joined.origin) = (frame.port, frame.vrf, frame.origin);
            joined.steps = frame.steps;
            *frame = joined;
            Next::IpInput
        }
        Err(drop) => drop.into(),
    }
}

/// The front VRF is part of what makes fragments belong together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    front: VrfId,
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    ident: u32,
}

/// Packets of which pieces are missing.
#[derive(Default)]
pub(crate) struct Pieces(BTreeMap<Key, Puzzle>);

struct Puzzle {
    since: Instant,
    /// The first piece's header without its fragment fields.
    header: Vec<u8>,
    /// By offset.
    parts: BTreeMap<usize, Vec<u8>>,
    /// Bytes of payload, once the last piece is here.
    total: Option<usize>,
    held: usize,
    /// Whether a piece met congestion.
    congested: bool,
    /// Pieces contradicted each other: whatever comes is discarded until the time is over.
    spoilt: bool,
}

/// One fragment, cut up.
struct Piece<'a> {
    header: Vec<u8>,
    part: &'a [u8],
    offset: usize,
    more: bool,
    congested: bool,
}

impl Pieces {
    /// Packets and bytes held for one front VRF.
    const PACKETS: usize = 64;
    const BYTES: usize = 1 << 20;
    const PARTS: usize = 64;
    const PATIENCE: Duration = Duration::from_secs(30);

    /// The whole packet if this fragment was the last missing one.
    pub(crate) fn add(
        &mut self,
        front: VrfId,
        bytes: &[u8],
        now: Instant,
        drops: &mut Drops,
    ) -> Result<Option<Vec<u8>>, Drop> {
        let packet = Packet::new_checked(bytes).map_err(|_| Drop::Malformed)?;
        let ident = packet.fragment.ok_or(Drop::Malformed)?.ident;
        let (src, dst, protocol) = (packet.src, packet.dst, packet.protocol);
        let protocol = if packet.family() == Family::V4 { protocol } else { 0 };
        let key = Key { front, src, dst, protocol, ident };
        let piece = Piece::of(&packet).ok_or(Drop::Malformed)?;
        drops.add(Drop::FragmentLimit, self.make_room(key, piece.part.len()));
        let puzzle = self.0.entry(key).or_insert_with(|| Puzzle::new(now));
        puzzle.add(piece)?;
        if !puzzle.is_complete() {
            return Ok(None);
        }
        let whole = self.0.remove(&key).and_then(Puzzle::join);
        whole.map(Some).ok_or(Drop::Malformed)
    }

    /// Forgets packets whose time is over; how many these were.
    pub(crate) fn expire(&mut self, now: Instant) -> usize {
        let before = self.0.len();
        self.0.retain(|_, puzzle| now.since(puzzle.since) < Self::PATIENCE);
        before.saturating_sub(self.0.len())
    }

    /// Room for a fragment of `more` bytes: the packets of the front VRF that wait longest go, for
    /// whoever sends pieces of nothing must not keep the others out. How many went.
    fn make_room(&mut self, key: Key, more: usize) -> u64 {
        let mut gone = 0_u64;
        while !self.has_room(key, more) {
            let others = self.0.iter().filter(|(other, _)| other.front == key.front && **other != key);
            let oldest = others.min_by_key(|(_, puzzle)| puzzle.since).map(|(key, _)| *key);
            if oldest.and_then(|oldest| self.0.remove(&oldest)).is_none() {
                break;
            }
            gone = gone.saturating_add(1);
        }
        gone
    }

    fn has_room(&self, key: Key, more: usize) -> bool {
        let of_front = self.0.iter().filter(|(other, _)| other.front == key.front);
        let (packets, bytes) = of_front.fold((0_usize, more), |(packets, bytes), (_, puzzle)| {
            (packets.saturating_add(1), bytes.saturating_add(puzzle.held))
        });
        bytes <= Self::BYTES && (packets < Self::PACKETS || self.0.contains_key(&key))
    }
}

impl<'a> Piece<'a> {
    /// `None` for a fragment that no sender makes: cut off the eight-byte grid, empty, or too far out.
    fn of(packet: &Packet<'a>) -> Option<Self> {
        let fragment = packet.fragment?;
        let (header, part) = match packet.family() {
            Family::V4 => (packet.bytes.get(..packet.header_len)?.to_vec(), packet.payload()),
            Family::V6 => v6_parts(packet.bytes)?,
        };
        let end = fragment.offset.checked_add(part.len())?;
        let whole = end.checked_add(header.len())? <= usize::from(u16::MAX);
        let on_grid = !fragment.more || part.len().is_multiple_of(8);
        let congested = packet.tos & 3 == 3;
        (whole && on_grid && !part.is_empty()).then_some(Self {
            header,
            part,
            offset: fragment.offset,
            more: fragment.more,
            congested,
        })
    }
}

/// The header without the fragment header, whose successor takes its place; and what is behind it.
fn v6_parts(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let fragment = ipv6::Packet::new_checked(bytes).ok()?.upper().ok()?.fragment?;
    let (header, rest) = bytes.split_at_checked(fragment.at)?;
    let mut header = header.to_vec();
    *header.get_mut(fragment.named_at)? = fragment.next;
    Some((header, rest.get(ipv6::FRAGMENT_HEADER..)?))
}

impl Puzzle {
    fn new(since: Instant) -> Self {
        Self {
            since,
            header: Vec::new(),
            parts: BTreeMap::new(),
            total: None,
            held: 0,
            congested: false,
            spoilt: false,
        }
    }

    fn add(&mut self, piece: Piece<'_>) -> Result<(), Drop> {
        if self.spoilt || self.is_contradicted(&piece) || self.parts.len() >= Pieces::PARTS {
            self.spoilt = true;
            self.parts.clear();
            self.held = 0;
            return Err(Drop::FragmentOverlap);
        }
        if self.parts.contains_key(&piece.offset) {
            // The same piece again: a network may repeat packets.
            return Ok(());
        }
        let end = piece.offset.saturating_add(piece.part.len());
        if !piece.more {
            self.total = Some(end);
        }
        if piece.offset == 0 {
            self.header = piece.header;
        }
        self.congested |= piece.congested;
        self.held = self.held.saturating_add(piece.part.len());
        self.parts.insert(piece.offset, piece.part.to_vec());
        Ok(())
    }

    /// Whether the piece overlaps another, lies beyond the end, or names another end.
    fn is_contradicted(&self, piece: &Piece<'_>) -> bool {
        let end = piece.offset.saturating_add(piece.part.len());
        if self.parts.get(&piece.offset).is_some_and(|same| same == piece.part) {
            return false;
        }
        let before = self.parts.range(..end).next_back();
        let overlaps = before.is_some_and(|(at, part)| at.saturating_add(part.len()) > piece.offset);
        let beyond = self.total.is_some_and(|total| end > total || !piece.more && end != total);
        let last = self.parts.last_key_value().map_or(0, |(at, part)| at.saturating_add(part.len()));
        overlaps || beyond || !piece.more && last > end
    }

    fn is_complete(&self) -> bool {
        self.total == Some(self.held)
    }

    fn join(self) -> Option<Vec<u8>> {
        let Self { header: mut whole, parts, congested, .. } = self;
        let payload: usize = parts.values().map(Vec::len).sum();
        let total = u16::try_from(whole.len().checked_add(payload)?).ok()?;
        let family = ip::family(&whole).ok()?;
        whole.extend(parts.into_values().flatten());
        match family {
            Family::V4 => {
                // The header still tells the length of its piece, which lies within the whole.
                let mut header = ipv4::PacketMut::new_checked(&mut whole).ok()?;
                header.set_total_len(total);
                header.set_fragment(0, false);
            }
            Family::V6 => {
                let length = total.checked_sub(u16::try_from(ipv6::HEADER).ok()?)?;
                whole.get_mut(4..6)?.copy_from_slice(&length.to_be_bytes());
            }
        }
        if congested {
            let tos = Packet::new_checked(&whole).ok()?.tos;
            ip::set_tos(&mut whole, tos | 3).ok()?;
        }
        Some(whole)
    }
}
