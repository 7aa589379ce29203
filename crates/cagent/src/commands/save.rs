//! A body of the server as a file.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use reqwest::Response;
use tempfile::NamedTempFile;

/// Whether a file can be saved there, as far as can be told before.
pub(super) fn check(file: &Path) -> anyhow::Result<()> {
    part_of(file).map(drop).with_context(|| format!("save {}", file.display()))
}

/// Writes a body to a file, all or nothing, and returns how many bytes it had.
pub(super) async fn save(body: Response, file: &Path) -> anyhow::Result<u64> {
    write(body, file).await.with_context(|| format!("save {}", file.display()))
}

async fn write(mut body: Response, file: &Path) -> anyhow::Result<u64> {
    let mut part = part_of(file)?;
    let mut bytes = 0;
    while let Some(chunk) = body.chunk().await? {
        part.write_all(&chunk)?;
        bytes += chunk.len() as u64;
    }
    part.persist(file)?;
    Ok(bytes)
}

/// Beside the file, so that it takes its place at once.
fn part_of(file: &Path) -> anyhow::Result<NamedTempFile> {
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    let folder = folder.unwrap_or(".".as_ref());
    ensure!(!file.is_dir(), "it is a directory; name a file");
    ensure!(folder.is_dir(), "there is no directory {}", folder.display());
    let part = tempfile::Builder::new()
        .prefix(".cagent-")
        // As any new file: the umask takes away what it must.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder);
    // The rest of the error is the part's own name, which says nothing to anybody.
    part.map_err(|e| io::Error::from(e.kind()).into())
}
