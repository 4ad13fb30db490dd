//! Packet sockets: every frame of one device, packet(7), with what the kernel left undone on each.

mod filter;

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::filter::attach;

/// Frames moved by one system call.
pub const BATCH: usize = 16;

/// A super-frame is up to 64 KB of IP behind its Ethernet header.
const SLOT: usize = 65_536 + 64;
/// The kernel's queue each way, in bytes of its own accounting: a burst of super-frames fits.
const QUEUE: libc::c_int = 8 << 20;
const VNET_HEADER: usize = 10;

const PACKET_AUXDATA: libc::c_int = 8;
const PACKET_VNET_HDR: libc::c_int = 15;
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID: u32 = 1 << 6;

/// A socket bound to one device. It sees what arrives, never what is sent.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

/// Memory for the frames of one receive.
pub struct Inbox {
    bytes: Box<[u8]>,
    received: [Meta; BATCH],
}

/// What the kernel says beside a frame's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Bytes of the frame.
    pub length: usize,
    /// The frame was longer than that: its end is lost.
    pub truncated: bool,
    /// The 802.1Q tag that the kernel took off the frame.
    pub vlan: Option<Vlan>,
    /// What is left to do before the frame may go on a wire.
    pub offload: Offload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    pub tpid: u16,
    pub tci: u16,
}

