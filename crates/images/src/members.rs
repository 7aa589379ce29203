//! Reads tar archives member by member. The `tar` crate reads the blocks; names and attributes that
//! do not fit into a header are put together here, where they are bounded: it would read any length
//! into memory.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;

use tar::{Entries, Entry, EntryType};

use crate::ImageError;
use crate::bounds::{Budget, DOCUMENT_BYTES};
use crate::error::bad;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// A device, a pipe, a socket.
    Special,
}

/// One member of an archive, as it says.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) path: Vec<u8>,
    /// Of links: what they lead to.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    pub(crate) bytes: u64,
    /// Where its content begins in the archive.
    pub(crate) offset: u64,
}

/// What is said of a member before it.
#[derive(Debug, Default)]
struct Before {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Vec<u8>,
}

/// Shows every member of an archive, with its content. Each takes of the budget.
pub(crate) fn each<R: Read>(
    entries: io::Result<Entries<'_, R>>,
    budget: &Budget,
    mut visit: impl FnMut(&Member, &mut dyn Read) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let mut before = Before::default();
    for entry in entries.map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => before.path = Some(long(&mut entry)?),
            EntryType::GNULongLink => before.link = Some(long(&mut entry)?),
            EntryType::XHeader => before.pax = document(&mut entry)?,
            EntryType::XGlobalHeader => {}
            kind => {
                budget.entry()?;
                let member = member(&entry, kind, std::mem::take(&mut before))?;
                visit(&member, &mut entry)?;
            }
        }
    }
    Ok(())
}

/// For what reads an archive and cannot.
pub(crate) fn broken(e: io::Error) -> ImageError {
    bad(format!("it is no archive, or a damaged one: {e}"))
}

fn member<R: Read>(
    entry: &Entry<'_, R>,
    kind: EntryType,
    before: Before,
) -> Result<Member, ImageError> {
    let header = entry.header();
    let mut member = Member {
        path: before.path.unwrap_or_else(|| entry.path_bytes().into_owned()),
        link: before
            .link
            .or_else(|| entry.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default(),
        kind: kind_of(kind)?,
        mode: header.mode().map_err(broken)?,
        uid: header.uid().map_err(broken)?,
        gid: header.gid().map_err(broken)?,
        modified: header.mtime().map_err(broken)?.try_into().unwrap_or_default(),
        bytes: header.entry_size().map_err(broken)?,
        offset: entry.raw_file_position(),
    };
    // Archives from before there were directories mark them so.
    if member.kind == Kind::File && member.path.ends_with(b"/") {
        member.kind = Kind::Directory;
    }
    pax(&mut member, &before.pax)?;
    Ok(member)
}

fn kind_of(kind: EntryType) -> Result<Kind, ImageError> {
    Ok(match kind {
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Link => Kind::HardLink,
        EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Special,
        EntryType::GNUSparse => return Err(sparse()),
        other => {
            return Err(bad(format!(
                "it has a member of the unknown kind {:?}",
                other.as_byte() as char
            )));
        }
    })
}

fn sparse() -> ImageError {
    bad("it has a sparse file; make the archive without --sparse")
}

/// Takes what extended headers say.
fn pax(member: &mut Member, mut records: &[u8]) -> Result<(), ImageError> {
    while !records.is_empty() {
        let (key, value, rest) =
            record(records).ok_or_else(|| bad("an extended header is damaged"))?;
        records = rest;
        match key {
            b"path" => member.path = value.into(),
            b"linkpath" => member.link = value.into(),
            b"uid" => member.uid = number(value)?,
            b"gid" => member.gid = number(value)?,
            b"size" if number::<u64>(value)? != member.bytes => {
                return Err(bad("it has a file of more than 8 GiB"));
            }
            b"mtime" => {
                let seconds = value.split(|byte| *byte == b'.').next().unwrap_or_default();
                member.modified = number(seconds)?;
            }
            key if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
            _ => {}
        }
    }
    Ok(())
}

/// The first record, `<length> <key>=<value>\n`, and what comes after it. A value may have any bytes.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let content = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = content.iter().position(|byte| *byte == b'=')?;
    Some((&content[..equals], &content[equals + 1..], &records[length..]))
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Result<T, ImageError> {
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| bad("an extended header has no number where one belongs"))
}

/// What describes the next member.
fn document(entry: &mut impl Read) -> Result<Vec<u8>, ImageError> {
    let mut bytes = vec![];
    entry.take(DOCUMENT_BYTES + 1).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() as u64 > DOCUMENT_BYTES {
        return Err(bad("what it says of one file is longer than any name and attributes are"));
    }
    Ok(bytes)
}

fn long(entry: &mut impl Read) -> Result<Vec<u8>, ImageError> {
    let mut name = document(entry)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

/// Bytes as people read them.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = OsString::from_vec(bytes.iter().take(200).copied().collect());
    text.to_string_lossy().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_may_have_newlines_in_them() {
        let records = b"21 xattr.x=a\nb=\0\xff===\n14 path=x/\xc3\xa4\n\n";
        let (key, value, rest) = record(records).unwrap();
        assert_eq!((key, value), (&b"xattr.x"[..], &b"a\nb=\0\xff==="[..]));
        assert_eq!(record(rest), Some((&b"path"[..], "x/ä\n".as_bytes(), &b""[..])));
        assert_eq!(record(b"3 a"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut archive = tar::Archive::new(&*bytes);
            let _ = each(archive.entries(), &Budget::new(), |_, _| Ok(()));
            let mut member = Member {
                path: vec![], link: vec![], kind: Kind::File, mode: 0, uid: 0, gid: 0, modified: 0,
                bytes: 0, offset: 0,
            };
            let _ = pax(&mut member, &bytes);
        }
    }
}
