//! The one line that counts.

use std::time::Duration;

use crate::judge::{Kind, Violation};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) seed: u64,
    pub(crate) kills: u32,
    pub(crate) others: u32,
    /// Requests that were answered as accepted.
    pub(crate) accepted: usize,
    /// Jobs that the server knows at the end, and that are over.
    pub(crate) accounted: usize,
    pub(crate) violations: Vec<Violation>,
    pub(crate) took: Duration,
}

impl Score {
    pub(crate) fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.accepted == self.accounted
    }

    pub(crate) fn line(&self) -> String {
        let Self { seed, kills, others, accepted, accounted, .. } = self;
        let equals = if accepted == accounted { "=" } else { "≠" };
        format!(
            "chaos: seed {seed}: {kills} kills, {others} other faults, {accepted} jobs accepted \
             {equals} {accounted} accounted, {} lost, {} doubled, {} gaps, {} wrong, {} leftovers, \
             {} s",
            self.count(Kind::Lost),
            self.count(Kind::Doubled),
            self.count(Kind::Gap),
            self.count(Kind::Wrong),
            self.count(Kind::Leftover),
            self.took.as_secs(),
        )
    }

    fn count(&self, kind: Kind) -> usize {
        self.violations.iter().filter(|violation| violation.kind == kind).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(violations: Vec<Violation>) -> Score {
        let took = Duration::from_secs(9);
        Score { seed: 7, kills: 30, others: 15, accepted: 4, accounted: 4, violations, took }
    }

    #[test]
    fn a_clean_run_has_a_clean_line() {
        let line = "chaos: seed 7: 30 kills, 15 other faults, 4 jobs accepted = 4 accounted, 0 lost, \
                    0 doubled, 0 gaps, 0 wrong, 0 leftovers, 9 s";
        assert_eq!(score(vec![]).line(), line);
        assert!(score(vec![]).is_clean());
    }

    #[test]
    fn one_violation_is_one_too_many() {
        let gap = Violation { kind: Kind::Gap, what: String::new() };
        let score = score(vec![gap]);
        assert!(!score.is_clean() && score.line().contains(", 1 gaps,"), "{}", score.line());
    }
}
