//! What came of it all, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::Engine;
use crate::entry::Entry;
use crate::judge::Verdict;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) engine: Engine,
    /// By the programs' names.
    pub(crate) verdicts: Vec<(String, Verdict)>,
    /// What happened to the job beside them.
    pub(crate) harmed: Option<String>,
    /// What was still there when all was over.
    pub(crate) left: Vec<String>,
    pub(crate) took: Duration,
}

/// Programs, refused, escaped, unclear.
#[derive(Clone, Copy, Debug, Default)]
struct Counts([usize; 4]);

impl Counts {
    fn count(&mut self, verdict: &Verdict) {
        let kind = match verdict {
            Verdict::Refused => 1,
            Verdict::Escaped(_) => 2,
            Verdict::Unclear(_) => 3,
        };
        self.0[0] += 1;
        self.0[kind] += 1;
    }
}

impl Score {
    pub(crate) fn is_clean(&self) -> bool {
        self.harmed.is_none()
            && self.left.is_empty()
            && self.verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Refused)
    }

    /// A line for each group and each trouble, and one for all.
    pub(crate) fn table(&self) -> String {
        let mut groups: BTreeMap<&str, Counts> = BTreeMap::new();
        let mut all = Counts::default();
        for (name, verdict) in &self.verdicts {
            groups.entry(Entry::group(name)).or_default().count(verdict);
            all.count(verdict);
        }
        let mut text = row("", ["programs", "refused", "escaped", "unclear"]);
        for (group, Counts(counts)) in groups {
            text += &row(group, counts);
        }
        for trouble in self.troubles() {
            let _ = writeln!(text, "{trouble}");
        }
        let [programs, refused, escaped, unclear] = all.0;
        let (engine, left, took) = (self.engine.name(), self.left.len(), self.took.as_secs());
        text + &format!(
            "hostile: {engine}: {programs} programs, {refused} refused, {escaped} escaped, \
             {unclear} unclear, {left} leftovers, {took} s"
        )
    }

    fn troubles(&self) -> impl Iterator<Item = String> {
        let verdicts = self.verdicts.iter().filter_map(|(name, verdict)| match verdict {
            Verdict::Refused => None,
            Verdict::Escaped(what) => Some(format!("ESCAPED {name}: {what}")),
            Verdict::Unclear(what) => Some(format!("UNCLEAR {name}: {what}")),
        });
        let harmed = self.harmed.iter().map(|what| format!("ESCAPED the job beside them: {what}"));
        verdicts.chain(harmed).chain(self.left.iter().map(|what| format!("LEFT {what}")))
    }
}

fn row(name: &str, columns: [impl std::fmt::Display; 4]) -> String {
    let [a, b, c, d] = columns;
    format!("{name:<12} {a:>8} {b:>8} {c:>8} {d:>8}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(verdicts: &[Verdict]) -> Score {
        let verdicts = verdicts.iter().map(|verdict| ("group/name".into(), verdict.clone()));
        Score {
            engine: Engine::Local,
            verdicts: verdicts.collect(),
            harmed: None,
            left: vec![],
            took: Duration::from_secs(9),
        }
    }

    #[test]
    fn a_clean_run_has_a_clean_line() {
        let score = score(&[Verdict::Refused, Verdict::Refused]);
        assert!(score.is_clean());
        let last = "hostile: local: 2 programs, 2 refused, 0 escaped, 0 unclear, 0 leftovers, 9 s";
        assert_eq!(score.table().lines().last(), Some(last));
    }

    #[test]
    fn every_trouble_counts() {
        assert!(!score(&[Verdict::Unclear("x".into())]).is_clean());
        assert!(!Score { harmed: Some("x".into()), ..score(&[]) }.is_clean());
        assert!(!Score { left: vec!["x".into()], ..score(&[]) }.is_clean());
        let escaped = score(&[Verdict::Escaped("all".into())]);
        assert!(!escaped.is_clean());
        assert!(escaped.table().contains("ESCAPED group/name: all"), "{}", escaped.table());
    }
}
