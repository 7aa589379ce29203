//! How much fits: bytes for tokens, learned from what providers report.
//!
//! All sizes are bytes of the JSON that is sent. A picture counts as the bytes of text that would
//! take as many tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::{ModelAnswer, ModelFacts, ModelRequest, Part, TokenUsage, Turn};

use super::cut::json_size;

/// Thousandths of a byte per token: until a provider reports, and what is believed at all.
const UNTIL_KNOWN: u64 = 4000;
const BELIEVED: (u64, u64) = (2000, 6000);
/// A smaller change is none: it would move the view's bounds with every answer.
const NEWS_PER_MILLE: u64 = 20;
/// Below this, what providers add to every request says more than our text.
const LEAST_SAMPLE: usize = 2000;
/// A model that says "too long" to what should fit is shown four fifths of it; not less than this
/// part of what should fit.
const LEAST_PART: usize = 5;
/// A window that nobody offers is a mistake of who told us.
const WINDOWS: (u64, u64) = (1024, 100_000_000);

/// Pixels per token, by Anthropic's documentation of vision (`width * height / 750`).
const PIXELS_PER_TOKEN: u64 = 750;
/// The least, by OpenAI's documentation (a picture of low detail), and the most: what is larger is
/// made smaller by Anthropic before it is counted, and Gemini's tiles of a full HD screen come to
/// about as much.
const PICTURE_TOKENS: (u64, u64) = (85, 1600);

/// What is known of who answers, and of the frame around views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(super) facts: ModelFacts,
    /// Thousandths of a byte per token, by `provider/model`.
    pub(super) millibytes: BTreeMap<String, u64>,
    /// The most bytes for this model, which said "too long" although its window is as we thought.
    refused: Option<usize>,
    /// Bytes of the largest frame so far.
    frame: usize,
    /// The longest answer that was asked for so far.
    max_output_tokens: u32,
}

/// What a view may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Bytes of the whole request.
    pub(super) request: usize,
    /// Bytes of its turns.
    pub(super) turns: usize,
    /// The model's window in tokens.
    pub(super) window: u64,
    millibytes: u64,
    images: bool,
}

impl Known {
    pub(super) fn new(facts: ModelFacts) -> Self {
        Self { facts, millibytes: BTreeMap::new(), refused: None, frame: 0, max_output_tokens: 0 }
    }

    /// Takes note of a frame: the bytes around the turns, and the answer it wants.
    pub(super) fn framed(&mut self, frame: usize, max_output_tokens: u32) {
        self.frame = self.frame.max(frame);
        self.max_output_tokens = self.max_output_tokens.max(max_output_tokens);
    }

    /// Tokens an answer may have: what is asked for, and not more than a quarter of the window.
    pub(super) fn output(&self, wanted: u32) -> u32 {
        wanted.min(u32::try_from(self.window() / 4).unwrap_or(u32::MAX))
    }

    /// The longest answer that was asked for so far.
    pub(super) fn longest_output(&self) -> u32 {
        self.output(self.max_output_tokens)
    }

    /// Who answers, as `provider/model`.
    pub(super) fn model(&self) -> String {
        format!("{}/{}", self.facts.provider, self.facts.model)
    }

    /// The window minus the longest answer minus a reserve of a twentieth, for what the guess is
    /// wrong by.
    pub(super) fn room(&self) -> Room {
        let window = self.window();
        let output = u64::from(self.output(self.max_output_tokens));
        let tokens = window - output - window / 20;
        let millibytes = self.millibytes();
        let request = usize::try_from(tokens * millibytes / 1000).unwrap_or(usize::MAX);
        let refused = self.refused.map(|most| most.max(request / LEAST_PART));
        let request = refused.map_or(request, |most| most.min(request));
        let turns = request.saturating_sub(self.frame).max(request / 4);
        Room { request, turns, window, millibytes, images: self.facts.images }
    }

