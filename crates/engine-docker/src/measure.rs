//! How much a volume holds while its job runs, measured in its container by our own program, which
//! no command of the job can end or trace. What lies behind directories that the job has closed is not
//! seen, as by the other engines that watch; the daemons' `--privileged` would see it, but needs every
//! capability there is, which not every daemon has.

use std::time::Duration;

use bollard::Docker;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use crate::daemon::status;
use crate::sandbox::Sandbox;

/// How often: each time costs a process.
const PAUSE: Duration = Duration::from_secs(10);

/// How long it may take: millions of files, in a container whose processors the job keeps busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many failures in a row are no accident: the job has no process or no memory left for it, or the
/// daemon does not allow it.
const MOST_FAILURES: u32 = 3;

/// The most bytes that it can say something with.
const SAID_BYTES: usize = 256;

/// Why the size of a workspace ends its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds more than it may.
    TooMuch,
    /// Nobody knows how much it holds.
    Unknown,
}

/// Looks at how much a running container's volume holds, until that is a reason to end it.
pub(crate) async fn watch(docker: &Docker, sandbox: &Sandbox) -> Verdict {
    let mut failures = 0;
    loop {
        sleep(PAUSE).await;
        match once(docker, &sandbox.name, sandbox.disk_bytes).await {
            Ok(Some(bytes)) => {
                failures = 0;
                sandbox.note_disk(Some(bytes));
                if bytes > sandbox.disk_bytes {
                    return Verdict::TooMuch;
                }
            }
            // Whether the daemon is lost is not decided here.
            Ok(None) => {}
            Err(why) => {
                failures += 1;
                tracing::warn!(job = %sandbox.job, "could not measure a workspace: {why}");
                if failures == MOST_FAILURES {
                    return Verdict::Unknown;
                }
            }
        }
    }
}

/// How much there is; nothing if the daemon is away or the container does not run.
async fn once(docker: &Docker, name: &str, limit: u64) -> Result<Option<u64>, String> {
    let started = async {
        let exec = docker.create_exec(name, command(limit)).await?.id;
        docker.start_exec(&exec, None).await
    };
    let took_too_long = |_| format!("it took longer than {}s", PATIENCE.as_secs());
    let mut output = match timeout(PATIENCE, started).await.map_err(took_too_long)? {
        Ok(StartExecResults::Attached { output, .. }) => output,
        Err(e) if !matches!(status(&e), None | Some(404 | 409)) => return Err(e.to_string()),
        _ => return Ok(None),
    };
    let heard = async {
        let mut said = Vec::new();
        while let Some(Ok(piece)) = output.next().await {
            said.extend_from_slice(&piece.into_bytes());
            if said.len() > SAID_BYTES {
                break;
            }
        }
        said
    };
    let said = timeout(PATIENCE, heard).await.map_err(took_too_long)?;
    let said = String::from_utf8_lossy(&said);
    let bytes = said.trim().parse().map(Some);
    bytes.map_err(|_| format!("it said {:?}", said.trim()))
}

fn command(limit: u64) -> ExecConfig {
    let program = format!("{}/bin/agentd", protocol::TOOLS);
    ExecConfig {
        cmd: Some(vec![program, "measure".into(), protocol::WORKSPACE.into(), limit.to_string()]),
        user: Some("0:0".into()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ExecConfig::default()
    }
}
