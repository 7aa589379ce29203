//! What a volume holds while its job runs, for people who look: one copy for all who come while it
//! is made and for a moment after. Whoever leaves, it is made to its end, so no sandbox has two.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use engine::{EngineError, Workspace};
use tempfile::TempDir;
use tokio::sync::watch::{Receiver, channel};
use tokio::time::sleep;

use crate::daemon::unavailable;
use crate::fetch;
use crate::folder::io_error;
use crate::sandbox::Sandbox;

/// How long a daemon may send nothing: somebody waits for this.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a copy is good for others: for those who list a directory and then read what is in it.
const YOUNG: Duration = Duration::from_secs(2);

/// A copy, or why there is none.
type Found = Result<Arc<TempDir>, String>;

/// The copy of one sandbox, while there is one.
#[derive(Debug, Default)]
pub(crate) struct Look(Mutex<Option<Receiver<Option<Found>>>>);

impl Look {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Receiver<Option<Found>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the volume of a running container holds; the copy is gone soon after the last one has
/// looked.
pub(crate) async fn look(
    docker: &Docker,
    name: String,
    sandbox: &Arc<Sandbox>,
) -> Result<Workspace, EngineError> {
    let begin = || begin(docker.clone(), name, sandbox.clone());
    let mut looking = sandbox.look.slot().get_or_insert_with(begin).clone();
    let found = looking.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
    let copy = found.unwrap_or_else(|| Err("cagent is stopping".into())).map_err(|why| {
        unavailable(
            format!("what the workspace of a running job holds could not be fetched: {why}"),
            "try again; if it stays so, see that the daemon answers: docker version",
        )
    })?;
    let opened = File::open(copy.path()).map_err(|e| io_error("open", copy.path(), e))?;
    Ok(Workspace::copy(opened.into(), copy))
}

fn begin(docker: Docker, name: String, sandbox: Arc<Sandbox>) -> Receiver<Option<Found>> {
    let (told, looking) = channel(None);
    tokio::spawn(async move {
        let found = copy(&docker, &name, &sandbox).await;
        if let Err(why) = &found {
            tracing::warn!(job = %sandbox.job, "could not look into a running workspace: {why}");
        }
        told.send_replace(Some(found));
        sleep(YOUNG).await;
        let last = sandbox.look.slot().take();
        // To remove a large one takes a while.
        tokio::task::spawn_blocking(move || drop((told, last)));
    });
    looking
}

async fn copy(docker: &Docker, name: &str, sandbox: &Sandbox) -> Found {
    let aside = sandbox.folder.aside().map_err(|e| e.to_string())?;
    let fetched = fetch::fetch(docker, name, aside.path(), sandbox.disk_bytes, PATIENCE).await;
    match fetched {
        Ok(fetched) if fetched.full => Err("it is more than limits.disk_bytes".into()),
        Ok(_) => Ok(Arc::new(aside)),
        Err(e) => Err(e.to_string()),
    }
}
