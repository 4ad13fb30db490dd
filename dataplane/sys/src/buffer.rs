//! How much may wait in a socket: socket(7).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Lets `bytes` wait in the socket to be read, or as many as the system allows (`net.core.rmem_max`) where
/// more takes a right that we do not have.
pub fn receive_buffer(socket: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    set(socket, libc::SO_RCVBUFFORCE, bytes).or_else(|_| set(socket, libc::SO_RCVBUF, bytes))
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
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_socket_takes_the_size_and_a_file_has_none() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        receive_buffer(socket.as_fd(), 1 << 16).unwrap();
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        assert!(receive_buffer(file.as_fd(), 1 << 16).is_err());
    }
}
