//! Our labels: one space for all who give them out, and the same label for the same class after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{Instant, Label, VrfId};
use dataplane::{Hop, Key, LabelAction, Labels as Stack, Object, Op};
use mpls::{Fec, LabelSpace};

use crate::ids::Ids;
use crate::plan;
use crate::routing::{Routing, Way};
use crate::stream::Service;

#[derive(Default)]
pub(crate) struct Labels {
    space: LabelSpace,
    range: Option<(Label, Label)>,
    /// Those bound by hand.
    fixed: BTreeSet<Label>,
    bound: BTreeMap<Fec, Bound>,
    /// By name: numbers of VRFs do not outlive a restart. Also those that nobody uses at the moment: a class that comes
    /// back gets its label again.
    kept: BTreeMap<String, Label>,
    actions: BTreeMap<Label, LabelAction>,
    /// When the text is to be stored.
    due: Option<Instant>,
}

struct Bound {
    label: Label,
    by: BTreeSet<Service>,
}

impl Labels {
    /// Changes come in swarms.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Why the configuration's own labels cannot be had; nothing changes.
    pub(crate) fn refuse(&self, fixed: &BTreeMap<Label, LabelAction>, ids: &Ids) -> Result<(), String> {
        let taken = self.bound.iter().find(|(_, bound)| fixed.contains_key(&bound.label));
        taken.map_or(Ok(()), |(fec, bound)| {
            let name = name(*fec, ids).unwrap_or_default();
            Err(format!("label {} is in use for {name}: bind another by hand", bound.label))
        })
    }

    /// What is bound by hand, and the range for all else.
    pub(crate) fn configure(&mut self, range: (Label, Label), fixed: &BTreeMap<Label, LabelAction>) {
        if self.range.replace(range) != Some(range) {
            self.space.set_range(range.0..=range.1);
        }
        let before = std::mem::replace(&mut self.fixed, fixed.keys().copied().collect());
        for label in before.difference(&self.fixed) {
            self.space.release(*label);
        }
        for label in self.fixed.difference(&before) {
            self.kept.retain(|_, kept| kept != label);
            self.space.release(*label);
            // It is free now and not reserved: the configuration was checked.
            self.space.bind(*label).ok();
        }
    }

    /// The label of a class, the same to everyone who asks. `None`: none is left.
    pub(crate) fn bind(&mut self, now: Instant, fec: Fec, by: Service, ids: &Ids) -> Option<Label> {
        if let Some(bound) = self.bound.get_mut(&fec) {
            bound.by.insert(by);
            return Some(bound.label);
        }
        let name = name(fec, ids)?;
        let label = match self.kept.get(&name) {
            Some(label) => *label,
            None => {
                let label = self.fresh()?;
                self.due.get_or_insert(now + Self::PATIENCE);
                self.kept.insert(name, label);
                label
            }
        };
        self.bound.insert(fec, Bound { label, by: [by].into_iter().collect() });
        Some(label)
    }

    /// Whether nobody uses it any more; its action goes.
    pub(crate) fn release(&mut self, fec: Fec, by: Service) -> (bool, Option<Op>) {
        let Some(bound) = self.bound.get_mut(&fec) else { return (false, None) };
        bound.by.remove(&by);
        if !bound.by.is_empty() {
            return (false, None);
        }
        let label = bound.label;
        self.bound.remove(&fec);
        (true, self.set(label, None))
    }

    /// What is done with packets that carry a label; the op that says so, if it is news.
    pub(crate) fn set(&mut self, label: Label, action: Option<LabelAction>) -> Option<Op> {
        let before = match action {
            Some(action) => self.actions.insert(label, action),
            None => self.actions.remove(&label),
        };
        (before != action).then_some(match action {
            Some(action) => Op::Set(Object::Label { label, action }),
            None => Op::Unset(Key::Label(label)),
        })
    }

