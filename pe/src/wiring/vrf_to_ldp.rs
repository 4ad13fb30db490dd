//! Routes of the global table become LDP's classes.

use ldp::Route;
use vrf::Source;

use crate::routing::{Chosen, Way};

/// `None`: LDP gives no label for it. What BGP says is BGP's to label.
pub(crate) fn route(chosen: Chosen) -> Option<Route> {
    match (chosen.candidate.source, chosen.way) {
        // An address is in its network, which has a label.
        (Source::Bgp | Source::Reverse | Source::Local, _) => None,
        (Source::Connected, _) => Some(Route::Here),
        (Source::Static, Way::Out { port, gateway: Some(next_hop), .. }) => {
            Some(Route::Via { port, next_hop })
        }
        (Source::Static, Way::Out { .. } | Way::Local | Way::Discard | Way::Protect(_) | Way::Lookup(_)) => {
            None
        }
    }
}
