//! A step's own files, outside the workspace: its script and what its shell hands on. They go away
//! with the step.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::StepError;
use super::plan::{Plan, Role};

/// The most that is read of what a shell hands on; more is no environment a kernel accepts.
const MAX_HANDED_ON: u64 = 4 * 1024 * 1024;

/// The files of one step; dropping removes them.
#[derive(Debug)]
pub(super) struct StepFiles {
    script: PathBuf,
    handed_on: Option<(PathBuf, File)>,
}

impl StepFiles {
    pub(super) fn create(plan: &Plan) -> Result<Self, StepError> {
        let mut files = Self { script: plan.path.clone(), handed_on: None };
        let mut script = fresh(&plan.path, 0o644)?;
        script.write_all(&plan.content).map_err(failed("write", &plan.path))?;
        if plan.role == Role::ShellScript {
            let mut path = plan.path.clone().into_os_string();
            path.push(".env");
            let path = PathBuf::from(path);
            // Made here, so that commands can fill it but not put something else in its place.
            files.handed_on = Some((path.clone(), fresh(&path, 0o666)?));
        }
        Ok(files)
    }

    /// What the shell wrote: hostile, bounded. `None` if this was no shell.
    pub(super) fn handed_on(mut self) -> Result<Option<Vec<u8>>, StepError> {
        let Some((path, file)) = &mut self.handed_on else { return Ok(None) };
        let mut bytes = Vec::new();
        file.rewind()
            .and_then(|()| file.take(MAX_HANDED_ON).read_to_end(&mut bytes))
            .map_err(failed("read", path))?;
        Ok(Some(bytes))
    }
}

impl Drop for StepFiles {
    fn drop(&mut self) {
        let handed_on = self.handed_on.as_ref().map(|(path, _)| path);
        for path in [Some(&self.script), handed_on].into_iter().flatten() {
            // A file that stays is replaced by the next step of that number.
            drop(fs::remove_file(path));
        }
    }
}

/// A new file of this mode, whatever stood there: with one user, a command may have put it there.
fn fresh(path: &Path, mode: u32) -> Result<File, StepError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("replace", path)(error));
        }
        _ => {}
    }
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed("create", path))?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed("open up", path))?;
    Ok(file)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StepError {
    move |source| StepError::File { what, path: path.into(), source }
}
