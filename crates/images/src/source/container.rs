use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::Blob;
use crate::ImageError;
use crate::bounds::{Budget, DOCUMENT_BYTES, PATH_BYTES};
use crate::error::{bad, io_error};
use crate::members::{self, Kind};

/// What holds the parts of an image, by their names.
#[derive(Debug)]
pub(super) enum Container {
    Directory(PathBuf),
    Archive { whole: Blob, parts: HashMap<String, Part> },
}

/// Where a part is.
#[derive(Debug)]
pub(super) enum Part {
    Here(Blob),
    /// Docker links to a layer that is in the archive already.
    Link(String),
}

/// A root file system has more files; what has its parts deeper is none of ours.
const MOST_PARTS: usize = 10_000;
const DEPTH: usize = 3;

impl Container {
    /// Finds the parts of an archive, without reading what is in them.
    pub(super) fn archive_of(whole: Blob, budget: &Budget) -> Result<Self, ImageError> {
        let mut archive = tar::Archive::new(whole.clone());
        let mut parts = HashMap::new();
        members::each(archive.entries_with_seek(), budget, |member, _| {
            if member.path.len().max(member.link.len()) > PATH_BYTES {
                return Ok(());
            }
            let name = path(&String::from_utf8_lossy(&member.path));
            if parts.len() == MOST_PARTS || name.split('/').count() > DEPTH {
                return Ok(());
            }
            let part = match member.kind {
                Kind::File => Part::Here(whole.part(member.offset, member.bytes)),
                Kind::Symlink => Part::Link(beside(&name, &String::from_utf8_lossy(&member.link))),
                Kind::HardLink => Part::Link(path(&String::from_utf8_lossy(&member.link))),
                Kind::Directory | Kind::Special => return Ok(()),
            };
            parts.insert(name, part);
            Ok(())
        })?;
        Ok(Self::Archive { whole, parts })
    }

    /// All of it, if it is an archive.
    pub(super) fn archive(&self) -> Option<Blob> {
        match self {
            Self::Directory(_) => None,
            Self::Archive { whole, .. } => Some(whole.clone()),
        }
    }

    /// The part of this name.
    pub(super) fn part(&self, name: &str) -> Result<Option<Blob>, ImageError> {
        match self {
            Self::Directory(directory) => open(&directory.join(path(name))),
            Self::Archive { parts, .. } => Ok(match parts.get(&path(name)) {
                Some(Part::Link(to)) => match parts.get(to) {
                    Some(Part::Here(blob)) => Some(blob.clone()),
                    _ => None,
                },
                Some(Part::Here(blob)) => Some(blob.clone()),
                None => None,
            }),
        }
    }

    /// The part of this name, which must be there.
    pub(super) fn needed(&self, name: &str) -> Result<Blob, ImageError> {
        let missing = || bad(format!("{:?} is not in it", members::shown(name.as_bytes())));
        self.part(name)?.ok_or_else(missing)
    }

    /// What a small part says.
    pub(super) fn document(&self, name: &str) -> Result<Option<Vec<u8>>, ImageError> {
        let Some(blob) = self.part(name)? else { return Ok(None) };
        if blob.len() > DOCUMENT_BYTES {
            return Err(bad(format!("{name} has more than {DOCUMENT_BYTES} bytes")));
        }
        let mut text = vec![];
        blob.take(DOCUMENT_BYTES).read_to_end(&mut text).map_err(io_error("read", name))?;
        Ok(Some(text))
    }

    /// The same, of a part that must be there.
    pub(super) fn needed_document(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        self.needed(name)?;
        Ok(self.document(name)?.unwrap_or_default())
    }
}

fn open(path: &Path) -> Result<Option<Blob>, ImageError> {
    match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        file => {
            let blob = file.and_then(Blob::whole);
            blob.map(Some).map_err(io_error("open", path))
        }
    }
}

/// A name without what does not count in it; it cannot lead out of a directory.
fn path(name: &str) -> String {
    let mut parts: Vec<&str> = vec![];
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// What a link in a part's folder leads to.
fn beside(name: &str, link: &str) -> String {
    path(&match name.rsplit_once('/') {
        Some((folder, _)) if !link.starts_with('/') => format!("{folder}/{link}"),
        _ => link.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        assert_eq!(path("./a//b/../c"), "a/c");
        assert_eq!(path("../../etc/passwd"), "etc/passwd");
        assert_eq!(beside("a/layer.tar", "../b/layer.tar"), "b/layer.tar");
        assert_eq!(beside("a/layer.tar", "../../../x"), "x");
    }

    #[test]
    fn a_name_that_no_file_has_is_not_kept() {
        let mut tar = tar::Builder::new(tempfile::tempfile().unwrap());
        let long = "x".repeat(PATH_BYTES + 1);
        let header = || {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            for set in [tar::Header::set_uid, tar::Header::set_gid, tar::Header::set_mtime] {
                set(&mut header, 0);
            }
            header.set_mode(0o777);
            header
        };
        tar.append_link(&mut header(), "way", &long).unwrap();
        tar.append_link(&mut header(), &long, "way").unwrap();
        tar.append_link(&mut header(), "short", "way").unwrap();
        let blob = Blob::whole(tar.into_inner().unwrap()).unwrap();
        let Container::Archive { parts, .. } = Container::archive_of(blob, &Budget::new()).unwrap()
        else {
            panic!("it is an archive")
        };
        assert_eq!(parts.keys().collect::<Vec<_>>(), ["short"]);
    }
}
