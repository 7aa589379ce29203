use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;
use types::delivery;

/// How many entries of a directory are looked at to find one that is delivered.
const MOST_ENTRIES: usize = 10_000;

/// Says on standard input what packing would make of a path.
///
/// # Errors
/// If that is nothing; the same words are said then.
pub(super) fn say(root: &Path, path: &Path, caches: bool) -> Result<(), String> {
    let judged = judge(root, path, caches);
    let (Ok(words) | Err(words)) = &judged;
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    File::from(input).write_all(words.as_bytes()).map_err(|error| error.to_string())?;
    judged.map(drop)
}

/// What is there and delivered, or why it is not, both for a model.
fn judge(root: &Path, path: &Path, caches: bool) -> Result<String, String> {
    let root = openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(why)?;
    let mut at = Entry::Directory(root);
    for (depth, name) in path.iter().enumerate() {
        let Entry::Directory(parent) = at else { return Err(why(Errno::NOTDIR)) };
        at = look(&parent, name, depth, caches)?;
    }
    match at {
        Entry::File(bytes) => Ok(format!("{bytes} bytes")),
        Entry::Directory(handle) => within(handle, path.iter().count(), caches),
    }
}

/// An entry that packing takes.
enum Entry {
    /// And its size.
    File(u64),
    Directory(OwnedFd),
}

/// What has this name in a directory so deep.
fn look(parent: &OwnedFd, name: &OsStr, depth: usize, caches: bool) -> Result<Entry, String> {
    let (shown, bytes) = (name.display(), name.as_bytes());
    if depth == 0 && delivery::is_reserved(bytes) || delivery::is_unfinished(bytes) {
        return Err(format!("`{shown}` is a reserved name, and is not delivered"));
    }
    let handle = open(parent, name, OFlags::PATH).map_err(why)?;
    let stat = fstat(&handle).map_err(why)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => size(u64::try_from(stat.st_size).unwrap_or(u64::MAX)),
        FileType::Directory if !caches && is_cache(&handle, name) => Err(format!(
            "`{shown}` is a cache, which can be made again and is not delivered; copy what is to be \
             delivered out of it"
        )),
        FileType::Directory if depth + 1 >= delivery::MAX_DEPTH as usize => {
            let most = delivery::MAX_DEPTH;
            Err(format!("`{shown}` is {most} directories deep, and is not delivered"))
        }
        FileType::Directory => Ok(Entry::Directory(handle)),
        FileType::Symlink => {
            let to = readlinkat(&handle, "", Vec::new()).map_err(why)?.into_bytes();
            Err(format!(
                "`{shown}` is a symbolic link to {}; links are not followed and not delivered: name \
                 the file itself, or copy it here",
                OsString::from_vec(to).display()
            ))
        }
        _ => Err(format!("`{shown}` is neither a file nor a directory, and is not delivered")),
    }
}

fn size(bytes: u64) -> Result<Entry, String> {
    const MOST: u64 = delivery::MAX_FILE_BYTES;
    match bytes {
        ..=MOST => Ok(Entry::File(bytes)),
        _ => Err(format!("it has {bytes} bytes, and a file of more than {MOST} is not delivered")),
    }
}

fn is_cache(directory: &OwnedFd, name: &OsStr) -> bool {
    let mark = OsStr::new(delivery::ENVIRONMENT_MARK);
    delivery::is_cache(name.as_bytes())
        || open(directory, mark, OFlags::PATH).is_ok()
        || has_tag(directory).unwrap_or(false)
}

fn has_tag(directory: &OwnedFd) -> io::Result<bool> {
    // Not blocking: it may be a FIFO.
    let tag = open(directory, delivery::CACHE_TAG.as_ref(), OFlags::NONBLOCK | OFlags::NOCTTY)?;
    let mut start = [0; delivery::CACHE_SIGNATURE.len()];
    File::from(tag).read_exact(&mut start)?;
    Ok(start == delivery::CACHE_SIGNATURE)
}

