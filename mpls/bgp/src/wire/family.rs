//! AFI and SAFI numbers of our address families.

use rustbgpd_wire::{Afi, Safi};

use crate::io::AddressFamily;

pub(super) const fn codec(family: AddressFamily) -> (Afi, Safi) {
    match family {
        AddressFamily::Ipv4Unicast => (Afi::Ipv4, Safi::Unicast),
        AddressFamily::Ipv6Unicast => (Afi::Ipv6, Safi::Unicast),
        AddressFamily::Ipv4Labeled => (Afi::Ipv4, Safi::LabeledUnicast),
        AddressFamily::Ipv6Labeled => (Afi::Ipv6, Safi::LabeledUnicast),
        AddressFamily::Vpnv4 => (Afi::Ipv4, Safi::MplsVpn),
        AddressFamily::Vpnv6 => (Afi::Ipv6, Safi::MplsVpn),
        AddressFamily::RouteTarget => (Afi::Ipv4, Safi::RtConstrain),
    }
}

pub(super) const fn numbers(family: AddressFamily) -> (u16, u8) {
    let (afi, safi) = codec(family);
    (afi as u16, safi as u8)
}

pub(super) fn known(afi: u16, safi: u8) -> Option<AddressFamily> {
    AddressFamily::ALL.into_iter().find(|&family| numbers(family) == (afi, safi))
}

/// What stands in the routes of a family beside the address.
impl AddressFamily {
    /// Whether its addresses, not its next hops, are of IPv6.
    pub(super) const fn is_v6(self) -> bool {
        matches!(self, Self::Ipv6Unicast | Self::Ipv6Labeled | Self::Vpnv6)
    }

    pub(crate) const fn is_vpn(self) -> bool {
        matches!(self, Self::Vpnv4 | Self::Vpnv6)
    }

    pub(super) const fn is_labelled(self) -> bool {
        matches!(self, Self::Ipv4Labeled | Self::Ipv6Labeled | Self::Vpnv4 | Self::Vpnv6)
    }
}
