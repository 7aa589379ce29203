//! What is in memory of the log: taken in entry by entry, as they are written or read again.

use types::{ModelFacts, Plan};

use super::Entry;
use super::cut::text_size;
use super::ladder::Trims;
use super::layout::{Layout, Pins};
use super::measure::{Known, Room};
use super::sketch::Sketch;
use super::view::plan_text;

/// What is in memory of the log: small, and all that decides what a view shows.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) sketches: Vec<Sketch>,
    pub(super) task: Option<String>,
    /// The newest thing a person said, and its number.
    pub(super) person: Option<(u64, String)>,
    /// How much people said.
    pub(super) heard: usize,
    pub(super) summary: Option<Summary>,
    pub(super) plan: Option<Plan>,
    pub(super) known: Known,
    pub(super) trims: Trims,
}

#[derive(Debug)]
pub(super) struct Summary {
    pub(super) at: u64,
    pub(super) upto: u64,
    pub(super) text: String,
}

impl Memory {
    pub(super) fn new(facts: ModelFacts) -> Self {
        Self {
            sketches: vec![],
            task: None,
            person: None,
            heard: 0,
            summary: None,
            plan: None,
            known: Known::new(facts),
            trims: Trims::default(),
        }
    }

    /// The next entry of the log; `None` if that is lost.
    pub(super) fn take_in(&mut self, entry: Option<&Entry>) {
        let n = self.sketches.len() as u64;
        self.sketches.push(Sketch::of(entry));
        match entry {
            Some(Entry::Task { text }) => {
                self.task.get_or_insert_with(|| text.clone());
            }
            Some(Entry::Person { text }) => {
                self.person = Some((n, text.clone()));
                self.heard += 1;
            }
            Some(Entry::Plan { plan }) => self.plan = Some(plan.clone()),
            Some(Entry::View { known, trims }) => {
                (self.known, self.trims) = (known.clone(), *trims);
            }
            Some(Entry::Summary { upto, text }) => {
                let (upto, text) = ((*upto).min(n), text.clone());
                self.trims.dropped = self.trims.dropped.max(upto);
                self.summary = Some(Summary { at: n, upto, text });
            }
            Some(Entry::Model { .. } | Entry::Results { .. } | Entry::Note { .. }) | None => {}
        }
    }

    pub(super) fn layout(&self, room: Room) -> Layout<'_> {
        let pins = Pins {
            task: self.task.as_deref().map_or(0, text_size),
            summary: self.summary.as_ref().map_or(0, |s| text_size(&s.text)),
            plan: self.plan.as_ref().map_or(0, |plan| text_size(&plan_text(plan))),
            summed_up: self.summary.as_ref().map_or(0, |s| s.upto),
        };
        Layout::new(&self.sketches, room, pins)
    }
}
