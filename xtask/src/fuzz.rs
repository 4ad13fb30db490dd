//! Fuzzes every target under `tests/fuzz` with libFuzzer, on the stable toolchain.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::build;

/// What `cargo fuzz` passes to the compiler, less the sanitizers that need nightly: coverage feedback by LLVM's pass,
/// and our own assertions and overflow checks.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code --cfg fuzzing \
    -Cdebug-assertions=on -Coverflow-checks=on -Ccodegen-units=1";

/// Seconds a target in `test`.
pub(crate) const SECONDS: u32 = 15;

/// `fuzz [TARGET…] [--seconds N]`.
pub(crate) fn command(words: &[&str]) -> Result<bool> {
    let (mut chosen, mut seconds, mut words) = (Vec::new(), SECONDS, words.iter());
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => seconds = words.next().context("--seconds needs a number")?.parse()?,
            target => chosen.push(target.to_owned()),
        }
    }
    run(&chosen, seconds)
}

/// Builds all targets, then runs those chosen (none: all), two at a time; whether none found a fault.
pub(crate) fn run(chosen: &[String], seconds: u32) -> Result<bool> {
    let mut targets = targets()?;
    if let Some(unknown) = chosen.iter().find(|name| !targets.contains(name)) {
        bail!("no fuzz target {unknown}; there are {}", targets.join(", "));
    }
    targets.retain(|target| chosen.is_empty() || chosen.contains(target));
    ensure!(!targets.is_empty(), "there is no fuzz target");
    compile()?;
    let mut clean = true;
    for pair in targets.chunks(2) {
        let outcomes: Vec<Result<bool>> = thread::scope(|scope| {
            let threads: Vec<_> = pair.iter().map(|target| scope.spawn(|| fuzz(target, seconds))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("panicked"))).collect()
        });
        for outcome in outcomes {
            clean &= outcome?;
        }
    }
    Ok(clean)
}

fn home() -> PathBuf {
    build::root().join("tests/fuzz")
}

fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(home().join("fuzz_targets")).context("no fuzz targets")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// The target triple is named so that the flags do not reach build scripts and macros.
fn compile() -> Result<()> {
    let status = build::cargo()
        .args(["build", "--quiet", "--release", "--bins", "--target", &host(), "--manifest-path"])
        .arg(home().join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", output())
        .env("RUSTFLAGS", FLAGS)
        .status()?;
    ensure!(status.success(), "the fuzz targets do not build");
    Ok(())
}

fn host() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn output() -> PathBuf {
    build::target().join("fuzz")
}

/// New inputs go to the build directory; the seeds are only read.
fn fuzz(target: &str, seconds: u32) -> Result<bool> {
    let start = Instant::now();
    let (grown, faults) = (output().join("corpus").join(target), output().join("artifacts").join(target));
    std::fs::create_dir_all(&grown)?;
    std::fs::create_dir_all(&faults)?;
    let mut fuzzer = Command::new(output().join(host()).join("release").join(target));
    fuzzer.arg(&grown).args(seeds(target)).args([
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]);
    fuzzer.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", faults.display()));
    let output = fuzzer.stdin(Stdio::null()).output().with_context(|| format!("{target} was not built"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let executions = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let took = start.elapsed().as_secs();
    if output.status.success() {
        println!("    fuzz {target}: {} runs in {took} s", executions.unwrap_or("?").trim());
    } else {
        println!("    fuzz {target}: FAULT, inputs in {}\n{}", faults.display(), ending(&text));
    }
    Ok(output.status.success())
}

fn seeds(target: &str) -> Option<PathBuf> {
    let seeds = home().join("corpus").join(target);
    Path::new(&seeds).is_dir().then_some(seeds)
}

fn ending(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
