//! `show mpls forwarding-table`: labels of ours by number, then those that others want to see.

use std::net::IpAddr;

use api::{LabelEntry, LabelTable, Response};
use base::{Family, Label, Prefix, VrfId};
use config::model::{Backend, Binding, StaticBinding};
use dataplane::{Hop, LabelAction, LabelCounters};
use mpls::Fec;
use vrf::Source;

use super::routes::{entry, port_name};
use super::{PAGE, bad_page, vrf_of};
use crate::Pe;
use crate::routing::Way;

/// Where a page begins: behind a label of ours, or behind a route of the VRF that somebody else gave a label.
#[derive(Clone, Copy)]
enum Mark {
    Label(u32),
    Route(Prefix),
}

/// A page; of one VRF if it is named, then with its routes under labels of BGP.
pub(super) fn labels(pe: &Pe, vrf: Option<String>, after: Option<&str>) -> Result<LabelTable, Response> {
    let id = vrf_of(pe, vrf.as_deref())?;
    let mark = after.map(mark).transpose()?;
    let mut entries = Vec::new();
    if !matches!(mark, Some(Mark::Route(_))) {
        let behind = mark.map(|mark| if let Mark::Label(label) = mark { label } else { 0 });
        let mut ours = ours(pe, vrf.as_deref(), behind);
        let is_all = ours.len() <= PAGE;
        ours.truncate(PAGE);
        entries = ours;
        let more = entries.last().and_then(|last| last.local).filter(|_| !is_all);
        if let Some(last) = more {
            return Ok(LabelTable { entries, more: Some(format!("label {last}")) });
        }
        let theirs = pe.config.mpls.bindings.iter().filter(|binding| vrf.is_none() || binding.vrf == vrf);
        entries.extend(theirs.filter_map(|binding| theirs_of(pe, binding)));
    }
    let Some(vrf) = vrf else { return Ok(LabelTable { entries, more: None }) };
    let behind = mark.and_then(|mark| if let Mark::Route(prefix) = mark { Some(prefix) } else { None });
    let (pushed, more) = pushed(pe, id, &vrf, behind);
    entries.extend(pushed);
    Ok(LabelTable { entries, more })
}

fn mark(text: &str) -> Result<Mark, Response> {
    let mark = match text.split_once(' ') {
        Some(("label", label)) => label.parse().ok().map(Mark::Label),
        Some(("route", prefix)) => prefix.parse().ok().map(Mark::Route),
        Some(_) | None => None,
    };
    mark.ok_or_else(bad_page)
}

/// Those behind a label, in order.
fn ours(pe: &Pe, vrf: Option<&str>, behind: Option<u32>) -> Vec<LabelEntry> {
    let is_wanted = |of: Option<&str>, label: Label| {
        (vrf.is_none() || vrf == of) && behind.is_none_or(|behind| label.value() > behind)
    };
    let mut found: Vec<(Label, Class<'_>)> = Vec::new();
    for binding in &pe.config.mpls.bindings {
        if let Binding::Input(label) = binding.direction
            && is_wanted(binding.vrf.as_deref(), label)
        {
            found.push((label, Class::Static(binding)));
        }
    }
    let bound = pe.labels.bound().map(|(fec, label, action)| (label, Class::Bound(fec, action)));
    found.extend(bound.filter(|(label, class)| is_wanted(class.vrf(pe), *label)));
    found.sort_by_key(|(label, _)| *label);
    // One more than a page tells whether there is another.
    found.into_iter().take(PAGE + 1).map(|(label, class)| class.entry(pe, label)).collect()
}

/// What a label of ours stands for.
enum Class<'a> {
    Static(&'a StaticBinding),
    /// Given out for BGP or LDP.
    Bound(Fec, Option<LabelAction>),
}

impl Class<'_> {
    fn vrf<'p>(&'p self, pe: &'p Pe) -> Option<&'p str> {
        match self {
            Self::Static(binding) => binding.vrf.as_deref(),
            Self::Bound(fec, _) => pe.ids.vrf_name(fec.vrf()),
        }
    }

    fn entry(&self, pe: &Pe, label: Label) -> LabelEntry {
        let counted = counted(pe, label);
        let (outgoing, hop) = match self {
            Self::Static(_) => ("Pop Label".to_owned(), None),
            Self::Bound(_, action) => does(*action),
        };
        let (interface, next_hop) = match hop {
            Some(Hop::Out { port, gateway, .. }) => (port_name(pe, port), gateway),
            Some(Hop::Local | Hop::Drop | Hop::Protect(_) | Hop::Lookup(_)) | None => (None, None),
        };
        LabelEntry {
            local: Some(label.value()),
            outgoing,
            prefix: self.name(),
            vrf: self.vrf(pe).map(str::to_owned),
            bytes: counted.map(|counted| counted.bytes),
            packets: counted.map(|counted| counted.packets),
            interface,
            next_hop,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Static(binding) => binding.prefix.to_string(),
            Self::Bound(Fec::Vrf(_), _) => "aggregate".to_owned(),
            Self::Bound(Fec::Prefix(_, prefix), _) => prefix.to_string(),
            Self::Bound(Fec::NextHop(_, address), _) => format!("nh {address}"),
        }
    }
}

