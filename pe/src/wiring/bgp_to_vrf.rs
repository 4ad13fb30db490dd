//! Routes of BGP become candidates of the VRFs that take them in.

use base::VrfId;
use bgp::{Change, Exit, Route};
use vrf::{Candidate, Source};

use crate::routing::{NextHop, Routing, Target};

/// BGP has one route for a prefix, or none any more.
pub(crate) fn change(routing: &mut Routing, change: &Change) {
    let route = change.route.filter(|route| !loses_vrf(change.vrf, route));
    let candidate = route.map(|route| candidate(change.vrf, route));
    routing.replace(change.vrf, change.prefix, Source::Bgp, candidate);
}

/// Labels of fixed meaning say nothing of a VRF: what left under one, or under none, would come out in another table.
fn loses_vrf(vrf: VrfId, route: &Route) -> bool {
    vrf != VrfId::GLOBAL && matches!(route.to, Exit::Labelled { label, .. } if label.is_reserved())
}

const fn candidate(vrf: VrfId, route: Route) -> Candidate<Target> {
    let to = match route.to {
        Exit::Gateway(gateway) => Target::Through(NextHop::In(vrf, gateway)),
        Exit::Labelled { next_hop, label } => Target::Labelled(NextHop::In(VrfId::GLOBAL, next_hop), label),
        Exit::Vrf(other) => Target::Vrf(other),
    };
    let Route { distance, metric, tag, .. } = route;
    Candidate { distance, metric, source: Source::Bgp, to, tag }
}
