//! What `onrampd` says of itself, asked through `onramp --json`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use api::{IpsecFlow, Response};

use super::node::Node;

/// One answer of the daemon that runs in `node`.
pub(crate) fn ask(node: &Node, words: &str) -> Result<Response> {
    let text = node.demand(&format!("onramp --json {words}"))?;
    serde_json::from_str(&text).with_context(|| format!("onramp {words}: not an answer: {text}"))
}

/// The flows of `show crypto ipsec sa` for one inside VRF.
pub(crate) fn flows(node: &Node, inside: &str) -> Result<Vec<IpsecFlow>> {
    let Response::IpsecSas(flows) = ask(node, "show crypto ipsec sa")? else { bail!("not a list of SAs") };
    Ok(flows.into_iter().filter(|flow| flow.inside.as_deref() == Some(inside)).collect())
}

/// `show drops`: packets by name.
pub(crate) fn drops(node: &Node) -> Result<BTreeMap<String, u64>> {
    let Response::Drops(drops) = ask(node, "show drops")? else { bail!("not a list of drops") };
    Ok(drops.into_iter().map(|drop| (drop.name, drop.packets)).collect())
}
