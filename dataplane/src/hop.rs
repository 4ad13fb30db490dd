//! Where a lookup leads: one type joins the FIB, the label table and tunnels.

use std::net::IpAddr;

use base::{Label, PolicyId, PortId, VrfId};

use crate::Labels;

/// What happens next to a packet whose destination or label was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// For this box.
    Local,
    /// A route to nowhere (`Null0`), counted.
    Drop,
    /// Out of a port. `gateway` is `None` on a connected route: the destination itself is the next hop.
    /// `push` is the label stack, outermost first; empty or implicit null: plain IP.
    Out { port: PortId, gateway: Option<IpAddr>, push: Labels },
    /// Into a tunnel interface, whose policy protects everything.
    Protect(PolicyId),
    /// Look the destination up again in another VRF.
    Lookup(VrfId),
}

/// What to do with a packet whose top label is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelAction {
    /// Remove the label; look the packet up in the VRF.
    PopTo(VrfId),
    /// Replace the label, then go on. With implicit null the label is removed (penultimate hop popping).
    Swap(Label, Hop),
}
