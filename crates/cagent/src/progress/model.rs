//! The models an agent asks: who answers, what fails, what it took, and that one is being waited
//! for.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use types::{ModelCall, TokenUsage, Usd};

use super::{DIM, ODD, Open, Progress};
use crate::text;

/// The nodes of the agent's flow that ask a model.
const ASKING: &[&str] = &["analyse", "think"];

/// The most characters of why a call failed.
const ERROR_CHARS: usize = 160;

/// What is shown of waiting that was shorter would only flicker.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who was asked, and what that took.
#[derive(Debug, Default)]
pub(super) struct Asked {
    tokens: u64,
    cost: Option<Usd>,
    /// `provider/model` of the last answer.
    answered: Option<String>,
    /// Who failed last, and why, if nobody has answered since.
    failed: Option<(String, String)>,
    /// Since when a model is being asked.
    since: Option<Instant>,
}

impl Asked {
    pub(super) fn begins(&mut self, node: &str) {
        self.since = ASKING.contains(&node).then(Instant::now);
    }

    pub(super) fn ends(&mut self) {
        self.since = None;
    }

    fn add(&mut self, usage: &TokenUsage, cost: Option<Usd>) {
        self.tokens += usage.input_tokens + usage.output_tokens;
        self.cost = match (self.cost, cost) {
            (Some(sum), Some(cost)) => Some(sum.plus(cost)),
            (sum, cost) => sum.or(cost),
        };
    }

    /// What it took, for the last line; nothing if no model was called.
    pub(super) fn spent(&self) -> String {
        let cost = self.cost.map(|cost| format!(", {}", text::dollars(cost))).unwrap_or_default();
        if self.tokens == 0 { String::new() } else { format!(", {} tokens{cost}", self.tokens) }
    }

    /// That a model is being waited for, if it is for long enough to say so.
    fn waits(&self, now: Instant) -> Option<String> {
        let waited = now.saturating_duration_since(self.since?);
        let seconds = Some(waited.as_secs()).filter(|_| waited >= PATIENCE)?;
        let who = self.answered.as_ref().filter(|_| self.failed.is_none());
        let who = who.and_then(|who| who.split('/').next()).map(|who| format!("{who}, "));
        Some(format!("thinking… ({}{seconds} s)", who.unwrap_or_default()))
    }
}

impl<W: Write> Progress<W> {
    /// Whether a model is being asked.
    pub(crate) fn thinks(&self) -> bool {
        self.asked.since.is_some()
    }

    /// Forgets that a model is being asked: nobody knows any more.
    pub(crate) fn lost(&mut self) {
        self.asked.ends();
    }

    /// Says that a model is being waited for, on a line that goes away again; for terminals.
    pub(crate) fn tick(&mut self) -> io::Result<()> {
        let passing = matches!(self.open, Open::Nothing | Open::Passing(_));
        let Some(text) = self.asked.waits(Instant::now()).filter(|_| passing) else {
            return Ok(());
        };
        self.close_line()?;
        write!(self.out, "{DIM}{text}{DIM:#}")?;
        self.open = Open::Passing(text.chars().count());
        self.out.flush()
    }

    pub(super) fn model_call(&mut self, call: &ModelCall) -> io::Result<()> {
        self.asked.add(&call.usage, call.cost_usd);
        match &call.error {
            Some(error) => self.call_failed(&text::one_line(&call.provider), error),
            None => self.answered(text::one_line(&format!("{}/{}", call.provider, call.model))),
        }
    }

    /// The same failure is told once in a row.
    fn call_failed(&mut self, provider: &str, error: &str) -> io::Result<()> {
        let failed = Some((provider.into(), text::short(error, ERROR_CHARS)));
        if self.asked.failed == failed {
            return Ok(());
        }
        self.asked.failed = failed;
        let error = text::short(error, ERROR_CHARS);
        self.line(format_args!("{ODD}model:{ODD:#} {provider}: {error}"))
    }

    /// Who answers is told once, and when it is somebody else.
    fn answered(&mut self, who: String) -> io::Result<()> {
        let failed = self.asked.failed.take().is_some();
        let same = self.asked.answered.as_ref() == Some(&who);
        let goes_on = if failed || self.asked.answered.is_some() { " goes on" } else { "" };
        if !same {
            self.line(format_args!("{DIM}model:{DIM:#} {who}{goes_on}"))?;
            self.asked.answered = Some(who);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use types::{EventKind, JobId};

    use super::super::tests::shown;
    use super::*;

    fn call(provider: &str, error: Option<&str>) -> EventKind {
        let (model, error) = ("m".into(), error.map(Into::into));
        let (usage, cost_usd) = (TokenUsage::default(), None);
        let provider = provider.into();
        EventKind::ModelCall {
            call: ModelCall { provider, model, usage, cost_usd, millis: 1, error },
        }
    }

    #[test]
    fn who_answers_is_told_when_it_changes() {
        let text = shown(vec![
            call("a", None),
            call("a", None),
            call("a", Some("busy")),
            call("a", Some("busy")),
            call("b", None),
            call("b", Some("busy")),
            call("b", None),
        ]);
        let expected = "model: a/m\nmodel: a: busy\nmodel: b/m goes on\nmodel: b: busy\n";
        assert_eq!(text, expected);
        assert_eq!(
            shown(vec![call("a", Some("x")), call("b", None)]).matches("goes on").count(),
            1
        );
    }

    #[test]
    fn what_models_took_is_summed_up() {
        let mut asked = Asked::default();
        assert_eq!(asked.spent(), "");
        let usage = TokenUsage { input_tokens: 1000, output_tokens: 234, ..TokenUsage::default() };
        asked.add(&usage, None);
        asked.add(&usage, Some(Usd { micros: 12_300 }));
        assert_eq!(asked.spent(), ", 2468 tokens, $0.0123");
    }

    #[test]
    fn waiting_for_a_model_is_told_after_a_while() {
        let mut asked = Asked::default();
        let now = Instant::now();
        asked.begins("act");
        assert_eq!(asked.waits(now), None);
        asked.begins("think");
        assert_eq!(asked.waits(now), None);
        let later = now + Duration::from_secs(13);
        asked.since = Some(now);
        assert_eq!(asked.waits(later).unwrap(), "thinking… (13 s)");
        asked.answered = Some("gemini/x".into());
        assert_eq!(asked.waits(later).unwrap(), "thinking… (gemini, 13 s)");
        asked.ends();
        assert_eq!(asked.waits(later), None);
    }

    #[test]
    fn a_passing_line_goes_away() {
        let mut out = Vec::new();
        let mut progress = Progress::begin(&mut out, JobId::generate()).unwrap();
        progress.asked.since = Instant::now().checked_sub(Duration::from_secs(3));
        progress.tick().unwrap();
        progress.tick().unwrap();
        progress.decided(1, true, None).unwrap();
        let text = anstream::adapter::strip_bytes(&out).into_vec();
        let text = String::from_utf8(text).unwrap();
        let gone = format!("\r{:15}\r", "");
        let expected = format!("\nthinking… (3 s){gone}thinking… (3 s){gone}[1] approved\n");
        assert!(text.ends_with(&expected), "{text:?}");
    }
}
