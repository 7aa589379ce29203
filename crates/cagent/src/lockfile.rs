//! Who has a data directory, as the file `lock` in it tells.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::Context as _;
use reqwest::Url;

/// What a server adds that goes away with the command it was started for.
pub(crate) const PASSING: &str = "until its command ends";

/// What the process that has the directory wrote about itself; none if nobody has it.
pub(crate) fn owner(data_dir: &Path) -> anyhow::Result<Option<String>> {
    let path = data_dir.join("lock");
    let opened = match File::open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.and_then(|file| held(&file).map(|held| (file, held))),
    };
    let (mut file, held) = opened.with_context(|| format!("look at {}", path.display()))?;
    if !held {
        return Ok(None);
    }
    let mut line = String::new();
    file.read_to_string(&mut line).with_context(|| format!("read {}", path.display()))?;
    Ok(Some(line.trim().into()))
}

/// Where the server is that wrote this about itself.
pub(crate) fn address(line: &str) -> Option<Url> {
    line.split_whitespace().find_map(|word| word.parse().ok().filter(|url: &Url| url.has_host()))
}

/// Whether another process has the lock. Holds it for a moment itself, so who wants it tries twice.
fn held(file: &File) -> std::io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn only_who_holds_the_lock_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(owner(dir.path()).unwrap(), None);
        let mut lock = File::create(dir.path().join("lock")).unwrap();
        writeln!(lock, "pid 12 http://127.0.0.1:8000").unwrap();
        assert_eq!(owner(dir.path()).unwrap(), None, "what a dead process left");
        lock.lock().unwrap();
        let line = owner(dir.path()).unwrap().unwrap();
        assert_eq!(address(&line).unwrap().as_str(), "http://127.0.0.1:8000/");
        assert_eq!(address("pid 12"), None);
    }
}
