//! What cannot be measured on a machine because something is not there: that is told and skipped, and
//! is no failure.

use std::fmt;

/// What is missing, and how to get it.
#[derive(Debug)]
pub(crate) struct Missing(String);

impl Missing {
    pub(crate) fn of(what: impl Into<String>) -> anyhow::Error {
        Self(what.into()).into()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

/// # Errors
/// [`Missing`] if one of these programs is not in `PATH`; they come with these packages.
pub(crate) fn needs(programs: &[&str], packages: &str) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    match programs.iter().find(|program| !is_there(program)) {
        None => Ok(()),
        Some(program) => {
            Err(Missing::of(format!("{program} is not installed; apt-get install {packages}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_cure() {
        assert!(needs(&["sh"], "dash").is_ok());
        let why = needs(&["sh", "no-such-program"], "it").unwrap_err();
        assert!(why.is::<Missing>());
        assert_eq!(why.to_string(), "no-such-program is not installed; apt-get install it");
    }
}
