//! The manifest: `.cagent/manifest.json`, described in `docs/artifacts.md`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};
use types::delivery::RESERVED;

use crate::archive::Content;
use crate::name;

/// The manifest's version; goes up when a reader of the old one would be misled.
const VERSION: u32 = 1;

/// How many links, and how many entries left out, are listed one by one; the others are counted.
pub(crate) const MAX_LISTED: usize = 1000;

/// What is in a ZIP and what is not.
#[derive(Debug, Serialize)]
pub(crate) struct Manifest {
    version: u32,
    job: serde_json::Value,
    files: Vec<File>,
    extras: Vec<File>,
    links: Vec<Link>,
    left_out: Vec<LeftOut>,
    left_out_more: u64,
    escaped: Vec<Escaped>,
}

/// A file in the ZIP, under its name there.
#[derive(Debug, Serialize)]
struct File {
    path: String,
    #[serde(flatten)]
    content: Content,
    #[serde(serialize_with = "octal")]
    mode: u32,
}

#[derive(Debug, Serialize)]
struct Link {
    path: String,
    target: String,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    path: String,
    why: Why,
}

#[derive(Debug, Serialize)]
struct Escaped {
    name: String,
    original_base64: String,
}

/// Why an entry of the workspace is not in the ZIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// The workspace itself is not there.
    Missing,
    /// `.cagent` at the workspace's root, or what is left of an upload.
    Reserved,
    /// A dependency cache.
    Cache,
    /// A named pipe.
    Fifo,
    /// A unix socket.
    Socket,
    /// A block or character device.
    Device,
    /// Beyond the number of entries that are looked at, or of links that are listed.
    TooManyFiles,
    /// Larger than a file may be.
    TooLarge,
    /// Larger than what is left of the bytes all files may have.
    TotalTooLarge,
    /// Deeper than directories may be nested, or a path longer than the kernel opens.
    TooDeep,
    /// The orchestrator may not, or cannot, read it.
    Unreadable,
    /// It was removed or replaced while the workspace was packed.
    Changed,
    /// A mount point.
    OtherFileSystem,
}

impl Manifest {
    pub(crate) fn new(job: serde_json::Value) -> Self {
        let (files, extras, links) = (Vec::new(), Vec::new(), Vec::new());
        let (left_out, escaped) = (Vec::new(), Vec::new());
        Self { version: VERSION, job, files, extras, links, left_out, left_out_more: 0, escaped }
    }

    /// Notes a file of the workspace that is in the ZIP.
    pub(crate) fn file(&mut self, path: &[u8], content: Content, mode: u32) {
        let path = self.name(path);
        self.files.push(File { path, content, mode });
    }

    /// Notes a file beneath `.cagent/`.
    pub(crate) fn extra(&mut self, path: String, content: Content, mode: u32) {
        self.extras.push(File { path, content, mode });
    }

    /// The name a path has in the ZIP, noted if it is another.
    pub(crate) fn name(&mut self, path: &[u8]) -> String {
        let name = name::escape(path);
        if name.as_bytes() != path {
            let original_base64 = BASE64_STANDARD.encode(path);
            self.escaped.push(Escaped { name: name.clone(), original_base64 });
        }
        name
    }

    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) {
        if self.links.len() < MAX_LISTED {
            let (path, target) = (name::escape(path), name::escape(target));
            self.links.push(Link { path, target });
        } else {
            self.leave_out(path, Why::TooManyFiles);
        }
    }

    pub(crate) fn leave_out(&mut self, path: &[u8], why: Why) {
        if self.left_out.len() < MAX_LISTED {
            self.left_out.push(LeftOut { path: name::escape(path), why });
        } else {
            self.left_out_more += 1;
        }
    }

    pub(crate) fn leave_out_more(&mut self, count: u64) {
        self.left_out_more += count;
    }

    /// How many files of the workspace are in the ZIP.
    pub(crate) fn files(&self) -> u64 {
        self.files.len() as u64
    }

    /// How many entries were left out.
    pub(crate) fn left_out(&self) -> u64 {
        // That is where agents keep what is theirs: nobody misses it.
        let ours = self.left_out.iter().filter(|entry| entry.path == RESERVED).count();
        (self.left_out.len() - ours) as u64 + self.left_out_more
    }
}

fn octal<S: Serializer>(mode: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}
