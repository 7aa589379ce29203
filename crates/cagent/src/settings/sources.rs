//! Where values of settings come from, and which of them counts.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::env_file::EnvFile;
use super::file::{self, ConfigFile};
use super::suggest;
use super::table::{self, Setting};

/// Values given on the command line, by the key of their setting.
pub(crate) type Flags = HashMap<&'static str, OsString>;

/// Everything that was said, by whomever.
#[derive(Debug)]
pub(crate) struct Sources {
    flags: Flags,
    own: HashMap<OsString, OsString>,
    env_file: EnvFile,
    file: Option<ConfigFile>,
}

/// Who decided a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Environment,
    EnvFile,
    File { path: PathBuf, line: usize },
    Default,
}

/// A value, and who gave it.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) value: OsString,
    pub(super) origin: Origin,
}

impl Sources {
    /// Reads the files. `own` is the environment of this process.
    ///
    /// # Errors
    /// When a file cannot be read, or says what cannot be meant.
    pub(crate) fn read(
        flags: Flags,
        own: impl IntoIterator<Item = (OsString, OsString)>,
        env_file: &Path,
    ) -> Result<Self> {
        // An empty variable counts as not set.
        let own = own.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut this = Self { flags, own, env_file: EnvFile::read(env_file)?, file: None };
        this.file = this.find_file()?;
        Ok(this)
    }

    /// The value that counts, if one was given.
    pub(super) fn given(&self, setting: &Setting) -> Option<Given> {
        let by = |value: &OsStr, origin| Given { value: value.into(), origin };
        let flag = || Some(by(self.flags.get(setting.key)?, Origin::Flag));
        let names = || [Some(setting.variable), setting.also].into_iter().flatten();
        let own = || {
            let value = names().find_map(|name| self.own.get(OsStr::new(name)))?;
            Some(by(value, Origin::Environment))
        };
        let env_file = || {
            let value = names().find_map(|name| self.env_file.values.get(name))?;
            Some(by(value.as_ref(), Origin::EnvFile))
        };
        let file = || {
            let file = self.file.as_ref()?;
            let (value, line) = file.values.get(setting.key)?;
            Some(by(value, Origin::File { path: file.path.clone(), line: *line }))
        };
        flag().or_else(own).or_else(env_file).or_else(file)
    }

    /// Who decided a setting.
    pub(crate) fn origin(&self, setting: &Setting) -> Origin {
        self.given(setting).map_or(Origin::Default, |given| given.origin)
    }

    /// The `cagent.toml` that was read.
    pub(super) fn config(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Where jobs are kept if nobody says so.
    pub(super) fn usual_data_dir(&self) -> Option<PathBuf> {
        data_dir_of(rustix::process::geteuid().is_root(), |name| self.directory(name))
    }

    /// What was said in vain. Of variables only those that are like one of ours: others may be
    /// another program's, or another version's.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let own = self.own.keys().filter_map(|name| name.to_str());
        let is_slip = |name: &&str| {
            name.starts_with(suggest::OURS)
                && table::by_variable(name).is_none()
                && suggest::meant_variable(name).is_some()
        };
        let slips = own.filter(is_slip).map(suggest::unknown_variable);
        let ignored = self.env_file.ignored.iter().map(|name| {
            format!("{name} in .env is not used: set it in the environment or in {}", file::NAME)
        });
        slips.chain(ignored).collect()
    }

    /// A file that somebody named must be there; else the data directory's, else the usual one.
    fn find_file(&self) -> Result<Option<ConfigFile>> {
        let given = |key| table::by_key(key).and_then(|setting| self.given(setting));
        if let Some(named) = given("config") {
            return ConfigFile::read(named.value.into()).map(Some);
        }
        // A `.env` file that names the data directory may not, by a file in there, decide what it
        // may not decide itself.
        let in_data = match given("data_dir") {
            Some(Given { origin: Origin::EnvFile, .. }) => None,
            Some(named) => Some(named.value.into()),
            None => self.usual_data_dir(),
        };
        let is_root = rustix::process::geteuid().is_root();
        let usual = file::usual(is_root, |name| self.directory(name));
        ConfigFile::first(in_data.map(|dir| dir.join(file::NAME)).into_iter().chain(usual))
    }

    /// A variable of this process that names a directory.
    fn directory(&self, name: &str) -> Option<PathBuf> {
        self.own.get(OsStr::new(name)).map(PathBuf::from).filter(|path| path.is_absolute())
    }
}

fn data_dir_of(is_root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if is_root {
        return Some("/var/lib/cagent".into());
    }
    let base = variable("XDG_DATA_HOME");
    let base = base.or_else(|| Some(variable("HOME")?.join(".local/share")));
    base.map(|base| base.join("cagent"))
}

impl Given {
    /// What somebody said, and where.
    pub(super) fn as_said(&self, setting: &Setting) -> String {
        let value = self.value.display().to_string();
        let value = if setting.secret { "(not shown)" } else { &value };
        let Setting { key, variable, flag, .. } = setting;
        match &self.origin {
            Origin::Flag => format!("{} {value}", flag.unwrap_or(key)),
            Origin::Environment => format!("{variable}={value} (environment)"),
            Origin::EnvFile => format!("{variable}={value} (.env)"),
            Origin::File { path, line } => format!("{}:{line}: {key} = {value}", path.display()),
            Origin::Default => format!("{key} = {value}"),
        }
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::EnvFile => f.write_str(".env"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(env_file: &str, flags: &[(&'static str, &Path)], home: &Path) -> Option<PathBuf> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, env_file).unwrap();
        let flags = flags.iter().map(|(key, value)| (*key, value.into())).collect();
        let own = [("XDG_CONFIG_HOME".into(), home.into()), ("XDG_DATA_HOME".into(), home.into())];
        let sources = Sources::read(flags, own, &path).unwrap();
        sources.config().map(Into::into)
    }

    #[test]
    fn the_file_is_the_named_one_or_that_of_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join(file::NAME), dir.path().join("other.toml"));
        std::fs::write(&file, "").unwrap();
        std::fs::write(&other, "").unwrap();
        let nowhere = dir.path().join("nowhere");
        let data = ("data_dir", dir.path());
        assert_eq!(found("", &[data], &nowhere), Some(file));
        assert_eq!(found("", &[data, ("config", &other)], &nowhere), Some(other));
        let named = format!("CAGENT_DATA_DIR={}", dir.path().display());
        assert_ne!(found(&named, &[], &nowhere), Some(dir.path().join(file::NAME)), "by .env");
    }

    #[test]
    fn everybody_has_a_place_for_jobs() {
        let dir = |is_root, set: &[&str]| {
            let of = |name: &str| set.contains(&name).then(|| Path::new("/").join(name));
            data_dir_of(is_root, of)
        };
        assert_eq!(dir(true, &[]), Some("/var/lib/cagent".into()));
        assert_eq!(dir(false, &["HOME"]), Some("/HOME/.local/share/cagent".into()));
        let both = ["HOME", "XDG_DATA_HOME"];
        assert_eq!(dir(false, &both), Some("/XDG_DATA_HOME/cagent".into()));
        assert_eq!(dir(false, &[]), None);
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let flags = [("config", "/nowhere/x.toml".into())].into();
        let error = Sources::read(flags, [], Path::new("/nowhere/.env")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/x.toml"), "{error}");
    }
}
