//! What people want of the agent, until it is ready to hear it.
//!
//! Not here: how it gets here ([`crate::Controls`]), what is done about it (crate `agent`).

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::watch;

use crate::{Instruction, Wish};

/// Cheap to share by reference.
#[derive(Debug, Default)]
pub struct Inbox {
    letters: watch::Sender<Letters>,
}

#[derive(Debug, Default)]
struct Letters {
    /// The highest number that came; streams repeat what they said before.
    last: u64,
    messages: VecDeque<String>,
    decisions: BTreeMap<u32, Decision>,
    /// Whether a person has the desktop.
    desktop_taken: bool,
}

/// What a person decided about a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be run.
    Approved,
    /// It may not; and why, if they said so.
    Rejected(Option<String>),
}

impl Inbox {
    /// Takes an instruction, unless it came before.
    pub fn take(&self, Instruction { n, wish }: Instruction) {
        self.letters.send_if_modified(|letters| {
            let new = n > letters.last;
            if new {
                letters.last = n;
                letters.put(wish);
            }
            new
        });
    }

    /// What people said since the last call, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        self.letters.send_if_modified(|letters| {
            messages.extend(letters.messages.drain(..));
            false
        });
        messages
    }

    /// How many of them are there.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.letters.borrow().messages.len()
    }

    /// Whether a person has the desktop.
    #[must_use]
    pub fn desktop_taken(&self) -> bool {
        self.letters.borrow().desktop_taken
    }

    /// Waits until a person has the desktop.
    pub async fn desktop_lent(&self) {
        // The sender is ours: it cannot be gone.
        drop(self.letters.subscribe().wait_for(|letters| letters.desktop_taken).await);
    }

    /// Waits until nobody has the desktop.
    pub async fn desktop_free(&self) {
        // The sender is ours: it cannot be gone.
        drop(self.letters.subscribe().wait_for(|letters| !letters.desktop_taken).await);
    }

    /// Waits for what is decided about a step.
    pub async fn decision(&self, step: u32) -> Decision {
        let mut letters = self.letters.subscribe();
        let decided = letters.wait_for(|letters| letters.decisions.contains_key(&step)).await;
        match decided.ok().and_then(|letters| letters.decisions.get(&step).cloned()) {
            Some(decision) => decision,
            // The sender is ours: it cannot be gone.
            None => std::future::pending().await,
        }
    }
}

/// How many numbers are remembered: more than can wait at one time, which is what is told again.
const REMEMBERED: usize = 256;

/// Which connections into the sandbox were asked for last.
#[derive(Debug, Default)]
pub struct Dialled {
    /// Their numbers, oldest first.
    known: VecDeque<u64>,
}

impl Dialled {
    /// Whether it was not asked for before: streams repeat what they said.
    pub fn is_new(&mut self, n: u64) -> bool {
        if self.known.contains(&n) {
            return false;
        }
        if self.known.len() >= REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(n);
        true
    }
}

impl Letters {
    /// What was decided first about a step, stays.
    fn put(&mut self, wish: Wish) {
        match wish {
            Wish::Message { text } => self.messages.push_back(text),
            Wish::Decision { step, approved, reason } => {
                let decision =
                    if approved { Decision::Approved } else { Decision::Rejected(reason) };
                self.decisions.entry(step).or_insert(decision);
            }
            Wish::Desktop { taken } => self.desktop_taken = taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: u64) -> Instruction {
        Instruction { n, wish: Wish::Message { text: n.to_string() } }
    }

    #[test]
    fn what_is_said_again_is_heard_once() {
        let inbox = Inbox::default();
        for n in [1, 4, 1, 4, 5] {
            inbox.take(message(n));
        }
        assert_eq!(inbox.waiting(), 3);
        assert_eq!(inbox.messages(), ["1", "4", "5"]);
        inbox.take(message(4));
        assert!(inbox.messages().is_empty());
    }

    #[tokio::test]
    async fn the_desktop_is_waited_for() {
        let inbox = Inbox::default();
        inbox.desktop_free().await;
        let wish = |n, taken| Instruction { n, wish: Wish::Desktop { taken } };
        inbox.take(wish(1, true));
        assert!(inbox.desktop_taken());
        let give_back = async {
            tokio::task::yield_now().await;
            inbox.take(wish(2, false));
            // Said again by a new stream.
            inbox.take(wish(1, true));
        };
        tokio::join!(inbox.desktop_free(), give_back);
        assert!(!inbox.desktop_taken());
    }

    #[tokio::test]
    async fn a_decision_is_waited_for_and_stays() {
        let inbox = Inbox::default();
        let wish = |approved| Wish::Decision { step: 3, approved, reason: Some("no".into()) };
        let decide = async {
            tokio::task::yield_now().await;
            inbox.take(Instruction { n: 1, wish: wish(false) });
            inbox.take(Instruction { n: 2, wish: wish(true) });
        };
        let (decision, ()) = tokio::join!(inbox.decision(3), decide);
        assert_eq!(decision, Decision::Rejected(Some("no".into())));
        assert_eq!(inbox.decision(3).await, decision);
    }
}