/// Whether a directory has a file in it that is delivered.
fn within(directory: OwnedFd, depth: usize, caches: bool) -> Result<String, String> {
    let (mut open, mut left, mut not) = (vec![(directory, depth)], MOST_ENTRIES, None);
    while let Some((directory, depth)) = open.pop() {
        // A handle of this kind cannot be read.
        let listed = self::open(&directory, ".".as_ref(), OFlags::RDONLY | OFlags::DIRECTORY);
        for entry in listed.and_then(Dir::new).map_err(why)? {
            let entry = entry.map_err(why)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if matches!(name.as_bytes(), b"." | b"..") {
                continue;
            }
            match look(&directory, name, depth, caches) {
                Ok(Entry::File(_)) => return Ok("a directory with files in it".into()),
                Ok(Entry::Directory(inner)) => open.push((inner, depth + 1)),
                Err(why) => not = not.or(Some(why)),
            }
            left -= 1;
            if left == 0 {
                return Err("a directory with very many entries; name a file in it".into());
            }
        }
    }
    Err(match not {
        Some(why) => format!("a directory with nothing in it that is delivered: {why}"),
        None => "a directory with no file in it".into(),
    })
}

fn open(directory: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(directory, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn why(errno: Errno) -> String {
    match errno {
        Errno::NOENT | Errno::NOTDIR => "there is no such file".into(),
        Errno::ACCESS => "it may not be opened".into(),
        errno => io::Error::from(errno).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A workspace with all there is.
    fn workspace() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for path in ["a/b", "empty/inner", "a/node_modules/x", ".cagent", "env/bin", "target/out"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        fs::create_dir_all(at(&"d/".repeat(120))).unwrap();
        for path in ["a/b/report", "a/node_modules/x/i.js", ".cagent/log", "env/bin/python"] {
            fs::write(at(path), "1234").unwrap();
        }
        fs::write(at("env/pyvenv.cfg"), "").unwrap();
        fs::write(at("target/CACHEDIR.TAG"), delivery::CACHE_SIGNATURE).unwrap();
        fs::write(at("target/out/bin"), "").unwrap();
        fs::write(at(&format!("{}x", "d/".repeat(99))), "").unwrap();
        fs::write(at(&format!("{}x", "d/".repeat(100))), "").unwrap();
        File::create(at("huge")).unwrap().set_len(delivery::MAX_FILE_BYTES + 1).unwrap();
        symlink("a", at("latest")).unwrap();
        fs::create_dir(at("links")).unwrap();
        symlink("../a/b/report", at("links/report")).unwrap();
        rustix::fs::mkfifoat(CWD, at("pipe"), Mode::from_raw_mode(0o600)).unwrap();
        root
    }

    #[test]
    fn what_packing_takes_is_delivered() {
        let root = workspace();
        let judged = |path: &str| judge(root.path(), Path::new(path), false);
        assert_eq!(judged("a/b/report").unwrap(), "4 bytes");
        assert_eq!(judged("a").unwrap(), "a directory with files in it");
        judged(&format!("{}x", "d/".repeat(99))).unwrap();
    }

    #[test]
    fn what_it_leaves_out_is_not_and_why() {
        let root = workspace();
        let deep = format!("{}x", "d/".repeat(100));
        for (path, why) in [
            ("b", "there is no such file"),
            ("a/b/report/x", "there is no such file"),
            ("empty", "no file in it"),
            ("a/node_modules/x/i.js", "`node_modules` is a cache"),
            ("a/node_modules", "`node_modules` is a cache"),
            ("env/bin/python", "`env` is a cache"),
            ("target/out", "`target` is a cache"),
            (".CAGENT", "reserved"),
            (".cagent/log", "reserved"),
            ("a/.cagent-upload-1", "reserved"),
            ("huge", "1073741825 bytes"),
            ("latest/b/report", "`latest` is a symbolic link to a;"),
            ("links", "nothing in it that is delivered: `report` is a symbolic link"),
            ("pipe", "neither a file nor a directory"),
            (&deep, "100 directories deep"),
        ] {
            let judged = judge(root.path(), Path::new(path), false).unwrap_err();
            assert!(judged.contains(why), "{path}: {judged}");
        }
    }

    #[test]
    fn caches_are_delivered_to_those_who_want_them() {
        let root = workspace();
        for path in ["a/node_modules/x/i.js", "env", "target/out/bin"] {
            judge(root.path(), Path::new(path), true).unwrap();
        }
    }
}
