//! The last notices, for `show log`.

use std::collections::VecDeque;

use base::Instant;

use crate::Notice;

/// Keeps the newest lines and forgets the oldest.
#[derive(Default)]
pub(crate) struct Log(VecDeque<String>);

impl Log {
    const LINES: usize = 1000;

    pub(crate) fn add(&mut self, now: Instant, notice: &Notice) {
        if self.0.len() == Self::LINES {
            self.0.pop_front();
        }
        self.0.push_back(format!("{now}: {notice}"));
    }

    /// Oldest first, one line each, with the time since start.
    pub(crate) fn text(&self) -> String {
        self.0.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}
