//! Tests and benchmarks that need a kernel with VRFs, MPLS and XFRM interfaces: run in user-mode Linux.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::node::{Node, quote};
use super::topology::Spec;
use crate::build;

/// A target of cargo that is a program; its kind is `--test` or `--bench`.
#[derive(Clone, Copy)]
pub(crate) struct Program<'a> {
    pub(crate) package: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

/// Builds it, boots a kernel with so much memory, and runs it there with these words; whether it succeeded.
pub(crate) fn run(program: Program<'_>, memory: &str, words: &[&str]) -> Result<bool> {
    crate::setup::packages()?;
    crate::modules::home()?;
    let path = built(program)?;
    let root = build::root().canonicalize()?;
    let mut node = Node::create("kernel", &Spec::alone(memory), &root)?;
    node.boot(&root.join("labs/uml-init.sh"), &[])?;
    let [root, path] = [root, path].map(|path| quote(&path.to_string_lossy()));
    node.stream(&format!("cd {root} && timeout {LIMIT} {path} {}", words.join(" ")))
}

/// Seconds: whatever hangs ends.
const LIMIT: &str = "1200";

/// What cargo built; a benchmark is optimised.
fn built(program: Program<'_>) -> Result<PathBuf> {
    let word = if program.kind == "--bench" { "bench" } else { "test" };
    let mut cargo = build::cargo();
    cargo.args([word, "--no-run", "--quiet", "--message-format=json-render-diagnostics"]);
    cargo.args(["-p", program.package, program.kind, program.name]);
    let output = cargo.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} {} does not build", program.package, program.name);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = messages.filter(|message| message["target"]["name"] == program.name);
    let mut paths = ours.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    paths.next_back().with_context(|| format!("cargo built no program of {}", program.name))
}
