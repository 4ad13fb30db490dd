//! What GoBGP says: `gobgp`, as JSON.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::node::Node;

/// A VPN route as the reflector holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VpnRoute {
    pub(crate) label: u32,
    pub(crate) next_hop: String,
    /// Route targets, as written.
    pub(crate) targets: Vec<String>,
}

/// One command of the client, whose daemon runs in `node`.
pub(crate) fn ask(node: &Node, words: &str) -> Result<Value> {
    let text = node.demand(&format!("gobgp {words} -j"))?;
    serde_json::from_str(&text).with_context(|| format!("gobgp {words}: not JSON: {text}"))
}

/// Whether the session with a neighbour is established.
pub(crate) fn is_up(node: &Node, neighbor: &str) -> Result<bool> {
    // 6: established, RFC 4271 section 8.2.2.
    Ok(ask(node, &format!("neighbor {neighbor}"))?["state"]["session_state"] == 6)
}

/// The best VPN routes that it holds, by `RD:PREFIX`; the family is `vpnv4` or `vpnv6`.
pub(crate) fn routes(node: &Node, family: &str) -> Result<BTreeMap<String, VpnRoute>> {
    let table = ask(node, &format!("global rib -a {family}"))?;
    let entries = table.as_object().into_iter().flatten();
    entries.map(|(name, paths)| Ok((name.clone(), route(&paths[0]).with_context(|| name.clone())?))).collect()
}

fn route(path: &Value) -> Result<VpnRoute> {
    let attribute = |code: u64| path["attrs"].as_array()?.iter().find(|one| one["type"] == code);
    let label = path["nlri"]["labels"][0].as_u64().context("no label")?;
    let next_hop = attribute(14).and_then(|reach| reach["nexthop"].as_str()).context("no next hop")?;
    let targets = attribute(16).and_then(|list| list["value"].as_array()).into_iter().flatten();
    let targets = targets.filter(|one| one["subtype"] == 2).filter_map(|one| one["value"].as_str());
    Ok(VpnRoute {
        label: u32::try_from(label)?,
        next_hop: next_hop.to_owned(),
        targets: targets.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_of_gobgp_is_read() {
        let path = serde_json::json!({
            "nlri": {"prefix": "10.1.0.0/16", "labels": [144]},
            "attrs": [
                {"type": 16, "value": [{"type": 0, "subtype": 2, "value": "65000:100"}, {"type": 3, "subtype": 12}]},
                {"type": 14, "nexthop": "10.255.0.2", "afi": 1, "safi": 128},
            ],
        });
        let expected =
            VpnRoute { label: 144, next_hop: "10.255.0.2".to_owned(), targets: vec!["65000:100".to_owned()] };
        assert_eq!(route(&path).unwrap(), expected);
    }
}
