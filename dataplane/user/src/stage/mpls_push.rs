//! The label stack goes on, bottom first (RFC 3032 section 2), with TTL by RFC 3443 and class by RFC 3270.

use dataplane::TtlModel;
use wire::mpls::Entry;

use crate::graph::{Next, Walk};
use crate::header::Header;
use crate::tables::Out;
use crate::{Drop, Frame};

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, out: Out<'t>) -> Next<'t> {
    let Some(header) = Header::of(frame.bytes()) else { return Drop::Malformed.into() };
    let model = walk.tables.vrf(frame.vrf).map(|vrf| vrf.ttl).unwrap_or_default();
    let ttl = match model {
        TtlModel::Uniform => header.ttl,
        TtlModel::Pipe => u8::MAX,
    };
    // The three class selector bits of the DSCP.
    let tc = header.tos >> 5;
    let mut bottom = true;
    for label in out.push().iter().rev() {
        if !frame.prepend(&Entry { label: *label, tc, bottom, ttl }.to_bytes()) {
            return Drop::LabelStack.into();
        }
        bottom = false;
    }
    frame.labelled = true;
    Next::Neighbour(out)
}
