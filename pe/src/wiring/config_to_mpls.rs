//! Static label bindings: which labels are ours, and the VRF each one leads to.

use std::collections::BTreeMap;

use base::Label;
use config::Config;
use config::model::Binding;
use dataplane::LabelAction;
use mpls::{Fec, LabelSpace};

use crate::ids::Ids;

/// Fails where one label would lead to two VRFs, or is reserved.
pub(crate) fn labels(config: &Config, ids: &mut Ids) -> Result<BTreeMap<Label, LabelAction>, String> {
    let (first, last) = config.mpls.range;
    let mut space = LabelSpace::new(first..=last);
    let mut classes = BTreeMap::new();
    for binding in &config.mpls.bindings {
        let Binding::Input(label) = binding.direction else { continue };
        let class = Fec::Vrf(ids.vrf(binding.vrf.as_deref()));
        if classes.insert(label, class).unwrap_or(class) != class {
            let name = binding.vrf.as_deref().unwrap_or("the global table");
            return Err(format!("label {label} leads to {name} and to another VRF: give each VRF its own"));
        }
        if !space.is_taken(label) {
            space.bind(label).map_err(|refused| format!("label {label}: {refused}"))?;
        }
    }
    Ok(classes.into_iter().map(|(label, class)| (label, LabelAction::PopTo(class.vrf()))).collect())
}
