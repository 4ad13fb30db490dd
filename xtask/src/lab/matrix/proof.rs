//! What each cell must show.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::algorithm::Suite;
use super::gateway::Pair;
use super::lane::{Lane, Series};
use super::scenario::{By, Cell, Peer, Phase, Proof, Role};
use crate::lab::{joined, until};

/// Pings of a short series, and of one that lasts through a rekey.
const FEW: Series = Series { count: 10, size: 56, milliseconds: 20 };
const MANY: Series = Series { count: 200, size: 56, milliseconds: 20 };

/// Large enough to use up what one pair of SAs may carry, slowly enough that it can be replaced in time.
const LARGE: Series = Series { count: 250, size: 1200, milliseconds: 20 };

/// Longer than the lifetimes that `onramp` configures.
const MINUTE: Series = Series { count: 1200, size: 56, milliseconds: 50 };
const MINUTES: Series = Series { count: 2400, size: 56, milliseconds: 50 };

/// Times that 300 kB fit in what a pair may carry, 2560 kB, before nine tenths of it are used.
const FETCHES: u32 = 6;

/// Runs the cell; what it found.
pub(super) fn prove(lane: &Lane<'_>, cell: &Cell) -> Result<String> {
    lane.configure(cell)?;
    if let Proof::Refused(_, words) = cell.scenario.proof {
        return refused(lane, cell, words);
    }
    lane.open(cell)?;
    let found = carries(lane, cell)?;
    match cell.scenario.proof {
        Proof::Traffic | Proof::Fragments | Proof::Children(_) | Proof::Refused(..) => Ok(found),
        Proof::Rekey(phase, by) => rekey(lane, cell, phase, by),
        Proof::Death(By::Them) => peer_dies(lane),
        Proof::Death(By::Us) => we_die(lane),
        Proof::Moves => moves(lane, cell),
    }
}

/// Both ends agree, and traffic goes both ways through every child.
fn carries(lane: &Lane<'_>, cell: &Cell) -> Result<String> {
    let pairs = agree(lane, cell)?;
    let mut sent = 0;
    for number in 0..cell.children() {
        let pings = lane.ping(cell, number, FEW)?;
        ensure!(pings.lost == 0, "{} of {} pings were lost", pings.lost, pings.sent);
        sent += pings.sent;
    }
    if !cell.scenario.transport {
        lane.fetch(cell)?;
    }
    Ok(format!("{} pairs of SAs, {sent} pings", pairs.len()))
}

/// SPIs, algorithms and encapsulation are what both ends say.
fn agree(lane: &Lane<'_>, cell: &Cell) -> Result<Vec<Pair>> {
    let (theirs, ours) = (lane.gateway.pairs()?, lane.flows()?);
    ensure!(theirs.len() == cell.children(), "the peer has {} pairs of SAs", theirs.len());
    let transform = Suite::read(cell.scenario.esp)?.esp();
    for pair in &theirs {
        let holds = |flow: &&api::IpsecFlow| flow.inbound.iter().any(|sa| sa.spi == pair.spi_out);
        let flow = ours.iter().find(holds).context("we have not the SA that the peer sends in")?;
        let inbound = flow.inbound.iter().find(|sa| sa.spi == pair.spi_out).context("no SA")?;
        let outbound = flow.outbound.iter().find(|sa| sa.spi == pair.spi_in);
        ensure!(outbound.is_some(), "we do not send in the SA that the peer receives in");
        ensure!(inbound.transform.trim() == transform, "we have {}", inbound.transform);
        let udp = cell.peer == Peer::Swan || cell.scenario.nat;
        ensure!(inbound.mode.contains("UDP") == udp, "encapsulation: {}", inbound.mode);
        ensure!(pair.udp.is_none_or(|theirs| theirs == udp), "the peer says of UDP: {:?}", pair.udp);
        ensure!(inbound.esn == cell.scenario.esn, "ESN: {}", inbound.esn);
        ensure!(inbound.mode.contains("Transport") == cell.scenario.transport, "mode: {}", inbound.mode);
    }
    Ok(theirs)
}

