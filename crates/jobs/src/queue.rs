//! Who runs next. Pure.

use std::collections::{HashSet, VecDeque};

use types::JobId;

/// First come, first served, so many at a time.
#[derive(Debug)]
pub(crate) struct Queue {
    limit: usize,
    waiting: VecDeque<JobId>,
    running: HashSet<JobId>,
}

impl Queue {
    /// A queue that lets `limit` jobs run at one time.
    #[must_use]
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, waiting: VecDeque::new(), running: HashSet::new() }
    }

    /// Puts a job at the end.
    pub(crate) fn push(&mut self, job: JobId) {
        self.waiting.push_back(job);
    }

    /// Counts a job that runs already, found after a restart; may exceed the limit.
    pub(crate) fn adopt(&mut self, job: JobId) {
        self.running.insert(job);
    }

    /// The next job, if a slot is free; it holds the slot until [`Queue::done`].
    pub(crate) fn next(&mut self) -> Option<JobId> {
        if self.running.len() >= self.limit {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.running.insert(job);
        Some(job)
    }

    /// Frees the job's slot, or takes it out if it still waits.
    pub(crate) fn done(&mut self, job: JobId) {
        if !self.running.remove(&job) {
            self.waiting.retain(|waiting| *waiting != job);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Act {
        Push,
        Next,
        FinishOldest,
        DropLastWaiting,
    }

    fn any_act() -> impl Strategy<Value = Act> {
        prop_oneof![
            Just(Act::Push),
            Just(Act::Next),
            Just(Act::FinishOldest),
            Just(Act::DropLastWaiting)
        ]
    }

    proptest! {
        /// In order, never more than the limit, and a free slot is never left unused.
        #[test]
        fn first_come_first_served(limit in 0usize..4, acts in prop::collection::vec(any_act(), 0..60)) {
            let mut queue = Queue::new(limit);
            let (mut waiting, mut running) = (VecDeque::new(), VecDeque::new());
            for act in acts {
                match act {
                    Act::Push => {
                        let job = JobId::generate();
                        queue.push(job);
                        waiting.push_back(job);
                    }
                    Act::Next => {
                        let free = running.len() < limit;
                        let expected = if free { waiting.pop_front() } else { None };
                        prop_assert_eq!(queue.next(), expected);
                        running.extend(expected);
                    }
                    Act::FinishOldest => {
                        if let Some(job) = running.pop_front() {
                            queue.done(job);
                        }
                    }
                    Act::DropLastWaiting => {
                        if let Some(job) = waiting.pop_back() {
                            queue.done(job);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_adopted_job_holds_a_slot() {
        let mut queue = Queue::new(1);
        let (old, new) = (JobId::generate(), JobId::generate());
        queue.adopt(old);
        queue.push(new);
        assert_eq!(queue.next(), None);
        queue.done(old);
        assert_eq!(queue.next(), Some(new));
    }
}
