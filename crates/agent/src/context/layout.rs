//! What of the log a view shows: decided from sizes alone, without reading anything.
//!
//! ```text
//!  whole ──► old pictures left out ──► results older than 10 (3) steps left out, many at once
//!        ──► above 80 %: the oldest stretch summed up ──► above 100 %: the oldest left out
//!        ──► what is left, the last step at least, cut
//! ```
//!
//! What was decided once stays so ([`Trims`] only grow, and are kept in the log): between two
//! decisions every view begins as the one before it, which is what providers' caches want.

use serde::{Deserialize, Serialize};

use super::measure::Room;
use super::sketch::{Detail, Kind, Sketch};

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
/// What the frame of a view takes besides the texts in it: turns, headings, the list of what was
/// left out.
const AROUND: usize = 300;

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

/// What is shown or left out as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Something that a person or the agent said.
    Said(u64),
    /// A model's turn and what became of its calls.
    Step { model: u64, results: Option<u64> },
}

/// Sizes of what is in every view.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pins {
    pub(super) task: usize,
    pub(super) summary: usize,
    pub(super) plan: usize,
    /// Entries before this are summed up.
    pub(super) summed_up: u64,
}

/// A log as a view sees it.
#[derive(Debug)]
pub(super) struct Layout<'m> {
    sketches: &'m [Sketch],
    pub(super) units: Vec<Unit>,
    pub(super) room: Room,
    pins: Pins,
}

/// What a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) trims: Trims,
    /// What every text is cut to, where nothing else helps.
    pub(super) cut: Option<usize>,
}

impl Unit {
    /// Its first entry's number.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Said(n) | Self::Step { model: n, .. } => n,
        }
    }
}

impl<'m> Layout<'m> {
    pub(super) fn new(sketches: &'m [Sketch], room: Room, pins: Pins) -> Self {
        Self { sketches, units: units(sketches), room, pins }
    }

    /// What the next view shows, where this was left out before.
    pub(super) fn choose(&self, trims: Trims) -> Choice {
        let mut trims = self.soft(trims);
        if self.weight(trims) <= self.room.turns {
            return Choice { trims, cut: None };
        }
        trims.masked = trims.masked.max(self.step_from_end(FULL_STEPS[1]));
        trims.dropped = self.dropped_to(trims, self.room.turns * 3 / 5, self.last_step());
        match self.weight(trims) <= self.room.turns {
            true => Choice { trims, cut: None },
            false => self.squeezed(trims),
        }
    }

    /// What is left out before anything is summed up: pictures and results, each in large pieces.
    pub(super) fn soft(&self, mut trims: Trims) -> Trims {
        let (stay, _) = PICTURES;
        if self.shown_pictures(trims) > PICTURES.1 || self.full(trims) {
            trims.pictures = trims.pictures.max(self.picture_from_end(stay));
        }
        let pressed = self.full(trims);
        for steps in FULL_STEPS {
            let masked = Trims { masked: trims.masked.max(self.step_from_end(steps)), ..trims };
            let saved = self.weight(trims).saturating_sub(self.weight(masked));
            // So much at once that it is long until the next time.
            let worth = match pressed {
                true => {
                    saved * 10 >= self.room.turns && self.weight(trims) > self.room.turns / 5 * 3
                }
                false => saved * 5 >= self.room.turns && steps == FULL_STEPS[0],
            };
            if worth {
                trims = masked;
            }
        }
        trims
    }

    /// The entry up to which the log is to be summed up now, if it is time for that.
    pub(super) fn to_sum_up(&self, trims: Trims) -> Option<u64> {
        let soft = self.soft(trims);
        let upto = match self.full(soft) {
            true => self.dropped_to(soft, self.room.turns / 2, self.step_from_end(2)),
            false => soft.dropped,
        };
        let since = |from: u64, to: u64| {
            self.units.iter().filter(|u| (from..to).contains(&u.number())).count()
        };
        let fresh = since(soft.dropped, upto) >= LEAST_TO_SUM_UP;
        let due = fresh || since(self.pins.summed_up, soft.dropped) >= LEFT_TO_SUM_UP;
        (due && upto > self.pins.summed_up).then_some(upto)
    }

    /// The units a view shows.
    pub(super) fn shown(&self, trims: Trims) -> &[Unit] {
        &self.units[self.units.partition_point(|u| u.number() < trims.dropped)..]
    }

