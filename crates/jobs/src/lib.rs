//! The life of a job: accept, queue, run, package, forget.
//!
//! | file | what |
//! |---|---|
//! | `lifecycle` | what may happen to a job, as a pure function; the state machine is drawn there |
//! | `queue` | who runs next, as a pure structure |
//! | `accept` | what a request must be to become a job |
//! | `service` | the facade: accept, look, cancel, follow |
//! | `run` | one job from its slot to its end |
//! | `sink` | where an agent's reports go: events and log files |
//! | `translate` | what a batch of reports comes to, as a pure function |
//! | `pack` | the result |
//! | `recover` | what an earlier orchestrator left |
//! | `retention` | what is forgotten, and when |
//! | `folders` | where everything lies, and the lock on it |
//!
//! Invariant: every change of a job goes through `lifecycle::apply` inside one store update, so no
//! two of them race, and no other crate changes a job.

mod accept;
mod folders;
mod follow;
mod lifecycle;
mod pack;
mod queue;
mod recover;
mod retention;
mod run;
mod service;
mod sink;
mod translate;

pub use accept::{MAX_PROMPT_BYTES, ScheduleError, ScheduleRequest};
pub use folders::{Folders, OpenError, owner};
pub use follow::Follower;
pub use service::{Cancellation, Config, JobError, Jobs};
