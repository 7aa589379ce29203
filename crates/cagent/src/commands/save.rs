//! A body of the server as a file.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use reqwest::Response;

/// Writes a body to a file, all or nothing, and returns how many bytes it had.
pub(super) async fn save(body: Response, file: &Path) -> anyhow::Result<u64> {
    write(body, file).await.with_context(|| format!("save {}", file.display()))
}

async fn write(mut body: Response, file: &Path) -> anyhow::Result<u64> {
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    let mut part = tempfile::Builder::new()
        .prefix(".cagent-")
        // As any new file: the umask takes away what it must.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(".".as_ref()))?;
    let mut bytes = 0;
    while let Some(chunk) = body.chunk().await? {
        part.write_all(&chunk)?;
        bytes += chunk.len() as u64;
    }
    part.persist(file)?;
    Ok(bytes)
}
