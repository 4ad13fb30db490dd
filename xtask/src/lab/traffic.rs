//! Customers' traffic: pings that carry a customer's mark, and TCP to a host that says whose it is.

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

/// A series of pings every 20 ms, whose payload is the byte `mark` again and again.
pub(crate) fn ping(from: &Node, to: &str, count: u32, mark: u8) -> Result<Pings> {
    let outcome = from.run(&format!("ping -q -n -c {count} -i 0.02 -W 2 -p {mark:02x} {to}"))?;
    let summary = outcome
        .text
        .lines()
        .find(|line| line.contains("packets transmitted"))
        .context(outcome.text.clone())?;
    let mut numbers = summary.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
    let (sent, received) = numbers.next().zip(numbers.next()).context("ping says no numbers")?;
    let mean = outcome.text.split("mdev = ").nth(1).and_then(|times| times.split('/').nth(1));
    let milliseconds = mean.and_then(|mean| mean.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(Pings { sent, received, round_trip: (milliseconds * 1000.0) as u64 })
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
pub(crate) fn name_of(from: &Node, to: &str) -> Result<String> {
    let client = format!("socat -u TCP:{to}:7,connect-timeout=5 STDOUT");
    let answer = from.demand(&format!("{client} | (read -r name; echo \"$name\"; wc -c)"))?;
    let (name, bulk) = answer.split_once('\n').context(answer.clone())?;
    ensure!(bulk.trim() == BULK.to_string(), "{name} sent {bulk} bytes of {BULK}");
    Ok(name.to_owned())
}

/// Whether a single ping comes back within a second.
pub(crate) fn reaches(from: &Node, to: &str) -> Result<bool> {
    Ok(from.run(&format!("ping -q -n -c 1 -W 1 {to}"))?.success)
}
