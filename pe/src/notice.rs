//! What an operator should know: one value, one log line, VRFs by name, with IOS's mnemonics where it has one.

mod network;
pub use network::Network;

use std::fmt;
use std::net::IpAddr;

use base::Spi;
use ike::{Blame, DownReason};

/// How loud a notice is; the number in the mnemonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Notification,
    Informational,
    Debugging,
}

/// A peer as it is known: `front` is the VRF of its address, `None` the global table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: IpAddr,
    /// UDP port, once an IKE SA tells it.
    pub port: Option<u16>,
    pub front: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Phase 1 came up.
    SessionUp {
        peer: Peer,
        inside: Option<String>,
        identity: String,
        profile: Option<String>,
        initiator: bool,
    },
    /// Phase 1 ended.
    SessionDown {
        peer: Peer,
        inside: Option<String>,
        identity: String,
        reason: DownReason,
    },
    /// A negotiation came to nothing; `detail` says what to change.
    Failed {
        peer: Peer,
        blame: Blame,
        what: &'static str,
        detail: String,
    },
    /// IKE packets were refused; told at the first, second, fourth, eighth … of a kind.
    Ignored {
        peer: Peer,
        blame: Blame,
        what: &'static str,
        times: u64,
    },
    /// A pair of SAs carries traffic; `rekeyed` where it takes over from another.
    ChildUp {
        peer: Peer,
        inside: Option<String>,
        flow: String,
        inbound: Spi,
        outbound: Spi,
        suite: String,
        rekeyed: bool,
    },
    ChildDown {
        peer: Peer,
        inside: Option<String>,
        inbound: Spi,
        reason: DownReason,
    },
    /// ESP from a peer with an SPI that nothing here holds.
    UnknownSpi {
        peer: Peer,
        local: IpAddr,
        spi: Spi,
    },
    /// An interface of the configuration cannot be used; `problem` says why.
    PortUnusable {
        interface: String,
        problem: String,
    },
    /// `ip mtu` is more than the device carries: the device's governs. In bytes.
    MtuTooLarge {
        interface: String,
        wanted: u16,
        device: u16,
    },
    Link {
        interface: String,
        up: bool,
    },
    /// A policy is not offered; `reason` says what it lacks and what to do.
    ProposalLeftOut {
        priority: u16,
        reason: &'static str,
    },
    /// A crypto-map entry cannot negotiate; it protects nothing.
    EntryIncomplete {
        interface: String,
        map: String,
        sequence: u32,
        missing: &'static str,
    },
    /// A route or label binding that leads nowhere at the moment.
    RouteUnusable {
        vrf: Option<String>,
        prefix: String,
        problem: String,
    },
    /// Of a routing protocol.
    Network(Network),
    Configured {
        ops: usize,
    },
    /// A configuration was not applied; nothing changed.
    Refused {
        reason: String,
    },
    /// Only while a `debug crypto` topic is on.
    Debug {
        text: String,
    },
}

impl Notice {
    pub const fn severity(&self) -> Severity {
        match self {
            Self::SessionUp { .. }
            | Self::SessionDown { .. }
            | Self::Link { .. }
            | Self::Configured { .. } => Severity::Notification,
            Self::ChildUp { .. } | Self::ChildDown { .. } => Severity::Informational,
            Self::Failed { .. }
            | Self::Ignored { .. }
            | Self::UnknownSpi { .. }
            | Self::PortUnusable { .. }
            | Self::MtuTooLarge { .. }
            | Self::ProposalLeftOut { .. }
            | Self::EntryIncomplete { .. }
            | Self::RouteUnusable { .. }
            | Self::Refused { .. } => Severity::Warning,
            Self::Network(network) => network.severity(),
            Self::Debug { .. } => Severity::Debugging,
        }
    }

