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

use crate::{TranspileError, Transpiled, transpile_file};

const LOADER: &str = include_str!("loader.mjs");
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

/// Why the Node in PATH will not do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// There is none that starts.
    #[error("cannot start `node` ({0}); install Node 18.19 or newer and put it in PATH")]
    Missing(io::Error),
    /// It has no module hooks.
    #[error(
        "the `node` in PATH is {0:?}, too old to run TypeScript; it takes 18.19 or newer of 18, \
         20.6 or newer"
    )]
    TooOld(String),
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
    check_version(&version()?)?;
    let prepare = |source| RunError::Prepare { path: script.path.clone(), source };
    let path = std::path::absolute(&script.path).map_err(prepare)?;
    let file = std::path::absolute(&script.file).map_err(prepare)?;
    let entry = memory_file(&transpile_file(&file, &path)?).map_err(prepare)?;
    let loader = loader(&path, &file, &entry).map_err(prepare)?;
    let error = Command::new("node")
        .args(["--enable-source-maps", "--import", &loader])
        .arg(&path)
        .args(&script.args)
        .exec();
    Err(NodeError::Missing(error).into())
}

fn version() -> Result<String, NodeError> {
    let output = Command::new("node").arg("--version").output().map_err(NodeError::Missing)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `module.register` came with 18.19 and 20.6.
fn check_version(version: &str) -> Result<(), NodeError> {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|n| n.parse().ok());
    let parts: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let good = matches!(parts, (18, 19..) | (20, 6..) | (21.., _));
    good.then_some(()).ok_or_else(|| NodeError::TooOld(version.to_owned()))
}

/// Not closed on exec: Node inherits it, and closes it for its own children.
fn memory_file(entry: &Transpiled) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create(ENTRY_NAME, MemfdFlags::empty())?);
    write!(file, "{}\n{}", entry.format.as_str(), entry.code)?;
    Ok(file.into())
}

/// The loader as a data: URL, told where everything is.
fn loader(path: &Path, file: &Path, entry: &OwnedFd) -> io::Result<String> {
    let config = serde_json::json!({
        "ts": utf8(&std::env::current_exe()?)?,
        "entry": { "path": utf8(path)?, "file": utf8(file)?, "fd": entry.as_raw_fd() },
    });
    // The name keeps the whole URL out of stack traces.
    let source = format!("const config = {config};\n{LOADER}//# sourceURL=ts:loader\n");
    Ok(format!("data:text/javascript,{}", percent_encoded(&source)))
}

fn utf8(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::Error::other("its path is not UTF-8"))
}

/// Enough for Node to read the text back from a URL.
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 2), |mut url, byte| {
        if byte.is_ascii_graphic() && !b"%#?\"<>`".contains(&byte) {
            url.push(byte.into());
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_without_module_hooks_are_refused() {
        for old in ["v16.20.2", "v18.18.2", "v19.9.0", "v20.5.1", "", "nonsense"] {
            assert!(matches!(check_version(old), Err(NodeError::TooOld(_))), "{old}");
        }
        for good in ["v18.19.0", "v20.6.0", "v20.20.2", "v22.15.0", "v24.0.0-nightly"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
    }
}
