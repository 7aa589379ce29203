//! What an agent is told, and by which streams.
//!
//! ```text
//! Orders: all that is to be told ──► one Told for each control stream: what it has said so far
//! ```
//!
//! A stream begins from the start: so nothing is lost with one that breaks, and the agent drops
//! what it has heard before.

use protocol::{Control, Dial, Instruction};
use tokio::sync::watch;

/// What an agent is to be told, as far as it is known now.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    instructions: Vec<Instruction>,
    /// The connections that are waited for; the only thing that also shrinks.
    dials: Vec<Dial>,
    cancel: bool,
}

impl Orders {
    /// Those of a job whose agent was given these instructions before.
    #[must_use]
    pub fn new(instructions: Vec<Instruction>) -> Self {
        Self { instructions, ..Self::default() }
    }

    /// Adds what a person wants, and says whether it is new: one whose number is not above those
    /// before was told already.
    pub fn instruct(&mut self, instruction: Instruction) -> bool {
        let new = self.instructions.last().is_none_or(|last| last.n < instruction.n);
        if new {
            self.instructions.push(instruction);
        }
        new
    }

    /// Adds a connection that is waited for from now on; its number is above those before.
    pub fn dial(&mut self, dial: Dial) {
        self.dials.push(dial);
    }

    /// Nobody waits for this connection any more.
    pub fn take_back(&mut self, dial: u64) {
        self.dials.retain(|waits| waits.n != dial);
    }

    /// The agent is to stop.
    pub fn cancel(&mut self) {
        self.cancel = true;
    }
}

/// What one control stream has said so far.
#[derive(Debug, Default)]
pub struct Told {
    ready: bool,
    instructions: usize,
    /// The number of the last connection that was asked for.
    dial: u64,
    cancel: bool,
}

impl Told {
    /// Waits for what this stream has to say next.
    pub async fn next(&mut self, orders: &mut watch::Receiver<Orders>) -> Control {
        if !std::mem::replace(&mut self.ready, true) {
            return Control::Ready;
        }
        loop {
            if let Some(control) = self.untold(&orders.borrow_and_update()) {
                return control;
            }
            if orders.changed().await.is_err() {
                // There is nothing more to say; the stream stays open until the gateway closes.
                std::future::pending().await
            }
        }
    }

    /// A cancel goes first: what was said before it is of no use any more.
    fn untold(&mut self, orders: &Orders) -> Option<Control> {
        if orders.cancel {
            let told = std::mem::replace(&mut self.cancel, true);
            return (!told).then_some(Control::Cancel);
        }
        if let Some(dial) = orders.dials.iter().find(|dial| dial.n > self.dial) {
            self.dial = dial.n;
            return Some(Control::Dial(dial.clone()));
        }
        let instruction = orders.instructions.get(self.instructions)?;
        self.instructions += 1;
        Some(Control::Instruction(instruction.clone()))
    }
}
