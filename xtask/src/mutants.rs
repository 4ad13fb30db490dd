//! Shows that the isolation tests can fail: takes the VRF out of one key at a time and expects them to notice.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::build;
use table::{MUTANTS, Mutant, TESTS, Test};

/// Seconds one test program may take; a mutant that goes in circles is noticed, too.
const LIMIT: &str = "120";

/// Runs every mutant whose key contains `wanted`; whether each was noticed.
pub(crate) fn run(wanted: &str) -> Result<bool> {
    let tree = build::target().join("mutants/tree");
    copy(&tree)?;
    for test in TESTS {
        ensure!(compile(&tree, test)?.status.success(), "{} does not build", test.1);
        ensure!(passes(&tree, test)?, "{} fails without any mutation", test.1);
    }
    let mut all = true;
    for mutant in MUTANTS.iter().filter(|mutant| mutant.key.contains(wanted)) {
        let start = Instant::now();
        print!("    {:<66} ", mutant.key);
        std::io::stdout().flush()?;
        let outcome = judge(&tree, mutant)?;
        all &= outcome == NOTICED;
        println!("{outcome} ({:.0} s)", start.elapsed().as_secs_f32());
    }
    Ok(all)
}

const NOTICED: &str = "noticed";

/// Mutates, tests, and puts back.
fn judge(tree: &Path, mutant: &Mutant) -> Result<&'static str> {
    let files: BTreeSet<&'static str> = mutant.edits.iter().map(|(file, ..)| *file).collect();
    let read = |file: &str| std::fs::read_to_string(tree.join(file)).with_context(|| file.to_owned());
    let mut originals = BTreeMap::new();
    for file in files {
        originals.insert(file, read(file)?);
    }
    let Some(mutated) = mutate(&originals, mutant) else {
        return Ok("STALE: its text does not stand there once");
    };
    write(tree, &mutated)?;
    let outcome = test(tree, mutant.test);
    write(tree, &originals)?;
    outcome
}

type Files = BTreeMap<&'static str, String>;

fn mutate(originals: &Files, mutant: &Mutant) -> Option<Files> {
    let mut files = originals.clone();
    for (file, find, replace) in mutant.edits {
        let text = files.get_mut(file)?;
        if text.matches(find).count() != 1 {
            return None;
        }
        *text = text.replacen(find, replace, 1);
    }
    Some(files)
}

fn write(tree: &Path, files: &Files) -> Result<()> {
    files.iter().try_for_each(|(file, text)| Ok(std::fs::write(tree.join(file), text)?))
}

fn test(tree: &Path, test: Test) -> Result<&'static str> {
    let compiled = compile(tree, test)?;
    if !compiled.status.success() {
        println!("\n{}", String::from_utf8_lossy(&compiled.stderr));
        return Ok("DOES NOT BUILD");
    }
    Ok(if passes(tree, test)? { "SURVIVED" } else { NOTICED })
}

fn compile(tree: &Path, (package, test): Test) -> Result<Output> {
    let mut cargo = build::cargo();
    cargo.args(["test", "--quiet", "--no-run", "-p", package, "--test", test]);
    Ok(at(&mut cargo, tree).output()?)
}

fn passes(tree: &Path, (package, test): Test) -> Result<bool> {
    let mut timeout = Command::new("timeout");
    timeout.arg(LIMIT).arg(build::cargo().get_program());
    timeout.args(["test", "--quiet", "-p", package, "--test", test]);
    // A failure need not be shrunk to a small one.
    timeout.env("PROPTEST_MAX_SHRINK_ITERS", "0");
    Ok(at(&mut timeout, tree).output()?.status.success())
}

/// Outside crates are built already where the rest of the project is.
fn at<'a>(command: &'a mut Command, tree: &Path) -> &'a mut Command {
    command.current_dir(tree).env("CARGO_TARGET_DIR", build::target())
}

/// Brings the copy up to date, uncommitted work included. What is the same keeps its time, so that it is
/// not built again.
fn copy(tree: &Path) -> Result<()> {
    let root = build::root().canonicalize()?;
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(&root).args(arguments).output()?;
    ensure!(output.status.success(), "git does not list the files");
    let names = String::from_utf8(output.stdout)?;
    let kept: Vec<PathBuf> = names.split_terminator('\0').map(PathBuf::from).collect();
    for name in kept.iter().filter(|name| root.join(name).is_file()) {
        let (mut wanted, path) = (std::fs::read(root.join(name))?, tree.join(name));
        if name == Path::new("Cargo.toml") {
            wanted = renumbered(&String::from_utf8(wanted)?)?.into_bytes();
        }
        if std::fs::read(&path).ok().as_ref() != Some(&wanted) {
            std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            std::fs::write(&path, wanted)?;
        }
    }
    Ok(())
}

/// Of two copies of a workspace in one target directory cargo takes the one's crates for the other's, mutants for the
/// project, unless their versions differ.
fn renumbered(manifest: &str) -> Result<String> {
    let (before, rest) = manifest.split_once("\nversion = \"").context("the workspace has no version")?;
    let (version, after) = rest.split_once('"').context("a version ends with a quote")?;
    Ok(format!("{before}\nversion = \"{version}-mutant\"{after}"))
}
