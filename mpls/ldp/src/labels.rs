//! Which label a prefix has here and at its next hop, and what peers, the dataplane and the label space hear of it,
//! RFC 5036 section 2.6.

use core::net::IpAddr;

use base::{Label, Prefix, VrfId};
use mpls::Fec;

use crate::discovery::Source;
use crate::engine::Ldp;
use crate::fec::{Bound, Entry, Own};
use crate::wire::label::LabelMessage;
use crate::wire::message::Message;
use crate::{LdpId, Lsp, Notice, Output, Route, Swap};

impl Ldp {
    pub(crate) fn route(&mut self, prefix: Prefix, route: Option<Route>) {
        self.fecs.set_route(prefix, route);
        self.fecs.change(prefix, |entry| {
            // Perhaps there is a label by now.
            if entry.bound == Bound::Refused {
                entry.bound = Bound::No;
            }
        });
        self.refresh(prefix);
    }

    /// The label space answered.
    pub(crate) fn bound(&mut self, fec: Fec, label: Option<Label>) {
        let Fec::Prefix(VrfId::GLOBAL, prefix) = fec else { return };
        if self.fecs.find(prefix).is_none_or(|entry| entry.bound != Bound::Asked) {
            return;
        }
        if label.is_none() {
            self.out.push_back(Output::Notice(Notice::NoLabel(prefix.to_string())));
        }
        self.fecs.change(prefix, |entry| entry.bound = label.map_or(Bound::Refused, Bound::Label));
        self.refresh(prefix);
    }

    pub(crate) fn labels_changed(&mut self) {
        self.fecs.prefixes().into_iter().for_each(|prefix| self.refresh(prefix));
    }

    /// An address belongs to another peer now.
    pub(crate) fn owner_changed(&mut self, address: IpAddr) {
        self.fecs.via(address).into_iter().for_each(|prefix| self.refresh(prefix));
    }

    /// Brings everything about one prefix up to date. The path before the label that leads to it, both before the
    /// peers hear of it; a label is given back when nothing leads to it and no peer can use it.
    pub(crate) fn refresh(&mut self, prefix: Prefix) {
        let Some(mut entry) = self.fecs.take(prefix) else { return };
        let own = self.own(prefix, &entry);
        self.set_path(prefix, &mut entry);
        if own == Own::Bound && entry.bound == Bound::No {
            entry.bound = Bound::Asked;
            self.out.push_back(Output::Bind(Fec::Prefix(VrfId::GLOBAL, prefix)));
        }
        self.set_swap(own, &mut entry);
        self.announce(prefix, own, &mut entry);
        if own != Own::Bound && entry.label().is_some() && entry.owing == 0 {
            entry.bound = Bound::No;
            self.out.push_back(Output::Release(Fec::Prefix(VrfId::GLOBAL, prefix)));
        }
        self.fecs.put(prefix, entry);
    }

    fn own(&self, prefix: Prefix, entry: &Entry) -> Own {
        let Some(config) = self.config.as_ref().filter(|config| config.labels(prefix)) else {
            return Own::Nothing;
        };
        match entry.route {
            None => Own::Nothing,
            Some(Route::Here) => Own::Null(config.null(prefix)),
            Some(Route::Via { .. }) => Own::Bound,
        }
    }

    fn set_path(&mut self, prefix: Prefix, entry: &mut Entry) {
        let lsp = self.path(prefix, entry.route);
        if entry.lsp != lsp {
            entry.lsp = lsp;
            self.out.push_back(Output::Lsp(prefix, lsp));
        }
    }

    /// The binding of the peer that owns the next hop. Labelled packets leave only through ports with `mpls ip`.
    fn path(&self, prefix: Prefix, route: Option<Route>) -> Option<Lsp> {
        let Some(Route::Via { port, next_hop }) = route else { return None };
        let config = self.config.as_ref()?;
        config.ports.get(&port)?;
        // A link-local address is anyone's; it is the neighbour's that says hello with it there.
        let heard = self.adjacencies.get(&Source::Link(port, next_hop)).map(|adjacency| adjacency.peer);
        let peer = heard.filter(|_| is_link_local(next_hop)).or_else(|| self.owner(next_hop))?;
        let label = self.peers.get(&peer)?.bindings.get(&prefix)?.label;
        config.labels(prefix).then_some(Lsp { port, next_hop, label, peer })
    }

    fn owner(&self, address: IpAddr) -> Option<LdpId> {
        self.owners.get(&address)?.first().copied()
    }

    fn set_swap(&mut self, own: Own, entry: &mut Entry) {
        let Some(label) = entry.label() else { return };
        let swap = match (own, entry.lsp, entry.route) {
            (Own::Bound, Some(lsp), _) => Some(Swap::To(lsp)),
            (Own::Bound, None, Some(Route::Via { port, next_hop })) => {
                Some(Swap::Untagged { port, next_hop })
            }
            (Own::Bound | Own::Null(_) | Own::Nothing, _, _) => None,
        };
        if entry.swap != swap {
            entry.swap = swap;
            self.out.push_back(Output::Swap(label, swap));
        }
    }

    fn announce(&mut self, prefix: Prefix, own: Own, entry: &mut Entry) {
        let label = match own {
            Own::Nothing => None,
            Own::Null(label) => Some(label),
            Own::Bound => entry.label().filter(|_| self.may_announce(entry)),
        };
        if entry.announced == label {
            return;
        }
        let old = core::mem::replace(&mut entry.announced, label);
        let hears = |id: &&LdpId| self.peers.get(id).is_some_and(|peer| peer.speaks(prefix.family()));
        let listeners: Vec<LdpId> = self.up.iter().filter(hears).copied().collect();
        for id in listeners {
            if let Some(old) = old {
                self.withdraw_from(id, prefix, old, entry);
            }
            if label.is_some() {
                self.say(id, &Message::Mapping(LabelMessage::of(prefix, label)));
            }
        }
    }

    /// In ordered control only what is known further on, or leaves the network here, RFC 5036 section 2.6.1.2.
    fn may_announce(&self, entry: &Entry) -> bool {
        let Some(config) = &self.config else { return false };
        let leaves =
            matches!(entry.route, Some(Route::Via { port, .. }) if !config.ports.contains_key(&port));
        !config.ordered || entry.lsp.is_some() || leaves
    }

    fn withdraw_from(&mut self, id: LdpId, prefix: Prefix, label: Label, entry: &mut Entry) {
        self.say(id, &Message::Withdraw(LabelMessage::of(prefix, Some(label))));
        if !label.is_reserved()
            && let Some(peer) = self.peers.get_mut(&id)
        {
            entry.owing += usize::from(peer.owes.insert(prefix));
        }
    }

    /// A peer that is gone uses no label any more.
    pub(crate) fn forgive(&mut self, id: LdpId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        for prefix in core::mem::take(&mut peer.owes) {
            self.fecs.change(prefix, |entry| entry.owing = entry.owing.saturating_sub(1));
            self.refresh(prefix);
        }
    }
}

impl crate::Config {
    /// The label of a prefix whose path ends here.
    pub(crate) fn null(&self, prefix: Prefix) -> Label {
        match prefix.family() {
            _ if !self.explicit_null => Label::IMPLICIT_NULL,
            base::Family::V4 => Label::IPV4_EXPLICIT_NULL,
            base::Family::V6 => Label::IPV6_EXPLICIT_NULL,
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
