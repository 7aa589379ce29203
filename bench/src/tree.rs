//! Trees to be packed, the same every time.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

const MIB: usize = 1024 * 1024;
/// What a compressor sees of a file at one time.
const WINDOW: usize = 32 * 1024;

/// A project as people have them: the sources of this one so many times over, a program, and a
/// tenth of what is compressed already. Returns its bytes.
pub(crate) fn sources(root: &Path, program: &Path, copies: usize) -> anyhow::Result<u64> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    for copy in 0..copies {
        copy_all(&ours, &root.join(format!("src{copy}")))?;
    }
    fs::create_dir_all(root.join("bin"))?;
    fs::copy(program, root.join("bin/program"))?;
    let noise = noise(bytes_in(root)? as usize / 10);
    fs::write(root.join("bin/pictures"), noise)?;
    bytes_in(root)
}

/// So many files of 1 MiB, quickly packed.
pub(crate) fn megabytes(root: &Path, files: usize) -> anyhow::Result<()> {
    fs::create_dir_all(root)?;
    let window = noise(WINDOW / 2);
    for n in 0..files {
        let mut file = File::create(root.join(format!("{n}.bin")))?;
        file.write_all(&window.repeat(MIB / window.len()))?;
    }
    Ok(())
}

/// Bytes without a pattern (xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(length / 8).flatten().collect();
    bytes.truncate(length);
    bytes
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("list {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_all(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

fn bytes_in(root: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let is_dir = entry.file_type()?.is_dir();
        bytes += if is_dir { bytes_in(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_the_same_every_time() {
        let dir = tempfile::tempdir().unwrap();
        megabytes(&dir.path().join("a"), 2).unwrap();
        megabytes(&dir.path().join("b"), 2).unwrap();
        assert_eq!(bytes_in(dir.path()).unwrap(), 4 * MIB as u64);
        let read = |name| fs::read(dir.path().join(name)).unwrap();
        assert!(read("a/1.bin") == read("b/0.bin"));
        assert_eq!(noise(1000), noise(1000));
    }
}
