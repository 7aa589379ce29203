use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// Tells a directory from every copy of it, and stays what it is when the directory is moved within
/// its file system: its inode and when that was made.
///
/// What an engine keeps elsewhere (containers, cgroups) belongs to one data directory. A copy of that
/// has every file of it, also those that name what is kept elsewhere.
///
/// # Errors
/// When there is no such directory.
pub fn identity(directory: &Path) -> io::Result<String> {
    let known = std::fs::metadata(directory)?;
    // Not every file system knows it.
    let born = known.created().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    Ok(format!("{}-{}", known.ino(), born.unwrap_or_default().as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_another_and_what_is_moved_is_the_same() {
        let home = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| home.path().join(name));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&b).unwrap();
        let first = identity(&a).unwrap();
        assert_ne!(first, identity(&b).unwrap());
        std::fs::rename(&a, &c).unwrap();
        assert_eq!(first, identity(&c).unwrap());
        identity(&a).unwrap_err();
    }
}
