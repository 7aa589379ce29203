//! Whether what a model claims is so.

use std::path::Path;

use runbook::Program;
use tokio_util::sync::CancellationToken;
use types::{Check, CheckResult, StepKind, StepOutcome};

use super::run::{Call, code_block, how};
use super::{CONTEXT_FILE, Toolbox, path};
use crate::step::{Heading, Place, StepError};

/// How long a check may run, in seconds.
const TIMEOUT: u32 = 300;

/// How much of its output is found worth telling, in lines and characters.
const LINES: usize = 10;
const CHARS: usize = 1000;

impl Toolbox {
    /// Runs a check's command as a step; whether it passed, and what was found, in short.
    ///
    /// # Errors
    /// When the agent itself fails, not the check.
    pub(crate) async fn check(
        &self,
        step: u32,
        check: &Check,
        place: &Place,
        cancel: &CancellationToken,
    ) -> Result<CheckResult, StepError> {
        let Check { what, command } = check.clone();
        let code = by_itself(&self.runner.config.workspace, &command);
        let block = code_block(Program::Bash, format!("check: {what}"), &code, TIMEOUT);
        let heading = Heading::new(StepKind::Bash, &block.title, Some(&code));
        let (ran, output) = self.run_block(Call { step, place, cancel }, &block, heading).await?;
        let found = format!("{}\n{}", how(&ran, TIMEOUT), end(&output)).trim_end().to_owned();
        let passed = ran.outcome == StepOutcome::Ok;
        Ok(CheckResult { what, command: Some(command), passed, found })
    }

    /// Whether a file that was claimed will be delivered: a path relative to the workspace, or an
    /// absolute one beneath it.
    ///
    /// # Errors
    /// When the agent itself fails.
    pub(crate) async fn exists(&self, path: &str) -> Result<CheckResult, StepError> {
        let workspace = &self.runner.config.workspace;
        let absolute = path::absolute(&workspace.to_string_lossy(), path);
        let delivered = match path::writable(workspace, &absolute) {
            Ok(own) if own == CONTEXT_FILE => {
                Err("this file is the agent's own; name what was made".into())
            }
            Ok(relative) => {
                let judged = self.runner.delivered(Path::new(&relative)).await;
                judged.unwrap_or_else(|error| Err(error.to_string()))
            }
            Err(why) => Err(why),
        };
        let passed = delivered.is_ok();
        let (Ok(found) | Err(found)) = delivered;
        Ok(CheckResult { what: format!("{path} is there"), command: None, passed, found })
    }
}

/// A check begins in the workspace, wherever the steps before it went, and leaves nothing behind: so it
/// says the same whenever it is run.
fn by_itself(workspace: &Path, command: &str) -> String {
    format!("(\ncd {}\n{command}\n)", workspace.display())
}

/// The last lines.
fn end(output: &str) -> String {
    let output = output.trim_end();
    let lines: Vec<&str> = output.lines().collect();
    let text = lines[lines.len().saturating_sub(LINES)..].join("\n");
    let start = text.char_indices().rev().nth(CHARS).map_or(0, |(at, _)| at);
    text[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_say_enough() {
        assert_eq!(end("a\nb\n"), "a\nb");
        let many: String = (0..50).map(|n| format!("{n}\n")).collect();
        assert!(end(&many).starts_with("40\n") && end(&many).ends_with("\n49"));
        assert_eq!(end(&"€".repeat(5000)).chars().count(), CHARS + 1);
    }
}