    /// Learns from an answer.
    pub(super) fn learn(&mut self, question: &ModelRequest, answer: &ModelAnswer) {
        match answer {
            ModelAnswer::Turn { usage, facts, .. } => {
                self.meet(facts);
                self.calibrate(question, usage);
            }
            ModelAnswer::TooLong { facts } => {
                let news = *facts != self.facts;
                self.meet(facts);
                if !news {
                    self.refused = Some(text_bytes(question) / 5 * 4);
                }
            }
            ModelAnswer::Failed { .. } => {}
        }
    }

    fn meet(&mut self, facts: &ModelFacts) {
        if (&facts.provider, &facts.model) != (&self.facts.provider, &self.facts.model) {
            self.refused = None;
        }
        self.facts = facts.clone();
    }

    fn calibrate(&mut self, question: &ModelRequest, usage: &TokenUsage) {
        let (bytes, pictures) = (text_bytes(question), pictures(&question.turns));
        let tokens = usage.input_tokens.saturating_sub(pictures);
        if usage.estimated || tokens == 0 || bytes < LEAST_SAMPLE {
            return;
        }
        let sample = (bytes as u64 * 1000 / tokens).clamp(BELIEVED.0, BELIEVED.1);
        let old = self.millibytes();
        let new = u64::midpoint(old, sample);
        if new.abs_diff(old) * 1000 >= old * NEWS_PER_MILLE {
            self.millibytes.insert(self.model(), new);
        }
    }

    fn millibytes(&self) -> u64 {
        let known = self.millibytes.get(&self.model()).copied();
        known.unwrap_or(UNTIL_KNOWN).clamp(BELIEVED.0, BELIEVED.1)
    }

    fn window(&self) -> u64 {
        self.facts.window_tokens.clamp(WINDOWS.0, WINDOWS.1)
    }
}

impl Room {
    /// What a picture counts for, in bytes; nothing for a model that takes none.
    pub(super) fn picture(&self, tokens: u64) -> usize {
        if self.images { self.bytes(tokens) } else { 0 }
    }

    /// What these turns count for.
    pub(super) fn weigh(&self, turns: &[Turn]) -> usize {
        json_size(&turns) - base64_bytes(turns) + self.bytes(pictures(turns))
    }

    /// Tokens, as far as they can be guessed.
    pub(super) fn tokens(&self, bytes: usize) -> u64 {
        bytes as u64 * 1000 / self.millibytes
    }

    fn bytes(&self, tokens: u64) -> usize {
        usize::try_from((tokens * self.millibytes).div_ceil(1000)).unwrap_or(usize::MAX)
    }
}

/// Tokens of a picture.
pub(super) fn picture_tokens(width: u32, height: u32) -> u64 {
    match (u64::from(width) * u64::from(height)).div_ceil(PIXELS_PER_TOKEN) {
        // Nobody knows its size.
        0 => PICTURE_TOKENS.1,
        tokens => tokens.clamp(PICTURE_TOKENS.0, PICTURE_TOKENS.1),
    }
}

fn text_bytes(question: &ModelRequest) -> usize {
    json_size(question) - base64_bytes(&question.turns)
}

fn pictures(turns: &[Turn]) -> u64 {
    parts(turns).filter_map(picture).map(|(w, h, _)| picture_tokens(w, h)).sum()
}

fn base64_bytes(turns: &[Turn]) -> usize {
    parts(turns).filter_map(picture).map(|(.., bytes)| bytes).sum()
}

fn picture(part: &Part) -> Option<(u32, u32, usize)> {
    match part {
        Part::Image { width, height, base64, .. } => Some((*width, *height, base64.len())),
        Part::Text { .. } => None,
    }
}

fn parts(turns: &[Turn]) -> impl Iterator<Item = &Part> {
    turns.iter().flat_map(|turn| match turn {
        Turn::User { parts } => parts.iter().collect::<Vec<_>>(),
        Turn::Results { results } => results.iter().flat_map(|r| &r.parts).collect(),
        Turn::Model(_) => vec![],
    })
}
