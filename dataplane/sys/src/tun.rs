//! TUN and TAP devices: the kernel of this box as the peer on a link of IP packets or of Ethernet frames.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// An open device; it is gone when this is dropped. One packet or frame a read or write.
#[derive(Debug)]
pub struct Tun(File);

impl Tun {
    /// Makes the device `name` for bare IP packets, or attaches to one made to last. It comes up without addresses and
    /// down; the caller's netlink does the rest. At most 15 bytes of name.
    pub fn open(name: &str) -> io::Result<Self> {
        Self::attach(name, libc::IFF_TUN)
    }

    /// The same for Ethernet frames, with this link address. Who opens it again takes over from who has it open.
    pub fn wire(name: &str, mac: [u8; 6]) -> io::Result<Self> {
        let tap = Self::attach(name, libc::IFF_TAP | libc::IFF_MULTI_QUEUE)?;
        let mut request = request(name)?;
        // SAFETY: a sockaddr is numbers and bytes, for which zero is valid.
        let mut address: libc::sockaddr = unsafe { mem::zeroed() };
        address.sa_family = libc::ARPHRD_ETHER;
        for (to, from) in address.sa_data.iter_mut().zip(mac) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        request.ifr_ifru.ifru_hwaddr = address;
        // SAFETY: the descriptor is open, and the kernel reads one ifreq, which is live.
        crate::check(unsafe { libc::ioctl(tap.0.as_raw_fd(), libc::SIOCSIFHWADDR, &mut request) })?;
        Ok(tap)
    }

    fn attach(name: &str, kind: libc::c_int) -> io::Result<Self> {
        let mut request = request(name)?;
        request.ifr_ifru.ifru_flags = flags(kind | libc::IFF_NO_PI);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        // SAFETY: the descriptor is open, and the kernel reads and writes one ifreq, which is live.
        crate::check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &mut request) })?;
        Ok(Self(file))
    }

    /// The next packet or frame that the kernel sent here; its length. `WouldBlock`: none waits.
    pub fn receive(&self, packet: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(packet)
    }

    /// Gives the kernel one packet or frame, as if it had arrived on the device.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        (&self.0).write(packet).map(drop)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: an ifreq is bytes, numbers and null pointers, for which zero is valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The last byte stays zero: the kernel's end of the name.
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    Ok(request)
}

fn flags(flags: libc::c_int) -> libc::c_short {
    libc::c_short::try_from(flags).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_would_cut_are_refused() {
        for name in ["", "sixteen-bytes-xx", "a\0b"] {
            for opened in [Tun::open(name), Tun::wire(name, [2; 6])] {
                assert_eq!(opened.err().map(|error| error.kind()), Some(io::ErrorKind::InvalidInput));
            }
        }
    }
}
