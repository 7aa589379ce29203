//! The variables settings come from: the process's own, then those of a `.env` file.
//!
//! The file is read, never put into our own environment: what somebody else's directory says must
//! not reach the programs we start.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, anyhow};

/// What a `.env` file does not decide: whoever happens to stand in somebody else's directory must
/// not send a task elsewhere by that, or show more of the machine to sandboxes.
const OWN_ONLY: [&str; 2] = ["CAGENT_SERVER", "CAGENT_EXPOSE"];

/// Variables by name. An empty one counts as not set, as `NAME=` in a `.env` file is meant.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    own: HashMap<OsString, OsString>,
    file: HashMap<String, String>,
}

impl Environment {
    /// Reads the process's variables and the file, if there is one.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        Ok(Self { own: std::env::vars_os().collect(), file: read_file(file)? })
    }

    /// A variable.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        let own = self.own.get(name.as_ref() as &std::ffi::OsStr).cloned();
        let set = |value: &OsString| !value.is_empty();
        own.filter(set).or_else(|| self.file.get(name).map(OsString::from).filter(set))
    }

    /// A variable that must be text.
    pub(crate) fn text(&self, name: &str) -> anyhow::Result<Option<String>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = value.into_string();
        text.map(Some).map_err(|value| anyhow!("{name}={}: no text", value.display()))
    }
}

fn read_file(path: &Path) -> anyhow::Result<HashMap<String, String>> {
    let entries = match dotenvy::from_path_iter(path) {
        Err(dotenvy::Error::Io(e)) if e.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        entries => entries.with_context(|| format!("read {}", path.display()))?,
    };
    let entries = entries.collect::<Result<_, _>>().map_err(without_value);
    let entries: HashMap<String, String> =
        entries.with_context(|| format!("read {}", path.display()))?;
    Ok(entries.into_iter().filter(|(name, _)| !OWN_ONLY.contains(&name.as_str())).collect())
}

/// A line that cannot be read may hold a key; only its name is for other eyes.
fn without_value(error: dotenvy::Error) -> anyhow::Error {
    match error {
        dotenvy::Error::LineParse(line, _) => {
            let name: String =
                line.split('=').next().unwrap_or_default().chars().take(12).collect();
            anyhow!("the line that begins with {name:?} is not NAME=value")
        }
        error => error.into(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Variables for a test.
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Environment {
        let own = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Environment { own, file: HashMap::new() }
    }

    #[test]
    fn own_variables_win_and_empty_ones_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, "# settings\nA=file\nB='of the file'\nC=\nD=file\n").unwrap();
        let mut environment = of(&[("A", "own"), ("D", "")]);
        environment.file = read_file(&path).unwrap();
        let text = |name| environment.text(name).unwrap();
        assert_eq!(text("A").as_deref(), Some("own"));
        assert_eq!(text("B").as_deref(), Some("of the file"));
        assert_eq!(text("C"), None);
        assert_eq!(text("D").as_deref(), Some("file"));
    }

    #[test]
    fn a_file_neither_sends_tasks_elsewhere_nor_shows_the_machine() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, "CAGENT_SERVER=http://x\nCAGENT_EXPOSE=/\nA=1\n").unwrap();
        let names: Vec<String> = read_file(&path).unwrap().into_keys().collect();
        assert_eq!(names, ["A"]);
    }

    #[test]
    fn no_file_is_no_error_and_a_bad_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        assert!(read_file(&path).unwrap().is_empty());
        std::fs::write(&path, "KEY='secret\n").unwrap();
        let error = format!("{:#}", read_file(&path).unwrap_err());
        assert!(error.contains(".env") && error.contains("KEY"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
