//! The log: one line an event on standard error, as text or JSON, with the facts as fields.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use pe::{Notice, Severity};
use tracing::{debug, info, warn};
use tracing_subscriber::EnvFilter;

/// What an operator switched on by `debug crypto …`; shown whatever the level is.
const DEBUG_TARGET: &str = "debug-crypto";

/// Starts logging. `level` is a word such as `info`.
pub(crate) fn start(json: bool, level: &str) {
    let filter = EnvFilter::new(format!("{level},netlink_proto=error,{DEBUG_TARGET}=debug"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    match (json, std::env::var_os("JOURNAL_STREAM").is_some()) {
        (true, _) => lines.json().flatten_event(true).init(),
        // The journal knows the time of each line itself.
        (false, true) => lines.without_time().init(),
        (false, false) => lines.init(),
    }
}

/// One line for one notice.
pub(crate) fn notice(notice: &Notice) {
    let fields = notice.fields();
    let field = |name| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let (peer, fvrf, ivrf) = (field("peer"), field("fvrf"), field("ivrf"));
    let (identity, reason) = (field("identity"), field("reason"));
    match notice.severity() {
        Severity::Warning => warn!(peer, fvrf, ivrf, identity, reason, "{notice}"),
        Severity::Notification | Severity::Informational => {
            info!(peer, fvrf, ivrf, identity, reason, "{notice}");
        }
        Severity::Debugging => debug!(target: DEBUG_TARGET, "{notice}"),
    }
}

/// Counts what happens too often to log each time, and says the sum at most every ten seconds.
pub(crate) struct Tally {
    what: &'static str,
    count: u64,
    told: Option<Instant>,
}

impl Tally {
    const EVERY: Duration = Duration::from_secs(10);

    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, count: 0, told: None }
    }

    pub(crate) fn add(&mut self, count: u64) {
        self.count += count;
        if count > 0 && self.is_due(Instant::now()) {
            warn!(count = self.count, "{}", self.what);
            self.count = 0;
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.told.is_none_or(|told| now.duration_since(told) >= Self::EVERY);
        if due {
            self.told = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_speaks_at_once_and_then_at_most_every_ten_seconds() {
        let mut tally = Tally::new("x");
        let start = Instant::now();
        assert!(tally.is_due(start));
        assert!(!tally.is_due(start + Duration::from_secs(9)));
        assert!(tally.is_due(start + Duration::from_secs(10)));
    }
}
