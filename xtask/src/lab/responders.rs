//! `bench ike` on the wire: what a tunnel costs our daemon and strongSwan's, opened by the same gateways.

use anyhow::{Context as _, Result, ensure};

use super::load::{self, Kind, Run};
use super::report::Report;
use super::topology::Topology;
use super::{Lab, until};

/// With the milliseconds of processor time that a tunnel is not to exceed.
const KINDS: [(Kind, f64); 4] = [
    (kind("v2-psk-x25519", 2, "psk", "aes128-sha256-x25519"), 0.2),
    (kind("v2-psk-modp2048", 2, "psk", "aes128-sha256-modp2048"), 1.0),
    (kind("v2-ecdsa-p256", 2, "pubkey", "aes128-sha256-x25519"), 0.4),
    (kind("v1-psk-modp2048", 1, "psk", "aes128-sha256-modp2048"), 1.0),
];

const fn kind(name: &'static str, version: u8, authentication: &'static str, proposal: &'static str) -> Kind {
    Kind { name, version, authentication, proposal }
}

const TABLE: &str = "Processor time and memory of the responder for one tunnel, on the wire; no more than 4096 bytes are aimed at";

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

/// Which tunnels are measured.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Ten thousand of every kind, not of the first alone.
    pub(crate) full: bool,
    /// Kinds whose name holds this.
    pub(crate) only: &'a str,
}

impl Scope<'_> {
    fn kinds(self) -> impl Iterator<Item = (usize, &'static (Kind, f64))> {
        KINDS.iter().enumerate().filter(move |(_, (kind, _))| kind.name.contains(self.only))
    }

    /// Whether there is no such kind.
    pub(super) fn is_empty(self) -> bool {
        self.kinds().next().is_none()
    }
}

/// A thousand tunnels of each kind, to us and to them, and ten thousand of the first kind or, if so wanted, of all.
pub(super) fn run(lab: &Lab, scope: Scope<'_>, report: &mut Report) -> Result<()> {
    let head = [
        "kind",
        "tunnels",
        "aim ms",
        "ours ms",
        "theirs ms",
        "ratio",
        "ours bytes",
        "theirs bytes",
        "ours /s",
        "theirs /s",
    ];
    report.row(TABLE, &head.map(str::to_owned));
    for (number, (kind, aim)) in scope.kinds() {
        for tunnels in [1000, 10_000] {
            if tunnels == 1000 || scope.full || number == 0 {
                compare(lab, (kind, *aim), tunnels, report);
            }
        }
    }
    Ok(())
}

fn compare(lab: &Lab, (kind, aim): (&Kind, f64), tunnels: usize, report: &mut Report) {
    report.stage(&format!("{}: {tunnels} tunnels", kind.name));
    let (mut ours, mut theirs) = (None, None);
    report.check("to onrampd", || to_ours(lab, kind, tunnels).map(|run| word(ours.insert(run))));
    report.check("to strongSwan", || to_theirs(lab, kind, tunnels).map(|run| word(theirs.insert(run))));
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        report.row(TABLE, &cells((kind, aim), &ours, &theirs));
    }
}

/// Both responders are started anew for every run: neither takes up what the one before left free.
fn to_ours(lab: &Lab, kind: &Kind, tunnels: usize) -> Result<Run> {
    let pe = lab.node("pe")?;
    pe.kill()?;
    pe.start()?;
    let ask = format!("{} show crypto session", program("onramp"));
    until(10, || Ok(pe.run(&ask)?.success)).context("onrampd does not start")?;
    load::run(lab, kind, "pe", "192.0.2.1", tunnels)
}

fn to_theirs(lab: &Lab, kind: &Kind, tunnels: usize) -> Result<Run> {
    load::respond(lab, kind)?;
    let run = load::run(lab, kind, "theirs", "192.0.3.1", tunnels);
    lab.node("theirs")?.kill()?;
    run
}

fn milliseconds(run: &Run) -> f64 {
    run.processor.as_secs_f64() * 1000.0 / run.tunnels as f64
}

fn word(run: &Run) -> String {
    format!("{} tunnels, {:.2} ms each", run.tunnels, milliseconds(run))
}

fn cells((kind, aim): (&Kind, f64), ours: &Run, theirs: &Run) -> Vec<String> {
    let bytes = |run: &Run| (run.memory / i64::try_from(run.tunnels).unwrap_or(i64::MAX)).to_string();
    let pace = |run: &Run| format!("{:.0}", run.tunnels as f64 / run.seconds);
    vec![
        kind.name.to_owned(),
        ours.tunnels.to_string(),
        format!("{aim:.1}"),
        format!("{:.2}", milliseconds(ours)),
        format!("{:.2}", milliseconds(theirs)),
        format!("{:.2}", milliseconds(ours) / milliseconds(theirs)),
        bytes(ours),
        bytes(theirs),
        pace(ours),
        pace(theirs),
    ]
}
