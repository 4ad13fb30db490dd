//! Next hops of MP_REACH_NLRI: RFC 4760, of VPNs RFC 4364 and RFC 4659, two addresses RFC 2545, IPv6 for IPv4 RFC 8950.
//! An IPv4 address that IPv6 families carry in its mapped form is an IPv4 address here.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::io::AddressFamily;

/// `None`: no next hop of this family is that long.
pub(super) fn read(family: AddressFamily, bytes: &[u8]) -> Option<IpAddr> {
    let mut rest = bytes;
    let first = address(family, &mut rest)?;
    let second = if rest.is_empty() { None } else { Some(address(family, &mut rest)?) };
    // The global address is what routes lead to, the link-local one behind it is of IPv6 alone.
    let fits = second.is_none_or(|second| first.is_ipv6() && second.is_ipv6());
    (fits && rest.is_empty()).then(|| first.to_canonical())
}

/// Takes one address, in VPN families with the route distinguisher in front of it.
fn address(family: AddressFamily, rest: &mut &[u8]) -> Option<IpAddr> {
    let distinguisher = if family.is_vpn() { DISTINGUISHER } else { 0 };
    let length = match rest.len() - rest.len().min(distinguisher) {
        4 => 4,
        16.. => 16,
        _ => return None,
    };
    let bytes = rest.get(distinguisher..distinguisher + length)?;
    *rest = rest.get(distinguisher + length..)?;
    match <[u8; 4]>::try_from(bytes) {
        Ok(octets) => Some(Ipv4Addr::from(octets).into()),
        Err(_) => <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into()),
    }
}

/// RFC 4271 section 6.3: whether it can be the address of a router at all.
pub(super) fn valid(next_hop: IpAddr) -> bool {
    match next_hop {
        IpAddr::V4(v4) => {
            !v4.is_unspecified() && !v4.is_loopback() && !v4.is_multicast() && !v4.is_broadcast()
        }
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_loopback() && !v6.is_multicast(),
    }
}

/// With the octet of length in front.
pub(super) fn write(family: AddressFamily, next_hop: IpAddr, out: &mut Vec<u8>) {
    let at = out.len();
    out.push(0);
    write_address(family, next_hop, out);
    out[at] = u8::try_from(out.len() - at - 1).unwrap_or(u8::MAX);
}

fn write_address(family: AddressFamily, address: IpAddr, out: &mut Vec<u8>) {
    if family.is_vpn() {
        out.extend_from_slice(&[0; DISTINGUISHER]);
    }
    match address {
        IpAddr::V4(v4) if family.is_v6() => out.extend_from_slice(&v4.to_ipv6_mapped().octets()),
        IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
    }
}

const DISTINGUISHER: usize = 8;
