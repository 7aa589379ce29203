//! Tools for models that have none: described in words, called by one block of text per answer.
//!
//! ````text
//! I look around first.
//! ```bash
//! ls -la
//! ```
//! ````
//!
//! or, for every tool, ` ```json ` with `{"tool": "NAME", "arguments": {…}}`. Reading is lenient
//! ([`read`] says in which ways); writing has one form, which is also how past calls are shown.
//!
//! Which call counts: the first one that can be read. What follows it is ignored, since it was
//! written without knowing the call's result, and the turn's text says so. Blocks that are no calls
//! are prose.
//!
//! Not here: what a tool does with its arguments, and whether it exists (agentd answers that).

mod blocks;
mod describe;
mod read;
mod shape;
mod thoughts;
mod write;

use types::{ModelRequest, ToolSpec};

use crate::ToolMode;
use crate::dialect::Reply;

pub(crate) use write::worded;

/// Tools that take nothing but code, and the names of their code's language; the first is ours.
const LANGUAGES: [(&str, &[&str]); 3] = [
    ("shell", &["bash", "sh", "shell", "zsh"]),
    ("python", &["python", "py", "python3"]),
    ("typescript", &["typescript", "ts", "javascript", "js"]),
];

/// A longer text is not searched for a call, in bytes: the most talkative models can say 128k tokens
/// at once.
const MOST_READ: usize = 512 * 1024;

/// The answer with its calls: from text where that is how they are made, else from text that is
/// nothing but a call, which weak servers leave in it. Thoughts at its beginning are left out.
pub(crate) fn understood(mode: ToolMode, request: &ModelRequest, mut reply: Reply) -> Reply {
    let turn = &mut reply.turn;
    if let Some(said) = thoughts::without(&turn.text) {
        turn.text = said.to_owned();
    }
    match mode {
        _ if turn.text.len() > MOST_READ => {}
        ToolMode::Text => read::calls(request, &reply.stop, turn),
        ToolMode::Native if turn.calls.is_empty() => read::call_alone(request, turn),
        ToolMode::Native => {}
    }
    reply
}

/// The argument that a block's code becomes: the only one that the tool needs, if it is a text.
fn code_argument(tool: &ToolSpec) -> Option<&str> {
    let required = tool.parameters["required"].as_array()?;
    let [only] = required.as_slice() else { return None };
    let name = only.as_str()?;
    (tool.parameters["properties"][name]["type"] == "string").then_some(name)
}

#[cfg(test)]
mod tests;
