//! Address and Address Withdraw, RFC 5036 sections 3.4.3, 3.5.5 and 3.5.6.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::Family;

use super::notification::{Fault, Status};
use super::tlv;

/// Octets of addresses in one message: it fits any PDU that RFC 5036 lets a peer insist on.
const MOST_OCTETS: usize = 192;

/// The number of an address family, as IANA assigned it.
pub(crate) fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => 1,
        Family::V6 => 2,
    }
}

pub(crate) fn family_of(number: [u8; 2]) -> Result<Family, Fault> {
    let number = u16::from_be_bytes(number);
    let known = |family: &Family| family_number(*family) == number;
    Family::BOTH.into_iter().find(known).ok_or(Fault(Status::UNSUPPORTED_FAMILY))
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub(crate) fn decode(body: &[u8]) -> Result<Vec<IpAddr>, Fault> {
    let mut addresses = None;
    tlv::each(body, |kind, value| {
        if kind == tlv::ADDRESS_LIST {
            addresses = Some(list(value)?);
        }
        Ok(kind == tlv::ADDRESS_LIST)
    })?;
    addresses.ok_or(Fault(Status::MISSING))
}

/// The address lists of one or more messages; `addresses` are of one family.
pub(crate) fn encode(addresses: &[IpAddr]) -> Vec<Vec<u8>> {
    let Some(family) = addresses.first().map(|address| Family::of(*address)) else { return Vec::new() };
    let most = MOST_OCTETS / (usize::from(family.bits()) / 8);
    addresses.chunks(most).map(|some| message(family, some)).collect()
}

fn message(family: Family, addresses: &[IpAddr]) -> Vec<u8> {
    let mut value = family_number(family).to_be_bytes().to_vec();
    addresses.iter().for_each(|address| value.extend(octets(*address)));
    let mut out = Vec::new();
    tlv::put(&mut out, tlv::ADDRESS_LIST, &value);
    out
}

fn list(value: &[u8]) -> Result<Vec<IpAddr>, Fault> {
    let (number, addresses) = value.split_first_chunk::<2>().ok_or(Status::MALFORMED_TLV)?;
    match family_of(*number)? {
        Family::V4 => split(addresses, |octets: [u8; 4]| Ipv4Addr::from(octets).into()),
        Family::V6 => split(addresses, |octets: [u8; 16]| Ipv6Addr::from(octets).into()),
    }
}

fn split<const N: usize>(octets: &[u8], address: fn([u8; N]) -> IpAddr) -> Result<Vec<IpAddr>, Fault> {
    let (addresses, rest) = octets.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(Status::MALFORMED_TLV.into());
    }
    Ok(addresses.iter().map(|octets| address(*octets)).collect())
}
