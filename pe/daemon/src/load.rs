//! How busy this machine is (CAC-03): the busier of its processors and its memory, from `/proc`.

use std::fs::read_to_string;
use std::time::{Duration, Instant};

/// Samples at most every few seconds.
#[derive(Default)]
pub(crate) struct Load {
    last: Option<(Instant, Ticks)>,
}

/// What the processors did since the machine started, in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Load {
    const EVERY: Duration = Duration::from_secs(5);

    /// In percent; `None`: it is too early for another sample, or `/proc` cannot be read.
    pub(crate) fn sample(&mut self) -> Option<u8> {
        let now = Instant::now();
        if self.last.is_some_and(|(last, _)| now.duration_since(last) < Self::EVERY) {
            return None;
        }
        let ticks = ticks(&read_to_string("/proc/stat").ok()?)?;
        let before = self.last.replace((now, ticks)).map(|(_, before)| before).unwrap_or_default();
        let memory = memory(&read_to_string("/proc/meminfo").ok()?).unwrap_or(0);
        Some(processors(before, ticks).max(memory))
    }
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let all = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (ticks.len() >= 4).then_some(Ticks { busy: all - idle, all })
}

fn processors(before: Ticks, now: Ticks) -> u8 {
    percent(now.busy.saturating_sub(before.busy), now.all.saturating_sub(before.all))
}

/// What of `/proc/meminfo` is in use and cannot be freed.
fn memory(info: &str) -> Option<u8> {
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line?.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (all, free) = (value("MemTotal")?, value("MemAvailable")?);
    Some(percent(all.saturating_sub(free), all))
}

fn percent(part: u64, whole: u64) -> u8 {
    let percent = part.saturating_mul(100).checked_div(whole).unwrap_or(0);
    u8::try_from(percent.min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_as_busy_as_they_were_since_the_last_sample() {
        let before = ticks("cpu  100 0 100 700 100 0 0 0 9 9\ncpu0 1 2 3 4\n").unwrap();
        assert_eq!(before, Ticks { busy: 200, all: 1000 });
        let now = ticks("cpu  160 0 115 720 105 0 0 0 9 9\n").unwrap();
        assert_eq!(processors(before, now), 75);
        assert_eq!(processors(now, now), 0);
        assert_eq!(ticks("something else\n"), None);
    }

    #[test]
    fn memory_that_can_be_freed_is_not_in_use() {
        let info = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n";
        assert_eq!(memory(info), Some(40));
        assert_eq!(memory("MemTotal: 0 kB\n"), None);
    }

    #[test]
    fn this_machine_can_be_sampled_and_not_too_often() {
        let mut load = Load::default();
        assert!(load.sample().is_some_and(|percent| percent <= 100));
        assert_eq!(load.sample(), None);
    }
}
