//! Ids, and the one by which a data directory's containers are told from those of others.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use engine::EngineError;

use crate::folder::io_error;

/// The file with the name.
const OWNER: &str = "owner";

/// The random end of a UUID.
const ID_LENGTH: usize = 12;

/// The name by which this data directory's containers are told from others', made once; a copy of the
/// directory gets one of its own.
pub(crate) fn owner(home: &Path) -> Result<String, EngineError> {
    let (path, of) = (home.join(OWNER), home.join("owner-of"));
    let identity = engine::identity(home).map_err(|e| io_error("look at", home, e))?;
    // The first ones did not say which directory they named.
    let is_copy = read_if_there(&of)?.is_some_and(|of| of != identity);
    let known = read_if_there(&path)?.filter(|id| !is_copy && is_id(id));
    let id = known.unwrap_or_else(fresh_id);
    // In this order: what a crash leaves in between is taken for a copy, which has no containers yet.
    replace(&path, &id)?;
    replace(&of, &identity)?;
    Ok(id)
}

/// An error unless the directory of this name is still there, and what its folders name with it.
pub(crate) fn check(home: &Path, owner: &str) -> Result<(), EngineError> {
    let path = home.join(OWNER);
    let found = read_if_there(&path)?.filter(|found| found == owner);
    found.map(drop).ok_or_else(|| io_error("find our name in", &path, ErrorKind::NotFound.into()))
}

/// One that nobody had before.
pub(crate) fn fresh_id() -> String {
    uuid::Uuid::now_v7().simple().to_string().chars().rev().take(ID_LENGTH).collect()
}

/// Whether it is one.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read_if_there(path: &Path) -> Result<Option<String>, EngineError> {
    match fs::read_to_string(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|e| io_error("read", path, e)),
    }
}

/// All or nothing.
fn replace(path: &Path, text: &str) -> Result<(), EngineError> {
    if read_if_there(path)?.as_deref() == Some(text) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    written.map_err(|e| io_error("write", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_data_directory_is_another_owner() {
        let all = tempfile::tempdir().unwrap();
        let [home, copy, moved] = ["home", "copy", "moved"].map(|name| all.path().join(name));
        fs::create_dir(&home).unwrap();
        let id = owner(&home).unwrap();
        assert_eq!(owner(&home).unwrap(), id);
        fs::create_dir(&copy).unwrap();
        for name in ["owner", "owner-of"] {
            fs::copy(home.join(name), copy.join(name)).unwrap();
        }
        let other = owner(&copy).unwrap();
        assert_ne!(other, id);
        assert_eq!(owner(&copy).unwrap(), other, "it keeps its own");
        fs::rename(&home, &moved).unwrap();
        assert_eq!(owner(&moved).unwrap(), id);
        check(&moved, &id).unwrap();
        check(&moved, &other).unwrap_err();
        check(&home, &id).unwrap_err();
    }
}
