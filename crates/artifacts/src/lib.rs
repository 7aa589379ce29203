//! Packs the workspace of a job into a ZIP with a manifest; reads and writes its files.
//!
//! The workspace is hostile: whatever ran in the sandbox chose every name, kind, size and link in
//! it, and may still be changing them. So files are opened beneath the workspace only, links are
//! listed and never followed, and counts and sizes are bounded; what does not get in is named in
//! the manifest (`docs/artifacts.md`).
//!
//! Not here: who calls it and when (`jobs`), what becomes of the ZIP (`api`, retention in `jobs`),
//! and removing a workspace (the engines).

mod access;
mod archive;
mod cache;
mod error;
mod manifest;
mod name;
mod pack;
mod path;
mod tree;
mod upload;
mod walk;
mod zipped;

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use types::delivery;

pub use access::{AccessError, Content, FileEntry, FileKind, Listing};
pub use error::PackError;
pub use pack::pack;
pub use path::{InvalidPath, WorkspacePath};
pub use tree::Tree;
pub use upload::{NewFile, Replaced};
pub use zipped::Zipped;

/// What to pack, and where to.
#[derive(Debug)]
pub struct PackRequest<'a> {
    /// The directory to pack; its own files are at the root of the ZIP. None (a job may end before
    /// it has a sandbox) counts as empty and is listed as `missing`.
    pub workspace: Option<BorrowedFd<'a>>,
    /// The ZIP to write; replaced atomically. Its directory must exist.
    pub target: &'a Path,
    /// Facts of the job, given word for word as `job` in the manifest.
    pub job: serde_json::Value,
    /// What goes beneath `.cagent/` beside the manifest, in this order.
    pub extras: Vec<Extra>,
    /// What to leave out.
    pub options: Options,
}

/// A file beneath `.cagent/` that does not come from the workspace.
#[derive(Debug)]
pub struct Extra {
    /// Its name there, such as `runbook.md`; not `manifest.json`.
    pub name: &'static str,
    /// Where its bytes are.
    pub source: Source,
}

/// Where the bytes of an [`Extra`] are.
#[derive(Debug)]
pub enum Source {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file of the orchestrator; one that is not there counts as empty.
    File(PathBuf),
}

/// What to leave out of the ZIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Pack dependency caches such as `node_modules` too.
    pub include_caches: bool,
    /// The most entries (files, directories, links and all else) that are looked at. It bounds
    /// memory too: about 1 KiB per entry.
    pub max_files: u64,
    /// The largest file that is packed, by its apparent size in bytes.
    pub max_file_bytes: u64,
    /// The most bytes of files that are packed, before compression.
    pub max_total_bytes: u64,
    /// How many directories deep a file may lie, itself included: 1 is the workspace's root.
    pub max_depth: u32,
}

impl Default for Options {
    /// A large project with its build results fits, and a workspace full of zeros (sparse files)
    /// costs less than half a minute. 100,000 entries are an installed web application including
    /// `node_modules`, twice.
    fn default() -> Self {
        Self {
            include_caches: false,
            max_files: 100_000,
            max_file_bytes: delivery::MAX_FILE_BYTES,
            max_total_bytes: 4 << 30,
            max_depth: delivery::MAX_DEPTH,
        }
    }
}

/// What was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Files of the workspace in the ZIP, without `.cagent/`.
    pub files: u64,
    /// Size of the ZIP in bytes.
    pub zip_bytes: u64,
    /// Entries of the workspace that were left out; links, which are listed with their target,
    /// are not counted, nor is `.cagent`, and a directory left out counts as one.
    pub left_out: u64,
}
