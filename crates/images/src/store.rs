//! Where images lie:
//!
//! ```text
//! <home>/.trees/<any>/image.json  root/     a tree, for us alone
//! <home>/containerized-agent:latest         a link to its tree
//! ```
//!
//! A tree is made where it will stay; its name is what makes it one that counts. Whoever makes or
//! uses a tree holds a lock on it, which the kernel lets go of however they end. So a tree without a
//! name and without a lock is what a crash or a newer image left. `.trees` itself is locked while one
//! is made, until it has its own lock (shared), and while it is swept (exclusive).

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::error::io_error;
use crate::name::Name;
use crate::{Image, ImageError};

const TREES: &str = ".trees";
const ROOT: &str = "root";
const RECORD: &str = "image.json";

/// What is known of a tree, beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) digest: String,
    pub(crate) bytes: u64,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) labels: BTreeMap<String, String>,
}

/// A tree that is being made. Gone when it is dropped.
pub(crate) struct Draft {
    directory: TempDir,
    /// Held until it has its name, or is gone.
    _lock: File,
}

impl Draft {
    pub(crate) fn new(home: &Path) -> Result<Self, ImageError> {
        let trees = home.join(TREES);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&trees);
        made.map_err(io_error("create", &trees))?;
        // So that no one sweeps it before it is locked.
        let making = lock(&trees, FlockOperation::LockShared).map_err(io_error("lock", &trees))?;
        let directory =
            TempDir::with_prefix_in("", &trees).map_err(io_error("create in", &trees))?;
        let lock = hold(directory.path()).map_err(io_error("lock", directory.path()))?;
        drop(making);
        let draft = Self { directory, _lock: lock };
        let root = draft.root();
        DirBuilder::new().mode(0o755).create(&root).map_err(io_error("create", &root))?;
        Ok(draft)
    }

    /// Beneath which all of it goes.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join(ROOT)
    }

    /// A place for what is needed on the way.
    pub(crate) fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// Once all of it is on the disk, this is what the name means.
    pub(crate) fn publish(self, name: &Name, record: Record) -> Result<Image, ImageError> {
        let directory = self.directory.path();
        let file = directory.join(RECORD);
        let text = serde_json::to_vec(&record).map_err(io_error("write", &file))?;
        fs::write(&file, text).map_err(io_error("write", &file))?;
        let open = File::open(directory).map_err(io_error("open", directory))?;
        rustix::fs::syncfs(&open).map_err(io_error("write to the disk", directory))?;
        let trees = directory.parent().unwrap_or(directory);
        let home = trees.parent().unwrap_or(trees);
        link(home, directory, name).map_err(io_error("name", directory))?;
        Ok(image(name, record, &self.directory.keep()))
    }
}

/// Makes this name mean this tree, in one step.
fn link(home: &Path, tree: &Path, name: &Name) -> io::Result<()> {
    let to = Path::new(TREES).join(tree.file_name().unwrap_or_default());
    let (draft, link) = (tree.join("name"), home.join(name.to_file()));
    symlink(to, &draft)?;
    fs::rename(&draft, link)?;
    File::open(home)?.sync_all()
}

/// The image of this name.
pub(crate) fn find(home: &Path, name: &Name) -> Result<Option<Image>, ImageError> {
    let link = home.join(name.to_file());
    let tree = match fs::read_link(&link) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        tree => home.join(tree.map_err(io_error("read", &link))?),
    };
    let file = tree.join(RECORD);
    let text = fs::read(&file).map_err(io_error("read", &file))?;
    let record = serde_json::from_slice(&text).map_err(io_error("read", &file))?;
    Ok(Some(image(name, record, &tree)))
}

/// All images, by name.
pub(crate) fn list(home: &Path) -> Result<Vec<Image>, ImageError> {
    let mut names: Vec<_> = entries(home).map_err(io_error("list", home))?;
    names.sort();
    let names = names.iter().filter_map(|file| Name::from_file(file));
    names.filter_map(|name| find(home, &name).transpose()).collect()
}

/// Takes a name away, and its tree with it; whether there was one.
pub(crate) fn remove(home: &Path, name: &Name) -> Result<bool, ImageError> {
    let Some(image) = find(home, name)? else { return Ok(false) };
    let (tree, link) = (image.root.parent().unwrap_or(&image.root), home.join(name.to_file()));
    // As long as it is locked, nobody begins to use it.
    let locked = match lock(tree, FlockOperation::NonBlockingLockExclusive) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => return Err(ImageError::InUse(image.name)),
        locked => locked.map_err(io_error("lock", tree))?,
    };
    let gone = there(fs::remove_file(&link)).and_then(|gone| {
        File::open(home)?.sync_all()?;
        Ok(gone)
    });
    let gone = gone.map_err(io_error("remove", &link))?;
    drop(locked);
    sweep(home);
    Ok(gone.is_some())
}

