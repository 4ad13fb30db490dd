//! The written forms of values: masks, networks, access-list addresses and ports, labels, interface names.

mod number;
pub(crate) use number::{LabelValue, Port, PortsText, Protocol4, Protocol6};

mod routing;
pub(crate) use routing::{Asn, CommunityText, ExtendedText, Network4, joined};

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use base::Prefix;

use crate::model::AclAddress;

/// The text is not such a value.
#[derive(Debug)]
pub(crate) struct Invalid;

/// A contiguous IPv4 network mask, by its length.
pub(crate) struct Mask(pub(crate) u8);

impl FromStr for Mask {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bits = u32::from(text.parse::<Ipv4Addr>().map_err(|_| Invalid)?);
        let length = bits.leading_ones();
        let contiguous = bits.checked_shl(length).unwrap_or(0) == 0;
        contiguous.then(|| u8::try_from(length).map(Self)).ok_or(Invalid)?.map_err(|_| Invalid)
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shift = 32 - u32::from(self.0.min(32));
        Ipv4Addr::from(u32::MAX.checked_shl(shift).unwrap_or(0)).fmt(f)
    }
}

/// `2001:db8::1/64`: an IPv6 address and a prefix length, host bits and all.
pub(crate) struct Network6(pub(crate) Ipv6Addr, pub(crate) u8);

impl Network6 {
    pub(crate) fn prefix(&self) -> Option<Prefix> {
        Prefix::new(IpAddr::V6(self.0), self.1).ok()
    }
}

impl FromStr for Network6 {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (address, length) = text.split_once('/').ok_or(Invalid)?;
        let length = length.parse().ok().filter(|length| *length <= 128).ok_or(Invalid)?;
        Ok(Self(address.parse().map_err(|_| Invalid)?, length))
    }
}

impl fmt::Display for Network6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

/// `any`, `host A` or `A WILDCARD`.
pub(crate) struct Endpoint4(pub(crate) AclAddress);

impl FromStr for Endpoint4 {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(any) = any_or_host::<Ipv4Addr>(text)? {
            return Ok(Self(any));
        }
        let (address, wildcard) = text.split_once(' ').ok_or(Invalid)?;
        let wildcard = u32::from(wildcard.parse::<Ipv4Addr>().map_err(|_| Invalid)?);
        let address = u32::from(address.parse::<Ipv4Addr>().map_err(|_| Invalid)?) & !wildcard;
        Ok(Self(match wildcard {
            u32::MAX => AclAddress::Any,
            hosts if hosts & hosts.wrapping_add(1) == 0 => {
                let length = u8::try_from(hosts.leading_zeros()).map_err(|_| Invalid)?;
                let network = IpAddr::V4(Ipv4Addr::from(address));
                AclAddress::Prefix(Prefix::new(network, length).map_err(|_| Invalid)?)
            }
            scattered => AclAddress::Wildcard(address, scattered),
        }))
    }
}

impl fmt::Display for Endpoint4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            AclAddress::Any => f.write_str("any"),
            AclAddress::Prefix(prefix) if prefix.is_host() => write!(f, "host {}", prefix.address()),
            AclAddress::Prefix(prefix) => {
                let hosts = u32::MAX.checked_shr(prefix.length().into()).unwrap_or(0);
                write!(f, "{} {}", prefix.address(), Ipv4Addr::from(hosts))
            }
            AclAddress::Wildcard(address, wildcard) => {
                write!(f, "{} {}", Ipv4Addr::from(address), Ipv4Addr::from(wildcard))
            }
        }
    }
}

/// `any`, `host A` or `P/L`.
pub(crate) struct Endpoint6(pub(crate) AclAddress);

impl FromStr for Endpoint6 {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(any) = any_or_host::<Ipv6Addr>(text)? {
            return Ok(Self(any));
        }
        let network: Network6 = text.parse()?;
        let prefix = network.prefix().ok_or(Invalid)?;
        Ok(Self(if prefix.length() == 0 { AclAddress::Any } else { AclAddress::Prefix(prefix) }))
    }
}

impl fmt::Display for Endpoint6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            AclAddress::Any => f.write_str("any"),
            AclAddress::Prefix(prefix) if prefix.is_host() => write!(f, "host {}", prefix.address()),
            AclAddress::Prefix(prefix) => prefix.fmt(f),
            AclAddress::Wildcard(..) => Err(fmt::Error),
        }
    }
}