    /// How much of a unit is shown.
    pub(super) fn detail(&self, unit: Unit, choice: Choice) -> Detail {
        let Choice { trims, cut } = choice;
        let full = Detail { pictures: unit.number() >= trims.pictures, ..Detail::full(&self.room) };
        match cut {
            Some(most) => Detail::cut(most),
            None if self.is_masked(unit, trims) => Detail::masked(),
            None => full,
        }
    }

    fn is_masked(&self, unit: Unit, trims: Trims) -> bool {
        matches!(unit, Unit::Step { model, .. } if model < trims.masked)
    }

    /// The newest thing a person said, if it is left out.
    pub(super) fn pinned_person(&self, trims: Trims) -> Option<u64> {
        let person = |n: &u64| self.sketches[index(*n)].kind == Kind::Person;
        let units = &self.units[..self.units.partition_point(|u| u.number() < trims.dropped)];
        units.iter().rev().map(|u| u.number()).find(person)
    }

    /// Bytes that a pinned text may take.
    pub(super) fn most_of_task(&self) -> usize {
        self.room.turns / 3
    }

    /// As [`Self::most_of_task`], for the plan, the summary, the person's words and the list of
    /// what was left out: each.
    pub(super) fn most_of_pin(&self) -> usize {
        self.room.turns / 10
    }

    /// Bytes of what `recall` answers: so much that no view cuts it.
    pub(super) fn most_of_recall(&self) -> usize {
        let result = Detail::full(&self.room).result.unwrap_or_default();
        result.min(self.room.turns / 4)
    }

    /// Bytes of a view's turns, at most.
    pub(super) fn weight(&self, trims: Trims) -> usize {
        self.weight_of(Choice { trims, cut: None })
    }

    fn weight_of(&self, choice: Choice) -> usize {
        let units = self.shown(choice.trims).iter();
        self.pinned(choice.trims)
            + units.map(|u| self.unit(*u, self.detail(*u, choice))).sum::<usize>()
    }

    fn pinned(&self, trims: Trims) -> usize {
        let pin = self.most_of_pin();
        let person = self
            .pinned_person(trims)
            .map_or(0, |n| self.sketches[index(n)].weight(Detail::cut(pin), &self.room));
        let list = if trims.dropped > 1 { pin } else { 0 };
        let Pins { task, summary, plan, .. } = self.pins;
        AROUND + task.min(self.most_of_task()) + summary.min(pin) + plan.min(pin) + person + list
    }

    fn unit(&self, unit: Unit, detail: Detail) -> usize {
        let weight = |n: u64| self.sketches[index(n)].weight(detail, &self.room);
        match unit {
            Unit::Said(n) => weight(n),
            Unit::Step { model, results: Some(results) } => {
                let missing = self.sketches[index(model)].unanswered();
                let short = self.sketches[index(results)].calls < self.sketches[index(model)].calls;
                weight(model) + weight(results) + if short { missing } else { 0 }
            }
            Unit::Step { model, results: None } => {
                weight(model) + self.sketches[index(model)].unanswered()
            }
        }
    }

    fn full(&self, trims: Trims) -> bool {
        self.weight(trims) > self.room.turns / 5 * 4
    }

    /// How far to leave out until this is all that is left, or `last` is the first that is.
    fn dropped_to(&self, trims: Trims, target: usize, last: u64) -> u64 {
        let too_much = |unit: &Unit| {
            let dropped = unit.number().max(trims.dropped);
            self.weight(Trims { dropped, ..trims }) > target
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

/// A number as an index: there are no more entries than there is memory.
pub(super) fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// Entries in the pieces that belong together. Results belong to the last turn that has none yet.
fn units(sketches: &[Sketch]) -> Vec<Unit> {
    let mut units = vec![];
    let mut open: Option<usize> = None;
    for (n, sketch) in (0..).zip(sketches) {
        match sketch.kind {
            Kind::Person | Kind::Note | Kind::Lost => units.push(Unit::Said(n)),
            Kind::Model => {
                open = (sketch.calls > 0).then_some(units.len());
                units.push(Unit::Step { model: n, results: None });
            }
            Kind::Results => {
                if let Some(Unit::Step { results, .. }) = open.take().map(|at| &mut units[at]) {
                    *results = Some(n);
                }
            }
            Kind::Task | Kind::Memo => {}
        }
    }
    units
}
