//! A scripted model server: what models of all providers say, from one scenario.
//!
//! It speaks Alchemyst's, Gemini's, OpenAI's, Anthropic's and Ollama's protocols byte for byte as
//! they were seen, checks what it is sent as those would, and does everything that providers do
//! wrong when the scenario says so. SCENARIOS.md describes scenarios.
//!
//! ```text
//! server ─► handle ─┬─► dialect  reads the request, says what is wrong with it
//!                   ├─► director which reply is due, and which fault
//!                   ├─► dialect  writes the answer or the refusal
//!                   └─► spoil    what the fault does to it on its way (wire)
//! ```
//!
//! Invariant: what it answers follows from the scenario and the requests alone, never from a clock
//! or chance; only hints at when to come back are dates. Not here: the models' clients.

mod answer;
mod dialect;
mod director;
mod fault;
mod handle;
mod overflow;
mod provider;
mod refusal;
mod scenario;
mod seen;
mod server;
mod sign;
mod spoil;
mod state;
mod template;
mod wire;

pub use fault::{Bad, Fault, Hint, Overflow};
pub use provider::Provider;
pub use scenario::{By, Call, Conversation, Faulty, Limit, Reply, Rule, Scenario, Usage, When};
pub use seen::{Asked, IMAGE_TOKENS, Image, Message, Outcome, Role, Seen};
pub use server::{ScriptedModel, ScriptedModelBuilder};
pub use state::Counters;
