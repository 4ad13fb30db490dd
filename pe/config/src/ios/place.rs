//! Levels of the language, the places that stand on them, and the kinds of things that have names.

use bgp::AddressFamily;

/// A set of commands that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Global,
    Vrf,
    /// `address-family` under a VRF; the place's number is 4 or 6.
    Family,
    Interface,
    AccessList,
    AccessList6,
    Policy,
    Keyring,
    /// The place's name is the address and, after a space, the VRF.
    IsakmpPeer,
    Profile,
    TransformSet,
    IpsecProfile,
    MapEntry,
    DynamicEntry,
    Trustpoint,
    CertificateMap,
    Identity,
    Ikev2Proposal,
    Ikev2Policy,
    Ikev2Keyring,
    /// The place's name is the keyring's and, after a space, the peer's.
    Ikev2Peer,
    Ikev2Profile,
    Bgp,
    /// `address-family ipv4|ipv6`; the place's number is 4 or 6.
    BgpUnicast,
    /// `address-family vpnv4|vpnv6|rtfilter`; the place's number is 4, 6 or 0.
    BgpVpn,
    /// `address-family ipv4|ipv6 vrf V`; the place's name is the VRF, its number 4 or 6.
    BgpVrf,
    RouteMap,
    LdpLabel,
    BfdTemplate,
}

impl Level {
    pub(crate) const ALL: [Self; 29] = [
        Self::Global,
        Self::Vrf,
        Self::Family,
        Self::Interface,
        Self::AccessList,
        Self::AccessList6,
        Self::Policy,
        Self::Keyring,
        Self::IsakmpPeer,
        Self::Profile,
        Self::TransformSet,
        Self::IpsecProfile,
        Self::MapEntry,
        Self::DynamicEntry,
        Self::Trustpoint,
        Self::CertificateMap,
        Self::Identity,
        Self::Ikev2Proposal,
        Self::Ikev2Policy,
        Self::Ikev2Keyring,
        Self::Ikev2Peer,
        Self::Ikev2Profile,
        Self::Bgp,
        Self::BgpUnicast,
        Self::BgpVpn,
        Self::BgpVrf,
        Self::RouteMap,
        Self::LdpLabel,
        Self::BfdTemplate,
    ];

    /// The command under which the level's commands stand.
    pub(crate) const fn head(self) -> &'static str {
        match self {
            Self::Global => "the top level",
            Self::Vrf => "`ip vrf NAME` or `vrf definition NAME`",
            Self::Family => "`address-family ipv4|ipv6`",
            Self::Interface => "`interface NAME`",
            Self::AccessList => "`ip access-list extended NAME`",
            Self::AccessList6 => "`ipv6 access-list NAME`",
            Self::Policy => "`crypto isakmp policy N`",
            Self::Keyring => "`crypto keyring NAME`",
            Self::IsakmpPeer => "`crypto isakmp peer address A`",
            Self::Profile => "`crypto isakmp profile NAME`",
            Self::TransformSet => "`crypto ipsec transform-set NAME …`",
            Self::IpsecProfile => "`crypto ipsec profile NAME`",
            Self::MapEntry => "`crypto map NAME SEQ ipsec-isakmp`",
            Self::DynamicEntry => "`crypto dynamic-map NAME SEQ`",
            Self::Trustpoint => "`crypto pki trustpoint NAME`",
            Self::CertificateMap => "`crypto pki certificate map NAME SEQ`",
            Self::Identity => "`crypto identity NAME`",
            Self::Ikev2Proposal => "`crypto ikev2 proposal NAME`",
            Self::Ikev2Policy => "`crypto ikev2 policy NAME`",
            Self::Ikev2Keyring => "`crypto ikev2 keyring NAME`",
            Self::Ikev2Peer => "`peer NAME` under `crypto ikev2 keyring NAME`",
            Self::Ikev2Profile => "`crypto ikev2 profile NAME`",
            Self::Bgp => "`router bgp ASN`",
            Self::BgpUnicast => "`address-family ipv4|ipv6` under `router bgp`",
            Self::BgpVpn => "`address-family vpnv4|vpnv6` under `router bgp`",
            Self::BgpVrf => "`address-family ipv4|ipv6 vrf V` under `router bgp`",
            Self::RouteMap => "`route-map NAME permit|deny SEQ`",
            Self::LdpLabel => "`mpls ldp label`",
            Self::BfdTemplate => "`bfd-template multi-hop NAME`",
        }
    }
}

