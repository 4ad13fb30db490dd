//! How ESP travels: as IP protocol 50, or in UDP through a NAT (RFC 3948).

/// The outer encapsulation of an SA's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encap {
    /// IP protocol 50.
    Esp,
    /// UDP, with our port and the peer's (the NAT's) port.
    Udp { local: u16, remote: u16 },
}

impl Encap {
    /// Bytes between the outer IP header and the ESP header.
    pub const fn overhead(self) -> usize {
        match self {
            Self::Esp => 0,
            Self::Udp { .. } => 8,
        }
    }
}
