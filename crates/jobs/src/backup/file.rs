//! Single files: copied and hashed in one pass.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::folders::make_private;

/// What is read at one time.
const PIECE: usize = 256 * 1024;

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Copies a file, or so many bytes of it, to a new one for its owner only.
pub(super) fn copy(from: &Path, to: &Path, most: u64) -> io::Result<Facts> {
    let file = File::open(from)?;
    let mode = file.metadata()?.permissions().mode() & 0o700 | 0o600;
    if let Some(folder) = to.parent() {
        make_private(folder)?;
    }
    let mut new = File::options().write(true).create_new(true).mode(mode).open(to)?;
    read(file.take(most), |piece| new.write_all(piece))
}

/// Looks at a file.
pub(super) fn facts(path: &Path) -> io::Result<Facts> {
    read(File::open(path)?.take(u64::MAX), |_| Ok(()))
}

/// The regular files beneath a directory, in order, by their paths; none if it is not there.
pub(super) fn beneath(dir: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let (mut files, mut dirs) = (vec![], vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => dirs.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(
    mut file: io::Take<File>,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Facts> {
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(Facts { bytes, sha256 });
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
        each(&buffer[..read])?;
    }
}