/// A level and which object of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) level: Level,
    pub(crate) name: String,
    /// Priority, sequence number or address family, where the name is not all.
    pub(crate) number: u32,
}

impl Place {
    pub(crate) const GLOBAL: Self = Self { level: Level::Global, name: String::new(), number: 0 };

    pub(crate) fn at(level: Level, name: impl Into<String>) -> Self {
        Self { level, name: name.into(), number: 0 }
    }

    pub(crate) fn numbered(level: Level, name: impl Into<String>, number: u32) -> Self {
        Self { level, name: name.into(), number }
    }

    /// Where `exit` leads; `None` at the top.
    pub(crate) fn parent(&self) -> Option<Self> {
        match self.level {
            Level::Global => None,
            Level::Family => Some(Self::at(Level::Vrf, &self.name)),
            Level::Ikev2Peer => Some(Self::at(Level::Ikev2Keyring, self.names().0)),
            Level::BgpUnicast | Level::BgpVpn | Level::BgpVrf => Some(Self::at(Level::Bgp, "")),
            Level::Vrf
            | Level::Interface
            | Level::AccessList
            | Level::AccessList6
            | Level::Policy
            | Level::Keyring
            | Level::IsakmpPeer
            | Level::Profile
            | Level::TransformSet
            | Level::IpsecProfile
            | Level::MapEntry
            | Level::DynamicEntry
            | Level::Trustpoint
            | Level::CertificateMap
            | Level::Identity
            | Level::Ikev2Proposal
            | Level::Ikev2Policy
            | Level::Ikev2Keyring
            | Level::Ikev2Profile
            | Level::Bgp
            | Level::RouteMap
            | Level::LdpLabel
            | Level::BfdTemplate => Some(Self::GLOBAL),
        }
    }

    /// Which address family of BGP it is, or is in; under `router bgp` itself IPv4.
    pub(crate) fn bgp_family(&self) -> (AddressFamily, Option<String>) {
        let vrf = (self.level == Level::BgpVrf).then(|| self.name.clone());
        let family = match (self.level, self.number) {
            (Level::BgpVpn, 4) => AddressFamily::Vpnv4,
            (Level::BgpVpn, 6) => AddressFamily::Vpnv6,
            (Level::BgpVpn, _) => AddressFamily::RouteTarget,
            (_, 6) => AddressFamily::Ipv6Unicast,
            _ => AddressFamily::Ipv4Unicast,
        };
        (family, vrf)
    }

    /// The two names of a place that has two. Names are words: none has a space.
    pub(crate) fn names(&self) -> (&str, Option<&str>) {
        match self.name.split_once(' ') {
            Some((first, second)) => (first, Some(second)),
            None => (&self.name, None),
        }
    }
}

/// Kinds of things that commands refer to by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Noun {
    Vrf,
    Interface,
    AccessList,
    Keyring,
    Profile,
    TransformSet,
    CryptoMap,
    DynamicMap,
    IpsecProfile,
    Trustpoint,
    CertificateMap,
    Identity,
    Ikev2Proposal,
    Ikev2Keyring,
    Ikev2Profile,
    RouteMap,
    /// Of either family.
    PrefixList,
    PrefixList4,
    PrefixList6,
    CommunityList,
    ExtendedList,
    PeerGroup,
    BfdTemplate,
}

impl Noun {
    pub(crate) const fn called(self) -> &'static str {
        match self {
            Self::Vrf => "VRF",
            Self::Interface => "interface",
            Self::AccessList => "access list",
            Self::Keyring => "keyring",
            Self::Profile => "ISAKMP profile",
            Self::TransformSet => "transform set",
            Self::CryptoMap => "crypto map",
            Self::DynamicMap => "dynamic map",
            Self::IpsecProfile => "IPsec profile",
            Self::Trustpoint => "trustpoint",
            Self::CertificateMap => "certificate map",
            Self::Identity => "`crypto identity`",
            Self::Ikev2Proposal => "IKEv2 proposal",
            Self::Ikev2Keyring => "IKEv2 keyring",
            Self::Ikev2Profile => "IKEv2 profile",
            Self::RouteMap => "route map",
            Self::PrefixList => "prefix list",
            Self::PrefixList4 => "IPv4 prefix list",
            Self::PrefixList6 => "IPv6 prefix list",
            Self::CommunityList => "community list",
            Self::ExtendedList => "extended community list",
            Self::PeerGroup => "peer group",
            Self::BfdTemplate => "BFD template",
        }
    }
}
