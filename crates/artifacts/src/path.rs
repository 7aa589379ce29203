use std::fmt;
use std::str::FromStr;

use types::delivery;

use crate::name;

/// `PATH_MAX` of Linux without its NUL, in bytes.
const MAX_PATH: usize = 4095;

/// `NAME_MAX` of Linux, in bytes.
const MAX_NAME: usize = 255;

/// A path within a workspace: relative, without `.` and `..`, not beneath `.cagent`, and not named
/// like a file that is being uploaded.
///
/// As text it is spelled as in the ZIP (`%0A` for a newline, see `docs/artifacts.md`), so that what
/// a list shows can be asked for, and every file has one spelling.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WorkspacePath(Vec<u8>);

/// Not a path within a workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is no path in a workspace: {why}")]
pub struct InvalidPath {
    shown: String,
    why: String,
}

impl WorkspacePath {
    /// The workspace itself.
    #[must_use]
    pub fn root() -> Self {
        Self(Vec::new())
    }

    /// A path that a walk found.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes of the path as the kernel knows it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The directory it lies in, and its name there; none for the workspace itself.
    pub(crate) fn split(&self) -> Option<(&[u8], &[u8])> {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => Some((&self.0[..slash], &self.0[slash + 1..])),
            None => (!self.0.is_empty()).then_some((&[], &self.0)),
        }
    }
}

impl FromStr for WorkspacePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let bytes = name::unescape(text);
        let spelled = name::escape(&bytes);
        let why = match refusal(&bytes) {
            Some(why) => why.to_owned(),
            None if spelled != text => format!("it is spelled {spelled:?}"),
            None => return Ok(Self(bytes)),
        };
        Err(InvalidPath { shown: text.chars().take(MAX_NAME).collect(), why })
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&name::escape(&self.0))
    }
}

impl fmt::Debug for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// Why these bytes are no path.
fn refusal(bytes: &[u8]) -> Option<&'static str> {
    let mut parts = bytes.split(|byte| *byte == b'/');
    if bytes.first() == Some(&b'/') {
        Some("it must be relative: leave out the first slash")
    } else if bytes.len() > MAX_PATH {
        Some("it has more than 4095 bytes")
    } else if bytes.contains(&0) {
        Some("it has a NUL byte")
    } else if parts.clone().any(<[u8]>::is_empty) {
        Some("it is empty, or one of its names is")
    } else if parts.clone().any(|part| part == b"." || part == b"..") {
        Some("`.` and `..` are not allowed")
    } else if parts.clone().any(|part| part.len() > MAX_NAME) {
        Some("one of its names has more than 255 bytes")
    } else if parts.clone().any(delivery::is_unfinished) {
        Some("names that begin with `.cagent-upload-` are reserved")
    } else if parts.next().is_some_and(delivery::is_reserved) {
        Some("`.cagent`, and what looks like it, is reserved")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_lead_anywhere_else_are_refused() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(2048) + "x";
        for text in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            ".cagent",
            ".CAGENT/manifest.json",
            ".cagent.",
            ".cagent /x",
            ".cagent. .",
            ".c\u{200c}agent",
            "\u{feff}.Cagent\u{ad} /x",
            ".cagent-upload-1",
            "a/.cagent-upload-/b",
            "%2E%2E/x",
            "a%2Fb",
            "a%00",
            "a\\b",
            "a\nb",
            "a%41",
            &long,
            &deep,
        ] {
            assert!(text.parse::<WorkspacePath>().is_err(), "{text:?}");
        }
        let error = "a\\b".parse::<WorkspacePath>().unwrap_err().to_string();
        assert!(error.contains(r#"it is spelled "a%5Cb""#), "{error}");
    }

    #[test]
    fn ordinary_and_escaped_paths_are_taken() {
        for text in [
            "a",
            "größe/日本 🦀.md",
            "sub/.cagent",
            "100%",
            "caf%E9",
            "a%0Ab",
            "...",
            "a b",
            ".cagents",
            ".cagent-",
            "a/.cagent.",
        ] {
            assert_eq!(text.parse::<WorkspacePath>().unwrap().to_string(), text);
        }
        let path: WorkspacePath = "a/caf%E9".parse().unwrap();
        assert_eq!(path.split(), Some((&b"a"[..], &b"caf\xe9"[..])));
        assert_eq!(WorkspacePath::root().split(), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_beneath_and_has_one_spelling(text in "[a./%25E9\\\\\n]{0,12}") {
            if let Ok(path) = text.parse::<WorkspacePath>() {
                prop_assert_eq!(path.to_string(), text);
                let mut parts = std::path::Path::new(std::str::from_utf8(path.as_bytes()).unwrap_or("x")).components();
                prop_assert!(parts.all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
