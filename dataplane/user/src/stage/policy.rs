//! A packet on its way out of a port with a crypto map, or into a tunnel: sealed, clear or dead.

use base::PolicyId;
use dataplane::Event;
use ipsec::{Flow, Policy, Verdict};
use wire::ip::Packet;

use crate::graph::{Next, Seal, Walk};
use crate::header::Header;
use crate::spd::Lines;
use crate::tables::Out;
use crate::{Drop, Frame};

/// The port's entries for the packet's VRF, as far as they speak of its destination.
pub(crate) fn lines<'t>(walk: &Walk<'t, '_>, frame: &Frame, out: Out<'t>) -> Option<&'t Lines> {
    walk.tables.lines(out.port.id, frame.vrf, Header::of(frame.bytes())?.dst)
}

/// The entries in order. If none speaks of the packet, only what is of the port's own VRF leaves in clear.
pub(crate) fn run<'t>(
    walk: &mut Walk<'t, '_>,
    frame: &mut Frame,
    out: Out<'t>,
    lines: Option<&'t Lines>,
) -> Next<'t> {
    let Some(flow) = outbound_flow(frame) else { return Drop::Malformed.into() };
    match lines.and_then(|lines| walk.tables.judge(lines, &flow)) {
        Some(ruling) => protect(walk, frame, ruling.policy, ruling.verdict, flow),
        None if frame.vrf == out.port.vrf => Next::Fit(out),
        None => Drop::OutsidePolicy.into(),
    }
}

/// A tunnel's policy protects everything that it permits, and nothing else may enter.
pub(crate) fn tunnel<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, id: PolicyId) -> Next<'t> {
    let Some(flow) = outbound_flow(frame) else { return Drop::Malformed.into() };
    match walk.tables.policy(id).filter(|policy| policy.inside == frame.vrf) {
        Some(policy) => protect(walk, frame, policy, policy.judge(&flow), flow),
        None => Drop::OutsidePolicy.into(),
    }
}

fn protect<'t>(
    walk: &mut Walk<'t, '_>,
    frame: &Frame,
    policy: &'t Policy,
    verdict: Verdict,
    flow: Flow,
) -> Next<'t> {
    debug_assert_eq!(policy.inside, frame.vrf);
    match verdict {
        Verdict::Seal(sa) => Next::EspEncap(Seal { policy, sa }),
        Verdict::Acquire(rule) => {
            if walk.state.limits.acquire.allows((policy.id, rule), walk.now) {
                walk.state.tell(Event::Acquire { policy: policy.id, rule, flow });
            }
            Drop::NoSaYet.into()
        }
        Verdict::Pass => Drop::OutsidePolicy.into(),
    }
}

#[inline(always)]
fn outbound_flow(frame: &Frame) -> Option<Flow> {
    let flow = Packet::new_checked(frame.bytes()).ok()?.flow().ok()?;
    Some(Flow {
        local: flow.src,
        remote: flow.dst,
        protocol: flow.protocol,
        local_port: flow.src_port,
        remote_port: flow.dst_port,
    })
}
