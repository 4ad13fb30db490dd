//! Packets on their way through the graph: owned buffers with room on both sides, and the batch that
//! lends and takes back buffers so that the fast path allocates nothing.

use core::ops::{Deref, DerefMut, Range};
use std::collections::VecDeque;

use base::{PortId, VrfId};
use wire::ethernet::TAG;

/// Bytes kept free before a received packet: an outer IPv6 header, UDP, ESP with its IV, labels and
/// the Ethernet header fit with room to spare.
pub const HEADROOM: usize = 256;
/// Bytes kept free after a received packet: ESP padding, trailer and ICV.
pub const TAILROOM: usize = 128;
/// The longest frame that is received, Ethernet header included.
pub const LONGEST: usize = 9_600;
/// Bytes of the addresses that an Ethernet frame starts with.
const ADDRESSES: usize = 12;
/// Bytes of a buffer that holds any received frame.
const STANDARD: usize = HEADROOM + LONGEST + TAILROOM;

/// How a packet came to the place where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Plain, from a wire: the kernel has seen it too.
    #[default]
    Wire,
    /// It carried a label of ours.
    Labelled,
    /// It came out of an SA or a tunnel without protection.
    Opened,
    /// It was sealed here: policies have been asked already.
    Sealed,
    /// It was put into a tunnel without protection here: policies are still to be asked about the outer packet.
    Wrapped,
    /// The kernel of this box sent it, or this graph made it: no TTL is taken.
    Own,
}

/// One packet in a buffer with room before and after it: a pointer, for it changes hands often.
pub struct Frame(Box<Body>);

/// What a [`Frame`] points to.
pub struct Body {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The port it came in by.
    pub port: PortId,
    /// The VRF that its addresses belong to now.
    pub vrf: VrfId,
    pub origin: Origin,
    /// Whether it leaves under labels.
    pub labelled: bool,
    /// Stages passed, those of the packet it was made from included.
    pub(crate) steps: u8,
}

impl Frame {
    /// An empty frame with room for `longest` bytes beside headroom and tailroom.
    pub fn new(longest: usize) -> Self {
        let size = longest.saturating_add(HEADROOM).saturating_add(TAILROOM);
        Self(Box::new(Body {
            buffer: vec![0; size].into_boxed_slice(),
            start: HEADROOM,
            end: HEADROOM,
            port: PortId::default(),
            vrf: VrfId::GLOBAL,
            origin: Origin::Wire,
            labelled: false,
            steps: 0,
        }))
    }

    /// A frame of its own that holds `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut frame = Self::new(bytes.len().max(LONGEST));
        frame.fill(bytes);
        frame
    }
}

impl Deref for Frame {
    type Target = Body;

    fn deref(&self) -> &Body {
        &self.0
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut Body {
        &mut self.0
    }
}

impl Body {
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.start..self.end).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole buffer and where the packet lies in it, for work in place that grows both ways.
    pub fn room(&mut self) -> (&mut [u8], Range<usize>) {
        (&mut self.buffer, self.start..self.end)
    }

    /// Says where the packet lies in the buffer; `false`, and nothing changed, if that is outside.
    pub fn narrow(&mut self, range: Range<usize>) -> bool {
        let fits = range.start <= range.end && range.end <= self.buffer.len();
        if fits {
            (self.start, self.end) = (range.start, range.end);
        }
        fits
    }

    /// Where a NIC writes a received frame; follow with [`received`](Self::received).
    pub fn blank(&mut self) -> &mut [u8] {
        let end = self.buffer.len().saturating_sub(TAILROOM);
        self.buffer.get_mut(HEADROOM..end).unwrap_or_default()
    }

    /// The NIC wrote `length` bytes to [`blank`](Self::blank).
    pub fn received(&mut self, length: usize) {
        let end = self.buffer.len().saturating_sub(TAILROOM);
        (self.start, self.end) = (HEADROOM, HEADROOM.saturating_add(length).min(end));
    }

    /// Whether the buffer and the packet's place in it are those of a received frame.
    pub(crate) fn is_as_received(&self) -> bool {
        self.start == HEADROOM
            && self.buffer.len() == STANDARD
            && self.end <= STANDARD.saturating_sub(TAILROOM)
    }