fn any_or_host<A: FromStr + Into<IpAddr>>(text: &str) -> Result<Option<AclAddress>, Invalid> {
    let text = text.to_ascii_lowercase();
    if !text.is_empty() && "any".starts_with(&text) {
        return Ok(Some(AclAddress::Any));
    }
    match text.split_once(' ') {
        Some((host, address)) if "host".starts_with(host) => {
            let address = address.parse::<A>().map_err(|_| Invalid)?;
            Ok(Some(AclAddress::Prefix(Prefix::host(address.into()))))
        }
        _ => Ok(None),
    }
}

/// The networks (address, length) that an address with a scattered wildcard means; `None` if there are
/// more than `most`.
pub(crate) fn expand(address: u32, wildcard: u32, most: usize) -> Option<Vec<(u32, u8)>> {
    let hosts = wildcard.trailing_ones();
    let length = u8::try_from(32 - hosts).ok()?;
    let scattered = wildcard.checked_shr(hosts).and_then(|bits| bits.checked_shl(hosts)).unwrap_or(0);
    let count = 1_usize.checked_shl(scattered.count_ones()).filter(|count| *count <= most)?;
    let mut chosen = 0_u32;
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        found.push((address & !wildcard | chosen, length));
        // The next number whose bits all lie in the mask: fill the gaps so that the carry crosses them.
        chosen = (chosen | !scattered).wrapping_add(1) & scattered;
    }
    Some(found)
}

/// `Ethernet1/1` in IOS's spelling however it was written; any other name as it is.
pub(crate) struct InterfaceName(String);

const TYPES: [&str; 10] = [
    "Ethernet",
    "FastEthernet",
    "GigabitEthernet",
    "TenGigabitEthernet",
    "Loopback",
    "Null",
    "Serial",
    "Tunnel",
    "Virtual-Template",
    "Vlan",
];

impl InterfaceName {
    /// `Ethernet 1/1`: only after a type that IOS knows, for any other word is a name by itself.
    pub(crate) fn of_two_words(first: &str, second: &str) -> Option<Self> {
        let numbered = second.starts_with(|c: char| c.is_ascii_digit())
            && second.chars().all(|c| c.is_ascii_digit() || "/.:".contains(c))
            && second.matches('.').count() <= 1;
        numbered.then(|| Some(Self(format!("{}{second}", interface_type(first)?))))?
    }
}

/// The type that `word` abbreviates, if only one does.
fn interface_type(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let mut found = TYPES.into_iter().filter(|known| known.to_ascii_lowercase().starts_with(&word));
    let first = found.next().filter(|_| !word.is_empty())?;
    found.next().is_none().then_some(first)
}

impl FromStr for InterfaceName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !text.starts_with(|c: char| c.is_alphabetic()) || text.parse::<IpAddr>().is_ok() {
            return Err(Invalid);
        }
        let number = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let (letters, rest) = text.split_at(number);
        let known = interface_type(letters).filter(|known| {
            // `eth1` is a Linux device: only a slot, or the type in full, tells IOS's names apart.
            !rest.is_empty() && (rest.contains('/') || known.eq_ignore_ascii_case(letters))
        });
        Ok(Self(known.map_or_else(|| text.to_owned(), |known| format!("{known}{rest}"))))
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_with_a_hole_is_no_mask() {
        assert!("255.0.255.0".parse::<Mask>().is_err());
        for text in ["0.0.0.0", "255.255.255.255", "255.255.240.0"] {
            assert_eq!(text.parse::<Mask>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_scattered_wildcard_expands_to_exactly_its_networks() {
        let found = expand(0x0A00_0000, 0x0000_05FF, 256).unwrap();
        assert_eq!(found, [(0x0A00_0000, 23), (0x0A00_0400, 23)]);
        assert!(expand(0, 0xFFFF_0000, 256).is_none());
        assert_eq!(expand(0, 0x0000_FF00, 256).unwrap().len(), 256);
    }

    #[test]
    fn interface_names_are_spelled_as_ios_does_but_linux_names_are_left_alone() {
        for (written, name) in [
            ("ethernet1/1", "Ethernet1/1"),
            ("gi0/0.100", "GigabitEthernet0/0.100"),
            ("eth1", "eth1"),
            ("loopback0", "Loopback0"),
            ("core", "core"),
            ("ens3", "ens3"),
        ] {
            assert_eq!(written.parse::<InterfaceName>().unwrap().to_string(), name);
        }
        assert!(InterfaceName::of_two_words("core", "10.1.1.1").is_none());
        assert_eq!(InterfaceName::of_two_words("e", "1/1").unwrap().to_string(), "Ethernet1/1");
        assert!("10.1.1.1".parse::<InterfaceName>().is_err());
    }
}