/// What leaves instead of a label of ours, and how.
fn does(action: Option<LabelAction>) -> (String, Option<Hop>) {
    match action {
        None => ("No Label".to_owned(), None),
        Some(LabelAction::PopTo(_)) => ("Pop Label".to_owned(), None),
        Some(LabelAction::Swap(label, hop)) => {
            let outer = match hop {
                Hop::Out { push, .. } => push.to_vec(),
                Hop::Local | Hop::Drop | Hop::Protect(_) | Hop::Lookup(_) => Vec::new(),
            };
            let stack: Vec<_> = outer.into_iter().chain([label]).filter(is_sent).collect();
            (if stack.is_empty() { "Pop Label".to_owned() } else { text(&stack) }, Some(hop))
        }
    }
}

const fn is_sent(label: &Label) -> bool {
    label.value() != Label::IMPLICIT_NULL.value()
}

fn text(stack: &[Label]) -> String {
    stack.iter().map(Label::to_string).collect::<Vec<_>>().join("/")
}

/// Zero where nothing came in yet; the kernel does not count by label.
fn counted(pe: &Pe, label: Label) -> Option<LabelCounters> {
    let counted = pe.counters.labels.get(&label).copied();
    counted.or_else(|| (pe.config.dataplane == Backend::User).then(LabelCounters::default))
}

/// A static binding of somebody else's label.
fn theirs_of(pe: &Pe, binding: &StaticBinding) -> Option<LabelEntry> {
    let Binding::Output { next_hop, label } = binding.direction else { return None };
    let vrf = pe.ids.known_vrf(binding.vrf.as_deref());
    let way = vrf.and_then(|vrf| pe.routing.lookup(vrf, binding.prefix.address()));
    let (outgoing, interface) = match way.map(|(_, chosen)| chosen.way) {
        Some(Way::Out { port, push, .. }) if push.contains(&label) => (text(&push), port_name(pe, port)),
        Some(_) | None if is_sent(&label) => (label.to_string(), None),
        Some(_) | None => ("No Label".to_owned(), None),
    };
    let (prefix, vrf) = (binding.prefix.to_string(), binding.vrf.clone());
    Some(sent(outgoing, prefix, vrf, interface, Some(next_hop)))
}

/// Routes of a VRF that leave under labels of BGP.
fn pushed(pe: &Pe, id: VrfId, vrf: &str, behind: Option<Prefix>) -> (Vec<LabelEntry>, Option<String>) {
    let v4 = behind.is_none_or(|behind| behind.family() == Family::V4).then_some(Family::V4);
    let families = v4.into_iter().chain([Family::V6]);
    let routes = families
        .flat_map(|family| pe.routing.behind(id, family, behind.filter(|behind| behind.family() == family)));
    let mut seen = routes.filter(|(_, chosen)| chosen.candidate.source == Source::Bgp).peekable();
    let (mut entries, mut last) = (Vec::new(), None);
    for (prefix, chosen) in seen.by_ref().take(PAGE) {
        last = Some(prefix);
        let Way::Out { gateway, push, .. } = chosen.way else { continue };
        if !push.is_empty() {
            let route = entry(pe, id, prefix, chosen);
            entries.push(sent(text(&push), route.prefix, Some(vrf.to_owned()), route.interface, gateway));
        }
    }
    (entries, seen.peek().and(last).map(|last| format!("route {last}")))
}

/// Nothing counts what is sent by label.
fn sent(
    outgoing: String,
    prefix: String,
    vrf: Option<String>,
    interface: Option<String>,
    next_hop: Option<IpAddr>,
) -> LabelEntry {
    LabelEntry { local: None, outgoing, prefix, vrf, bytes: Some(0), packets: Some(0), interface, next_hop }
}
