//! How large a packet an XFRM interface takes, so that its ESP packet fits the port: RFC 4303 section 2.

use std::net::IpAddr;

use ipsec::{Cipher, Fragmentation, Integrity, Mode, Sa, Suite};

/// What is assumed of a port that is not there.
pub(crate) const ETHERNET: u32 = 1500;

/// The shapes of all SAs that a carrier ever had: what stands before ESP in bytes, and the suite.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room(Vec<(usize, Suite)>);

/// What is assumed before there is an SA.
const USUAL: (usize, Suite) = (IPV4, Suite { cipher: Cipher::AesCbc(128), integrity: Integrity::Sha256 });
const IPV4: usize = 20;
const IPV6: usize = 40;
/// IPv6 needs so much.
const LEAST: u32 = 1280;

impl Room {
    /// Takes an SA into account; whether its shape is new.
    pub(crate) fn narrow(&mut self, sa: &Sa) -> bool {
        let header = match (sa.mode, sa.remote) {
            (Mode::Transport, _) => 0,
            (Mode::Tunnel, IpAddr::V4(_)) => IPV4,
            (Mode::Tunnel, IpAddr::V6(_)) => IPV6,
        };
        let shape = (header + sa.encap.overhead(), sa.suite);
        let is_new = !self.0.contains(&shape);
        if is_new {
            self.0.push(shape);
        }
        is_new
    }

    /// The MTU of the XFRM interface on a port of MTU `port`.
    pub(crate) fn inside(&self, port: u32, fragmentation: Fragmentation) -> u32 {
        if fragmentation == Fragmentation::AfterEncryption {
            return port;
        }
        let whole = usize::try_from(port).unwrap_or(usize::MAX);
        let room = |(header, suite): &(usize, Suite)| suite.payload_for(whole.saturating_sub(*header));
        let least = self.0.iter().map(room).min().unwrap_or_else(|| room(&USUAL));
        u32::try_from(least).unwrap_or(port).max(LEAST.min(port))
    }
}