    /// Replaces the packet by a copy of `bytes`; what does not fit is cut off, which callers rule out.
    pub fn fill(&mut self, bytes: &[u8]) {
        let room = self.blank();
        let length = bytes.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..length), bytes.get(..length)) {
            to.copy_from_slice(from);
        }
        self.received(length);
    }

    /// Grows the packet at the front by `header`; `false` if there is no room.
    pub fn prepend(&mut self, header: &[u8]) -> bool {
        let Some(start) = self.start.checked_sub(header.len()) else { return false };
        if let Some(room) = self.buffer.get_mut(start..self.start) {
            room.copy_from_slice(header);
        }
        self.start = start;
        true
    }

    /// Removes `length` bytes at the front; `false` if the packet is shorter.
    pub fn strip(&mut self, length: usize) -> bool {
        let start = self.start.saturating_add(length);
        let fits = start <= self.end;
        if fits {
            self.start = start;
        }
        fits
    }

    /// Puts a VLAN tag, its type first, behind the addresses of an Ethernet frame; `false` if there is no room.
    pub fn tag(&mut self, tag: [u8; TAG]) -> bool {
        if self.len() < ADDRESSES || !self.prepend(&[0; TAG]) {
            return false;
        }
        let Some(head) = self.bytes_mut().first_chunk_mut::<{ ADDRESSES + TAG }>() else { return false };
        head.copy_within(TAG.., 0);
        head.iter_mut().skip(ADDRESSES).zip(tag).for_each(|(to, from)| *to = from);
        true
    }

    /// Takes the tag behind the addresses off; `false` if the frame is too short for one.
    pub fn untag(&mut self) -> bool {
        let Some(head) = self.bytes_mut().first_chunk_mut::<{ ADDRESSES + TAG }>() else { return false };
        head.copy_within(..ADDRESSES, TAG);
        self.strip(TAG)
    }

    /// Keeps of the packet what lies in `range`, counted from its first byte; `false` if that is outside.
    pub fn keep(&mut self, range: Range<usize>) -> bool {
        let (start, end) = (self.start.saturating_add(range.start), self.start.saturating_add(range.end));
        end <= self.end && self.narrow(start..end)
    }

    /// Grows the packet at the back by `bytes`; `false` if there is no room.
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let end = self.end.saturating_add(bytes.len());
        let Some(room) = self.buffer.get_mut(self.end..end) else { return false };
        room.copy_from_slice(bytes);
        self.end = end;
        true
    }

    /// Cuts the packet to `length` bytes, if it is longer.
    pub fn truncate(&mut self, length: usize) {
        self.end = self.end.min(self.start.saturating_add(length));
    }
}

/// Frames handed from and to a NIC, at most `limit` at a time, and the spare buffers beneath.
pub struct Batch {
    frames: VecDeque<Frame>,
    spare: Vec<Frame>,
    limit: usize,
    lost: u64,
}

impl Batch {
    pub const LIMIT: usize = 64;

    pub fn new(limit: usize) -> Self {
        Self { frames: VecDeque::with_capacity(limit), spare: Vec::new(), limit, lost: 0 }
    }

    /// A buffer to receive into: a spare one, or a new one if none is left.
    pub fn buffer(&mut self) -> Frame {
        let mut frame = self.spare.pop().unwrap_or_else(|| Frame::new(LONGEST));
        frame.received(0);
        (frame.vrf, frame.origin) = (VrfId::GLOBAL, Origin::Wire);
        (frame.labelled, frame.steps) = (false, 0);
        frame
    }

    /// Takes a buffer back. Buffers beyond what a box in rest needs are given to the allocator.
    pub fn recycle(&mut self, frame: Frame) {
        if self.spare.len() < 1024 && frame.buffer.len() == STANDARD {
            self.spare.push(frame);
        }
    }

    /// Takes back the buffer of a frame that a NIC could not receive whole or that a link did not take.
    pub fn lose(&mut self, frame: Frame) {
        self.lost = self.lost.saturating_add(1);
        self.recycle(frame);
    }

    /// How many frames were lost since the last call.
    pub fn take_lost(&mut self) -> u64 {
        core::mem::take(&mut self.lost)
    }

    pub fn is_full(&self) -> bool {
        self.frames.len() >= self.limit
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Appends a frame. Who receives checks [`is_full`](Self::is_full) first.
    pub fn push(&mut self, frame: Frame) {
        self.frames.push_back(frame);
    }

    /// Takes the oldest frame out.
    pub fn pop(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new(Self::LIMIT)
    }
}
