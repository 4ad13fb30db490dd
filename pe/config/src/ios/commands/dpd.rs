//! The words of dead-peer detection, which IKEv1 and IKEv2 write alike.

use std::time::Duration;

use ike::config::Dpd;

use super::super::args::Args;
use super::super::scope::Fault;

/// `S`, `R` and perhaps `periodic`.
pub(super) fn read(a: &Args) -> Result<Dpd, Fault> {
    Ok(Dpd {
        periodic: a.has("periodic"),
        every: Duration::from_secs(a.get("S")?),
        retry: Duration::from_secs(a.opt("R").unwrap_or(RETRY)),
    })
}

/// With the mode in full.
pub(super) fn printed(dpd: Dpd) -> Args {
    interval(dpd).flag(if dpd.periodic { "periodic" } else { "on-demand" })
}

pub(super) fn interval(dpd: Dpd) -> Args {
    Args::new().with("S", dpd.every.as_secs()).with("R", dpd.retry.as_secs())
}

/// Seconds, where none are written.
const RETRY: u64 = 2;
