//! What a job is to do, and how it should end if nobody harms it.

use fastrand::Rng;
use types::{Ending, Limits, Reason, Stream};

/// One job's work.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Whether it thinks: then it has budgets, and must say what it made.
    pub(super) thinks: bool,
    pub(super) limits: Limits,
    pub(super) acts: Vec<Act>,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Step(Step),
    /// Says something of so many bytes.
    Notice(usize),
    /// Asks a model, and goes on with the answer.
    Ask,
    /// Waits until it has heard something from people.
    Listen,
    /// Works until it is cancelled.
    Hang,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) approve: bool,
    pub(super) output: Vec<(Stream, usize)>,
    /// Between two of them, in milliseconds.
    pub(super) pause: u64,
    pub(super) exit_code: i32,
}

impl Plan {
    pub(super) fn any(dice: &mut Rng) -> Self {
        let thinks = dice.bool();
        let limits = Limits {
            output_bytes: if dice.u8(..) < 25 { 300 } else { 1 << 30 },
            steps: if dice.u8(..) < 25 { 2 } else { 100 },
            model_calls: dice.u32(2..12),
            model_tokens: dice.u64(2_000..20_000),
            ..Limits::default()
        };
        let mut acts: Vec<Act> = (0..dice.usize(1..6)).map(|_| Act::any(dice, thinks)).collect();
        if dice.u8(..) < 20 {
            acts.push(Act::Hang);
        }
        // More than an outbox holds.
        if dice.u16(..) < 100 {
            acts.splice(0..0, [2, 4, 1, 3, 4].map(|size| Act::Notice(size << 20)));
        }
        Self { thinks, limits, acts }
    }

    /// How it ends if nobody cancels or harms it; none if that depends on more than this.
    pub(super) fn ending(&self) -> Option<Reason> {
        let (mut steps, mut bytes) = (0, 0);
        for act in &self.acts {
            match act {
                Act::Step(step) => {
                    steps += 1;
                    if self.thinks && steps > self.limits.steps {
                        return Some(Reason::LimitSteps);
                    }
                    // Whether a person lets it run is not known here.
                    if step.approve {
                        return None;
                    }
                    bytes += step.output.iter().map(|(_, bytes)| *bytes as u64).sum::<u64>();
                    if bytes > self.limits.output_bytes {
                        return Some(Reason::LimitOutput);
                    }
                    if step.exit_code != 0 {
                        return Some(Reason::StepFailed);
                    }
                }
                Act::Notice(_) | Act::Listen => {}
                Act::Ask | Act::Hang => return None,
            }
        }
        Some(Ending::complete().reason)
    }

    pub(super) fn hangs(&self) -> bool {
        matches!(self.acts.last(), Some(Act::Hang))
    }
}

impl Act {
    fn any(dice: &mut Rng, thinks: bool) -> Self {
        match dice.u8(..16) {
            0..=8 => Self::Step(Step::any(dice)),
            9..=11 if thinks => Self::Ask,
            12 if thinks => Self::Listen,
            _ => Self::Notice(dice.usize(1..100)),
        }
    }
}

impl Step {
    fn any(dice: &mut Rng) -> Self {
        let output = |dice: &mut Rng| {
            let stream = if dice.bool() { Stream::Stdout } else { Stream::Stderr };
            (stream, dice.usize(1..60))
        };
        Self {
            approve: dice.u8(..) < 30,
            output: (0..dice.usize(..6)).map(|_| output(dice)).collect(),
            pause: dice.u64(..200),
            exit_code: i32::from(dice.u8(..) < 20),
        }
    }
}
