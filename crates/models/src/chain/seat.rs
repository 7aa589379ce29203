use std::fmt::Write;

use super::health::Standing;
use super::policy::Reaction;
use crate::{ModelError, Provider, redact};

/// The longest that is kept of what a provider says about an error, in bytes.
const MAX_ERROR_BYTES: usize = 400;

/// Somebody who can be asked, and how it went with this one question.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) provider: Provider,
    /// As [`Provider::name`] has it.
    pub(super) name: String,
    /// Calls so far.
    pub(super) tries: u32,
    /// Of these, those that it answered with nothing of use.
    pub(super) useless: u32,
    /// How it stood when it was picked.
    pub(super) standing: Standing,
    /// It had its tries; asked again only when nobody else is left.
    pub(super) passed: bool,
    /// Not asked again.
    pub(super) gone: bool,
    /// Asked without thought signatures: it refused them, now or earlier in this conversation.
    pub(super) stripped: bool,
    /// Why its last call failed.
    pub(super) error: Option<String>,
}

impl Seat {
    pub(super) fn new(provider: Provider) -> Self {
        let (tries, useless, standing) = (0, 0, Standing::Well);
        let (passed, gone, stripped, error) = (false, false, false, None);
        let name = provider.name();
        Self { provider, name, tries, useless, standing, passed, gone, stripped, error }
    }

    /// Whether it could be asked before those that had their tries.
    pub(super) fn is_fresh(&self) -> bool {
        !self.passed && !self.gone
    }

    /// Takes note of a failed call.
    pub(super) fn failed(&mut self, error: &ModelError, reaction: Reaction) {
        let said = self.in_short(error);
        let Provider { kind, model, .. } = &self.provider;
        let (provider, tries) = (kind.as_str(), self.tries);
        tracing::warn!(provider, model, tries, error = said, ?reaction, "a model did not answer");
        self.error = Some(said);
        match reaction {
            Reaction::Retry { .. } | Reaction::Shrink { .. } => {}
            Reaction::Strip => self.stripped = true,
            Reaction::Next { r#final, .. } => (self.passed, self.gone) = (true, r#final),
        }
    }

    /// An error in one short line, without the key.
    pub(super) fn in_short(&self, error: &ModelError) -> String {
        let text = error.to_string();
        let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // First: what is left may be put together to the key.
        line.retain(|c| !c.is_control());
        line = redact::error(&self.provider, &line);
        if let Some(key) = &self.provider.key {
            line = key.redact(&line);
        }
        if line.len() > MAX_ERROR_BYTES {
            line.truncate(line.floor_char_boundary(MAX_ERROR_BYTES));
            line.push('…');
        }
        line
    }
}

/// Why nobody answered: a line for each who was asked, in order.
pub(super) fn obituary(seats: &[Seat]) -> String {
    if seats.is_empty() {
        return "no model is configured; set a provider's key, such as GEMINI_API_KEY".into();
    }
    let mut text = String::from("no model answered:");
    for Seat { name, tries, error, .. } in seats {
        let error = error.as_deref().unwrap_or("it was not asked");
        let calls = if *tries > 1 { format!(" ({tries} calls)") } else { String::new() };
        let _ = write!(text, "\n{name}: {error}{calls}");
    }
    text.push_str(
        "\nCheck these providers' keys, models and base URLs with `cagent config`, set one more \
         provider, or start the job again when they answer.",
    );
    text
}
