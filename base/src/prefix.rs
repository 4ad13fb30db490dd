//! Address prefixes: a network address without host bits, and its length.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use ipnetwork::IpNetwork;

/// The two address families that every table comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Address length in bits: 32 or 128.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// A prefix whose host bits are zero; equal prefixes compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpNetwork);

/// The length is beyond the address family's 32 or 128 bits, or the text is not a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPrefix;

impl Prefix {
    /// The network that `address` lies in: host bits are cleared.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, InvalidPrefix> {
        let whole = IpNetwork::new(address, length).map_err(|_| InvalidPrefix)?;
        IpNetwork::new(whole.network(), length).map(Self).map_err(|_| InvalidPrefix)
    }

    /// One address: /32 or /128.
    pub fn host(address: IpAddr) -> Self {
        Self(IpNetwork::from(address))
    }

    /// Every address of a family: 0.0.0.0/0 or ::/0.
    pub fn any(family: Family) -> Self {
        let zero = match family {
            Family::V4 => IpAddr::from([0; 4]),
            Family::V6 => IpAddr::from([0; 16]),
        };
        Self(IpNetwork::new(zero, 0).unwrap_or_else(|_| IpNetwork::from(zero)))
    }

    pub fn address(self) -> IpAddr {
        self.0.ip()
    }

    /// Prefix length in bits.
    pub fn length(self) -> u8 {
        self.0.prefix()
    }

    pub fn mask(self) -> IpAddr {
        self.0.mask()
    }

    /// The last address of the prefix.
    pub fn last(self) -> IpAddr {
        self.0.broadcast()
    }

    pub fn family(self) -> Family {
        Family::of(self.0.ip())
    }

    pub fn is_host(self) -> bool {
        self.length() == self.family().bits()
    }

    #[inline]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(address)
    }

    /// Whether every address of `other` lies in `self`.
    pub fn covers(self, other: Self) -> bool {
        self.length() <= other.length() && self.0.contains(other.address())
    }

    pub fn network(self) -> IpNetwork {
        self.0
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let network = IpNetwork::from_str(text).map_err(|_| InvalidPrefix)?;
        Self::new(network.ip(), network.prefix())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.length())
    }
}

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address prefix")
    }
}

impl core::error::Error for InvalidPrefix {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_cleared_so_equal_networks_compare_equal() {
        let written: Prefix = "10.2.3.4/16".parse().unwrap();
        assert_eq!(written, "10.2.0.0/16".parse().unwrap());
        assert_eq!(written.to_string(), "10.2.0.0/16");
    }

    #[test]
    fn a_prefix_covers_itself_and_what_lies_inside_and_nothing_of_another_family() {
        let wide: Prefix = "10.0.0.0/8".parse().unwrap();
        assert!(wide.covers(wide));
        assert!(wide.covers("10.2.0.0/16".parse().unwrap()));
        assert!(!wide.covers("0.0.0.0/0".parse().unwrap()));
        assert!(!wide.covers("::/0".parse().unwrap()));
        assert!(!Prefix::any(Family::V6).contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_length_beyond_the_family_is_refused() {
        assert_eq!(Prefix::new("10.0.0.0".parse().unwrap(), 33), Err(InvalidPrefix));
    }
}
