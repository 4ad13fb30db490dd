//! `test`: everything that must hold, step by step.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::lab::{Program, Wanted};
use crate::{build, fuzz, lab, mutants, setup, tidy};

type Step = (&'static str, fn() -> Result<bool>);

/// In the order in which a fault is found soonest.
const QUICK: [Step; 5] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("tidy", tidy::run),
    ("clippy", || cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("licences, bans, sources", deny),
    ("tests", || cargo(&["test", "--quiet", "--workspace"])),
];

const SLOW: [Step; 10] = [
    ("mutants", || mutants::run("")),
    ("fuzzing", || fuzz::run(&[], fuzz::SECONDS)),
    ("kernel contract", || in_kernel("dp-linux", "kernel")),
    ("kernel SAs and policies", || in_kernel("dp-linux", "xfrm")),
    ("both dataplanes, the same packets", || in_kernel("tests", "backends")),
    ("lab one-box", || lab::run("one-box", Wanted::default())),
    ("lab one-box on Linux", || on("one-box", "linux")),
    ("lab front-vrf", || lab::run("front-vrf", Wanted::default())),
    ("lab l3vpn", || lab::run("l3vpn", Wanted::default())),
    ("lab ike-matrix", || lab::run("ike-matrix", Wanted { quick: true, ..Wanted::default() })),
];

/// What takes too long for every change.
const LONG: [Step; 10] = [
    ("lab front-vrf on Linux", || on("front-vrf", "linux")),
    ("lab one-box, pe1 on Linux", || on("one-box", "pe1=linux,pe2=user")),
    ("lab one-box, pe2 on Linux", || on("one-box", "pe1=user,pe2=linux")),
    ("lab l3vpn-frr", || lab::run("l3vpn-frr", Wanted::default())),
    ("lab interop-bgp", || lab::run("interop-bgp", Wanted::default())),
    ("lab interop-bgp, pe1 on Linux", || on("interop-bgp", "pe1=linux")),
    ("lab two-box", || lab::run("two-box", Wanted::default())),
    ("lab two-box, agg2 on Linux", || on("two-box", "agg2=linux")),
    ("lab linux-sync", || lab::run("linux-sync", Wanted::default())),
    ("lab ike-matrix in full", || lab::run("ike-matrix", Wanted::default())),
];

/// How much is to be run: each holds what those before it hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// What needs neither root nor peers.
    Quick,
    /// Everything that must hold of every change.
    Usual,
    All,
}

/// All steps, also after one failed; whether none did.
pub(crate) fn run(extent: Extent) -> Result<bool> {
    if extent >= Extent::Usual {
        setup::packages()?;
    }
    let slow: &[Step] = if extent >= Extent::Usual { &SLOW } else { &[] };
    let long: &[Step] = if extent == Extent::All { &LONG } else { &[] };
    let (start, mut passed, mut failed) = (Instant::now(), 0, Vec::new());
    for (name, step) in QUICK.iter().chain(slow).chain(long) {
        println!("==> {name}");
        let begun = Instant::now();
        let good = step().unwrap_or_else(|error| {
            println!("error: {error:#}");
            false
        });
        let word = if good { "ok" } else { "FAILED" };
        println!("==> {name}: {word} ({:.0} s)\n", begun.elapsed().as_secs_f32());
        if good { passed += 1 } else { failed.push(*name) }
    }
    if !failed.is_empty() {
        println!("failed: {}", failed.join("; "));
    }
    println!("in {:.0} s", start.elapsed().as_secs_f32());
    println!("{passed} passed, {} failed", failed.len());
    Ok(failed.is_empty())
}

/// The tests of a package that need a kernel with VRFs, MPLS and ESP.
pub(crate) fn in_kernel(package: &str, name: &str) -> Result<bool> {
    let program = Program { package, kind: "--test", name };
    lab::in_kernel(program, "512M", &["--ignored", "--nocapture", "--test-threads=1"])
}

/// A lab with this `--dataplane`.
fn on(lab: &str, dataplane: &str) -> Result<bool> {
    lab::run(lab, Wanted { dataplane, ..Wanted::default() })
}

fn cargo(arguments: &[&str]) -> Result<bool> {
    let mut command: Command = build::cargo();
    Ok(command.args(arguments).status()?.success())
}

fn deny() -> Result<bool> {
    setup::cargo_deny()?;
    cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"])
}
