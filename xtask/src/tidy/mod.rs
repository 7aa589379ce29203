//! The rules of the house. Each rule is a pure function from what was read to [`Finding`]s; this
//! file reads the workspace and asks every rule.

mod layers;
mod links;
mod manifest;
mod source;
mod text;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

use layers::Crate;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// File (and line), or crate.
    place: String,
    /// What is wrong.
    what: String,
    /// What to do about it.
    cure: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.place, self.what, self.cure)
    }
}

/// Asks every rule about the workspace at `root` and prints what they find; fails if that is
/// anything.
///
/// # Errors
/// The workspace could not be read.
pub(crate) fn run(root: &Path) -> anyhow::Result<ExitCode> {
    let findings = check(root)?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} to put right", findings.len());
    Ok(ExitCode::FAILURE)
}

fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .exec()
        .context("read the workspace with `cargo metadata`")?;
    let mut findings = layers::forbidden(&crates(&metadata));
    findings.extend(check_crates(root, &metadata)?);
    findings.extend(check_files(root)?);
    Ok(findings)
}

/// The rules about a crate: its manifest, its documentation.
fn check_crates(root: &Path, metadata: &Metadata) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        let path = package.manifest_path.as_std_path();
        findings.extend(manifest::own_versions(&relative(root, path), &read(path)?)?);
        for path in crate_roots(package) {
            findings.extend(source::undocumented(&relative(root, path), &read(path)?));
        }
    }
    Ok(findings)
}

/// The rules about a file, whichever crate it is in. Files that are no text have no rules.
fn check_files(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in files(root)? {
        let Ok(content) = std::fs::read_to_string(&path) else { continue };
        let place = relative(root, &path);
        findings.extend(text::home_paths(&place, &content));
        match path.extension().and_then(OsStr::to_str) {
            Some("rs") => {
                findings.extend(source::too_long(&place, &content));
                findings.extend(source::forbidden_words(&place, &content));
            }
            Some("md") => {
                findings.extend(links::dead(&place, &content, |file| root.join(file).exists()));
            }
            _ => {}
        }
    }
    Ok(findings)
}

fn crates(metadata: &Metadata) -> Vec<Crate> {
    let ours: Vec<&str> = metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    let uses = |package: &Package, dev: bool| {
        let wanted = |kind| (kind == DependencyKind::Development) == dev;
        let deps = package.dependencies.iter().filter(|d| wanted(d.kind));
        deps.map(|d| d.name.clone()).filter(|name| ours.contains(&name.as_str())).collect()
    };
    let package = |package: &&Package| Crate {
        name: package.name.to_string(),
        uses: uses(package, false),
        tests_use: uses(package, true),
    };
    metadata.workspace_packages().iter().map(package).collect()
}

/// The files that a crate's libraries and programs begin with.
fn crate_roots(package: &Package) -> impl Iterator<Item = &Path> {
    let wanted = [TargetKind::Lib, TargetKind::Bin];
    let targets = package.targets.iter();
    targets
        .filter(move |t| t.kind.iter().any(|kind| wanted.contains(kind)))
        .map(|t| t.src_path.as_std_path())
}

/// What is, or could be, committed: everything that `.gitignore` does not name.
fn files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("list the files with `git ls-files`; is git installed?")?;
    ensure!(
        output.status.success(),
        "`git ls-files` failed in {}: {}",
        root.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8: rename it")?;
    let names = names.split_terminator('\0').map(|name| root.join(name));
    Ok(names.filter(|path| path.is_file()).collect())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_tidy() {
        let root = crate::workspace_root().unwrap();
        let findings: Vec<String> = check(&root).unwrap().iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}", findings.join("\n"));
    }
}
