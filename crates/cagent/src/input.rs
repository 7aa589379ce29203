//! What a job is given beside its task: files and variables, as options name them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, ensure};

/// A file for the workspace: `PATH` or `PATH=INSIDE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    /// Where it is here.
    pub(crate) local: PathBuf,
    /// Where it goes, within the workspace.
    pub(crate) inside: String,
}

impl Input {
    /// What changes with what is in it: its length, and when it was written; none if it is gone.
    pub(crate) fn state(&self) -> Option<(u64, SystemTime)> {
        let found = std::fs::metadata(&self.local).ok()?;
        Some((found.len(), found.modified().ok()?))
    }
}

impl FromStr for Input {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_there = |path: &str| std::fs::metadata(path).is_ok();
        // A name may hold the sign itself.
        let (path, inside) = match text.rsplit_once('=') {
            Some((path, inside)) if !is_there(text) => (path, Some(inside)),
            _ => (text, None),
        };
        let local = PathBuf::from(path);
        let found = std::fs::metadata(&local).map_err(|e| anyhow!("{path}: {e}"))?;
        ensure!(found.is_file(), "{path} is no file; files are given one by one, or as an archive");
        let name = local.file_name().and_then(|name| name.to_str());
        let inside = inside.or(name).context("its name is no text; use PATH=INSIDE")?.into();
        Ok(Self { local, inside })
    }
}

/// A variable for a job's commands: `NAME=VALUE`, or `NAME` with the value it has here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Variable {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((name, value)) = text.split_once('=') {
            return Ok(Self { name: name.into(), value: value.into() });
        }
        let value = std::env::var(text);
        let value = value.with_context(|| format!("{text} has no value here; use {text}=VALUE"))?;
        Ok(Self { name: text.into(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_or_gets_another() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.txt", "b=c"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let input = |text: String| text.parse::<Input>();
        let inside = |text: String| input(text).unwrap().inside;
        assert_eq!(inside(at("a.txt")), "a.txt");
        assert_eq!(inside(at("a.txt=in/b.txt")), "in/b.txt");
        assert_eq!(inside(at("b=c")), "b=c");
        assert_eq!(inside(at("b=c=d")), "d");
        assert!(input(at("missing")).unwrap_err().to_string().contains("missing: No such file"));
        let folder = dir.path().to_str().unwrap().to_owned();
        assert!(input(folder).unwrap_err().to_string().contains("one by one"));
    }

    #[test]
    fn a_variable_has_a_value_here_or_there() {
        let variable = |text: &str| text.parse::<Variable>();
        let given = variable("A=b=c").unwrap();
        assert_eq!((&*given.name, &*given.value), ("A", "b=c"));
        assert_eq!(variable("PATH").unwrap().value, std::env::var("PATH").unwrap());
        let error = variable("NOBODY_SET_THIS").unwrap_err().to_string();
        assert!(error.contains("NOBODY_SET_THIS=VALUE"), "{error}");
    }
}
