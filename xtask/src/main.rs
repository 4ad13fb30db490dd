//! The project's own commands: `cargo xtask setup | build | test | lab | bench | fuzz | mutants | tidy`.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod fuzz;
mod lab;
mod load_tester;
mod modules;
mod mutants;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use test::Extent;

const USAGE: &str = "\
./x setup                          install what the tests and labs need (Debian, as root)
./x build                          onrampd and onramp, for release
./x test [--quick|--all]           everything that must hold; --quick: no fuzzing, no labs; --all: every lab in full
./x kernel PACKAGE TEST            the tests of a package that need a kernel with VRFs, MPLS and ESP
./x lab NAME [--keep] [--dataplane user|linux|pe1=linux,pe2=user]
                                   run a lab: one-box, front-vrf; --keep: leave it up
./x lab l3vpn [--keep]             our PE in a core of FRR and GoBGP: LDP, VPNv4, VPNv6
./x lab l3vpn-frr [--keep]         the same with FRR's BGP and LDP beside our Linux dataplane
./x lab interop-bgp [--keep]       FRR, GoBGP, BIRD and ExaBGP around our route reflector
./x lab two-box [--keep] [--dataplane agg2=linux]
                                   aggregators hand VPNs to a PE over VLANs and GRE tunnels; one dies
./x lab linux-sync [WORD] [--keep] what strangers and crashes do to the kernel's state is mended
./x lab ike-matrix [--quick] [WORD] real peers by scenarios of IKE; WORD: only cells whose name holds it
./x lab ike-flood                  openings from random sources by the ten thousand
./x bench datapath [--json FILE]   what a packet costs
./x bench ike [--json FILE] [--full] [--only WORD] what a tunnel costs a responder, ours and strongSwan's; --full: 10,000
                                   of each kind; WORD: only kinds whose name holds it
./x bench linux                    what the kernel takes to install, to take over and to remove much state
./x bench bgp [--rounds N] [--only WORD] what a million VPN routes cost us, FRR, GoBGP and BIRD, and how long a tunnel's
                                   route takes to a reflector's peers; WORD: only these, `reverse` the last
./x fuzz [TARGET…] [--seconds N]   fuzz the parsers
./x mutants [WORD]                 take the VRF out of one key at a time: the tests must notice
./x tidy                           sizes, first sentences, names of files in the docs";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The words after a lab's name.
fn wanted<'a>(words: &[&'a str]) -> Result<lab::Wanted<'a>> {
    let mut wanted = lab::Wanted::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--keep" => wanted.keep = true,
            "--quick" => wanted.quick = true,
            "--dataplane" => wanted.dataplane = words.next().context("--dataplane: of what kind?")?,
            option if option.starts_with('-') => bail!("usage:\n{USAGE}"),
            filter => wanted.filter = filter,
        }
    }
    Ok(wanted)
}

/// Whether what was asked for turned out well.
fn run(words: &[&str]) -> Result<bool> {
    match words {
        ["setup"] => setup::run().map(|()| true),
        ["build"] => build::release(),
        ["test"] => test::run(Extent::Usual),
        ["test", "--quick"] => test::run(Extent::Quick),
        ["test", "--all"] => test::run(Extent::All),
        ["lab", name, rest @ ..] => lab::run(name, wanted(rest)?),
        ["bench", "datapath", rest @ ..] => bench::run(("dp-user", "datapath"), rest),
        ["bench", "bgp", rest @ ..] => bench::bgp(rest),
        ["bench", "linux"] => bench::linux(),
        ["bench", "ike", rest @ ..] => bench::ike(rest),
        ["fuzz", rest @ ..] => fuzz::command(rest),
        ["mutants"] => mutants::run(""),
        ["mutants", word] => mutants::run(word),
        ["tidy"] => tidy::run(),
        ["kernel", package, name] => test::in_kernel(package, name),
        ["bgp-feed", rest @ ..] => lab::bgp_feed(rest).map(|()| true),
        ["inject"] => lab::inject().map(|()| true),
        ["flood", rest @ ..] => lab::flood(rest).map(|()| true),
        _ => bail!("usage:\n{USAGE}"),
    }
}
