//! What cannot be carried out at the moment, told once it has lasted: links take a while to come up.

use std::collections::BTreeSet;
use std::time::Duration;

use base::Instant;

use crate::Notice;

#[derive(Default)]
pub(crate) struct Problems {
    told: BTreeSet<String>,
    due: Option<Instant>,
}

impl Problems {
    /// How long a problem must last until it is told.
    const PATIENCE: Duration = Duration::from_secs(3);

    /// These are the problems now. One that goes and comes back is told again.
    pub(crate) fn watch(&mut self, now: Instant, problems: &[Notice]) {
        let texts: BTreeSet<_> = problems.iter().map(Notice::to_string).collect();
        self.told.retain(|text| texts.contains(text));
        let news = texts.len() > self.told.len();
        self.due = news.then(|| self.due.unwrap_or(now + Self::PATIENCE));
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// What is to be told now.
    pub(crate) fn take_due(&mut self, now: Instant, problems: &[Notice]) -> Vec<Notice> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.due = None;
        problems.iter().filter(|problem| self.told.insert(problem.to_string())).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(interface: &str) -> Notice {
        Notice::PortUnusable { interface: interface.to_owned(), problem: "x".to_owned() }
    }

    #[test]
    fn a_problem_is_told_once_and_only_if_it_lasts() {
        let at = Instant::from_secs;
        let mut problems = Problems::default();
        problems.watch(at(1), &[problem("a"), problem("b")]);
        assert_eq!(problems.take_due(at(2), &[problem("a"), problem("b")]), []);
        problems.watch(at(2), &[problem("b")]);
        assert_eq!(problems.deadline(), Some(at(4)));
        assert_eq!(problems.take_due(at(4), &[problem("b")]), [problem("b")]);
        problems.watch(at(5), &[problem("b")]);
        assert_eq!(problems.deadline(), None);
    }

    #[test]
    fn a_problem_that_comes_back_is_told_again() {
        let at = Instant::from_secs;
        let mut problems = Problems::default();
        for start in [10, 20] {
            problems.watch(at(start), &[problem("a")]);
            assert_eq!(problems.take_due(at(start + 3), &[problem("a")]).len(), 1);
            problems.watch(at(start + 4), &[]);
        }
    }
}
