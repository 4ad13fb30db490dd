//! Route targets, RFC 4360 section 4: which VPN routes a VRF takes in and gives out.

use core::fmt;
use core::str::FromStr;

use crate::rd::{InvalidRd, Rd};

/// Written and numbered like a route distinguisher, but another thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteTarget(pub Rd);

impl FromStr for RouteTarget {
    type Err = InvalidRd;

    fn from_str(text: &str) -> Result<Self, InvalidRd> {
        text.parse().map(Self)
    }
}

impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
