//! What FRR says: `vtysh`, as JSON.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::node::{Node, quote};

/// One `show` command of the FRR that runs in `node`.
pub(crate) fn show(node: &Node, words: &str) -> Result<Value> {
    let text = node.demand(&format!("vtysh -c {}", quote(&format!("show {words} json"))))?;
    serde_json::from_str(&text).with_context(|| format!("{}: show {words}: not JSON: {text}", node.name))
}

/// Changes its configuration.
pub(crate) fn configure(node: &Node, lines: &[&str]) -> Result<()> {
    let lines: String = lines.iter().map(|line| format!(" -c {}", quote(line))).collect();
    node.demand(&format!("vtysh -c 'configure terminal'{lines}")).map(drop)
}

/// Whether LDP with this router is up; not, while FRR itself is not.
pub(crate) fn ldp_is_up(node: &Node, router: &str) -> Result<bool> {
    let Ok(neighbors) = show(node, "mpls ldp neighbor") else { return Ok(false) };
    let found = neighbors["neighbors"].as_array().into_iter().flatten();
    let mut found = found.filter(|one| one["neighborId"] == router);
    Ok(found.any(|one| one["state"] == "OPERATIONAL"))
}

/// The label that it announces by LDP for a prefix.
pub(crate) fn ldp_label(node: &Node, prefix: &str) -> Result<u32> {
    let bindings = show(node, "mpls ldp binding")?;
    let found = bindings["bindings"].as_array().into_iter().flatten().find(|one| one["prefix"] == prefix);
    let label = found.and_then(|one| one["localLabel"].as_str()).context("no binding")?;
    label.parse().with_context(|| format!("{prefix} has label {label}"))
}

/// What its neighbours announced: prefix and label.
pub(crate) fn ldp_remote(node: &Node) -> Result<BTreeSet<(String, String)>> {
    let bindings = show(node, "mpls ldp binding")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = bindings["bindings"].as_array().into_iter().flatten();
    Ok(found.map(|one| (text(&one["prefix"]), text(&one["remoteLabel"]))).collect())
}

/// The kernel's routes of a table, one a line.
pub(crate) fn kernel_routes(node: &Node, words: &str) -> Result<String> {
    node.demand(&format!("ip -d {words}"))
}
