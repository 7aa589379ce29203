//! Language models: who can be asked, in which dialect, and what happens when one does not answer.
//!
//! | file | what |
//! |---|---|
//! | `provider` | what an operator sets: which provider, where, by which key |
//! | `secret`, `redact` | a key that no `Debug`, error or log shows |
//! | `chain` | who is asked next: retry, failover, rest and probe |
//! | `history` | a conversation made such as every provider takes it |
//! | `estimate` | how many tokens something has while nobody has counted them |
//! | `remote` | one call over HTTP: framing, stalls, sizes |
//! | `dialect` | the one trait: a question as a provider wants it, its answer as we want it |
//! | `openai`, `gemini`, `anthropic`, `ollama` | the dialects |
//! | `text` | tools for models that have none: described in words, called by blocks of text |
//! | `calls`, `parts`, `replay`, `headers` | what dialects share |
//! | `repair` | JSON as models write it |
//! | `error`, `refusal`, `hint`, `overflow` | what went wrong, when to try again, whether it was too long |
//!
//! Invariant: a key is in no text that leaves this crate. Not here: what the answers are for (agentd),
//! what may be spent and what is recorded ([`Meter`], which `jobs` implements).

mod anthropic;
mod calls;
mod chain;
mod dialect;
mod error;
mod estimate;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fuzz;
mod gemini;
mod headers;
mod hint;
mod history;
mod ollama;
mod openai;
mod overflow;
mod parts;
mod provider;
mod redact;
mod refusal;
mod remote;
mod repair;
mod replay;
mod secret;
mod text;

pub use chain::{Choice, Meter, ModelStanding, Models, OverBudget, UnknownModel};
pub use error::ModelError;
pub use provider::{Kind, Price, Provider, ToolMode};
pub use remote::{client, install_tls, words};
pub use secret::Secret;
