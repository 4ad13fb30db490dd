//! Runs a lab directory: its topology in namespaces and user-mode Linux, its checks, its recordings.

mod bgp_feed;
mod bgp_load;
mod capture;
mod console;
mod customer;
mod dataplane;
mod flood;
mod front_vrf;
mod frr;
mod gobgp;
mod inject;
mod interop_bgp;
mod isolation;
mod kernel;
mod l3vpn;
mod linux_sync;
mod load;
mod matrix;
mod node;
mod one_box;
mod ours;
mod recovery;
mod refusals;
mod report;
mod responders;
mod reverse_load;
mod swan;
mod topology;
mod traffic;
mod two_box;
mod wire;

pub(crate) use bgp_feed::run as bgp_feed;
pub(crate) use flood::send as flood;
pub(crate) use inject::run as inject;
pub(crate) use kernel::{Program, run as in_kernel};
pub(crate) use responders::Scope;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};

use node::Node;
use report::Report;
use topology::{End, Spec, Topology};

/// A lab that stands; dropping it takes it down.
pub(crate) struct Lab {
    nodes: BTreeMap<String, Node>,
    /// Recordings and logs.
    pub(crate) out: PathBuf,
    /// Held as long as the lab stands.
    _alone: File,
}

/// How a lab is wanted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// Leave it up at the end.
    pub(crate) keep: bool,
    /// Of ike-matrix: only the few cells that stand for the others.
    pub(crate) quick: bool,
    /// Of ike-matrix and linux-sync: only cells and events whose name holds this.
    pub(crate) filter: &'a str,
    /// Of some labs: what the PEs forward with, see `dataplane::choose`.
    pub(crate) dataplane: &'a str,
}

/// The labs whose PEs may forward with either dataplane.
const ON_BOTH: [&str; 4] = ["one-box", "front-vrf", "two-box", "interop-bgp"];

/// Builds, sets up, checks and takes down the lab `name`; whether every check passed.
pub(crate) fn run(name: &str, wanted: Wanted<'_>) -> Result<bool> {
    crate::setup::packages()?;
    println!("building");
    crate::build::build_programs()?;
    let directory = if name == "ike-flood" { "ike-load" } else { name };
    let mut topology = topology::read(&crate::build::root().canonicalize()?.join("labs").join(directory))?;
    ensure!(wanted.dataplane.is_empty() || ON_BOTH.contains(&name), "{name} has no --dataplane");
    dataplane::choose(&mut topology, wanted.dataplane)?;
    let configure = |out: &Path| dataplane::configure(&topology, out);
    match name {
        "one-box" => stand(&topology, wanted, configure, one_box::run),
        "front-vrf" => stand(&topology, wanted, configure, front_vrf::run),
        "interop-bgp" => stand(&topology, wanted, configure, interop_bgp::run),
        "l3vpn" => stand(&topology, wanted, |_| Ok(()), l3vpn::run),
        "l3vpn-frr" => stand(&topology, wanted, |_| Ok(()), l3vpn::beside_frr),
        "two-box" => stand(&topology, wanted, configure, two_box::run),
        "linux-sync" => {
            stand(&topology, wanted, |_| Ok(()), |lab, report| linux_sync::run(lab, wanted.filter, report))
        }
        "ike-matrix" => {
            let cells = matrix::cells(wanted);
            matrix::trim(&mut topology, &cells)?;
            stand(&topology, wanted, matrix::prepare, |lab, report| matrix::run(lab, cells, report))
        }
        "ike-flood" => {
            crate::load_tester::home()?;
            stand(&topology, wanted, load::prepare, flood::run)
        }
        _ => bail!(
            "no lab {name}; there are one-box, front-vrf, l3vpn, l3vpn-frr, interop-bgp, two-box, linux-sync, ike-matrix and ike-flood"
        ),
    }
}

/// The lab of `bench ike`: tunnels of each kind, to our daemon and to strongSwan's.
pub(crate) fn bench_ike(scope: Scope<'_>) -> Result<bool> {
    if scope.is_empty() {
        return Ok(true);
    }
    crate::setup::packages()?;
    crate::load_tester::home()?;
    let mut topology = topology::read(&crate::build::root().canonicalize()?.join("labs/ike-load"))?;
    responders::optimize(&mut topology)?;
    stand(&topology, Wanted::default(), load::prepare, |lab, report| responders::run(lab, scope, report))
}

/// The labs of `bench bgp`: so many rounds; `only` receivers whose name holds this, or `reverse`: the way of a tunnel's route.
pub(crate) fn bench_bgp(rounds: usize, only: &str) -> Result<bool> {
    crate::setup::packages()?;
    let labs = crate::build::root().canonicalize()?.join("labs");
    let mut passed = true;
    if only != "reverse" {
        let mut topology = topology::read(&labs.join("bgp-load"))?;
        bgp_load::optimize(&mut topology)?;
        passed &= stand(&topology, Wanted::default(), bgp_load::prepare, |lab, report| {
            bgp_load::run(lab, (rounds, only), report)
        })?;
    }
    if "reverse".contains(only) {
        crate::load_tester::home()?;
        let mut topology = topology::read(&labs.join("reverse-load"))?;
        reverse_load::optimize(&mut topology)?;
        passed &= stand(&topology, Wanted::default(), load::prepare, reverse_load::run)?;
    }
    Ok(passed)
}