    /// Brings the action of a class of BGP up to date; those of LDP are LDP's to say.
    pub(crate) fn refresh(&mut self, fec: Fec, routing: &Routing) -> Option<Op> {
        let bound = self.bound.get(&fec).filter(|bound| !bound.by.contains(&Service::Ldp))?;
        self.set(bound.label, Some(action(fec, routing)))
    }

    pub(crate) fn is_bound(&self, fec: Fec) -> bool {
        self.bound.contains_key(&fec)
    }

    /// All classes of BGP's, for when much changed at once.
    pub(crate) fn refresh_all(&mut self, routing: &Routing) -> Vec<Op> {
        let all: Vec<_> = self.bound.keys().copied().collect();
        all.into_iter().filter_map(|fec| self.refresh(fec, routing)).collect()
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = (Label, LabelAction)> {
        self.actions.iter().map(|(label, action)| (*label, *action))
    }

    /// What each label of protocols stands for, and what is done with it.
    pub(crate) fn bound(&self) -> impl Iterator<Item = (Fec, Label, Option<LabelAction>)> {
        let action = |label| self.actions.get(&label).copied();
        self.bound.iter().map(move |(fec, bound)| (*fec, bound.label, action(bound.label)))
    }

    fn fresh(&mut self) -> Option<Label> {
        if let Some(label) = self.space.allocate() {
            return Some(label);
        }
        let used: BTreeSet<_> = self.bound.values().map(|bound| bound.label).collect();
        let unused: Vec<_> = self.kept.values().filter(|label| !used.contains(label)).copied().collect();
        self.kept.retain(|_, label| used.contains(label));
        for label in unused {
            self.space.release(label);
        }
        self.space.allocate()
    }
}

/// Over a restart.
impl Labels {
    /// The text to store, once it is due: a line for each label, what it stands for behind it.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<String> {
        self.due.take_if(|due| *due <= now)?;
        let lines: BTreeMap<_, _> = self.kept.iter().map(|(name, label)| (label, name)).collect();
        Some(lines.into_iter().map(|(label, name)| format!("{label} {name}\n")).collect())
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// What was stored; lines that are none, and labels that somebody has, are passed over.
    pub(crate) fn restore(&mut self, text: &str) {
        for (label, name) in text.lines().filter_map(|line| line.split_once(' ')) {
            let label = label.parse().ok().and_then(Label::new);
            if let Some(label) = label.filter(|label| self.space.bind(*label).is_ok()) {
                self.kept.insert(name.to_owned(), label);
            }
        }
    }
}

/// The class without numbers of ours; `None` where its VRF has no name any more.
fn name(fec: Fec, ids: &Ids) -> Option<String> {
    let vrf = match fec.vrf() {
        VrfId::GLOBAL => "global".to_owned(),
        vrf => format!("vrf {}", ids.vrf_name(vrf)?),
    };
    Some(match fec {
        Fec::Vrf(_) => vrf,
        Fec::Prefix(_, prefix) => format!("{vrf} {prefix}"),
        Fec::NextHop(_, address) => format!("{vrf} via {address}"),
    })
}

/// Where the way is not out of a port to a next hop, or is past a crypto map, the packet is looked up in its VRF: there
/// policies see it.
fn action(fec: Fec, routing: &Routing) -> LabelAction {
    let way = match fec {
        Fec::Vrf(_) => None,
        Fec::Prefix(vrf, prefix) => routing.chosen(vrf, prefix).map(|chosen| chosen.way),
        Fec::NextHop(vrf, address) => routing.reach(vrf, address).and_then(|reach| reach.plain.ok()),
    };
    way.and_then(|way| swap(way, routing)).unwrap_or_else(|| LabelAction::PopTo(fec.vrf()))
}

fn swap(way: Way, routing: &Routing) -> Option<LabelAction> {
    let Hop::Out { port, gateway: Some(gateway), push } = plan::hop(way) else { return None };
    match push.split_last() {
        None if routing.is_guarded(port) => None,
        None => {
            Some(LabelAction::Swap(Label::IMPLICIT_NULL, Hop::Out { port, gateway: Some(gateway), push }))
        }
        Some((inner, outer)) => {
            let push = Stack::of(outer)?;
            Some(LabelAction::Swap(*inner, Hop::Out { port, gateway: Some(gateway), push }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    const NOW: Instant = Instant::START;

    fn label(value: u32) -> Label {
        Label::new(value).unwrap()
    }

    fn ids() -> (Ids, VrfId, VrfId) {
        let mut ids = Ids::default();
        let (red, blue) = (ids.vrf(Some("red")), ids.vrf(Some("blue")));
        (ids, red, blue)
    }

    #[test]
    fn a_class_has_one_label_whoever_asks_and_keeps_it_over_a_restart() {
        let (ids, red, blue) = ids();
        let mut labels = Labels::default();
        labels.configure((label(100), label(103)), &BTreeMap::new());
        let classes = [Fec::Vrf(red), Fec::Prefix(blue, "10.0.0.0/8".parse().unwrap())];
        let given: Vec<_> = classes.iter().map(|fec| labels.bind(NOW, *fec, Service::Bgp, &ids)).collect();
        assert_eq!(labels.bind(NOW, classes[0], Service::Ldp, &ids), given[0]);
        let text = labels.take_due(NOW + Labels::PATIENCE).unwrap();
        assert_eq!(text, "100 vrf red\n101 vrf blue 10.0.0.0/8\n");
        let mut ids = Ids::default();
        let (blue, red) = (ids.vrf(Some("blue")), ids.vrf(Some("red")));
        let mut labels = Labels::default();
        labels.restore(&text);
        labels.configure((label(100), label(103)), &BTreeMap::new());
        assert_eq!(labels.bind(NOW, Fec::Vrf(blue), Service::Bgp, &ids), Some(label(102)), "a new one");
        assert_eq!(labels.bind(NOW, Fec::Vrf(red), Service::Bgp, &ids), given[0]);
    }

    #[test]
    fn a_label_comes_back_to_its_class_until_none_is_left() {
        let (ids, red, blue) = ids();
        let mut labels = Labels::default();
        labels.configure((label(100), label(101)), &BTreeMap::new());
        let via = |last: u8| Fec::NextHop(red, [192, 0, 2, last].into());
        assert_eq!(labels.bind(NOW, via(1), Service::Bgp, &ids), Some(label(100)));
        assert!(labels.release(via(1), Service::Bgp).0);
        assert_eq!(labels.bind(NOW, via(2), Service::Bgp, &ids), Some(label(101)));
        assert_eq!(labels.bind(NOW, via(1), Service::Bgp, &ids), Some(label(100)));
        assert_eq!(labels.bind(NOW, Fec::Vrf(blue), Service::Bgp, &ids), None);
        assert!(labels.release(via(2), Service::Bgp).0);
        assert_eq!(labels.bind(NOW, Fec::Vrf(blue), Service::Bgp, &ids), Some(label(101)));
    }

    #[test]
    fn a_label_in_use_cannot_be_bound_by_hand() {
        let (ids, red, _) = ids();
        let mut labels = Labels::default();
        labels.configure((label(100), label(101)), &BTreeMap::new());
        labels.bind(NOW, Fec::Vrf(red), Service::Bgp, &ids);
        let fixed = |value| [(label(value), LabelAction::PopTo(red))].into_iter().collect();
        assert!(labels.refuse(&fixed(100), &ids).is_err_and(|why| why.contains("vrf red")));
        assert_eq!(labels.refuse(&fixed(101), &ids), Ok(()));
        labels.configure((label(100), label(101)), &fixed(101));
        assert_eq!(labels.bind(NOW, Fec::Vrf(VrfId::GLOBAL), Service::Bgp, &ids), None);
    }
}
