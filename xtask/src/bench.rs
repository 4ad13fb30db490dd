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

/// The daemon beside strongSwan's, with the same gateways as initiators, then the engine alone: both tables are at the end.
/// `--full`: ten thousand tunnels of every kind; `--only WORD`: kinds whose name holds it.
pub(crate) fn ike(arguments: &[&str]) -> Result<bool> {
    let mut words = arguments.iter().skip_while(|word| **word != "--only");
    let only = words.nth(1).copied().unwrap_or_default();
    let wire = lab::bench_ike(lab::Scope { full: arguments.contains(&"--full"), only })?;
    Ok(run(("tests", "ike"), arguments)? && wire)
}

/// In user-mode Linux: ten thousand tunnels and a hundred thousand labelled routes.
pub(crate) fn linux() -> Result<bool> {
    lab::in_kernel(lab::Program { package: "dp-linux", kind: "--bench", name: "scale" }, "3G", &[])
}

/// Our daemon, FRR's bgpd, GoBGP and BIRD take the same million VPN routes; then tunnels become routes at a reflector's peer.
/// `--rounds N`, three if not said; `--only WORD`: receivers whose name holds it, or `reverse`.
pub(crate) fn bgp(arguments: &[&str]) -> Result<bool> {
    let after = |word| arguments.iter().skip_while(move |one| **one != word).nth(1).copied();
    let rounds = after("--rounds").map_or(Ok(3), str::parse)?;
    lab::bench_bgp(rounds, after("--only").unwrap_or_default())
}