fn stand(
    topology: &Topology,
    wanted: Wanted<'_>,
    prepare: impl FnOnce(&Path) -> Result<()>,
    checks: impl FnOnce(&Lab, &mut Report) -> Result<()>,
) -> Result<bool> {
    let mut report = Report::new();
    let (nodes, cables) = (topology.nodes.len(), topology.links.len());
    report.stage(&format!("{}: {nodes} nodes, {cables} cables", topology.name()));
    let lab = Lab::up(topology, &report, prepare)?;
    let outcome = checks(&lab, &mut report);
    lab.save_logs();
    if let Err(error) = outcome {
        report.check("the lab runs to its end", || Err(error));
    }
    if wanted.keep {
        lab.wait();
    }
    drop(lab);
    Ok(report.close())
}

impl Lab {
    fn up(topology: &Topology, report: &Report, prepare: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let alone = alone(&topology.name())?;
        let out = topology.directory.join("out");
        let _ = std::fs::remove_dir_all(&out);
        std::fs::create_dir_all(&out)?;
        prepare(&out)?;
        if topology.nodes.values().any(Spec::own_modules) {
            crate::modules::home()?;
        }
        let mut nodes = BTreeMap::new();
        for (name, spec) in &topology.nodes {
            nodes.insert(name.clone(), Node::create(name, spec, &topology.directory)?);
        }
        topology.links.iter().try_for_each(|link| plug(link, &nodes))?;
        boot(&mut nodes, topology)?;
        report.stage("starting what the nodes run");
        nodes.values().try_for_each(Node::start)?;
        each(nodes.values(), Node::exec)?;
        Ok(Self { nodes, out, _alone: alone })
    }

    pub(crate) fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.get(name).with_context(|| format!("the lab has no node {name}"))
    }

    fn save_logs(&self) {
        for node in self.nodes.values() {
            let log = node.log().unwrap_or_else(|error| format!("{error:#}\n"));
            let _ = std::fs::write(self.out.join(format!("{}.log", node.name)), log);
        }
    }

    /// Stands until the operator has seen enough; meanwhile runs what is asked for.
    fn wait(&self) {
        println!("\nThe lab stays up. A shell in a node, outside its kernel where it has one of its own:");
        for node in self.nodes.values() {
            println!("  {:10} nsenter -t {} -n -m", node.name, node.pid());
        }
        println!("NODE COMMAND runs a command in a node. An empty line takes the lab down.");
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let Some((name, command)) = line.split_once(' ') else { return };
            match self.node(name).and_then(|node| node.run(command)) {
                Ok(outcome) => println!("{}", outcome.text),
                Err(error) => println!("{error:#}"),
            }
        }
        if !std::io::stdin().is_terminal() {
            println!("End this process to take it down.");
            thread::park();
        }
    }
}

/// Two runs of one lab would write into the same place: the second waits until the first is over.
fn alone(name: &str) -> Result<File> {
    let lock = File::create(std::env::temp_dir().join(format!("onramp-lab-{name}.lock")))?;
    if lock.try_lock().is_err() {
        println!("waiting: {name} is running already");
        lock.lock()?;
    }
    Ok(lock)
}

/// A cable: what a host sends are frames as a wire would carry them, with checksums and no larger than the MTU.
fn plug([one, other]: &[End; 2], nodes: &BTreeMap<String, Node>) -> Result<()> {
    let place = |end: &End| nodes.get(&end.node).context("a cable to nowhere");
    let (one_node, other_node) = (place(one)?, place(other)?);
    let status = Command::new("ip")
        .args(["link", "add", &one.port, "netns", &one_node.pid().to_string(), "type", "veth"])
        .args(["peer", "name", &other.port, "netns", &other_node.pid().to_string()])
        .status()?;
    ensure!(status.success(), "no cable between {} and {}", one.node, other.node);
    for (node, end) in [(one_node, one), (other_node, other)] {
        node.outside(&format!("ethtool -K {0} tx off gro off >/dev/null && ip link set {0} up", end.port))?;
    }
    Ok(())
}

fn boot(nodes: &mut BTreeMap<String, Node>, topology: &Topology) -> Result<()> {
    let init = topology.directory.join("../uml-init.sh").canonicalize()?;
    each(nodes.values_mut(), |node| {
        let ends = topology.links.iter().flatten().filter(|end| end.node == node.name);
        let mut ports: Vec<String> = ends.map(|end| end.port.clone()).collect();
        ports.sort();
        node.boot(&init, &ports)
    })
}

/// The same for several nodes at once; the first error, if any.
fn each<T: Send>(nodes: impl Iterator<Item = T>, work: impl Fn(T) -> Result<()> + Sync) -> Result<()> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = nodes.map(|node| scope.spawn(move || work(node))).collect();
        threads.into_iter().try_for_each(joined)
    })
}

/// What a thread came to.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| bail!("a thread of the lab panicked"))
}

/// Asks again until it is so, at most `seconds`.
fn until(seconds: u64, mut question: impl FnMut() -> Result<bool>) -> Result<std::time::Duration> {
    let start = std::time::Instant::now();
    while !question()? {
        ensure!(start.elapsed().as_secs() < seconds, "not within {seconds} s");
        thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(start.elapsed())
}
