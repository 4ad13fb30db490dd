//! A port on a Linux device through a packet socket. The kernel sees every frame too: that it does not
//! forward them is the daemon's care.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use sys::packet::{BATCH, Inbox, Meta, PacketSocket, Vlan};

use super::offload::{self, Cut};
use super::{Capabilities, Nic};
use crate::{Batch, Frame};

/// Frames as they are on the wire: checksums complete, super-frames cut, VLAN tags in their place (the
/// kernel takes them out). A frame too long for a buffer, one
/// that is cut off, and a super-frame of a kind that Linux does not make today are dropped.
pub struct Packet {
    socket: PacketSocket,
    inbox: Inbox,
    /// Frames in the inbox; those before `next` are done, and so are `parts` segments of that one.
    filled: usize,
    next: usize,
    parts: usize,
    outgoing: Vec<Frame>,
}

impl Packet {
    /// Needs CAP_NET_RAW. The device must exist; it may be down.
    pub fn open(device: &str) -> io::Result<Self> {
        let (socket, inbox) = (PacketSocket::open(device)?, Inbox::default());
        Ok(Self { socket, inbox, filled: 0, next: 0, parts: 0, outgoing: Vec::with_capacity(BATCH) })
    }

    /// IKE to these addresses is the business of the kernel's sockets: it does not come in here.
    pub fn without_ike(self, own: &[IpAddr]) -> io::Result<Self> {
        self.socket.not_ike(own).map(|()| self)
    }

    /// Whether a frame is in the inbox. Errors of the socket (device down, gone) are for those who watch
    /// the device.
    fn has_frame(&mut self) -> bool {
        if self.next >= self.filled {
            (self.next, self.parts) = (0, 0);
            self.filled = self.socket.receive(&mut self.inbox).unwrap_or(0);
        }
        self.next < self.filled
    }

    /// Writes the next frame, or the next segment of a super-frame, into `frame`; `false`: it was not fit.
    fn take(&mut self, frame: &mut Frame) -> bool {
        let Some((bytes, meta)) = self.inbox.frame(self.next) else {
            self.next = self.filled;
            return false;
        };
        let (written, parts) = write(bytes, meta, self.parts, frame.blank());
        self.parts = self.parts.saturating_add(1);
        if self.parts >= parts {
            (self.next, self.parts) = (self.next.saturating_add(1), 0);
        }
        frame.received(written.unwrap_or(0));
        written.is_some() && meta.vlan.is_none_or(|vlan| tag(frame, vlan))
    }

    fn flush(&mut self, batch: &mut Batch) {
        let taken = self.offer();
        for (at, frame) in self.outgoing.drain(..).enumerate() {
            if taken.get(at) == Some(&true) { batch.recycle(frame) } else { batch.lose(frame) }
        }
    }

    /// Which of the outgoing frames the device's queue took.
    fn offer(&self) -> [bool; BATCH] {
        let mut taken = [false; BATCH];
        let frames: [&[u8]; BATCH] =
            std::array::from_fn(|at| self.outgoing.get(at).map_or(&[][..], |frame| frame.bytes()));
        let mut first = 0_usize;
        while let Some(rest) = frames.get(first..self.outgoing.len()).filter(|rest| !rest.is_empty()) {
            let sent = match self.socket.send(rest) {
                Ok(sent) => sent,
                Err(error) if concerns_all(&error) => break,
                Err(_) => 0,
            };
            taken.iter_mut().skip(first).take(sent).for_each(|taken| *taken = true);
            first = first.saturating_add(sent.max(1));
        }
        taken
    }
}

impl Nic for Packet {
    fn receive(&mut self, batch: &mut Batch) {
        while !batch.is_full() && self.has_frame() {
            let mut frame = batch.buffer();
            if self.take(&mut frame) {
                batch.push(frame);
            } else {
                batch.lose(frame);
            }
        }
    }

    fn send(&mut self, batch: &mut Batch) {
        while let Some(frame) = batch.pop() {
            self.outgoing.push(frame);
            if self.outgoing.len() >= BATCH {
                self.flush(batch);
            }
        }
        self.flush(batch);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ethernet: true }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }
}

/// Finishes the frame, or segment `part` of it, into `out`: its length, if it is fit, and how many
/// segments there are.
fn write(bytes: &mut [u8], meta: Meta, part: usize, out: &mut [u8]) -> (Option<usize>, usize) {
    if meta.truncated {
        return (None, 1);
    }
    let Some(segments) = meta.offload.segments else {
        return (whole(bytes, meta, out), 1);
    };
    match Cut::new(bytes, segments) {
        Some(cut) => (cut.write(bytes, part, out), cut.count()),
        None => (None, 1),
    }
}

fn whole(bytes: &mut [u8], meta: Meta, out: &mut [u8]) -> Option<usize> {
    if let Some(partial) = meta.offload.checksum {
        offload::complete(bytes, partial)?;
    }
    out.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(bytes.len())
}

/// Puts a VLAN tag back behind the addresses. A tag with VLAN zero is only a priority: it stays off.
fn tag(frame: &mut Frame, vlan: Vlan) -> bool {
    let ([p0, p1], [c0, c1]) = (vlan.tpid.to_be_bytes(), vlan.tci.to_be_bytes());
    if vlan.tci & 0x0FFF == 0 {
        return true;
    }
    frame.tag([p0, p1, c0, c1])
}

/// Whether no other frame would fare better now.
fn concerns_all(error: &io::Error) -> bool {
    const NO_BUFFERS: i32 = 105;
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NetworkDown)
        || error.raw_os_error() == Some(NO_BUFFERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::packet::{Offload, SegmentKind, Segments};

    #[test]
    fn a_tag_goes_back_behind_the_addresses_and_a_mere_priority_does_not() {
        let mut frame = Frame::of(b"ddddddsssssstt-payload");
        assert!(tag(&mut frame, Vlan { tpid: 0x8100, tci: 0xE005 }));
        assert_eq!(frame.bytes(), b"ddddddssssss\x81\x00\xE0\x05tt-payload");
        let mut frame = Frame::of(b"ddddddsssssstt");
        assert!(tag(&mut frame, Vlan { tpid: 0x8100, tci: 0xE000 }));
        assert_eq!(frame.bytes(), b"ddddddsssssstt");
        assert!(!tag(&mut Frame::of(b"short"), Vlan { tpid: 0x8100, tci: 1 }));
    }

    #[test]
    fn what_cannot_be_whole_is_dropped() {
        let mut bytes = [0u8; 60];
        let meta = Meta { length: 60, ..Meta::default() };
        assert_eq!(write(&mut bytes, meta, 0, &mut [0; 60]), (Some(60), 1));
        assert_eq!(write(&mut bytes, meta, 0, &mut [0; 59]), (None, 1));
        let cut_off = Meta { truncated: true, ..meta };
        assert_eq!(write(&mut bytes, cut_off, 0, &mut [0; 60]), (None, 1));
        let segments = Some(Segments { kind: SegmentKind::Unknown, size: 10 });
        let odd = Meta { offload: Offload { checksum: None, segments }, ..meta };
        assert_eq!(write(&mut bytes, odd, 0, &mut [0; 60]), (None, 1));
    }
}
