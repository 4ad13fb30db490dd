//! Customers' traffic: pings that carry a customer's mark, and TCP to a host that says whose it is.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};

use super::node::Node;

/// What came back of a series of pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pings {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Microseconds, the mean.
    pub(crate) round_trip: u64,
}

/// More pings than are counted: ping itself waits for its last one no longer than twice what any took before.
const SPARE: u32 = 10;

/// A series of pings every 20 ms, whose payload is the byte `mark` again and again.
pub(crate) fn ping(from: &Node, to: &str, count: u32, mark: u8) -> Result<Pings> {
    let outcome = from.run(&format!("ping -n -c {} -i 0.02 -W 2 -p {mark:02x} {to}", count + SPARE))?;
    ensure!(outcome.text.contains("packets transmitted"), "{}", outcome.text);
    let answers = outcome.text.lines().filter(|line| line.contains("bytes from"));
    let numbers = answers.filter_map(|line| line.split("icmp_seq=").nth(1)?.split(' ').next()?.parse().ok());
    let received: BTreeSet<u32> = numbers.filter(|number| *number <= count).collect();
    let mean = outcome.text.split("mdev = ").nth(1).and_then(|times| times.split('/').nth(1));
    let milliseconds = mean.and_then(|mean| mean.parse::<f64>().ok()).unwrap_or(0.0);
    let round_trip = (milliseconds * 1000.0) as u64;
    Ok(Pings { sent: count.into(), received: received.len() as u64, round_trip })
}

/// The same, and an error if any is lost.
pub(crate) fn ping_all(from: &Node, to: &str, count: u32, mark: u8) -> Result<Pings> {
    let pings = ping(from, to, count, mark)?;
    ensure!(pings.received == pings.sent, "{} of {} pings came back", pings.received, pings.sent);
    Ok(pings)
}

/// How many bytes a host sends after its name.
const BULK: usize = 300_000;

/// Connects to a host: its name, once all of the bulk that follows has come too.
/// An IPv6 address stands in brackets.
pub(crate) fn name_of(from: &Node, to: &str) -> Result<String> {
    // No more at once than the socket of a gateway that opens ESP in a process holds while others have its processor: it
    // would lose some, and count less than we sent.
    let client = format!("socat -u TCP:{to}:7,connect-timeout=5,rcvbuf=32768 STDOUT");
    let answer = from.demand(&format!("{client} | (read -r name; echo \"$name\"; wc -c)"))?;
    let (name, bulk) = answer.split_once('\n').context(answer.clone())?;
    ensure!(bulk.trim() == BULK.to_string(), "{name} sent {bulk} bytes of {BULK}");
    Ok(name.to_owned())
}

/// Whether a single ping comes back within a second.
pub(crate) fn reaches(from: &Node, to: &str) -> Result<bool> {
    Ok(from.run(&format!("ping -q -n -c 1 -W 1 {to}"))?.success)
}
