//! `bench datapath`: the benchmark lives beside the dataplane; this builds and runs it.

use anyhow::Result;

/// Passes `--json FILE` on, the path as seen from where the operator stands.
pub(crate) fn run(arguments: &[&str]) -> Result<bool> {
    let mut cargo = crate::build::cargo();
    cargo.args(["bench", "--quiet", "-p", "dp-user", "--bench", "datapath", "--"]);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        cargo.arg(word);
        if *word == "--json"
            && let Some(file) = words.next()
        {
            cargo.arg(std::env::current_dir()?.join(file));
        }
    }
    Ok(cargo.status()?.success())
}
