//! `test`: everything that must hold, step by step.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::lab::Wanted;
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

const SLOW: [Step; 5] = [
    ("mutants", || mutants::run("")),
    ("fuzzing", || fuzz::run(&[], fuzz::SECONDS)),
    ("lab one-box", || lab::run("one-box", Wanted::default())),
    ("lab front-vrf", || lab::run("front-vrf", Wanted::default())),
    ("lab ike-matrix", || lab::run("ike-matrix", Wanted { quick: true, ..Wanted::default() })),
];

/// All steps, also after one failed; whether none did.
pub(crate) fn run(quick: bool) -> Result<bool> {
    if !quick {
        setup::packages()?;
    }
    let slow: &[Step] = if quick { &[] } else { &SLOW };
    let (start, mut passed, mut failed) = (Instant::now(), 0, Vec::new());
    for (name, step) in QUICK.iter().chain(slow) {
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

fn cargo(arguments: &[&str]) -> Result<bool> {
    let mut command: Command = build::cargo();
    Ok(command.args(arguments).status()?.success())
}

fn deny() -> Result<bool> {
    setup::cargo_deny()?;
    cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"])
}
