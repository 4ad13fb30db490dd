//! Why an SA cannot be used, and why a packet was refused.

use core::fmt;

/// The keys are not of the suite's lengths, or the suite would not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKey;

/// Why a packet was neither sealed nor opened; its name is the counter's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Too short to be an ESP packet of this suite.
    Truncated,
    /// The ciphertext is not whole blocks.
    Misaligned,
    /// This sequence number was taken before.
    Replayed,
    /// The sequence number lies left of the window.
    TooOld,
    /// The ICV does not fit the packet: it was changed, or sealed with another key.
    Unauthentic,
    /// It is authentic, but the padding is not 1, 2, 3… or longer than the packet.
    BadPadding,
    /// Every sequence number was used; only a new SA helps.
    SequenceExhausted,
    /// The SA carried as many bytes as the peers agreed to; only a new SA helps.
    VolumeExhausted,
    /// The buffer has no room for headers before or a trailer after the payload: the caller's fault.
    NoRoom,
}

impl Refusal {
    pub const ALL: [Self; 9] = [
        Self::Truncated,
        Self::Misaligned,
        Self::Replayed,
        Self::TooOld,
        Self::Unauthentic,
        Self::BadPadding,
        Self::SequenceExhausted,
        Self::VolumeExhausted,
        Self::NoRoom,
    ];

    /// As counters and logs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Misaligned => "misaligned",
            Self::Replayed => "replayed",
            Self::TooOld => "too-old",
            Self::Unauthentic => "unauthentic",
            Self::BadPadding => "bad-padding",
            Self::SequenceExhausted => "sequence-exhausted",
            Self::VolumeExhausted => "volume-exhausted",
            Self::NoRoom => "no-room",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys that do not fit the suite, or a suite without integrity")
    }
}

impl core::error::Error for Refusal {}
impl core::error::Error for BadKey {}
