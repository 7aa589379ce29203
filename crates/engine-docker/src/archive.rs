//! Archives for the daemon: what a directory holds, as tar.
//!
//! Not here: taking apart what comes back ([`crate::unpack`]).

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bollard::errors::Error;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use bollard::{Docker, body_full, body_try_stream};
use tar::{Builder, EntryType, Header};
use tokio_util::io::{ReaderStream, SyncIoBridge};

/// What is under way between the thread that reads files and the daemon.
const PIPE_BYTES: usize = 256 * 1024;

/// Adds a directory.
pub(crate) fn add_dir(
    tar: &mut Builder<impl Write>,
    path: &Path,
    mode: u32,
    owner: u32,
) -> io::Result<()> {
    let mut header = header(EntryType::Directory, mode, owner);
    tar.append_data(&mut header, path, io::empty())
}

/// Adds a file with this content.
pub(crate) fn add_bytes(
    tar: &mut Builder<impl Write>,
    path: &Path,
    mode: u32,
    bytes: &[u8],
) -> io::Result<()> {
    let mut header = header(EntryType::Regular, mode, 0);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, path, bytes)
}

/// Adds what lies in a directory of ours, for this owner: files, directories and links.
fn add_tree(tar: &mut Builder<impl Write>, from: &Path, to: &Path, owner: u32) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            add_dir(tar, &to, 0o755, owner)?;
            add_tree(tar, &from, &to, owner)?;
        } else if kind.is_file() {
            let file = File::open(&from)?;
            let known = file.metadata()?;
            let mut header = header(EntryType::Regular, known.mode() & 0o777, owner);
            header.set_size(known.len());
            tar.append_data(&mut header, &to, io::Read::take(file, known.len()))?;
        } else if kind.is_symlink() {
            let mut header = header(EntryType::Symlink, 0o777, owner);
            tar.append_link(&mut header, &to, fs::read_link(&from)?)?;
        }
    }
    Ok(())
}

fn header(kind: EntryType, mode: u32, owner: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner.into());
    header.set_gid(owner.into());
    header.set_size(0);
    header
}

/// Unpacks an archive in a directory of a container.
pub(crate) async fn put(
    docker: &Docker,
    container: &str,
    at: &str,
    tar: Vec<u8>,
) -> Result<(), Error> {
    let options = UploadToContainerOptionsBuilder::default().path(at).build();
    docker.upload_to_container(container, Some(options), body_full(tar.into())).await
}

/// Puts what a directory of ours holds into one of a container, for this owner; `to` itself, too,
/// which is relative to `at`.
pub(crate) async fn put_tree(
    docker: &Docker,
    container: &str,
    from: &Path,
    (at, to): (&str, &'static str),
    owner: u32,
) -> Result<(), Error> {
    let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let (from, to) = (from.to_owned(), Path::new(to));
    let mut writer = SyncIoBridge::new(writer);
    let packing = tokio::task::spawn_blocking(move || {
        let mut tar = Builder::new(&mut writer);
        add_dir(&mut tar, to, 0o755, owner)?;
        add_tree(&mut tar, &from, to, owner)?;
        tar.finish()?;
        drop(tar);
        writer.shutdown()
    });
    let options = UploadToContainerOptionsBuilder::default().path(at).build();
    let body = body_try_stream(ReaderStream::new(reader));
    let sent = docker.upload_to_container(container, Some(options), body).await;
    match packing.await.map_err(io::Error::other).flatten() {
        // If the daemon hangs up, its own words say more.
        Err(err) if sent.is_ok() => Err(Error::IOError { err }),
        _ => sent,
    }
}

/// An archive in memory.
pub(crate) fn in_memory(
    fill: impl FnOnce(&mut Builder<Vec<u8>>) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    fill(&mut tar)?;
    tar.into_inner()
}
