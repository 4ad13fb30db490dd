//! Why bytes are not what they should be.

use core::fmt;

/// The only error of a parser or an `emit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than the header needs; of an `emit`: the buffer is too small.
    Truncated,
    /// Not the protocol version asked for.
    Version,
    /// A length field contradicts the header or the bytes at hand.
    Length,
    /// More IPv6 extension headers than anyone needs.
    Chain,
    /// Flags that say something nobody here knows.
    Flags,
    /// The bytes are not those that were summed.
    Checksum,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated",
            Self::Version => "wrong version",
            Self::Length => "length field does not fit",
            Self::Chain => "too many extension headers",
            Self::Flags => "unknown flags",
            Self::Checksum => "wrong checksum",
        })
    }
}

impl core::error::Error for Malformed {}
