//! From the walk to the finished file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Stat;
use serde_json::Value;
use tempfile::NamedTempFile;
use types::delivery::RESERVED;

use crate::archive::{AddError, Archive, Entry};
use crate::manifest::{Manifest, Why};
use crate::name;
use crate::tree::Tree;
use crate::walk::{self, Found, Walk};
use crate::{Extra, Options, PackError, PackRequest, Packed, Source};

/// Packs a workspace into a ZIP.
///
/// Reads and writes files and compresses: not for an async task's own thread. The same workspace,
/// job and extras give the same ZIP. The target appears complete or not at all, and is on disk
/// when this returns; what an interrupted call left over, the next one for the same target
/// overwrites.
///
/// # Errors
/// If the workspace as a whole or an extra cannot be read, or the ZIP cannot be written. A single
/// entry of the workspace is no reason to fail: it is left out and listed.
pub fn pack(request: PackRequest<'_>) -> Result<Packed, PackError> {
    let PackRequest { workspace, target, job, extras, options } = request;
    let tree = workspace.map(Tree::new);
    tree.as_ref().map_or(Ok(()), Tree::check)?;
    let failed = |source| PackError::Write { path: target.into(), source };
    let mut part = create_part(target).map_err(failed)?;

    let mut packer = Packer::new(part.as_file_mut(), target, job, options);
    match &tree {
        Some(tree) => packer.add_workspace(tree)?,
        None => packer.manifest.leave_out(b".", Why::Missing),
    }
    for extra in extras {
        packer.add_extra(&extra).map_err(|error| match error {
            AddError::Read(source) => PackError::Extra { name: extra.name, source },
            AddError::Write(source) => failed(source),
        })?;
    }
    let (files, left_out) = packer.finish()?;

    let zip_bytes = publish(part, target).map_err(failed)?;
    Ok(Packed { files, zip_bytes, left_out })
}

/// The file that becomes the target, beside it under a fixed name: whoever dies here leaves one
/// that the next call uses again.
fn create_part(target: &Path) -> io::Result<NamedTempFile> {
    let mut name = OsString::from(".");
    name.push(target.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(".part");
    tempfile::Builder::new().prefix(&name).rand_bytes(0).make_in(directory(target), |path| {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    })
}

/// Makes the file the target, on disk; gives its size.
fn publish(part: NamedTempFile, target: &Path) -> io::Result<u64> {
    part.as_file().sync_all()?;
    let file = part.persist(target)?;
    File::open(directory(target))?.sync_all()?;
    Ok(file.metadata()?.len())
}

fn directory(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// An open file, what it is, and its size.
type Opened = (File, Stat, u64);

struct Packer<'a> {
    archive: Archive<BufWriter<&'a mut File>>,
    manifest: Manifest,
    target: &'a Path,
    options: Options,
    bytes_left: u64,
}

impl<'a> Packer<'a> {
    fn new(part: &'a mut File, target: &'a Path, job: Value, options: Options) -> Self {
        let archive = Archive::new(BufWriter::with_capacity(256 << 10, part));
        let (manifest, bytes_left) = (Manifest::new(job), options.max_total_bytes);
        Self { archive, manifest, target, options, bytes_left }
    }

    fn add_workspace(&mut self, tree: &Tree<'_>) -> Result<(), PackError> {
        let walk =
            Walk::new(*tree, self.options).map_err(|source| PackError::Workspace { source })?;
        for found in walk {
            let (path, found) = found?;
            match found {
                Found::File => self.add_file(tree, &path)?,
                Found::EmptyDirectory => self.add_directory(&path)?,
                Found::Link(target) => self.manifest.link(&path, &target),
                Found::LeftOut(why) => self.manifest.leave_out(&path, why),
                Found::More(count) => self.manifest.leave_out_more(count),
            }
        }
        Ok(())
    }

    fn add_file(&mut self, tree: &Tree<'_>, path: &[u8]) -> Result<(), PackError> {
        let (file, stat, size) = match self.open(tree, path)? {
            Ok(opened) => opened,
            Err(why) => {
                self.manifest.leave_out(path, why);
                return Ok(());
            }
        };
        let name = name::escape(path);
        let entry = Entry { name: &name, mode: mode(stat.st_mode), modified: stat.st_mtime };
        match self.archive.add(entry, size, file) {
            Ok(content) => {
                self.bytes_left -= content.bytes;
                self.manifest.file(path, content, entry.mode);
            }
            Err(AddError::Read(_)) => self.manifest.leave_out(path, Why::Unreadable),
            Err(AddError::Write(error)) => return Err(self.failed(error)),
        }
        Ok(())
    }

    /// A file and its size, or why it is left out.
    fn open(&self, tree: &Tree<'_>, path: &[u8]) -> Result<Result<Opened, Why>, PackError> {
        let (file, stat) = match tree.file(path) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Err(Why::Changed)),
            Err(errno) => return walk::why(errno, path).map(Err),
        };
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        Ok(if size > self.options.max_file_bytes {
            Err(Why::TooLarge)
        } else if size > self.bytes_left {
            Err(Why::TotalTooLarge)
        } else {
            Ok((file, stat, size))
        })
    }

    fn add_directory(&mut self, path: &[u8]) -> Result<(), PackError> {
        let name = self.manifest.name(path);
        self.archive
            .add_directory(Entry { name: &name, mode: 0o755, modified: 0 })
            .map_err(|error| self.failed(error))
    }

    fn add_extra(&mut self, extra: &Extra) -> Result<(), AddError> {
        let (from, size, modified) = open_extra(&extra.source).map_err(AddError::Read)?;
        let name = format!("{RESERVED}/{}", extra.name);
        let entry = Entry { name: &name, mode: 0o644, modified };
        let content = self.archive.add(entry, size, from)?;
        self.manifest.extra(name, content, 0o644);
        Ok(())
    }

    /// Adds the manifest and ends the ZIP; gives how many files are in it and how many entries
    /// are not.
    fn finish(mut self) -> Result<(u64, u64), PackError> {
        let name = format!("{RESERVED}/manifest.json");
        let failed = |source| PackError::Write { path: self.target.into(), source };
        self.archive
            .add_json(Entry { name: &name, mode: 0o644, modified: 0 }, &self.manifest)
            .map_err(failed)?;
        let mut writer = self.archive.finish().map_err(failed)?;
        writer.flush().map_err(failed)?;
        Ok((self.manifest.files(), self.manifest.left_out()))
    }

    fn failed(&self, source: io::Error) -> PackError {
        PackError::Write { path: self.target.into(), source }
    }
}

/// The bytes of an extra, how many, and when they were written.
fn open_extra(source: &Source) -> io::Result<(Box<dyn Read + '_>, u64, i64)> {
    match source {
        Source::Bytes(bytes) => Ok((Box::new(&**bytes), bytes.len() as u64, 0)),
        Source::File(path) => match File::open(path) {
            Ok(file) => {
                let known = file.metadata()?;
                Ok((Box::new(file), known.len(), known.mtime()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok((Box::new(io::empty()), 0, 0))
            }
            Err(error) => Err(error),
        },
    }
}

/// All that is kept of a file's mode: whether it is a program.
fn mode(mode: u32) -> u32 {
    if mode & 0o111 == 0 { 0o644 } else { 0o755 }
}
