//! The longest match for the destination in the packet's VRF.

use crate::graph::{Next, Trouble, Walk};
use crate::header::Header;
use crate::tables::Way;
use crate::{Drop, Frame, Origin};

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    let Some(header) = Header::of(frame.bytes()) else { return Drop::Malformed.into() };
    match walk.tables.way(frame.vrf, header.dst) {
        Way::Local(vrf) => {
            frame.vrf = vrf;
            Next::Local
        }
        // Labels keep a packet inside its VPN; what is sealed was judged before.
        Way::Out(out) if out.port.crypto && frame.origin != Origin::Sealed && out.push().is_empty() => {
            Next::Policy(out)
        }
        Way::Out(out) => Next::Fit(out),
        Way::Protect(policy) => Next::Tunnel(policy),
        Way::Drop => Drop::Discarded.into(),
        Way::NoPort => Drop::UnknownPort.into(),
        Way::None if walk.tables.vrf(frame.vrf).is_none() => Drop::UnknownVrf.into(),
        // Its sender is this box.
        Way::None if frame.origin == Origin::Wrapped => Drop::NoRoute.into(),
        Way::None => Next::Icmp(Trouble::NO_ROUTE),
    }
}
