//! The life of a job: accept, queue, run, package, forget. Skeleton; being written.

mod service;

pub use service::{
    Cancellation, Config, Follower, JobError, Jobs, OpenError, ScheduleError, ScheduleRequest,
};
