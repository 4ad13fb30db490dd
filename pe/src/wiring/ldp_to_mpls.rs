//! What LDP learnt of paths becomes what is pushed and what is done with labels of ours.

use base::{Label, VrfId};
use dataplane::{Hop, LabelAction, Labels};
use ldp::Swap;

use crate::routing::{Lsp, Routing};

pub(crate) const fn lsp(of: ldp::Lsp) -> Lsp {
    Lsp { port: of.port, next_hop: of.next_hop, label: of.label }
}

/// What leaves without any label goes by the global table: there a crypto map sees it, and a label beneath is not taken
/// for one of the next router's.
pub(crate) fn action(swap: Swap, routing: &Routing) -> LabelAction {
    match swap {
        Swap::To(lsp) if lsp.label != Label::IMPLICIT_NULL || !routing.is_guarded(lsp.port) => {
            let (port, gateway) = (lsp.port, Some(lsp.next_hop));
            LabelAction::Swap(lsp.label, Hop::Out { port, gateway, push: Labels::default() })
        }
        Swap::To(_) | Swap::Untagged { .. } => LabelAction::PopTo(VrfId::GLOBAL),
    }
}
