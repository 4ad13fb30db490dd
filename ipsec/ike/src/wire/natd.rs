//! NAT detection payload: RFC 3947 section 3.2, a hash of cookies, address and port.

use std::net::{IpAddr, SocketAddr};

use crypto::prf::Hash;

use super::header::Cookie;

/// What stands in the payload for an address as its sender sees it.
pub(crate) fn digest(hash: Hash, cookies: (Cookie, Cookie), address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => hash.digest(&[&cookies.0, &cookies.1, &ip.octets(), &port]),
        IpAddr::V6(ip) => hash.digest(&[&cookies.0, &cookies.1, &ip.octets(), &port]),
    }
}
