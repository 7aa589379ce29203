//! Files that are compared: those of a job, or of a directory here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use api::FileKind;
use ring::digest::{self, Digest};
use tokio::io::AsyncReadExt as _;
use types::JobId;

use crate::client::Client;
use crate::complaint;

/// The largest file whose lines are compared.
const MOST_BYTES: u64 = 256 * 1024;

/// How much of a file here is read at once.
const PIECE: usize = 64 * 1024;

/// The most files that are looked at.
const MOST_FILES: usize = 20_000;

/// Where files lie.
pub(super) enum Tree {
    Nothing,
    Job(JobId),
    Here(PathBuf),
}

impl Tree {
    /// All files and how large they are.
    pub(super) async fn files(&self, client: &Client) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut files = BTreeMap::new();
        match self {
            Self::Nothing => {}
            Self::Here(root) => walk(root, "", &mut files)?,
            Self::Job(job) => look(client, *job, &mut files).await?,
        }
        Ok(files)
    }

    /// A file, to be compared; none if it is too large for that or has no lines.
    pub(super) async fn text(
        &self,
        client: &Client,
        path: &str,
        bytes: Option<u64>,
    ) -> anyhow::Result<Option<String>> {
        match bytes {
            None => return Ok(Some(String::new())),
            Some(bytes) if bytes > MOST_BYTES => return Ok(None),
            Some(_) => {}
        }
        let content = self.content(client, path, MOST_BYTES).await?;
        let whole = (content.len() as u64) <= MOST_BYTES && !content.contains(&0);
        Ok(String::from_utf8(content).ok().filter(|_| whole))
    }

    /// No more of it than so many bytes and some.
    async fn content(&self, client: &Client, path: &str, most: u64) -> anyhow::Result<Vec<u8>> {
        let mut content = vec![];
        let take = |piece: &[u8]| {
            content.extend_from_slice(piece);
            content.len() as u64 <= most
        };
        self.read(client, path, take).await?;
        Ok(content)
    }

    /// Stands for all of it: a file may be larger than our memory.
    pub(super) async fn digest(&self, client: &Client, path: &str) -> anyhow::Result<Digest> {
        let mut sum = digest::Context::new(&digest::SHA256);
        let take = |piece: &[u8]| {
            sum.update(piece);
            true
        };
        self.read(client, path, take).await?;
        Ok(sum.finish())
    }

    /// Piece by piece, as long as it is taken.
    async fn read(
        &self,
        client: &Client,
        path: &str,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> anyhow::Result<()> {
        match self {
            Self::Nothing => {}
            Self::Here(root) => {
                let name = root.join(path);
                let wrong = || format!("read {}", name.display());
                let mut file = tokio::fs::File::open(&name).await.with_context(wrong)?;
                let mut piece = vec![0; PIECE];
                loop {
                    let read = file.read(&mut piece).await.with_context(wrong)?;
                    if read == 0 || !take(&piece[..read]) {
                        break;
                    }
                }
            }
            Self::Job(job) => {
                let mut body = client.file(*job, path).await?;
                while let Some(piece) = body.chunk().await? {
                    if !take(&piece) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Adds the files of a job, but ours.
async fn look(
    client: &Client,
    job: JobId,
    files: &mut BTreeMap<String, u64>,
) -> anyhow::Result<()> {
    let mut dirs = vec![String::new()];
    while let Some(dir) = dirs.pop() {
        let list = client.files(job, &dir).await?;
        if list.more > 0 {
            complaint::say(&format!("{} more in {dir:?} are not compared", list.more));
        }
        for entry in list.entries {
            let path = beneath(&dir, entry.name);
            match entry.kind {
                FileKind::Directory if path != ".cagent" => dirs.push(path),
                FileKind::File => add(files, path, entry.bytes)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Adds the files of a directory here.
fn walk(root: &Path, dir: &str, files: &mut BTreeMap<String, u64>) -> anyhow::Result<()> {
    let here = root.join(dir);
    let entries = std::fs::read_dir(&here).with_context(|| format!("read {}", here.display()))?;
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = beneath(dir, entry.file_name().to_string_lossy().into_owned());
        if kind.is_dir() {
            walk(root, &path, files)?;
        } else if kind.is_file() {
            add(files, path, entry.metadata()?.len())?;
        }
    }
    Ok(())
}

fn add(files: &mut BTreeMap<String, u64>, path: String, bytes: u64) -> anyhow::Result<()> {
    files.insert(path, bytes);
    if files.len() > MOST_FILES {
        bail!("these are more than {MOST_FILES} files; `cagent download` gets them all");
    }
    Ok(())
}

fn beneath(dir: &str, name: String) -> String {
    if dir.is_empty() { name } else { format!("{dir}/{name}") }
}
