//! Where the programs are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::entry::Entry;

/// Every program, with what all of them begin with, by name.
///
/// # Errors
/// When one cannot be read, or its head makes no sense.
pub(crate) fn read() -> anyhow::Result<Vec<Entry>> {
    let prelude = program("prelude")?;
    let mut entries = vec![];
    for group in beneath(&home())?.iter().filter(|path| path.is_dir()) {
        for path in beneath(group)? {
            let parts = (group.file_name(), path.file_stem());
            let (Some(group), Some(stem)) = parts else { continue };
            let name = format!("{}/{}", group.to_string_lossy(), stem.to_string_lossy());
            let text = fs::read_to_string(&path).with_context(|| name.clone())?;
            let mut entry = Entry::parse(&name, &text).context(name)?;
            entry.code = format!("{prelude}\n\n{text}");
            entries.push(entry);
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// A program that is none of the catalogue.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn program(name: &str) -> anyhow::Result<String> {
    let path = home().join(name).with_extension("py");
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

fn beneath(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
    Ok(entries.collect::<Result<Vec<_>, _>>()?.iter().map(fs::DirEntry::path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_says_what_it_tries() {
        let entries = read().unwrap();
        assert!(entries.len() >= 80, "{}", entries.len());
        for entry in entries {
            assert!(!entry.code.contains("``````"), "{}: it would end its block", entry.name);
        }
    }
}
