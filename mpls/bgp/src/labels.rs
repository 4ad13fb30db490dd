//! Labels of ours for what is announced: asked for when the first route needs one, given back after the last.

use std::collections::BTreeMap;

use base::{Label, Prefix, VrfId};
use mpls::Fec;

use crate::config::LabelMode;
use crate::io::Output;
use crate::notice::Notice;
use crate::ribs::Ribs;
use crate::table::{Kind, OURSELVES, Path};
use crate::vpn::Chosen;

/// By what shares a label.
#[derive(Default)]
pub(crate) struct Labels(BTreeMap<Fec, Binding>);

#[derive(Default)]
struct Binding {
    users: u32,
    /// `None`: not answered yet, or there is none left.
    label: Option<Label>,
}

impl Labels {
    pub(crate) fn label(&self, fec: Fec) -> Option<Label> {
        self.0.get(&fec)?.label
    }

    pub(crate) fn hold(&mut self, fec: Fec, out: &mut Vec<Output>) {
        let binding = self.0.entry(fec).or_default();
        if binding.users == 0 {
            out.push(Output::Bind(fec));
        }
        binding.users += 1;
    }

    pub(crate) fn release(&mut self, fec: Fec, out: &mut Vec<Output>) {
        let Some(binding) = self.0.get_mut(&fec) else { return };
        binding.users -= 1;
        if binding.users == 0 {
            self.0.remove(&fec);
            out.push(Output::Release(fec));
        }
    }
}

impl Ribs {
    /// What the label stands for with which a path that stands in this table is announced; `None`: it needs none of
    /// ours.
    pub(crate) fn fec(&self, table: u32, prefix: Prefix, path: Path) -> Option<Fec> {
        let its = self.table(table)?;
        let vrf = its.vrf?;
        let shared = &self.store.slot(path.slot)?.shared;
        match path.kind() {
            Kind::Vpn | Kind::Leaked => None,
            Kind::Labeled => self.swaps.then_some(Fec::Prefix(vrf, prefix)),
            Kind::Unicast if its.rd.is_none() || shared.exported.is_none() => None,
            Kind::Unicast => {
                let ours = path.peer == OURSELVES;
                let gateway = if ours { shared.gateway } else { Some(shared.attributes.next_hop) };
                let mode = self.views.get(&vrf)?.config.family(prefix.family())?.labels;
                Some(match (mode, gateway) {
                    (LabelMode::PerPrefix, _) => Fec::Prefix(vrf, prefix),
                    (LabelMode::PerCe, Some(gateway)) => Fec::NextHop(vrf, gateway),
                    (LabelMode::PerCe, None) | (LabelMode::PerVrf, _) => Fec::Vrf(vrf),
                })
            }
        }
    }

    pub(crate) fn bind_path(&mut self, table: u32, prefix: Prefix, path: Path) {
        if path.kind() != Kind::Vpn
            && let Some(fec) = self.fec(table, prefix, path)
        {
            self.labels.hold(fec, &mut self.out);
        }
    }

    pub(crate) fn unbind_path(&mut self, table: u32, prefix: Prefix, path: Path) {
        if path.kind() != Kind::Vpn
            && let Some(fec) = self.fec(table, prefix, path)
        {
            self.labels.release(fec, &mut self.out);
        }
    }

    /// The answer to `Bind`: what waited for the label, or had another one, is told.
    pub(crate) fn bound(&mut self, fec: Fec, label: Option<Label>) {
        let Some(binding) = self.labels.0.get_mut(&fec) else { return };
        let known = core::mem::replace(&mut binding.label, label).is_some();
        if label.is_none() {
            self.out.push(Output::Notice(Notice::NoLabel(self.name(fec))));
        }
        for (table, prefix) in self.announced_with(fec) {
            let needs = |best: &Chosen| self.fec(best.table, prefix, best.path) == Some(fec);
            let vpn = self.vpn_best(table, prefix).filter(needs);
            let unicast = self.selection(VrfId::GLOBAL, prefix).best.filter(needs);
            self.retell_vpn(table, prefix, vpn, known);
            self.retell_vrf(VrfId::GLOBAL, prefix, unicast, known);
        }
    }

    fn name(&self, fec: Fec) -> String {
        let name = self.views.get(&fec.vrf()).and_then(|view| view.config.name.as_deref());
        match (fec, name) {
            (Fec::Vrf(_), Some(name)) => format!("vrf {name}"),
            (Fec::Prefix(_, prefix), Some(name)) => format!("{prefix} of vrf {name}"),
            (Fec::NextHop(_, gateway), Some(name)) => format!("{gateway} of vrf {name}"),
            (_, None) => fec.to_string(),
        }
    }

    fn announced_with(&self, fec: Fec) -> Vec<(u32, Prefix)> {
        let Some(view) = self.views.get(&fec.vrf()) else { return Vec::new() };
        if let Fec::Prefix(_, prefix) = fec {
            return vec![(view.table, prefix)];
        }
        let families = base::Family::BOTH.into_iter();
        let paths = self.table(view.table).map(|table| &table.paths);
        let all = families.flat_map(|family| paths.into_iter().flat_map(move |paths| paths.iter(family)));
        let with = all.filter(|(prefix, paths)| {
            paths.iter().any(|(path, _)| self.fec(view.table, *prefix, path) == Some(fec))
        });
        with.map(|(prefix, _)| (view.table, prefix)).collect()
    }
}
