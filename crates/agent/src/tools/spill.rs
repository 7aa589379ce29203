//! Where the whole of an output is that is too long to show: a file beneath `.cagent/output`, made
//! when it is needed. It never gets into the ZIP, as nothing of `.cagent` does.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::step::{Open, Runner};

#[derive(Debug)]
pub(super) struct Spill {
    /// Beneath the workspace.
    path: PathBuf,
    file: Option<io::Result<File>>,
}

impl Spill {
    /// For a step's output.
    pub(super) fn new(step: u32) -> Self {
        Self { path: format!(".cagent/output/{step}.txt").into(), file: None }
    }

    /// Adds to it. What cannot be kept is no reason to stop: the model is told.
    pub(super) async fn keep(&mut self, runner: &Runner, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.file.is_none() {
            self.file = Some(runner.open(Open::Append, &self.path).await);
        }
        if let Some(Ok(file)) = &mut self.file
            && let Err(error) = file.write_all(text.as_bytes())
        {
            self.file = Some(Err(error));
        }
    }

    /// Where it is, for the model.
    pub(super) fn whole(&self, runner: &Runner) -> String {
        match &self.file {
            Some(Err(error)) => format!("they could not be kept: {error}"),
            _ => {
                let path = runner.config.workspace.join(&self.path);
                format!("all of it is in {}", path.display())
            }
        }
    }
}
