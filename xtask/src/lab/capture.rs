//! Records what passes on a cable, and reads it back: raw frames, or decoded by tshark.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::node::{Node, quote};

/// A recording under way.
pub(crate) struct Capture<'a> {
    node: &'a Node,
    pid: String,
    file: PathBuf,
}

impl<'a> Capture<'a> {
    /// Starts to record a port into `DIRECTORY/NODE-PORT-WORD.pcap`.
    pub(crate) fn start(node: &'a Node, port: &str, directory: &Path, word: &str) -> Result<Self> {
        let file = directory.join(format!("{}-{port}-{word}.pcap", node.name));
        let pid = node.outside(&format!(
            "tcpdump -i {port} -Z root -U --immediate-mode -B 16384 -s 0 -w {} >/run/tcpdump.log 2>&1 </dev/null & echo $!; \
             for i in $(seq 100); do grep -q listening /run/tcpdump.log && exit 0; sleep 0.05; done; exit 1",
            quote(&file.to_string_lossy())
        ))?;
        Ok(Self { node, pid, file })
    }

    /// Ends it; where the recording is.
    pub(crate) fn stop(self) -> Result<PathBuf> {
        // What is still on its way is worth a moment.
        let stop =
            format!("sleep 0.3; kill {0}; while kill -0 {0} 2>/dev/null; do sleep 0.02; done", self.pid);
        self.node.outside(&stop)?;
        Ok(self.file)
    }
}

/// What tshark says of each frame that `filter` lets pass: the fields, tab between, several values with comma.
pub(crate) fn decode(
    file: &Path,
    options: &[String],
    filter: &str,
    fields: &[&str],
) -> Result<Vec<Vec<String>>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(file).args(["-Y", filter, "-T", "fields"]);
    tshark.args(fields.iter().flat_map(|field| ["-e", field]));
    tshark.args(options.iter().flat_map(|option| ["-o", option]));
    let output = tshark.output().context("cannot run tshark")?;
    ensure!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

/// The frames of a recording, as they were on the wire.
pub(crate) fn frames(file: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(file).with_context(|| format!("no recording {}", file.display()))?;
    let mut rest = bytes.get(24..).context("not a recording")?;
    let mut frames = Vec::new();
    while let Some((head, body)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let Some((frame, after)) = body.split_at_checked(length) else { break };
        frames.push(frame.to_vec());
        rest = after;
    }
    Ok(frames)
}
