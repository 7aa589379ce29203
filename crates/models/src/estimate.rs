//! How many tokens something has, as long as nobody has counted them: 4 bytes a token.

use types::{ModelRequest, ModelTurn, Part, TokenUsage, ToolSpec, Turn};

const BYTES_A_TOKEN: u64 = 4;

/// No text of a job was seen to have more; agentd's own measure stays below it too.
const MOST_BYTES_A_TOKEN: u64 = 6;

/// Nor, but for columns of digits, less.
const LEAST_BYTES_A_TOKEN: u64 = 2;

/// A picture. Anthropic's documentation counts width × height / 750 and scales pictures down until
/// that is about 1600; a screenshot is of that order at every provider.
const TOKENS_A_PICTURE: u64 = 1600;

/// A question's tokens.
pub(crate) fn question(question: &ModelRequest) -> u64 {
    let (bytes, pictures) = size(question);
    bytes.div_ceil(BYTES_A_TOKEN) + pictures * TOKENS_A_PICTURE
}

/// A question's tokens if they are as long as tokens get: below this it is not.
pub(crate) fn at_least(question: &ModelRequest) -> u64 {
    size(question).0 / MOST_BYTES_A_TOKEN
}

/// What turns can have in tokens: at least and at most, whatever frames them included.
pub(crate) fn bounds(turns: &[Turn]) -> (u64, u64) {
    const FRAME: u64 = 64;
    let (bytes, pictures) = turns.iter().fold((0, 0), add_turn);
    let frames = FRAME * (turns.len() as u64 + 1);
    let most = bytes.div_ceil(LEAST_BYTES_A_TOKEN) + pictures * TOKENS_A_PICTURE + frames;
    (bytes / MOST_BYTES_A_TOKEN, most)
}

/// What a call took whose provider did not say: this question, and so many bytes of answer.
pub(crate) fn usage(input_tokens: u64, answer_bytes: u64) -> TokenUsage {
    let output_tokens = answer_bytes.div_ceil(BYTES_A_TOKEN);
    TokenUsage { input_tokens, output_tokens, estimated: true, ..TokenUsage::default() }
}

/// What a model wrote, in bytes.
pub(crate) fn turn_bytes(turn: &ModelTurn) -> u64 {
    let calls = turn.calls.iter().map(|call| len(&call.name) + len(&call.arguments.to_string()));
    let replay = turn.replay.iter().map(|replay| len(&replay.data.to_string()));
    len(&turn.text) + calls.chain(replay).sum::<u64>()
}

/// Bytes of text, and pictures.
fn size(question: &ModelRequest) -> (u64, u64) {
    let tools: u64 = question.tools.iter().map(tool_bytes).sum();
    let around = len(&question.system) + tools;
    question.turns.iter().fold((around, 0), add_turn)
}

fn add_turn((bytes, pictures): (u64, u64), turn: &Turn) -> (u64, u64) {
    match turn {
        Turn::Model(turn) => (bytes + turn_bytes(turn), pictures),
        Turn::User { parts } => add((bytes, pictures), parts),
        Turn::Results { results } => {
            results.iter().fold((bytes, pictures), |sum, result| add(sum, &result.parts))
        }
    }
}

fn add(sum: (u64, u64), parts: &[Part]) -> (u64, u64) {
    parts.iter().fold(sum, |(bytes, pictures), part| match part {
        Part::Text { text } => (bytes + len(text), pictures),
        Part::Image { .. } => (bytes, pictures + 1),
    })
}

fn tool_bytes(tool: &ToolSpec) -> u64 {
    len(&tool.name) + len(&tool.description) + len(&tool.parameters.to_string())
}

fn len(text: &str) -> u64 {
    text.len() as u64
}
