//! The lab ike-matrix: real peers by scenarios, each cell with its own configuration on both sides.

mod algorithm;
mod authority;
mod cables;
mod gateway;
mod lane;
mod libreswan;
mod offers;
mod onramp;
mod opened;
mod place;
mod proof;
mod scan;
mod scenario;
mod strongswan;
mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, ensure};

use super::capture::Capture;
use super::report::Report;
use super::topology::Topology;
use super::{Lab, Wanted, joined};
use cables::Window;
use lane::Lane;
pub(super) use scenario::Cell;
use scenario::{Network, Peer, Role};

/// What became of a cell.
enum Outcome {
    Passed,
    Failed,
    /// The peer has it not, or it makes no sense: why.
    Lacking(&'static str),
}

/// The cells that are wanted.
pub(super) fn cells(wanted: Wanted<'_>) -> Vec<Cell> {
    let mut cells = Vec::new();
    for scenario in table::scenarios() {
        for peer in Peer::ALL {
            for role in Role::BOTH {
                let number = cells.len();
                cells.push(Cell { scenario: scenario.clone(), peer, role, number });
            }
        }
    }
    cells.retain(|cell| cell.title().contains(wanted.filter));
    cells.retain(|cell| !wanted.quick || cell.scenario.quick.contains(&(cell.peer, cell.role)));
    cells
}

/// Only the networks that are wanted.
pub(super) fn trim(topology: &mut Topology, cells: &[Cell]) -> Result<()> {
    ensure!(!cells.is_empty(), "no cell has this in its name");
    let networks: BTreeSet<&str> = wanted_networks(cells).map(|network| network.word).collect();
    let wanted = |name: &str| networks.contains(name.rsplit('-').next().unwrap_or(name));
    topology.nodes.retain(|name, _| wanted(name));
    topology.links.retain(|ends| ends.iter().all(|end| wanted(&end.node)));
    Ok(())
}

fn wanted_networks(cells: &[Cell]) -> impl Iterator<Item = Network> {
    Network::ALL.into_iter().filter(|network| network.is_wanted(cells))
}

/// What the nodes find in `/srv` when they start.
pub(super) fn prepare(out: &Path) -> Result<()> {
    // Copies: user-mode Linux has a /tmp of its own, where the build directory may be.
    copy(&crate::setup::libreswan()?, &out.join("libreswan"))?;
    copy(&authority::directory()?, &out.join("pki"))?;
    for network in Network::ALL {
        std::fs::write(out.join(format!("pe-{}.conf", network.word)), onramp::idle())?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").args([from, to]).status()?;
    ensure!(status.success(), "cannot copy {}", from.display());
    Ok(())
}

/// All networks at once, the cells in each one after the other; then what the cables carried.
pub(super) fn run(lab: &Lab, cells: Vec<Cell>, report: &mut Report) -> Result<()> {
    let (board, shared) = (Mutex::new(BTreeMap::new()), Mutex::new(report));
    let of = |peer| cells.iter().filter(|cell| cell.peer == peer).collect();
    let queues: BTreeMap<Peer, Queue<'_>> = Peer::ALL.map(|peer| (peer, Mutex::new(of(peer)))).into();
    thread::scope(|scope| {
        let threads: Vec<_> = wanted_networks(&cells)
            .filter_map(|network| {
                let (queue, board, shared) = (queues.get(&network.peer)?, &board, &shared);
                Some(scope.spawn(move || run_in(lab, network, queue, board, shared)))
            })
            .collect();
        threads.into_iter().try_for_each(joined)
    })?;
    let report = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    tabulate(&cells, &board.into_inner().unwrap_or_else(PoisonError::into_inner), report);
    Ok(())
}

type Board = BTreeMap<usize, Outcome>;

/// The cells of one peer that no network has begun.
type Queue<'a> = Mutex<VecDeque<&'a Cell>>;

fn run_in(
    lab: &Lab,
    network: Network,
    queue: &Queue<'_>,
    board: &Mutex<Board>,
    report: &Mutex<&mut Report>,
) -> Result<()> {
    let lane = Lane::of(lab, network)?;
    let capture = Capture::start(lane.net, "eth1", &lab.out, "traffic")?;
    let mut windows = Vec::new();
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    while let Some(cell) = next() {
        let outcome = match offers::lacking(cell) {
            Some(why) => Outcome::Lacking(why),
            None => one(&lane, cell, &mut windows, report),
        };
        board.lock().unwrap_or_else(PoisonError::into_inner).insert(cell.number, outcome);
    }
    if network.peer == Peer::Swan {
        scan::run(&lane, report)?;
    }
    let file = capture.stop()?;
    for (number, name, found) in cables::judge(&file, &windows)? {
        if !report.lock().unwrap_or_else(PoisonError::into_inner).check(&name, || found) {
            board.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Outcome::Failed);
        }
    }
    Ok(())
}

fn one(lane: &Lane<'_>, cell: &Cell, windows: &mut Vec<Window>, report: &Mutex<&mut Report>) -> Outcome {
    let begun = cables::now();
    let found = proof::prove(lane, cell);
    if found.is_err() {
        lane.save(cell);
    }
    let (keys, cleared) = (opened::keys(lane, cell), lane.clear(cell));
    let found = found.and_then(|found| cleared.map(|()| found));
    let (passed, ended) = (found.is_ok(), cables::now());
    windows.push(Window { cell: cell.clone(), begun, ended, passed, keys: keys.unwrap_or_default() });
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    if report.check(&cell.title(), || found) { Outcome::Passed } else { Outcome::Failed }
}

/// Peer by scenario; why there is no cell stands below.
fn tabulate(cells: &[Cell], board: &Board, report: &mut Report) {
    let title = "Scenario by peer and by who opens: they, we";
    let names = ["strongSwan", "", "strongSwan, kernel", "", "libreswan", ""];
    report
        .row(title, &[&["scenario"][..], &names].concat().into_iter().map(str::to_owned).collect::<Vec<_>>());
    let mut reasons: Vec<&str> = Vec::new();
    let mut scenarios: Vec<&str> = cells.iter().map(|cell| cell.scenario.name.as_str()).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let mut row = vec![scenario.to_owned()];
        for (peer, role) in Peer::ALL.into_iter().flat_map(|peer| Role::BOTH.map(|role| (peer, role))) {
            let cell = cells
                .iter()
                .find(|cell| (cell.scenario.name.as_str(), cell.peer, cell.role) == (scenario, peer, role));
            row.push("·".to_owned());
            if let Some(outcome) = cell.and_then(|cell| board.get(&cell.number)) {
                *row.last_mut().unwrap_or(&mut String::new()) = word(outcome, &mut reasons);
            }
        }
        report.row(title, &row);
    }
    for (number, reason) in reasons.iter().enumerate() {
        report.row("Not offered", &[format!("({})", number + 1), (*reason).to_owned()]);
    }
}

fn word(outcome: &Outcome, reasons: &mut Vec<&'static str>) -> String {
    match outcome {
        Outcome::Passed => "pass".to_owned(),
        Outcome::Failed => "FAIL".to_owned(),
        Outcome::Lacking(why) => {
            let place = reasons.iter().position(|reason| reason == why).unwrap_or_else(|| {
                reasons.push(why);
                reasons.len() - 1
            });
            format!("({})", place + 1)
        }
    }
}
