//! Kinds of arguments: which words each takes, their canonical text, and what to call them in a hint.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use vrf::Rd;

use super::lex::Line;
use super::scope::Noun;
use super::value::{
    Asn, CommunityText, Endpoint4, Endpoint6, ExtendedText, InterfaceName, LabelValue, Mask, Network4,
    Network6, Port, Protocol4, Protocol6,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any one word.
    Word,
    /// All the words that are left.
    Line,
    Number(u32, u32),
    Ipv4,
    Ipv6,
    Ip,
    Mask,
    Network6,
    Rd,
    Secret,
    /// A host name, fully qualified or not.
    Host,
    /// `http://…`.
    Url,
    /// The name of something.
    Name(Noun),
    Protocol4,
    Protocol6,
    Endpoint4,
    Endpoint6,
    Ports,
    Label,
    Network4,
    Asn,
    /// One or more; so are the next ones.
    Asns,
    Numbers,
    Communities,
    Targets,
    /// `rt R`, `soo R`.
    Extended,
}

impl Kind {
    /// By its name in a pattern; two numbers with a dash are a range.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "line" => Self::Line,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "ip" => Self::Ip,
            "mask" => Self::Mask,
            "network6" => Self::Network6,
            "rd" => Self::Rd,
            "secret" => Self::Secret,
            "host" => Self::Host,
            "url" => Self::Url,
            "vrf" => Self::Name(Noun::Vrf),
            "interface" => Self::Name(Noun::Interface),
            "acl" => Self::Name(Noun::AccessList),
            "keyring" => Self::Name(Noun::Keyring),
            "profile" => Self::Name(Noun::Profile),
            "transform-set" => Self::Name(Noun::TransformSet),
            "map" => Self::Name(Noun::CryptoMap),
            "dynamic-map" => Self::Name(Noun::DynamicMap),
            "ipsec-profile" => Self::Name(Noun::IpsecProfile),
            "trustpoint" => Self::Name(Noun::Trustpoint),
            "certificate-map" => Self::Name(Noun::CertificateMap),
            "identity" => Self::Name(Noun::Identity),
            "ikev2-proposal" => Self::Name(Noun::Ikev2Proposal),
            "ikev2-keyring" => Self::Name(Noun::Ikev2Keyring),
            "ikev2-profile" => Self::Name(Noun::Ikev2Profile),
            "protocol4" => Self::Protocol4,
            "protocol6" => Self::Protocol6,
            "endpoint4" => Self::Endpoint4,
            "endpoint6" => Self::Endpoint6,
            "ports" => Self::Ports,
            "label" => Self::Label,
            "network4" => Self::Network4,
            "asn" => Self::Asn,
            "asns" => Self::Asns,
            "numbers" => Self::Numbers,
            "communities" => Self::Communities,
            "targets" => Self::Targets,
            "extended" => Self::Extended,
            "route-map" => Self::Name(Noun::RouteMap),
            "prefix-list" => Self::Name(Noun::PrefixList),
            "prefix-list4" => Self::Name(Noun::PrefixList4),
            "prefix-list6" => Self::Name(Noun::PrefixList6),
            "community-list" => Self::Name(Noun::CommunityList),
            "extcommunity-list" => Self::Name(Noun::ExtendedList),
            "peer-group" => Self::Name(Noun::PeerGroup),
            "bfd-template" => Self::Name(Noun::BfdTemplate),
            _ => Self::range(name).unwrap_or(Self::Word),
        }
    }

    fn range(name: &str) -> Option<Self> {
        let (low, high) = name.split_once('-')?;
        Some(Self::Number(low.parse().ok()?, high.parse().ok()?))
    }

    pub(crate) fn noun(self) -> Option<Noun> {
        if let Self::Name(noun) = self { Some(noun) } else { None }
    }

    /// How many words from `at` it takes, and their canonical text; `None` if they do not fit.
    pub(crate) fn take(self, line: &Line<'_>, at: usize) -> Option<(usize, String)> {
        let word = line.words.get(at)?.text;
        let one = |text: Option<String>| text.map(|text| (1, text));
        match self {
            Self::Word | Self::Secret => one(Some(word.to_owned())),
            Self::Host => one(is_host(word).then(|| word.to_owned())),
            Self::Url => one(is_url(word).then(|| word.to_owned())),
            Self::Line => Some((line.words.len() - at, line.rest(at)?.to_owned())),
            Self::Number(low, high) => {
                let number = word.parse::<u32>().ok().filter(|number| (low..=high).contains(number));
                one(number.map(|number| number.to_string()))
            }
            Self::Ipv4 => one(canonical::<Ipv4Addr>(word)),
            Self::Ipv6 => one(canonical::<Ipv6Addr>(word)),
            Self::Ip => one(canonical::<IpAddr>(word)),
            Self::Mask => one(canonical::<Mask>(word)),
            Self::Network6 => one(canonical::<Network6>(word)),
            Self::Rd => one(canonical::<Rd>(word)),
            Self::Label => one(canonical::<LabelValue>(word)),
            Self::Protocol4 => one(canonical::<Protocol4>(word)),
            Self::Protocol6 => one(canonical::<Protocol6>(word)),
            Self::Name(Noun::Interface) => interface(line, at),
            // An address in the place of a name is a slip: let another argument have it.
            Self::Name(_) => one(word.parse::<IpAddr>().is_err().then(|| word.to_owned())),
            Self::Endpoint4 => endpoint::<Endpoint4>(line, at),
            Self::Endpoint6 => endpoint::<Endpoint6>(line, at),
            Self::Ports => ports(line, at),
            Self::Network4 => one(canonical::<Network4>(word)),
            Self::Asn => one(canonical::<Asn>(word)),
            Self::Asns => several(line, at, 1, canonical::<Asn>),
            Self::Numbers => several(line, at, 1, canonical::<u32>),
            Self::Communities => several(line, at, 1, canonical::<CommunityText>),
            Self::Targets => several(line, at, 1, canonical::<Rd>),
            Self::Extended => several(line, at, 2, canonical::<ExtendedText>),
        }
    }

    /// For "expected …".
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Word => "a word",
            Self::Line => "text",
            Self::Number(low, high) => return format!("a number from {low} to {high}"),
            Self::Ipv4 => "an IPv4 address",
            Self::Ipv6 => "an IPv6 address",
            Self::Ip => "an IPv4 or IPv6 address",
            Self::Mask => "a network mask such as 255.255.255.0",
            Self::Network6 => "an IPv6 prefix such as 2001:db8::/64",
            Self::Rd => "ASN:NN or A.B.C.D:NN",
            Self::Secret => "the key",
            Self::Host => "a host name",
            Self::Url => "a URL such as http://host/path",
            Self::Name(Noun::Vrf) => "a VRF name",
            Self::Name(Noun::Interface) => "an interface name",
            Self::Name(Noun::AccessList) => "an access list's name or number",
            Self::Name(Noun::Keyring) => "a keyring's name",
            Self::Name(Noun::Profile) => "an ISAKMP profile's name",
            Self::Name(Noun::TransformSet) => "a transform set's name",
            Self::Name(Noun::CryptoMap) => "a crypto map's name",
            Self::Name(Noun::DynamicMap) => "a dynamic map's name",
            Self::Name(Noun::IpsecProfile) => "an IPsec profile's name",
            Self::Name(Noun::Trustpoint) => "a trustpoint's name",
            Self::Name(Noun::CertificateMap) => "a certificate map's name",
            Self::Name(Noun::Identity) => "the name of a `crypto identity`",
            Self::Name(Noun::Ikev2Proposal) => "an IKEv2 proposal's name",
            Self::Name(Noun::Ikev2Keyring) => "an IKEv2 keyring's name",
            Self::Name(Noun::Ikev2Profile) => "an IKEv2 profile's name",
            Self::Protocol4 | Self::Protocol6 => "a protocol's name or number",
            Self::Endpoint4 => "any, `host ADDRESS`, or an IPv4 address and its wildcard",
            Self::Endpoint6 => "any, `host ADDRESS`, or an IPv6 prefix",
            Self::Ports => "eq, neq, lt, gt or range with ports",
            Self::Label => "a label (16 to 1048575, explicit-null or implicit-null)",
            Self::Network4 => "an IPv4 prefix such as 192.0.2.0/24",
            Self::Asn => "an AS number, plain or as H.L",
            Self::Asns => "AS numbers, plain or as H.L",
            Self::Numbers => "numbers",
            Self::Communities => "communities such as 65000:1, 1:2:3 or no-export",
            Self::Targets => "route targets such as 65000:1",
            Self::Extended => "`rt` or `soo` with ASN:NN or A.B.C.D:NN",
            Self::Name(Noun::RouteMap) => "a route map's name",
            Self::Name(Noun::PrefixList | Noun::PrefixList4 | Noun::PrefixList6) => "a prefix list's name",
            Self::Name(Noun::CommunityList) => "a community list's name",
            Self::Name(Noun::ExtendedList) => "an extended community list's name",
            Self::Name(Noun::PeerGroup) => "a peer group's name",
            Self::Name(Noun::BfdTemplate) => "a BFD template's name",
        }
        .to_owned()
    }
}

