//! Names that travel between domains as numbers.

use core::fmt;

/// A VRF, in which every address lives. Zero is the global table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VrfId(pub u32);

impl VrfId {
    pub const GLOBAL: Self = Self(0);
}

/// An interface of the box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u32);

/// One unidirectional security association, as the box numbers it (not its SPI).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaId(pub u32);

/// One crypto-map entry as it stands on one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(pub u32);

/// A Security Parameter Index, RFC 4303 section 2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

/// An MPLS label: 20 bits, RFC 3032 section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(u32);

impl Label {
    pub const IPV4_EXPLICIT_NULL: Self = Self(0);
    pub const ROUTER_ALERT: Self = Self(1);
    pub const IPV6_EXPLICIT_NULL: Self = Self(2);
    pub const IMPLICIT_NULL: Self = Self(3);
    /// The first label that is not reserved, RFC 3032 section 2.1.
    pub const FIRST: Self = Self(16);
    pub const LAST: Self = Self(0xF_FFFF);

    /// `None` if `value` does not fit 20 bits.
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::LAST.0 { Some(Self(value)) } else { None }
    }

    pub const fn value(self) -> u32 {
        self.0
    }

    pub const fn is_reserved(self) -> bool {
        self.0 < Self::FIRST.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
