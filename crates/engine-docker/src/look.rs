//! What a volume holds while its job runs, for people who look: one copy for all who come while it
//! is made and for a moment after. Whoever leaves, it is made to its end, so no sandbox has two.
//!
//! Invariant: a look is short, whatever a job has put there, and over when the sandbox is to end. The
//! daemon neither kills a container nor says anything of it while it sends files of it.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use engine::{EngineError, Workspace};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::watch::{Receiver, channel};
use tokio::time::sleep;

use crate::daemon::unavailable;
use crate::fetch;
use crate::folder::io_error;
use crate::sandbox::Sandbox;

/// How long a daemon may send nothing: somebody waits for this.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long all of it may take.
const WHOLE: Duration = Duration::from_secs(15);

/// How long a copy is good for others: for those who list a directory and then read what is in it.
const YOUNG: Duration = Duration::from_secs(2);

/// A copy, or why there is none.
type Found = Result<Arc<Copy>, String>;

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
    sandbox: &Arc<Sandbox>,
) -> Result<Workspace, EngineError> {
    let begin = || begin(docker.clone(), sandbox.clone());
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

fn begin(docker: Docker, sandbox: Arc<Sandbox>) -> Receiver<Option<Found>> {
    let (told, looking) = channel(None);
    let slot = Slot(sandbox.clone());
    tokio::spawn(async move {
        let _slot = slot;
        let found = copy(&docker, &sandbox).await;
        if let Err(why) = &found {
            tracing::warn!(job = %sandbox.job, "could not look into a running workspace: {why}");
        }
        told.send_replace(Some(found));
        sleep(YOUNG).await;
    });
    looking
}

async fn copy(docker: &Docker, sandbox: &Sandbox) -> Found {
    let aside = sandbox.folder.aside().map_err(|e| e.to_string())?;
    let copy = Arc::new(Copy(Some(aside)));
    let ending = sandbox.ending();
    let against = async {
        tokio::select! {
            () = ending => "it ends".into(),
            () = sleep(WHOLE) => format!("it takes longer than {}s", WHOLE.as_secs()),
        }
    };
    let (name, most) = (&sandbox.name, sandbox.disk_bytes);
    match fetch::fetch(docker, name, copy.path(), most, PATIENCE, against).await {
        Ok(fetched) if fetched.full => Err("it is more than limits.disk_bytes".into()),
        Ok(_) => Ok(copy),
        Err(e) => Err(e.to_string()),
    }
}

/// Makes place for the next copy, however the task ends that made this one.
struct Slot(Arc<Sandbox>);

impl Drop for Slot {
    fn drop(&mut self) {
        // Its own statement, so that the lock is not held when a copy goes.
        let last = self.0.look.slot().take();
        drop(last);
    }
}

/// A directory that goes with whoever has it last: on a thread of its own, a large one takes a while.
#[derive(Debug)]
struct Copy(Option<TempDir>);

impl Copy {
    fn path(&self) -> &Path {
        self.0.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let dir = self.0.take();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(dir));
        }
    }
}
