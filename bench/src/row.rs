//! One line of the results: what was promised, what was measured, and its floor.

use serde::{Deserialize, Serialize};

use crate::stats::Summary;

/// A promise and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What is measured.
    pub(crate) name: String,
    /// Of every number here.
    pub(crate) unit: String,
    /// What was promised.
    pub(crate) target: Target,
    /// What was measured.
    pub(crate) measured: Summary,
    /// What it is compared with, measured in turns with it.
    pub(crate) floors: Vec<Floor>,
    /// What a reader must know to understand the numbers.
    pub(crate) note: String,
}

/// What was promised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    /// In the words of the promise.
    pub(crate) text: String,
    /// Which of the measured numbers is meant.
    pub(crate) of: Statistic,
    /// Whether it must be no greater, or no less.
    pub(crate) is: Bound,
    /// Than this.
    pub(crate) bound: f64,
}

/// One number of a [`Summary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Statistic {
    Median,
    P99,
    Max,
}

/// On which side of the bound it is good to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
    /// Nothing was promised.
    None,
}

/// What the same machine does at the same time with less.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// What does it.
    pub(crate) name: String,
    /// What was measured, or why nothing was.
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// What was measured, or why nothing was.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measured {
    Measured(Summary),
    Skipped(String),
}

impl Target {
    pub(crate) fn at_most(of: Statistic, bound: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), of, is: Bound::AtMost, bound }
    }

    pub(crate) fn at_least(of: Statistic, bound: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), of, is: Bound::AtLeast, bound }
    }

    /// Nothing was promised: it is told beside what it is compared with.
    pub(crate) fn none(of: Statistic) -> Self {
        Self { text: "–".into(), of, is: Bound::None, bound: 0.0 }
    }

    /// The number of these that was promised.
    pub(crate) fn number(&self, measured: &Summary) -> f64 {
        match self.of {
            Statistic::Median => measured.median,
            Statistic::P99 => measured.p99,
            Statistic::Max => measured.max,
        }
    }
}

impl Row {
    /// The number that was promised.
    pub(crate) fn number(&self) -> f64 {
        self.target.number(&self.measured)
    }

    /// How much of what was promised is used up: 1 is the promise, less is better.
    pub(crate) fn share(&self, number: f64) -> f64 {
        match self.target.is {
            Bound::AtMost => number / self.target.bound,
            Bound::AtLeast => self.target.bound / number,
            Bound::None => 0.0,
        }
    }

    pub(crate) fn is_promised(&self) -> bool {
        self.target.is != Bound::None
    }

    pub(crate) fn is_met(&self) -> bool {
        match self.target.is {
            Bound::AtMost => self.number() <= self.target.bound,
            Bound::AtLeast => self.number() >= self.target.bound,
            Bound::None => true,
        }
    }

    /// The first of the floors that was measured, and how many times its number ours is.
    pub(crate) fn ratio(&self) -> Option<(&str, f64)> {
        self.floors.iter().find_map(|floor| match &floor.measured {
            Measured::Measured(summary) => {
                Some((floor.name.as_str(), self.number() / self.target.number(summary)))
            }
            Measured::Skipped(_) => None,
        })
    }
}

impl Floor {
    /// A floor of these measurements.
    pub(crate) fn new(name: impl Into<String>, measured: anyhow::Result<Vec<f64>>) -> Self {
        let measured = match measured.map(Summary::of) {
            Ok(Some(summary)) => Measured::Measured(summary),
            Ok(None) => Measured::Skipped("not asked for".into()),
            Err(why) => Measured::Skipped(format!("{why:#}")),
        };
        Self { name: name.into(), measured }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(target: Target, measured: &[f64]) -> Row {
        Row {
            name: "x".into(),
            unit: "ms".into(),
            target,
            measured: Summary::of(measured.to_vec()).unwrap(),
            floors: vec![
                Floor::new("gone", Err(anyhow::anyhow!("not installed"))),
                Floor::new("there", Ok(vec![2.0])),
            ],
            note: String::new(),
        }
    }

    #[test]
    fn a_promise_is_met_on_its_side_of_the_bound() {
        let most = |bound| row(Target::at_most(Statistic::Median, bound, ""), &[4.0, 5.0, 6.0]);
        assert!(most(5.0).is_met() && !most(4.9).is_met());
        let least = |bound| row(Target::at_least(Statistic::Max, bound, ""), &[4.0, 5.0, 6.0]);
        assert!(least(6.0).is_met() && !least(6.1).is_met());
    }

    #[test]
    fn less_of_the_promise_is_better_on_both_sides() {
        let most = row(Target::at_most(Statistic::Median, 10.0, ""), &[5.0]);
        let least = row(Target::at_least(Statistic::Median, 2.5, ""), &[5.0]);
        assert_eq!((most.share(most.number()), least.share(least.number())), (0.5, 0.5));
    }

    #[test]
    fn what_was_not_promised_is_not_missed() {
        let row = row(Target::none(Statistic::Median), &[5.0]);
        assert!(!row.is_promised() && row.is_met());
        assert_eq!(row.share(row.number()), 0.0);
    }

    #[test]
    fn compared_with_the_first_floor_that_is_there() {
        let row = row(Target::at_most(Statistic::Median, 10.0, ""), &[5.0]);
        assert_eq!(row.ratio(), Some(("there", 2.5)));
    }
}
