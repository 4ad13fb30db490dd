//! What peers say once a session is up, and what we say first, RFC 5036 section 3.5.5 to 3.5.11 and appendix A.

use core::net::IpAddr;
use std::collections::BTreeSet;

use base::{Family, Label, Prefix};

use crate::engine::Ldp;
use crate::fec::Bound;
use crate::peer::MOST_ADDRESSES;
use crate::wire::label::{Element, LabelMessage};
use crate::wire::message::Message;
use crate::wire::notification::{Notification, Status};
use crate::{LdpId, Notice, Output};

impl Ldp {
    /// A message of an operational session.
    pub(crate) fn process(&mut self, id: LdpId, message: &Message, about: (u32, u16)) {
        match message {
            Message::Address(addresses) => self.learn_addresses(id, addresses),
            Message::AddressWithdraw(addresses) => self.lose_addresses(id, addresses),
            Message::Mapping(message) => self.mapping(id, message, about),
            Message::Withdraw(message) => self.withdrawn(id, message),
            Message::Release(message) => self.released(id, message),
            Message::Request(message) => self.request(id, message, about),
            Message::Abort(message) => self.abort(id, message, about),
            Message::Notification(notification) => self.notified(id, notification),
            Message::Capability(tlvs) => self.capability(id, tlvs, about),
            Message::Hello(_) | Message::Initialization(_) | Message::KeepAlive | Message::Strange => {}
        }
    }

    fn learn_addresses(&mut self, id: LdpId, addresses: &[IpAddr]) {
        for address in addresses {
            let Some(peer) = self.peers.get_mut(&id) else { return };
            let known = peer.addresses.contains_key(address);
            if !known && peer.addresses.len() >= MOST_ADDRESSES {
                return self.overflow(id);
            }
            peer.addresses.insert(*address, peer.epoch);
            if known {
                continue;
            }
            let owners = self.owners.entry(*address).or_default();
            owners.push(id);
            if owners.len() == 1 {
                self.owner_changed(*address);
            }
        }
    }

    fn lose_addresses(&mut self, id: LdpId, addresses: &[IpAddr]) {
        for address in addresses {
            let Some(peer) = self.peers.get_mut(&id) else { return };
            if peer.addresses.remove(address).is_some() {
                self.disown(id, *address);
            }
        }
    }

    /// A peer gave up an address: the next one that claims it has it.
    fn disown(&mut self, id: LdpId, address: IpAddr) {
        let Some(owners) = self.owners.get_mut(&address) else { return };
        let was_first = owners.first() == Some(&id);
        owners.retain(|owner| *owner != id);
        if owners.is_empty() {
            self.owners.remove(&address);
        }
        if was_first {
            self.owner_changed(address);
        }
    }

    /// The peer announces labels.
    fn mapping(&mut self, id: LdpId, message: &LabelMessage, about: (u32, u16)) {
        let Some(label) = message.label else { return };
        for element in &message.fecs {
            match element {
                Element::Prefix(prefix) => self.bind_remote(id, *prefix, label),
                Element::Wildcard | Element::All(_) => return self.notify(id, Status::UNKNOWN_FEC, about),
            }
        }
    }

