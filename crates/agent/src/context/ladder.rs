//! What is left out of a view, and when: decided from sizes alone.
//!
//! ```text
//!  whole ──► results older than 10 steps left out, once that makes it much shorter
//!        ──► above 80 %: old pictures left out, results older than 10 or 3 steps left out
//!        ──► still above 45 %: the oldest stretch summed up, so that 30 % are left
//!        ──► above 100 %: the oldest left out, to 30 % ──► what is left, the last step at least, cut
//! ```
//!
//! What was decided once stays so ([`Trims`] only grow, and are kept in the log), and every cut is
//! so deep that the next one is far: between two of them every view begins as the one before it,
//! which is what providers' caches want.

use serde::{Deserialize, Serialize};

use super::layout::{Layout, Unit, index};

/// Above this many percent something is left out. Percent of the room that what is pinned leaves.
const FULL: usize = 80;
/// Where leaving out results leaves more than this, a summary is due.
const SHALLOW: usize = 45;
/// What a summary leaves, if it can.
const LEFT: usize = 30;
/// What it is worth to leave out results before there is need: less to pay for every question.
const WORTH: usize = 40;
/// What it is worth when there is need.
const WORTH_IN_NEED: usize = 10;
/// Steps whose results stay, and how many of them where that is too much.
const FULL_STEPS: [usize; 2] = [10, 3];
/// Pictures that stay when old ones go, and how many there may be before they do.
const PICTURES: (usize, usize) = (2, 10);
/// Fewer are not worth a model's summary.
const LEAST_TO_SUM_UP: usize = 4;
/// So many that were left out without a summary are worth one.
const LEFT_TO_SUM_UP: usize = 20;
/// The least that a text is cut to.
const LEAST_TEXT: usize = 200;
/// More than that are not squeezed into what is too small.
const MOST_SQUEEZED: usize = 8;

/// What views leave out, by numbers of entries. Grows only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trims {
    /// Results of steps before this.
    pub(super) masked: u64,
    /// Pictures before this.
    pub(super) pictures: u64,
    /// Everything before this, but the task.
    pub(super) dropped: u64,
}

/// What a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) trims: Trims,
    /// What every text is cut to, where nothing else helps.
    pub(super) cut: Option<usize>,
}

impl Layout<'_> {
    /// What the next view shows, where this was left out before.
    pub(super) fn choose(&self, trims: Trims) -> Choice {
        let mut trims = self.soft(trims);
        if self.is_above(100, trims) {
            trims.masked = trims.masked.max(self.step_from_end(FULL_STEPS[1]));
            trims.dropped = self.dropped_to(trims, LEFT, self.last_step());
        }
        match self.is_above(100, trims) {
            true => self.squeezed(trims),
            false => Choice { trims, cut: None },
        }
    }

    /// What is left out before anything is summed up: pictures and results, each in large pieces.
    pub(super) fn soft(&self, mut trims: Trims) -> Trims {
        let (stay, most) = PICTURES;
        if self.shown_pictures(trims) > most || self.is_above(FULL, trims) {
            trims.pictures = trims.pictures.max(self.picture_from_end(stay));
        }
        let in_need = self.is_above(FULL, trims);
        let [many, few] = FULL_STEPS
            .map(|steps| Trims { masked: trims.masked.max(self.step_from_end(steps)), ..trims });
        let masked = if in_need && self.is_above(SHALLOW, many) { few } else { many };
        let worth = if in_need { WORTH_IN_NEED } else { WORTH };
        let saved = self.weight(trims).saturating_sub(self.weight(masked));
        if saved > self.percent(worth, trims) { masked } else { trims }
    }

    /// The entry up to which the log is to be summed up now, if it is time for that.
    pub(super) fn to_sum_up(&self, trims: Trims) -> Option<u64> {
        let soft = self.soft(trims);
        let upto = match self.is_above(FULL, trims) && self.is_above(SHALLOW, soft) {
            true => self.dropped_to(soft, LEFT, self.step_from_end(2)),
            false => soft.dropped,
        };
        let since = |from: u64, to: u64| {
            self.units.iter().filter(|u| (from..to).contains(&u.number())).count()
        };
        let fresh = since(soft.dropped, upto) >= LEAST_TO_SUM_UP;
        let due = fresh || since(self.summed_up(), soft.dropped) >= LEFT_TO_SUM_UP;
        (due && upto > self.summed_up()).then_some(upto)
    }

    fn is_above(&self, percent: usize, trims: Trims) -> bool {
        let pinned = self.pinned(trims).min(self.room.turns);
        self.weight(trims) > pinned + self.percent(percent, trims)
    }

    fn percent(&self, percent: usize, trims: Trims) -> usize {
        let left = self.room.turns.saturating_sub(self.pinned(trims));
        left.saturating_mul(percent) / 100
    }

    /// How far to leave out until so many percent are left, or `last` is the first that is.
    fn dropped_to(&self, trims: Trims, percent: usize, last: u64) -> u64 {
        let too_much = |unit: &Unit| {
            let dropped = unit.number().max(trims.dropped);
            self.is_above(percent, Trims { dropped, ..trims })
        };
        // The less is shown, the less it weighs; but for the list of what is not.
        let first = self.units.get(self.units.partition_point(too_much));
        first.map_or(last, |u| u.number()).min(last).max(trims.dropped)
    }

    /// Where not even the last step fits: it is cut, and of what came after it the newest stays.
    fn squeezed(&self, mut trims: Trims) -> Choice {
        let newest = self.units.iter().rev().nth(MOST_SQUEEZED - 1).map_or(0, |u| u.number());
        trims.dropped = trims.dropped.max(newest);
        loop {
            for most in (0..6).map(|halved| 8000 >> halved).chain([LEAST_TEXT]) {
                let choice = Choice { trims, cut: Some(most) };
                if self.weight_of(choice) <= self.room.turns {
                    return choice;
                }
            }
            match self.shown(trims) {
                [_, next, ..] => trims.dropped = next.number(),
                [_] | [] => return Choice { trims, cut: Some(0) },
            }
        }
    }

    /// Where the last so many steps begin.
    fn step_from_end(&self, steps: usize) -> u64 {
        let step = |u: &&Unit| matches!(u, Unit::Step { .. });
        self.units.iter().rev().filter(step).nth(steps - 1).map_or(0, |u| u.number())
    }

    /// Where the last step begins, or the last thing said where there was none.
    fn last_step(&self) -> u64 {
        match self.step_from_end(1) {
            0 => self.units.last().map_or(0, |u| u.number()),
            n => n,
        }
    }

    fn pictures(&self, unit: Unit) -> usize {
        match unit {
            Unit::Step { results: Some(n), .. } => self.sketches[index(n)].pictures.len(),
            Unit::Step { results: None, .. } | Unit::Said(_) => 0,
        }
    }

    fn shown_pictures(&self, trims: Trims) -> usize {
        let from = trims.pictures.max(trims.masked);
        let shown = self.shown(trims).iter().filter(|u| u.number() >= from);
        shown.map(|u| self.pictures(*u)).sum()
    }

    /// Where the last so many pictures begin.
    fn picture_from_end(&self, count: usize) -> u64 {
        let mut seen = 0;
        let found = self.units.iter().rev().find(|unit| {
            seen += self.pictures(**unit);
            seen >= count
        });
        found.map_or(0, |u| u.number())
    }
}
