//! What protects routing sessions: signed segments (RFC 2385), and segments from near by only (RFC 5082).

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use base::Family;

use crate::option::set;

/// The longest key that the kernel takes, in bytes.
const KEY: usize = 80;

/// From now on segments to and from `peer` are signed with the key; without one, signed segments of it are refused. Also
/// for connections that a listening socket accepts.
pub fn sign(socket: impl AsFd, peer: IpAddr, key: Option<&[u8]>) -> io::Result<()> {
    /// `TCP_MD5SIG`, linux/tcp.h.
    const SIGN: libc::c_int = 14;
    let request = request(peer, key.unwrap_or_default())?;
    match set(socket, libc::SOL_TCP, SIGN, &*request) {
        // There was none.
        Err(error) if key.is_none() && error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        done => done,
    }
}

/// A `tcp_md5sig`: the peer's address, flags and prefix length zero, the key and its length.
fn request(peer: IpAddr, key: &[u8]) -> io::Result<zeroize::Zeroizing<[u8; 216]>> {
    const LENGTH: usize = 130;
    const TEXT: usize = 136;
    if key.len() > KEY {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a key has at most {KEY} bytes")));
    }
    let mut request = zeroize::Zeroizing::new([0; 216]);
    let (family, at) = match peer {
        IpAddr::V4(_) => (libc::AF_INET, 4),
        IpAddr::V6(_) => (libc::AF_INET6, 8),
    };
    request[..2].copy_from_slice(&u16::try_from(family).unwrap_or_default().to_ne_bytes());
    match peer {
        IpAddr::V4(peer) => request[at..at + 4].copy_from_slice(&peer.octets()),
        IpAddr::V6(peer) => request[at..at + 16].copy_from_slice(&peer.octets()),
    }
    request[LENGTH..LENGTH + 2].copy_from_slice(&u16::try_from(key.len()).unwrap_or_default().to_ne_bytes());
    request[TEXT..TEXT + key.len()].copy_from_slice(key);
    Ok(request)
}

/// Segments with a lower TTL or hop limit are dropped by the kernel.
pub fn only_from_within(socket: impl AsFd, family: Family, least: u8) -> io::Result<()> {
    /// `IP_MINTTL` and `IPV6_MINHOPCOUNT`, linux/in.h and linux/in6.h.
    const FOUR: libc::c_int = 21;
    const SIX: libc::c_int = 73;
    let (level, option) = match family {
        Family::V4 => (libc::SOL_IP, FOUR),
        Family::V6 => (libc::SOL_IPV6, SIX),
    };
    set(socket, level, option, &libc::c_int::from(least).to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_does_not_sign_does_not_get_through() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        if sign(&listener, there.ip(), Some(b"secret")).is_err() {
            return; // a kernel without it
        }
        assert!(TcpStream::connect_timeout(&there, Duration::from_millis(300)).is_err());
        sign(&listener, there.ip(), None).unwrap();
        assert!(TcpStream::connect_timeout(&there, Duration::from_millis(300)).is_ok());
        sign(&listener, there.ip(), None).unwrap();
    }

    #[test]
    fn a_connection_from_far_away_does_not_come_about() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        // What a socket sends has 64.
        only_from_within(&listener, Family::V4, 255).unwrap();
        assert!(TcpStream::connect_timeout(&there, Duration::from_millis(300)).is_err());
        only_from_within(&listener, Family::V4, 64).unwrap();
        assert!(TcpStream::connect_timeout(&there, Duration::from_millis(300)).is_ok());
    }

    #[test]
    fn a_key_that_is_too_long_is_refused() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(sign(&socket, "127.0.0.1".parse().unwrap(), Some(&[7; 81])).is_err());
    }
}
