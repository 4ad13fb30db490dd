//! Which PEs of a lab forward with the kernel: these run in user-mode Linux, and their configuration has one line more.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::topology::Topology;

/// The one line.
const LINE: &str = "dataplane linux\n";

/// `user`, `linux`, or such as `pe1=linux,pe2=user`; a PE that is not named forwards in a process.
pub(crate) fn choose(topology: &mut Topology, wanted: &str) -> Result<()> {
    let pes = topology.nodes.iter().filter(|(_, spec)| spec.is_pe()).map(|(name, _)| name.clone());
    let mut linux: Vec<String> = match wanted {
        "" | "user" => Vec::new(),
        "linux" => pes.collect(),
        pairs => pairs.split(',').map(of_linux).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect(),
    };
    linux.dedup();
    for name in linux {
        let spec = topology.nodes.get_mut(&name).filter(|spec| spec.is_pe());
        let spec = spec.with_context(|| format!("--dataplane: the lab has no PE {name}"))?;
        spec.labels.insert("onramp.kernel".to_owned(), "uml".to_owned());
        for bind in &mut spec.binds {
            *bind = format!("out/{bind}");
        }
    }
    Ok(())
}

/// The name, if this pair gives it to the kernel.
fn of_linux(pair: &str) -> Result<Option<String>> {
    match pair.split_once('=') {
        Some((name, "linux")) => Ok(Some(name.to_owned())),
        Some((_, "user")) => Ok(None),
        Some(_) | None => bail!("--dataplane {pair}: expected user, linux or NODE=user|linux"),
    }
}

/// Writes what `choose` binds into `out`: the PE's directory, with the line on top of its configuration.
pub(crate) fn configure(topology: &Topology, out: &Path) -> Result<()> {
    let linux = topology.nodes.values().filter(|spec| spec.is_pe() && spec.own_kernel());
    for bind in linux.flat_map(|spec| &spec.binds) {
        let source = bind.split(':').next().and_then(|source| source.strip_prefix("out/"));
        let source = source.with_context(|| format!("{bind} is not ours to change"))?;
        let copy = out.join(source);
        std::fs::create_dir_all(&copy)?;
        for entry in std::fs::read_dir(topology.directory.join(source))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path)?;
            let line = if name == "onramp.conf" { LINE } else { "" };
            std::fs::write(copy.join(name), format!("{line}{text}"))?;
        }
        ensure!(copy.join("onramp.conf").exists(), "{source} has no onramp.conf");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::topology;
    use super::*;

    fn one_box(wanted: &str) -> Result<Topology> {
        let mut topology =
            topology::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../labs/one-box")).unwrap();
        choose(&mut topology, wanted).map(|()| topology)
    }

    #[test]
    fn only_the_pes_that_are_named_get_a_kernel() {
        let mixed = one_box("pe1=user,pe2=linux").unwrap();
        assert!(!mixed.nodes["pe1"].own_kernel() && mixed.nodes["pe2"].own_kernel());
        assert_eq!(mixed.nodes["pe2"].binds, ["out/pe2:/mnt:ro"]);
        let all = one_box("linux").unwrap();
        assert!(all.nodes["pe1"].own_kernel() && all.nodes["pe2"].own_kernel());
        assert!(!one_box("").unwrap().nodes["pe1"].own_kernel());
    }

    #[test]
    fn a_dataplane_or_node_that_is_not_there_is_refused() {
        for wanted in ["kernel", "pe9=linux", "pe1=xdp", "inet=linux"] {
            assert!(one_box(wanted).is_err(), "{wanted}");
        }
    }
}
