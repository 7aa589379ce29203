//! `cagent.toml`: where it is, and what it says.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::table::{self, Files, Setting};
use super::{small_file, suggest};

/// Its name.
pub(super) const NAME: &str = "cagent.toml";

/// What a file says of our settings.
#[derive(Debug)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    /// Value and line, by key.
    pub(super) values: HashMap<&'static str, (OsString, usize)>,
}

impl ConfigFile {
    /// Reads a file that must be there.
    ///
    /// # Errors
    /// Names the line of what is not TOML, not a setting, or not of a form that settings have.
    pub(super) fn read(path: PathBuf) -> Result<Self> {
        let text = small_file::read(&path);
        let text = text.with_context(|| format!("read the settings {}", path.display()))?;
        let values = values(&text)
            .map_err(|Bad { at, why }| anyhow!("{}:{}: {why}", path.display(), line(&text, at)))?;
        Ok(Self { path, values })
    }

    /// Reads the first of these files that is there.
    pub(super) fn first(candidates: impl IntoIterator<Item = PathBuf>) -> Result<Option<Self>> {
        // What may not be looked at is another user's, and cannot be what is meant for us.
        let mut there = candidates.into_iter().filter(|path| path.try_exists().unwrap_or(false));
        there.next().map(Self::read).transpose()
    }
}

/// What is wrong, and at which byte.
#[derive(Debug)]
struct Bad {
    at: usize,
    why: String,
}

fn values(text: &str) -> Result<HashMap<&'static str, (OsString, usize)>, Bad> {
    let table = DeTable::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        Bad { at, why: e.message().into() }
    })?;
    let mut values = HashMap::new();
    for (key, at, value) in leaves("", table.get_ref()) {
        let bad = |why| Bad { at, why };
        let setting = table::by_key(&key).filter(|setting| setting.files != Files::None);
        let setting = setting.ok_or_else(|| bad(suggest::unknown_key(&key)))?;
        let value = as_text(setting, value).map_err(|e| bad(format!("{key}: {e}")))?;
        values.insert(setting.key, (value.into(), line(text, at)));
    }
    Ok(values)
}

/// Every value that is no table: its whole name, where that is, and what it is.
fn leaves<'a>(prefix: &str, table: &'a DeTable<'a>) -> Vec<(String, usize, &'a DeValue<'a>)> {
    let below = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => leaves(&format!("{name}."), table),
            value => vec![(name, key.span().start, value)],
        }
    };
    table.iter().flat_map(below).collect()
}

/// A value as a variable would hold it.
fn as_text(setting: &Setting, value: &DeValue<'_>) -> Result<String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix());
            Ok(number.context("the number is too large")?.to_string())
        }
        DeValue::Float(number) => Ok(number.as_str().into()),
        DeValue::Array(entries) => joined(setting, entries),
        other => bail!("expected text or a number, not a {}", other.type_str()),
    }
}

fn joined(setting: &Setting, entries: &DeArray<'_>) -> Result<String> {
    let separator = setting.separator.context("expected text or a number, not a list")?;
    let mut texts = Vec::new();
    for entry in entries.iter() {
        let text = entry.get_ref().as_str().context("expected a list of texts")?;
        ensure!(!text.contains(separator), "`{separator}` cannot be part of {text:?}");
        texts.push(text);
    }
    Ok(texts.join(&separator.to_string()))
}

/// Counted from 1, as editors do.
fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Where an administrator, or a user, keeps settings.
pub(super) fn usual(is_root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let base = || variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    let base = if is_root { Some(Path::new("/etc").into()) } else { base() };
    base.map(|base| base.join("cagent").join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, String) {
        let Bad { at, why } = values(text).unwrap_err();
        (line(text, at), why)
    }

    #[test]
    fn every_form_of_a_value_is_what_a_variable_would_hold() {
        let text = "# x\nlisten = '127.0.0.1:0'\nretention_days = 0x1_0\nexpose = ['/a', '/b']\n\
                    network = 'none'\n\n[limits]\ncpus = 1.5\nmemory_bytes = '1G'\n";
        let values = values(text).unwrap();
        let of = |key: &str| (values[key].0.to_str().unwrap(), values[key].1);
        assert_eq!(of("listen"), ("127.0.0.1:0", 2));
        assert_eq!(of("retention_days"), ("16", 3));
        assert_eq!(of("expose"), ("/a:/b", 4));
        assert_eq!(of("limits.cpus"), ("1.5", 8));
        assert_eq!(of("limits.memory_bytes"), ("1G", 9));
        assert_eq!(values.len(), 6);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_at_its_line() {
        for (text, at, said) in [
            ("\nlisen = 1", 2, "did you mean listen?"),
            ("\n[limit]\n\ncpus = 1", 4, "did you mean limits.cpus?"),
            ("config = 'x'", 1, "there is no setting config"),
            ("\n\nlisten = true", 3, "listen: expected text or a number, not a boolean"),
            ("listen = ['a']", 1, "listen: expected text or a number, not a list"),
            ("expose = [1]", 1, "expose: expected a list of texts"),
            ("expose = ['/a:/b']", 1, "`:` cannot be part of"),
            ("a = 1\na = 2", 2, "duplicate key"),
            ("\nlisten = ", 2, ""),
        ] {
            let (line, why) = refused(text);
            assert!(line == at && why.contains(said), "{text:?}: {line}: {why}");
        }
    }

    #[test]
    fn everybody_has_a_place_for_settings() {
        let of = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/x"));
        assert_eq!(usual(true, of).unwrap(), Path::new("/etc/cagent/cagent.toml"));
        assert_eq!(usual(false, of).unwrap(), Path::new("/home/x/.config/cagent/cagent.toml"));
        assert_eq!(usual(false, |_| None), None);
    }
}
