//! The `.env` file of the directory we are called in.
//!
//! It is read, never put into our own environment: what somebody else's directory says must not
//! reach the programs we start.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};

use super::table::{self, Files};
use super::{small_file, suggest};

/// What a `.env` file says of our settings.
#[derive(Debug, Default)]
pub(super) struct EnvFile {
    /// By variable. An empty one counts as not set, as `NAME=` in a `.env` file is meant.
    pub(super) values: HashMap<String, String>,
    /// What it says that it may not decide.
    pub(super) ignored: Vec<String>,
}

impl EnvFile {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or holds a `CAGENT_…` that is none of our settings. Other names are
    /// other programs'.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let entries =
            entries(path).with_context(|| format!("read the settings {}", path.display()))?;
        let mut file = Self::default();
        for (name, value) in entries.into_iter().filter(|(_, value)| !value.is_empty()) {
            match table::by_variable(&name).map(|setting| setting.files) {
                Some(Files::All) => drop(file.values.insert(name, value)),
                Some(Files::NotEnv | Files::None) => file.ignored.push(name),
                None if name.starts_with(suggest::OURS) => {
                    bail!("{}: {}", path.display(), suggest::unknown_variable(&name))
                }
                None => {}
            }
        }
        Ok(file)
    }
}

fn entries(path: &Path) -> Result<HashMap<String, String>> {
    match small_file::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(HashMap::new()),
        text => {
            let text = text?;
            let entries = dotenvy::from_read_iter(text.as_bytes());
            entries.collect::<Result<_, _>>().map_err(without_value)
        }
    }
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
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EnvFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, text).unwrap();
        EnvFile::read(&path)
    }

    #[test]
    fn settings_are_read_and_other_programs_names_are_not() {
        let file = read("# x\nRETENTION_DAYS=2\nCAGENT_RESERVE=\nOTHER='of the file'\n").unwrap();
        assert_eq!(file.values.len(), 1, "{file:?}");
        assert_eq!(file.values["RETENTION_DAYS"], "2");
        assert_eq!(file.ignored.len(), 0);
    }

    #[test]
    fn a_file_neither_sends_tasks_elsewhere_nor_shows_the_machine() {
        let text = "CAGENT_SERVER=http://x\nCAGENT_EXPOSE=/\nCAGENT_CONFIG=x\nCAGENT_UIDS=0:2\n\
                    CAGENT_EGRESS_ALLOW=10.0.0.0/8\n";
        let file = read(text).unwrap();
        assert!(file.values.is_empty());
        assert_eq!(file.ignored.len(), 5, "{file:?}");
    }

    #[test]
    fn an_unknown_name_of_ours_is_refused_with_the_nearest() {
        let error = read("CAGENT_CONCURENCY=2\n").unwrap_err().to_string();
        assert!(error.contains(".env") && error.contains("did you mean CAGENT_CONCURRENCY"));
    }

    #[test]
    fn no_file_is_no_error_and_a_bad_one_is() {
        assert!(EnvFile::read(Path::new("/nowhere/.env")).unwrap().values.is_empty());
        let error = format!("{:#}", read("KEY='secret\n").unwrap_err());
        assert!(error.contains(".env") && error.contains("KEY"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
