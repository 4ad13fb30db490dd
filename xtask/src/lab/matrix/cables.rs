//! What tshark sees between us and the peers, cell by cell: nothing but ESP and IKE, in the encapsulation expected, and
//! fragments where there must be some.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use super::opened;
use super::scenario::{Cell, Peer, Proof};
use crate::lab::capture::decode;

/// When a cell ran, in seconds since 1970.
pub(super) struct Window {
    pub(super) cell: Cell,
    pub(super) begun: f64,
    pub(super) ended: f64,
    pub(super) passed: bool,
    /// Of the few cells whose ESP is opened.
    pub(super) keys: Option<opened::Keys>,
}

pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// What one cell's packets were.
#[derive(Default)]
struct Seen {
    esp: usize,
    in_udp: usize,
    fragments: usize,
    strange: Vec<String>,
}

/// The number of each cell that came up, what is checked, what was found.
pub(super) fn judge(file: &Path, windows: &[Window]) -> Result<Vec<(usize, String, Result<String>)>> {
    let frames = decode(file, &[], FILTER, &FIELDS)?;
    let times: Vec<f64> = frames.iter().map(|frame| frame[0].parse().unwrap_or(0.0)).collect();
    let mut judged = Vec::new();
    for window in windows.iter().filter(|window| window.passed) {
        let first = times.partition_point(|time| *time < window.begun);
        let last = times.partition_point(|time| *time <= window.ended);
        let mut seen = Seen::default();
        frames[first..last].iter().for_each(|frame| seen.count(frame));
        let name = format!("{}: the cable", window.cell.title());
        judged.push((window.cell.number, name, verdict(&window.cell, &seen)));
        if let Some(keys) = &window.keys {
            let name = format!("{}: tshark opens its ESP", window.cell.title());
            judged.push((window.cell.number, name, opened::open(file, &window.cell, keys)));
        }
    }
    Ok(judged)
}

const FILTER: &str = "!arp && !(icmpv6.type >= 133 && icmpv6.type <= 137 && !esp) && !(icmpv6.type == 143) \
                      && !(tcp.port == 80 || tcp.port == 8080) && !(ip.flags.mf == 1) && !(ipv6.fraghdr.more == 1)";

const FIELDS: [&str; 6] = [
    "frame.time_epoch",
    "frame.protocols",
    "esp.spi",
    "udp.port",
    "isakmp.exchangetype",
    "isakmp.typepayload",
];

impl Seen {
    fn count(&mut self, frame: &[String]) {
        let protocols = &frame[1];
        if protocols.contains(":esp") {
            self.esp += 1;
            self.in_udp += usize::from(protocols.contains(":udp"));
        } else if protocols.contains("isakmp") {
            // Encrypted and Authenticated Fragment; the field's fragment of version 1.
            self.fragments += usize::from(frame[5].split(',').any(|kind| kind == "53" || kind == "132"));
        } else if !protocols.contains("udpencap") && !protocols.contains("icmpv6") {
            self.strange.push(protocols.clone());
        }
    }
}

fn verdict(cell: &Cell, seen: &Seen) -> Result<String> {
    ensure!(seen.strange.is_empty(), "{} other packets, such as {}", seen.strange.len(), seen.strange[0]);
    if matches!(cell.scenario.proof, Proof::Refused(..)) {
        ensure!(seen.esp == 0, "{} ESP packets", seen.esp);
        return Ok("no ESP".to_owned());
    }
    ensure!(seen.esp >= 20, "only {} ESP packets", seen.esp);
    let udp = cell.peer == Peer::Swan || cell.scenario.nat;
    ensure!(
        seen.in_udp == if udp { seen.esp } else { 0 },
        "{} of {} ESP packets are in UDP",
        seen.in_udp,
        seen.esp
    );
    if cell.scenario.proof == Proof::Fragments {
        ensure!(seen.fragments >= 4, "{} fragments of IKE", seen.fragments);
        return Ok(format!("{} ESP packets, {} fragments of IKE", seen.esp, seen.fragments));
    }
    Ok(format!("{} ESP packets", seen.esp))
}
