//! Identification payload: RFC 2407 section 4.6.2. In phase 1 a name, in phase 2 a proxy.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::Prefix;
use pki::Dn;

use super::{Malformed, Reader};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) name: Name,
    /// Zero: any.
    pub(crate) protocol: u8,
    /// Zero: any.
    pub(crate) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Address(IpAddr),
    Fqdn(String),
    UserFqdn(String),
    Subnet(Prefix),
    Range(IpAddr, IpAddr),
    KeyId(Vec<u8>),
    Dn(Dn),
    /// A type of which we know nothing but its number and bytes.
    Other(u8, Vec<u8>),
}

const IPV4_ADDR: u8 = 1;
const FQDN: u8 = 2;
const USER_FQDN: u8 = 3;
const IPV4_ADDR_SUBNET: u8 = 4;
const IPV6_ADDR: u8 = 5;
const IPV6_ADDR_SUBNET: u8 = 6;
const IPV4_ADDR_RANGE: u8 = 7;
const IPV6_ADDR_RANGE: u8 = 8;
const DER_ASN1_DN: u8 = 9;
const KEY_ID: u8 = 11;

impl Id {
    pub(crate) const fn any_port(name: Name) -> Self {
        Self { name, protocol: 0, port: 0 }
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (kind, protocol, port) = (reader.byte()?, reader.byte()?, reader.short()?);
        Ok(Self { name: decode_name(kind, reader)?, protocol, port })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, data) = self.name.encode();
        let [high, low] = self.port.to_be_bytes();
        [&[kind, self.protocol, high, low], data.as_slice()].concat()
    }
}

fn decode_name(kind: u8, mut reader: Reader<'_>) -> Result<Name, Malformed> {
    let name = match kind {
        IPV4_ADDR => Name::Address(v4(&mut reader)?),
        IPV6_ADDR => Name::Address(v6(&mut reader)?),
        IPV4_ADDR_SUBNET => Name::Subnet(subnet(v4(&mut reader)?, v4(&mut reader)?)?),
        IPV6_ADDR_SUBNET => Name::Subnet(subnet(v6(&mut reader)?, v6(&mut reader)?)?),
        IPV4_ADDR_RANGE => Name::Range(v4(&mut reader)?, v4(&mut reader)?),
        IPV6_ADDR_RANGE => Name::Range(v6(&mut reader)?, v6(&mut reader)?),
        FQDN => return text(reader).map(Name::Fqdn),
        USER_FQDN => return text(reader).map(Name::UserFqdn),
        DER_ASN1_DN => {
            let dn = Dn::from_der(reader.rest()).map_err(|_| Malformed("bad-distinguished-name"))?;
            return Ok(Name::Dn(dn));
        }
        KEY_ID => return Ok(Name::KeyId(reader.rest().to_vec())),
        other => return Ok(Name::Other(other, reader.rest().to_vec())),
    };
    if reader.is_empty() { Ok(name) } else { Err(Malformed("bad-identity-length")) }
}

fn v4(reader: &mut Reader<'_>) -> Result<IpAddr, Malformed> {
    reader.array().map(|octets: [u8; 4]| Ipv4Addr::from(octets).into())
}

fn v6(reader: &mut Reader<'_>) -> Result<IpAddr, Malformed> {
    reader.array().map(|octets: [u8; 16]| Ipv6Addr::from(octets).into())
}

/// A mask with holes is not a subnet.
fn subnet(address: IpAddr, mask: IpAddr) -> Result<Prefix, Malformed> {
    let length = match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    let prefix = u8::try_from(length).ok().and_then(|length| Prefix::new(address, length).ok());
    prefix.filter(|prefix| prefix.mask() == mask).ok_or(Malformed("bad-subnet-mask"))
}

/// Names go into logs: nothing but printable ASCII is one.
fn text(reader: Reader<'_>) -> Result<String, Malformed> {
    let bytes = reader.rest();
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(Malformed("bad-identity-text"));
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| Malformed("bad-identity-text"))
}

impl Name {
    fn encode(&self) -> (u8, Vec<u8>) {
        let kind = |address: &IpAddr, v4, v6| if address.is_ipv4() { v4 } else { v6 };
        match self {
            Self::Address(address) => (kind(address, IPV4_ADDR, IPV6_ADDR), octets(*address)),
            Self::Fqdn(name) => (FQDN, name.clone().into_bytes()),
            Self::UserFqdn(name) => (USER_FQDN, name.clone().into_bytes()),
            Self::Subnet(prefix) => (
                kind(&prefix.address(), IPV4_ADDR_SUBNET, IPV6_ADDR_SUBNET),
                [octets(prefix.address()), octets(prefix.mask())].concat(),
            ),
            Self::Range(first, last) => {
                (kind(first, IPV4_ADDR_RANGE, IPV6_ADDR_RANGE), [octets(*first), octets(*last)].concat())
            }
            Self::KeyId(id) => (KEY_ID, id.clone()),
            Self::Dn(dn) => (DER_ASN1_DN, dn.der.clone()),
            Self::Other(kind, data) => (*kind, data.clone()),
        }
    }
}

pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Fqdn(name) | Self::UserFqdn(name) => f.write_str(name),
            Self::Subnet(prefix) => prefix.fmt(f),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
            Self::KeyId(id) => write!(f, "key-id {}", id.escape_ascii()),
            Self::Dn(dn) => dn.fmt(f),
            Self::Other(kind, _) => write!(f, "identity of type {kind}"),
        }
    }
}
