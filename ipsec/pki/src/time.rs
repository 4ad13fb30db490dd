//! Moments of the calendar, as certificates carry them.

use std::fmt;
use std::time::Duration;

/// Seconds since 1970; Display is `2026-11-20 22:50:00 UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc(pub u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(date) = der::DateTime::from_unix_duration(Duration::from_secs(self.0)) else {
            return f.write_str("after the year 9999");
        };
        let (year, month, day) = (date.year(), date.month(), date.day());
        let (hour, minutes, seconds) = (date.hour(), date.minutes(), date.seconds());
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minutes:02}:{seconds:02} UTC")
    }
}
