//! Protocols, ports and labels by number or by IOS's name.

use std::fmt;
use std::str::FromStr;

use base::Label;

use super::Invalid;
use crate::model::PortMatch;

/// An IP protocol; `None` is `ip`: any.
pub(crate) struct Protocol4(pub(crate) Option<u8>);

/// An upper-layer protocol of IPv6; `None` is `ipv6`: any.
pub(crate) struct Protocol6(pub(crate) Option<u8>);

/// Names that mean the same with IPv4 and IPv6.
const PROTOCOLS: [(&str, u8); 8] = [
    ("tcp", 6),
    ("udp", 17),
    ("esp", 50),
    ("ahp", 51),
    ("gre", 47),
    ("ospf", 89),
    ("pim", 103),
    ("pcp", 108),
];
const PROTOCOLS4: [(&str, u8); 5] = [("icmp", 1), ("igmp", 2), ("ipinip", 4), ("eigrp", 88), ("nos", 94)];
const PROTOCOLS6: [(&str, u8); 2] = [("icmp", 58), ("sctp", 132)];

/// TCP's and UDP's names together; where one name has two numbers, UDP's is not listed.
const PORTS: [(&str, u16); 46] = [
    ("bgp", 179),
    ("biff", 512),
    ("bootpc", 68),
    ("bootps", 67),
    ("chargen", 19),
    ("cmd", 514),
    ("daytime", 13),
    ("discard", 9),
    ("dnsix", 195),
    ("domain", 53),
    ("echo", 7),
    ("exec", 512),
    ("finger", 79),
    ("ftp", 21),
    ("ftp-data", 20),
    ("gopher", 70),
    ("hostname", 101),
    ("ident", 113),
    ("irc", 194),
    ("isakmp", 500),
    ("klogin", 543),
    ("kshell", 544),
    ("login", 513),
    ("lpd", 515),
    ("mobile-ip", 434),
    ("netbios-dgm", 138),
    ("netbios-ns", 137),
    ("netbios-ss", 139),
    ("nntp", 119),
    ("non500-isakmp", 4500),
    ("ntp", 123),
    ("pop2", 109),
    ("pop3", 110),
    ("rip", 520),
    ("smtp", 25),
    ("snmp", 161),
    ("snmptrap", 162),
    ("sunrpc", 111),
    ("syslog", 514),
    ("tacacs", 49),
    ("telnet", 23),
    ("tftp", 69),
    ("time", 37),
    ("uucp", 540),
    ("whois", 43),
    ("www", 80),
];

fn protocol(text: &str, any: &str, own: &[(&str, u8)]) -> Result<Option<u8>, Invalid> {
    let text = text.to_ascii_lowercase();
    if text == any {
        return Ok(None);
    }
    let named = PROTOCOLS.iter().chain(own).find(|(name, _)| *name == text);
    named.map(|(_, number)| *number).or_else(|| text.parse().ok()).map(Some).ok_or(Invalid)
}

fn write(f: &mut fmt::Formatter<'_>, protocol: Option<u8>, any: &str, own: &[(&str, u8)]) -> fmt::Result {
    let Some(number) = protocol else { return f.write_str(any) };
    match PROTOCOLS.iter().chain(own).find(|(_, known)| *known == number) {
        Some((name, _)) => f.write_str(name),
        None => write!(f, "{number}"),
    }
}

impl FromStr for Protocol4 {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        protocol(text, "ip", &PROTOCOLS4).map(Self)
    }
}

impl fmt::Display for Protocol4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, "ip", &PROTOCOLS4)
    }
}

impl FromStr for Protocol6 {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        protocol(text, "ipv6", &PROTOCOLS6).map(Self)
    }
}

impl fmt::Display for Protocol6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, "ipv6", &PROTOCOLS6)
    }
}

/// Printed by number: the same number has other names with TCP and UDP.
pub(crate) struct Port(pub(crate) u16);

impl FromStr for Port {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let named = PORTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        named.map(|(_, port)| *port).or_else(|| text.parse().ok()).map(Self).ok_or(Invalid)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An operator and its ports, in canonical form only: the argument's kind has seen to that.
pub(crate) struct PortsText(pub(crate) PortMatch);

impl FromStr for PortsText {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut words = text.split(' ');
        let operator = words.next().ok_or(Invalid)?;
        let mut port = || words.next().and_then(|word| word.parse().ok()).ok_or(Invalid);
        Ok(Self(match operator {
            "eq" => PortMatch::Eq(port()?),
            "neq" => PortMatch::Neq(port()?),
            "lt" => PortMatch::Lt(port()?),
            "gt" => PortMatch::Gt(port()?),
            "range" => PortMatch::Range(port()?, port()?),
            _ => return Err(Invalid),
        }))
    }
}

impl fmt::Display for PortsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            PortMatch::Any => Ok(()),
            PortMatch::Eq(port) => write!(f, "eq {port}"),
            PortMatch::Neq(port) => write!(f, "neq {port}"),
            PortMatch::Lt(port) => write!(f, "lt {port}"),
            PortMatch::Gt(port) => write!(f, "gt {port}"),
            PortMatch::Range(first, last) => write!(f, "range {first} {last}"),
        }
    }
}

/// A label, the two nulls by name (RFC 3032 section 2.1).
pub(crate) struct LabelValue(pub(crate) Label);

impl FromStr for LabelValue {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.to_ascii_lowercase().as_str() {
            "explicit-null" => Ok(Self(Label::IPV4_EXPLICIT_NULL)),
            "implicit-null" => Ok(Self(Label::IMPLICIT_NULL)),
            number => number.parse().ok().and_then(Label::new).map(Self).ok_or(Invalid),
        }
    }
}

impl fmt::Display for LabelValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Label::IPV4_EXPLICIT_NULL => f.write_str("explicit-null"),
            Label::IMPLICIT_NULL => f.write_str("implicit-null"),
            label => label.fmt(f),
        }
    }
}
