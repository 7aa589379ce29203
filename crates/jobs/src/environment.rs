//! What a job's own variables may be. Pure.

use std::collections::BTreeMap;

/// How many there may be.
const MAX_VARIABLES: usize = 256;

/// How many bytes all names and values may have: what the kernel takes as one string (`execve(2)`).
const MAX_BYTES: usize = 128 * 1024;

/// What begins the names of our own.
const OURS: &str = "CAGENT_";

/// Variables that cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable {name:?} cannot be set: {why}")]
pub struct InvalidEnvironment {
    /// Which one; of too many the first that is too much.
    pub name: String,
    /// Why not.
    pub why: &'static str,
}

pub(crate) fn check(variables: &BTreeMap<String, String>) -> Result<(), InvalidEnvironment> {
    let mut bytes = 0;
    for (at, (name, value)) in variables.iter().enumerate() {
        bytes += name.len() + value.len() + "=\0".len();
        if let Some(why) = refusal(at, name, value, bytes) {
            return Err(InvalidEnvironment { name: name.chars().take(64).collect(), why });
        }
    }
    Ok(())
}

fn refusal(at: usize, name: &str, value: &str, bytes: usize) -> Option<&'static str> {
    if !is_name(name) {
        Some("a name has letters, digits and `_`, and does not begin with a digit")
    } else if name.starts_with(OURS) {
        Some("names that begin with CAGENT_ are reserved")
    } else if value.contains('\0') {
        Some("its value has a NUL")
    } else if at >= MAX_VARIABLES {
        Some("there may be at most 256")
    } else if bytes > MAX_BYTES {
        Some("all together may have at most 128 KiB")
    } else {
        None
    }
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(letter) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> bool {
        check(&BTreeMap::from([(name.into(), value.into())])).is_err()
    }

    #[test]
    fn only_ordinary_names_are_taken() {
        for name in ["A", "_", "http_proxy", "PATH", "a1"] {
            assert!(!refused(name, "any \n value"), "{name}");
        }
        for name in ["", "1A", "A B", "A=B", "A-B", "Ä", "A\0", "CAGENT_DATA_DIR"] {
            assert!(refused(name, ""), "{name:?}");
        }
        assert!(refused("A", "x\0y"));
    }

    #[test]
    fn there_are_not_too_many_nor_too_large() {
        let many = |count| (0..count).map(|n| (format!("V{n}"), String::new())).collect();
        assert_eq!(check(&many(256)), Ok(()));
        assert!(check(&many(257)).is_err());
        assert!(!refused("A", &"x".repeat(MAX_BYTES - 3)));
        assert!(refused("A", &"x".repeat(MAX_BYTES - 2)));
    }
}
