//! The life of a job: accept, queue, run, package, forget.
//!
//! | file | what |
//! |---|---|
//! | `lifecycle` | what may happen to a job, as a pure function; the state machine is drawn there |
//! | `queue` | who runs next, as a pure structure |
//! | `accept` | what a request must be to become a job |
//! | `converse` | what people say to a working agent, and what they decide |
//! | `dial` | ways into a running sandbox, and who has its desktop |
//! | `ask` | an agent's questions to models: paid for, recorded |
//! | `spend` | what may be spent on them, as pure functions |
//! | `environment` | what a job's own variables may be |
//! | `room` | whether the disk has room for more |
//! | `ballast` | room that a full disk cannot take from the store |
//! | `pressure` | who goes when the disk runs short while jobs run |
//! | `service` | the facade: accept, look, cancel, follow, forget |
//! | `inner` | what everything shares |
//! | `changes` | who watches the list, and what changes in it |
//! | `change` | the one way to change a job, however often the store fails |
//! | `slot` | so many run at one time |
//! | `run` | one job from its slot to the end of its work |
//! | `reach` | the way to its sandbox, and what is done while there is none |
//! | `attach` | its sandbox, made or found again, and the gateway to it |
//! | `resume` | a job that goes on after one that broke off |
//! | `conclude` | from there to its end |
//! | `outcome` | what the way a sandbox ended means, as pure functions |
//! | `intake` | in which order reports are taken |
//! | `sink`, `door` | where an agent's reports go: events and log files; how the gateway gets there |
//! | `translate` | what a batch of reports comes to, as a pure function |
//! | `bound` | how much of that is kept |
//! | `pack` | the result |
//! | `account` | which models were asked, and what they took |
//! | `replay` | what an agent did, as a runbook |
//! | `backup` | a copy of everything that is kept, and the way back |
//! | `closing` | how the service ends, and what it still takes until then |
//! | `recover` | what an earlier orchestrator left |
//! | `staging` | input files until there is a workspace |
//! | `files`, `upload` | a job's files, to be read and written from outside |
//! | `lease` | what is open in a workspace, until that goes |
//! | `retention` | what is forgotten, and when |
//! | `age` | whether the clock can be believed about that, as a pure function |
//! | `clock` | what tells the time |
//! | `keys` | keys to the API: made, listed, revoked, looked up |
//! | `outbox` | what is to be told of jobs |
//! | `sessions` | what a key opens in a browser, for a day |
//! | `usage` | what a job uses while it works |
//! | `readiness` | whether what it needs works |
//! | `metrics` | what is counted of all jobs together |
//! | `gauges`, `process` | how things stand, beside that |
//! | `overview` | how things stand, for people |
//! | `metered` | an engine whose failures are counted |
//! | `simulation` | whole lives of jobs on bad days: a test |
//! | `folders` | where everything lies, and the lock on it |
//!
//! Invariant: every change of a job goes through `lifecycle::apply` inside one store update, so no
//! two of them race, and no other crate changes a job.

mod accept;
mod account;
mod age;
mod ask;
mod attach;
mod backup;
mod ballast;
#[cfg(test)]
mod bed;
mod bound;
mod change;
mod changes;
mod clock;
mod closing;
mod conclude;
mod converse;
mod dial;
#[cfg(test)]
mod docs;
mod door;
mod environment;
mod files;
mod folders;
mod follow;
mod gauges;
mod inner;
mod intake;
mod keys;
mod lease;
mod lifecycle;
mod metered;
mod metrics;
mod outbox;
mod outcome;
mod overview;
mod pack;
mod pressure;
mod process;
mod queue;
mod reach;
mod readiness;
mod recover;
mod replay;
mod resume;
mod retention;
mod room;
mod run;
mod service;
mod sessions;
#[cfg(test)]
mod simulation;
mod sink;
mod slot;
mod spend;
mod staging;
mod translate;
mod upload;
mod usage;

pub use accept::{Idempotency, MAX_PROMPT_BYTES, ScheduleError, ScheduleRequest};
pub use artifacts::{FileEntry, FileKind, InvalidPath, Listing, WorkspacePath};
pub use backup::{Backup, BackupError, backup, restore};
pub use changes::{ListChange, Watcher};
pub use clock::Clock;
pub use closing::Phase;
pub use converse::{MAX_SAID_BYTES, TalkError};
pub use dial::DialError;
pub use environment::InvalidEnvironment;
pub use files::{FileContent, FilesError, MAX_LISTED};
pub use folders::{Folders, OpenError, owner};
pub use follow::Follower;
pub use gateway::Inward;
pub use ipnet::IpNet;
pub use keys::{BadKey, Holder, KeyError, KeyId, MadeKey, NewKey, local_key};
pub use models::{ModelStanding, Price};
pub use outbox::Outbox;
pub use overview::{EngineStanding, Overview};
pub use protocol::{Target, shell};
pub use reach::ENGINE_PATIENCE;
pub use readiness::Check;
pub use resume::ResumeError;
pub use room::NoRoom;
pub use service::{
    Cancellation, Config, ForgetError, JobError, JobPage, Jobs, ListRequest, NetworkPolicy,
};
pub use sessions::{SESSION, SessionId};
pub use staging::{Staged, Staging};
pub use store::{Census, Spent};
pub use store::{Message, StoreError};
pub use upload::FileWriter;
