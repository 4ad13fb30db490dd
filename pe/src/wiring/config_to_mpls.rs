//! Static label bindings: which labels are ours, and the VRF each one leads to.

use std::collections::BTreeMap;

use base::{Label, VrfId};
use config::Config;
use config::model::Binding;
use dataplane::LabelAction;

use crate::ids::Ids;

/// Fails where one label would lead to two VRFs, or is reserved (RFC 3032 section 2.1).
pub(crate) fn labels(config: &Config, ids: &mut Ids) -> Result<BTreeMap<Label, LabelAction>, String> {
    let mut labels = BTreeMap::new();
    for binding in &config.mpls.bindings {
        let Binding::Input(label) = binding.direction else { continue };
        let vrf = ids.vrf(binding.vrf.as_deref());
        bind(&mut labels, label, vrf, ids)?;
    }
    Ok(labels)
}

fn bind(
    labels: &mut BTreeMap<Label, LabelAction>,
    label: Label,
    vrf: VrfId,
    ids: &Ids,
) -> Result<(), String> {
    if label.is_reserved() {
        return Err(format!("label {label} is reserved and cannot be bound"));
    }
    let action = LabelAction::PopTo(vrf);
    match labels.insert(label, action.clone()) {
        Some(other) if other != action => {
            let name = ids.vrf_name(vrf).unwrap_or("the global table");
            Err(format!("label {label} is bound to {name} and to another VRF: give each VRF its own label"))
        }
        Some(_) | None => Ok(()),
    }
}
