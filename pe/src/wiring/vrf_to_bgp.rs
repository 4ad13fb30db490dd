//! Routes in use become BGP's to announce, and the ways to next hops its to choose by.

use bgp::{Own, Reach};
use vrf::Source;

use crate::routing::{self, Chosen, To, Way};

/// What BGP may announce. What it said itself it knows, and a label binding is no route to redistribute.
pub(crate) fn own(chosen: Chosen) -> Option<Own> {
    let Chosen { candidate, way } = chosen;
    if candidate.source == Source::Bgp || matches!(candidate.to, To::Labelled(..)) {
        return None;
    }
    let gateway = match way {
        Way::Out { gateway, .. } => gateway,
        Way::Local | Way::Discard | Way::Protect(_) | Way::Lookup(_) => None,
    };
    Some(Own { source: candidate.source, metric: candidate.metric, tag: candidate.tag, gateway })
}

/// A next hop whose way ends in this box or nowhere is none.
pub(crate) fn reach(reach: Option<routing::Reach>) -> Option<Reach> {
    let routing::Reach { plain, switched, metric, connected } = reach?;
    let leads_on = matches!(plain, Ok(Way::Out { .. } | Way::Protect(_)));
    leads_on.then_some(Reach { metric, connected, labelled: switched.is_ok() })
}
