//! Goes through a workspace in order, without recursion and with bounded memory.

use std::vec::IntoIter;

use rustix::fs::FileType;
use rustix::io::Errno;
use types::delivery;

use crate::manifest::{MAX_LISTED, Why};
use crate::tree::{self, Names, Tree};
use crate::{Options, PackError, access, cache, name};

/// The most bytes of paths, all together, that are walked: they stay in memory until the ZIP is
/// done. 100,000 paths of 160 bytes; ordinary ones have 60 to 90.
const MAX_PATH_BYTES: usize = 16 << 20;

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A regular file, as it seems.
    File,
    /// A directory without entries.
    EmptyDirectory,
    /// A symbolic link and its text.
    Link(Vec<u8>),
    /// Something not to be packed.
    LeftOut(Why),
    /// So many more entries, beyond what is looked at.
    More(u64),
}

/// A walk: gives each path, relative to the workspace, with what is there. Directories come as
/// their entries.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    tree: Tree<'a>,
    options: Options,
    /// The directories on the way to the present one.
    open: Vec<Directory>,
    entries_left: usize,
    path_bytes_left: usize,
}

#[derive(Debug)]
struct Directory {
    path: Vec<u8>,
    names: IntoIter<Vec<u8>>,
    /// How many of the names may still be looked at.
    allowed: usize,
    /// How many names were not even kept.
    more: u64,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(tree: Tree<'a>, options: Options) -> Result<Self, Errno> {
        let entries_left = usize::try_from(options.max_files).unwrap_or(usize::MAX);
        let open = Vec::new();
        let mut walk = Self { tree, options, open, entries_left, path_bytes_left: MAX_PATH_BYTES };
        let names = walk.names(b"")?;
        walk.push(Vec::new(), names);
        Ok(walk)
    }

    fn names(&self, path: &[u8]) -> Result<Names, Errno> {
        self.tree.names(path, self.entries_left.saturating_add(MAX_LISTED))
    }

    /// Takes the names of a directory out of what may still be looked at.
    fn push(&mut self, path: Vec<u8>, names: Names) {
        let allowed = names.first.len().min(self.entries_left);
        self.entries_left -= allowed;
        let Names { first, more } = names;
        self.open.push(Directory { path, names: first.into_iter(), allowed, more });
    }

    fn visit(&mut self, path: &[u8], name: &[u8], allowed: bool) -> Result<Option<Found>, Errno> {
        if self.open.len() == 1 && delivery::is_reserved(name) || delivery::is_unfinished(name) {
            return Ok(Some(Found::LeftOut(Why::Reserved)));
        }
        if !allowed || path.len() > self.path_bytes_left {
            return Ok(Some(Found::LeftOut(Why::TooManyFiles)));
        }
        self.path_bytes_left -= path.len();
        let (handle, stat) = self.tree.look(path)?;
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Found::File,
            FileType::Directory => return self.enter(path, name),
            FileType::Symlink => Found::Link(tree::link_target(&handle)?),
            FileType::Fifo => Found::LeftOut(Why::Fifo),
            FileType::Socket => Found::LeftOut(Why::Socket),
            FileType::BlockDevice | FileType::CharacterDevice | FileType::Unknown => {
                Found::LeftOut(Why::Device)
            }
        }))
    }

    /// Goes on with the entries of a directory, unless it is to be given as a whole.
    fn enter(&mut self, path: &[u8], name: &[u8]) -> Result<Option<Found>, Errno> {
        let leave_caches = !self.options.include_caches;
        if leave_caches && delivery::is_cache(name) {
            return Ok(Some(Found::LeftOut(Why::Cache)));
        }
        if self.open.len() >= self.options.max_depth as usize {
            return Ok(Some(Found::LeftOut(Why::TooDeep)));
        }
        let names = self.names(path)?;
        if leave_caches && cache::is_marked_as_one(&self.tree, path, &names.first) {
            return Ok(Some(Found::LeftOut(Why::Cache)));
        }
        if names.first.is_empty() {
            return Ok(Some(Found::EmptyDirectory));
        }
        self.push(path.to_vec(), names);
        Ok(None)
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<(Vec<u8>, Found), PackError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let directory = self.open.last_mut()?;
            let Some(name) = directory.names.next() else {
                let Directory { path, more, .. } = self.open.pop()?;
                if more > 0 {
                    return Some(Ok((path, Found::More(more))));
                }
                continue;
            };
            let allowed = directory.allowed > 0;
            directory.allowed = directory.allowed.saturating_sub(1);
            let path = access::join(&directory.path, &name);
            match self.visit(&path, &name, allowed) {
                Ok(None) => {}
                Ok(Some(found)) => return Some(Ok((path, found))),
                Err(errno) => {
                    return Some(why(errno, &path).map(|why| (path, Found::LeftOut(why))));
                }
            }
        }
    }
}

/// Why an entry is left out that could not be opened.
///
/// # Errors
/// If it is not the entry's fault: then a ZIP without it would be wrong.
pub(crate) fn why(errno: Errno, path: &[u8]) -> Result<Why, PackError> {
    match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => {
            Err(PackError::Resources { path: name::escape(path), source: errno })
        }
        Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::AGAIN | Errno::NXIO => {
            Ok(Why::Changed)
        }
        Errno::XDEV => Ok(Why::OtherFileSystem),
        Errno::NAMETOOLONG => Ok(Why::TooDeep),
        _ => Ok(Why::Unreadable),
    }
}
