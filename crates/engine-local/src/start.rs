//! Starts a helper and hears whether its sandbox runs.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use engine::EngineError;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use types::JobId;

use crate::client::io_error;
use crate::control::Started;
use crate::folder;

/// Far above the few milliseconds it takes, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the sandbox in this folder, with this mount as its workspace if that is an image.
pub(crate) async fn start(
    helper: &Path,
    folder: &Path,
    workspace: Option<OwnedFd>,
    job: JobId,
) -> Result<(), EngineError> {
    let mut child = spawn(helper, folder, workspace, job)?;
    let heard = tokio::time::timeout(PATIENCE, hear(&mut child)).await;
    let Ok(heard) = heard else {
        // Its death is that of anything inside.
        let _ = child.kill().await;
        return Err(EngineError::TimedOut { job, what: "the start", limit: PATIENCE });
    };
    // Reaps it, whenever that is.
    tokio::spawn(async move { child.wait().await });
    match serde_json::from_str(&heard) {
        Ok(Started::Running) => Ok(()),
        Ok(Started::Failed { message }) => Err(EngineError::Setup { job, message }),
        Err(_) => Err(EngineError::Setup { job, message: last_words(folder) }),
    }
}

fn spawn(
    helper: &Path,
    folder: &Path,
    workspace: Option<OwnedFd>,
    job: JobId,
) -> Result<Child, EngineError> {
    let log = folder.join(folder::HELPER_LOG);
    let stderr = File::create(&log).map_err(|e| io_error("create", &log, e))?;
    Command::new(helper)
        // The helper does not look at it; whoever reads `ps` does.
        .arg(job.to_string())
        .current_dir(folder)
        .env_clear()
        .stdin(workspace.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|e| io_error("start", helper, e))
}

/// All that the helper says; it closes its stdout after that.
async fn hear(child: &mut Child) -> String {
    let mut text = String::new();
    if let Some(stdout) = &mut child.stdout {
        // What cannot be read is as good as not said.
        let _ = stdout.read_to_string(&mut text).await;
    }
    text
}

fn last_words(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join(folder::HELPER_LOG)).unwrap_or_default();
    format!("the helper ended without a word; its log: {:?}", log.trim())
}