    /// The facts as a structured log wants them, besides the line itself.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::SessionUp { peer, inside, identity, .. } => session_fields(peer, inside, identity),
            Self::SessionDown { peer, inside, identity, reason } => {
                let mut fields = session_fields(peer, inside, identity);
                fields.push(("reason", reason_text(*reason).to_owned()));
                fields
            }
            Self::Failed { peer, what, .. } | Self::Ignored { peer, what, .. } => {
                let mut fields = peer_fields(peer);
                fields.push(("reason", (*what).to_owned()));
                fields
            }
            Self::ChildUp { peer, inside, .. } | Self::ChildDown { peer, inside, .. } => {
                let mut fields = peer_fields(peer);
                fields.push(("ivrf", vrf(inside).to_owned()));
                fields
            }
            Self::UnknownSpi { peer, .. } => peer_fields(peer),
            Self::Network(network) => network.fields(),
            Self::PortUnusable { .. }
            | Self::MtuTooLarge { .. }
            | Self::Link { .. }
            | Self::ProposalLeftOut { .. }
            | Self::EntryIncomplete { .. }
            | Self::RouteUnusable { .. }
            | Self::Configured { .. }
            | Self::Refused { .. }
            | Self::Debug { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionUp { peer, inside, identity, profile, initiator } => {
                let role = if *initiator { "initiator" } else { "responder" };
                session(f, "UP", peer, inside, identity)?;
                write!(f, " Profile: {} Role: {role}", profile.as_deref().unwrap_or("(none)"))
            }
            Self::SessionDown { peer, inside, identity, reason } => {
                session(f, "DOWN", peer, inside, identity)?;
                write!(f, " Reason: {}", reason_text(*reason))
            }
            Self::Failed { peer, blame, what, detail } => {
                write!(f, "%CRYPTO-4-IKE_FAILED: {what} with {peer} ({}): {detail}", blame_text(*blame))
            }
            Self::Ignored { peer, blame, what, times } => {
                let blame = blame_text(*blame);
                write!(
                    f,
                    "%CRYPTO-4-IKMP_REFUSED: packet from {peer} refused: {what} ({blame}), {times} so far"
                )
            }
            Self::ChildUp { peer, inside, flow, inbound, outbound, suite, rekeyed } => {
                let how = if *rekeyed { "rekeyed" } else { "created" };
                write!(
                    f,
                    "%CRYPTO-6-IPSEC_SA_UP: SAs {how}. Peer {peer} ivrf: {} Flow: {flow} ",
                    vrf(inside)
                )?;
                write!(f, "Inbound spi: {inbound} Outbound spi: {outbound} Transform: {suite}")
            }
            Self::ChildDown { peer, inside, inbound, reason } => {
                write!(f, "%CRYPTO-6-IPSEC_SA_DOWN: SAs deleted. Peer {peer} ivrf: {} ", vrf(inside))?;
                write!(f, "Inbound spi: {inbound} Reason: {}", reason_text(*reason))
            }
            Self::UnknownSpi { peer, local, spi } => {
                write!(f, "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for ")?;
                write!(f, "destaddr={local}, prot=50, spi={spi}({}), srcaddr={peer}", spi.0)
            }
            Self::PortUnusable { interface, problem } => {
                write!(f, "%LINK-4-UNUSABLE: Interface {interface}: {problem}")
            }
            Self::MtuTooLarge { interface, wanted, device } => {
                write!(f, "%LINK-4-MTU: Interface {interface}: ip mtu {wanted} exceeds its device's; ")?;
                write!(f, "{device} is in force (raise the device's by `mtu {wanted}`)")
            }
            Self::Link { interface, up } => {
                let state = if *up { "up" } else { "down" };
                write!(f, "%LINK-3-UPDOWN: Interface {interface}, changed state to {state}")
            }
            Self::ProposalLeftOut { priority, reason } => {
                write!(f, "%CRYPTO-4-POLICY_LEFT_OUT: isakmp policy {priority} is not offered: {reason}")
            }
            Self::EntryIncomplete { interface, map, sequence, missing } => {
                write!(
                    f,
                    "%CRYPTO-4-MAP_INCOMPLETE: crypto map {map} {sequence} on {interface} lacks {missing}"
                )
            }
            Self::RouteUnusable { vrf, prefix, problem } => {
                write!(f, "%ROUTING-4-UNUSABLE: {prefix} in vrf {}: {problem}", self::vrf(vrf))
            }
            Self::Network(network) => network.fmt(f),
            Self::Configured { ops } => write!(f, "%SYS-5-CONFIG_I: Configured, {ops} changes"),
            Self::Refused { reason } => {
                write!(f, "%SYS-4-CONFIG_REFUSED: configuration not applied, nothing changed: {reason}")
            }
            Self::Debug { text } => f.write_str(text),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (address, None) => write!(f, "{address}")?,
            (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}")?,
            (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}")?,
        }
        write!(f, " fvrf: {}", vrf(&self.front))
    }
}

fn session(
    f: &mut fmt::Formatter<'_>,
    state: &str,
    peer: &Peer,
    inside: &Option<String>,
    identity: &str,
) -> fmt::Result {
    write!(
        f,
        "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is {state}. Peer {peer} ivrf: {} Id: {identity}",
        vrf(inside)
    )
}

fn session_fields(peer: &Peer, inside: &Option<String>, identity: &str) -> Vec<(&'static str, String)> {
    let mut fields = peer_fields(peer);
    fields.push(("ivrf", vrf(inside).to_owned()));
    fields.push(("identity", identity.to_owned()));
    fields
}

fn peer_fields(peer: &Peer) -> Vec<(&'static str, String)> {
    vec![("peer", peer.address.to_string()), ("fvrf", vrf(&peer.front).to_owned())]
}

/// As in `show crypto session detail`.
fn vrf(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or("(none)")
}

pub(crate) const fn blame_text(blame: Blame) -> &'static str {
    match blame {
        Blame::PeerMisbehaved => "the peer broke the protocol",
        Blame::PeerIncompatible => "the two ends do not agree",
        Blame::Refused => "refused by configuration",
        Blame::Malformed => "not a valid message",
        Blame::Local => "local trouble",
    }
}

const fn reason_text(reason: DownReason) -> &'static str {
    match reason {
        DownReason::Expired => "lifetime ended",
        DownReason::Exhausted => "volume or sequence numbers used up",
        DownReason::PeerDeleted => "deleted by peer",
        DownReason::InitialContact => "peer restarted (INITIAL-CONTACT)",
        DownReason::Cleared => "cleared",
        DownReason::Reconfigured => "configuration changed",
        DownReason::PeerSilent => "peer does not answer",
        DownReason::Superseded => "replaced by a rekey",
        DownReason::Idle => "idle",
    }
}
