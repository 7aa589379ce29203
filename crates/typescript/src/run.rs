//! Running a file: find Node, transpile the entry, become Node.
//!
//! The entry goes to the loader in a memory file, which saves Node one process; every other file is
//! transpiled when Node asks for it (`ts transpile`).

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::MemfdFlags;

use crate::{NodeError, TranspileError, Transpiled, node, transpile_file};

/// What the loader knows the entry's memory file by.
const ENTRY_NAME: &str = "ts-entry";

/// What to run.
#[derive(Clone, Debug)]
pub struct Script {
    /// The file to read.
    pub file: PathBuf,
    /// Where it is to believe it lies: what its relative imports, `import.meta.url` and stack
    /// traces go by.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Why a script was not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No usable Node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The script is not valid.
    #[error(transparent)]
    Transpile(#[from] TranspileError),
    /// The system refused something that running takes.
    #[error("cannot prepare {} for node: {source}", path.display())]
    Prepare {
        /// The script.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Replaces this process by a Node that runs the script; its exit code is Node's.
///
/// # Errors
/// If there is no usable Node, or the script does not transpile.
pub fn run(script: &Script) -> Result<Infallible, RunError> {
    let asked = node::ask()?;
    let prepare = |source| RunError::Prepare { path: script.path.clone(), source };
    let given = std::path::absolute(&script.path).map_err(prepare)?;
    // Node calls its main module by the name without links, but in `process.argv`.
    let path = given.canonicalize().unwrap_or_else(|_absent| given.clone());
    let file = std::path::absolute(&script.file).map_err(prepare)?;
    let entry = memory_file(&transpile_file(&file, &path)?).map_err(prepare)?;
    let config = config(&path, &file, &entry).map_err(prepare)?;
    let arguments = asked.access()?.arguments(&config);
    let error = Command::new("node")
        .arg("--enable-source-maps")
        .args(arguments)
        .arg(&given)
        .args(&script.args)
        .exec();
    Err(NodeError::Missing(error).into())
}

/// Not closed on exec: Node inherits it, and closes it for its own children.
fn memory_file(entry: &Transpiled) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create(ENTRY_NAME, MemfdFlags::empty())?);
    write!(file, "{}\n{}", entry.format.as_str(), entry.code)?;
    Ok(file.into())
}

/// Tells the loader where everything is.
fn config(path: &Path, file: &Path, entry: &OwnedFd) -> io::Result<String> {
    let config = serde_json::json!({
        "ts": utf8(&std::env::current_exe()?)?,
        "entry": { "path": utf8(path)?, "file": utf8(file)?, "fd": entry.as_raw_fd() },
    });
    Ok(config.to_string())
}

fn utf8(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::Error::other("its path is not UTF-8"))
}