/// It has a letter, so that no mistyped address passes for a name.
fn is_host(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    word.len() <= 253 && word.chars().all(fits) && word.chars().any(|c| c.is_ascii_alphabetic())
}

fn is_url(word: &str) -> bool {
    let after =
        word.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://")).and_then(|_| word.get(7..));
    after.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

fn canonical<T: FromStr + Display>(word: &str) -> Option<String> {
    word.parse::<T>().ok().map(|value| value.to_string())
}

/// `Ethernet1/1`, or in two words `Ethernet 1/1`.
fn interface(line: &Line<'_>, at: usize) -> Option<(usize, String)> {
    let first = line.words.get(at)?.text;
    if let Some(second) = line.words.get(at + 1)
        && let Some(name) = InterfaceName::of_two_words(first, second.text)
    {
        return Some((2, name.to_string()));
    }
    canonical::<InterfaceName>(first).map(|name| (1, name))
}

/// One word, or two if one is not enough.
fn endpoint<T: FromStr + Display>(line: &Line<'_>, at: usize) -> Option<(usize, String)> {
    let first = line.words.get(at)?.text;
    if let Some(text) = canonical::<T>(first) {
        return Some((1, text));
    }
    let second = line.words.get(at + 1)?.text;
    canonical::<T>(&format!("{first} {second}")).map(|text| (2, text))
}

/// As many items of so many words each as there are, at least one.
fn several(
    line: &Line<'_>,
    at: usize,
    words: usize,
    item: fn(&str) -> Option<String>,
) -> Option<(usize, String)> {
    let rest = line.words.get(at..)?.chunks_exact(words);
    let texts = rest.map_while(|words| {
        let words: Vec<_> = words.iter().map(|word| word.text).collect();
        item(&words.join(" "))
    });
    let items: Vec<_> = texts.collect();
    (!items.is_empty()).then(|| (items.len() * words, items.join(" ")))
}

fn ports(line: &Line<'_>, at: usize) -> Option<(usize, String)> {
    let operator = line.words.get(at)?.text.to_ascii_lowercase();
    let port = |index: usize| line.words.get(index)?.text.parse::<Port>().ok();
    let first = port(at + 1)?;
    let full = ["eq", "neq", "lt", "gt"].into_iter().find(|known| *known == operator);
    if let Some(operator) = full {
        return Some((2, format!("{operator} {first}")));
    }
    (operator.len() >= 2 && "range".starts_with(&operator))
        .then(|| Some((3, format!("range {first} {}", port(at + 2)?))))?
}
