//! `bench ike` on the wire: what a tunnel costs our daemon and strongSwan's, opened by the same gateways.

use anyhow::{Context as _, Result, ensure};

use super::load::{self, Kind, Run};
use super::report::Report;
use super::topology::Topology;
use super::{Lab, until};

const KINDS: [Kind; 3] = [
    Kind { name: "v2 PSK X25519", version: 2, authentication: "psk", proposal: "aes128-sha256-x25519" },
    Kind { name: "v2 PSK MODP-2048", version: 2, authentication: "psk", proposal: "aes128-sha256-modp2048" },
    Kind { name: "v1 PSK MODP-2048", version: 1, authentication: "psk", proposal: "aes128-sha256-modp2048" },
];

const TABLE: &str = "Processor time and memory of the responder for one tunnel";

/// The daemon as an operator runs it, not as the tests do.
pub(super) fn optimize(topology: &mut Topology) -> Result<()> {
    ensure!(crate::build::release()?, "the build failed");
    let pe = topology.nodes.get_mut("pe").context("the lab has no node pe")?;
    pe.cmd = Some(format!("{} --config /mnt/onramp.conf", program("onrampd")));
    Ok(())
}

fn program(name: &str) -> String {
    crate::build::target().join("release").join(name).display().to_string()
}

/// So many tunnels of each kind, to us and to them.
pub(super) fn run(lab: &Lab, tunnels: usize, report: &mut Report) -> Result<()> {
    let head = [
        "kind",
        "tunnels",
        "ours ms",
        "theirs ms",
        "ratio",
        "ours bytes",
        "theirs bytes",
        "ours /s",
        "theirs /s",
    ];
    report.row(TABLE, &head.map(str::to_owned));
    for kind in &KINDS {
        report.stage(&format!("{}: {tunnels} tunnels", kind.name));
        let (mut ours, mut theirs) = (None, None);
        report.check("to onrampd", || to_ours(lab, kind, tunnels).map(|run| word(ours.insert(run))));
        report.check("to strongSwan", || to_theirs(lab, kind, tunnels).map(|run| word(theirs.insert(run))));
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            report.row(TABLE, &cells(kind, &ours, &theirs));
        }
    }
    Ok(())
}

fn to_ours(lab: &Lab, kind: &Kind, tunnels: usize) -> Result<Run> {
    let run = load::run(lab, kind, "pe", "192.0.2.1", tunnels);
    lab.node("pe")?.demand(&format!("{} clear crypto session", program("onramp")))?;
    run
}

fn to_theirs(lab: &Lab, kind: &Kind, tunnels: usize) -> Result<Run> {
    let theirs = lab.node("theirs")?;
    load::respond(lab, kind)?;
    until(10, || Ok(theirs.run("test -S /run/charon.ldt")?.success)).context("strongSwan does not start")?;
    let run = load::run(lab, kind, "theirs", "192.0.3.1", tunnels);
    theirs.kill()?;
    run
}

fn milliseconds(run: &Run) -> f64 {
    run.processor.as_secs_f64() * 1000.0 / run.tunnels as f64
}

fn word(run: &Run) -> String {
    format!("{} tunnels, {:.2} ms each", run.tunnels, milliseconds(run))
}

fn cells(kind: &Kind, ours: &Run, theirs: &Run) -> Vec<String> {
    let bytes = |run: &Run| (run.memory / i64::try_from(run.tunnels).unwrap_or(i64::MAX)).to_string();
    let pace = |run: &Run| format!("{:.0}", run.tunnels as f64 / run.seconds);
    vec![
        kind.name.to_owned(),
        ours.tunnels.to_string(),
        format!("{:.2}", milliseconds(ours)),
        format!("{:.2}", milliseconds(theirs)),
        format!("{:.2}", milliseconds(ours) / milliseconds(theirs)),
        bytes(ours),
        bytes(theirs),
        pace(ours),
        pace(theirs),
    ]
}
