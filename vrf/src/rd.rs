//! Route distinguishers, RFC 4364 section 4.2.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

/// Makes a VPN route of a prefix unique; says nothing of who may import it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rd {
    /// Type 0: two-octet AS, four-octet number.
    As2(u16, u32),
    /// Type 1: IPv4 address, two-octet number.
    Ipv4(Ipv4Addr, u16),
    /// Type 2: four-octet AS, two-octet number.
    As4(u32, u16),
}

/// Not of the form `ASN:NN` or `A.B.C.D:NN`, or a number too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRd;

impl FromStr for Rd {
    type Err = InvalidRd;

    fn from_str(text: &str) -> Result<Self, InvalidRd> {
        let (admin, number) = text.split_once(':').ok_or(InvalidRd)?;
        if let Ok(address) = admin.parse() {
            return number.parse().map(|number| Self::Ipv4(address, number)).map_err(|_| InvalidRd);
        }
        let asn: u32 = admin.parse().map_err(|_| InvalidRd)?;
        match u16::try_from(asn) {
            Ok(asn) => number.parse().map(|number| Self::As2(asn, number)),
            Err(_) => number.parse().map(|number| Self::As4(asn, number)),
        }
        .map_err(|_| InvalidRd)
    }
}

impl fmt::Display for Rd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::As2(asn, number) => write!(f, "{asn}:{number}"),
            Self::Ipv4(address, number) => write!(f, "{address}:{number}"),
            Self::As4(asn, number) => write!(f, "{asn}:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_reads_back_as_it_prints() {
        for text in ["100:1", "65535:4294967295", "4200000000:7", "192.0.2.1:7"] {
            assert_eq!(text.parse::<Rd>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for text in ["", "100", "100:", "1:4294967296", "70000:65536", "192.0.2.1:65536", "a:1"] {
            assert_eq!(text.parse::<Rd>(), Err(InvalidRd), "{text}");
        }
    }
}