/// The virtio-net header, Virtual I/O Device specification section 5.1.6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// The transport checksum holds only the pseudo-header's sum.
    pub checksum: Option<PartialChecksum>,
    /// The frame is many packets in one.
    pub segments: Option<Segments>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialChecksum {
    /// Where summing begins, in bytes from the start of the frame.
    pub start: usize,
    /// Where the checksum goes, in bytes from `start`.
    pub offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    pub kind: SegmentKind,
    /// Transport payload bytes of each packet but the last.
    pub size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    TcpV4,
    TcpV6,
    /// Many datagrams of one sender: UDP_SEGMENT.
    Udp,
    /// Anything else, which nobody here can take apart.
    Unknown,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct AuxData {
    status: u32,
    length: u32,
    snapped: u32,
    mac: u16,
    net: u16,
    vlan_tci: u16,
    vlan_tpid: u16,
}

impl PacketSocket {
    /// Needs CAP_NET_RAW. Frames that other devices received before the bind are never seen.
    pub fn open(device: &str) -> io::Result<Self> {
        let index = crate::index_of(device)?;
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers. Protocol zero: deaf until bound.
        let fd = crate::check(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        // SAFETY: the call succeeded: the descriptor is open, and nobody else owns it.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        socket.set(libc::SOL_PACKET, PACKET_VNET_HDR, 1)?;
        socket.set(libc::SOL_PACKET, PACKET_AUXDATA, 1)?;
        socket.set(libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
        socket.size_queue(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF)?;
        socket.size_queue(libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)?;
        socket.bind(index)?;
        Ok(socket)
    }

    /// Has the kernel keep everything back but ESP, bare and in UDP to port 4500 (RFC 4303, RFC 3948), behind IP headers
    /// without extensions.
    pub fn only_esp(&self) -> io::Result<()> {
        attach(self, &filter::ESP_ALONE)
    }

    /// Leaves IKE to these addresses to the kernel, whose sockets take it: here nobody is woken for it.
    pub fn not_ike(&self, own: &[IpAddr]) -> io::Result<()> {
        attach(self, &filter::all_but_ike(own))
    }

    /// Receives up to [`BATCH`] frames; how many. `WouldBlock`: none waits.
    pub fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        let mut headers = [[0u8; VNET_HEADER]; BATCH];
        let mut controls = [[0u64; 8]; BATCH];
        // SAFETY: iovec and mmsghdr are numbers and pointers, for which zero is valid: no memory.
        let (mut pieces, mut messages): ([[libc::iovec; 2]; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let slots = inbox.bytes.chunks_exact_mut(SLOT);
        for (at, (slot, message)) in slots.zip(&mut messages).enumerate() {
            pieces[at] = [piece(&mut headers[at]), piece(slot)];
            message.msg_hdr.msg_iov = pieces[at].as_mut_ptr();
            message.msg_hdr.msg_iovlen = 2;
            message.msg_hdr.msg_control = controls[at].as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = size_of_val(&controls[at]) as _;
        }
        let (fd, timeout) = (self.0.as_raw_fd(), std::ptr::null_mut());
        // SAFETY: each message names memory that is live and writable until the end of this function:
        // its pair of pieces (a header of its own and a slot of its own) and its control buffer.
        let count = unsafe { libc::recvmmsg(fd, messages.as_mut_ptr(), BATCH as _, 0, timeout) };
        let count = usize::try_from(crate::check(count)?).unwrap_or(0);
        for (at, message) in messages.iter().enumerate().take(count) {
            inbox.received[at] = Meta::read(message, &headers[at]);
        }
        Ok(count)
    }

    /// Sends `frames` in order, at most [`BATCH`] of them; how many the kernel took, at least one. An
    /// error concerns the first frame. `WouldBlock`: the device's queue is full.
    pub fn send(&self, frames: &[&[u8]]) -> io::Result<usize> {
        let header = [0u8; VNET_HEADER];
        // SAFETY: iovec and mmsghdr are numbers and pointers, for which zero is valid: no memory.
        let (mut pieces, mut messages): ([[libc::iovec; 2]; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        for (at, (frame, message)) in frames.iter().zip(&mut messages).enumerate() {
            pieces[at] = [source(&header), source(frame)];
            message.msg_hdr.msg_iov = pieces[at].as_mut_ptr();
            message.msg_hdr.msg_iovlen = 2;
        }
        let count = libc::c_uint::try_from(frames.len().min(BATCH)).unwrap_or(0);
        // SAFETY: each message names its pair of pieces: the header and a frame, both live until the end
        // of this function, and sendmmsg only reads them.
        let sent = unsafe { libc::sendmmsg(self.0.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
        Ok(usize::try_from(crate::check(sent)?).unwrap_or(0))
    }

    fn set(&self, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
        let (pointer, size) = ((&raw const value).cast(), size_of_val(&value) as libc::socklen_t);
        // SAFETY: pointer and size are of one live integer.
        crate::check(unsafe { libc::setsockopt(self.0.as_raw_fd(), level, option, pointer, size) }).map(drop)
    }

    /// Beyond the system's limit where the capability is at hand, else up to it.
    fn size_queue(&self, force: libc::c_int, ask: libc::c_int) -> io::Result<()> {
        let forced = self.set(libc::SOL_SOCKET, force, QUEUE);
        forced.or_else(|_| self.set(libc::SOL_SOCKET, ask, QUEUE))
    }

    fn bind(&self, index: u32) -> io::Result<()> {
        // SAFETY: a sockaddr_ll is numbers and bytes, for which zero is valid.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        let (pointer, size) = ((&raw const address).cast(), size_of_val(&address) as libc::socklen_t);
        // SAFETY: pointer and size are of one live address.
        crate::check(unsafe { libc::bind(self.0.as_raw_fd(), pointer, size) }).map(drop)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self { bytes: vec![0; SLOT * BATCH].into_boxed_slice(), received: [Meta::default(); BATCH] }
    }
}

impl Inbox {
    /// The frame at `at` of the last receive, below the count that it gave. Nobody else needs the
    /// bytes: they may be changed in place.
    pub fn frame(&mut self, at: usize) -> Option<(&mut [u8], Meta)> {
        let meta = *self.received.get(at)?;
        Some((self.bytes.get_mut(at * SLOT..)?.get_mut(..meta.length)?, meta))
    }
}

impl Meta {
    fn read(message: &libc::mmsghdr, header: &[u8; VNET_HEADER]) -> Self {
        Self {
            length: (message.msg_len as usize).saturating_sub(VNET_HEADER),
            truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            vlan: aux_data(&message.msg_hdr).and_then(AuxData::vlan),
            offload: Offload::read(header),
        }
    }
}

impl Offload {
    /// Legacy layout: the numbers are in the machine's byte order.
    fn read(header: &[u8; VNET_HEADER]) -> Self {
        const NEEDS_CHECKSUM: u8 = 1;
        const ECN: u8 = 0x80;
        let [flags, kind, _, _, size @ .., s0, s1, o0, o1] = header;
        let number = |bytes| usize::from(u16::from_ne_bytes(bytes));
        let checksum = PartialChecksum { start: number([*s0, *s1]), offset: number([*o0, *o1]) };
        let kind = match kind & !ECN {
            0 => None,
            1 => Some(SegmentKind::TcpV4),
            4 => Some(SegmentKind::TcpV6),
            5 => Some(SegmentKind::Udp),
            _ => Some(SegmentKind::Unknown),
        };
        Self {
            checksum: (flags & NEEDS_CHECKSUM != 0).then_some(checksum),
            segments: kind.map(|kind| Segments { kind, size: number(*size) }),
        }
    }
}

impl AuxData {
    /// Kernels before 3.14 do not say which kind of tag it was.
    fn vlan(self) -> Option<Vlan> {
        let named = self.status & TP_STATUS_VLAN_TPID_VALID != 0;
        let tpid = if named { self.vlan_tpid } else { 0x8100 };
        (self.status & TP_STATUS_VLAN_VALID != 0).then_some(Vlan { tpid, tci: self.vlan_tci })
    }
}

fn aux_data(header: &libc::msghdr) -> Option<AuxData> {
    // SAFETY: the header's control fields name a live buffer, aligned for cmsghdr, as recvmmsg left it.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !control.is_null() {
        // SAFETY: FIRSTHDR and NXTHDR give null or a whole cmsghdr within that buffer.
        let message = unsafe { &*control };
        let kind = (message.cmsg_level, message.cmsg_type);
        // SAFETY: CMSG_LEN computes from its argument alone.
        let whole = unsafe { libc::CMSG_LEN(size_of::<AuxData>() as u32) } as usize;
        if kind == (libc::SOL_PACKET, PACKET_AUXDATA) && message.cmsg_len as usize >= whole {
            let mut aux = MaybeUninit::<AuxData>::uninit();
            // SAFETY: the message is long enough for the struct, which any bytes make valid; source and
            // destination are different memory.
            return Some(unsafe {
                let data = libc::CMSG_DATA(control);
                aux.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(data, size_of::<AuxData>());
                aux.assume_init()
            });
        }
        // SAFETY: `control` came from the same header.
        control = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    None
}

fn piece(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

/// For sending, which never writes through the pointer.
fn source(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_header_reads_as_what_is_left_to_do() {
        let mut header = [0u8; VNET_HEADER];
        assert_eq!(Offload::read(&header), Offload::default());
        header[0] = 1;
        header[1] = 0x80 | 4;
        header[4..6].copy_from_slice(&1428u16.to_ne_bytes());
        header[6..8].copy_from_slice(&54u16.to_ne_bytes());
        header[8..10].copy_from_slice(&16u16.to_ne_bytes());
        let checksum = Some(PartialChecksum { start: 54, offset: 16 });
        let segments = Some(Segments { kind: SegmentKind::TcpV6, size: 1428 });
        assert_eq!(Offload::read(&header), Offload { checksum, segments });
        header[1] = 3;
        assert_eq!(Offload::read(&header).segments.map(|s| s.kind), Some(SegmentKind::Unknown));
    }

    #[test]
    fn a_tag_is_told_only_when_there_was_one() {
        let aux =
            AuxData { status: 0, length: 0, snapped: 0, mac: 0, net: 0, vlan_tci: 7, vlan_tpid: 0x88A8 };
        assert_eq!(aux.vlan(), None);
        let old = AuxData { status: TP_STATUS_VLAN_VALID, ..aux };
        assert_eq!(old.vlan(), Some(Vlan { tpid: 0x8100, tci: 7 }));
        let new = AuxData { status: TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID, ..aux };
        assert_eq!(new.vlan(), Some(Vlan { tpid: 0x88A8, tci: 7 }));
    }

    #[test]
    fn a_device_that_is_not_there_cannot_be_opened() {
        assert!(PacketSocket::open("no-such-device").is_err());
    }
}
