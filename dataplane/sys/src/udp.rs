//! UDP sockets that share their port with ESP (RFC 3948), and that no IPsec policy concerns.

use std::io;
use std::os::fd::AsFd;

use base::Family;

use crate::option::set;

/// From now on the kernel takes for its own ESP whatever arrives on this socket without the non-ESP marker, and
/// NAT keepalives; the rest is still received here.
pub fn give_esp_to_kernel(socket: impl AsFd) -> io::Result<()> {
    /// `UDP_ENCAP` and `UDP_ENCAP_ESPINUDP`, linux/udp.h.
    const ENCAP: libc::c_int = 100;
    const ESP_IN_UDP: libc::c_int = 2;
    set(socket, libc::SOL_UDP, ENCAP, &ESP_IN_UDP.to_ne_bytes())
}

/// What the socket sends and receives passes in clear, whatever the kernel's policies say: IKE itself. Needs
/// `CAP_NET_ADMIN`.
pub fn exempt_from_ipsec(socket: impl AsFd, family: Family) -> io::Result<()> {
    /// `IP_XFRM_POLICY` and `IPV6_XFRM_POLICY`, linux/in.h and linux/in6.h.
    const FOUR: libc::c_int = 17;
    const SIX: libc::c_int = 35;
    let (level, option, number) = match family {
        Family::V4 => (libc::SOL_IP, FOUR, libc::AF_INET),
        Family::V6 => (libc::SOL_IPV6, SIX, libc::AF_INET6),
    };
    let socket = socket.as_fd();
    [IN, OUT].into_iter().try_for_each(|direction| set(socket, level, option, &allow(number, direction)))
}

/// `XFRM_POLICY_IN`, `XFRM_POLICY_OUT`, linux/xfrm.h.
const IN: u8 = 0;
const OUT: u8 = 1;

/// A `xfrm_userpolicy_info` for everything of a family, with the action "allow", which is zero as all else is.
fn allow(family: libc::c_int, direction: u8) -> [u8; 168] {
    const FAMILY: usize = 40;
    const DIRECTION: usize = 160;
    let mut policy = [0; 168];
    let family = u16::try_from(family).unwrap_or_default().to_ne_bytes();
    policy[FAMILY..FAMILY + family.len()].copy_from_slice(&family);
    policy[DIRECTION] = direction;
    policy
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_kernel_takes_keepalives_and_esp_and_leaves_ike() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = UdpSocket::bind(address) else { continue };
            give_esp_to_kernel(&socket).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let there = socket.local_addr().unwrap();
            let sender = UdpSocket::bind((there.ip(), 0)).unwrap();
            sender.send_to(&[0xff], there).unwrap();
            sender.send_to(&[0, 0, 1, 0, 0, 0, 0, 1, 7, 7, 7, 7], there).unwrap();
            sender.send_to(&[0, 0, 0, 0, 42], there).unwrap();
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], [0, 0, 0, 0, 42], "{address}");
        }
    }

    /// A kernel without XFRM has no such option.
    #[test]
    fn a_socket_can_be_exempted() {
        for (address, family) in [("127.0.0.1:0", Family::V4), ("[::1]:0", Family::V6)] {
            let Ok(socket) = UdpSocket::bind(address) else { continue };
            let done = exempt_from_ipsec(&socket, family);
            let fault = done.err().and_then(|error| error.raw_os_error());
            assert!(
                [None, Some(libc::ENOPROTOOPT), Some(libc::EPERM)].contains(&fault),
                "{address}: {fault:?}"
            );
        }
    }
}
