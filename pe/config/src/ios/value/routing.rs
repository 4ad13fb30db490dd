//! AS numbers, IPv4 networks and communities.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use base::Prefix;
use bgp::policy::{Community, Extended};
use vrf::{Rd, RouteTarget};

use super::Invalid;

/// `65536` or `1.0` (RFC 5396); written plain.
pub(crate) struct Asn(pub(crate) u32);

impl FromStr for Asn {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = || text.parse().ok();
        let dotted = |(high, low): (&str, &str)| Some((high.parse::<u16>().ok()?, low.parse::<u16>().ok()?));
        let number = match text.split_once('.') {
            Some(parts) => dotted(parts).map(|(high, low)| u32::from(high) << 16 | u32::from(low)),
            None => plain(),
        };
        number.filter(|number| *number != 0).map(Self).ok_or(Invalid)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `10.0.0.0/8`: an address and a prefix length, host bits and all.
pub(crate) struct Network4(pub(crate) Ipv4Addr, pub(crate) u8);

impl FromStr for Network4 {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (address, length) = text.split_once('/').ok_or(Invalid)?;
        let address: Ipv4Addr = address.parse().map_err(|_| Invalid)?;
        let length = length.parse().ok().filter(|length| Prefix::new(IpAddr::V4(address), *length).is_ok());
        Ok(Self(address, length.ok_or(Invalid)?))
    }
}

impl fmt::Display for Network4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

/// RFC 1997, RFC 8326.
const WELL_KNOWN: [(&str, u32); 4] = [
    ("no-export", 0xFFFF_FF01),
    ("no-advertise", 0xFFFF_FF02),
    ("local-AS", 0xFFFF_FF03),
    ("gshut", 0xFFFF_0000),
];

/// `65000:1`, a plain number, a well-known name, or `1:2:3`.
pub(crate) struct CommunityText(pub(crate) Community);

impl FromStr for CommunityText {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some((_, value)) = WELL_KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            return Ok(Self(Community::Standard(*value)));
        }
        let numbers: Option<Vec<u32>> = text.split(':').map(|part| part.parse().ok()).collect();
        let half = |number: u32| u16::try_from(number).map(u32::from).map_err(|_| Invalid);
        Ok(Self(match numbers.as_deref() {
            Some(&[whole]) => Community::Standard(whole),
            Some(&[high, low]) => Community::Standard(half(high)? << 16 | half(low)?),
            Some(&[first, second, third]) => Community::Large([first, second, third]),
            Some(_) | None => return Err(Invalid),
        }))
    }
}

impl fmt::Display for CommunityText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Community::Standard(value) => match WELL_KNOWN.iter().find(|(_, known)| *known == value) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{}:{}", value >> 16, value & 0xFFFF),
            },
            Community::Large([first, second, third]) => write!(f, "{first}:{second}:{third}"),
        }
    }
}

/// `rt 65000:1` or `soo 65000:1`.
pub(crate) struct ExtendedText(pub(crate) Extended);

impl FromStr for ExtendedText {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (kind, value) = text.split_once(' ').ok_or(Invalid)?;
        let value: Rd = value.parse().map_err(|_| Invalid)?;
        match kind.to_ascii_lowercase().as_str() {
            "rt" => Ok(Self(Extended::Target(RouteTarget(value)))),
            "soo" => Ok(Self(Extended::Site(value))),
            _ => Err(Invalid),
        }
    }
}

impl fmt::Display for ExtendedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Extended::Target(target) => write!(f, "rt {target}"),
            Extended::Site(site) => write!(f, "soo {site}"),
        }
    }
}

/// Several, with a blank between: what a list argument holds.
pub(crate) fn joined<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_numbers_are_read_plain_and_dotted_and_written_plain() {
        for (text, plain) in
            [("65000", "65000"), ("1.10", "65546"), ("0.7", "7"), ("4294967295", "4294967295")]
        {
            assert_eq!(text.parse::<Asn>().unwrap().to_string(), plain);
        }
        for wrong in ["0", "0.0", "65536.1", "1.65536", "1.2.3", "4294967296", "-1", ""] {
            assert!(wrong.parse::<Asn>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn communities_are_written_in_one_way() {
        for (text, written) in
            [("65000:7", "65000:7"), ("4259840007", "65000:7"), ("LOCAL-as", "local-AS"), ("1:2:3", "1:2:3")]
        {
            assert_eq!(text.parse::<CommunityText>().unwrap().to_string(), written);
        }
        for wrong in ["65536:1", "1:2:3:4", "", "1:", "internet"] {
            assert!(wrong.parse::<CommunityText>().is_err(), "{wrong}");
        }
    }
}
