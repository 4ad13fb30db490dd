//! `bench datapath`, `bench ike`: the benchmarks live beside what they measure; this builds and runs them.

use anyhow::Result;

use crate::lab;

/// Of this package the benchmark of this name. Passes `--json FILE` on, the path as seen from where the operator stands.
pub(crate) fn run((package, name): (&str, &str), arguments: &[&str]) -> Result<bool> {
    let mut cargo = crate::build::cargo();
    cargo.args(["bench", "--quiet", "-p", package, "--bench", name, "--"]);
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

/// The engine alone first, then the daemon beside strongSwan's, with the same gateways as initiators.
pub(crate) fn ike(arguments: &[&str]) -> Result<bool> {
    let tunnels = if arguments.contains(&"--full") { 10_000 } else { 1000 };
    Ok(run(("tests", "ike"), arguments)? && lab::bench_ike(tunnels)?)
}
