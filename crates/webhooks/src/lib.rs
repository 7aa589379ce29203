//! Tells the operator's webhook what happens to jobs, by the Standard Webhooks convention.
//!
//! | file | what |
//! |---|---|
//! | `secret` | what a message is signed with |
//! | `plan` | when one that was not taken is told again, as pure functions |
//! | `call` | one try over HTTP |
//! | `teller` | the task: one message after the other, until the outbox is empty |
//!
//! Invariant: a message leaves the outbox when it was taken or given up, so each is told at least
//! once; its id never changes. Those of one job are told in order. No job waits for the webhook, and
//! its secret is in no text.
//!
//! Not here: what is told, which `store` decides by the change that makes it true.

mod call;
mod plan;
mod secret;
mod teller;

pub use call::Hook;
pub use secret::{BadSecret, Secret};
pub use teller::run;
