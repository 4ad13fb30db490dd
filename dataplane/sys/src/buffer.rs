//! How much may wait in a socket, and what found no room: socket(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Lets `bytes` wait in the socket to be read, or as many as the system allows (`net.core.rmem_max`) where
/// more takes a right that we do not have.
pub fn receive_buffer(socket: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    set(socket, libc::SO_RCVBUFFORCE, bytes).or_else(|_| set(socket, libc::SO_RCVBUF, bytes))
}

/// How many packets the socket has had no room for, modulo 2^32.
pub fn dropped(socket: impl AsFd) -> io::Result<u32> {
    /// `SK_MEMINFO_DROPS`, linux/sock_diag.h.
    const DROPS: usize = 8;
    let mut counts = [0_u32; DROPS + 1];
    let mut length = size_of_val(&counts) as libc::socklen_t;
    let (fd, pointer) = (socket.as_fd().as_raw_fd(), (&raw mut counts).cast());
    // SAFETY: pointer and length are of one live array.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_MEMINFO, pointer, &raw mut length) };
    crate::check(result).map(|_| counts[DROPS])
}

fn set(socket: BorrowedFd<'_>, option: libc::c_int, bytes: u32) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: pointer and length are of one live integer.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const bytes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    crate::check(result).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_takes_the_size_and_a_file_has_none() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        receive_buffer(socket.as_fd(), 1 << 16).unwrap();
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        assert!(receive_buffer(file.as_fd(), 1 << 16).is_err());
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (from, to) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        receive_buffer(to.as_fd(), 4096).unwrap();
        assert_eq!(dropped(&to).unwrap(), 0);
        for _ in 0..50 {
            from.send_to(&[0; 1000], to.local_addr().unwrap()).unwrap();
        }
        assert!(dropped(&to).unwrap() > 0);
    }
}
