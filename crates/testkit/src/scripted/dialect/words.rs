//! Tools in words: what a request offers and calls that has none natively, whoever is asked.

use serde_json::json;

use crate::scripted::seen::{Asked, Role};
use crate::scripted::{Call, Seen};

/// Reads them, if there are any.
pub(in crate::scripted) fn read(seen: &mut Seen) {
    let tools = told(&seen.system);
    if seen.native_tools || tools.is_empty() {
        return;
    }
    for message in seen.messages.iter_mut().filter(|m| m.role == Role::Model) {
        let call = worded(&message.text).map(|call| Asked { id: None, call });
        message.calls = call.into_iter().collect();
    }
    (seen.tools, seen.must_call) = (tools, forced(seen));
}

/// The tools that the instructions list, as `- shell(command: string): …`.
fn told(system: &str) -> Vec<String> {
    let lines = system.lines().skip_while(|line| *line != "Tools:").skip(1);
    let names = lines.filter_map(|line| line.strip_prefix("- ")?.split_once('('));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// The tool that the last message insists on.
fn forced(seen: &Seen) -> Option<String> {
    let last = seen.last();
    let (_, name) = last.rsplit_once("must be a call of `")?;
    Some(name.split_once('`')?.0.to_owned())
}

/// The call that the model made in words: a block that names it, or code alone.
fn worded(text: &str) -> Option<Call> {
    let (_, block) = text.split_once("```")?;
    let (language, content) = block.split_once('\n')?;
    let content = content.rsplit_once("\n```").map_or(content, |(content, _)| content);
    let (tool, argument) = match language {
        "json" => return serde_json::from_str(content).ok(),
        "bash" => ("shell", "command"),
        "python" | "typescript" => (language, "code"),
        _ => return None,
    };
    Some(Call { tool: tool.into(), arguments: json!({ argument: content }) })
}
