//! Questions and orders. VRFs and interfaces go by name; no VRF is the global table.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    ShowIsakmpSa,
    ShowIsakmpProfile,
    ShowIsakmpKey,
    ShowIsakmpPolicy,
    /// Peers that are opened in aggressive mode.
    ShowIsakmpPeers,
    ShowIkev2Sas,
    ShowIkev2Proposals,
    ShowIkev2Policies,
    ShowIkev2Profiles,
    ShowIkev2Statistics,
    ShowIpsecSa(SaFilter),
    ShowSession,
    /// Why a peer is up, or is not: what happened, who is to blame, what to change. No front VRF: all of them.
    Explain {
        remote: IpAddr,
        front: Option<String>,
    },
    ShowCryptoMaps {
        name: Option<String>,
    },
    ShowDynamicMaps {
        name: Option<String>,
    },
    ShowIdentities,
    ShowCallAdmission,
    ShowTrustpoints,
    ShowCertificates,
    ShowCrls,
    ShowRoutes {
        vrf: Option<String>,
        ipv6: bool,
    },
    /// The route that packets to an address or a network take. `destination`: either.
    ShowRoute {
        vrf: Option<String>,
        destination: String,
    },
    ShowVrfs,
    ShowMplsForwarding {
        vrf: Option<String>,
    },
    /// `show bgp …`, `show ip bgp …`: routes with all their paths.
    ShowBgp {
        scope: BgpScope,
        what: BgpWhat,
    },
    /// No scope: every family and VRF.
    ShowBgpSummary {
        scope: Option<BgpScope>,
    },
    ShowBgpNeighbors {
        scope: Option<BgpScope>,
        address: Option<IpAddr>,
    },
    /// `peer`: its router id or an address of its.
    ShowLdpNeighbors {
        peer: Option<IpAddr>,
    },
    ShowLdpBindings,
    ShowLdpDiscovery,
    ShowBfd,
    /// Routes that tunnels hold up.
    ShowCryptoRoutes,
    ShowRouteMaps {
        name: Option<String>,
    },
    ShowPrefixLists {
        name: Option<String>,
        ipv6: bool,
    },
    /// The next page of a long answer: what stands behind `after`, as the page before said in `more`.
    More {
        of: Box<Self>,
        after: String,
    },
    ShowInterfaces {
        name: Option<String>,
    },
    ShowDrops,
    ShowDataplane,
    /// Secrets hidden.
    ShowRunningConfig,
    ShowLog,
    Clear(ClearSa),
    ClearBgp {
        /// `None`: an address is one of the global table; all, and those of an AS, are meant in every VRF.
        vrf: Option<String>,
        /// Of all, and of an AS: those that `show bgp FAMILY summary` lists.
        family: Option<BgpFamily>,
        neighbors: BgpNeighbors,
        how: ClearBgp,
    },
    /// One session by router id, or all.
    ClearLdp {
        peer: Option<Ipv4Addr>,
    },
    Debug {
        topic: DebugTopic,
        on: bool,
    },
    Trace(Trace),
    /// Read the configuration file again and apply the difference.
    Reload,
    /// `key config-key password-encryption`: the master key of type 6; `new: None` takes it away.
    MasterKey {
        old: Option<Hidden>,
        new: Option<Hidden>,
    },
    /// Whether there is a master key already.
    ShowMasterKey,
    /// `write memory`: keys in the configuration file become type 6, where that is switched on.
    Write,
}

/// Text that no log may show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DebugTopic {
    All,
    /// IKE of both versions is debugged together.
    Isakmp,
    Ikev2,
    Ipsec,
    /// Sessions and routes.
    Bgp,
    Ldp,
}

/// Tables of BGP: of a family, all or some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpScope {
    pub family: BgpFamily,
    pub tables: BgpTables,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BgpFamily {
    Ipv4,
    Ipv6,
    Vpnv4,
    Vpnv6,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BgpTables {
    /// Of `Ipv4` and `Ipv6` the global table, of the VPN families every route distinguisher.
    All,
    Rd(String),
    Vrf(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BgpWhat {
    All,
    /// A network, or an address: then the longest that holds it.
    Prefix(String),
    /// What was taken in from a neighbour.
    From(IpAddr),
    /// What a neighbour is told.
    To(IpAddr),
    /// What a neighbour sent, before any policy: that is not kept.
    Received(IpAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BgpNeighbors {
    All,
    Address(IpAddr),
    As(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClearBgp {
    /// The session ends and comes back.
    Hard,
    SoftIn,
    SoftOut,
    /// Both ways.
    Soft,
}

/// `show crypto ipsec sa [vrf V | peer [vrf F] A | interface I | map M]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaFilter {
    #[default]
    All,
    /// By inside VRF.
    Inside(String),
    /// By front VRF and outer address.
    Peer {
        front: Option<String>,
        address: IpAddr,
    },
    Interface(String),
    Map(String),
}

/// `clear crypto sa …` takes children, `clear crypto session …` and `clear crypto isakmp` phase 1 too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClearSa {
    /// Children, chosen as in `show crypto ipsec sa`.
    Sa(SaFilter),
    /// `clear crypto sa spi A esp SPI`.
    Spi {
        address: IpAddr,
        spi: u32,
    },
    Counters,
    /// Sessions with everything under them; `None`: all.
    Session {
        remote: Option<IpAddr>,
        front: Option<String>,
    },
    /// One phase 1 SA by connection id; `None`: all.
    Isakmp {
        connection: Option<u32>,
    },
    /// SAs of version 2.
    Ikev2(Ikev2Filter),
    /// What call admission control counted.
    CallAdmission,
    /// Revocation lists that were fetched.
    Crls,
}

/// `clear crypto ikev2 sa [local A | remote A | fvrf V | psh ID]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ikev2Filter {
    #[default]
    All,
    Local(IpAddr),
    Remote(IpAddr),
    Front(String),
    Id(u32),
}

/// `trace packet vrf V SRC DST [PROTOCOL [SPORT DPORT]] [size N]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    pub vrf: Option<String>,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub source_port: u16,
    pub destination_port: u16,
    pub size: u16,
}
