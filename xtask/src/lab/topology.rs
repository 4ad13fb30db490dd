//! Reads a containerlab topology file: the nodes, what runs in them, and the cables between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// A lab: where its files are and what stands in it.
pub(crate) struct Topology {
    pub(crate) directory: PathBuf,
    pub(crate) nodes: BTreeMap<String, Spec>,
    pub(crate) links: Vec<[End; 2]>,
}

impl Topology {
    /// The name of its directory.
    pub(crate) fn name(&self) -> String {
        self.directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// One end of a cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) node: String,
    pub(crate) port: String,
}

/// What containerlab calls a node; the keys that we use of it, and no others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    pub(crate) kind: String,
    /// For containerlab: what we install in place is what the image would hold.
    image: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// `SOURCE:TARGET[:ro]`, the source relative to the file.
    #[serde(default)]
    pub(crate) binds: Vec<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// What the node runs for its whole life.
    pub(crate) cmd: Option<String>,
    /// Commands once the cables are in.
    #[serde(default)]
    pub(crate) exec: Vec<String>,
}

impl Spec {
    /// Whether the node has a kernel of its own: user-mode Linux.
    pub(crate) fn own_kernel(&self) -> bool {
        self.labels.get("onramp.kernel").is_some_and(|kernel| kernel == "uml")
    }

    /// Whether that kernel needs more modules than Debian packs.
    pub(crate) fn own_modules(&self) -> bool {
        self.own_kernel()
            && (self.is_pe() || self.labels.get("onramp.modules").is_some_and(|whose| whose == "built"))
    }

    /// How much memory its kernel has.
    pub(crate) fn memory(&self) -> &str {
        self.labels.get("onramp.memory").map_or("192M", String::as_str)
    }

    /// Whether it runs `onrampd`.
    pub(crate) fn is_pe(&self) -> bool {
        self.image == "onramp"
    }

    /// A PE with a kernel of its own and that much memory, not of any topology.
    pub(crate) fn alone(memory: &str) -> Self {
        let labels = [("onramp.kernel", "uml"), ("onramp.memory", memory)];
        Self {
            kind: "linux".to_owned(),
            image: "onramp".to_owned(),
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Self::default()
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "name")]
    _name: String,
    topology: Body,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    nodes: BTreeMap<String, Spec>,
    links: Vec<Link>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    endpoints: [String; 2],
}

/// Reads `DIRECTORY/topology.clab.yml`.
pub(crate) fn read(directory: &Path) -> Result<Topology> {
    let path = directory.join("topology.clab.yml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("no lab: {}", path.display()))?;
    let file: File =
        serde_saphyr::from_str(&text).with_context(|| format!("{} is faulty", path.display()))?;
    for (name, spec) in &file.topology.nodes {
        ensure!(spec.kind == "linux", "node {name} is of kind {}: we know linux only", spec.kind);
    }
    let links = file.topology.links.iter().map(|link| ends(link, &file.topology.nodes));
    Ok(Topology {
        directory: directory.to_owned(),
        links: links.collect::<Result<_>>()?,
        nodes: file.topology.nodes,
    })
}

fn ends(link: &Link, nodes: &BTreeMap<String, Spec>) -> Result<[End; 2]> {
    let [one, other] = &link.endpoints;
    Ok([end(one, nodes)?, end(other, nodes)?])
}

fn end(text: &str, nodes: &BTreeMap<String, Spec>) -> Result<End> {
    let (node, port) = text.split_once(':').with_context(|| format!("endpoint {text} is not NODE:PORT"))?;
    ensure!(nodes.contains_key(node), "endpoint {text}: there is no node {node}");
    Ok(End { node: node.to_owned(), port: port.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labs_of_this_repository_are_read() {
        let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../labs");
        let one_box = read(&labs.join("one-box")).unwrap();
        assert!(one_box.nodes["cpe-a"].own_kernel());
        assert!(!one_box.nodes["cpe-b"].own_kernel());
        assert_eq!(read(&labs.join("front-vrf")).unwrap().nodes["pe1"].kind, "linux");
    }

    #[test]
    fn a_cable_to_a_node_that_is_not_there_is_refused() {
        assert!(end("nobody:eth1", &BTreeMap::new()).is_err());
    }
}
