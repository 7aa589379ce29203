//! What many measurements come to.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Many measurements of one thing, in the unit of their row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// How many there were.
    pub(crate) n: usize,
    /// Half of them were no greater.
    pub(crate) median: f64,
    /// 99 % of them were no greater; of fewer than a hundred the greatest.
    pub(crate) p99: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Summary {
    /// Of at least one measurement.
    pub(crate) fn of(mut all: Vec<f64>) -> Option<Self> {
        all.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*all.first()?, *all.last()?);
        Some(Self { n: all.len(), median: rank(&all, 50), p99: rank(&all, 99), min, max })
    }
}

/// Milliseconds since then.
pub(crate) fn millis(since: Instant) -> f64 {
    millis_between(since, Instant::now())
}

/// Milliseconds from one to the other.
pub(crate) fn millis_between(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64() * 1e3
}

/// The least of them that so many percent are no greater than (nearest rank).
fn rank(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_a_hundred() {
        let all = (1..=100).rev().map(f64::from).collect();
        let summary = Summary { n: 100, median: 50.0, p99: 99.0, min: 1.0, max: 100.0 };
        assert_eq!(Summary::of(all), Some(summary));
    }

    #[test]
    fn of_few_the_greatest_is_the_99th_percentile() {
        let summary = Summary::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((summary.median, summary.p99), (2.0, 3.0));
        assert_eq!(Summary::of(vec![]), None);
    }

    proptest! {
        #[test]
        fn as_many_lie_below_as_it_says(all in prop::collection::vec(0.0..1e9, 1..500)) {
            let summary = Summary::of(all.clone()).unwrap();
            for (value, percent) in [(summary.median, 50), (summary.p99, 99)] {
                prop_assert!(all.contains(&value));
                let no_greater = all.iter().filter(|x| **x <= value).count();
                let less = all.iter().filter(|x| **x < value).count();
                prop_assert!(no_greater * 100 >= percent * all.len());
                prop_assert!(less * 100 < percent * all.len());
            }
        }
    }
}
