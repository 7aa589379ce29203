//! A body of the server as a file.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use reqwest::Response;
use tempfile::NamedTempFile;

/// Whether a file can be saved there, as far as can be told before.
pub(super) fn check(file: &Path) -> anyhow::Result<()> {
    let checked = match Target::of(file) {
        Ok(Target::Replaced(file)) => part_of(&file).map(drop),
        other => other.map(drop),
    };
    checked.with_context(|| format!("save {}", file.display()))
}

/// Writes a body to a file, all or nothing, or into a device or pipe; returns how many bytes it had.
pub(super) async fn save(body: Response, file: &Path) -> anyhow::Result<u64> {
    write(body, file).await.with_context(|| format!("save {}", file.display()))
}

/// Writes a body to a new file, all or nothing; returns how many bytes it had. Replaces no file.
pub(crate) async fn save_new(body: Response, file: &Path) -> anyhow::Result<u64> {
    let saved = async {
        ensure!(file.is_absolute(), "name it by its absolute path");
        ensure!(!file.is_dir(), "it is a directory; name a file in it");
        let mut part = part_of(file)?;
        let bytes = copy(body, &mut part).await?;
        part.persist_noclobber(file).map_err(|e| match e.error.kind() {
            ErrorKind::AlreadyExists => anyhow!("it is there already; name another file"),
            _ => e.error.into(),
        })?;
        Ok(bytes)
    };
    saved.await.with_context(|| format!("save {}", file.display()))
}

async fn write(body: Response, file: &Path) -> anyhow::Result<u64> {
    match Target::of(file)? {
        Target::Opened => copy(body, &mut File::options().write(true).open(file)?).await,
        Target::Replaced(file) => {
            let mut part = part_of(&file)?;
            let bytes = copy(body, &mut part).await?;
            part.persist(file)?;
            Ok(bytes)
        }
    }
}

async fn copy(mut body: Response, to: &mut impl Write) -> anyhow::Result<u64> {
    let mut bytes = 0;
    while let Some(chunk) = body.chunk().await? {
        to.write_all(&chunk)?;
        bytes += chunk.len() as u64;
    }
    Ok(bytes)
}

/// What becomes of what is there.
#[derive(Debug)]
enum Target {
    /// This file, no link, is made or replaced.
    Replaced(PathBuf),
    /// A device, a pipe: it stays, and takes what it is given.
    Opened,
}

impl Target {
    fn of(file: &Path) -> anyhow::Result<Self> {
        match std::fs::metadata(file) {
            Ok(found) => Self::of_existing(file, &found),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                ensure!(!file.is_symlink(), "it is a link to a file that is not there");
                Ok(Self::Replaced(file.into()))
            }
            Err(e) => Err(e.into()),
        }
    }

    fn of_existing(file: &Path, found: &Metadata) -> anyhow::Result<Self> {
        ensure!(!found.is_dir(), "it is a directory; name a file");
        // Some files have no name any more: one of `/dev/fd` that was deleted.
        let named = if found.is_file() { file.canonicalize().ok() } else { None };
        Ok(named.map_or(Self::Opened, Self::Replaced))
    }
}

/// Beside the file, so that it takes its place at once.
fn part_of(file: &Path) -> anyhow::Result<NamedTempFile> {
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    let folder = folder.unwrap_or(".".as_ref());
    ensure!(folder.is_dir(), "there is no directory {}", folder.display());
    let part = tempfile::Builder::new()
        .prefix(".cagent-")
        // As any new file: the umask takes away what it must.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder);
    // The rest of the error is the part's own name, which says nothing to anybody.
    part.map_err(|e| io::Error::from(e.kind()).into())
}
