//! Where things are, and building what the labs run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where our programs are: beside this one.
pub(crate) fn programs() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.parent().map_or_else(|| target().join("debug"), PathBuf::from)
}

/// The build directory in use: the one that this program lies in.
pub(crate) fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(2).map_or_else(|| root().join("target"), PathBuf::from)
}

pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", target());
    cargo
}

/// Builds `onrampd` and `onramp` as an operator runs them, and says where they are.
pub(crate) fn release() -> Result<bool> {
    let status = cargo().args(["build", "--release", "-p", "onrampd", "-p", "onramp"]).status()?;
    let place = target().join("release");
    println!("{}\n{}", place.join("onrampd").display(), place.join("onramp").display());
    Ok(status.success())
}

/// Builds `onrampd` and `onramp` with their assertions and overflow checks on.
pub(crate) fn build_programs() -> Result<()> {
    let status = cargo().args(["build", "--quiet", "-p", "onrampd", "-p", "onramp"]).status()?;
    ensure!(status.success(), "the build failed");
    Ok(())
}

/// Runs a program in a directory; the error holds the last of what it said.
pub(crate) fn step(work: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let path = work.join("log");
    let log = std::fs::File::create(&path)?;
    let status = Command::new(program)
        .args(arguments)
        .current_dir(work)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()?;
    let end = || std::fs::read_to_string(&path).unwrap_or_default();
    ensure!(status.success(), "{program} {}: {}", arguments.join(" "), tail(&end()));
    Ok(())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