    fn bind_remote(&mut self, id: LdpId, prefix: Prefix, label: Label) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let epoch = peer.epoch;
        let old = peer.bindings.get(&prefix).copied();
        if !peer.bind(prefix, label) {
            self.say(id, &Message::Release(LabelMessage::of(prefix, Some(label))));
            return self.overflow(id);
        }
        // A new label for the same prefix: the old one is of no use any more.
        if let Some(old) = old.filter(|old| old.label != label && old.epoch == epoch) {
            self.say(id, &Message::Release(LabelMessage::of(prefix, Some(old.label))));
        }
        if old.is_none_or(|old| old.label != label) {
            self.refresh(prefix);
        }
    }

    fn overflow(&mut self, id: LdpId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !core::mem::replace(&mut peer.overflowed, true) {
            self.out.push_back(Output::Notice(Notice::Overflow(id)));
        }
    }

    /// The peer takes labels back: we release them, whether we had them or not.
    fn withdrawn(&mut self, id: LdpId, message: &LabelMessage) {
        self.say(id, &Message::Release(LabelMessage { request: None, ..message.clone() }));
        for element in &message.fecs {
            let lost = self.take_bindings(id, *element, message.label);
            lost.into_iter().for_each(|prefix| self.refresh(prefix));
        }
    }

    fn take_bindings(&mut self, id: LdpId, element: Element, label: Option<Label>) -> Vec<Prefix> {
        let Some(peer) = self.peers.get_mut(&id) else { return Vec::new() };
        let meant = |held: Label| label.is_none_or(|label| label == held);
        if let Element::Prefix(prefix) = element {
            let held = peer.bindings.get(&prefix).is_some_and(|binding| meant(binding.label));
            return held.then(|| peer.bindings.remove(&prefix)).map(|_| prefix).into_iter().collect();
        }
        let all =
            peer.bindings.extract_if(.., |prefix, binding| element.covers(*prefix) && meant(binding.label));
        all.map(|(prefix, _)| prefix).collect()
    }

    /// The peer uses labels of ours no more.
    fn released(&mut self, id: LdpId, message: &LabelMessage) {
        for element in &message.fecs {
            let prefixes = match (element, self.peers.get(&id)) {
                (_, None) => return,
                (Element::Prefix(prefix), Some(_)) => vec![*prefix],
                (Element::Wildcard | Element::All(_), Some(peer)) => {
                    peer.owes.iter().copied().filter(|prefix| element.covers(*prefix)).collect()
                }
            };
            prefixes.into_iter().for_each(|prefix| self.release_one(id, prefix, message.label));
        }
    }

    fn release_one(&mut self, id: LdpId, prefix: Prefix, label: Option<Label>) {
        let ours = self.fecs.find(prefix).and_then(|entry| entry.label());
        let meant = label.is_none() || label == ours;
        let Some(peer) = self.peers.get_mut(&id).filter(|_| meant) else { return };
        if peer.owes.remove(&prefix) {
            self.fecs.change(prefix, |entry| entry.owing = entry.owing.saturating_sub(1));
            self.refresh(prefix);
        }
    }

    /// The peer asks for labels, which it would hear of anyway.
    fn request(&mut self, id: LdpId, message: &LabelMessage, about: (u32, u16)) {
        for element in &message.fecs {
            match element {
                Element::Prefix(prefix) => self.answer(id, *prefix, about),
                Element::All(family) => self.say_mappings(id, &[*family].into()),
                Element::Wildcard => self.notify(id, Status::UNKNOWN_FEC, about),
            }
        }
    }

    fn answer(&mut self, id: LdpId, prefix: Prefix, about: (u32, u16)) {
        let entry = self.fecs.find(prefix);
        let labelled = self.config.as_ref().is_some_and(|config| config.labels(prefix));
        match entry.map(|entry| (entry.announced, entry.route, entry.bound)) {
            Some((Some(label), _, _)) => {
                let mapping =
                    LabelMessage { request: Some(about.0), ..LabelMessage::of(prefix, Some(label)) };
                self.say(id, &Message::Mapping(mapping));
            }
            Some((None, Some(_), Bound::Refused)) => self.notify(id, Status::NO_LABEL, about),
            // It will hear of it once there is something further on.
            Some((None, Some(_), _)) if labelled => {}
            Some((None, ..)) | None => self.notify(id, Status::NO_ROUTE, about),
        }
    }

    /// A request is answered at once, or waits for what the peer hears of anyway.
    fn abort(&mut self, id: LdpId, message: &LabelMessage, about: (u32, u16)) {
        let waits = |element: &Element| match element {
            Element::Prefix(prefix) => self
                .fecs
                .find(*prefix)
                .is_some_and(|entry| entry.route.is_some() && entry.announced.is_none()),
            Element::Wildcard | Element::All(_) => false,
        };
        if message.fecs.iter().any(waits) {
            self.notify(id, Status::ABORTED, (message.request.unwrap_or(about.0), about.1));
        }
    }

    /// End-of-LIB: what was not told again by now is gone, RFC 5919 section 2.
    fn notified(&mut self, id: LdpId, notification: &Notification) {
        let restarted = self.peers.get(&id).is_some_and(|peer| peer.stale_until.is_some());
        if !restarted || notification.status.code != Status::END_OF_LIB.code {
            return;
        }
        for element in &notification.fecs {
            match element {
                Element::All(family) => self.purge(id, Some(*family)),
                Element::Wildcard | Element::Prefix(_) => {}
            }
        }
    }

    fn capability(&mut self, id: LdpId, tlvs: &[u8], about: (u32, u16)) {
        let Some(session) = self.session(id) else { return };
        match session.capabilities.change(tlvs) {
            Ok(capabilities) => session.capabilities = capabilities,
            Err(fault) => self.fault(id, fault, about),
        }
    }

    /// A session is up: our addresses, our labels, and that this is all.
    pub(crate) fn say_everything(&mut self, id: LdpId) {
        let Some(session) = self.session(id) else { return };
        let families = session.families.clone();
        for family in &families {
            let of_family = self.addresses.iter().filter(|address| Family::of(**address) == *family);
            let addresses: Vec<IpAddr> = of_family.copied().collect();
            self.say(id, &Message::Address(addresses));
        }
        self.say_mappings(id, &families);
        self.say_end(id);
    }

    /// End-of-LIB to who understands it.
    fn say_end(&mut self, id: LdpId) {
        let Some(session) = self.session(id) else { return };
        let capabilities = session.capabilities;
        let families = session.families.clone();
        if !(capabilities.unrecognized_notification && capabilities.typed_wildcard) {
            return;
        }
        for family in families {
            let fecs = vec![Element::All(family)];
            let end = Notification { status: Status::END_OF_LIB, about: (0, 0), fecs };
            self.say(id, &Message::Notification(end));
        }
    }

    fn say_mappings(&mut self, id: LdpId, families: &BTreeSet<Family>) {
        let wanted = self.fecs.iter().filter(|(prefix, _)| families.contains(&prefix.family()));
        let mappings: Vec<(Prefix, Label)> =
            wanted.filter_map(|(prefix, entry)| Some((prefix, entry.announced?))).collect();
        for (prefix, label) in mappings {
            self.say(id, &Message::Mapping(LabelMessage::of(prefix, Some(label))));
        }
    }

    /// Our addresses are others now.
    pub(crate) fn own_addresses(&mut self, addresses: Vec<IpAddr>) {
        let said =
            |address: &IpAddr| !(address.is_loopback() || address.is_unspecified() || address.is_multicast());
        let new: BTreeSet<IpAddr> = addresses.into_iter().filter(said).collect();
        let old = core::mem::replace(&mut self.addresses, new.clone());
        for family in Family::BOTH {
            let only = |these: &BTreeSet<IpAddr>, those: &BTreeSet<IpAddr>| -> Vec<IpAddr> {
                these.difference(those).copied().filter(|address| Family::of(*address) == family).collect()
            };
            self.say_to_all(family, &Message::AddressWithdraw(only(&old, &new)));
            self.say_to_all(family, &Message::Address(only(&new, &old)));
        }
    }

    fn say_to_all(&mut self, family: Family, message: &Message) {
        let hears = |id: &&LdpId| self.peers.get(id).is_some_and(|peer| peer.speaks(family));
        let listeners: Vec<LdpId> = self.up.iter().filter(hears).copied().collect();
        listeners.into_iter().for_each(|id| self.say(id, message));
    }

    /// Forgets what a peer told in older sessions only: bindings of one family, or (`None`) everything.
    pub(crate) fn purge(&mut self, id: LdpId, family: Option<Family>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let (prefixes, addresses) = peer.take_stale(family);
        addresses.into_iter().for_each(|address| self.disown(id, address));
        prefixes.into_iter().for_each(|prefix| self.refresh(prefix));
    }
}