/// Keeps a tree from being swept.
pub(crate) fn hold(tree: &Path) -> io::Result<File> {
    lock(tree, FlockOperation::NonBlockingLockShared)
}

/// Removes the trees that no name leads to and that nobody holds. What cannot be removed now is when
/// somebody sweeps again.
pub(crate) fn sweep(home: &Path) {
    if let Err(e) = sweep_all(home) {
        tracing::warn!("images that are no longer used stay in {}: {e}", home.display());
    }
}

fn sweep_all(home: &Path) -> io::Result<()> {
    let trees = home.join(TREES);
    let Some(_sweeping) = there(lock(&trees, FlockOperation::LockExclusive))? else {
        return Ok(());
    };
    // All of them, whatever becomes of one.
    let swept: Vec<_> = entries(&trees)?.iter().map(|name| sweep_one(home, name)).collect();
    swept.into_iter().collect()
}

fn sweep_one(home: &Path, name: &str) -> io::Result<()> {
    // One with a name is not even locked, lest who wants to hold it finds it so.
    if is_named(home, name)? {
        return Ok(());
    }
    let tree = home.join(TREES).join(name);
    let locked = match lock(&tree, FlockOperation::NonBlockingLockExclusive) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => None,
        locked => there(locked)?,
    };
    // Again: whoever made it had it locked until it had its name.
    if locked.is_some() && !is_named(home, name)? {
        there(fs::remove_dir_all(&tree))?;
    }
    Ok(())
}

fn lock(directory: &Path, how: FlockOperation) -> io::Result<File> {
    let open = File::open(directory)?;
    rustix::io::retry_on_intr(|| rustix::fs::flock(&open, how))?;
    Ok(open)
}

/// Whoever made a tree may remove it at any time.
fn there<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        done => done.map(Some),
    }
}

fn is_named(home: &Path, tree: &str) -> io::Result<bool> {
    let leads_there = |file: &String| {
        fs::read_link(home.join(file)).is_ok_and(|to| to == Path::new(TREES).join(tree))
    };
    Ok(entries(home)?.iter().any(leads_there))
}

/// The names of what lies in a directory; of none if it is not there.
fn entries(directory: &Path) -> io::Result<Vec<String>> {
    let found = match fs::read_dir(directory) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(vec![]),
        found => found?,
    };
    let names = found.map(|entry| Ok(entry?.file_name().into_string().ok()));
    names.filter_map(Result::transpose).collect()
}

fn image(name: &Name, record: Record, tree: &Path) -> Image {
    let Record { digest, bytes, environment, labels } = record;
    let root = tree.join(ROOT);
    Image { name: name.as_str().into(), digest, bytes, environment, labels, root }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let environment = vec![("A".into(), "b".into())];
        Record { digest: "sha256:1".into(), bytes: 7, environment, labels: BTreeMap::new() }
    }

    fn trees(home: &Path) -> usize {
        entries(&home.join(TREES)).unwrap().len()
    }

    #[test]
    fn a_name_means_its_newest_tree_and_the_older_one_stays_while_it_is_held() {
        let home = tempfile::tempdir().unwrap();
        let (home, name) = (home.path(), Name::parse("x/a").unwrap());
        assert_eq!((find(home, &name).unwrap(), list(home).unwrap()), (None, vec![]));
        let first = Draft::new(home).unwrap().publish(&name, record()).unwrap();
        assert_eq!(find(home, &name).unwrap(), Some(first.clone()));
        let held = hold(first.root.parent().unwrap()).unwrap();
        let second = Draft::new(home).unwrap().publish(&name, record()).unwrap();
        assert_ne!(first.root, second.root);
        assert_eq!(list(home).unwrap(), std::slice::from_ref(&second));
        sweep_all(home).unwrap();
        assert!(first.root.is_dir());
        drop(held);
        sweep_all(home).unwrap();
        assert!(!first.root.exists() && second.root.is_dir());
    }

    #[test]
    fn an_image_that_nobody_holds_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let (home, name) = (home.path(), Name::parse("x/a").unwrap());
        assert!(!remove(home, &name).unwrap());
        let image = Draft::new(home).unwrap().publish(&name, record()).unwrap();
        let held = hold(image.root.parent().unwrap()).unwrap();
        assert!(matches!(remove(home, &name).unwrap_err(), ImageError::InUse(_)));
        assert_eq!(find(home, &name).unwrap(), Some(image));
        drop(held);
        assert!(remove(home, &name).unwrap());
        assert_eq!((find(home, &name).unwrap(), trees(home)), (None, 0));
    }

    #[test]
    fn what_is_being_made_stays_and_what_a_crash_left_goes() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let draft = Draft::new(home).unwrap();
        fs::create_dir_all(home.join(TREES).join("crashed/deep/d")).unwrap();
        sweep_all(home).unwrap();
        assert!(draft.root().is_dir());
        assert_eq!(trees(home), 1);
        drop(draft);
        assert_eq!(trees(home), 0);
    }
}
