//! What lies in a sandbox's folder, `<home>/<job>/`, and the only writer of each.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

use engine::EngineError;

use crate::client::io_error;
use crate::sweep;

/// The job's files, seen inside as `/workspace`, where they have no image of their own.
pub(crate) const WORKSPACE: &str = "workspace";

/// The file system with the job's files, where these have one of their own.
pub(crate) const IMAGE: &str = "workspace.img";

/// The gateway's socket goes here; seen inside as `/run/cagent`.
pub(crate) const GATEWAY: &str = "gateway";

/// [`crate::plan::Plan`]; written by `create`.
pub(crate) const PLAN: &str = "plan.json";

/// The same while it is written.
pub(crate) const NEW_PLAN: &str = "plan.json.new";

/// The helper's socket. It answers as long as the helper lives; the file stays after that.
pub(crate) const SOCKET: &str = "helper.sock";

/// [`engine::Ended`]; written by the helper, last, or by whoever had to kill the helper.
pub(crate) const ENDED: &str = "ended.json";

/// The last words of agentd on stdout and stderr; written by the helper.
pub(crate) const AGENT_LOG: &str = "agentd.log";

/// What the helper had to complain of.
pub(crate) const HELPER_LOG: &str = "helper.log";

/// Removes all that says that a sandbox of this folder ever ran.
pub(crate) fn forget_run(folder: &Path) -> Result<(), EngineError> {
    for name in [SOCKET, ENDED, AGENT_LOG, HELPER_LOG] {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(io_error("remove", &path, e)),
            _ => {}
        }
    }
    let removed = sweep::remove(folder, GATEWAY);
    removed.map_err(|e| io_error("remove", &folder.join(GATEWAY), e))
}

/// Makes a directory for us alone.
pub(crate) fn make_dir(path: &Path) -> Result<(), EngineError> {
    DirBuilder::new().mode(0o700).create(path).map_err(|e| io_error("create", path, e))
}

/// A directory for its owner alone: this uid and the gid of the same number, or the caller.
pub(crate) fn make_dir_of(path: &Path, owner: Option<u32>) -> Result<(), EngineError> {
    make_dir(path)?;
    let Some(id) = owner else { return Ok(()) };
    chown(path, Some(id), Some(id)).map_err(|e| io_error("give away", path, e))
}
