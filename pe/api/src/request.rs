//! Questions and orders. VRFs and interfaces go by name; no VRF is the global table.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    ShowIsakmpSa,
    ShowIsakmpProfile,
    ShowIsakmpKey,
    ShowIsakmpPolicy,
    ShowIpsecSa(SaFilter),
    ShowSession,
    ShowRoutes {
        vrf: Option<String>,
        ipv6: bool,
    },
    ShowVrfs,
    ShowMplsForwarding {
        vrf: Option<String>,
    },
    ShowInterfaces {
        name: Option<String>,
    },
    ShowDrops,
    /// Secrets hidden.
    ShowRunningConfig,
    ShowLog,
    Clear(ClearSa),
    Debug {
        topic: DebugTopic,
        on: bool,
    },
    Trace(Trace),
    /// Read the configuration file again and apply the difference.
    Reload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DebugTopic {
    All,
    Isakmp,
    Ipsec,
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
