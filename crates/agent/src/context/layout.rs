//! The log in the pieces that are shown or left out as one, and what a view of them weighs: from
//! sizes alone, without reading anything. What is left out is decided in [`super::ladder`].

use super::ladder::{Choice, Trims};
use super::measure::Room;
use super::sketch::{Detail, Kind, Sketch};

/// What the frame of a view takes besides the texts in it: turns, headings, the list of what was
/// left out.
const AROUND: usize = 300;

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
    pub(super) sketches: &'m [Sketch],
    pub(super) units: Vec<Unit>,
    pub(super) room: Room,
    pins: Pins,
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

    /// Entries before this are summed up.
    pub(super) fn summed_up(&self) -> u64 {
        self.pins.summed_up
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

    /// As [`Self::weight`], of any view.
    pub(super) fn weight_of(&self, choice: Choice) -> usize {
        let units = self.shown(choice.trims).iter();
        self.pinned(choice.trims)
            + units.map(|u| self.unit(*u, self.detail(*u, choice))).sum::<usize>()
    }

    /// Bytes of what is in every view.
    pub(super) fn pinned(&self, trims: Trims) -> usize {
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
                let short = self.sketches[index(results)].outcomes.len()
                    < self.sketches[index(model)].calls;
                weight(model) + weight(results) + if short { missing } else { 0 }
            }
            Unit::Step { model, results: None } => {
                weight(model) + self.sketches[index(model)].unanswered()
            }
        }
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
