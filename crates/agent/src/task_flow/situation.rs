//! Where an agent finds itself, as far as one sees without running anything.

use std::fs;
use std::path::Path;

use crate::step::is_installed;

/// Names of the workspace that are told.
const MOST_NAMES: usize = 50;

/// What people's tasks need, and models tend to take for granted.
const PROGRAMS: [&str; 20] = [
    "python3", "pip3", "pytest", "node", "npm", "git", "curl", "jq", "gcc", "make", "cargo", "go",
    "java", "ruby", "php", "sqlite3", "pandoc", "ffmpeg", "convert", "soffice",
];

/// A note about the workspace and the programs there are.
pub(super) fn note(workspace: &Path, path: &str) -> String {
    let (there, missing): (Vec<&str>, Vec<&str>) =
        PROGRAMS.iter().partition(|name| is_installed(name, path));
    let mut lines = vec![files(workspace)];
    for (what, names) in [("Installed", there), ("Not installed", missing)] {
        if !names.is_empty() {
            lines.push(format!("{what}: {}.", names.join(", ")));
        }
    }
    lines.join("\n")
}

/// What is in the workspace, as far as agentd may look: it may belong to the command user alone.
fn files(workspace: &Path) -> String {
    let at = workspace.display();
    let Ok(entries) = fs::read_dir(workspace) else {
        return format!("Your shell begins in {at}.");
    };
    let mut names: Vec<String> = entries.flatten().map(|entry| name(&entry)).collect();
    names.retain(|name| !name.starts_with('.') && name != "lost+found/");
    names.sort_unstable();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    match (names.len(), more) {
        (0, _) => format!("Your shell begins in {at}, which is empty."),
        (_, 0) => format!("Your shell begins in {at}, which holds: {}", names.join(", ")),
        _ => {
            format!("Your shell begins in {at}, which holds: {} and {more} more", names.join(", "))
        }
    }
}

/// A hostile name stays one line.
fn name(entry: &fs::DirEntry) -> String {
    let slash = if entry.file_type().is_ok_and(|kind| kind.is_dir()) { "/" } else { "" };
    format!("{}{slash}", entry.file_name().to_string_lossy().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_files_and_programs() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("git"), "").unwrap();
        let path = format!("relative:{}", bin.display());
        fs::write(dir.path().join("two\nlines"), "").unwrap();
        fs::write(dir.path().join(".hidden"), "").unwrap();
        let note = note(dir.path(), &path);
        assert!(note.contains("which holds: bin/, two\\nlines\nInstalled: git.\n"), "{note}");
        assert!(note.contains("Not installed: python3, "), "{note}");
    }

    #[test]
    fn long_and_closed_workspaces_are_told_in_short() {
        let dir = tempfile::tempdir().unwrap();
        assert!(files(dir.path()).ends_with("which is empty."));
        assert!(!files(&dir.path().join("none")).contains("which"));
        for name in 0..MOST_NAMES + 2 {
            fs::write(dir.path().join(name.to_string()), "").unwrap();
        }
        assert!(files(dir.path()).ends_with(" and 2 more"));
    }
}