/// Keys are replaced while pings go both ways: none is lost.
fn rekey(lane: &Lane<'_>, cell: &Cell, phase: Phase, by: By) -> Result<String> {
    let series = match (phase, by) {
        (Phase::Two, By::Us) => LARGE,
        (Phase::One, By::Us) if cell.scenario.is_v1() => MINUTE,
        (Phase::One, By::Us) => MINUTES,
        (_, By::Them) => MANY,
    };
    if series.size == LARGE.size {
        (0..FETCHES).try_for_each(|_| lane.fetch(cell))?;
    }
    let before = (lane.gateway.cookies()?, lane.gateway.pairs()?, lane.too_early()?);
    let pings = thread::scope(|scope| {
        let pings = scope.spawn(move || lane.ping(cell, 0, series));
        thread::sleep(Duration::from_millis(800));
        let done = match by {
            By::Them => lane.gateway.rekey(phase),
            // The pings themselves use up the volume that one pair of SAs may carry, or outlast the IKE SA.
            By::Us => Ok(()),
        };
        let pings = joined(pings);
        done.and(pings)
    })?;
    let after = (lane.gateway.cookies()?, lane.gateway.pairs()?, lane.too_early()?);
    match phase {
        Phase::One => ensure!(before.0 != after.0, "the IKE SA is still the same"),
        Phase::Two => {
            ensure!(before.1.last().map(spis) != after.1.last().map(spis), "the SPIs are still the same");
        }
    }
    // libreswan sends in the new SA before its answer to our rekey is out, and strongSwan before that to an IKE_AUTH;
    // nobody can open that.
    let hastens = by == By::Us && (cell.peer == Peer::Libre || cell.scenario.reauthentication);
    let early = if hastens { after.2 - before.2 } else { 0 };
    ensure!(pings.lost as u64 <= early, "{} of {} pings were lost", pings.lost, pings.sent);
    let again = lane.ping(cell, 0, FEW)?;
    ensure!(again.lost == 0, "afterwards {} of {} pings were lost", again.lost, again.sent);
    let excuse =
        if early == 0 { String::new() } else { format!(", the peer sent {early} packets too early") };
    Ok(format!("{} pings{excuse}", pings.sent))
}

const fn spis(pair: &Pair) -> (u32, u32) {
    (pair.spi_in, pair.spi_out)
}

/// The peer crashes: our dead-peer detection, 10 seconds and retries of 2, says so.
fn peer_dies(lane: &Lane<'_>) -> Result<String> {
    lane.gateway.crash()?;
    let took = until(45, || Ok(!lane.is_up()?));
    lane.gateway.revive()?;
    Ok(format!("noticed after {:.0} s", took.context("we do not notice")?.as_secs_f32()))
}

/// We crash: the peer's dead-peer detection needs our first answers, so it shows that we gave them.
fn we_die(lane: &Lane<'_>) -> Result<String> {
    thread::sleep(Duration::from_secs(5));
    ensure!(!lane.gateway.pairs()?.is_empty(), "the peer took us for dead while we lived");
    lane.pe.kill()?;
    let took = until(45, || Ok(lane.gateway.pairs()?.is_empty()));
    lane.pe.start()?;
    until(10, || Ok(lane.pe.run("onramp show vrf")?.success)).context("we do not start")?;
    Ok(format!("noticed after {:.0} s", took.context("the peer does not notice")?.as_secs_f32()))
}

/// The peer's address changes: the same SAs go on from there.
fn moves(lane: &Lane<'_>, cell: &Cell) -> Result<String> {
    let before = lane.gateway.pairs()?;
    lane.move_peer(cell, true)?;
    let moved = until(15, || lane.reaches(cell)).and_then(|took| {
        let pings = lane.ping(cell, 0, FEW)?;
        ensure!(pings.lost == 0, "then {} of {} pings were lost", pings.lost, pings.sent);
        let after = lane.gateway.pairs()?;
        // strongSwan's ESP in a process cannot move: its SAs are replaced from the new address.
        let same = before.last().map(spis) == after.last().map(spis);
        ensure!(same || cell.peer == Peer::Swan, "these are other SAs");
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    lane.move_peer(cell, false)?;
    moved.context("after the move")
}

/// It does not come up, and the operator can read why.
fn refused(lane: &Lane<'_>, cell: &Cell, words: [&'static str; 2]) -> Result<String> {
    let word = words[usize::from(cell.role == Role::We)];
    if cell.role == Role::They {
        let outcome = lane.gateway.initiate(0)?;
        // Of libreswan the command is content with an IKE SA that has no child.
        ensure!(!outcome.success || cell.peer == Peer::Libre, "it came up: {}", outcome.text);
    }
    ensure!(!lane.reaches(cell)?, "traffic gets through");
    let mut said = String::new();
    let explained = until(15, || {
        said = newest(&lane.explanation(cell)?);
        Ok(said.contains(word))
    });
    ensure!(explained.is_ok(), "explain does not say {word}: {said}");
    Ok(format!("`{word}`"))
}

/// Of what `explain` says the summary and the last of its stories, in one line: the others are those of earlier cells.
fn newest(text: &str) -> String {
    let summary = text.split("\nConfigured:").next().unwrap_or_default();
    let last = text.rsplit_once(" ago, IKE").map_or("", |(_, last)| last);
    [summary, last].concat().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_story_of_an_explanation_counts() {
        let text = "1.2.3.4: FAILED\n  Why: new\n\nConfigured:\n  map\n\n  9 s ago, IKEv2: old\n\n  1 s ago, IKEv2: a\n  b";
        assert_eq!(newest(text), "1.2.3.4: FAILED Why: new v2: a b");
    }
}
